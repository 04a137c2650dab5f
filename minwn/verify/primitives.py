"""Every rule of the engine against measurements: no primitive without a case.

A case is the inputs and parameters of one call. Its pullback is judged by `minwn.gradcheck`, at
first and at second order (so on arrays and on Tensors), its forward product by the adjoint
identity, and its float32 gradient by the float64 one. Where a function has a kink, nothing can be
measured; the derivative that its docstring chooses there is compared exactly.

The inputs are small, and chosen so that every line of every rule has something to answer for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy

from .. import byhand
from ..backend import unit_roundoff
from ..gradcheck import Comparison, GradcheckReport, adjoint_test, gradcheck
from ..graph import Primitive, raw
from ..tensor import Tensor, grad
from .report import AUTODIFF, FIRST, KINK, PRODUCT, SECOND, SINGLE, Finding, compare

Draw = Callable[[numpy.random.Generator], numpy.ndarray]
FULL = 40  # entries up to which each is measured; above, random directions


class Case(NamedTuple):
    """op(*inputs, **params). An input is a shape (signed numbers), a Draw, or itself."""

    inputs: tuple[Any, ...]
    params: dict[str, Any]


def case(*inputs: Any, **params: Any) -> Case:
    return Case(inputs, params)


def signed(*shape: int) -> Draw:
    """As many below as above 0, at least 0.5 from the kinks and poles there."""
    signs = (-1.0) ** numpy.arange(math.prod(shape))
    return lambda rng: rng.uniform(0.5, 1.5, shape) * rng.permutation(signs).reshape(shape)


def positive(*shape: int) -> Draw:
    return lambda rng: rng.uniform(0.5, 1.8, shape)


def apart(*shape: int, at: float = 0.0) -> Draw:
    """Multiples of 0.2, no two the same, so that none changes its rank; all moved by `at`."""
    grid = numpy.arange(math.prod(shape)) - math.prod(shape) // 2
    return lambda rng: rng.permutation(0.2 * grid + at).reshape(shape)


def times(factor: float, *shape: int) -> Draw:
    return lambda rng: factor * signed(*shape)(rng)


def drawn(x: Any, rng: numpy.random.Generator) -> Any:
    if isinstance(x, tuple):
        x = signed(*x)
    return numpy.asarray(x(rng)) if callable(x) else x


# ---- the table ----------------------------------------------------------------------------------

MASK = numpy.array([[True, False, True], [False, False, True]])
LABELS = numpy.array([2, 0, 3])
SOFT = numpy.array([[0.1, 0.2, 0.3, 0.9], [0.0, 0.5, 0.5, 0.0], [0.7, 0.1, 0.1, 0.4]])
FROZEN = numpy.array([[1.25], [0.7]])
FANCY = (numpy.array([[0, 1], [1, 1]]), numpy.array([2, 0]))

PAIRS = [case((2, 3), (2, 3)), case((2, 1), (3,)), case((), (2, 2)), case((3,), ())]
UNARY = [case((2, 3)), case(())]
AXES = [
    case((2, 3)), case((2, 3, 2), axis=(0, -1)), case((2, 3), axis=1, keepdims=True),
    case((2, 3), axis=-2),
]  # fmt: skip
RANKED = [Case((apart(*c.inputs[0]),), c.params) for c in AXES]
REPEATED = [
    ((3,), (2, 3)), ((1, 3), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)), ((2, 3), (2, 3)),
]  # fmt: skip
LINE = {"kernel": (3,), "stride": (2,), "dilation": (2,), "padding": ((1, 2),)}
PLANE = {
    "kernel": (2, 2), "stride": (1, 2), "dilation": (1, 1), "padding": ((0, 1), (1, 0)),
}  # fmt: skip
CONV1 = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
CONV2 = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2), "groups": 2}
EPS = {"plain": [0.0], "norm": [0.0]}


def forms(*shapes: Any, names: tuple[str, ...] = byhand.weight_norm.FORMS) -> list[Case]:
    """Every form; for the maxima, slices on either side of the floor."""
    return [
        case(*shapes, form=form, eps=eps) for form in names for eps in EPS.get(form, [0.3, 25.0])
    ]


EINSUMS: list[Any] = [
    ("ij,jk", "ik", (2, 3), (3, 2)), ("ij,j", "", (2, 3), (3,)), ("ij", "j", (2, 3)),
    ("ij,k", "j", (2, 3), (2,)), ("ii", "i", (3, 3)), ("iij", "j", (2, 2, 3)),
    ("iii", "i", (2, 2, 2)), ("ii,jj", "ij", (2, 2), (3, 3)),
    ("ij,ij", "ij", (1, 3), (2, 3)), ("ij,jk,kl", "il", (2, 3), (3, 2), (2, 2)),
    ("i,i,i", "i", (3,), (3,), (3,)),
]  # fmt: skip

CASES: dict[str, list[Case]] = {
    # ---- ops.shape
    "sum_to": [case(b, shape=a) for a, b in REPEATED],
    "broadcast_to": [case(a, shape=b) for a, b in REPEATED],
    "reshape": [case((2, 3), shape=(3, 2)), case((2, 3), shape=(-1,))],
    "transpose": [case((2, 3)), case((2, 3, 2), axes=(1, 2, 0)), case((2, 3, 2), axes=(-1, 0, 1))],
    "flip": [case((2, 3)), case((2, 3), axis=-1)],
    "getitem": [
        case((2, 3), index=i) for i in (1, (slice(None), 2), (slice(None, None, -1), None), FANCY)
    ],
    "put_at": [
        case((3,), index=1, shape=(2, 3)), case((2,), index=(slice(None), 2), shape=(2, 3)),
        case((2, 2), index=FANCY, shape=(2, 3)),
        case((5,), index=numpy.array([0, 1, 1, 2, 0]), shape=(3,)),
        case((3,), index=MASK, shape=(2, 3)),
    ],
    "pad": [case((2, 3), widths=((1, 0), (0, 2)))],
    "crop": [case((3, 4), widths=((1, 0), (0, 2)))],
    "_concatenate": [
        case((2, 1), (2, 3), axis=1), case((1, 2), (2, 2), (3, 2), axis=0),
        case((2, 1), (2, 2), axis=-1),
    ],
    "cast": [case((2, 3), dtype="float64")],
    "move": [case((2, 3), device="cpu")],
    # ---- ops.elementwise
    "add": PAIRS,
    "subtract": PAIRS,
    "multiply": PAIRS,
    "divide": PAIRS,
    "negative": UNARY,
    "power": [
        case(positive(2, 3), (2, 3)), case(positive(2, 1), (3,)), case((2, 2), 2), case((2, 2), 3),
        case((2, 2), -1), case((2, 2), 0), case(positive(3), 0.5), case(2, (2, 3)), case(0.3, (3,)),
        case(1, (2,)),
    ],
    "exp": UNARY,
    "log": [case(positive(2, 3))],
    "sqrt": [case(positive(2, 3))],
    "sin": UNARY,
    "cos": UNARY,
    "tanh": UNARY,
    "sigmoid": UNARY,
    "softplus": UNARY,
    "erf": UNARY,
    "where": [case(MASK, (2, 3), (3,)), case(MASK, (), (2, 1)), case(MASK, 2.5, (2, 3))],
    "abs": UNARY,
    "relu": UNARY,
    "leaky_relu": [case((2, 3)), case((2, 3), slope=0.7)],
    "elu": [case((2, 3)), case((2, 3), alpha=0.6)],
    "gelu": [case((2, 3)), case((2, 3), approximate="tanh")],
    "maximum": [case(apart(2, 3), apart(2, 3, at=0.1)), case(apart(2, 1), apart(3, at=0.1))],
    "minimum": [case(apart(2, 3), apart(2, 3, at=0.1)), case(apart(2, 1), apart(3, at=0.1))],
    "clip": [
        case(apart(2, 3), low=-0.3, high=0.3), case(apart(5), low=0.1), case(apart(5), high=0.1),
        case((2,)),
    ],
    # ---- ops.reduce
    "sum": AXES,
    "mean": AXES,
    "max": RANKED,
    "min": RANKED,
    "logsumexp": AXES,
    "softmax": [case((2, 3)), case((2, 3, 2), axis=1), case((3, 2), axis=-2)],
    "var": [*AXES, case((2, 4), axis=1, ddof=1), case((5,), ddof=3, keepdims=True)],
    # ---- ops.matrix
    "matmul": [
        case((2, 3), (3, 4)), case((3,), (3,)), case((3,), (3, 2)), case((2, 3), (3,)),
        case((2, 2, 3), (3, 2)), case((2, 3), (2, 3, 1)), case((2, 1, 2, 3), (3, 3, 2)),
        case((3,), (2, 3, 2)), case((2, 2, 3), (3,)),
    ],
    "_einsum": [
        Case(tuple(shapes), {"inputs": tuple(left.split(",")), "output": output})
        for left, output, *shapes in EINSUMS
    ],
    # ---- ops.window
    "unfold": [case((1, 2, 6), **LINE), case((2, 1, 3, 4), **PLANE)],
    "fold": [case((1, 2, 3, 3), size=(6,), **LINE), case((1, 2, 2, 2, 3, 2), size=(3, 4), **PLANE)],
    # ---- byhand
    "linear": [case((2, 3), (4, 3), (4,)), case((2, 2, 3), (2, 3), (2,)),
               case((3, 2), (2, 2), None), case((3,), (2, 3), (2,))],
    "conv": [case((2, 2, 4), (3, 2, 2), (3,), **CONV1),
             case((2, 4, 3, 4), (4, 2, 2, 2), (4,), **CONV2),
             case((1, 2, 3), (2, 2, 2), None, **CONV1)],
    "conv_input": [case((2, 3, 3), (3, 2, 2), (2,), size=(4,), **CONV1),
                   case((2, 4, 2, 3), (4, 2, 2, 2), (4,), size=(3, 4), **CONV2),
                   case((1, 2, 2), (2, 2, 2), None, size=(3,), **CONV1)],
    "conv_weight": [case((2, 3, 3), (2, 2, 4), kernel=(2,), **CONV1),
                    case((2, 4, 2, 3), (2, 4, 3, 4), kernel=(2, 2), **CONV2)],
    "mean_only_batch_norm": [case((4, 3), (3,)), case((2, 2, 3), (2,))],
    "softmax_cross_entropy": [
        case((3, 4), targets=targets, reduction=reduction)
        for targets in (LABELS, SOFT) for reduction in ("mean", "sum", "none")
    ],
    "weight_norm": [
        *forms((2, 3), (2, 1)), case((2, 1, 2), (1, 1, 2)), case((2, 3), ()),
        case((2, 2), (), form="rms", eps=0.3),
        case(times(5e3, 2, 3), (2, 1)), case(times(1e-4, 2, 3), ()),
    ],
    "radius": [
        *(Case(c.inputs, c.params | {"shape": (2, 1)})
          for c in forms((2, 3), names=(*byhand.weight_norm.FORMS, "norm"))),
        case((2, 3), shape=(), eps=0.3, form="rms"),
        case((2, 3), shape=(1, 3), eps=0.0, form="plain"),
    ],
    "exponential_scale": [*forms((2, 3), (2, 1)), case((2, 3), ())],
    "frozen_norm": [case((2, 3), (2, 1), n=FROZEN), case((2, 3), (), n=FROZEN[0, 0])],
    # ---- nn
    "standardise": [case((3, 4), axis=(0,), eps=0.3), case((2, 3, 2), axis=(0, 2), eps=1e-5)],
    "max_pool": [case(apart(1, 2, 5), kernel=(3,), stride=(2,), padding=(1,)),
                 case(apart(2, 1, 4), kernel=(2,), stride=(2,), padding=(0,)),
                 case(apart(2, 1, 3, 4), kernel=(2, 2), stride=(1, 2), padding=(0, 1))],
    "avg_pool": [case((1, 2, 5), kernel=(3,), stride=(2,), padding=(1,)),
                 case((2, 1, 4), kernel=(2,), stride=(2,), padding=(0,)),
                 case((2, 1, 3, 4), kernel=(2, 2), stride=(1, 2), padding=(0, 1))],
}  # fmt: skip

# op, inputs, params, z_bar, and the cotangents that its docstring promises
KINKS: list[tuple[str, list[Any], dict[str, Any], Any, list[Any]]] = [
    ("relu", [[-1.0, 0.0, 2.0]], {}, [3.0, 5.0, 7.0], [[0.0, 0.0, 7.0]]),
    ("abs", [[-1.0, 0.0, 2.0]], {}, [3.0, 5.0, 7.0], [[-3.0, 0.0, 7.0]]),
    ("leaky_relu", [[0.0]], {"slope": 0.25}, [8.0], [[2.0]]),
    ("elu", [[0.0]], {"alpha": 0.25}, [8.0], [[2.0]]),
    ("maximum", [[1.0, 1.0], [1.0, 0.0]], {}, [6.0, 4.0], [[3.0, 4.0], [3.0, 0.0]]),
    ("minimum", [[1.0, 0.0], [1.0, 1.0]], {}, [6.0, 4.0], [[3.0, 4.0], [3.0, 0.0]]),
    ("max", [[[2.0, 2.0, 1.0, 2.0]]], {"axis": 1}, [6.0], [[[2.0, 2.0, 0.0, 2.0]]]),
    ("min", [[[2.0, 2.0, 3.0, 4.0]]], {"axis": 1}, [6.0], [[[3.0, 3.0, 0.0, 0.0]]]),
    ("clip", [[-1.0, 0.5, 2.0]], {"low": -1.0, "high": 2.0}, [3.0, 5.0, 7.0], [[3.0, 5.0, 7.0]]),
    ("power", [[0.0, 0.0, 0.0], [2.0, 1.0, 0.0]], {}, [3.0, 5.0, 7.0],
     [[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]]),
    ("max_pool", [[[[4.0, 4.0, 1.0, 4.0]]]], {"kernel": (4,), "stride": (4,), "padding": (0,)},
     [[[5.0]]], [[[[5.0, 0.0, 0.0, 0.0]]]]),
    # At v = 0:  v_bar = (g / h) w_bar, with h = 2 here.
    *(("weight_norm", [[[0.0, 0.0]], [[3.0]]], {"form": form, "eps": eps}, [[2.0, 4.0]],
       [[[3.0, 6.0]], [[0.0]]])
      for form, eps in (("inside", 4.0), ("outside", 2.0), ("max_q", 4.0), ("max_n", 2.0),
                        ("rms", 2.0))),
    # Where norm and floor are equal, the norm counts.
    ("weight_norm", [[[3.0, 4.0]], [[10.0]]], {"form": "max_n", "eps": 5.0}, [[1.0, 2.0]],
     [[[-0.64, 0.48]], [[2.2]]]),
    ("radius", [[[3.0, 4.0]]], {"form": "max_n", "eps": 5.0, "shape": (1, 1)}, [[10.0]],
     [[[6.0, 8.0]]]),
    ("erf", [[40.0]], {}, [1.0], [[0.0]]),
    ("gelu", [[60.0, -60.0]], {}, [3.0, 3.0], [[3.0, 0.0]]),
    ("gelu", [[60.0, -60.0]], {"approximate": "tanh"}, [3.0, 3.0], [[3.0, 0.0]]),
    ("cast", [[0.5, 1.5]], {"dtype": "float32"}, [3.0, 5.0], [[3.0, 5.0]]),
    # Rounded to whole numbers, a function is constant between its jumps.
    ("cast", [[0.5, 1.5]], {"dtype": "int64"}, [3.0, 5.0], [[0.0, 0.0]]),
]  # fmt: skip


# ---- the judgement ------------------------------------------------------------------------------


def registered() -> dict[str, Primitive]:
    """The primitives of minwn itself; others may have been registered by its users."""
    return {
        name: op
        for name, op in Primitive.registry.items()
        if op.forward.__module__.partition(".")[0] == "minwn"
    }


def room(op: Primitive) -> str:
    """The row of the table: the module that the primitive is in."""
    return op.forward.__module__.removeprefix("minwn.")


def check(name: str, op: Primitive, rng: numpy.random.Generator) -> list[Finding]:
    """Every case of one primitive, and its kinks."""
    if name not in CASES:
        note = "it has no case in minwn/verify/primitives.py; write one"
        return [Finding(room(op), FIRST, f"primitive '{name}'", note=note)]
    found: list[Finding] = []
    for number, (shapes, params) in enumerate(CASES[name]):
        given = [drawn(x, rng) for x in shapes]
        place = f"case {number}, {_shapes(given)}"
        found += judged(room(op), name, lambda *xs: op(*xs, **params), given, place, rng)  # noqa: B023
        found += in_float32(room(op), name, op, given, params, place, rng)
    for kink_name, inputs, params, z_bar, expected in KINKS:
        if kink_name == name:
            found += at_kink(room(op), op, inputs, params, z_bar, expected)
    return found


def judged(
    what: str, name: str, f: Any, inputs: list[Any], place: str, rng: numpy.random.Generator
) -> Iterator[Finding]:
    """f's gradient, the gradient's gradient, and the forward product."""
    entries = sum(x.size for x in inputs if hasattr(x, "size"))
    report = gradcheck(
        f, inputs, order=2, mode="full" if entries <= FULL else "random", cotangents=1,
        directions=2, rng=rng, name=name, names=_names(name), localise=False,
        raise_on_failure=False,
    )  # fmt: skip
    yield from findings(what, (FIRST, SECOND), report, place)
    if report.ok:
        report = adjoint_test(f, inputs, trials=1, rng=rng, name=name, raise_on_failure=False)
        yield from findings(what, (PRODUCT, PRODUCT), report, place)


def findings(
    what: str, routes: tuple[str, str], report: GradcheckReport, place: str
) -> Iterator[Finding]:
    """The comparisons of a gradient check, as rows of the table."""
    for c in report.comparisons:
        yield _finding(what, routes[min(c.order, 2) - 1], c, place)


def _finding(what: str, route: str, c: Comparison, place: str) -> Finding:
    at = f"{c.place}, {place}" + ("" if c.index is None else f", at {c.index}")
    if c.verdict == "pass":
        return Finding(what, route, at, c.analytic, c.numeric, c.allowed, c.error)
    note = f"{c.verdict}: {c.note}" if c.note else c.verdict
    error = c.error if c.verdict == "fail" and c.ratio > 1 else math.inf
    return Finding(what, route, at, c.analytic, c.numeric, c.allowed, error, note)


def in_float32(
    what: str,
    name: str,
    op: Primitive,
    inputs: list[Any],
    params: dict[str, Any],
    place: str,
    rng: numpy.random.Generator,
) -> Iterator[Finding]:
    """The same gradient in float32: its dtype, and 2^12 roundings of the largest entry.

    That is more than any of these functions of a few entries needs; wrong lines are for the other
    routes to find. Here, a number that has become float64 on the way is.
    """
    if "dtype" in params:
        return
    z = op(*inputs, **params)
    z_bar = drawn(tuple(z.shape), rng)
    wide = _bars(op, inputs, params, z_bar, "float64")
    for create_graph in (False, True):
        bars = _bars(op, inputs, params, z_bar, "float32", create_graph)
        for k, (x, reference) in enumerate(zip(bars, wide, strict=True)):
            allowed = 2**12 * unit_roundoff(numpy.dtype("float32")) * abs(reference).max(initial=0)
            at = f"op '{name}', input {k}, {place}"
            yield compare(what, SINGLE, at, x, reference, allowed)


def _bars(
    op: Primitive,
    inputs: list[Any],
    params: dict[str, Any],
    z_bar: numpy.ndarray,
    dtype: str,
    create_graph: bool = False,
) -> list[numpy.ndarray]:
    """The cotangents of the floating inputs."""
    leaves = [Tensor(x.astype(dtype), True) if _floating(x) else x for x in inputs]
    wanted = [x for x in leaves if isinstance(x, Tensor)]
    target = params.get("targets")
    if target is not None and _floating(target):
        params = params | {"targets": target.astype(dtype)}
    z = op(*leaves, **params)
    bars = grad(z, wanted, z_bar.astype(raw(z).dtype), create_graph=create_graph, allow_unused=True)
    return [
        numpy.zeros(x.shape) if bar is None else bar.numpy()
        for x, bar in zip(wanted, bars, strict=True)
    ]


def at_kink(
    what: str, op: Primitive, inputs: list[Any], params: dict[str, Any], z_bar: Any, expected: Any
) -> Iterator[Finding]:
    """The promised cotangents, to 16 roundings of the largest, by both kinds of walk."""
    xs, u = [numpy.asarray(x) for x in inputs], unit_roundoff(numpy.dtype("float64"))
    for create_graph in (False, True):
        bars = _bars(op, xs, params, numpy.asarray(z_bar), "float64", create_graph)
        for k, (bar, promised) in enumerate(zip(bars, expected, strict=True)):
            place = f"op '{op.name}', input {k}, inputs {inputs} {params or ''}, cotangent {k}"
            yield compare(what, KINK, place, bar, promised, 16 * u * numpy.abs(promised).max())


def _floating(x: Any) -> bool:
    return isinstance(x, numpy.ndarray) and x.dtype.kind == "f"


def _shapes(inputs: list[Any]) -> str:
    return ", ".join(str(getattr(x, "shape", x)) for x in inputs)


def _names(name: str) -> list[str]:
    op = Primitive.registry.get(name)
    if op is None:
        return []
    code = op.forward.__code__
    return list(code.co_varnames[: code.co_argcount])


# ---- array functions by hand --------------------------------------------------------------------


class ByHand(NamedTuple):
    """A function of arrays, the products written beside it, and its definition in ops."""

    name: str
    forward: Callable[..., Any]
    inputs: tuple[Any, ...]
    backward: Callable[..., Any]
    jvp: Callable[..., Any] | None = None
    composed: Callable[..., Any] | None = None


def _by_hand() -> Iterator[ByHand]:
    linear, conv = byhand.linear, byhand.conv
    for bias in ((4,), None):
        yield ByHand(
            "linear", linear.forward, ((2, 3), (4, 3), bias), linear.vjp,
            lambda x, w, b, x_dot, w_dot, b_dot: linear.jvp(x, w, x_dot, w_dot, b_dot),
            linear.composed,
        )  # fmt: skip
    settings: list[Any] = [((2,), {"stride": 2, "padding": ((1, 0),), "groups": 2}), (None, {})]
    for bias, how in settings:
        f = partial(conv.forward, **how)
        weight = (2, 4 // how.get("groups", 1), 2)
        yield ByHand(
            "conv", f, ((2, 4, 5), weight, bias), partial(conv.vjp, **how),
            lambda x, w, b, x_dot, w_dot, b_dot, how=how: conv.jvp(
                x, w, x_dot, w_dot, b_dot, **how
            ),
            partial(conv.composed, **how),
        )  # fmt: skip
    norm = byhand.mean_only_batch_norm
    for shape in ((4, 2), (2, 3, 2)):
        yield ByHand(
            "mean_only_batch_norm", norm.forward, (shape, shape[1:2]),
            lambda y_bar, t, b: norm.vjp(y_bar), None, norm.composed,
        )  # fmt: skip
    entropy, positions = byhand.softmax_cross_entropy, numpy.array([[2, 0], [1, 1]])
    for shape, targets in (((3, 4), LABELS), ((3, 4), SOFT), ((2, 3, 2), positions)):
        for reduction in entropy.REDUCTIONS:
            options: dict[str, Any] = {"targets": targets, "reduction": reduction}
            yield ByHand(
                "softmax_cross_entropy", partial(entropy.forward, **options), (shape,),
                partial(entropy.vjp, **options), None, partial(entropy.composed, **options),
            )  # fmt: skip
    for gains, name in itertools.product(
        ((2, 1), ()), ("weight_norm", "exponential_scale", "frozen_norm")
    ):
        hand: Any = getattr(byhand, name)
        # Measured, the norm is frozen only where it is given.
        how = {"n": FROZEN if gains else FROZEN[0, 0]} if name == "frozen_norm" else {}
        yield ByHand(
            name, partial(hand.forward, **how), ((2, 3), gains), partial(hand.vjp, **how),
            partial(hand.jvp, **how), None if how else hand.composed,
        )  # fmt: skip
        yield ByHand(
            f"{name}.double_vjp", partial(hand.vjp, **how), ((2, 3), (2, 3), gains),
            lambda bars, *point, hand=hand, how=how: hand.double_vjp(*bars, *point, **how),
        )  # fmt: skip


def check_by_hand(rng: numpy.random.Generator) -> Iterator[Finding]:
    """The functions of `byhand` that work on arrays, outside any graph."""
    for name, forward, inputs, backward, jvp, composed in _by_hand():
        given = [drawn(x, rng) for x in inputs]
        report = gradcheck(
            forward, given, backward=backward, jvp=jvp, cotangents=1, rng=rng,
            localise=False, name=f"byhand.{name} on arrays", raise_on_failure=False,
        )  # fmt: skip
        what, place = f"byhand.{name.partition('.')[0]}", _shapes(given)
        for c in report.comparisons:
            yield _finding(what, PRODUCT if c.note.startswith("jvp") else FIRST, c, place)
        if composed is not None:
            yield from twins(what, forward, backward, composed, given, rng)


def twins(
    what: str, forward: Any, backward: Any, composed: Any, inputs: list[Any], rng: Any
) -> Iterator[Finding]:
    """Value and gradient against the definition in ops, to 2^12 roundings of the largest entry."""
    u = unit_roundoff(numpy.dtype("float64"))

    def close(label: str, claimed: Any, reference: Any) -> Finding:
        allowed = 2**12 * u * numpy.abs(reference).max()
        place = f"{what} and its composed twin, {label}, {_shapes(inputs)}"
        return compare(what, AUTODIFF, place, claimed, reference, allowed)

    leaves = [x if x is None else Tensor(x, True) for x in inputs]
    y = composed(*leaves)
    yield close("value", forward(*inputs), y.data)
    y_bar = drawn(tuple(y.shape), rng)
    bars = backward(y_bar, *inputs)
    bars = bars if isinstance(bars, tuple) else (bars,)
    wanted = [k for k, x in enumerate(leaves) if x is not None]
    found = grad(y, [leaves[k] for k in wanted], y_bar)
    for k, bar in zip(wanted, found, strict=True):
        yield close(f"cotangent {k}", bars[k], bar.data)
