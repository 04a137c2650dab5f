"""Weight normalisation by hand. First the judges are judged, by faults planted in the pullback;
then come rounding, laws, range, zeros and errors."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

import minwn
from minwn import Tensor
from minwn.backend import quiet
from minwn.byhand import lengths, weight_norm
from minwn.graph import primitive, raw
from minwn.kernels import fused
from minwn.kernels import weight_norm as kernels
from minwn.ops import sum_to

from .radial import ANSWERS, derivatives, exact, misses, roundings

U = 2.0**-53
EPS = {"plain": 0.0, "inside": 0.7, "outside": 0.3, "max_q": 0.5, "max_n": 0.6, "rms": 0.4}
SHAPES = [(), (5,), (4, 3), (2, 3, 4), (3, 2, 2, 3), (2, 3, 1, 2, 2), (1, 4), (4, 1), (1, 1)]
AXES = [
    (shape, axes)
    for shape in SHAPES
    for axes in [None, *range(len(shape)), (0, -1), (1, 3)]
    if not isinstance(axes, tuple) or len(shape) > max(axes)
    if shape or axes is None
]


def case(rng, shape, axes=0, dtype="float64"):
    """v, g, w_bar, A, B: signed, none of unit length, slices of different lengths, g not ||v||."""
    g_shape = weight_norm.kept_shape(shape, axes)
    lengths = 2.0 ** rng.uniform(-3, 1, g_shape)
    signs = rng.choice([-1.0, 1.0], g_shape)
    v, w_bar, A = (rng.normal(size=shape) for _ in range(3))
    B, gain = rng.normal(size=g_shape), signs * rng.uniform(0.5, 3, g_shape)
    return tuple(np.asarray(x, dtype) for x in (v * lengths, gain, w_bar, A, B))


def slice_size(v, g):
    return v.size // max(g.size, 1)


def by_hand(v, g, w_bar, A, B, **form):
    """Every answer of the array functions, by its name in `radial`."""
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g, **form)
    by_w_bar, by_v, by_g = weight_norm.double_vjp(A, B, w_bar, v, g, **form)
    w = weight_norm.forward(v, g, **form)
    return dict(zip(ANSWERS, (w, v_bar, g_bar, by_w_bar, by_v, by_g), strict=True))


def by_autodiff(f, v, g, w_bar, A, B, **form):
    """Every answer again, from f by the engine alone."""
    v, g, w_bar = (Tensor(x, requires_grad=True) for x in (v, g, w_bar))
    w = f(v, g, **form)
    v_bar, g_bar = minwn.grad(w, [v, g], w_bar, create_graph=True)
    total = (v_bar * A).sum() + (g_bar * B).sum()
    second = minwn.grad(total, [w_bar, v, g])
    return dict(zip(ANSWERS, (x.data for x in (w, v_bar, g_bar, *second)), strict=True))


# ---- the judges, and what they must reject ------------------------------------------------------


def check_twins(vjp):
    """Raise unless vjp agrees with autodiff of the definition: every form, several axes."""
    rng = np.random.default_rng(1)
    layouts = [((4, 3), 0), ((4, 3), 1), ((4, 3), None), ((2, 3, 4), 1), ((2, 3, 4), (0, 2))]
    for (shape, axes), form in itertools.product(layouts, EPS):
        v, g, w_bar, A, B = case(rng, shape, axes)
        how = {"eps": EPS[form], "form": form}
        found = dict(zip(("v_bar", "g_bar"), vjp(w_bar, v, g, **how), strict=True))
        twin = by_autodiff(weight_norm.composed, v, g, w_bar, A, B, **how)
        size = derivatives(v, g, w_bar, A, B, sizes=True, **how)
        bound = roundings(slice_size(v, g), form)
        for name in found:  # both sides round, so each may use up the bound
            assert np.all(np.abs(found[name] - twin[name]) <= 2 * bound[name] * U * size[name]), (
                f"{name}, {form}, {shape}, axes {axes}"
            )


def check_second_order(f):
    """Raise unless the engine's second derivatives of f are those of weight normalisation."""
    rng = np.random.default_rng(2)
    for form in EPS:
        inputs = case(rng, (3, 5))
        how = {"eps": EPS[form], "form": form}
        found = by_autodiff(f, *inputs, **how)
        truth, size = (derivatives(*inputs, sizes=s, **how) for s in (False, True))
        bound = roundings(5, form)
        for name in ("by_w_bar", "by_v", "by_g"):
            assert np.all(np.abs(found[name] - truth[name]) <= 2 * bound[name] * U * size[name]), (
                f"{name}, {form}"
            )


def near(x, y, scale):
    """Twice the bound on v_bar for slices of 7 entries is 51 u, times the scale."""
    assert np.all(np.abs(np.asarray(x) - y) <= 60 * U * np.asarray(scale))


def rows(x):
    return x.sum(axis=1, keepdims=True)


def law_orthogonal(vjp, v, g, w_bar, rng):  # <v_bar, v> = 0
    near(rows(vjp(w_bar, v, g)[0] * v), 0.0, 2 * np.abs(g) * np.sqrt(rows(w_bar**2)))


def law_gain(vjp, v, g, w_bar, rng):  # g g_bar = <w_bar, w>
    w = weight_norm.forward(v, g)
    near(g * vjp(w_bar, v, g)[1], rows(w_bar * w), rows(abs(w_bar * w)))


