"""Right and wrong implementations of weight normalisation, for the judge to be judged by.

They share no line with the catalogue: each is plain NumPy on (w_bar, v, g), written as people
write it. A wrong one is a pair of expressions in the letters of `letters`.
"""

from __future__ import annotations

import numpy as np


def others(v, g):
    """The axes a norm runs over, for g of v's rank with the first axis kept."""
    return tuple(range(1, v.ndim))


def letters(w_bar, v, g, axes=None):
    axes = others(v, g) if axes is None else axes

    def total(x, axis=axes):
        return x.sum(axis=axis, keepdims=True)

    n, d = np.sqrt(total(v * v)), total(w_bar * v)
    whole = tuple(range(v.ndim))
    return {
        "np": np, "G": w_bar, "v": v, "g": g, "n": n, "d": d, "m": n.dtype.type(v[0].size),
        "sum": total, "N": np.sqrt(total(v * v, whole)), "D": total(w_bar * v, whole),
        "rows": n.dtype.type(len(v)), "w": g * v / n, "roll": lambda x: np.roll(x, 1, axis=0),
        "n0": np.sqrt(total(v * v, (0,))), "d0": total(w_bar * v, (0,)),
        "n1": np.sqrt(total(v * v, (1,))) if v.ndim > 1 else n,
        "d1": total(w_bar * v, (1,)) if v.ndim > 1 else d,
    }  # fmt: skip


def forward(v, g):
    return g * v / np.sqrt((v * v).sum(axis=others(v, g), keepdims=True))


def wrong(v_bar, g_bar="d / n"):
    """backward(w_bar, v, g) made of two expressions."""
    codes = [compile(text, "mutant", "eval") for text in (v_bar, g_bar)]

    def backward(w_bar, v, g):
        known = letters(w_bar, v, g)
        dtype = v.dtype
        shapes = (v.shape, g.shape)
        return tuple(
            np.array(np.broadcast_to(eval(code, known), shape), dtype=dtype)
            for code, shape in zip(codes, shapes, strict=True)
        )

    backward.__name__ = f"{v_bar} | {g_bar}"
    return backward


RIGHT_V, RIGHT_G = "g/n * (G - d/n**2 * v)", "d/n"

