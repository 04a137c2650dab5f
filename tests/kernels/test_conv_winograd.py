"""Four multiplications for nine: against the formula, within the bound of the docstring."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from minwn.byhand import conv
from minwn.kernels import conv as fast
from minwn.kernels import conv_windows, conv_winograd

from .ways import problem, ways, without

U = 2.0**-24
PLAIN = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}


def draw(rng, many=(1, 12)):
    """x, w, b, the cotangent of y, a bias for x, and the padding."""
    n, c, o = (int(k) for k in rng.integers(*many, 3))
    padding = tuple((int(p), int(q)) for p, q in rng.integers(0, 3, (2, 2)))
    size = tuple(int(k) for k in rng.integers(3, 12, 2))
    out = tuple(k + sum(p) - 2 for k, p in zip(size, padding, strict=True))
    shapes = ((n, c, *size), (o, c, 3, 3), (o,), (n, o, *out), (c,))
    return [rng.normal(size=s).astype("float32") for s in shapes], padding


def products(x, w, b, y, a, padding):
    """The three products by Winograd's way, whatever the rule says; channels second."""
    p, far = problem(x, w, y, **PLAIN, padding=padding), tuple((2 - p, 2 - q) for p, q in padding)
    flipped = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    found = (
        conv_winograd.conv(p, x, w, b),
        conv_winograd.conv(problem(y, flipped, x, **PLAIN, padding=far), y, flipped, a),
        conv_winograd.conv_weight(p, y, x),
    )
    return tuple(z is not None for z in found), found


def by_formula(x, w, b, y, a, padding):
    shape = PLAIN | {"padding": padding}
    return (
        conv.conv(x, w, b, **shape),
        conv.conv_input(y, w, a, size=x.shape[2:], **shape),
        conv.conv_weight(y, x, kernel=(3, 3), **shape),
    )