def law_degree_in_v(vjp, v, g, w_bar, rng):  # -1 for v_bar, 0 for g_bar
    v_bar, g_bar = vjp(w_bar, v, g)
    for c in (0.125, 3.7, 1e4):
        scaled_v_bar, scaled_g_bar = vjp(w_bar, c * v, g)
        near(c * scaled_v_bar, v_bar, np.abs(v_bar).max())
        near(scaled_g_bar, g_bar, np.abs(w_bar).max() * 7)


def law_powers_of_two(vjp, v, g, w_bar, rng):  # the same degrees, bit for bit
    v_bar, g_bar = vjp(w_bar, v, g)
    for k, j in ((3, -2), (-3, 40), (300, 0), (40, 11), (-40, 3), (-300, 5)):
        scaled_v_bar, scaled_g_bar = vjp(w_bar, v * 2.0**k, g * 2.0**j)
        assert np.array_equal(scaled_v_bar, v_bar * 2.0 ** (j - k))
        assert np.array_equal(scaled_g_bar, g_bar)


def law_degree_in_g(vjp, v, g, w_bar, rng):  # 1 for v_bar, 0 for g_bar
    v_bar, g_bar = vjp(w_bar, v, g)
    scaled_v_bar, same_g_bar = vjp(w_bar, v, -2.3 * g)
    near(scaled_v_bar, -2.3 * v_bar, 3 * np.abs(v_bar).max())
    near(same_g_bar, g_bar, np.abs(g_bar).max())


def law_linear(vjp, v, g, w_bar, rng):
    other = rng.normal(size=v.shape)
    parts = vjp(w_bar, v, g), vjp(other, v, g)
    for whole, x, y in zip(vjp(2.5 * w_bar - other, v, g), *parts, strict=True):
        near(whole, 2.5 * x - y, 10 * max(np.abs(x).max(), np.abs(y).max()))


def law_perpendicular(vjp, v, g, w_bar, rng):  # w_bar perpendicular to v: v_bar = g w_bar / n
    n = np.sqrt(rows(v * v))
    across = w_bar - rows(w_bar * v) * v / n**2
    near(vjp(across, v, g)[0], g / n * across, 10 * np.abs(g / n) * np.abs(w_bar).max())


def law_parallel(vjp, v, g, w_bar, rng):  # w_bar along v: nothing moves v
    n = np.sqrt(rows(v * v))
    v_bar, g_bar = vjp(1.7 * v, v, g)
    near(v_bar, 0.0, 2 * np.abs(g) * 1.7)
    near(g_bar, 1.7 * n, 1.7 * n)


def law_rotation(vjp, v, g, w_bar, rng):  # turning v and w_bar turns v_bar
    turn = np.linalg.qr(rng.normal(size=(7, 7)))[0]
    v_bar, g_bar = vjp(w_bar, v, g)
    turned_v_bar, turned_g_bar = vjp(w_bar @ turn, v @ turn, g)
    near(turned_v_bar, v_bar @ turn, 10 * np.abs(v_bar).max())
    near(turned_g_bar, g_bar, 10 * np.abs(w_bar).max())


def law_slices(vjp, v, g, w_bar, rng):  # one slice does not see another
    v_bar, g_bar = vjp(w_bar, v, g)
    v, g, w_bar = v.copy(), g.copy(), w_bar.copy()
    v[2], g[2], w_bar[2] = rng.normal(size=7), 0.3, rng.normal(size=7)
    others = np.array([0, 1, 3, 4])
    for new, old in zip(vjp(w_bar, v, g), (v_bar, g_bar), strict=True):
        assert np.array_equal(new[others], old[others])
        assert not np.array_equal(new[2], old[2])


def law_permutation(vjp, v, g, w_bar, rng):
    order = np.array([3, 0, 4, 2, 1])
    v_bar, g_bar = vjp(w_bar, v, g)
    moved = vjp(w_bar[order], v[order], g[order])
    assert np.array_equal(moved[0], v_bar[order])
    assert np.array_equal(moved[1], g_bar[order])
    inside = rng.permutation(7)  # sums change their order
    near(vjp(w_bar[:, inside], v[:, inside], g)[0], v_bar[:, inside], 3 * np.abs(v_bar).max())


def law_symmetric(vjp, v, g, w_bar, rng):  # dw/dv is a symmetric matrix
    other = rng.normal(size=v.shape)
    there, back = (vjp(w_bar, v, g)[0] * other).sum(), (vjp(other, v, g)[0] * w_bar).sum()
    near(there, back, 35 * np.abs(g / np.sqrt(rows(v * v))).max())


def law_pythagoras(vjp, v, g, w_bar, rng):  # a step of descent never shortens v
    v_bar, lr = vjp(w_bar, v, g)[0], 0.1
    longer = rows((v - lr * v_bar) ** 2)
    near(longer, rows(v**2) + lr**2 * rows(v_bar**2), 4 * longer)


LAWS = {name.removeprefix("law_"): f for name, f in list(globals().items()) if name[:4] == "law_"}


def check_laws(vjp, names=LAWS):
    """Raise unless vjp obeys the laws; they need no reference."""
    for name in names:
        rng = np.random.default_rng(3)
        v, g, w_bar, *_ = case(rng, (5, 7))
        LAWS[name](vjp, v, g, w_bar, rng)


