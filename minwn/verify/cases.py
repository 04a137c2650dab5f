"""The table of cases: the inputs and parameters of calls of every primitive.

The inputs are small, and chosen to exercise every line of every rule. The tests of the primitives
use the same rows, and add more. Where a function has a kink, nothing can be measured; KINKS has the
derivative that its docstring chooses there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy

from .. import byhand
from ..backend import Generator

__all__ = [
    "CASES", "FANCY", "FROZEN", "KINKS", "LABELS", "MASK", "SOFT", "Case", "Draw", "apart",
    "between", "case", "drawn", "near_one", "positive", "shapes_of", "signed",
]

Draw = Callable[[Generator], numpy.ndarray]


class Case(NamedTuple):
    """op(*inputs, **params). An input is a shape (signed numbers), a Draw, or itself."""

    inputs: tuple[Any, ...]
    params: dict[str, Any]


def case(*inputs: Any, **params: Any) -> Case:
    """A case from its inputs and parameters."""
    return Case(inputs, params)


def signed(*shape: int) -> Draw:
    """As many below as above 0 (of an odd count, one less), at least 0.5 from the kinks and poles
    there."""
    signs = (-1.0) ** numpy.arange(math.prod(shape))

    def draw(rng: Generator) -> numpy.ndarray:
        sign = rng.choice([-1.0, 1.0]) * rng.permutation(signs)
        return rng.uniform(0.5, 1.5, shape) * sign.reshape(shape)

    return draw


def positive(*shape: int) -> Draw:
    """From 0.5 to 1.8."""
    return lambda rng: rng.uniform(0.5, 1.8, shape)


def apart(*shape: int, at: float = 0.0) -> Draw:
    """Multiples of 0.2, no two the same, so that none changes its rank; all moved by `at`."""
    grid = numpy.arange(math.prod(shape)) - math.prod(shape) // 2
    return lambda rng: rng.permutation(0.2 * grid + at).reshape(shape)


def between(*shape: int) -> Draw:
    """Numbers of both signs, at least 0.1 from the whole ones and from those in the middle."""
    return lambda rng: rng.integers(-3, 3, shape) + rng.uniform(0.1, 0.4, shape)


def near_one(*shape: int) -> Draw:
    """Close to 1 and -1: divided by one, the numbers above stay between the whole ones."""
    return lambda rng: rng.uniform(0.99, 1.01, shape) * rng.choice([-1.0, 1.0], shape)


def times(factor: float, *shape: int) -> Draw:
    return lambda rng: factor * signed(*shape)(rng)


def drawn(x: Any, rng: Generator) -> Any:
    """An input as an array: a shape or a Draw is drawn, anything else stays."""
    if isinstance(x, tuple):
        x = signed(*x)
    return numpy.asarray(x(rng)) if callable(x) else x


def shapes_of(inputs: list[Any]) -> str:
    """The shapes, "(2, 3), (3,)"."""
    return ", ".join(str(getattr(x, "shape", x)) for x in inputs)


# ---- the table ----------------------------------------------------------------------------------

MASK = numpy.array([[True, False, True], [False, False, True]])
LABELS = numpy.array([2, 0, 3])
SOFT = numpy.array([[0.1, 0.2, 0.3, 0.9], [0.0, 0.5, 0.5, 0.0], [0.7, 0.1, 0.1, 0.4]])
ZEROS = numpy.array([[0.5, 0.0, -2.0], [0.0, 1.5, 0.0], [1.0, -0.5, 2.0]])
FROZEN = numpy.array([[1.25], [0.7]])
FANCY = (numpy.array([[0, 1], [1, 1]]), numpy.array([2, 0]))

PAIRS = [case((2, 3), (2, 3)), case((2, 1), (3,)), case((), (2, 2)), case((3,), ())]
UNARY = [case((2, 3)), case(())]
AXES = [
    case((2, 3)), case((2, 3, 2), axis=(0, -1)), case((2, 3), axis=1, keepdims=True),
    case((2, 3), axis=-2),
]
SPREAD = [*AXES, case((2, 4), axis=1, ddof=1), case((5,), ddof=3, keepdims=True)]
RANKED = [Case((apart(*c.inputs[0]),), c.params) for c in AXES]
REPEATED = [
    ((3,), (2, 3)), ((1, 3), (2, 3)), ((2, 1), (2, 3)), ((), (2, 2)), ((2, 3), (2, 3)),
]
LINE = {"kernel": (3,), "stride": (2,), "dilation": (2,), "padding": ((1, 2),)}
PLANE = {
    "kernel": (2, 2), "stride": (1, 2), "dilation": (1, 1), "padding": ((0, 1), (1, 0)),
}
CONV1 = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}
CONV2 = {"stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2), "groups": 2}
EPS = {"plain": [0.0], "norm": [0.0]}


def forms(*shapes: Any, names: tuple[str, ...] = byhand.weight_norm.FORMS) -> list[Case]:
    """Every form; for the maxima, slices on either side of the floor."""
    return [
        case(*shapes, form=form, eps=eps) for form in names for eps in EPS.get(form, [0.3, 25.0])
    ]


def padded(shape: tuple[int, ...]) -> list[Case]:
    """Every mode, on two axes of three: in the corners, both."""
    modes = ("reflect", "replicate", "circular")
    return [case(shape, widths=((0, 0), (1, 2), (2, 1)), mode=mode) for mode in modes]


EINSUMS: list[Any] = [
    ("ij,jk", "ik", (2, 3), (3, 2)), ("ij,j", "", (2, 3), (3,)), ("ij", "j", (2, 3)),
    ("ij,k", "j", (2, 3), (2,)), ("ii", "i", (3, 3)), ("iij", "j", (2, 2, 3)),
    ("iii", "i", (2, 2, 2)), ("ii,jj", "ij", (2, 2), (3, 3)),
    ("ij,ij", "ij", (1, 3), (2, 3)), ("ij,jk,kl", "il", (2, 3), (3, 2), (2, 2)),
    ("i,i,i", "i", (3,), (3,), (3,)),
]

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
    "pad": [case((2, 3), widths=((1, 0), (0, 2))), *padded((2, 3, 4))],
    "crop": [case((3, 4), widths=((1, 0), (0, 2))), *padded((2, 6, 7))],
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
    "round": [case(between(2, 3)), case(between(3), decimals=0)],
    "floor_divide": [case(between(2, 3), near_one(2, 3)), case(between(2, 1), near_one(3))],
    "remainder": [case(between(2, 3), near_one(2, 3)), case(between(2, 1), near_one(3))],
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
    "cumsum": [case((2, 3)), case((2, 3, 2), axis=1), case((3, 2), axis=-1), case((1,), axis=0)],
    "prod": [*AXES, case((2, 5), axis=1), case(lambda rng: ZEROS, axis=1), case((3, 1), axis=1)],
    "max": RANKED,
    "min": RANKED,
    "logsumexp": AXES,
    "softmax": [case((2, 3)), case((2, 3, 2), axis=1), case((3, 2), axis=-2)],
    "var": SPREAD,
    "std": SPREAD,
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
        Case(inputs, {"reduction": reduction} | labels)
        for inputs, labels in ((((3, 4),), {"labels": LABELS}), (((3, 4), lambda _: SOFT), {}))
        for reduction in ("mean", "sum", "none")
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
    "max_pool": [
        case(apart(1, 2, 5), kernel=(3,), stride=(2,), padding=((1, 1),), dilation=(1,)),
        case(apart(2, 1, 4), kernel=(2,), stride=(2,), padding=((0, 0),), dilation=(1,)),
        case(apart(1, 2, 6), kernel=(3,), stride=(2,), padding=((1, 2),), dilation=(2,)),
        case(apart(2, 1, 3, 4), kernel=(2, 2), stride=(1, 2), padding=((0, 0), (1, 1)),
             dilation=(2, 1)),
    ],
    "avg_pool": [
        case((1, 2, 5), kernel=(3,), stride=(2,), padding=((1, 1),), counted=((1, 1),)),
        case((2, 1, 4), kernel=(2,), stride=(2,), padding=((0, 0),), counted=((0, 0),)),
        case((1, 2, 6), kernel=(3,), stride=(2,), padding=((1, 2),), counted=((1, 1),)),
        case((2, 1, 3, 4), kernel=(2, 2), stride=(1, 2), padding=((0, 1), (1, 1)),
             counted=((0, 0), (1, 1))),
        case((2, 1, 3, 4), kernel=(2, 3), stride=(1, 2), padding=((1, 1), (1, 1)),
             counted=((0, 0), (0, 0))),
    ],
}

NAN = math.nan
# op, inputs, params, z_bar, and the cotangents that its docstring promises
KINKS: list[tuple[str, list[Any], dict[str, Any], Any, list[Any]]] = [
    ("relu", [[-1.0, 0.0, 2.0]], {}, [3.0, 5.0, 7.0], [[0.0, 0.0, 7.0]]),
    ("abs", [[-1.0, 0.0, 2.0]], {}, [3.0, 5.0, 7.0], [[-3.0, 0.0, 7.0]]),
    ("round", [[0.5, 1.5, 2.0]], {}, [3.0, 5.0, math.inf], [[0.0, 0.0, 0.0]]),
    ("floor_divide", [[4.0, 3.0], [2.0, 2.0]], {}, [3.0, math.inf], [[0.0, 0.0], [0.0, 0.0]]),
    ("remainder", [[4.0, -3.0], [2.0, 2.0]], {}, [3.0, 5.0], [[3.0, 5.0], [-6.0, 10.0]]),
    ("leaky_relu", [[0.0]], {"slope": 0.25}, [8.0], [[2.0]]),
    ("elu", [[0.0]], {"alpha": 0.25}, [8.0], [[2.0]]),
    ("maximum", [[1.0, 1.0], [1.0, 0.0]], {}, [6.0, 4.0], [[3.0, 4.0], [3.0, 0.0]]),
    ("minimum", [[1.0, 0.0], [1.0, 1.0]], {}, [6.0, 4.0], [[3.0, 4.0], [3.0, 0.0]]),
    ("max", [[[2.0, 2.0, 1.0, 2.0]]], {"axis": 1}, [6.0], [[[2.0, 2.0, 0.0, 2.0]]]),
    ("min", [[[2.0, 2.0, 3.0, 4.0]]], {"axis": 1}, [6.0], [[[3.0, 3.0, 0.0, 0.0]]]),
    # Where nothing varies.
    ("std", [[[2.0, 2.0, 2.0], [1.0, 1.0, 4.0]]], {"axis": 1}, [math.inf, math.sqrt(2.0)],
     [[[0.0, 0.0, 0.0], [-1 / 3, -1 / 3, 2 / 3]]]),
    ("clip", [[-1.0, 0.5, 2.0]], {"low": -1.0, "high": 2.0}, [3.0, 5.0, 7.0], [[3.0, 5.0, 7.0]]),
    ("power", [[0.0, 0.0, 0.0], [2.0, 1.0, 0.0]], {}, [3.0, 5.0, 7.0],
     [[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]]),
    ("max_pool", [[[[4.0, 4.0, 1.0, 4.0]]]],
     {"kernel": (4,), "stride": (4,), "padding": ((0, 0),), "dilation": (1,)},
     [[[5.0]]], [[[[5.0, 0.0, 0.0, 0.0]]]]),
    # An entry that is NaN, and a window of nothing but -inf next to its padding.
    ("relu", [[NAN]], {}, [5.0], [[5.0]]),
    ("elu", [[NAN]], {}, [5.0], [[5.0]]),
    ("abs", [[NAN]], {}, [5.0], [[0.0]]),
    ("clip", [[NAN]], {"low": 0.0}, [5.0], [[0.0]]),
    ("maximum", [[NAN, 1.0], [1.0, NAN]], {}, [6.0, 4.0], [[6.0, 4.0], [6.0, 4.0]]),
    ("minimum", [[NAN, 1.0], [1.0, NAN]], {}, [6.0, 4.0], [[6.0, 4.0], [6.0, 4.0]]),
    ("max", [[[NAN, 1.0, NAN]]], {"axis": 1}, [6.0], [[[3.0, 0.0, 3.0]]]),
    ("min", [[[NAN, 1.0, NAN]]], {"axis": 1}, [6.0], [[[3.0, 0.0, 3.0]]]),
    ("max_pool", [[[[-math.inf, -math.inf, NAN, NAN]]]],
     {"kernel": (2,), "stride": (2,), "padding": ((1, 1),), "dilation": (1,)},
     [[[3.0, 5.0, 7.0]]], [[[[3.0, 0.0, 5.0, 7.0]]]]),
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
]
