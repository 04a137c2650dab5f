"""Right and wrong implementations of weight normalisation, for the judge to be judged by.

They share no line with the catalogue: each is plain NumPy on (w_bar, v, g), written as people
write it; a wrong one is a pair of expressions in the names of `mutation.mutant`.
"""

from __future__ import annotations

import math

import numpy as np

from minwn.mutation import index, memory, unclassified
from minwn.mutation.mutant import correct, forward, namespace, written

from ..mutation.correct import CORRECT

__all__ = ["correct", "forward", "namespace"]


def others(v, g):
    """The axes a norm runs over, for g of v's rank with the first axis kept."""
    return tuple(range(1, v.ndim))


RIGHT_V, RIGHT_G = "g/n * (G - d/n**2 * v)", "d / n"


def wrong(v_bar, g_bar=RIGHT_G):
    """backward(w_bar, v, g) made of two expressions."""
    return written(v_bar, g_bar).backward


# The mistakes of one line as people write them; catalogue and mutants have theirs of a row.
V_BAR = {
    "no_projection": "g/n * G",
    "missing_g": "(G - d/n**2 * v) / n",
    "missing_1_over_n": "g * (G - d/n**2 * v)",
    "missing_g_over_n": "G - d/n**2 * v",
    "no_projection_no_n": "g * G",
    "no_projection_no_g": "G / n",
    "passed_through": "G.copy()",
    "proj_n0": "g/n * (G - d * v)",
    "proj_n1": "g/n * (G - d/n * v)",
    "proj_n3": "g/n * (G - d/n**3 * v)",
    "proj_sign": "g/n * (G + d/n**2 * v)",
    "proj_half": "g/n * (G - d/n**2 * v / 2)",
    "proj_twice": "g/n * (G - 2*d/n**2 * v)",
    "proj_g_lost": "g/n * G - d/n**3 * v",
    "proj_g_twice": "g/n * (G - g*d/n**2 * v)",
    "proj_on_w": "g/n * (G - sum(G*w) * w)",
    "proj_uses_sum_not_dot": "g/n * (G - sum(G)/n**2 * v)",
    "proj_uses_mean_not_dot": "g/n * (G - sum(G)/m)",
    "proj_dot_mean": "g/n * (G - d/m/n**2 * v)",
    "proj_abs": "g/n * (G - abs(d)/n**2 * v)",
    "proj_all_slices": "g/n * (G - np.sum(d/n)/n * v)",
    "proj_swapped": "g/n * (G - d/sum(G*G) * G)",
    "factor_n2": "g/n**2 * (G - d/n**2 * v)",
    "factor_g2": "g*g/n * (G - d/n**2 * v)",
    "factor_inverted": "n/g * (G - d/n**2 * v)",
    "factor_abs_g": "abs(g)/n * (G - d/n**2 * v)",
    "v_bar_negated": "-g/n * (G - d/n**2 * v)",
    "v_bar_doubled": "2*g/n * (G - d/n**2 * v)",
    "v_bar_averaged": "g/n * (G - d/n**2 * v) / rows",
    "v_bar_zero": "0 * v",
    "v_bar_only_projection": "g/n * d/n**2 * v",
}
G_BAR = {
    "g_bar_no_norm": "d",
    "g_bar_n2": "d / n**2",
    "g_bar_times_g": "sum(G * w)",
    "g_bar_over_g": "d / (g*n)",
    "g_bar_uses_sum": "sum(G) / n",
    "g_bar_sum_w_bar": "sum(G)",
    "g_bar_mean": "d / n / m",
    "g_bar_scalar_sum": "(d/n).sum()",
    "g_bar_averaged": "d / n / rows",
    "g_bar_rolled": "roll(d / n)",
    "g_bar_rolled_back": "roll(d / n, -1)",
    "g_bar_reversed": "(d / n)[::-1]",
    "g_bar_ones": "1 + 0*g",
    "g_bar_zero": "0*g",
    "g_bar_negated": "-d / n",
    "g_bar_doubled": "2*d / n",
    "g_bar_abs": "abs(d) / n",
    "g_bar_norm_of_w_bar": "np.sqrt(sum(G*G))",
    "g_bar_times_sign_g": "np.sign(g) * d / n",
}
W = {
    "w_no_g": "v / n",
    "w_no_norm": "g * v",
    "w_is_v": "v.copy()",
    "w_abs_g": "abs(g) * v / n",
    "w_abs_v": "g * abs(v) / n",
    "w_exp_g": "np.exp(g) * v / n",
    "w_one_plus_g": "(1 + g) * v / n",
    "w_negated": "-g * v / n",
    "w_times_n": "g * n * v",
}