def planted(v_bar=None, g_bar=None):
    """A vjp that is right but for one formula of (w_bar, v, g, n, s), with s = <w_bar, v>."""

    def vjp(w_bar, v, g, *, eps=0.0, form="plain"):
        n = np.asarray(weight_norm.radius(v, shape=g.shape, eps=0.0, form="norm"))
        s = np.asarray(sum_to(w_bar * v, shape=g.shape))
        right = weight_norm.vjp(w_bar, v, g, eps=eps, form=form)
        wrong = (f and f(w_bar, v, g, n, s) for f in (v_bar, g_bar))
        return tuple(r if w is None else w for r, w in zip(right, wrong, strict=True))

    return vjp


def everywhere(x, shape):
    return np.broadcast_to(np.asarray(x).sum(), shape)


def last_row_zero(w_bar, v, g, n, s):
    v_bar = g / n * (w_bar - v * s / n**2)
    v_bar[-1:] = 0
    return v_bar


def last_entry_off(w_bar, v, g, n, s):
    v_bar = g / n * (w_bar - v * s / n**2)
    v_bar.reshape(-1)[-1] *= 1 + 1e-9
    return v_bar


def eps_only_here(w_bar, v, g, n, s):
    h = np.sqrt(n**2 + 1e-6)
    return g / h * (w_bar - v * s / h**2)


FAULTS = {
    "no projection": planted(lambda G, v, g, n, s: g / n * G),
    "g missing": planted(lambda G, v, g, n, s: (G - v * s / n**2) / n),
    "1/n missing": planted(lambda G, v, g, n, s: g * (G - v * s / n**2)),
    "g/n missing": planted(lambda G, v, g, n, s: G - v * s / n**2),
    "projection by n": planted(lambda G, v, g, n, s: g / n * (G - v * s / n)),
    "projection by n^3": planted(lambda G, v, g, n, s: g / n * (G - v * s / n**3)),
    "projection added": planted(lambda G, v, g, n, s: g / n * (G + v * s / n**2)),
    "half the projection": planted(lambda G, v, g, n, s: g / n * (G - v * s / n**2 / 2)),
    "twice the projection": planted(lambda G, v, g, n, s: g / n * (G - 2 * v * s / n**2)),
    "g on one term": planted(lambda G, v, g, n, s: g / n * G - v * s / n**3),
    "sum for dot": planted(
        lambda G, v, g, n, s: g / n * (G - v * np.asarray(sum_to(G, shape=g.shape)) / n**2)
    ),
    "projection on w": planted(lambda G, v, g, n, s: g / n * (G - g**2 * v * s / n**2)),
    "unit v assumed": planted(lambda G, v, g, n, s: g / n * (G - v * s)),
    "g_bar without norm": planted(None, lambda G, v, g, n, s: s),
    "g_bar by n^2": planted(None, lambda G, v, g, n, s: s / n**2),
    "g_bar times g": planted(None, lambda G, v, g, n, s: g * s / n),
    "g_bar negative": planted(None, lambda G, v, g, n, s: -s / n),
    "g_bar summed": planted(None, lambda G, v, g, n, s: everywhere(s / n, g.shape)),
    "g_bar rolled": planted(None, lambda G, v, g, n, s: np.roll(s / n, 1)),
    "global norm": planted(
        lambda G, v, g, n, s: g / np.sqrt((v * v).sum()) * (G - v * s / (v * v).sum())
    ),
    "global dot": planted(lambda G, v, g, n, s: g / n * (G - v * s.sum() / n**2)),
    "eps only backward": planted(eps_only_here),
    "not linear": planted(lambda G, v, g, n, s: g / n * (G - v * s / n**2) * np.abs(G)),
    "last row zero": planted(last_row_zero),
    "last entry off": planted(last_entry_off),
}


def test_the_right_pullback_passes_every_judge():
    check_twins(weight_norm.vjp)
    check_laws(weight_norm.vjp)
    check_laws(lambda w_bar, v, g: planted()(w_bar, v, g))


@pytest.mark.parametrize("fault", FAULTS)
def test_every_judge_rejects_a_fault(fault):
    with pytest.raises(AssertionError):
        check_twins(FAULTS[fault])
    with pytest.raises(AssertionError):
        check_laws(FAULTS[fault])


@pytest.mark.parametrize("law", LAWS)
def test_every_law_rejects_some_fault(law):
    check_laws(weight_norm.vjp, [law])
    rejected = []
    for fault, vjp in FAULTS.items():
        try:
            check_laws(vjp, [law])
        except AssertionError:
            rejected.append(fault)
    assert rejected, "this law rejects nothing: it is no evidence"


def test_a_norm_kept_as_a_constant_is_right_at_first_order_and_rejected_at_second():
    @primitive
    def kept_norm(v, g, *, eps=0.0, form="plain"):
        return weight_norm.forward(v, g, eps=eps, form=form)

    @kept_norm.pullback
    def _(w_bar, w, v, g, *, eps=0.0, form="plain"):
        h = weight_norm.radius(raw(v), shape=g.shape, eps=eps, form=form)
        y = lengths.slope(raw(v), h, g.shape, eps, form)
        g_bar = sum_to(w_bar * (v / h), shape=g.shape)
        return g / h * (w_bar - g_bar * y), g_bar

    def vjp(w_bar, v, g, **how):
        v, g = Tensor(v, requires_grad=True), Tensor(g, requires_grad=True)
        return tuple(x.data for x in minwn.grad(kept_norm(v, g, **how), [v, g], w_bar))

    check_twins(vjp)
    check_second_order(weight_norm.forward)
    check_second_order(weight_norm.composed)
    with pytest.raises(AssertionError):
        check_second_order(kept_norm)


