"""An undeclared eps: inside the root, outside, as a floor; everywhere or in one place."""

from __future__ import annotations

from collections.abc import Iterator

from .mutant import DTYPES, Mutant, of_texts

__all__ = ["mutants"]

# h, and y = dh/dv, with e for eps
LENGTHS = {
    "inside": ("(n*n + e)**.5", "(v / (n*n + e)**.5)"),
    "outside": ("(n + e)", "(v / n)"),
    "max": ("np.maximum(n, e)", "(v / n * (n >= e))"),
    "rms": ("(n/m**.5 + e)", "(v / n / m**.5)"),
}
VALUES = {
    "inside": (1e-2, 1e-3, 1e-5, 1e-8, 1e-12),
    "outside": (1e-2, 1e-4, 1e-6, 1e-8),
    "max": (0.25, 1.0),
    "rms": (1e-2, 1e-4),
}
# What rounding may do in float32 is as large as what these do: h moves by less than 2^-24 of it.
UNSEEN_IN_FLOAT32 = (1e-8, 1e-12)
PARTS = {
    "below d": "g/n * (G - d/(n*n + e) * v)",
    "in the factor": "g/(n + e) * (G - d/n**2 * v)",
    "beside the root, below d": "g/n * (G - d/(n + e)**2 * v)",
    "n n below d, y = v/n": "g/(n + e) * (G - d/(n*(n + e)) * v)",
}


def mutants() -> Iterator[Mutant]:
    """In the function and its gradient; in the gradient alone; in one of its places."""
    for form, values in VALUES.items():
        h, y = LENGTHS[form]
        for e in values:
            gradient = {"v_bar": f"g/{h} * (G - d/{h} * {y})", "g_bar": f"d / {h}"}
            everywhere = gradient | {"w": f"g*v / {h}"}
            yield _mutant(f"{form}.everywhere", e, (f"eps_{form}",), everywhere)
            yield _mutant(f"{form}.backward", e, ("eps_in_bwd_only",), gradient)
            if e == values[0]:
                yield _mutant(f"{form}.forward", e, (f"eps_{form}",), {"w": f"g*v / {h}"})
                alone = {"g_bar": f"d / {h}"}
                yield _mutant(f"{form}.g_bar", e, ("eps_in_bwd_only",), alone)
    for place, text in PARTS.items():
        for e in (1e-2, 1e-3):
            yield _mutant(place.replace(" ", "_"), e, ("eps_in_bwd_only",), {"v_bar": text})


def _mutant(slug: str, e: float, names: tuple[str, ...], texts: dict[str, str]) -> Mutant:
    texts = {output: text.replace("e)", f"{e:g})") for output, text in texts.items()}
    dtypes = DTYPES[:1] if e in UNSEEN_IN_FLOAT32 else DTYPES
    return of_texts(f"eps.{slug}.{e:g}", texts, names, dtypes=dtypes)