U, Q = "(v - sum(v)/m)", "np.sqrt(sum(G*G))"
C = f"np.sqrt(sum({U}**2))"
# (v_bar, g_bar), or (v_bar, g_bar, w)
SEVERAL = {
    "v_bar_is_w_dot": ("g/n * (G - d/n**2 * v) + d/n * v/n",),
    "gain_exp": ("np.exp(g)/n * (G - d/n**2 * v)", "np.exp(g)*d/n", "np.exp(g)*v/n"),
    "gain_softplus": (
        "np.log1p(np.exp(g))/n * (G - d/n**2 * v)", "d/n / (1 + np.exp(-g))",
        "np.log1p(np.exp(g))*v/n",
    ),
    "gain_sigmoid": (
        "1/(1 + np.exp(-g))/n * (G - d/n**2 * v)", "d/n * np.exp(-g)/(1 + np.exp(-g))**2",
        "v/n / (1 + np.exp(-g))",
    ),
    "gain_tanh": (
        "np.tanh(g)/n * (G - d/n**2 * v)", "d/n / np.cosh(g)**2", "np.tanh(g)*v/n",
    ),
    "gain_squared": ("g*g/n * (G - d/n**2 * v)", "2*g*d/n", "g*g*v/n"),
    "gain_abs": ("abs(g)/n * (G - d/n**2 * v)", "np.sign(g)*d/n", "abs(g)*v/n"),
    "divided_by_m": ("g/n/m * (G - d/n**2 * v)", "d/n/m"),
    "dot_of_neighbour": ("g/n * (G - roll(d)/n**2 * v)",),
    "w_for_v": ("g/abs(g) * (G - sum(G*w)/g**2 * w)", "sum(G*w) / abs(g)"),
    "v_centred": (
        f"g/{C} * (G - sum(G*{U})/{C}**2 * {U})", f"sum(G*{U}) / {C}", f"g*{U}/{C}",
    ),
    "norm_of_w_bar": (f"g/{Q} * (G - d/{Q}**2 * v)", f"d / {Q}"),
    "norm_of_neighbour": ("g/roll(n) * (G - d/roll(n)**2 * v)", "d / roll(n)"),
    "first_norm_for_all": (
        "g/n[:1] * (G - d/n[:1]**2 * v)", "d / n[:1]", "g * v / n[:1]",
    ),
    "g_of_neighbour": ("roll(g)/n * (G - d/n**2 * v)", "d / n", "roll(g) * v / n"),
    "first_g_for_all": ("g[:1]/n * (G - d/n**2 * v)", "d / n", "g[:1] * v / n"),
    "norm_without_last": (
        "g/n1 * (G - d1/n1**2 * v)".replace("n1", "np.sqrt(sum((v*v)[..., :-1]))")
        .replace("d1", "sum((G*v)[..., :-1])"),
        "sum((G*v)[..., :-1]) / np.sqrt(sum((v*v)[..., :-1]))",
    ),
    "dot_without_last": (
        "g/n * (G - sum((G*v)[..., :-1])/n**2 * v)", "sum((G*v)[..., :-1]) / n",
    ),
}
# Another length h with the derivative y, in the function and in the formula of the gradient.
LENGTHS = {
    "norm_squared": ("n**2", "2*v"),
    "norm_l1": ("sum(abs(v))", "np.sign(v)"),
    "norm_mean": ("(n / m**.5)", "(v / n / m**.5)"),
    "norm_std": (
        "np.sqrt(sum((v - sum(v)/m)**2) / m)",
        "((v - sum(v)/m) / m / np.sqrt(sum((v - sum(v)/m)**2) / m))",
    ),
    "norm_max": (
        "abs(v).max(own, keepdims=True)",
        "(np.sign(v) * (abs(v) == abs(v).max(own, keepdims=True)))",
    ),
    "norm_but_last": (
        "np.sqrt(sum((v*v)[..., :-1]))",
        "(np.concatenate([v[..., :-1], 0*v[..., -1:]], -1) / np.sqrt(sum((v*v)[..., :-1])))",
    ),
    "norm_of_first": (
        "np.sqrt(sum((v*v)[:, :1]))",
        "(np.concatenate([v[:, :1], 0*v[:, 1:]], 1) / np.sqrt(sum((v*v)[:, :1])))",
    ),
}
# Sums over a place in the place of those over a slice.
NORM, DOT = "np.sqrt(sum(v*v, R))", "sum(G*v, R)"
VARIANTS = {
    "function": (
        f"g*G/{NORM} - sum(g*G*v, R)/{NORM}**3 * v", f"sum(G*v / {NORM})", f"g*v / {NORM}",
    ),
    "norm": (f"g/{NORM} * (G - d/{NORM}**2 * v)", f"sum(G*v / {NORM})"),
    "norm_and_dot": (f"g/{NORM} * (G - {DOT}/{NORM}**2 * v)", f"sum(G*v / {NORM})"),
    "dot": (f"g/n * (G - {DOT}/n**2 * v)",),
    "n2": (f"g/n * (G - d/{NORM}**2 * v)",),
}
# The axes of such a sum, where the first axis keeps a norm.
SUMMED = {
    "global": "tuple(range(v.ndim))",
    "first_only": "(0,)",
    "flipped": "tuple(range(v.ndim - 1))",
    "second": "tuple(a for a in range(v.ndim) if a != 1)",
    "last": "tuple(range(v.ndim - 1))",
    "elementwise": "()",
    "rank": "(1,)",
    "last_only": "(v.ndim - 1,)",
}
# id: (v_bar, g_bar), or (v_bar, g_bar, w)
OVER = {
    f"{place}_{variant}": tuple(text.replace("R)", f"{axes})") for text in texts)
    for place, axes in SUMMED.items()
    for variant, texts in VARIANTS.items()
    if (place, variant) != ("global", "norm_and_dot")
}