# ---- rounding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", EPS)
@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_every_answer_is_within_its_bound_of_fifty_digits(shape, axes, form, rng):
    inputs = case(rng, shape, axes)
    how = {"eps": EPS[form], "form": form}
    truth, size = (exact(*inputs, sizes=s, **how) for s in (False, True))
    bound = roundings(slice_size(*inputs[:2]), form)
    for find in (by_hand, lambda *xs, **kw: by_autodiff(weight_norm.forward, *xs, **kw)):
        for name, found in find(*inputs, **how).items():
            assert found.shape == truth[name].shape, name
            assert misses(found, truth[name], bound[name] * U * size[name]) <= 1, name


@pytest.mark.parametrize("form", EPS)
def test_the_forward_product_is_the_transpose_of_the_pullback(form, rng):
    v, g, w_bar, v_dot, g_dot = case(rng, (3, 4, 2), (0, 2))
    how = {"eps": EPS[form], "form": form}
    w_dot = weight_norm.jvp(v, g, v_dot, g_dot, **how)
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g, **how)
    scale = np.abs(v_bar * v_dot).sum() + np.abs(g_bar * g_dot).sum()
    assert abs((w_bar * w_dot).sum() - (v_bar * v_dot).sum() - (g_bar * g_dot).sum()) <= (
        100 * U * scale
    )
    # by_w_bar of the double pullback is this product, along (A, B) = (v_dot, g_dot)
    by_w_bar = weight_norm.double_vjp(v_dot, g_dot, w_bar, v, g, **how)[0]
    np.testing.assert_allclose(w_dot, by_w_bar, rtol=20 * U, atol=20 * U)


@pytest.mark.parametrize("form", EPS)
def test_a_complex_step_through_the_forward_is_the_forward_product(form, rng):
    v, g, _, v_dot, g_dot = case(rng, (3, 4))
    how, h = {"eps": EPS[form], "form": form}, 1e-30
    step = weight_norm.forward(v + 1j * h * v_dot, g + 1j * h * g_dot, **how)
    w_dot = weight_norm.jvp(v, g, v_dot, g_dot, **how)
    np.testing.assert_allclose(step.imag / h, w_dot, rtol=100 * U, atol=100 * U)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("form", EPS)
@pytest.mark.parametrize("axes", [0, (0, 1), None])
def test_a_narrow_dtype_is_kept_computed_in_float32_and_rounded_once(dtype, form, axes, rng):
    inputs = case(rng, (3, 4, 5), axes, dtype)
    how = {"eps": EPS[form], "form": form}
    truth, size = (exact(*inputs, sizes=s, **how) for s in (False, True))
    bound = roundings(slice_size(*inputs[:2]), form)
    once = 2.0**-11 if dtype == "float16" else 0.0
    for find in (by_hand, lambda *xs, **kw: by_autodiff(weight_norm.forward, *xs, **kw)):
        for name, found in find(*inputs, **how).items():
            if find is not by_hand and dtype == "float16" and name.startswith("by_"):
                continue  # the engine's second order passes v_bar, rounded, through more roundings
            assert found.dtype == dtype
            allowed = bound[name] * 2.0**-24 * size[name] + once * abs(truth[name]) + once * 2**-13
            assert misses(found, truth[name], allowed) <= 1, name


@pytest.mark.slow
@pytest.mark.parametrize("form", EPS)
@pytest.mark.parametrize("axes", [0, 1, (0, 2), None])
def test_the_form_in_which_an_array_arrives_changes_nothing(form, axes, xp, host, rng):
    inputs = case(rng, (2, 3, 4), axes)
    how = {"eps": EPS[form], "form": form}
    kept = [x.copy() for x in inputs]
    arrived = [xp(x) for x in inputs]
    plain, found = by_hand(*inputs, **how), by_hand(*arrived, **how)
    size = derivatives(*inputs, sizes=True, **how)
    bound = roundings(slice_size(*inputs[:2]), form)
    for name in ANSWERS:  # strides change the order of a sum, so each side may err
        gap = np.abs(host(found[name]) - plain[name])
        assert np.all(gap <= 2 * bound[name] * U * size[name]), name
    for x, y in zip(arrived, kept, strict=True):
        assert np.array_equal(host(x), y)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("row", "n"), [((1, 1, 1, 2, 3), 4), ((1, 1, 2, 3, 7), 8), ((2, 4, 4, 8), 10)]
)
def test_rows_with_a_dyadic_norm_are_exact_to_the_last_bit(row, n, dtype, rng):
    # With ||v|| a power of two and small integers everywhere, no operation rounds. (The third row
    # has norm 10: there the exact answers are no floats, and the nearest ones are found.)
    exactly = n & (n - 1) == 0
    for _ in range(20):
        v = rng.permutation(row) * rng.choice([-1, 1], len(row))
        w_bar, g = rng.integers(-4, 5, len(row)), int(rng.choice([-3, -2, -1, 1, 2, 3]))
        s = Fraction(int(w_bar @ v))
        w = [Fraction(g * int(x), n) for x in v]
        g_bar = s / n
        v_bar = [
            Fraction(g, n) * (int(y) - s * int(x) / n**2) for x, y in zip(v, w_bar, strict=True)
        ]
        for k in (0, 3, -2, *((60, -60) if dtype != "float16" else ())):
            scale = 2.0**k
            arrays = [np.array([x], dtype) for x in (w_bar, v * scale)]
            gain = np.array([[g]], dtype)
            found_v_bar, found_g_bar = weight_norm.vjp(*arrays, gain)
            found_w = weight_norm.forward(arrays[1], gain)
            pairs = [
                *zip(found_w[0], w, strict=True), (found_g_bar[0, 0], g_bar),
                *zip(found_v_bar[0] * dtype_of(dtype)(scale), v_bar, strict=True),
            ]
            for found, truth in pairs:
                if exactly:
                    assert Fraction(float(found)) == truth
                else:
                    u = np.finfo(dtype).eps / 2
                    assert abs(float(found) - float(truth)) <= 8 * u * (abs(float(truth)) + 1)


