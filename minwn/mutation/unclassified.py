"""Faults outside the catalogue; correct except at range limits; correct but suspicious-looking."""

from __future__ import annotations

from collections.abc import Iterator

from .mutant import V_BAR, Mutant, of_texts

__all__ = ["mutants"]

UNCLASSIFIED: dict[str, dict[str, str]] = {
    "v_squared_added": {"v_bar": f"{V_BAR} + 0.1*v**2"},
    "tanh": {"v_bar": f"np.tanh({V_BAR})"},
    "abs_v": {"v_bar": "g/n * (G - d/n**2 * abs(v))"},
    "cumulative": {"v_bar": "g/n * (np.cumsum(G, axis=-1) - d/n**2 * v)"},
    "sorted_v": {"v_bar": "g/n * (G - d/n**2 * np.sort(v, axis=-1))"},
    "centred": {"v_bar": "g/n * (G - sum(G)/m - (d - sum(v)*sum(G)/m)/n**2 * v)"},
    "clipped": {"v_bar": f"np.clip({V_BAR}, -0.5, 0.5)"},
    "sign_of_the_answer": {"v_bar": f"np.sign({V_BAR})"},
    "softened": {"v_bar": "g/n * (G - d/(n**2 + abs(v)) * v)"},
    "squared_entries": {"v_bar": "g/n * (G - d/n**2 * v*abs(v))"},
    "cosine": {"v_bar": "g/n * np.cos(v) * (G - d/n**2 * v)"},
    "alternating": {"v_bar": "g/n * (G - d/n**2 * v*(1 - np.arange(v.shape[-1]) % 3))"},
    "positions": {"v_bar": "g/n * (G - d/n**2 * v) * (1 + np.arange(v.shape[-1]) / 100)"},
    "relu": {"v_bar": f"np.maximum({V_BAR}, 0)"},
    "exp_of_v": {"v_bar": "g/n * (G - d/n**2 * np.expm1(v))"},
    "mixed_neighbours": {"v_bar": "g/n * (G - d/n**2 * (v + np.roll(v, 1, -1))/2)"},
    "weight_decay": {"v_bar": f"{V_BAR} + 1e-2 * v**3"},
    "log_norm": {"v_bar": "g/n * (G - d/n**2 * v) * np.log1p(n)"},
    "norm_plus_abs_d": {"v_bar": "g/(n + abs(d)) * (G - d/n**2 * v)"},
    "sine_of_d": {"v_bar": "g/n * (G - np.sin(d)/n**2 * v)"},
    "g_bar_tanh": {"g_bar": "np.tanh(d / n)"},
    "g_bar_centred": {"g_bar": "(d - sum(v)*sum(G)/m) / n"},
    "g_bar_midrange": {
        "g_bar": "m/2 * ((G*v).max(own, keepdims=True) + (G*v).min(own, keepdims=True)) / n"
    },
    "g_bar_largest": {"g_bar": "(G*v).max(axis=own, keepdims=True) / n"},
    "g_bar_clipped": {"g_bar": "np.clip(d / n, -0.25, 0.25)"},
    "g_bar_rounded": {"g_bar": "np.rint(8 * d / n) / 8"},
    "w_tanh": {"w": "np.tanh(g * v / n)"},
    "w_centred": {"w": "g * (v - sum(v)/m) / n"},
    "w_cubed": {"w": "g * v**3 / n**3"},
    "w_softsign": {"w": "g * v / (n + abs(v))"},
    "w_rounded": {"w": "np.rint(16 * g * v / n) / 16"},
}

LIMITS = {
    "squares": ("n is the root of a sum of squares, which may leave the range", {}),
    "cube": (
        "n^3 is formed, and leaves the range at a third of it",
        {"v_bar": "g * G / n - g * d / n**3 * v"},
    ),
    "inverse_cube": (
        "1/n^3 is formed, as PyTorch's kernel does",
        {"v_bar": "g * (1/n) * G - g * d * (1/n)**3 * v", "g_bar": "d * (1/n)"},
    ),
    "gv_first": (
        "products before the division", {"w": "(g * v) / n", "v_bar": "g * (G*n**2 - d*v) / n**3"},
    ),
    "floor_tiny": (
        "max(n, 1e-12): right for any longer slice",
        {"v_bar": "g/np.maximum(n,1e-12)*(G-d/np.maximum(n,1e-12)**2*v)",
         "g_bar": "d/np.maximum(n,1e-12)", "w": "g*v/np.maximum(n,1e-12)"},
    ),
    "clipped_norm": (
        "n clipped to 1e-6 ... 1e6",
        {"v_bar": "g/np.clip(n,1e-6,1e6)*(G-d/np.clip(n,1e-6,1e6)**2*v)",
         "g_bar": "d/np.clip(n,1e-6,1e6)"},
    ),
    "flushed": (
        "what is below 1e-30 is taken for 0",
        {"g_bar": "np.where(abs(d) < 1e-30, 0, d) / n",
         "v_bar": "np.where((abs(v) < 1e-30) & (v != 0), 0, g/n * (G - d/n**2 * v))"},
    ),
}

# Right in spite of what they look like, each with its proof.
EQUAL = {
    "signs_twice": (
        "g/n * (G - d/n**2 * v)".replace("d", "sum(G*-v)").replace("* v)", "* -v)"), "d / n",
        "the projection has v twice: (-v)(-v)^T = v v^T",
    ),
    "norm_of_abs": (
        "g/np.sqrt(sum(abs(v)**2)) * (G - d/n**2 * v)", "d / np.sqrt(sum(abs(v)**2))",
        "|x|^2 = x^2 for real x",
    ),
    "projected_twice": (
        "g/n * ((G - d/n**2*v) - sum((G - d/n**2*v)*v)/n**2 * v)", "d / n",
        "P = I - v v^T/n^2 is a projection: P P = P",
    ),
    "abs_and_sign": (
        "abs(g)*np.sign(g)/n * (G - d/n**2 * v)", "d / n", "|g| sign(g) = g",
    ),
    "unit_vectors": (
        "g/n * (G - sum(G*(v/n)) * (v/n))", "sum(G * (v/n))",
        "d/n^2 v = <G, v/n> v/n",
    ),
    "divided_last": (
        "(g/n * (G*n**2 - d*v))/n**2", "d / n", "(G n^2 - d v)/n^2 = G - (d/n^2) v",
    ),
    "halves": (
        "(g/2)/n * (2*G - 2*d/n**2 * v)", "(2*d) / (2*n)", "1/2 and 2 are exact, and cancel",
    ),
    "from_g_bar": ("(g*G - w*(d/n)) / n", "d / n", "g d/n^2 v = w d/n, as w = g v/n"),
}


def mutants() -> Iterator[Mutant]:
    """Unclassified faults, limits of range, and mutants that are equal to the truth."""
    for slug, texts in UNCLASSIFIED.items():
        faults = ["clipped"] if slug == "clipped" else []
        yield of_texts(f"strange.{slug}", texts, *faults)
    for slug, (what, texts) in LIMITS.items():
        yield of_texts(f"range.{slug}", texts, what=what, limit=True)
    for slug, (v_bar, g_bar, proof) in EQUAL.items():
        yield of_texts(f"equal.{slug}", {"v_bar": v_bar, "g_bar": g_bar}, proof=proof)