# id: (v_bar, g_bar); what is right is left out.
NAMED = {
    **{name: (text,) for name, text in V_BAR.items()},
    **{name: (RIGHT_V, text) for name, text in G_BAR.items()},
    **{name: texts[:2] for name, texts in SEVERAL.items() if "without" not in name},
    **{
        f"{name}_in_formula": (f"g/{h} * (G - d/{h}**2 * v)", f"d / {h}")
        for name, (h, _) in LENGTHS.items()
    },
    "global_norm": ("g/N * (G - d/N**2 * v)", "d / N"),
    "global_norm_and_dot": ("g/N * (G - D/N**2 * v)", "D / N"),
    "global_dot": ("g/n * (G - D/n**2 * v)",),
    "global_n2": ("g/n * (G - d/N**2 * v)",),
    "global_dot_in_g_bar": (RIGHT_V, "D / n"),
    "first_only_dot": ("g/n * (G - sum(G*v, (0,))/n**2 * v)",),
    "rank_dot": ("g/n * (G - sum(G*v, (1,))/n**2 * v)",),
    **{
        f"{which}_norm": (f"g/{n} * (G - d/{n}**2 * v)", f"sum(G * v / {n})")
        for which, n in (
            ("first_only", "np.sqrt(sum(v*v, (0,)))"),
            ("rank", "np.sqrt(sum(v*v, (1,)))"),
        )
    },
}

