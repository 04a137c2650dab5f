"""The cases: the same in every language, and each group is what its page says."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from minwn.oracle.cases import GROUPS, LAYOUTS, LCG, RANGE, ZEROS, arrange, cases
from minwn.oracle.reference.double_double import bulk
from minwn.oracle.reference.error_bounds import bounds, sizes
from minwn.oracle.reference.truth import FORMATS, expected

DTYPES = ("float16", "float32", "float64")
FIRST_STEPS = [13526964138546166666, 7169543821056290449, 1180988006936780748, 16403637998694157355]
FIRST_INTEGERS = [2, -1, -3, 3, -2, 3, 2, 3]
FIRST_REALS = ["-0x1.7772dc0000000p-1", "0x1.20c76c0000000p+0", "0x1.6ec6b00000000p+0"]
DIGESTS = {
    "float16": "2c5a03cfb1d16466",
    "float32": "288596ded99eecb0",
    "float64": "14c1fbecb715b732",
}
LATER_DIGESTS = {
    "float16": "088b79706f31f70d",
    "float32": "9bb1b8e038782882",
    "float64": "24b96f4bbfc3a37a",
}


# ---- the generator ------------------------------------------------------------------------------


def test_the_first_numbers():
    """To check a generator in another language against."""
    lcg = LCG("G", 7, 24)
    assert [lcg.step() for _ in range(4)] == FIRST_STEPS
    lcg = LCG("G", 7, 24)
    assert [lcg.integer(-3, 3) for _ in range(8)] == FIRST_INTEGERS
    lcg = LCG("G", 7, 24)
    assert [lcg.real(-1, 0).hex() for _ in range(3)] == FIRST_REALS


@pytest.mark.parametrize("p", [8, 11, 24, 53])
def test_many_numbers_at_once_are_those_of_one_step_after_the_other(p):
    for count in (0, 1, 2, 7, 64, 1000):
        one, many = LCG("G", count, p), LCG("G", count, p)
        assert many.reals(-3, 4, count) == [one.real(-3, 4) for _ in range(count)]
        assert many.x == one.x
        assert many.steps(count).tolist() == [one.step() for _ in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_cases_are_permanent(dtype):
    """A change here breaks every table that was ever made of the cases: add groups instead."""
    assert digest_of(cases(dtype, GROUPS[:8], axis="any")) == DIGESTS[dtype]
    assert digest_of(cases(dtype, ("zeros", "sizes"), axis="any")) == LATER_DIGESTS[dtype]


def digest_of(chosen):
    digest = hashlib.sha256()
    for case in chosen:
        digest.update(f"{case.id} {case.v.shape} {case.g.shape} {case.flags}".encode())
        for x in (case.v, case.g, case.w_bar, case.A, case.B):
            digest.update(np.ascontiguousarray(x).astype(x.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()[:16]


def test_generic_from_its_page_alone():
    """G-0003 in float32, with integers and fractions only."""
    x = (71 << 32) + 3

    def step():
        nonlocal x
        x = (6364136223846793005 * x + 1442695040888963407) % (1 << 64)
        return x

    def integer(a, b):
        return a + (step() // 2**32) * (b - a + 1) // 2**32

    def real(a, b):
        bits = step()
        K, sign = bits // 2**40 % 2**23, -1 if bits >= 2**63 else 1
        return sign * (2**23 + K) * Fraction(2) ** (integer(a, b) - 23)

    rows, m = integer(4, 5), integer(2, 8)
    m = m + 5 if m == rows else m
    r = integer(0, rows - 1)
    v = [
        [real(0, 1) * Fraction(2) ** (2 * ((i + r) % rows) - rows + 1) for _ in range(m)]
        for i in range(rows)
    ]
    g = [abs(real(-2, 1)) * (-1) ** ((i + r) % 2) for i in range(rows)]
    w_bar = [[real(0, 1) for _ in range(m)] for _ in range(rows)]
    for i in range(rows):
        for j in range(m):
            if j % 3 == 2:
                w_bar[i][j] /= 4
            else:
                sign = (1 if v[i][j] > 0 else -1) * (-1) ** (i // 2)
                w_bar[i][j] = sign * abs(w_bar[i][j])
    A = [[real(-1, 0) for _ in range(m)] for _ in range(rows)]
    B = [real(-1, 0) for _ in range(rows)]
    (case,) = (c for c in cases("float32", ("generic",)) if c.id == "G-0003")
    assert case.v.tolist() == v
    assert case.g.ravel().tolist() == g
    assert case.w_bar.tolist() == w_bar
    assert case.A.tolist() == A
    assert case.B.ravel().tolist() == B


# ---- what the pages promise ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_case_is_well_formed(dtype):
    seen = set()
    for case in cases(dtype, axis="any"):
        assert case.id not in seen
        seen.add(case.id)
        arrays = (case.v, case.g, case.w_bar, case.A, case.B)
        assert {x.dtype for x in arrays} == {np.dtype(dtype)}
        assert case.v.shape == case.w_bar.shape == case.A.shape
        assert case.g.shape == case.B.shape
        if case.group not in ("undefined", "range"):
            squares = (case.v.astype("float64") ** 2).sum()
            assert case.group in ("long", "sizes") or squares < np.finfo(dtype).max
        assert case.defined == all(np.isfinite(x).all() for x in bulk(case))


@pytest.mark.parametrize("dtype", DTYPES)
def test_generic_cases_hide_nothing(dtype):
    for case in cases(dtype, ("generic",)):
        rows, m = case.v.shape
        norms = np.linalg.norm(case.v.astype("float64"), axis=1)
        assert rows != m
        assert norms.max() >= 16 * norms.min()
        assert len(set(norms)) == rows
        assert {-1.0, 1.0} == set(np.sign(case.g.ravel()).tolist())
        assert (case.v < 0).any()
        assert (case.v > 0).any()
        S, *_ = sizes(case.v, case.g, case.w_bar)
        # Far from perpendicular, so that each term shows.
        assert (abs(bulk(case).g_bar) > S["g_bar"] / 16).all()


EXACT_ORDERS = {
    "quotient last": lambda v, g, w_bar, q, n, s: (
        g * v / n, g * (w_bar * q - s * v) / (n * q), s / n
    ),
    "unit vector first": lambda v, g, w_bar, q, n, s: (
        g * (v / n), g / n * (w_bar - (w_bar * (v / n)).sum(1, keepdims=True) * (v / n)),
        (w_bar * (v / n)).sum(1, keepdims=True),
    ),
    "reciprocals": lambda v, g, w_bar, q, n, s: (
        v * (g * (1 / n)), g * ((1 / n) * w_bar - (1 / n) ** 3 * (s * v)), s * (1 / n)
    ),
    "scaled": lambda v, g, w_bar, q, n, s: (
        g * (v / abs(v).max(1, keepdims=True)) / (n / abs(v).max(1, keepdims=True)),
        g / n * w_bar - g * s / n / n / n * v, s / n,
    ),
    "backwards": lambda v, g, w_bar, q, n, s: (
        v * g / n, g / n * (w_bar - v * ((w_bar * v)[:, ::-1].cumsum(1)[:, -1:] / q)),
        (w_bar * v)[:, ::-1].cumsum(1)[:, -1:] / n,
    ),
}


@pytest.mark.parametrize("order", EXACT_ORDERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_rounded_in_dyadic_cases(dtype, order):
    count = 0
    for case in cases(dtype, ("dyadic",)):
        if case.exact:
            v, g, w_bar = case.v, case.g, case.w_bar
            q = (v * v).sum(1, keepdims=True)
            s = (w_bar * v).sum(1, keepdims=True)
            found = EXACT_ORDERS[order](v, g, w_bar, q, np.sqrt(q), s)
            for got, want in zip(found, expected(case), strict=True):
                assert got.dtype == np.dtype(dtype)
                np.testing.assert_array_equal(got, want, case.id)
            count += 1
    assert count == 100


def test_angles_are_what_they_say():
    for case in cases("float64", ("angle",)):
        kind, t = case.flags
        v, w_bar = case.v, case.w_bar
        theta = 2.0 ** int(t[2:])
        inner = (v * w_bar).sum(1) / np.linalg.norm(v, axis=1) / np.linalg.norm(w_bar, axis=1)
        off = np.sqrt(np.maximum(1 - inner**2, 0)) if kind == "parallel" else abs(inner)
        assert (off <= 1.5 * theta).all()
        if kind == "parallel" and 1e-6 < theta < 0.1:  # below, this sine is rounding
            assert (off > theta / 8).any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_range_reaches_the_edges(dtype):
    info, form = np.finfo(dtype), FORMATS[dtype]
    found = {c.flags[0]: c for c in cases(dtype, ("range",), quick=True)}
    assert set(found) == set(RANGE)
    wide = {name: abs(c.v.astype("float64")) for name, c in found.items()}
    assert wide["v top"].max() > float(info.max) / 16
    assert 0 < wide["v subnormal"].max() < float(info.smallest_normal)
    exponents = np.log2(wide["mixed slices"])
    assert exponents.max() - exponents.min() > 2 * form.largest - 8
    with np.errstate(over="ignore"):
        squares = {name: (c.v * c.v).sum(1) for name, c in found.items()}
    assert np.isinf(squares["v^2 overflows"]).all()
    assert (squares["v^2 underflows"] < info.smallest_normal).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_are_where_they_are_said_to_be(dtype):
    found = {c.flags[0]: c for c in cases(dtype, ("zeros",), quick=True)}
    assert tuple(found) == ZEROS
    zeros = {
        name: [int((x == 0).sum()) for x in (c.v, c.g, c.w_bar)] for name, c in found.items()
    }
    assert zeros == {
        "g zero": [0, 1, 0], "every g zero": [0, 4, 0], "v zero entry": [4, 0, 0],
        "v single entry": [16, 0, 0], "w_bar zero": [0, 0, 5], "w_bar entry": [0, 0, 4],
    }
    assert all(np.isfinite(x).all() for c in found.values() for x in expected(c))


@pytest.mark.parametrize("axis", [0, 1, (0, 1), None])
def test_sizes_are_one_more_than_a_block_and_squares(axis):
    found = list(cases("float32", ("sizes",), axis=axis, quick=True))
    assert {c.v.size for c in found} >= {99, 514, 2050, 4097, 9, 16, 25, 36, 49}
    if axis in (0, 1):
        shapes = {c.v.shape[:: -1 if axis else 1] for c in found}
        assert shapes >= {(33, 3), (257, 2), (2, 1025), (1, 4097), *((n, n) for n in range(3, 8))}
    for c in found:
        tails = c.v.ndim == 2 and c.axes == (0,) and c.v.shape[1] > 100
        if tails:  # what a sum without its last term lacks is larger than its bound
            v, w_bar = (x.astype("float64") for x in (c.v, c.w_bar))
            lacking = (w_bar * v)[:, -1:] / np.sqrt((v * v).sum(1, keepdims=True))
            assert (abs(lacking) > 4 * bounds(c).g_bar).all()


# ---- axes, layouts, selection -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "shape", "kept"),
    [
        (0, (4, 7), (0,)), (1, (7, 4), (1,)), (-1, (7, 4), (1,)), (-2, (4, 7), (0,)),
        (2, (1, 7, 4), (2,)), (-3, (4, 1, 7), (0,)), ((0, 1), (2, 2, 7), (0, 1)),
        ((-1, -2), (7, 2, 2), (1, 2)), ((0, -1), (2, 7, 2), (0, 2)),
    ],
)
def test_arranged_along_axes(axis, shape, kept):
    assert arrange(4, 7, axis) == (shape, kept)
    for case in cases("float32", ("generic", "dyadic", "range"), axis=axis, quick=True):
        assert case.axes == tuple(a % case.v.ndim for a in kept)
        sizes_kept = [case.v.shape[a] for a in kept]
        assert [case.g.shape[a] for a in kept] == sizes_kept
        assert case.g.size == np.prod(sizes_kept)


def test_arranged_cases_have_the_same_truth():
    first, last = (
        {c.id: expected(c).v_bar for c in cases("float32", ("generic",), axis=axis, quick=True)}
        for axis in (0, -1)
    )
    assert first.keys() == last.keys()
    for id, v_bar in first.items():
        np.testing.assert_array_equal(v_bar.T, last[id])


def test_one_norm_of_the_whole():
    for case in cases("float64", axis=None, quick=True):
        assert case.axes is None
        assert case.g.shape == ()
    flags = {c.flags for c in cases("float64", ("undefined",), axis=None) if c.defined}
    assert not flags


def test_axes_hold_every_rank_and_axis():
    every = list(cases("float32", ("axes",), axis="any"))
    for rank in range(1, 6):
        kept = {c.axes for c in every if c.v.ndim == rank and c.v.size and max(c.v.shape) > 1}
        assert {None, *((a,) for a in range(rank))} <= kept
    for axis in (0, -1, (0, 1), None):
        chosen = {c.id for c in cases("float32", ("axes",), axis=axis)}
        assert chosen < {c.id for c in every}
        assert chosen
    assert {f for c in every for f in c.flags} == {"size 0", "size 1"}


def test_layouts_are_of_one_value():
    found = {c.flags[0]: c for c in cases("float64", ("layout",))}
    assert set(found) == set(LAYOUTS)
    assert all(s < 0 for s in found["backwards"].v.strides)
    assert found["broadcast"].v.strides[0] == 0
    assert found["Fortran"].v.flags.f_contiguous
    assert not found["every second"].v.flags.contiguous
    assert found["writeable"].v.flags.writeable
    assert not any(c.v.flags.writeable for name, c in found.items() if name != "writeable")


def test_selection():
    quick = [c.id for c in cases(quick=True)]
    assert set(quick) < {c.id for c in cases()}
    assert next(c.group for c in cases(groups=["long", "angle"], quick=True)) == "angle"
    assert {c.group for c in cases()} == set(GROUPS)
    with pytest.raises(ValueError, match="group 'x'; choose from dyadic"):
        next(cases(groups=["x"]))
    with pytest.raises(ValueError, match="axis='x'; give an axis"):
        next(cases(axis="x"))
