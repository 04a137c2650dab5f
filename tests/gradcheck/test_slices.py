"""Many entries at a time: the slices that are found, and that nothing wrong hides in company."""

import numpy as np
import pytest

from minwn import ops
from minwn.gradcheck import compare, gradcheck, slices
from minwn.gradcheck.slices import by_slices
from minwn.graph import raw
from minwn.oracle.mistakes import CATALOGUE

SHAPE = (32, 64)
METHODS = ["auto", "difference"]


def forward(v, g):
    return g * v / np.sqrt((v * v).sum(-1, keepdims=True))


def backward(w_bar, v, g):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    g_bar = (w_bar * (v / n)).sum(-1, keepdims=True)
    return g / n * (w_bar - g_bar * (v / n)), g_bar


def weights(rng, shape=SHAPE):
    v = rng.normal(size=shape) * np.geomspace(0.5, 2.0, shape[0])[:, None]
    return [v, rng.normal(size=(shape[0], 1)) * 3]


@pytest.fixture
def alone(monkeypatch):
    """A context in which every entry is measured by itself."""

    def switch_off():
        monkeypatch.setattr(compare, "by_slices", lambda *_: None)

    return switch_off


def check(f, inputs, backward, **options):
    return gradcheck(f, inputs, backward=backward, raise_on_failure=False, **options)


# ---- what is found ------------------------------------------------------------------------------

PERMUTED = np.random.default_rng(3).permutation(8 * 6)
X = np.random.default_rng(4).normal(size=(5, 6))

# f, and how many entries of an (8, 6) input are measured at a time
FOUND = {
    "rows": (lambda x: forward(x, 2.0), 8),
    "columns": (lambda x: forward(x.T, 2.0), 6),
    "entries": (lambda x: x * x * x, 48),
    "entries, elsewhere": (lambda x: (x * x).reshape(-1)[PERMUTED], 48),
    "one number a row": (lambda x: (x * x).sum(1), 8),
    "a layer, by its weight": (lambda w: X @ w.T, 8),
    "a layer, by its input": (lambda x: x @ X.T, 8),
    "pairs of rows": (lambda x: (x * x).reshape(4, 2, 6).sum(1), 6),
    "beside a constant": (lambda x: (x**2, X), 48),
    "one row unused": (lambda x: x[1:] ** 3, 48),
    "the whole": (lambda x: x / np.sqrt((x * x).sum()), 1),
    "neighbours": (lambda x: x * np.roll(x, 1, 0) * np.roll(x, 1, 1), 1),
    "one number": (lambda x: (x * x).sum(), 1),
    "one foreign entry": (lambda x: x**2 + 1e-9 * (np.arange(48).reshape(8, 6) == 30) * x[0, 0], 6),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", FOUND)
def test_slices_are_found(case, method, rng):
    f, number = FOUND[case]
    f = f if method == "auto" else real(f)
    calls = []
    x = rng.normal(size=(8, 6))
    with np.errstate(all="ignore"):
        report = gradcheck(
            f, [x], backward=lambda *u_and_x: calls.append(u_and_x) or numeric(f, x, u_and_x[0]),
            method=method, rtol=1e-3, raise_on_failure=False,
        )
    assert report.verdict == "pass"
    (found,) = report.comparisons
    assert found.method.endswith(f", {number} slices at a time") == (number > 1)
    assert ("slices" in found.method) == (number > 1)


def real(f):
    """f, where nobody may ask it for complex numbers."""

    def only_real(x):
        assert x.dtype.kind == "f"
        return f(x)

    return only_real


def numeric(f, x, u):
    """The gradient by plain central differences, right to six digits."""
    us, x_bar = u if isinstance(u, tuple) else (u,), np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = 1e-5
        up, down = f(x + e), f(x - e)
        ups, downs = (y if isinstance(y, tuple) else (y,) for y in (up, down))
        x_bar[i] = sum((a * (p - q)).sum() for a, p, q in zip(us, ups, downs, strict=True)) / 2e-5
    return x_bar


@pytest.mark.parametrize("method", METHODS)
def test_what_it_costs(method, rng):
    report = gradcheck(forward, weights(rng), backward=backward, method=method)
    # 64 points, each measured once or over five steps, and what it takes to know the slices.
    assert report.evaluations < (140 if method == "auto" else 800)
    assert all(c.method.endswith(", 32 slices at a time") for c in report.comparisons)


# ---- no wrong gradient hides in company ---------------------------------------------------------


def shows_in(mistake):
    """For v_bar and g_bar, whether the mistake is one at this shape: some need more axes."""
    rng = np.random.default_rng(8)
    inputs, w_bar = weights(rng), rng.normal(size=SHAPE)
    pairs = zip(mistake.compute(*inputs, w_bar), backward(w_bar, *inputs), strict=True)
    return [not np.allclose(found, truth, rtol=1e-7, atol=0) for found, truth in pairs]


MISTAKES = [m for m in CATALOGUE if any(shows_in(m))]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.id)
def test_catalogue(mistake, method, rng):
    def wrong(w_bar, v, g):
        return tuple(np.array(bar) for bar in mistake.compute(v, g, w_bar))

    report = check(forward, weights(rng), wrong, method=method)
    expected = ["fail" if shows else "pass" for shows in shows_in(mistake)]
    assert [c.verdict for c in report.comparisons] == expected


