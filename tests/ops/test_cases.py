"""Every primitive of minwn.ops, by one table: values, pullbacks of first and second order, forward
products, and every form in which an array can arrive. A primitive without a case fails."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import Tensor, ops
from minwn.graph import Primitive, raw
from minwn.ops.matrix import _einsum
from minwn.ops.shape import _concatenate

from ..helpers.differences import CLOSE, directional, dot

Draw = Callable[[np.random.Generator], np.ndarray]


def signed(*shape: int) -> Draw:
    """Numbers of both signs, at least 0.5 from the kinks and poles at 0."""
    return lambda rng: rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)


def positive(*shape: int) -> Draw:
    return lambda rng: rng.uniform(0.5, 1.8, shape)


def apart(*shape: int, at: float = 0.0) -> Draw:
    """Numbers of which no two are closer than 0.05: none changes its rank under differences."""
    count = int(np.prod(shape))
    return lambda rng: rng.permutation(0.1 * np.arange(count) - 0.7 + at).reshape(shape)


def between(*shape: int) -> Draw:
    """Numbers of both signs, at least 0.2 from the whole ones."""
    return lambda rng: rng.integers(-3, 3, shape) + rng.uniform(0.25, 0.75, shape)


def near_one(*shape: int) -> Draw:
    """Numbers close to 1 and -1: divided by one, the numbers above stay between the whole ones."""
    return lambda rng: rng.uniform(0.98, 1.02, shape) * rng.choice([-1.0, 1.0], shape)


def mask(*shape: int) -> Draw:
    return lambda rng: rng.random(shape) < 0.5


class Case(NamedTuple):
    f: Callable[..., Any]  # of arrays or Tensors
    draws: tuple[Draw, ...]
    reference: Callable[..., Any]  # the same in NumPy
    dtypes: tuple[str, ...]  # in which f keeps the dtype


def case(
    op: Callable[..., Any],
    *inputs: Any,
    like: Callable[..., Any],
    dtypes: tuple[str, ...] = ("float32", "float16"),
    **params: Any,
) -> Case:
    """op on these inputs (shapes, for signed numbers, or draws); `like` takes the same params."""
    draws = tuple(signed(*x) if isinstance(x, tuple) else x for x in inputs)
    return Case(lambda *xs: op(*xs, **params), draws, lambda *xs: like(*xs, **params), dtypes)


BROADCASTS = [
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((), ()),
    ((1,), (2, 3)),
    ((2, 1, 3), (4, 1)),
    ((0, 3), (3,)),
]


def unary(op: Any, like: Any, draw: Any = signed, **params: Any) -> list[Case]:
    shapes = [(3, 4), (), (0, 2)]
    return [case(op, draw(*shape), like=like, **params) for shape in shapes]


def binary(op: Any, like: Any, x: Any = signed, y: Any = signed) -> list[Case]:
    return [case(op, x(*a), y(*b), like=like) for a, b in BROADCASTS]


def reduction(op: Any, like: Any, draw: Any = signed, empty: bool = False) -> list[Case]:
    axes = [None, 0, -1, (0, 2), (1, -1), (0, 1, 2)]
    return [
        *(
            case(op, draw(2, 3, 4), like=like, axis=axis, keepdims=keepdims)
            for axis, keepdims in itertools.product(axes, (False, True))
        ),
        case(op, draw(), like=like),
        case(op, draw(1), like=like),
        case(op, draw(2, 3), like=like, axis=()),
        *([case(op, draw(0, 3), like=like), case(op, draw(3, 0), like=like)] if empty else []),
        case(op, draw(0, 3), like=like, axis=1),
    ]


def items(shape: tuple[int, ...], *indices: Any) -> list[Case]:
    """Each index, read by getitem."""
    return [case(ops.getitem, shape, like=lambda x, index: x[index], index=i) for i in indices]


def puts(shape: tuple[int, ...], *indices: Any) -> list[Case]:
    """Each index, written by put_at; what it reads from zeros is the shape of what it writes."""

    def put(x: np.ndarray, index: Any, shape: tuple[int, ...]) -> np.ndarray:
        z = np.zeros(shape, x.dtype)
        np.add.at(z, index, x)
        return z

    return [
        case(ops.put_at, np.zeros(shape)[i].shape, like=put, index=i, shape=shape) for i in indices
    ]


MASK = np.array([[True, False, True], [False, False, True]])
INDICES = [
    1,
    -1,
    np.int64(1),
    slice(None),
    slice(0, 2),
    slice(None, None, -1),
    slice(5, 0, -2),
    (slice(None), 2),
    (0, 1),
    (0, slice(1, None), slice(None, None, -3)),
    None,
    (None, 0, None),
    ...,
    (..., 1),
    (..., None, slice(1, 3)),
    (),
    np.array([0, 1, 1, 0, 1]),
    np.array([-1, 0]),
    [1, 1],
    (np.array([[0, 1], [1, 1]]), np.array([2, 0])),
    (np.array([0, 1, 1]), slice(None), np.array([3, 3, 3])),
    (slice(None), np.array([2, 2, 0])),
    (1, np.array([2, 2, 0])),
    (np.array([1, 1]), ..., np.array([0, 0])),
    (np.array([1, 0, 1]), None, 2),
    MASK,
    (MASK, 1),
    (slice(None), np.array([True, False, True]), slice(None, None, -2)),
    (np.array([True, True]), np.array([0, 2])),
    np.zeros((2, 3, 4), bool),
    np.array([], dtype=int),
    slice(0, 0),
]

MATMULS = [
    ((3, 4), (4, 2)),
    ((4,), (4,)),
    ((4,), (4, 2)),
    ((3, 4), (4,)),
    ((5, 3, 4), (4, 2)),
    ((3, 4), (5, 4, 2)),
    ((5, 3, 4), (5, 4, 2)),
    ((5, 1, 3, 4), (6, 4, 2)),
    ((1, 3, 4), (5, 4, 2)),
    ((5, 3, 4), (4,)),
    ((4,), (5, 4, 2)),
    ((2, 5, 3, 4), (1, 4, 2)),
    ((3, 1), (1, 2)),
    ((0, 4), (4, 2)),
    ((3, 0), (0, 2)),
    ((0, 3, 4), (4,)),
]

EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),  # no arrow
    ("ba", (2, 3)),  # no arrow: the axes in alphabetical order
    ("bA,Ac", (2, 3), (3, 4)),
    ("ij->ji", (2, 3)),
    ("ij->j", (2, 3)),  # a letter in one operand alone
    ("ij->", (2, 3)),
    ("ij,k->j", (2, 3), (4,)),  # two of them, in two operands
    ("ii->i", (3, 3)),  # a diagonal
    ("ii", (3, 3)),  # a trace
    ("iij->j", (3, 3, 2)),
    ("iji->ij", (3, 2, 3)),
    ("iii->i", (3, 3, 3)),
    ("ii,jj->ij", (2, 2), (3, 3)),
    ("ii,ij->j", (3, 3), (3, 2)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("i,j,k->kji", (2,), (3,), (4,)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk->...ik", (6, 5, 2, 3), (5, 3, 4)),  # ellipses of two depths
    ("...ij,jk", (5, 2, 3), (3, 4)),
    ("i...->...", (2, 3, 4)),
    ("...i->i...", (2, 3, 4)),
    ("...", (2, 3)),
    ("...,...->...", (2, 3), (2, 3)),
    ("i...i->...", (3, 2, 3)),
    ("...a,...a->...", (1, 3), (4, 3)),  # an ellipsis that broadcasts
    ("...a,...a->...", (2, 1, 3), (4, 3)),
    ("ij,ij->ij", (1, 3), (4, 3)),  # letters that do
    ("ij,jk->ik", (0, 3), (3, 4)),
    (",->", (), ()),
    (",ij->ji", (), (2, 3)),
    ("nchwij,ocij->nohw", (2, 2, 2, 2, 3, 2), (3, 2, 3, 2)),
]


def windows_of(x: np.ndarray, kernel, stride, dilation, padding) -> np.ndarray:
    """unfold as a sum over every entry of every window: x read at stride p + dilation k - pad."""
    size = x.shape[2:]
    out = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, d, p in zip(size, kernel, stride, dilation, padding, strict=True)
    ]
    z = np.zeros((*x.shape[:2], *kernel, *out))
    for k in np.ndindex(*kernel):
        for o in np.ndindex(*out):
            at = [
                s * i + d * j - p[0]
                for i, j, s, d, p in zip(o, k, stride, dilation, padding, strict=True)
            ]
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                z[(..., *k, *o)] = x[(..., *at)]
    return z


WINDOWS = [  # (n, c, *size), kernel, stride, dilation, padding
    ((2, 3, 5), (2,), (1,), (1,), ((0, 0),)),
    ((1, 2, 7), (3,), (2,), (2,), ((1, 2),)),
    ((2, 1, 4, 5), (2, 3), (1, 2), (1, 1), ((0, 0), (1, 1))),
    ((1, 2, 6, 5), (3, 2), (2, 3), (1, 2), ((2, 0), (0, 1))),
    ((1, 1, 5, 4), (1, 1), (3, 3), (1, 1), ((0, 0), (0, 0))),  # entries that no window reads
    ((1, 2, 3, 4, 5), (2, 2, 2), (1, 2, 3), (2, 1, 1), ((0, 0), (1, 0), (0, 2))),
    ((0, 2, 4), (2,), (1,), (1,), ((0, 0),)),
    ((2, 3, 6, 4), (3, 2), (3, 2), (1, 1), ((0, 0), (0, 0))),  # side by side
    ((1, 2, 5, 3), (3, 2), (3, 2), (1, 1), ((1, 0), (0, 1))),  # with their padding
    ((1, 2, 7), (3,), (3,), (1,), ((0, 0),)),  # with an entry left over
    ((1, 2, 6), (3,), (2,), (1,), ((0, 0),)),  # as many entries in all, and one that is shared
    ((2, 1, 2, 6, 3), (1, 2, 3), (1, 2, 3), (1, 1, 1), ((0, 0), (0, 0), (0, 0))),
]


def windows(op: Any) -> list[Case]:
    cases = []
    for shape, kernel, stride, dilation, padding in WINDOWS:
        how = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
        if op is ops.unfold:
            cases.append(case(op, shape, like=windows_of, **how))
        else:
            z = windows_of(np.zeros(shape), **how)
            cases.append(case(op, z.shape, like=windows_back, size=shape[2:], **how))
    return cases


def windows_back(x: np.ndarray, *, size, **how) -> np.ndarray:
    """fold as the transpose of the matrix of unfold, one column at a time."""
    z = np.zeros((*x.shape[:2], *size))
    for at in np.ndindex(*z.shape):
        unit = np.zeros_like(z)
        unit[at] = 1
        z[at] = np.sum(x * windows_of(unit, **how))
    return z


erfc = np.vectorize(math.erfc, otypes=[float])


def gelu_tanh(x, approximate):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def softmax(x, axis=-1):
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def sum_over(x, *, shape):
    """sum_to by its definition: broadcast an index of the small array, and count into it."""
    z = np.zeros(shape)
    place = np.broadcast_to(np.arange(z.size).reshape(shape), x.shape)
    np.add.at(z.reshape(-1), place.reshape(-1), x.reshape(-1))
    return z


TO_SHAPES = [((3, 4), (3, 4)), ((3, 4), (1, 4)), ((3, 4), (4,)), ((3, 4), ()), ((2, 3, 4), (3, 1)),
             ((), ()), ((1, 4), (1, 1)), ((0, 3), (3,)), ((0, 3), (1, 3))]  # fmt: skip

CASES: dict[str, list[Case]] = {
    # ---- elementwise
    "add": binary(ops.add, np.add),
    "subtract": binary(ops.subtract, np.subtract),
    "multiply": binary(ops.multiply, np.multiply),
    "divide": binary(ops.divide, np.divide),
    "negative": unary(ops.negative, np.negative),
    "power": [
        *binary(ops.power, np.power, positive),
        *(
            case(lambda x, p=p: x**p, (3, 2), like=lambda x, p=p: x**p)
            for p in (0, 1, 2, 3, -1, 2.0, -2.0)
        ),
        *(case(lambda x, p=p: x**p, positive(3), like=lambda x, p=p: x**p) for p in (0.5, -1.5)),
        *(case(lambda y, b=b: b**y, (3, 2), like=lambda y, b=b: b**y) for b in (2, 0.3, 1)),
    ],
    "round": [
        *unary(ops.round, np.round, lambda *s: lambda rng: between(*s)(rng) + 0.5),
        case(ops.round, lambda rng: between(3)(rng) / 100 + 0.005, like=np.round, decimals=2),
        case(ops.round, lambda rng: 10 * between(3)(rng) + 5, like=np.round, decimals=-1),
    ],
    "floor_divide": binary(ops.floor_divide, np.floor_divide, between, near_one),
    "remainder": binary(ops.remainder, np.remainder, between, near_one),
    "exp": unary(ops.exp, np.exp),
    "log": unary(ops.log, np.log, positive),
    "sqrt": unary(ops.sqrt, np.sqrt, positive),
    "sin": unary(ops.sin, np.sin),
    "cos": unary(ops.cos, np.cos),
    "tanh": unary(ops.tanh, np.tanh),
    "sigmoid": unary(ops.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "softplus": unary(ops.softplus, lambda x: np.log(1 + np.exp(x))),
    "erf": unary(ops.erf, lambda x: 1 - erfc(x)),
    "where": [
        *(case(ops.where, mask(*c), x, y, like=np.where) for c, x, y in [
            ((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), (3, 4)), ((), (3,), (2, 1)),
            ((2, 3), (), ()), ((0, 3), (1,), (3,)),
        ]),
        case(lambda c, x: ops.where(c, x, -1), mask(2, 3), (3,),
             like=lambda c, x: np.where(c, x, -1)),
        case(lambda c, y: ops.where(c, 2.5, y), mask(2, 3), (2, 1),
             like=lambda c, y: np.where(c, 2.5, y).astype(y.dtype)),
    ],
    "abs": unary(ops.abs, np.abs),
    "relu": unary(ops.relu, lambda x: x * (x > 0)),
    "leaky_relu": [
        *unary(ops.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
        *unary(ops.leaky_relu, lambda x, slope: np.where(x > 0, x, slope * x), slope=0.7),
    ],
    "elu": [
        *unary(ops.elu, lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        *unary(ops.elu, lambda x, alpha: np.where(x > 0, x, alpha * np.exp(x) - alpha), alpha=0.6),
    ],
    "gelu": [
        *unary(ops.gelu, lambda x: 0.5 * x * erfc(-x / np.sqrt(2))),
        *unary(ops.gelu, gelu_tanh, approximate="tanh"),
    ],
    "maximum": binary(ops.maximum, np.maximum, apart, lambda *s: apart(*s, at=0.05)),
    "minimum": binary(ops.minimum, np.minimum, apart, lambda *s: apart(*s, at=0.05)),
    "clip": [
        *unary(ops.clip, lambda x, low, high: np.clip(x, low, high),
               low=-0.75, high=0.65, draw=lambda *s: apart(*s, at=0.03)),
        case(ops.clip, (4, 3), like=lambda x, low: np.maximum(x, low), low=0.1),
        case(ops.clip, (4, 3), like=lambda x, high: np.minimum(x, high), high=-0.2),
        case(ops.clip, (4, 3), like=lambda x: x),
    ],
    # ---- reductions
    "sum": reduction(ops.sum, np.sum, empty=True),
    "mean": reduction(ops.mean, np.mean)[:-1],
    "max": reduction(ops.max, np.max, apart)[:-1],
    "min": reduction(ops.min, np.min, apart)[:-1],
    "logsumexp": reduction(ops.logsumexp, logsumexp)[:-1],
    "softmax": [
        case(ops.softmax, shape, like=softmax, **axis)
        for shape, axis in [((3, 4), {}), ((2, 3, 4), {"axis": 1}), ((4, 2), {"axis": -2}),
                            ((5,), {}), ((3, 1), {}), ((0, 3), {})]
    ],
    "var": [
        *reduction(ops.var, np.var)[:-1],
        case(ops.var, (2, 3, 4), like=np.var, axis=(0, 2), ddof=1),
        case(ops.var, (5,), like=np.var, ddof=3, keepdims=True),
    ],
    # ---- shape
    "sum_to": [case(ops.sum_to, a, like=sum_over, shape=b) for a, b in TO_SHAPES],
    "broadcast_to": [
        case(ops.broadcast_to, b, like=np.broadcast_to, shape=a) for a, b in TO_SHAPES
    ],
    "reshape": [
        case(ops.reshape, a, like=lambda x, shape: np.array(list(x.flat)).reshape(shape), shape=b)
        for a, b in [((3, 4), (2, 6)), ((3, 4), (-1,)), ((3, 4), (4, -1, 1)), ((), (1, 1)),
                     ((1,), ()), ((0, 3), (3, 0))]
    ],
    "transpose": [
        case(ops.transpose, (2, 3, 4), like=np.transpose),
        *(case(ops.transpose, (2, 3, 4), like=np.transpose, axes=axes)
          for axes in [(1, 2, 0), (0, 2, 1), (-1, 0, 1)]),
        case(ops.transpose, (), like=np.transpose),
    ],
    "flip": [case(ops.flip, (2, 3, 4), like=np.flip, axis=axis) for axis in (None, 1, -1, (0, 2))],
    "getitem": [*items((2, 3, 4), *INDICES), *items((), (), None, ...)],
    "put_at": [*puts((2, 3, 4), *INDICES), *puts((), (), None, ...)],
    "pad": [
        case(ops.pad, (2, 3), like=lambda x, widths: np.pad(x, widths), widths=((1, 0), (2, 3))),
        case(ops.pad, (2, 3), like=lambda x, widths: x, widths=((0, 0), (0, 0))),
        case(ops.pad, (0,), like=lambda x, widths: np.zeros(3), widths=[(1, 2)]),
        case(ops.pad, (), like=lambda x, widths: x, widths=()),
    ],
    "crop": [
        case(ops.crop, (4, 7), like=lambda x, widths: x[1:, 2:-3], widths=((1, 0), (2, 3))),
        case(ops.crop, (2, 3), like=lambda x, widths: x, widths=((0, 0), (0, 0))),
        case(ops.crop, (3,), like=lambda x, widths: x[1:1], widths=[(1, 2)]),
    ],
    "_concatenate": [
        *(case(_concatenate, *shapes, like=lambda *xs, axis: np.concatenate(xs, axis), axis=axis)
          for axis, *shapes in [(0, (2, 3), (1, 3), (4, 3)), (-1, (2, 3), (2, 0), (2, 1))]),
        case(lambda *xs: ops.concatenate(xs, axis=1), (2, 1, 2), (2, 3, 2),
             like=lambda *xs: np.concatenate(xs, 1)),
        *(case(lambda *xs, a=a: ops.stack(xs, axis=a), (2, 3), (2, 3),
               like=lambda *xs, a=a: np.stack(xs, a)) for a in (0, 1, 2, -1)),
        case(lambda x: ops.concatenate(ops.split(x, [1, 0, 3], axis=-1)[::-1], axis=1), (2, 4),
             like=lambda x: np.concatenate([x[:, 1:], x[:, :1]], 1)),
        case(lambda x: ops.split(x, 2)[1], (4, 3), like=lambda x: x[2:]),
    ],
    "cast": [case(ops.cast, (2, 3), like=lambda x, dtype: x, dtype="float64", dtypes=())],
    "move": [case(ops.move, (2, 3), like=lambda x, device: x, device="cpu")],
    # ---- products
    "matmul": [case(ops.matmul, a, b, like=np.matmul) for a, b in MATMULS],
    "_einsum": [
        case(_einsum, (2, 3), (3,), like=lambda x, y, **_: x @ y, inputs=("ij", "j"), output="i"),
        *(
            case(lambda *xs, s=s: ops.einsum(s, *xs), *shapes,
                 like=lambda *xs, s=s: np.einsum(s, *xs))
            for s, *shapes in EINSUMS
        ),
    ],
    # ---- windows
    "unfold": windows(ops.unfold),
    "fold": windows(ops.fold),
}  # fmt: skip

ALL = [
    pytest.param(c, id=f"{name}-{i}") for name, cases in CASES.items() for i, c in enumerate(cases)
]
every_case = pytest.mark.parametrize("c", ALL)


def drawn(c: Case, rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray]:
    return [x if x.dtype == bool else x.astype(dtype) for x in (draw(rng) for draw in c.draws)]


def leaves(xs: list[Any]) -> list[Tensor]:
    return [Tensor(x, requires_grad=x.dtype != bool) for x in xs]


def pulled_back(c: Case, xs: list[Any], u: Any, create_graph: bool = False) -> list[Any]:
    """The cotangent of each float input for the cotangent u of the answer."""
    inputs = leaves(xs)
    wanted = [x for x in inputs if x.requires_grad]
    return list(minwn.grad(c.f(*inputs), wanted, u, create_graph=create_graph))


def close(a: Any, b: Any, tolerance: float = CLOSE) -> bool:
    """Equal within the tolerance, taken relative to the largest entry where that is above 1."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    return a.size == 0 or np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max())