# id: (v_bar, g_bar); what is right is left out.
NAMED = {
    "no_projection": ("g/n * G",),
    "missing_g": ("(G - d/n**2 * v) / n",),
    "missing_1_over_n": ("g * (G - d/n**2 * v)",),
    "missing_g_over_n": ("G - d/n**2 * v",),
    "no_projection_no_n": ("g * G",),
    "no_projection_no_g": ("G / n",),
    "passed_through": ("G.copy()",),
    "proj_n0": ("g/n * (G - d * v)",),
    "proj_n1": ("g/n * (G - d/n * v)",),
    "proj_n3": ("g/n * (G - d/n**3 * v)",),
    "proj_sign": ("g/n * (G + d/n**2 * v)",),
    "proj_half": ("g/n * (G - d/n**2 * v / 2)",),
    "proj_twice": ("g/n * (G - 2*d/n**2 * v)",),
    "proj_g_lost": ("g/n * G - d/n**3 * v",),
    "proj_g_twice": ("g/n * (G - g*d/n**2 * v)",),
    "proj_on_w": ("g/n * (G - sum(G*w) * w)",),
    "proj_uses_sum_not_dot": ("g/n * (G - sum(G)/n**2 * v)",),
    "proj_uses_mean_not_dot": ("g/n * (G - sum(G)/m)",),
    "proj_dot_mean": ("g/n * (G - d/m/n**2 * v)",),
    "proj_abs": ("g/n * (G - abs(d)/n**2 * v)",),
    "proj_swapped": ("g/n * (G - d/sum(G*G) * G)",),
    "factor_n2": ("g/n**2 * (G - d/n**2 * v)",),
    "factor_g2": ("g*g/n * (G - d/n**2 * v)",),
    "factor_inverted": ("n/g * (G - d/n**2 * v)",),
    "factor_abs_g": ("abs(g)/n * (G - d/n**2 * v)",),
    "v_bar_negated": ("-g/n * (G - d/n**2 * v)",),
    "v_bar_doubled": ("2*g/n * (G - d/n**2 * v)",),
    "v_bar_averaged": ("g/n * (G - d/n**2 * v) / rows",),
    "v_bar_zero": ("0 * v",),
    "v_bar_only_projection": ("g/n * d/n**2 * v",),
    "g_bar_no_norm": (RIGHT_V, "d"),
    "g_bar_n2": (RIGHT_V, "d / n**2"),
    "g_bar_times_g": (RIGHT_V, "sum(G * w)"),
    "g_bar_over_g": (RIGHT_V, "d / (g*n)"),
    "g_bar_uses_sum": (RIGHT_V, "sum(G) / n"),
    "g_bar_sum_w_bar": (RIGHT_V, "sum(G)"),
    "g_bar_mean": (RIGHT_V, "d / n / m"),
    "g_bar_scalar_sum": (RIGHT_V, "(d/n).sum()"),
    "g_bar_averaged": (RIGHT_V, "d / n / rows"),
    "g_bar_rolled": (RIGHT_V, "roll(d / n)"),
    "g_bar_reversed": (RIGHT_V, "(d / n)[::-1]"),
    "g_bar_ones": (RIGHT_V, "1 + 0*g"),
    "g_bar_zero": (RIGHT_V, "0*g"),
    "g_bar_negated": (RIGHT_V, "-d / n"),
    "g_bar_doubled": (RIGHT_V, "2*d / n"),
    "g_bar_abs": (RIGHT_V, "abs(d) / n"),
    "g_bar_norm_of_w_bar": (RIGHT_V, "np.sqrt(sum(G*G))"),
    "g_bar_times_sign_g": (RIGHT_V, "np.sign(g) * d / n"),
    "norm_squared_in_formula": ("g/n**2 * (G - d/n**4 * v)", "d / n**2"),
    "norm_l1_in_formula": ("g/sum(abs(v)) * (G - d/sum(abs(v))**2 * v)", "d / sum(abs(v))"),
    "norm_mean_in_formula": ("g/n*m**.5 * (G - d*m/n**2 * v)", "d / n * m**.5"),
    "global_norm": ("g/N * (G - d/N**2 * v)", "d / N"),
    "global_norm_and_dot": ("g/N * (G - D/N**2 * v)", "D / N"),
    "global_dot": ("g/n * (G - D/n**2 * v)",),
    "global_n2": ("g/n * (G - d/N**2 * v)",),
    "global_dot_in_g_bar": (RIGHT_V, "D / n"),
    "first_only_dot": ("g/n * (G - d0/n**2 * v)",),
    "first_only_norm": ("g/n0 * (G - d/n0**2 * v)", "sum(G * v / n0)"),
    "rank_norm": ("g/n1 * (G - d/n1**2 * v)", "sum(G * v / n1)"),
    "rank_dot": ("g/n * (G - d1/n**2 * v)",),
    "w_for_v": ("g/abs(g) * (G - sum(G*w)/g**2 * w)", "sum(G*w) / abs(g)"),
    "norm_of_neighbour": ("g/roll(n) * (G - d/roll(n)**2 * v)", "d / roll(n)"),
    "dot_of_neighbour": ("g/n * (G - roll(d)/n**2 * v)",),
    "g_of_neighbour": ("roll(g)/n * (G - d/n**2 * v)",),
    "first_norm_for_all": ("g/n[:1] * (G - d/n[:1]**2 * v)", "d / n[:1]"),
    "first_g_for_all": ("g[:1]/n * (G - d/n**2 * v)",),
    "v_bar_is_w_dot": ("g/n * (G - d/n**2 * v) + d/n * v/n",),
}  # fmt: skip

