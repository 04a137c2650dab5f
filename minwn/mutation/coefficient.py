"""Constants, and powers of n, g and m, where the right ones are others: no catalogue lists them."""

from __future__ import annotations

from collections.abc import Iterator

from .mutant import Mutant, of_texts

__all__ = ["mutants"]

Powers = tuple[float, float, float, float]

# c n^p g^q m^r in front of the right thing: its name, the answer, where the factor stands in it.
# None of these is in the catalogue.
IN_FRONT: dict[str, tuple[str, str, tuple[Powers, ...]]] = {
    "v": ("v_bar", "g/n * (G - {} * d/n**2 * v)", (
        (0.7, 0, 0, 0), (3, 0, 0, 0), (-2, 0, 0, 0), (0.25, 0, 0, 0), (3, 1, 0, 0), (1, -2, 0, 0),
        (1, -3, 0, 0), (1, 3, 0, 0), (1, 0.5, 0, 0), (2, -1, 0, 0), (-1, 0, 2, 0), (1, 0, 3, 0),
        (2, 0, -1, 0), (-1, 1, 1, 0), (0.5, 1, -1, 0), (1, -1, 1, 0), (1, 0, 0, 1), (2, 0, 0, -1),
        (1, 1, 0, -1), (-0.5, -1, 2, 0),
    )),
    "w_bar": ("v_bar", "g/n * ({} * G - d/n**2 * v)", (
        (2, 0, 0, 0), (0.5, 0, 0, 0), (-1, 0, 0, 0), (1, 1, 0, 0), (1, -1, 0, 0), (1, 0, 1, 0),
        (1, 0, -1, 0), (3, 1, 0, 0), (1, 0, 0, -1), (-0.25, 2, 0, 0),
    )),
    "v_bar": ("v_bar", "{} * g/n * (G - d/n**2 * v)", (
        (3, 0, 0, 0), (0.5, 0, 0, 0), (1, 2, 0, 0), (1, -2, 0, 0), (1, 0, 2, 0), (5, 0, -2, 0),
        (1, 1, 1, 0), (-1, -1, 1, 0), (1, 0, 0, -1), (1, 0, 0, -0.5), (-3, 1, 0, 0),
        (0.1, 0.5, 0, 0),
    )),
    "g_bar": ("g_bar", "{} * d/n", (
        (3, 0, 0, 0), (0.5, 0, 0, 0), (1, 2, 0, 0), (1, -2, 0, 0), (1, -3, 0, 0), (1, 1, 1, 0),
        (1, -1, -1, 0), (-1, 1, 0, 0), (1, 0, 2, 0), (0.25, -1, 0, 0), (1, 0, 0, -0.5),
        (-2, 0, 1, 0),
    )),
    "w": ("w", "{} * g*v/n", (
        (3, 0, 0, 0), (0.5, 0, 0, 0), (1, -2, 0, 0), (1, 3, 0, 0), (1, 0, 1, 0), (-2, 0, 0, 0),
        (1, 0, 0, -0.5), (2, 1, 0, 0),
    )),
}
# a of w_bar and b of v, both wrong and each in its own way.
TWO: tuple[tuple[Powers, Powers], ...] = (
    ((2, 0, 0, 0), (3, 0, 0, 0)), ((1, 1, 0, 0), (1, -1, 0, 0)), ((1, 0, 1, 0), (2, 0, 0, 0)),
    ((-1, 0, 0, 0), (0.5, 1, 0, 0)), ((3, 0, -1, 0), (1, 0, 1, 0)), ((1, 1, -1, 0), (1, 2, -1, 0)),
)
# Another sum in the place of d, with the powers that people would give it.
SUMS_IN_V = (
    "sum(G*G)", "n * sum(v)", "sum(abs(G*v))", "sum(abs(G))", "d*d", "3 * sum(G)", "g * sum(G)",
)
SUMS_IN_G = ("sum(G*G) / n", "sum(abs(G*v)) / n", "d*d / n", "sum(v) / n", "2*sum(G) / n")


# One in the catalogue all the same, or two that are in it.
CATALOGUED = {
    "v_bar.1m-1": ("divided_by_m",), "w.1g1": ("gain_squared",),
    "both.1n1g-1.1n2g-1": ("missing_g_over_n", "proj_n1"),
}


def mutants() -> Iterator[Mutant]:
    """By what the factor stands in front of."""
    for where, (output, text, factors) in IN_FRONT.items():
        for powers in factors:
            texts = {output: text.format(factor(powers))}
            yield _mutant(f"{where}.{_slug(powers)}", f"coefficient_of_{where}", texts)
    for first, second in TWO:
        text = f"g/n * ({factor(first)} * G - {factor(second)} * d/n**2 * v)"
        yield _mutant(f"both.{_slug(first)}.{_slug(second)}", "coefficients", {"v_bar": text})
    for sum in SUMS_IN_V:
        yield _mutant(f"v.{sum}", "coefficient_of_v", {"v_bar": f"g/n * (G - {sum} / n**2 * v)"})
    for sum in SUMS_IN_G:
        yield _mutant(f"g_bar.{sum}", "coefficient_of_g_bar", {"g_bar": sum})


def factor(powers: Powers) -> str:
    """As Python: 3 n^2 is "3 * n**2"; a fractional power of g is one of |g|."""
    c, *exponents = powers
    parts = [f"{x}**{e}" for x, e in zip("ngm", exponents, strict=True) if e]
    return " * ".join([f"({c:g})", *(x.replace("**-", "**(-") + ")" * ("**-" in x) for x in parts)])


def _slug(powers: Powers) -> str:
    c, *exponents = powers
    return f"{c:g}" + "".join(f"{x}{e:g}" for x, e in zip("ngm", exponents, strict=True) if e)


def _mutant(slug: str, name: str, texts: dict[str, str]) -> Mutant:
    names = (name, *CATALOGUED.get(slug, ()))
    return of_texts(f"coefficient.{slug.replace(' ', '')}", texts, names)
