"""Every primitive of minwn.ops, at the rows of `minwn.verify.cases` and at more: values, pullbacks
of first and second order, forward products, and every form in which an array can arrive. A
primitive without a row fails, and so does one without a definition in NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import Tensor, ops
from minwn.graph import Primitive, raw
from minwn.verify import cases
from minwn.verify.cases import Case, Draw, apart, between, case, near_one, positive, signed

from ..helpers.differences import CLOSE, directional, dot

NARROW = ("float32", "float16")


class Row(NamedTuple):
    """A function and its reference, of the same arrays. An input is as in `cases.Case`."""

    f: Callable[..., Any]  # of arrays or Tensors
    inputs: tuple[Any, ...]
    reference: Callable[..., Any]  # the same in NumPy
    dtypes: tuple[str, ...]  # in which f keeps the dtype


def row(f: Any, *inputs: Any, like: Any, dtypes: tuple[str, ...] = NARROW) -> Row:
    """f on these inputs; those that are no arrays, such as 2, are what f is always called with."""
    drawn = [isinstance(x, tuple | np.ndarray) or callable(x) for x in inputs]

    def at(g: Any) -> Callable[..., Any]:
        def called(*xs: Any) -> Any:
            given = iter(xs)
            return g(*(next(given) if d else x for d, x in zip(drawn, inputs, strict=True)))

        return called

    return Row(at(f), tuple(x for d, x in zip(drawn, inputs, strict=True) if d), at(like), dtypes)


def of_primitive(name: str, c: Case) -> Row:
    """A row of the table: the primitive, and its definition, with the same parameters."""
    op, like = Primitive.registry[name], LIKE[name]
    dtypes = () if "dtype" in c.params else NARROW
    return row(partial(op, **c.params), *c.inputs, like=partial(like, **c.params), dtypes=dtypes)


# ---- what each of them is, in NumPy -------------------------------------------------------------

erfc = np.vectorize(math.erfc, otypes=[float])


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * erfc(-x / np.sqrt(2))


def clip(x, low=-math.inf, high=math.inf):
    return np.minimum(np.maximum(x, low), high)


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


def put(x, *, index, shape):
    z = np.zeros(shape, x.dtype)
    np.add.at(z, index, x)
    return z


def inside(shape, widths):
    return tuple(slice(before, n - after) for n, (before, after) in zip(shape, widths, strict=True))


def pad(x, *, widths, mode="zeros"):
    named = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}
    return np.pad(x, widths, named.get(mode, mode)) if widths else x


def crop(x, *, widths, mode="zeros"):
    """By the matrix of pad, one entry at a time."""
    z = np.zeros(x[inside(x.shape, widths)].shape)
    for at in np.ndindex(*z.shape):
        unit = np.zeros_like(z)
        unit[at] = 1
        z[at] = np.sum(x * pad(unit, widths=widths, mode=mode))
    return z


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


def windows_back(x: np.ndarray, *, size, **how) -> np.ndarray:
    """fold as the transpose of the matrix of unfold, one column at a time."""
    z = np.zeros((*x.shape[:2], *size))
    for at in np.ndindex(*z.shape):
        unit = np.zeros_like(z)
        unit[at] = 1
        z[at] = np.sum(x * windows_of(unit, **how))
    return z


LIKE: dict[str, Callable[..., Any]] = {
    # ---- elementwise
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "negative": np.negative, "power": np.power, "round": np.round,
    "floor_divide": np.floor_divide, "remainder": np.remainder,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos, "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "erf": lambda x: 1 - erfc(x),
    "where": np.where,
    "abs": np.abs,
    "relu": lambda x: x * (x > 0),
    "leaky_relu": lambda x, slope=0.01: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.exp(x) - alpha),
    "gelu": gelu, "maximum": np.maximum, "minimum": np.minimum, "clip": clip,
    # ---- reductions
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var, "std": np.std,
    "cumsum": np.cumsum, "prod": np.prod,
    "logsumexp": logsumexp, "softmax": softmax,
    # ---- shape
    "sum_to": sum_over, "broadcast_to": np.broadcast_to,
    "reshape": lambda x, shape: np.array(list(x.flat)).reshape(shape),
    "transpose": np.transpose, "flip": np.flip,
    "getitem": lambda x, index: x[index], "put_at": put,
    "pad": pad, "crop": crop,
    "_concatenate": lambda *xs, axis: np.concatenate(xs, axis),
    "cast": lambda x, dtype: x, "move": lambda x, device: x,
    # ---- products
    "matmul": np.matmul,
    "_einsum": lambda *xs, inputs, output: np.einsum(f"{','.join(inputs)}->{output}", *xs),
    # ---- windows
    "unfold": windows_of, "fold": windows_back,
}


# ---- more rows than the verification has: empty arrays, every index, other ways to call ---------


def mask(*shape: int) -> Draw:
    return lambda rng: rng.random(shape) < 0.5


def plus(addend: float, draw: Draw) -> Draw:
    return lambda rng: draw(rng) + addend


def tenths(rng: np.random.Generator) -> np.ndarray:
    """Close to multiples of 0.1, above and below."""
    return 0.1 * rng.integers(-30, 30, 3) + 0.01 * rng.uniform(-1, 1, 3)


def with_zeros(rng: np.random.Generator) -> np.ndarray:
    """Products of none, one and two zeros."""
    return signed(3, 4)(rng) * np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1]])


BROADCASTS = [
    ((3, 4), (4,)), ((), (2, 3)), ((2, 3), ()), ((), ()), ((1,), (2, 3)), ((2, 1, 3), (4, 1)),
    ((0, 3), (3,)),
]
INDICES = [
    -1,
    np.int64(1),
    slice(None),
    slice(0, 2),
    slice(None, None, -1),
    slice(5, 0, -2),
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
    cases.FANCY,
    (np.array([0, 1, 1]), slice(None), np.array([3, 3, 3])),
    (slice(None), np.array([2, 2, 0])),
    (1, np.array([2, 2, 0])),
    (np.array([1, 1]), ..., np.array([0, 0])),
    (np.array([1, 0, 1]), None, 2),
    cases.MASK,
    (cases.MASK, 1),
    (slice(None), np.array([True, False, True]), slice(None, None, -2)),
    (np.array([True, True]), np.array([0, 2])),
    np.zeros((2, 3, 4), bool),
    np.array([], dtype=int),
    slice(0, 0),
]
MATMULS = [
    ((5, 3, 4), (5, 4, 2)), ((1, 3, 4), (5, 4, 2)), ((2, 5, 3, 4), (1, 4, 2)), ((3, 1), (1, 2)),
    ((0, 4), (4, 2)), ((3, 0), (0, 2)), ((0, 3, 4), (4,)),
]
TO_SHAPES = [((2, 3, 4), (3, 1)), ((), ()), ((1, 4), (1, 1)), ((0, 3), (3,)), ((0, 3), (1, 3))]
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
WINDOWS = [  # (n, c, *size), kernel, stride, dilation, padding
    ((2, 3, 5), (2,), (1,), (1,), ((0, 0),)),
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


def unary(draw: Any = signed, **params: Any) -> list[Case]:
    return [case(draw(*shape), **params) for shape in ((), (0, 2))]


def binary(x: Any = signed, y: Any = signed) -> list[Case]:
    return [case(x(*a), y(*b)) for a, b in BROADCASTS]


def reduction(draw: Any = signed) -> list[Case]:
    axes = itertools.product([None, 0, -1, (0, 2), (1, -1), (0, 1, 2)], (False, True))
    return [
        *(case(draw(2, 3, 4), axis=axis, keepdims=keepdims) for axis, keepdims in axes),
        case(draw()), case(draw(1)), case(draw(2, 3), axis=()),
    ]


def windows(back: bool) -> list[Case]:
    found = []
    for shape, kernel, stride, dilation, padding in WINDOWS:
        how = {"kernel": kernel, "stride": stride, "dilation": dilation, "padding": padding}
        if back:
            z = windows_of(np.zeros(shape), **how)
            found.append(case(z.shape, size=shape[2:], **how))
        else:
            found.append(case(shape, **how))
    return found


# An array read at each index, and one written to it, of the shape that is read there.
READ = [((2, 3, 4), i) for i in INDICES] + [((), i) for i in ((), None, ...)]
MORE: dict[str, list[Case]] = {
    **{name: [case((0, 2))] for name in (
        "negative", "exp", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "abs", "relu",
    )},
    "log": unary(positive),
    "sqrt": unary(positive),
    "leaky_relu": [*unary(), *unary(slope=0.7)],
    "elu": [*unary(), *unary(alpha=0.6)],
    "gelu": [*unary(), *unary(approximate="tanh")],
    "round": [
        *unary(lambda *shape: plus(0.5, between(*shape))),
        case(tenths, decimals=1), case(lambda rng: 10 * between(3)(rng), decimals=-1),
    ],
    "clip": unary(lambda *shape: apart(*shape, at=0.03), low=-0.75, high=0.65),
    **{name: binary() for name in ("add", "subtract", "multiply", "divide")},
    "power": binary(positive),
    "floor_divide": binary(between, near_one),
    "remainder": binary(between, near_one),
    "maximum": binary(apart, lambda *shape: apart(*shape, at=0.1)),
    "minimum": binary(apart, lambda *shape: apart(*shape, at=0.1)),
    "where": [
        case(mask(*c), x, y)
        for c, x, y in [((3, 4), (3, 4), (3, 4)), ((3, 1), (4,), (3, 4)), ((), (3,), (2, 1)),
                        ((2, 3), (), ()), ((0, 3), (1,), (3,))]
    ],
    "sum": [*reduction(), case((0, 3)), case((3, 0)), case((0, 3), axis=1)],
    "mean": reduction(),
    "cumsum": [case((2, 3, 4), axis=a) for a in (None, 0, 1, -1)]
    + [case((0, 3), axis=1), case((2, 0), axis=1), case(())],
    "prod": [*reduction(), case((0, 3)), case((3, 0)), case((0, 3), axis=1), case((7,)),
             case(with_zeros)],
    "max": reduction(apart),
    "min": reduction(apart),
    "logsumexp": reduction(),
    "softmax": [case((5,)), case((3, 1)), case((0, 3))],
    **{name: [*reduction(), case((2, 3, 4), axis=(0, 2), ddof=1)]
       for name in ("var", "std")},
    "sum_to": [case(a, shape=b) for a, b in TO_SHAPES],
    "broadcast_to": [case(b, shape=a) for a, b in TO_SHAPES],
    "reshape": [
        case(a, shape=b)
        for a, b in [((3, 4), (4, -1, 1)), ((), (1, 1)), ((1,), ()), ((0, 3), (3, 0))]
    ],
    "transpose": [case((2, 3, 4)), case((2, 3, 4), axes=(0, 2, 1)), case(())],
    "flip": [case((2, 3, 4), axis=axis) for axis in (None, 1, (0, 2))],
    "getitem": [case(shape, index=i) for shape, i in READ],
    "put_at": [case(np.zeros(shape)[i].shape, index=i, shape=shape) for shape, i in READ],
    "pad": [case((2, 3), widths=((0, 0), (0, 0))), case((0,), widths=[(1, 2)]),
            case((), widths=()), case((1, 2), widths=((0, 0), (2, 2)), mode="circular"),
            case((1, 2), widths=((3, 0), (0, 5)), mode="replicate"),
            case((0, 2), widths=((0, 0), (1, 0)), mode="reflect")],
    "crop": [case((2, 3), widths=((0, 0), (0, 0))), case((3,), widths=[(1, 2)]),
             case((1, 6), widths=((0, 0), (2, 2)), mode="circular"),
             case((1, 2), widths=((0, 0), (0, 0)), mode="replicate")],
    "_concatenate": [case((2, 3), (2, 0), (2, 1), axis=-1)],
    "matmul": [case(a, b) for a, b in MATMULS],
    "unfold": windows(back=False),
    "fold": windows(back=True),
}

# The primitives by the operators and functions that call them.
CALLED: dict[str, list[Row]] = {
    "power": [
        *(row(lambda x, p=p: x**p, draw, like=lambda x, p=p: x**p)
          for p, draw in [*((p, (3, 2)) for p in (0, 1, 2, 3, -1, 2.0, -2.0)),
                          (0.5, positive(3)), (-1.5, positive(3))]),
        *(row(lambda y, b=b: b**y, (3, 2), like=lambda y, b=b: b**y) for b in (2, 0.3, 1)),
    ],
    "where": [
        row(lambda c, x: ops.where(c, x, -1), mask(2, 3), (3,),
            like=lambda c, x: np.where(c, x, -1)),
        row(lambda c, y: ops.where(c, 2.5, y), mask(2, 3), (2, 1),
            like=lambda c, y: np.where(c, 2.5, y).astype(y.dtype)),
    ],
    "_concatenate": [
        row(lambda *xs: ops.concatenate(xs, axis=1), (2, 1, 2), (2, 3, 2),
            like=lambda *xs: np.concatenate(xs, 1)),
        *(row(lambda *xs, a=a: ops.stack(xs, axis=a), (2, 3), (2, 3),
              like=lambda *xs, a=a: np.stack(xs, a)) for a in (0, 1, 2, -1)),
        row(lambda x: ops.concatenate(ops.split(x, [1, 0, 3], axis=-1)[::-1], axis=1), (2, 4),
            like=lambda x: np.concatenate([x[:, 1:], x[:, :1]], 1)),
        row(lambda x: ops.split(x, 2)[1], (4, 3), like=lambda x: x[2:]),
    ],
    "_einsum": [
        row(lambda *xs, s=s: ops.einsum(s, *xs), *shapes, like=lambda *xs, s=s: np.einsum(s, *xs))
        for s, *shapes in EINSUMS
    ],
}

CASES: dict[str, list[Row]] = {
    name: [
        *(of_primitive(name, c) for c in [*cases.CASES[name], *MORE.get(name, [])]),
        *CALLED.get(name, []),
    ]
    for name in LIKE
    if name in cases.CASES
}

ALL = [
    pytest.param(c, id=f"{name}-{i}") for name, rows in CASES.items() for i, c in enumerate(rows)
]
every_case = pytest.mark.parametrize("c", ALL)


def drawn(c: Row, rng: np.random.Generator, dtype: str = "float64") -> list[np.ndarray]:
    xs = [cases.drawn(x, rng) for x in c.inputs]
    return [x if x.dtype == bool else x.astype(dtype) for x in xs]


def leaves(xs: list[Any]) -> list[Tensor]:
    return [Tensor(x, requires_grad=x.dtype != bool) for x in xs]


def pulled_back(c: Row, xs: list[Any], u: Any, create_graph: bool = False) -> list[Any]:
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


@pytest.mark.parametrize(
    "name", ["multiply", "divide", "exp", "tanh", "matmul", "var", "std", "prod"]
)
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
    assert named == set(CASES) == set(LIKE)
    assert all(CASES.values())
    assert {*MORE, *CALLED} <= named


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
