"""One good call of every public function, class and method with arguments.

`GOOD[name]` is the arguments with which the call succeeds. `test_bad_calls` replaces them, one at
a time, by things that do not belong there. A public name without a row fails that test.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minwn import WeightNorm, grad, nn, ops, optim, tensor
from minwn.byhand import weight_norm
from minwn.oracle import check, read
from minwn.oracle import vectors as golden


class Call(NamedTuple):
    """The arguments of a call, and the object whose method is called, or None for a function."""

    owner: Any
    args: tuple[Any, ...]
    options: dict[str, Any]

    def fresh(self) -> Call:
        """The same with copies: a call cannot change what the next one gets."""
        made = [x.make() if isinstance(x, Made) else copy.deepcopy(x) for x in self.args]
        owner = self.owner.make() if isinstance(self.owner, Made) else copy.deepcopy(self.owner)
        return Call(owner, tuple(made), copy.deepcopy(self.options))


class Made(NamedTuple):
    """What is made anew for each call: a copy of a Tensor has no graph."""

    make: Callable[[], Any]


def call(*args: Any, **options: Any) -> Call:
    return Call(None, args, options)


def method(owner: Any, *args: Any, **options: Any) -> Call:
    return Call(owner, args, options)


def numbers(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.linspace(0.5, 2.0, int(np.prod(shape))).reshape(shape).astype(dtype)


def square(x: Any) -> Any:
    return x * x


def forward(v: Any, g: Any) -> Any:
    return weight_norm.forward(v, g)


def backward(w_bar: Any, v: Any, g: Any) -> Any:
    return weight_norm.vjp(w_bar, v, g)


def backward_allowed(v: Any, g: Any, w_bar: Any) -> Any:
    return abs(v) * 1e-12, abs(g) * 1e-12


def square_vjp(y_bar: Any, x: Any) -> tuple[Any]:
    return (2 * x * y_bar,)


def square_jvp(x: Any, x_dot: Any) -> Any:
    return 2 * x * x_dot


def normalised() -> Any:
    return WeightNorm().apply(nn.Linear(3, 2, rng=0))


X, Y = tensor(numbers(2, 3)), tensor(numbers(2, 3))
M = tensor(numbers(3, 4))
LEAF = tensor(numbers(2, 3), requires_grad=True)
OUT = Made(lambda: ops.sum(LEAF * LEAF))
PICTURE = tensor(numbers(2, 4, 6))
W, B = tensor(numbers(4, 2, 3)), tensor(numbers(4))
V, G = numbers(2, 3, dtype="float64"), numbers(2, 1, dtype="float64")
WINDOW = {"kernel": (2,), "stride": (1,), "dilation": (1,), "padding": ((0, 0),)}
STATE = {"layer.weight": numbers(2, 3), "layer.bias": numbers(2)}
IMAGES = {d: tensor(numbers(2, 4, *(4,) * d)) for d in (1, 2, 3)}
LABELS = np.array([0, 2])
REPORT = check(forward, groups=("dyadic",))
READING = read(forward)
VECTOR = golden.load(dtype="float32", group="dyadic")[0]
(LAYER_VECTOR, *_) = golden.load_layers(dtype="float32")

# Layers that are made without an argument, and take an input of any shape.
OF_ANY_SHAPE = (
    "ELU", "GELU", "LeakyReLU", "ReLU", "Sigmoid", "Softmax", "Softplus", "Tanh", "Dropout",
    "Flatten",
)

GOOD: dict[str, Call] = {
    # ---- the package itself
    "Tensor": call(numbers(2, 3), requires_grad=False),
    "tensor": call([[1.0, 2.0]]),
    "grad": call(square, 0),
    "grad of an output": call(OUT, Made(lambda: [LEAF])),
    "grad(f)()": method(grad(lambda x: ops.sum(square(x))), X),
    "jvp": call(square, [X], [Y]),
    "vjp": call(square, X),
    "no_grad": call(),
    "WeightNorm": call("weight", 0, eps=0.0, form="plain"),
    "nn.WeightNorm.apply": method(WeightNorm(), nn.Linear(3, 2, rng=0)),
    "nn.WeightNorm.recompute": method(WeightNorm(), normalised()),
    "nn.WeightNorm.remove": method(WeightNorm(), normalised()),
    "nn.WeightNorm.compute_weight": method(WeightNorm(), normalised()),
    # ---- Tensor
    "Tensor.to": method(X, "float64"),
    "Tensor.astype": method(X, "float64"),
    "Tensor.backward": method(OUT),
    "Tensor.transpose": method(X, 1, 0),
    "Tensor.swapaxes": method(X, 0, 1),
    "Tensor.reshape": method(X, 3, 2),
    "Tensor.flatten": method(X, 0),
    "Tensor.sum": method(X, 0),
    "Tensor.mean": method(X, 0),
    "Tensor.var": method(X, 0),
    "Tensor.std": method(X, 0),
    "Tensor.prod": method(X, 0),
    "Tensor.cumsum": method(X, 0),
    "Tensor.max": method(X, 0),
    "Tensor.min": method(X, 0),
    "Tensor.argmax": method(X, 0),
    "Tensor.all": method(X > 1, 0),
    "Tensor.any": method(X > 1, 0),
    "Tensor.round": method(X, 1),
    "Tensor.__floordiv__": method(X, Y),
    "Tensor.__rfloordiv__": method(X, Y),
    "Tensor.__mod__": method(X, Y),
    "Tensor.__and__": method(X > 1, Y > 1),
    "Tensor.__or__": method(X > 1, Y > 1),
    "Tensor.__xor__": method(X > 1, Y > 1),
    "Tensor.__iadd__": method(X, Y),
    "Tensor.__isub__": method(X, Y),
    "Tensor.__imul__": method(X, Y),
    "Tensor.__itruediv__": method(X, Y),
    "Tensor.__add__": method(X, Y),
    "Tensor.__radd__": method(X, Y),
    "Tensor.__sub__": method(X, Y),
    "Tensor.__rsub__": method(X, Y),
    "Tensor.__mul__": method(X, Y),
    "Tensor.__rmul__": method(X, Y),
    "Tensor.__truediv__": method(X, Y),
    "Tensor.__rtruediv__": method(X, Y),
    "Tensor.__pow__": method(X, 2.0),
    "Tensor.__rpow__": method(X, 2.0),
    "Tensor.__matmul__": method(X, M),
    "Tensor.__rmatmul__": method(M, X),
    "Tensor.__getitem__": method(X, 0),
    "Tensor.__lt__": method(X, Y),
    "Tensor.__le__": method(X, Y),
    "Tensor.__gt__": method(X, Y),
    "Tensor.__ge__": method(X, Y),
    "Tensor.__eq__": method(X, Y),
    "Tensor.__ne__": method(X, Y),
    "Tensor.data": method(X, numbers(2, 3)),
    "Tensor.grad": method(LEAF, numbers(2, 3)),
    # ---- ops
    **{
        f"ops.{name}": call(X)
        for name in (
            "abs",
            "clip",
            "cos",
            "cumsum",
            "elu",
            "erf",
            "exp",
            "gelu",
            "leaky_relu",
            "log",
            "logsumexp",
            "max",
            "mean",
            "min",
            "negative",
            "prod",
            "relu",
            "sigmoid",
            "sin",
            "softmax",
            "softplus",
            "sqrt",
            "std",
            "sum",
            "tanh",
            "var",
            "flip",
            "transpose",
        )
    },
    **{
        f"ops.{name}": call(X, Y)
        for name in ("add", "divide", "maximum", "minimum", "multiply", "power", "subtract")
    },
    "ops.floor_divide": call(X, Y),
    "ops.remainder": call(X, Y),
    "ops.round": call(X, decimals=1),
    "ops.where": call(numbers(2, 3) > 1, X, Y),
    "ops.broadcast_to": call(X, shape=(4, 2, 3)),
    "ops.cast": call(X, dtype="float64"),
    "ops.concatenate": call([X, Y], 0),
    "ops.crop": call(X, widths=((0, 1), (1, 0))),
    "ops.pad": call(X, widths=((0, 1), (1, 0))),
    "ops.getitem": call(X, index=0),
    "ops.put_at": call(X, index=0, shape=(4, 2, 3)),
    "ops.move": call(X, device="cpu"),
    "ops.reshape": call(X, shape=(3, 2)),
    "ops.split": call(X, [1, 2], 1),
    "ops.stack": call([X, Y], 0),
    "ops.sum_to": call(X, shape=(1, 3)),
    "ops.einsum": call("ij,jk->ik", X, M),
    "ops.matmul": call(X, M),
    "ops.unfold": call(PICTURE, **WINDOW),
    "ops.fold": call(ops.unfold(PICTURE, **WINDOW), size=(6,), **WINDOW),
    "ops.window_count": call(6, 2, 1, 1, (0, 0)),
    # ---- nn: layers
    "nn.Module": call(),
    "nn.Parameter": call(numbers(2, 3)),
    "nn.Buffer": call(numbers(2, 3)),
    "nn.Linear": call(3, 2),
    "nn.Embedding": call(3, 2),
    **{f"nn.{kind}{d}d": call(4, 2, 2) for kind in ("Conv", "ConvTranspose") for d in (1, 2, 3)},
    "nn.GRUCell": call(3, 2),
    "nn.LSTMCell": call(3, 2),
    **{f"nn.{name}": call() for name in (*OF_ANY_SHAPE, "GlobalAvgPool", "GlobalMaxPool")},
    **{f"nn.{kind}Pool{d}d": call(2) for kind in ("Avg", "Max") for d in (1, 2, 3)},
    **{f"nn.BatchNorm{d}": call(4) for d in ("", "1d", "2d", "3d")},
    "nn.LayerNorm": call(3),
    "nn.MeanOnlyBatchNorm": call(4),
    "nn.Sequential": call(nn.ReLU(), nn.Linear(3, 2, rng=0)),
    "nn.WeightNormWrapper": call(nn.Linear(3, 2, rng=0)),
    "nn.DoRALinear": call(nn.Linear(3, 2, rng=0), 1),
    "nn.WeightNorm": call("weight", 0),
    "nn.WeightNorm.clone": method(WeightNorm()),
    "nn.ExponentialWeightNorm": call("weight", 0),
    # ---- nn: layers that are called
    "nn.Linear()": method(nn.Linear(3, 2, rng=0), X),
    "nn.Embedding()": method(nn.Embedding(3, 2, rng=0), LABELS),
    **{
        f"nn.{kind}{d}d()": method(getattr(nn, f"{kind}{d}d")(4, 2, 2, rng=0), IMAGES[d])
        for kind in ("Conv", "ConvTranspose")
        for d in (1, 2, 3)
    },
    "nn.GRUCell()": method(nn.GRUCell(3, 2, rng=0), X, tensor(numbers(2, 2))),
    "nn.LSTMCell()": method(
        nn.LSTMCell(3, 2, rng=0), X, (tensor(numbers(2, 2)), tensor(numbers(2, 2)))
    ),
    **{f"nn.{name}()": method(getattr(nn, name)(), X) for name in OF_ANY_SHAPE},
    "nn.GlobalAvgPool()": method(nn.GlobalAvgPool(), PICTURE),
    "nn.GlobalMaxPool()": method(nn.GlobalMaxPool(), PICTURE),
    **{
        f"nn.{kind}Pool{d}d()": method(getattr(nn, f"{kind}Pool{d}d")(2), IMAGES[d])
        for kind in ("Avg", "Max")
        for d in (1, 2, 3)
    },
    **{
        f"nn.BatchNorm{d or ''}{'d' if d else ''}()": method(
            getattr(nn, f"BatchNorm{d or ''}{'d' if d else ''}")(4), IMAGES[d or 1]
        )
        for d in (0, 1, 2, 3)
    },
    "nn.LayerNorm()": method(nn.LayerNorm(3), X),
    "nn.MeanOnlyBatchNorm()": method(nn.MeanOnlyBatchNorm(4), PICTURE),
    "nn.Sequential()": method(nn.Sequential(nn.ReLU(), nn.Linear(3, 2, rng=0)), X),
    "nn.WeightNormWrapper()": method(nn.WeightNormWrapper(nn.Linear(3, 2, rng=0)), X),
    "nn.DoRALinear()": method(nn.DoRALinear(nn.Linear(3, 2, rng=0), 1, rng=0), X),
    "nn.Linear() normalised": method(normalised(), X),
    # ---- nn: methods and functions
    "nn.Module.named_modules": method(nn.Linear(3, 2, rng=0)),
    "nn.Module.load_state_dict": method(
        nn.Linear(3, 2, rng=0), {"weight": numbers(2, 3), "bias": numbers(2)}
    ),
    "nn.Module.train": method(nn.Linear(3, 2, rng=0), True),
    "nn.Module.to": method(nn.Linear(3, 2, rng=0), "float64"),
    "nn.Module.weight": method(nn.Linear(3, 2, rng=0), nn.Parameter(numbers(2, 3))),
    "nn.Sequential[]": method(nn.Sequential(nn.ReLU(), nn.ReLU()), 0),
    "nn.cross_entropy": call(X, LABELS),
    "nn.cross_entropy with options": call(
        X, LABELS, weight=numbers(3), ignore_index=2, label_smoothing=0.1
    ),
    "nn.mse_loss": call(X, Y),
    "nn.bce_with_logits": call(X, numbers(2, 3) / 2),
    "nn.data_dependent_init": call(WeightNorm(dim="output").apply(nn.Linear(3, 2, rng=0)), X),
    "nn.normalise_": call([nn.Parameter(numbers(2, 3))]),
    "nn.substitute": call(nn.Linear(3, 2, rng=0), {}),
    "nn.fold": call(normalised()),
    **{f"nn.init.{name}": call((2, 3)) for name in ("glorot", "he", "normal", "ones", "zeros")},
    "nn.init.orthogonal": call((2, 3)),
    "nn.init.uniform": call((2, 3), 1.0),
    # ---- optim
    "optim.SGD": call([nn.Parameter(numbers(2, 3))], 0.1),
    "optim.Adam": call([nn.Parameter(numbers(2, 3))]),
    "optim.Adamax": call([nn.Parameter(numbers(2, 3))]),
    "optim.Optimizer.load_state_dict": method(
        optim.SGD([nn.Parameter(numbers(2, 3))], 0.1),
        optim.SGD([nn.Parameter(numbers(2, 3))], 0.1).state_dict(),
    ),
    # ---- byhand
    **{
        f"byhand.conv.{name}": call(PICTURE, tensor(numbers(3, 4, 2)), tensor(numbers(3)))
        for name in ("forward", "composed")
    },
    "byhand.conv.transpose": call(IMAGES[1], W, tensor(numbers(2))),
    "byhand.conv.composed_transpose": call(IMAGES[1], W, tensor(numbers(2)), size=(6,)),
    "byhand.conv.vjp": call(
        numbers(2, 3, 5), numbers(2, 4, 6), numbers(3, 4, 2), numbers(3), stride=1, padding=0
    ),
    "byhand.conv.jvp": call(
        numbers(2, 4, 6), numbers(3, 4, 2), numbers(2, 4, 6), numbers(3, 4, 2), numbers(3), stride=1
    ),
    **{f"byhand.linear.{name}": call(X, Y, tensor(numbers(2))) for name in ("forward", "composed")},
    "byhand.linear.vjp": call(numbers(2, 2), numbers(2, 3), numbers(2, 3), numbers(2)),
    "byhand.linear.jvp": call(*[numbers(2, 3)] * 4, numbers(2)),
    **{
        f"byhand.softmax_cross_entropy.{name}": call(X, targets=LABELS)
        for name in ("forward", "composed")
    },
    "byhand.softmax_cross_entropy.vjp": call(1.0, numbers(2, 3), targets=LABELS),
    "byhand.softmax_cross_entropy.targets_vjp": call(1.0, numbers(2, 3), targets=numbers(2, 3)),
    **{
        f"byhand.mean_only_batch_norm.{name}": call(IMAGES[1], B)
        for name in ("forward", "composed")
    },
    "byhand.mean_only_batch_norm.vjp": call(numbers(2, 4, 4)),
    **{
        f"byhand.{module}.{name}": given
        for module in ("weight_norm", "exponential_scale", "frozen_norm")
        for name, given in {
            "forward": call(V, G),
            "composed": call(V, G),
            "vjp": call(V, V, G),
            "jvp": call(V, G, V, G),
            "double_vjp": call(V, G, V, V, G),
        }.items()
    },
    "byhand.frozen_norm.norm": call(V, (2, 1)),
    "byhand.weight_norm.check": call(V, G),
    "byhand.weight_norm.check_form": call(0.0, "plain"),
    "byhand.weight_norm.kept_shape": call((2, 3), 0),
    "byhand.weight_norm.radius": call(V, shape=(2, 1), eps=0.0, form="plain"),
    "byhand.weight_norm.split": call(V, 0),
    # ---- gradcheck
    "gradcheck.gradcheck": call(square, [V]),
    "gradcheck.adjoint_test": call(square, [V]),
    "gradcheck.taylor_test": call(square, [V]),
    "gradcheck.blame": call(OUT),
    # ---- interop
    "interop.convert": call(STATE, "minwn", "torch"),
    "interop.dim_from_torch": call(0, 2),
    "interop.dim_to_torch": call(0, 2),
    "interop.dim_from_r": call(1, 2),
    "interop.dim_to_r": call(0, 2),
    "interop.flatten": call(STATE, "minwn"),
    "interop.fold": call(STATE, source="minwn"),
    "interop.split": call(STATE, target="minwn"),
    "interop.unflatten": call(STATE),
    "interop.save": call(nn.Linear(3, 2, rng=0), "model.npz"),
    "interop.load": call(nn.Linear(3, 2, rng=0), "good.npz"),
    "interop.read": call("good.npz"),
    "interop.write": call("state.npz", STATE),
    # ---- data
    "data.digits": call(),
    "data.split": call(np.array([0, 1, 0, 1, 0, 1, 0, 1]), 2),
    # ---- course
    "course.array": call(numbers(2, 3)),
    "course.check": call("5.2", 1.0),
    "course.choice": call("yes", {"no": "think again"}),
    "course.find": call("5.1"),
    "course.finding": call("No forward mode"),
    "course.function": call(square, lambda rng: (rng.standard_normal(3),)),
    "course.given": call("5.T1"),
    "course.hint": call("5.2"),
    "course.keep": call("folder"),
    "course.mine": call("0.2"),
    "course.number": call(1.0),
    "course.predict": call("5.1", "doubles"),
    "course.progress": call("progress.json"),
    "course.reveal": call("5.1"),
    "course.same": call(1.0, 1.0),
    "course.student": call("a name"),
    "course.varied": call(lambda numbers: square),
    "course.weight_norm": call("backward"),
    "course.weight_norm_at": call("w", V, G, V),
    # ---- oracle
    "oracle.check": call(forward, groups=("dyadic",)),
    "oracle.check_layer": call(lambda x, v, g, b: x @ forward(v, g).T + b, kind="linear"),
    "oracle.expected": call(V, G, V),
    "oracle.laws": call(backward, V, G, V, allowed=backward_allowed),
    "oracle.page": call([REPORT]),
    "oracle.read": call(forward),
    "oracle.Reading.stated": method(READING, REPORT),
    "oracle.Report.to_html": method(REPORT, "page.html"),
    "oracle.Report.to_junit": method(REPORT, "report.xml"),
    "oracle.vectors.LayerVector.right": method(LAYER_VECTOR, "y", LAYER_VECTOR.expected["y"]),
    "oracle.vectors.Vector.excess": method(VECTOR, "w", VECTOR.expected["w"]),
    "oracle.vectors.export": call("folder", [("a/b.json", "{}")]),
    "oracle.vectors.load": call(dtype="float32", group="dyadic"),
    "oracle.vectors.load_layers": call(dtype="float32"),
    "oracle.vectors.texts": call(("float32",), ("dyadic",)),
    "oracle.vectors.verify": call("folder/dyadic.json", certify=""),
}