def test_the_catalogue_is_not_lost_on_the_way():
    assert len(MISTAKES) > 80


def at(index, factor):
    def wrong(w_bar, v, g):
        v_bar, g_bar = backward(w_bar, v, g)
        v_bar[index] *= factor
        return v_bar, g_bar

    return wrong


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("index", [(0, 0), (31, 63), (17, 5), (16, 32)], ids=str)
@pytest.mark.parametrize("factor", [1.01, 1 + 1e-7, 0.0])
def test_one_entry(index, factor, method, rng):
    report = check(forward, weights(rng), at(index, factor), method=method)
    assert (report.verdict, report.worst.argument, report.worst.index) == ("fail", 0, index)


def swapped(w_bar, v, g):
    v_bar, g_bar = backward(w_bar, v, g)
    v_bar[[3, 19]] = v_bar[[19, 3]]
    return v_bar, g_bar


def moved_between_two(w_bar, v, g):
    """Two errors that cancel in every sum over a row."""
    v_bar, g_bar = backward(w_bar, v, g)
    v_bar[7, [2, 40]] += [1e-6, -1e-6]
    return v_bar, g_bar


def moved_between_rows(w_bar, v, g):
    """Two errors that cancel in every sum over a column, so whenever the rows move together."""
    v_bar, g_bar = backward(w_bar, v, g)
    v_bar[[7, 20], 2] += [1e-6, -1e-6]
    return v_bar, g_bar


def mean_of_rows(w_bar, v, g):
    v_bar, g_bar = backward(w_bar, v, g)
    return v_bar, g_bar * 0 + g_bar.mean()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrong", [swapped, moved_between_two, moved_between_rows, mean_of_rows])
def test_errors_that_cancel(wrong, method, rng):
    report = check(forward, weights(rng), wrong, method=method)
    assert report.verdict == "fail"


# ---- couplings between slices that the gradient does not know -----------------------------------


SMALL = (16, 12)  # where slices are refused, every entry is measured by itself


def coupled(extra):
    def f(v, g):
        return forward(v, g) + extra(v)

    return f


def only(i, j, y):
    """y at one entry, 0 elsewhere."""
    mask = np.zeros(SMALL)
    mask[i, j] = 1.0
    return mask * y