# ---- the judge first: planted faults that the tests below must object to ------------------------


FAULTS = {
    "a factor off by 0.1 %": lambda bar: bar * 1.001,
    "a sign": lambda bar: -bar,
    "zeros": lambda bar: 0.0 * bar,
    "an entry": lambda bar: bar + np.eye(1, bar.size).reshape(bar.shape) * 1e-3,
}


FLAT = {"floor_divide", "round"}  # a derivative of 0 has no other sign or size


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (name, fault)
        for name in CASES
        for fault in FAULTS
        if fault == "an entry" or name not in FLAT
    ],
)
def test_a_planted_fault_is_found(name, fault, rng, monkeypatch):
    op, c = Primitive.registry[name], CASES[name][0]
    right = op.rule

    def wrong(*args: Any, **params: Any) -> Any:
        bars = (bar() if callable(bar) else bar for bar in right(*args, **params))
        return tuple(None if bar is None else FAULTS[fault](bar) for bar in bars)

    monkeypatch.setattr(op, "rule", wrong)
    with pytest.raises(AssertionError):
        test_pullback_agrees_with_differences(c, rng)


@pytest.mark.parametrize("name", ["multiply", "divide", "exp", "tanh", "matmul", "var"])
def test_an_array_kept_from_the_forward_is_found_at_second_order(name, rng, monkeypatch):
    op, c = Primitive.registry[name], CASES[name][0]
    right = op.rule
    monkeypatch.setattr(op, "rule", lambda z_bar, *xs, **p: right(z_bar, *map(raw, xs), **p))
    test_pullback_agrees_with_differences(c, rng)
    with pytest.raises(AssertionError):
        test_second_order_agrees_with_differences(c, rng)


