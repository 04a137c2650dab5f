"""The points at which weight normalisation is judged, and what `byhand.weight_norm` says there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy

from .. import byhand
from ..backend import Generator
from ..byhand.weight_norm import FORMS, kept_shape

__all__ = ["Problem", "answers", "draw", "place", "points"]


@dataclass(frozen=True)
class Problem:
    """One point: v, g, and the cotangents and tangents of every map, in one dtype.

    A, B: the tangents of v and g for the forward product, the cotangents of v_bar and g_bar for
    the double pullback.
    """

    v: numpy.ndarray
    g: numpy.ndarray
    w_bar: numpy.ndarray
    A: numpy.ndarray
    B: numpy.ndarray
    form: str = "plain"
    eps: float = 0.0

    @property
    def how(self) -> dict[str, Any]:
        return {"form": self.form, "eps": self.eps}

    @property
    def m(self) -> int:
        """Entries of v for each entry of g."""
        return self.v.size // self.g.size

    def total(self, x: numpy.ndarray) -> numpy.ndarray:
        """The sum of x over each slice, in the shape of g."""
        if self.g.shape == ():
            return x.sum()
        axes = tuple(a for a, (n, k) in enumerate(zip(self.g.shape, x.shape, strict=True)) if n < k)
        return x.sum(axis=axes, keepdims=True)

    def wide(self) -> Problem:
        """The same point in float64, exactly."""
        given = (self.v, self.g, self.w_bar, self.A, self.B)
        v, g, w_bar, A, B = (numpy.asarray(x, dtype="float64") for x in given)
        return Problem(v, g, w_bar, A, B, self.form, self.eps)

    def __str__(self) -> str:
        form = self.form if self.form == "plain" else f"{self.form} eps={self.eps:g}"
        return f"{self.v.dtype} v {self.v.shape}, g {self.g.shape}, {form}"


def answers(p: Problem) -> dict[str, numpy.ndarray]:
    """Everything that `byhand.weight_norm` says about a Problem."""
    wn = byhand.weight_norm
    v_bar, g_bar = wn.vjp(p.w_bar, p.v, p.g, **p.how)
    by_w_bar, by_v, by_g = wn.double_vjp(p.A, p.B, p.w_bar, p.v, p.g, **p.how)
    found = {
        "w": wn.forward(p.v, p.g, **p.how), "v_bar": v_bar, "g_bar": g_bar,
        "w_dot": wn.jvp(p.v, p.g, p.A, p.B, **p.how),
        "by_w_bar": by_w_bar, "by_v": by_v, "by_g": by_g,
    }  # fmt: skip
    for name, x in found.items():
        if x.dtype != p.v.dtype:
            raise TypeError(f"{name} is {x.dtype} for inputs of {p.v.dtype}")
    return found


FUNCTION = {  # that gives each of the answers
    "w": "forward", "v_bar": "vjp", "g_bar": "vjp", "w_dot": "jvp", "by_w_bar": "double_vjp",
    "by_v": "double_vjp", "by_g": "double_vjp",
}  # fmt: skip


def place(name: str, p: Problem) -> str:
    return f"byhand.weight_norm.{FUNCTION[name]} ({p}): {name}"


def draw(
    rng: Generator,
    shape: tuple[int, ...],
    axes: Any,
    *,
    dtype: str = "float64",
    form: str = "plain",
    eps: float = 0.0,
    v_scale: float = 1.0,
    g_scale: float = 1.0,
) -> Problem:
    """A generic point: signed, no slice of unit length, g unrelated to ||v||."""

    def signed(shape: tuple[int, ...], scale: float) -> numpy.ndarray:
        x = scale * rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)
        return numpy.asarray(x, dtype=dtype)

    kept = kept_shape(shape, axes)
    return Problem(
        signed(shape, v_scale), signed(kept, g_scale), signed(shape, 1.0), signed(shape, v_scale),
        signed(kept, g_scale), form, eps,
    )  # fmt: skip


def points(quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """(row of the table, options of `draw`)"""

    def point(what: str, shape: tuple[int, ...], axes: Any, **options: Any) -> Any:
        return what, {"shape": shape, "axes": axes, **options}

    for shape in ((5,), (4, 3), (3, 4, 2), (2, 3, 2, 3), (2, 2, 3, 1, 2)):
        rank = len(shape)
        choices: list[Any] = [*range(rank), -1, None, tuple(range(rank)), (0, -1)]
        for axes in choices[-4:] if quick else choices:
            yield point(f"rank {rank}", shape, axes)
            yield point(f"rank {rank}", shape, axes, form="outside", eps=0.5)
    eps_of = {"plain": [0.0], "rms": [1e-4, 0.5]}
    for form in FORMS:
        for eps in eps_of.get(form, [1e-12, 1e-3, 0.25, 900.0]):
            yield point(f"form {form}", (4, 6), 0, form=form, eps=eps)
            yield point(f"form {form}", (3, 2, 5), -1, form=form, eps=eps)
            yield point(f"form {form}", (3, 7), None, form=form, eps=eps)
    for dtype in ("float16", "float32", "float64"):
        for form in FORMS[:2] if quick else FORMS:
            options = {"form": form, "eps": 0.0 if form == "plain" else 1e-3, "dtype": dtype}
            yield point(dtype, (5, 6), 0, **options)
            yield point(dtype, (3, 2, 3, 3), 1, **options)
            yield point(dtype, (4, 9), None, **options)
    for m in (1, 2, 16, 128, 1024) if quick else (1, 2, 16, 128, 1024, 4096):
        yield point(f"{m} per slice", (2, m), 0)
        yield point(f"{m} per slice", (2, m), 0, dtype="float32")
        yield point("float16", (m,), None, dtype="float16")
    scales = {"float64": (-150, -75, 75, 150), "float32": (-30, -15, 15, 30)}
    for dtype, exponents in scales.items():
        for exponent in exponents[::3] if quick else exponents:
            scale = 10.0**exponent
            for g_scale in (1.0, scale):
                what = f"{dtype} at 1e{exponent:+d}"
                same = {"dtype": dtype, "v_scale": scale, "g_scale": g_scale}
                yield point(what, (3, 5), 0, **same)
                yield point(what, (3, 5), 0, form="inside", eps=scale * scale / 4, **same)
                yield point(what, (3, 5), 0, form="outside", eps=scale, **same)