COUPLINGS = {
    "the row above": lambda v: 1e-4 * np.roll(v, 1, axis=0),
    "one entry to one": lambda v: only(5, 3, 1e-5 * v[9, 2]),
    "one entry to a row": lambda v: only(5, slice(None), 1e-5 * v[9, 2]),
    "mirrored": lambda v: 1e-4 * v[::-1],
    "the total": lambda v: 1e-6 * v.sum(),
    "a product of two rows": lambda v: only(5, 3, 1e-4 * v[9, 2] * v[14, 10]),
    "the last to the first": lambda v: only(0, 0, 1e-4 * v[-1, -1] ** 3),
    "the same column of every row": lambda v: 1e-5 * v.sum(axis=0, keepdims=True),
    "what cancels when all rows move alike": lambda v: 1e-4 * (v[:1] - v[-1:]),
    "where a row is large": lambda v: only(3, 3, 1e-3 * np.where(v[8, 8] * 0 == 0, v[8, 8], 0)),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_coupling_is_caught(coupling, method, rng):
    report = check(coupled(COUPLINGS[coupling]), weights(rng, SMALL), backward, method=method)
    assert (report.verdict, report.worst.argument) == ("fail", 0)


def test_coupling_through_a_modulus_is_caught(rng):
    def by_modulus(v):
        return only(5, 3, 1e-2 * np.abs(v[9, 2]))

    report = check(coupled(by_modulus), weights(rng, SMALL), backward)
    assert (report.verdict, report.worst.index) == ("fail", (9, 2))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_slices_that_were_wrongly_found_do_not_add_up(coupling, method, monkeypatch, rng):
    # Without the search for what moves what: rows are taken for slices on nobody's word.
    owner = np.repeat(np.arange(SMALL[0]), SMALL[1])
    monkeypatch.setattr(slices, "_owners", lambda *_: ([0], owner))
    refused = []

    def watched(*args):
        found = by_slices(*args)
        refused.append(found is None)
        return found

    monkeypatch.setattr(compare, "by_slices", watched)
    f = coupled(COUPLINGS[coupling])
    options = {"argnums": [0], "method": method}
    assert check(f, weights(rng, SMALL), backward, **options).verdict == "fail"
    assert refused == [True]


# ---- functions that are not of the kind ---------------------------------------------------------


def test_the_same_verdict_as_one_by_one(alone, rng):
    """Small sizes, all faults: with the slices and without them."""
    inputs = weights(rng, (6, 5))
    faults = [at((i, j), f) for i, j in [(0, 0), (5, 4), (2, 3)] for f in (1.001, 1 + 1e-7, 1.0)]
    for method in METHODS:
        together = [check(forward, inputs, wrong, method=method) for wrong in faults]
        assert [r.verdict for r in together] == ["fail", "fail", "pass"] * 3
    alone()
    for method in METHODS:
        one_by_one = [check(forward, inputs, wrong, method=method) for wrong in faults]
        assert [r.verdict for r in one_by_one] == ["fail", "fail", "pass"] * 3
        assert [r.worst.index for r in one_by_one][::3] == [(0, 0), (5, 4), (2, 3)]


@pytest.mark.parametrize("method", METHODS)
def test_kink_in_one_entry(method, rng):
    x = rng.normal(size=(8, 6))
    x[3, 2] = 0.0
    report = gradcheck(ops.relu, [x], method=method, raise_on_failure=False)
    assert (report.verdict, report.worst.index) == ("not differentiable", (3, 2))
    x[3, 2] = 0.5
    assert gradcheck(ops.relu, [x], method=method)


@pytest.mark.parametrize("method", METHODS)
def test_edge_of_the_domain_in_one_entry(method, rng):
    x = 1 + rng.random((8, 6))
    x[3, 2] = 0.0
    report = gradcheck(ops.sqrt, [x], method=method, raise_on_failure=False)
    assert (report.verdict, report.worst.index) == ("undefined", (3, 2))


def test_function_of_one_shape_only(rng):
    def strict(v, g):
        assert (v.shape, g.shape) == (SHAPE, (32, 1))
        return forward(v, g)

    assert gradcheck(strict, weights(rng), backward=backward)


@pytest.mark.slow
def test_function_that_changes_its_mind_later(rng):
    calls = []

    def drifts(v, g):
        calls.append(1)
        return forward(v, g) * (1 + 1e-6 * (len(calls) > 20))

    assert check(drifts, weights(rng), backward).verdict == "fail"


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_very_different_scale(method, rng):
    v, g = weights(rng)
    v *= 10.0 ** rng.uniform(-100, 100, (32, 1))
    report = gradcheck(forward, [v, g], backward=backward, method=method)
    assert report.evaluations < 1000
    assert check(forward, [v, g], at((4, 4), 1 + 1e-6), method=method).worst.index == (4, 4)


def test_second_order_by_slices(rng):
    def composed(v, g):
        return g * v / ops.sqrt(ops.sum(v * v, axis=-1, keepdims=True))

    report = gradcheck(composed, weights(rng, (16, 12)), order=2)
    assert all(", 16 slices" in c.method for c in report.comparisons if c.name in "vg")
    assert raw(report.evaluations) < 2000
