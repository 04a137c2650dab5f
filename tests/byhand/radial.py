"""Weight normalisation once more, on a path of its own: w = g phi(q) v with q = <v, v>.

Here phi and its two derivatives by q carry each form; `minwn.byhand.weight_norm` works with unit
vectors and lengths instead. The formulas hold for any numbers: floats, or mpmath's with 50 digits.

Written with the size of every number in place of the number, the same formulas add up absolute
values. That is the scale S against which rounding is judged: an evaluation in any order errs by at
most C u S, where C counts the roundings on the longest path from an input to the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

ANSWERS = ("w", "v_bar", "g_bar", "by_w_bar", "by_v", "by_g")


def roundings(m: int, form: str = "plain") -> dict[str, float]:
    """C for slices of m entries. A dot product has m roundings, a norm m/2 + 1 (the root halves
    the error of the sum), a product or quotient 1. A length with eps has a few more."""
    more = 0 if form == "plain" else 12
    return {
        "w": m / 2 + 3 + more,
        "g_bar": 1.5 * m + 2 + more,
        "v_bar": 2.5 * m + 8 + more,
        "by_w_bar": 2.5 * m + 8 + more,  # the forward product: the same operations
        "by_g": 3.5 * m + 8 + more,  # two dots, three divisions by n
        "by_v": 4.5 * m + 16 + more,  # two dots, five divisions by n
    }


def radial(form: str, q: Any, eps: Any, count: int, sqrt: Any) -> tuple[Any, Any, Any]:
    """phi, phi' and phi'' at q."""
    n = sqrt(q)
    if form in ("plain", "inside"):
        r = 1 / sqrt(q + eps)
        return r, -(r**3) / 2, 3 * r**5 / 4
    if form in ("max_q", "max_n"):
        floor = sqrt(np.asarray(eps + 0 * q)) if form == "max_q" else eps
        above = n > floor
        r = 1 / np.where(above, n, floor)
        return r, -(above * r**3) / 2, 3 * above * r**5 / 4
    k = sqrt(np.asarray(count + 0 * q)) if form == "rms" else 1
    r = 1 / (n + k * eps)
    return k * r, -k * r**2 / (2 * n), k * (r**2 / (4 * n**3) + r**3 / (2 * n**2))


def derivatives(
    v: Any, g: Any, w_bar: Any, A: Any, B: Any, *, eps: Any, form: str, sizes: bool = False,
    sqrt: Any = np.sqrt,
) -> dict[str, Any]:
    """w, (v_bar, g_bar), and (by_w_bar, by_v, by_g) for the cotangents A of v_bar, B of g_bar.

    by_w_bar is also the forward product along (A, B). `sizes` gives the scale S of each.
    """
    axes = tuple(i for i in range(v.ndim) if g.ndim == 0 or g.shape[i] != v.shape[i])

    def dot(x: Any, y: Any) -> Any:
        products = np.asarray(x * y)  # of 0-d arrays of objects NumPy makes the bare object
        return np.asarray(products.sum(axis=axes, keepdims=True)).reshape(g.shape)

    def size(x: Any) -> Any:
        return np.asarray(abs(x))

    count = v.size // max(g.size, 1)
    phi = radial(form, dot(v, v), eps, count, sqrt)
    if sizes:
        v, g, w_bar, A, B = map(size, (v, g, w_bar, A, B))
        phi = tuple(map(size, phi))
    f, f1, f2 = phi
    s, a, c = dot(w_bar, v), dot(A, v), dot(A, w_bar)
    answers = {
        "w": g * f * v,
        "v_bar": g * (f * w_bar + 2 * f1 * s * v),
        "g_bar": f * s,
        "by_w_bar": g * (f * A + 2 * f1 * a * v) + B * f * v,
        "by_v": g * (2 * f1 * (c * v + a * w_bar + s * A) + 4 * f2 * s * a * v)
        + B * (2 * f1 * s * v + f * w_bar),
        "by_g": f * c + 2 * f1 * s * a,
    }
    return {name: np.asarray(x) for name, x in answers.items()}


def exact(*arrays: Any, eps: float, form: str, sizes: bool = False) -> dict[str, Any]:
    """`derivatives` with 50 digits, whatever the exponents."""
    mpmath = pytest.importorskip("mpmath", reason="the reference needs 50 digits")

    def number(x: Any) -> Any:
        return np.array([mpmath.mpf(float(e)) for e in x.flat] + [None], object)[:-1].reshape(
            x.shape
        )

    with mpmath.workdps(50):
        return derivatives(
            *map(number, arrays), eps=mpmath.mpf(eps), form=form, sizes=sizes,
            sqrt=np.vectorize(mpmath.sqrt, otypes=[object]),
        )


def misses(found: Any, truth: Any, allowed: Any) -> float:
    """The largest |found - truth| / allowed; infinite where the found is not finite."""
    mpmath = pytest.importorskip("mpmath", reason="the reference needs 50 digits")
    if not np.isfinite(found).all():
        return float("inf")
    worst = 0.0
    with mpmath.workdps(50):
        for x, y, t in np.nditer([found, truth, allowed], flags=["refs_ok", "zerosize_ok"]):
            gap = abs(mpmath.mpf(float(x)) - y.item())
            if gap:
                worst = max(worst, float(gap / t.item()) if t.item() else float("inf"))
    return worst