# Forms with an eps that nobody declared; the name depends on whether the forward has it too.
EPS = {
    "inside 1e-3": ("g/(n*n+1e-3)**.5 * (G - d/(n*n+1e-3) * v)", "d / (n*n+1e-3)**.5"),
    "inside 1e-5": ("g/(n*n+1e-5)**.5 * (G - d/(n*n+1e-5) * v)", "d / (n*n+1e-5)**.5"),
    "outside 1e-2": ("g/(n+1e-2) * (G - d/(n+1e-2)**2 * v)", "d / (n+1e-2)"),
    "outside 1e-4": ("g/(n+1e-4) * (G - d/(n*(n+1e-4)) * v)", "d / (n+1e-4)"),
    "below d 1e-3": ("g/n * (G - d/(n*n+1e-3) * v)",),
    "in the factor 1e-3": ("g/(n+1e-3) * (G - d/n**2 * v)",),
}

# In no catalogue: a power, a constant or another sum. (v_bar, g_bar), and the prefix of the id.
FITTED = {
    "g/n * (G - 3*n*d/n**2 * v)": "coefficient_of_v",
    "g/n * (G - 0.7*d/n**2 * v)": "coefficient_of_v",
    "g/n * (G - d/n**5 * v)": "coefficient_of_v",
    "g/n * (G - g**3*d/n**2 * v)": "coefficient_of_v",
    "g/n * (G + 3*d/n**2 * v)": "coefficient_of_v",
    "g/n * (G - sum(G*G)/n**2 * v)": "coefficient_of_v",
    "g/n * (G - d*m/n**2 * v)": "coefficient_of_v",
    "g/n * (G - sum(v)/n * v)": "coefficient_of_v",
    "g/n * (2*G - d/n**2 * v)": "coefficient_of_w_bar",
    "g/n * (n*G - d/n**2 * v)": "coefficient_of_w_bar",
    "g*n * (G - d/n**2 * v)": "coefficient_of_v_bar",
    "g**3/n**2 * (G - d/n**2 * v)": "coefficient_of_v_bar",
    "5/g/n * (G - d/n**2 * v)": "coefficient_of_v_bar",
    "g/n**2 * (n*G - 2*d/n**2 * v)": "coefficient",
    "-g*g/n**3 * (G - 2*d/n * v)": "coefficient",
    "G - 2*d/n * v": "coefficient",
}
FITTED_G = ("3*d/n", "d*n", "g*g*d/n**3", "-d/n**4", "sum(G*G)/n", "0.25*d", "sum(abs(G*v))/n")

# In no catalogue, and no coefficient either: (v_bar, g_bar)
STRANGE = (
    ("g/n * (G - d/n**2 * v) + 0.1*v**2",),
    ("g/n * (G - d/n**2 * v) + 0.01",),
    ("np.tanh(g/n * (G - d/n**2 * v))",),
    ("g/n * (G - d/n**2 * abs(v))",),
    ("g/n * (np.cumsum(G, axis=-1) - d/n**2 * v)",),
    (RIGHT_V, "np.tanh(d / n)"),
    (RIGHT_V, "d / n + 0.05*g"),
    (RIGHT_V, "(d - sum(v)*sum(G)/m) / n"),
    ("g/n * (G - sum(G)/m - (d - sum(v)*sum(G)/m)/n**2 * v)",),
    ("g/n * (G - d/n**2 * np.sort(v, axis=-1))",),
)


# ---- plumbing -----------------------------------------------------------------------------------


def right(w_bar, v, g):
    return wrong(RIGHT_V, RIGHT_G)(w_bar, v, g)


def edited(edit):
    """The right answers, changed in place by `edit(v_bar, g_bar)`."""

    def backward(w_bar, v, g):
        v_bar, g_bar = right(w_bar, v, g)
        edit(v_bar, g_bar)
        return v_bar, g_bar

    return backward


def _set(index, value, which=0):
    def edit(*answers):
        answers[which][index] = value

    return edit


def reordered(change):
    """The right function of changed inputs: change(w_bar, v, g) -> the same."""
    return lambda w_bar, v, g: right(*change(w_bar, v, g))


def shortened(w_bar, v, g):
    """The last entry of each slice is missing from both sums."""
    mask = np.ones_like(v)
    mask[..., -1] = 0
    axes = others(v, g)
    n = np.sqrt((v * v * mask).sum(axis=axes, keepdims=True))
    d = (w_bar * v * mask).sum(axis=axes, keepdims=True)
    return g / n * (w_bar - d / n**2 * v), d / n