def sums(x, w, y, padding, w_flipped=None):
    """The right-hand sides of the bounds without (c + 20) u and (t + 14) u, tile by tile."""
    a, g, b = (np.abs(m).astype("float64") for m in conv_winograd.forms(np))
    (n, c, *_), o, out = x.shape, len(w), y.shape[2:]
    th, tw = (-(-k // 2) for k in out)
    wide = np.zeros((n, c, 2 * th + 2, 2 * tw + 2))
    (top, _), (left, _) = padding
    inside = np.abs(x)[:, :, : wide.shape[2] - top, : wide.shape[3] - left]
    wide[:, :, top : top + inside.shape[2], left : left + inside.shape[3]] = inside
    full = np.zeros((n, o, 2 * th, 2 * tw))
    full[:, :, : out[0], : out[1]] = np.abs(y)
    z, w_bar = np.empty_like(full), np.zeros((o, c, 16))
    u = np.abs(w).reshape(o, c, 9) @ g.T
    for i in range(th):
        for j in range(tw):
            seen = wide[:, :, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4].reshape(n, c, 16) @ b.T
            tile = np.einsum("oce,nce->noe", u, seen) @ a.T
            z[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = tile.reshape(n, o, 2, 2)
            sent = full[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(n, o, 4) @ a
            w_bar += np.einsum("noe,nce->oce", sent, seen)
    return z[:, :, : out[0], : out[1]], (w_bar @ g).reshape(w.shape), n * th * tw


def allowed(x, w, b, y, a, padding):
    """The bounds in full: gamma(k) = k u / (1 - k u), Higham (3.4)."""
    far = tuple((2 - p, 2 - q) for p, q in padding)
    flipped = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    z, w_bar, tiles = sums(x, w, y, padding)
    x_bar, _, _ = sums(y, flipped, x, far)
    ks = (x.shape[1] + 20, len(w) + 20, tiles + 14)
    biases = (b[:, None, None], a[:, None, None], 0)
    return [
        k * U / (1 - k * U) * (s + np.abs(bias))
        for k, s, bias in zip(ks, (z, x_bar, w_bar), biases, strict=True)
    ]


def within(found, true, bounds):
    return [bool((np.abs(f - t) <= b).all()) for f, t, b in zip(found, true, bounds, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("tile", [1, conv_windows.TILE])
def test_within_the_bound_of_the_formula(tile, rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", tile)
    for _ in range(25):
        arrays, padding = draw(rng)
        fine, found = products(*arrays, padding)
        truth = by_formula(*(a.astype("float64") for a in arrays), padding)
        assert fine == (True, True, True)
        assert within(found, truth, allowed(*arrays, padding)) == [True, True, True]


def test_many_channels_are_no_worse_than_twice_the_windows(rng):
    # The bound is far above what happens. On random numbers, root mean squares, both ways:
    x, w, y = (rng.normal(size=s).astype("float32") for s in ((8, 96, 16, 16), (96, 96, 3, 3), ()))
    y = rng.normal(size=x.shape).astype("float32")
    none = np.zeros(96, dtype="float32")
    arrays, padding = (x, w, none, y, none), ((1, 1), (1, 1))
    truth = by_formula(*(a.astype("float64") for a in arrays), padding)
    _, found = products(*arrays, padding)
    with without("winograd"):
        windows = by_formula(*arrays, padding)
    for f, r, t in zip(found, windows, truth, strict=True):
        assert np.square(f - t).mean() <= 4 * np.square(r - t).mean()


@pytest.mark.parametrize("which", ["A", "G", "B"])
def test_a_wrong_sign_anywhere_is_out_of_the_bound(which, rng, monkeypatch):
    arrays, padding = draw(rng, (3, 9))
    truth = by_formula(*(a.astype("float64") for a in arrays), padding)
    bounds = allowed(*arrays, padding)
    right = getattr(conv_winograd, which)
    for i, row in enumerate(right):
        for j, entry in enumerate(row):
            # A 0 that is none is a fault as well.
            wrong = np.array(right, dtype="float32")
            wrong[i, j] = -entry if entry else 2.0**-8
            monkeypatch.setattr(conv_winograd, which, wrong)
            conv_winograd.forms.cache_clear()
            _, found = products(*arrays, padding)
            assert within(found, truth, bounds) == [False, False, False]
    monkeypatch.undo()
    conv_winograd.forms.cache_clear()


def test_small_integers_come_out_exactly(rng):
    # Halves and quarters of integers, and their sums, are numbers of float32.
    arrays, padding = draw(rng)
    arrays = [rng.integers(1, 9, a.shape).astype("float32") for a in arrays]
    for f, t in zip(products(*arrays, padding)[1], by_formula(*arrays, padding), strict=True):
        np.testing.assert_array_equal(f, t)


def test_an_output_depends_on_its_own_window_and_on_nothing_else(rng):
    # To the bit: a causal kernel, say, is causal here too.
    (x, w, b, y, a), padding = draw(rng)
    before = products(x, w, b, y, a, padding)[1][0]
    i, j = (int(rng.integers(k)) for k in x.shape[2:])
    x[0, :, i, j] += 1
    after = products(x, w, b, y, a, padding)[1][0]
    rows, columns = np.nonzero((before != after).any(axis=(0, 1)))
    seen = ((i + padding[0][0] - rows), (j + padding[1][0] - columns))
    assert all(((s >= 0) & (s <= 2)).all() for s in seen)


def big(rng):
    """The least that the rule takes, in the layout of a network."""
    x, y = (np.moveaxis(rng.normal(size=(4, 16, 16, 64)).astype("float32"), -1, 1) for _ in "xy")
    return x, rng.normal(size=(64, 64, 3, 3)).astype("float32"), y


def all_three(x, w, y):
    return by_formula(x, w, None, y, None, ((1, 1), (1, 1)))


def test_what_is_served(rng):
    x, w, y = big(rng)
    shape = conv.geometry(x.shape, w.shape, padding=1)
    calls = {
        "conv": lambda x, w, y: conv.conv(x, w, **shape),
        "conv_input": lambda x, w, y: conv.conv_input(y, w, size=(16, 16), **shape),
        "conv_weight": lambda x, w, y: conv.conv_weight(y, x, kernel=(3, 3), **shape),
    }
    for product, served in (("conv", ("conv", "conv_input")), ("conv_weight", ("conv_weight",))):
        broken = {product: lambda *_: 1 / 0}
        with ways(lambda row, b=broken: row._replace(**b if row.name == "winograd" else {})):
            for name, call in calls.items():
                if name in served:
                    with pytest.raises(ZeroDivisionError):
                        call(x, w, y)
                call(x.astype("float64"), w.astype("float64"), y.astype("float64"))

    def serves(x, w, **options):
        shape = conv.geometry(x, w, padding=1, **options)
        y = conv.forward(np.zeros(x), np.zeros(w), **shape)
        return conv_winograd.serves(
            problem(np.empty(x, "float32"), np.empty(w, "float32"), y, **shape)
        )

    assert serves(x.shape, w.shape)
    for other in ({"stride": (2, 1)}, {"dilation": (1, 2)}):
        assert not serves(x.shape, w.shape, **other)
    assert not serves(x.shape, (64, 32, 3, 3), groups=2)
    for size, kernel in (((16,), (3,)), ((16, 16), (3, 2)), ((8, 8, 8), (3, 3, 3))):
        assert not serves((4, 64, *size), (64, 64, *kernel))
    assert not serves((3, *x.shape[1:]), w.shape)
    assert not serves((4, 63, 16, 16), (64, 63, 3, 3))
    assert not serves(x.shape, (63, 64, 3, 3))
    assert not serves((99, 64, 7, 7), w.shape)  # tiles of 8 x 8


@pytest.mark.parametrize("fault", ["masked", "infinite", "not a number", "overflows"])
def test_what_is_left_to_the_windows_is_theirs_to_the_bit(fault, rng):
    x, w, y = big(rng)
    if fault == "masked":
        w[:, :, 2, 1:] = 0
    else:
        x[1, 5, 3, 3] = y[2, 7, 4, 4] = {"infinite": np.inf, "overflows": 3e38}.get(fault, np.nan)
    with np.errstate(all="ignore"):
        found = all_three(x, w, y)
        with without("winograd"):
            windows = all_three(x, w, y)
    for f, r in list(zip(found, windows, strict=True))[: 2 if fault == "masked" else 3]:
        np.testing.assert_array_equal(f, r)


def test_it_warns_of_nothing_that_windows_would_not(rng):
    x, w, _ = big(rng)
    x[0, 0, 0, 0] = np.inf  # 0 inf is NaN on the way, and then never seen
    assert np.isinf(conv.forward(x, np.abs(w), padding=1)).any()


def test_two_runs_are_the_same_to_the_bit(rng):
    arrays = big(rng)
    for a, b in zip(all_three(*arrays), all_three(*arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_memory_beyond_the_results_is_some_tiles(rng, monkeypatch):
    monkeypatch.setattr(conv_windows, "TILE", 1 << 15)
    x, y = (np.moveaxis(rng.normal(size=(32, 16, 16, 64)).astype("float32"), -1, 1) for _ in "xy")
    w = rng.normal(size=(64, 64, 3, 3)).astype("float32")
    all_three(x[:4], w, y[:4])
    u = 16 * w.nbytes // 9
    for f in (
        lambda: conv.conv(x, w, None, **PLAIN, padding=((1, 1), (1, 1))),
        lambda: conv.conv_weight(y, x, kernel=(3, 3), **PLAIN, padding=((1, 1), (1, 1))),
    ):
        tracemalloc.start()
        try:
            result = f()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # All entries B x at once would be four times x, 8 MB.
        assert peak <= result.nbytes + 3 * u + 4 * 2 * u < result.nbytes + 4 * x.nbytes


def test_it_is_what_conv_fast_calls(rng):
    x, w, _ = big(rng)
    b = rng.normal(size=64).astype("float32")
    shape = PLAIN | {"padding": ((1, 1), (1, 1))}
    found = conv_winograd.conv(problem(x, w, x, **shape), x, w, b)
    assert found is not None
    np.testing.assert_array_equal(fast.conv(x, w, b, **shape), found)