# ---- the cases ----------------------------------------------------------------------------------


def test_every_primitive_of_ops_has_its_cases():
    named = {
        n for n, p in Primitive.registry.items() if p.forward.__module__.startswith("minwn.ops")
    }
    assert named == set(CASES)
    assert all(CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_the_cases_of_a_name_run_that_primitive(name, rng, monkeypatch):
    op, ran = Primitive.registry[name], []
    forward = op.forward
    monkeypatch.setattr(op, "forward", lambda *a, **k: (ran.append(1), forward(*a, **k))[1])
    for c in CASES[name]:
        ran.clear()
        c.f(*leaves(drawn(c, rng)))
        assert ran or c is CASES["_concatenate"][-1]  # a single piece of a split is a getitem


@every_case
def test_value(c, rng, host):
    xs = drawn(c, rng)
    expected = np.asarray(c.reference(*xs))
    z = c.f(*leaves(xs))
    assert z.requires_grad
    assert isinstance(z.data, np.ndarray)
    # Both sides are float64 expressions of a dozen operations at most, sums of 100 entries.
    assert close(z.data, expected, 1e-13)
    assert close(c.f(*xs), expected, 1e-13)
    assert z.dtype == "float64"
    assert not isinstance(c.f(*xs), Tensor)


@every_case
def test_pullback_agrees_with_differences(c, rng):
    xs = drawn(c, rng)
    u = rng.normal(size=np.shape(c.f(*xs)))
    bars = iter(pulled_back(c, xs, u))
    for i, x in enumerate(xs):
        if x.dtype == bool:
            continue
        t = rng.normal(size=x.shape)
        z_dot = directional(c.f, xs, [t if j == i else None for j in range(len(xs))])
        assert close(dot([next(bars).data], [t]), dot([u], [z_dot]))


@every_case
def test_second_order_agrees_with_differences(c, rng):
    xs = drawn(c, rng)
    floats = [i for i, x in enumerate(xs) if x.dtype != bool]
    u = rng.normal(size=np.shape(c.f(*xs)))
    ss = [rng.normal(size=xs[i].shape) for i in floats]

    def first_order(*args: np.ndarray) -> np.ndarray:
        *points, cotangent = args
        return dot([b.data for b in pulled_back(c, points, cotangent)], ss)

    inputs, cotangent = leaves(xs), Tensor(u, True)
    wanted = [inputs[i] for i in floats]
    bars = minwn.grad(c.f(*inputs), wanted, cotangent, create_graph=True)
    total = minwn.ops.add(0.0, Tensor(np.zeros(())))
    for bar, s in zip(bars, ss, strict=True):
        total = total + (bar * s).sum()
    seconds = minwn.grad(total, [*wanted, cotangent], allow_unused=True)
    for i, found in zip([*floats, len(xs)], seconds, strict=True):
        t = rng.normal(size=[*xs, u][i].shape)
        tangents = [t if j == i else None for j in range(len(xs) + 1)]
        expected = directional(first_order, [*xs, u], tangents)
        assert close(0.0 if found is None else dot([found.data], [t]), expected)


@every_case
def test_forward_product_agrees_with_differences(c, rng):
    xs = drawn(c, rng)
    floats = [i for i, x in enumerate(xs) if x.dtype != bool]
    ts = [rng.normal(size=x.shape) if i in floats else None for i, x in enumerate(xs)]

    def f(*points: Any) -> Any:
        full = list(xs)
        for i, x in zip(floats, points, strict=True):
            full[i] = x
        return c.f(*full)

    z, z_dot = minwn.jvp(f, [xs[i] for i in floats], [ts[i] for i in floats])
    assert close(z.data, c.f(*xs), 1e-15)
    assert close(z_dot.data, directional(c.f, xs, ts))


@every_case
def test_every_layout_gives_the_same_and_is_left_alone(c, rng, xp, host):
    xs = drawn(c, rng)
    u = rng.normal(size=np.shape(c.f(*xs)))
    given = [xp(x) for x in xs]
    given_u = u if type(c.f(*given)) is np.ndarray else xp(u)  # `move` answers on the host
    before = [host(x).copy() for x in given]
    assert close(host(c.f(*given)), c.f(*xs), 1e-13)  # another layout may sum in another order
    for create_graph in (False, True):
        plain = pulled_back(c, xs, u, create_graph)
        found = pulled_back(c, given, given_u, create_graph)
        for x, a, b in zip([x for x in given if x.dtype != bool], found, plain, strict=True):
            assert type(a.data) is type(x)
            assert close(host(a), b.data, 1e-13)
    assert all(np.array_equal(host(x), y) for x, y in zip(given, before, strict=True))
    assert np.array_equal(host(given_u), u)


@every_case
def test_dtype_is_kept(c, rng):
    for dtype in c.dtypes:
        xs = drawn(c, rng, dtype)
        wide = [x if x.dtype == bool else x.astype("float64") for x in xs]
        z, exact = c.f(*leaves(xs)), c.f(*wide)
        u = rng.normal(size=z.shape).astype(dtype)
        # A few roundings, of sums of up to some 100 numbers: 64 u.
        tolerance = 32 * float(np.finfo(dtype).eps)
        assert z.dtype == dtype
        assert close(z.data, exact, tolerance)
        expected = pulled_back(c, wide, u.astype("float64"))
        for create_graph in (False, True):
            for a, b in zip(pulled_back(c, xs, u, create_graph), expected, strict=True):
                assert a.dtype == dtype
                assert close(a.data, b.data, tolerance)