def dtype_of(name):
    return np.dtype(name).type


# ---- laws of the forward ------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_the_forward_has_length_g_and_forgets_the_length_of_v(shape, axes, rng):
    v, g, *_ = case(rng, shape, axes)
    w = weight_norm.forward(v, g)
    length = weight_norm.radius(w, shape=g.shape, eps=0.0, form="norm")
    m = slice_size(v, g)
    np.testing.assert_allclose(length, np.abs(g), rtol=(m + 6) * U, atol=0)
    np.testing.assert_allclose(weight_norm.forward(3.7 * v, g), w, rtol=(m + 8) * U, atol=0)
    np.testing.assert_array_equal(weight_norm.forward(v * 4.0, g / 2), w / 2)
    for far in (70, -70, 900, -900):
        np.testing.assert_array_equal(weight_norm.forward(v * 2.0**far, g * 4), w * 4)
    np.testing.assert_array_equal(weight_norm.forward(-v, -g), w)


@pytest.mark.parametrize("scale", [2.0**900, 2.0**-900, 1e6])
def test_a_slice_is_what_it_is_alone_whatever_the_others_are(scale, rng):
    v, g, w_bar = rng.normal(size=(4, 5)), rng.normal(size=(4, 1)), rng.normal(size=(4, 5))
    v[2] *= scale
    w, (v_bar, g_bar) = weight_norm.forward(v, g), weight_norm.vjp(w_bar, v, g)
    for i in range(4):
        one = slice(i, i + 1)
        np.testing.assert_array_equal(weight_norm.forward(v[one], g[one]), w[one])
        alone_v_bar, alone_g_bar = weight_norm.vjp(w_bar[one], v[one], g[one])
        np.testing.assert_array_equal(alone_v_bar, v_bar[one])
        np.testing.assert_array_equal(alone_g_bar, g_bar[one])


def test_a_norm_beyond_the_range_still_gives_the_weight():
    v, g = np.full((1, 4), 1.7e308), np.array([[3.0]])
    np.testing.assert_array_equal(weight_norm.forward(v, g), np.full((1, 4), 1.5))


@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_split_then_forward_is_the_weight_again(shape, axes, rng):
    w = rng.normal(size=shape)
    v, g = weight_norm.split(np.asarray(w), axes)
    assert isinstance(g, np.ndarray)
    assert g.shape == weight_norm.kept_shape(shape, axes)
    np.testing.assert_allclose(weight_norm.forward(v, g), w, rtol=2 * U, atol=0)


def test_the_documented_forms_in_numbers():
    v, g = np.array([[3.0, 4.0]]), np.array([[10.0]])
    h = {form: (10 * v / weight_norm.forward(v, g, eps=eps, form=form))[0, 0]
         for form, eps in [("plain", 0), ("inside", 11.0), ("outside", 2.0), ("max_q", 36.0),
                           ("max_n", 7.0), ("rms", 1.0)]}
    expected = {
        "plain": 5.0, "inside": 6.0, "outside": 7.0, "max_q": 6.0, "max_n": 7.0,
        "rms": 5 / 2**0.5 + 1,
    }
    assert h == pytest.approx(expected, rel=4 * U)


# ---- zeros, and what is not a number ------------------------------------------------------------


def with_bad_slice(rng, value):
    v, g, w_bar, A, B = case(rng, (4, 3))
    v[1] = value
    return v, g, w_bar, A, B


def test_a_zero_slice_of_the_plain_form_is_nan_and_alone(rng):
    inputs = with_bad_slice(rng, 0.0)
    check_alone(by_hand, inputs, {"eps": 0.0, "form": "plain"}, np.all)


def check_alone(find, inputs, how, quantity):
    """Slice 1 is NaN, all or any of it; the others are as they are without it, but for rounding:
    their norms may have been found with more care."""
    found = find(*inputs, **how)
    others = [0, 2, 3]
    rest = [x[others] for x in inputs]
    alone, size = find(*rest, **how), derivatives(*rest, sizes=True, **how)
    bound = roundings(slice_size(*inputs[:2]), how["form"])
    for name, answer in found.items():
        assert quantity(np.isnan(answer[1])), name
        gap = np.abs(answer[others] - alone[name])
        assert np.all(gap <= 2 * bound[name] * U * size[name]), name