# Forms with an eps that nobody declared; the name depends on whether the forward has it too.
EPS = {
    "inside 1e-3": ("g/(n*n+1e-3)**.5 * (G - d/(n*n+1e-3) * v)", "d / (n*n+1e-3)**.5"),
    "inside 1e-5": ("g/(n*n+1e-5)**.5 * (G - d/(n*n+1e-5) * v)", "d / (n*n+1e-5)**.5"),
    "outside 1e-2": ("g/(n+1e-2) * (G - d/(n+1e-2)**2 * v)", "d / (n+1e-2)"),
    "outside 1e-4": ("g/(n+1e-4) * (G - d/(n*(n+1e-4)) * v)", "d / (n+1e-4)"),
    "outside 1e-6": ("g/(n+1e-6) * (G - d/(n*(n+1e-6)) * v)", "d / (n+1e-6)"),
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

# In no catalogue, and no coefficient either: what of it is a pair of (v_bar, g_bar)
UNCLASSIFIED = tuple(
    (texts.get("v_bar", RIGHT_V), texts.get("g_bar", RIGHT_G))
    for texts in map(unclassified.UNCLASSIFIED.__getitem__, (
        "v_squared_added", "tanh", "abs_v", "cumulative", "g_bar_tanh", "g_bar_centred",
        "centred", "sorted_v", "positions", "g_bar_rounded",
    ))
)


# ---- wiring -------------------------------------------------------------------------------------


def narrow(w_bar, v, g):
    to = {"float64": "float32", "float32": "float16"}[str(v.dtype)]
    return tuple(x.astype(v.dtype) for x in correct(*(x.astype(to) for x in (w_bar, v, g))))


def ignores_strides(w_bar, v, g):
    """Reads w_bar's memory in the order in which it lies."""
    return correct(w_bar.ravel(order="K").reshape(w_bar.shape), v, g)


def _edited(*how):
    return lambda: index.edited(*how).backward


def _moved(what, move):
    return lambda: index.moved(what, move).backward


# (name, a function that makes the mutant, ids one of which has to be first)
WIRING = (
    ("last row not written", _edited("v_bar", -1, "zero"), {"last_row_zero"}),
    ("last element not written", _edited("v_bar", (..., -1), "zero"), {"last_elem_zero"}),
    ("last element off", _edited("v_bar", (..., -1), "twice"), {"last_elem_off"}),
    ("last gain not written", _edited("g_bar", -1, "zero"), {"last_row_zero"}),
    ("upper end of the sums", lambda: wrong(*SEVERAL["norm_without_last"]),
     {"norm_without_last"}),
    ("w_bar reversed", _moved("w_bar", lambda x: x[::-1]), {"w_bar_reversed"}),
    ("w_bar rolled", _moved("w_bar", lambda x: np.roll(x, 1, -1)), {"w_bar_rolled"}),
    ("w_bar transposed", _moved("w_bar", lambda x: x.T.reshape(x.shape)), {"w_bar_transposed"}),
    ("stale norm", lambda: memory.remembers("norm of the same shape").backward, {"stale_state"}),
    ("accumulates", lambda: memory.remembers("gradients added up").backward, {"accumulates"}),
    ("shared buffer", lambda: memory.buffer("v_bar").backward, {"returns_cache"}),
    ("mutates v", lambda: memory.normalises_v_in_place().backward, {"mutates_input"}),
    ("narrower dtype", lambda: narrow, {"low_precision"}),
    ("ignores strides", lambda: ignores_strides, {"layout"}),
    ("g_bar flat", lambda: lambda *a: (correct(*a)[0], correct(*a)[1].ravel()), {"wrong_shape"}),
    ("another dtype", lambda: lambda *a: tuple(x.astype("float16") for x in correct(*a)),
     {"wrong_dtype"}),
    ("raises", lambda: lambda *a: 1 // 0, {"raises"}),
    ("one answer", lambda: lambda *a: correct(*a)[0], {"raises"}),
    ("alias", lambda: lambda G, v, g: (G, correct(G, v, g)[1]), {"aliases_input"}),
)


# ---- right ones ---------------------------------------------------------------------------------


def _by_rows(f, w_bar, v, g):
    """(w, v_bar, g_bar) of any rank, by a function of rows."""
    V, G = (x.reshape(len(v), math.prod(v.shape[1:])) for x in (v, w_bar))
    w, v_bar, g_bar = f(G, V, g.reshape(-1, 1))
    return w.reshape(v.shape), v_bar.reshape(v.shape), g_bar.reshape(g.shape)


def jacobian(w_bar, v, g):
    """(g/n) (I - v v^T / n^2) w_bar, the matrix written out."""
    V, G = v.reshape(len(v), -1), w_bar.reshape(len(v), -1)
    n = np.sqrt((V * V).sum(axis=1))[:, None, None]
    P = np.eye(V.shape[1], dtype=v.dtype) - V[:, :, None] * V[:, None, :] / n**2
    v_bar = (g.reshape(-1, 1, 1) / n * P @ G[:, :, None])[..., 0]
    return v_bar.reshape(v.shape), ((V * G).sum(axis=1) / n[:, 0, 0]).reshape(g.shape)


FORWARDS = {f.name: lambda v, g, f=f: _by_rows(f, v, v, g)[0] for f in CORRECT}
BACKWARDS = {f.name: lambda w_bar, v, g, f=f: _by_rows(f, w_bar, v, g)[1:] for f in CORRECT} | {
    "right": correct,
    "jacobian": jacobian,
}


def in_float32(f):
    """f computed in float32, whatever is asked, and rounded once."""

    def g(*arrays):
        found = f(*(x.astype("float32") for x in arrays))
        if isinstance(found, tuple):
            return tuple(x.astype(arrays[0].dtype) for x in found)
        return found.astype(arrays[0].dtype)

    return g