class StaleNorm:
    """Keeps the norm of the first v of each shape."""

    def __init__(self):
        self.kept = {}

    def __call__(self, w_bar, v, g):
        n = np.sqrt((v * v).sum(axis=others(v, g), keepdims=True))
        n = self.kept.setdefault((v.shape, v.dtype), n)
        d = (w_bar * v).sum(axis=others(v, g), keepdims=True)
        return g / n * (w_bar - d / n**2 * v), d / n


class Accumulates:
    """Adds to the gradients of the call before."""

    def __init__(self):
        self.sums = {}

    def __call__(self, w_bar, v, g):
        key = (v.shape, v.dtype)
        old = self.sums.get(key, (0, 0))
        self.sums[key] = tuple(a + b for a, b in zip(old, right(w_bar, v, g), strict=True))
        return tuple(x.astype(v.dtype) for x in self.sums[key])


class SharedBuffer:
    """Returns the same memory every time."""

    def __init__(self):
        self.buffers = {}

    def __call__(self, w_bar, v, g):
        v_bar, g_bar = right(w_bar, v, g)
        buffer = self.buffers.setdefault((v.shape, v.dtype), np.empty_like(v_bar))
        buffer[...] = v_bar
        return buffer, g_bar


def mutating(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=others(v, g), keepdims=True))
    v /= n
    d = (w_bar * v).sum(axis=others(v, g), keepdims=True)
    return g / n * (w_bar - d * v), d


def narrow(w_bar, v, g):
    to = {"float64": "float32", "float32": "float16"}[str(v.dtype)]
    return tuple(x.astype(v.dtype) for x in right(*(x.astype(to) for x in (w_bar, v, g))))


def ignores_strides(w_bar, v, g):
    """Reads w_bar's memory in the order in which it lies."""
    return right(w_bar.ravel(order="K").reshape(w_bar.shape), v, g)