@pytest.mark.parametrize("form", ["inside", "outside", "max_q", "max_n", "rms"])
def test_a_zero_slice_of_the_other_forms_has_its_limits(form, rng):
    v, g, w_bar, A, B = with_bad_slice(rng, 0.0)
    eps = EPS[form]
    h = np.sqrt(eps) if form in ("inside", "max_q") else eps
    found = by_hand(v, g, w_bar, A, B, eps=eps, form=form)
    assert not found["w"][1].any()
    assert not found["g_bar"][1].any()
    near = {"rtol": 4 * U, "atol": 0}
    np.testing.assert_allclose(found["v_bar"][1], (g * w_bar / h)[1], **near)
    np.testing.assert_allclose(found["by_w_bar"][1], (g * A / h)[1], **near)
    np.testing.assert_allclose(found["by_g"][1], rows(A * w_bar)[1] / h, rtol=8 * U)
    np.testing.assert_allclose(found["by_v"][1], (B * w_bar / h)[1], **near)
    second = by_autodiff(weight_norm.forward, v, g, w_bar, A, B, eps=eps, form=form)
    for name in ANSWERS:
        np.testing.assert_allclose(second[name], found[name], rtol=100 * U, atol=100 * U)


@pytest.mark.parametrize("form", ["inside", "outside", "max_q", "max_n", "rms"])
def test_with_eps_zero_every_form_is_undefined_at_zero_and_plain_elsewhere(form, rng):
    inputs = with_bad_slice(rng, 0.0)
    found = by_hand(*inputs, eps=0.0, form=form)
    k = 3**0.5 if form == "rms" else 1.0
    assert np.isnan(found["w"][1]).all()
    assert np.isnan(found["v_bar"][1]).all()
    plain = by_hand(*inputs)["v_bar"]
    np.testing.assert_allclose(found["v_bar"][[0, 2]], k * plain[[0, 2]], rtol=100 * U)


@pytest.mark.parametrize("form", ["max_q", "max_n"])
def test_where_norm_and_floor_are_equal_the_norm_counts(form):
    v, g, w_bar = np.array([[3.0, 4.0]]), np.array([[2.0]]), np.array([[1.0, -0.5]])
    eps = 25.0 if form == "max_q" else 5.0
    found = weight_norm.vjp(w_bar, v, g, eps=eps, form=form)
    for x, y in zip(found, weight_norm.vjp(w_bar, v, g), strict=True):
        np.testing.assert_allclose(x, y, rtol=20 * U)


@pytest.mark.parametrize("value", [np.nan, np.inf, [1.0, -np.inf, 2.0]])
@pytest.mark.parametrize("form", EPS)
def test_what_is_not_finite_poisons_its_slice_alone(form, value, rng):
    inputs = with_bad_slice(rng, value)
    how = {"eps": EPS[form], "form": form}
    check_alone(by_hand, inputs, how, np.any)


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 0), 0), ((0, 3), 0), ((0, 3), 1), ((0, 3), None), ((2, 0, 3), (0, 2))]
)
@pytest.mark.parametrize("form", EPS)
def test_empty_axes_give_empty_answers_and_zero_for_g(shape, axes, form):
    v = np.zeros(shape)
    g = np.full(weight_norm.kept_shape(shape, axes), 1.5)
    found = by_hand(v, g, v, v, g, eps=EPS[form], form=form)
    assert all(found[name].shape == shape for name in ("w", "v_bar", "by_v", "by_w_bar"))
    assert found["g_bar"].shape == g.shape
    assert not found["g_bar"].any()


def test_slices_of_one_entry_have_nothing_to_turn(rng):
    v, g, w_bar, *_ = case(rng, (6, 1))
    np.testing.assert_allclose(weight_norm.forward(v, g), g * np.sign(v), rtol=2 * U)
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    np.testing.assert_allclose(v_bar, 0.0, atol=4 * U * np.abs(g * w_bar / v).max())
    np.testing.assert_allclose(g_bar, w_bar * np.sign(v), rtol=2 * U)


# ---- range --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "exponent"),
    [("float64", k) for k in (-1020, -700, -520, -498, -60, 60, 497, 520, 700, 1020)]
    + [("float32", k) for k in (-124, -100, -75, -60, 60, 75, 100, 124)],
)
@pytest.mark.parametrize("gain", [0, 1])
def test_right_to_the_edges_of_the_range(dtype, exponent, gain, rng):
    # gain 1 takes g to the same edge, where g / n is ordinary; a slice of order 1 stands beside.
    v, g, w_bar, A, B = case(rng, (3, 6))
    scale = np.array([[2.0**exponent], [1.0], [2.0**exponent]])
    v, g = (v * scale).astype(dtype), (g * scale**gain).astype(dtype)
    w_bar, A, B = (x.astype(dtype) for x in (w_bar, A, B))
    truth, size = (exact(v, g, w_bar, A, B, eps=0.0, form="plain", sizes=s) for s in (0, 1))
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    found = {"w": weight_norm.forward(v, g), "v_bar": v_bar, "g_bar": g_bar}
    info, bound = np.finfo(dtype), roundings(6)
    for name, answer in found.items():
        allowed = bound[name] * float(info.eps) / 2 * size[name] + 2 * float(
            info.smallest_subnormal
        )
        inside = np.vectorize(lambda x, top=float(info.max): float(abs(x)) < top / 2)(size[name])
        assert misses(answer[inside], truth[name][inside], allowed[inside]) <= 1, name


@pytest.mark.parametrize(("dtype", "edge"), [("float64", 1015), ("float32", 120)])
@pytest.mark.parametrize(("towards", "gain"), [(-1, 0), (-1, 40), (1, 0), (1, -40)])
def test_right_for_cotangents_at_the_edges_of_the_range(dtype, edge, towards, gain, rng):
    # What v_bar is computed from may fall below the normal numbers, though v_bar does not.
    v, g, w_bar, A, B = (x.astype(dtype) for x in case(rng, (3, 6)))
    w_bar, g = np.ldexp(w_bar, towards * edge), np.ldexp(g, gain)
    truth, size = (exact(v, g, w_bar, A, B, eps=0.0, form="plain", sizes=s) for s in (0, 1))
    u, bound = float(np.finfo(dtype).eps) / 2, roundings(6)
    for name, answer in zip(("v_bar", "g_bar"), weight_norm.vjp(w_bar, v, g), strict=True):
        assert misses(answer, truth[name], bound[name] * u * size[name]) <= 1, name


def test_one_number_whose_square_leaves_the_range():
    v_bar, g_bar = weight_norm.vjp(np.array(-3.0), np.array(-(2.0**-600)), np.array(2.0))
    assert (float(v_bar), float(g_bar)) == (0.0, 3.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_entries_below_the_normal_numbers_still_give_a_direction(dtype, rng):
    least = float(np.finfo(dtype).smallest_subnormal)
    v = np.array([[3, 4], [-4, 3]], dtype) * np.dtype(dtype).type(least)
    g = np.array([[5], [-10]], dtype)
    np.testing.assert_array_equal(weight_norm.forward(v, g), [[3, 4], [8, -6]])


def test_float16_squares_do_not_overflow():
    v = np.array([[300.0, -400.0]], "float16")  # 300^2 is above the largest float16, 65504
    g = np.array([[10.0]], "float16")
    np.testing.assert_array_equal(weight_norm.forward(v, g), np.array([[6, -8]], "float16"))


# ---- errors -------------------------------------------------------------------------------------

V = np.arange(1.0, 7.0).reshape(2, 3)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (2, 1, 1), (1,), (2, 2), (6, 1), (1, 2)])
def test_a_gain_that_does_not_fit_is_refused(shape):
    g = np.ones(shape)
    calls = [
        lambda: weight_norm.forward(V, g),
        lambda: weight_norm.composed(Tensor(V), Tensor(g)),
        lambda: weight_norm.vjp(V, V, g),
        lambda: weight_norm.jvp(V, g, V, g),
        lambda: weight_norm.double_vjp(V, g, V, V, g),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"g of shape \(.*\) for v of shape \(2, 3\)"):
            call()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"form": "insde"}, "form='insde'; choose from plain, inside"),
        ({"eps": 0.1}, "has no eps, got eps=0.1"),
        ({"eps": -1.0, "form": "inside"}, "eps=-1.0"),
        ({"eps": float("nan"), "form": "max_n"}, "eps=nan"),
        ({"eps": float("inf"), "form": "rms"}, "eps=inf"),
    ],
)
def test_a_form_or_eps_that_does_not_exist_is_refused(how, words):
    g = np.ones((2, 1))
    calls = [
        lambda: weight_norm.forward(V, g, **how),
        lambda: weight_norm.vjp(V, V, g, **how),
        lambda: weight_norm.jvp(V, g, V, g, **how),
        lambda: weight_norm.double_vjp(V, g, V, V, g, **how),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize(("v", "g"), [("int64", "int64"), ("int64", "float64"), ("bool", "float32"),
                                      ("float32", "float64"), ("float16", "float32")])
def test_dtypes_that_are_not_floating_or_differ_are_refused(v, g):
    with pytest.raises(TypeError, match=f"v of {v} and g of {g}"):
        weight_norm.forward(V.astype(v), np.ones((2, 1), g))


@pytest.mark.parametrize("axes", [2, -3, (0, 2)])
def test_an_axis_that_is_not_there_is_refused(axes):
    with pytest.raises(IndexError, match=r"of a weight of shape \(2, 3\); choose from -2 to 1"):
        weight_norm.split(V, axes)


# ---- the fast path ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(700, 500), (3, 250_000), (300, 20, 7, 7)])
def test_a_block_of_rows_gives_each_row_the_bits_it_has_alone(rng, shape, dtype):
    v, g, w_bar, _, _ = case(rng, shape, 0, dtype)
    v[1] *= 2.0**-12 if dtype == "float16" else 2.0**-100  # one slice that has to be scaled
    w = weight_norm.forward(v, g)
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    for i in (0, 1, 2, len(v) // 2, len(v) - 1):
        one = slice(i, i + 1)
        alone = weight_norm.vjp(w_bar[one], v[one], g[one])
        np.testing.assert_array_equal(w[one], weight_norm.forward(v[one], g[one]))
        np.testing.assert_array_equal(v_bar[one], alone[0])
        np.testing.assert_array_equal(g_bar[one], alone[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(700, 500), (2000, 150), (3, 250_000), (160, 30, 3, 3)])
@pytest.mark.parametrize("far", [0, -100, 90])
def test_blocks_are_the_formula_to_the_bit(rng, shape, dtype, far):
    v, g, w_bar, _, _ = case(rng, shape, 0, dtype)
    v[-1] *= 2.0**far  # then one block is scaled and the others are not; the formula scales all
    with quiet():
        formula = fused.slices(v, g), *fused.slices_vjp(w_bar, v, g)
    found = weight_norm.forward(v, g), *weight_norm.vjp(w_bar, v, g)
    for x, y in zip(found, formula, strict=True):
        np.testing.assert_array_equal(x, y)


def found_and_formula(v, g, w_bar):
    """(found, by the formula) for w, v_bar and g_bar, once they are equal to the bit."""
    with quiet():
        formula = fused.slices(v, g), *fused.slices_vjp(w_bar, v, g)
    found = weight_norm.forward(v, g), *weight_norm.vjp(w_bar, v, g)
    for x, y in zip(found, formula, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype
    return list(zip(found, formula, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (3, 70), (300, 256), (0, 4), (4, 0)])
@pytest.mark.parametrize("far", [0, -10.5, -100, 90])
@pytest.mark.parametrize("order", ["C", "F"])
def test_small_matrices_are_the_formula_to_the_bit(rng, shape, dtype, far, order):
    v, g, w_bar = (np.array(x, order=order) for x in case(rng, shape, 0, dtype)[:3])
    v[-1:] *= 2.0**far
    assert named((v, w_bar), (g,)) == "rows"
    for x, y in found_and_formula(v, g, w_bar):
        assert x.flags.c_contiguous == y.flags.c_contiguous


def named(likes, gains, eps=0.0, form="plain"):
    """The way that serves; None for the formula."""
    way = kernels.way(likes[0], *gains, eps, form, *likes[1:])
    return way and way.name


def test_which_way_serves(rng):
    v, g, w_bar, _, _ = case(rng, (6, 4))
    assert named((v,), (g,)) == named((v, w_bar), (g,)) == "rows"
    half, narrow = v.astype("float16"), g.astype("float32")
    for other, way in [
        (((v,), (g,), 0.5, "inside"), None), (((v,), (g,), 0.0, "inside"), None),
        (((half,), (half[:, :1],)), "slices"), (((v,), (v[:1],)), "slices"),
        (((v,), (g[0, 0],)), "slices"), (((v,), (np.asarray(g[0, 0]),)), "rows"),
        (((v[None],), (g[None],)), "slices"), (((v * 1j,), (g * 1j,)), None),
        (((np.tile(v, (30, 80)),), (np.tile(g, (30, 1)),)), "blocks of rows"),
        (((np.tile(half, (30, 80)),), (np.tile(half[:, :1], (30, 1)),)), "blocks of rows"),
        (((Tensor(v),), (g,)), None), (((v[:0],), (g[:0],)), "rows"),
        (((v[:0],), (v[:0],)), "slices"), (((v[:, :0],), (g,)), "rows"),
    ]:
        assert named(*other) == way
    for likes, gains in (((v,), (narrow,)), ((v.astype(int),), (g,))):
        with pytest.raises(TypeError, match="one floating dtype"):
            named(likes, gains)
    with pytest.raises(ValueError, match="g of shape"):
        named((v,), (g[:5],))
    with pytest.raises(ValueError, match="has no eps"):
        named((v,), (g,), 0.5)
    for x in (w_bar[:1], w_bar.astype("float32"), Tensor(w_bar)):
        assert named((v, x), (g,)) is None
    assert named((v, w_bar.view(np.matrix)), (g,)) == "slices"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 3, 2, 2), 0), ((5, 3, 2, 2), None), ((7,), None), ((7,), 0), ((), None)],
)
@pytest.mark.parametrize("far", [0, -100, 90])
def test_slices_that_are_rows_of_memory_are_the_formula_to_the_bit(rng, shape, axes, dtype, far):
    v, g, w_bar, _, _ = case(rng, shape, axes, dtype)
    v = np.asarray(v * 2.0**far, dtype)
    assert named((v, w_bar), (g,)) == "rows"
    for x, y in found_and_formula(v, g, w_bar):
        assert x.shape == np.shape(y)
    if v.ndim > 1:  # in another order in memory they are not
        assert named((np.asfortranarray(v), w_bar), (g,)) == "slices"


def test_blocks_are_for_memory_in_order_and_leave_inputs_and_settings_alone(rng):
    v, g, w_bar, _, _ = case(rng, (600, 512))
    copies, size = [x.copy() for x in (v, g, w_bar)], np.getbufsize()
    v_bar, g_bar = weight_norm.vjp(w_bar, v, g)
    for order in (np.asfortranarray, lambda x: x[::-1][::-1], lambda x: np.tile(x, 2)[:, :512]):
        other = weight_norm.vjp(order(w_bar), order(v), g)
        np.testing.assert_allclose(other[0], v_bar, rtol=0, atol=1e-13)
        np.testing.assert_allclose(other[1], g_bar, rtol=0, atol=1e-12)
    for x, copy in zip((v, g, w_bar), copies, strict=True):
        np.testing.assert_array_equal(x, copy)
    assert np.getbufsize() == size