# (name, a function that makes the mutant, ids one of which has to be first)
PLUMBING = (
    ("last row not written", lambda: edited(_set(-1, 0)), {"last_row_zero"}),
    ("last element not written", lambda: edited(_set((..., -1), 0)), {"last_elem_zero"}),
    ("last element off", lambda: edited(_set((..., -1), 7)), {"last_elem_off"}),
    ("last gain not written", lambda: edited(_set(-1, 0, 1)), {"last_row_zero"}),
    ("upper end of the sums", lambda: shortened, {"norm_without_last"}),
    ("w_bar reversed", lambda: reordered(lambda G, v, g: (G[::-1], v, g)), {"w_bar_reversed"}),
    ("w_bar rolled", lambda: reordered(lambda G, v, g: (np.roll(G, 1, -1), v, g)),
     {"w_bar_rolled"}),
    ("w_bar transposed", lambda: reordered(lambda G, v, g: (G.T.reshape(G.shape), v, g)),
     {"w_bar_transposed"}),
    ("stale norm", StaleNorm, {"stale_state"}),
    ("accumulates", Accumulates, {"stale_state", "not_deterministic"}),
    ("shared buffer", SharedBuffer, {"returns_cache"}),
    ("mutates v", lambda: mutating, {"mutates_input"}),
    ("narrower dtype", lambda: narrow, {"low_precision"}),
    ("ignores strides", lambda: ignores_strides, {"layout"}),
    ("g_bar flat", lambda: lambda *a: (right(*a)[0], right(*a)[1].reshape(-1)), {"wrong_shape"}),
    ("another dtype", lambda: lambda *a: tuple(x.astype("float16") for x in right(*a)),
     {"wrong_dtype"}),
    ("raises", lambda: lambda *a: 1 // 0, {"raises"}),
    ("one answer", lambda: lambda *a: right(*a)[0], {"raises"}),
    ("alias", lambda: lambda G, v, g: (G, right(G, v, g)[1]), {"aliases_input"}),
)  # fmt: skip


# ---- right ones ---------------------------------------------------------------------------------


def _sums(w_bar, v, g):
    axes = others(v, g)
    return (v * v).sum(axis=axes, keepdims=True), (w_bar * v).sum(axis=axes, keepdims=True)


def unit_first(w_bar, v, g):
    n = np.sqrt(_sums(w_bar, v, g)[0])
    x = v / n
    g_bar = (w_bar * x).sum(axis=others(v, g), keepdims=True)
    return g / n * (w_bar - g_bar * x), g_bar


def factor_last(w_bar, v, g):
    q, d = _sums(w_bar, v, g)
    return (w_bar - v * (d / q)) / np.sqrt(q) * g, d / np.sqrt(q)


def reciprocal_root(w_bar, v, g):
    q, d = _sums(w_bar, v, g)
    r = 1 / np.sqrt(q)
    return g * r * w_bar - g * d * r**3 * v, d * r


def two_step_division(w_bar, v, g):
    q, d = _sums(w_bar, v, g)
    n = np.sqrt(q)
    return g * (w_bar / n - v * d / n / n / n), d / n


def from_w(w_bar, v, g):
    q, d = _sums(w_bar, v, g)
    n = np.sqrt(q)
    g_bar = d / n
    return (g * w_bar - g * v / n * g_bar) / n, g_bar


def flat_einsum(w_bar, v, g):
    V, G, a = v.reshape(len(v), -1), w_bar.reshape(len(v), -1), g.reshape(-1, 1)
    q = np.einsum("oi,oi->o", V, V)[:, None]
    d = np.einsum("oi,oi->o", G, V)[:, None]
    v_bar = a / np.sqrt(q) * (G - d / q * V)
    return v_bar.reshape(v.shape), (d / np.sqrt(q)).reshape(g.shape)


def fortran(w_bar, v, g):
    return tuple(np.asfortranarray(x) for x in factor_last(w_bar, v, g))


def scaled(w_bar, v, g):
    top = np.abs(v).max(axis=others(v, g), keepdims=True, initial=0)
    top = np.where(top == 0, 1, top)
    v_bar, g_bar = unit_first(w_bar, v / top, g)
    return v_bar / top, g_bar


def sequential(w_bar, v, g):
    """One entry after the other, as a C loop does."""
    V, G = v.reshape(len(v), -1), w_bar.reshape(len(v), -1)
    q, d = np.zeros(len(v), v.dtype), np.zeros(len(v), v.dtype)
    for i in range(V.shape[1]):
        q, d = q + V[:, i] * V[:, i], d + G[:, i] * V[:, i]
    q, d = q.reshape(g.shape), d.reshape(g.shape)
    return g / np.sqrt(q) * (w_bar - d / q * v), d / np.sqrt(q)


def wider(w_bar, v, g):
    to = {"float16": "float32", "float32": "float64"}.get(str(v.dtype), "longdouble")
    return tuple(x.astype(v.dtype) for x in unit_first(*(x.astype(to) for x in (w_bar, v, g))))


def jacobian(w_bar, v, g):
    """(g/n) (I - v v^T / n^2) w_bar, the matrix written out."""
    V, G = v.reshape(len(v), -1), w_bar.reshape(len(v), -1)
    n = np.sqrt((V * V).sum(axis=1))[:, None, None]
    P = np.eye(V.shape[1], dtype=v.dtype) - V[:, :, None] * V[:, None, :] / n**2
    v_bar = (g.reshape(-1, 1, 1) / n * P @ G[:, :, None])[..., 0]
    return v_bar.reshape(v.shape), ((V * G).sum(axis=1) / n[:, 0, 0]).reshape(g.shape)


BACKWARDS = (
    right, unit_first, factor_last, reciprocal_root, two_step_division, from_w, flat_einsum,
    fortran, scaled, sequential, wider, jacobian,
)  # fmt: skip

FORWARDS = (
    forward,
    lambda v, g: v / np.sqrt((v * v).sum(axis=others(v, g), keepdims=True)) * g,
    lambda v, g: v * (g / np.sqrt((v * v).sum(axis=others(v, g), keepdims=True))),
    lambda v, g: v * (1 / np.sqrt((v * v).sum(axis=others(v, g), keepdims=True))) * g,
    lambda v, g: g * v * (v * v).sum(axis=others(v, g), keepdims=True) ** v.dtype.type(-0.5),
)
