"""Right numbers with a bad memory: inputs written to, answers shared, results of another call; and
arrays read as if they always lay in rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .mutant import Implementation, Mutant, correct, forward, named, norm, total

__all__ = ["mutants"]


# ---- inputs are written to ----------------------------------------------------------------------


def writes(which: str, by: float) -> Implementation:
    """One of the inputs is scaled in place, after it was used."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        answers = correct(w_bar, v, g)
        x = {"w_bar": w_bar, "v": v, "g": g}[which]
        x *= x.dtype.type(by)
        return answers

    return Implementation(forward, backward)


def normalises_v_in_place() -> Implementation:
    """v /= n to begin with."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        n = norm(v)
        v /= n
        d = total(w_bar * v)
        return g / n * (w_bar - d * v), d

    return Implementation(forward, backward)


def projects_w_bar_in_place() -> Implementation:
    """w_bar -= (d/n^2) v, and then it is returned."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        q, d = total(v * v), total(w_bar * v)
        w_bar -= d / q * v
        w_bar *= g / np.sqrt(q)
        return w_bar, d / np.sqrt(q)

    return Implementation(forward, backward)


def forward_writes_v() -> Implementation:
    """w is written over v."""

    def over(v: Any, g: Any) -> Any:
        v *= g / norm(v)
        return v

    return Implementation(over, correct)


def puts_back() -> Implementation:
    """v is scaled in place and scaled back: right, but not for memory that is only to be read."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        v *= v.dtype.type(2)
        v_bar, g_bar = correct(w_bar, v, g)
        v /= v.dtype.type(2)
        return 2 * v_bar, g_bar

    return Implementation(forward, backward)


# ---- answers share memory -----------------------------------------------------------------------


def returns_input(which: str) -> Implementation:
    """An answer is an input: the numbers are written over those that were given."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        v_bar, g_bar = correct(w_bar, v, g)
        if which == "g":
            g[...] = g_bar
            return v_bar, g
        x = w_bar if which == "w_bar" else v
        x[...] = v_bar
        return x, g_bar

    return Implementation(forward, backward)


def returns_view_where_nothing_changes() -> Implementation:
    """w is v itself where g = n, and w_bar is passed on where it has no component along v."""

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        v_bar, g_bar = correct(w_bar, v, g)
        np.copyto(w_bar, v_bar, where=True)
        return w_bar[:], g_bar

    return Implementation(forward, backward)


class Buffer:
    """Answers in memory that is used again for the next ones of the same shape."""

    def __init__(self, which: str) -> None:
        self.which, self.kept = which, {}  # type: ignore[var-annotated]

    def keep(self, x: Any) -> Any:
        kept = self.kept.setdefault((x.shape, x.dtype), np.empty_like(x))
        kept[...] = x
        return kept

    def forward(self, v: Any, g: Any) -> Any:
        w = forward(v, g)
        return self.keep(w) if self.which == "w" else w

    def backward(self, w_bar: Any, v: Any, g: Any) -> Any:
        v_bar, g_bar = correct(w_bar, v, g)
        v_bar = self.keep(v_bar) if "v_bar" in self.which else v_bar
        return v_bar, self.keep(g_bar) if "g_bar" in self.which else g_bar


def buffer(which: str) -> Implementation:
    """One buffer for one answer, or for two."""
    made = Buffer(which)
    return Implementation(made.forward, made.backward)


# ---- other calls are remembered -----------------------------------------------------------------


class Remembers:
    """Something of an earlier call is used in place of this one's."""

    def __init__(self, what: str) -> None:
        self.what, self.kept, self.calls = what, {}, 0  # type: ignore[var-annotated]

    def forward(self, v: Any, g: Any) -> Any:
        if self.what == "norm of the last forward":
            self.kept["n"] = norm(v)
        if self.what == "w of the same shape":
            return self.kept.setdefault((v.shape, v.dtype), forward(v, g)).copy()
        return forward(v, g)

    def backward(self, w_bar: Any, v: Any, g: Any) -> Any:
        self.calls += 1
        key, n = (v.shape, str(v.dtype)), norm(v)
        v_bar, g_bar = correct(w_bar, v, g)
        if self.what == "norm of the same shape":
            n = self.kept.setdefault(key, n)
        elif self.what == "norm of the last forward":
            saved = self.kept.get("n", n)
            n = saved if saved.shape == n.shape and saved.dtype == n.dtype else n
        elif self.what == "norm of the call before":
            before = self.kept.get(key, n)
            self.kept[key], n = n, before
        elif self.what == "g of the same shape":
            g = self.kept.setdefault(key, g.copy())
        elif self.what == "gradients added up":
            old = self.kept.get(key, (0, 0))
            self.kept[key] = (old[0] + v_bar, old[1] + g_bar)
            return tuple(x.copy() for x in self.kept[key])
        elif self.what == "g_bar added up":
            self.kept[key] = self.kept.get(key, 0) + g_bar
            return v_bar, self.kept[key].copy()
        elif self.what == "every third call":
            return (v_bar * 2, g_bar) if self.calls % 3 == 0 else (v_bar, g_bar)
        elif self.what == "the first call alone":
            return (v_bar, g_bar) if self.calls == 1 else (g / n * w_bar, g_bar)
        return correct(w_bar, v, g, n)


def remembers(what: str) -> Implementation:
    """A memory that is empty."""
    made = Remembers(what)
    return Implementation(made.forward, made.backward)


def noisy(size: float) -> Implementation:
    """Random numbers are added, as from dropout, or from a race."""
    rng = np.random.default_rng(0)

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        v_bar, g_bar = correct(w_bar, v, g)
        noise = 1 + size * rng.standard_normal(v.shape)
        return (v_bar * noise).astype(v.dtype), g_bar

    return Implementation(forward, backward)


# ---- arrays that do not lie in rows -------------------------------------------------------------


def _in_memory(x: Any) -> Any:
    """The numbers of x in the order in which they lie."""
    return np.array(x.ravel(order="K")).reshape(x.shape)


def _from_start(x: Any) -> Any:
    """The numbers that lie behind the first one, as C reads them, where they can be read."""
    if not x.size or x.flags.c_contiguous:
        return x
    base = x
    while isinstance(base.base, np.ndarray):
        base = base.base
    flat = base.ravel(order="K")
    start = (x.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // x.itemsize
    return np.resize(flat[start:], x.shape).astype(x.dtype)


def _unsigned(x: Any) -> Any:
    """Strides taken without their signs."""
    return x[tuple(slice(None, None, -1 if s < 0 else 1) for s in x.strides)]


READS = {"memory order": _in_memory, "from the first number on": _from_start,
         "strides without signs": _unsigned}


def reads(how: str, which: tuple[str, ...]) -> Implementation:
    """Some inputs are read without their strides."""
    read = READS[how]

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        given = {"w_bar": w_bar, "v": v, "g": g}
        return correct(*(read(x) if name in which else x for name, x in given.items()))

    def of_v(v: Any, g: Any) -> Any:
        return forward(read(v), g)

    return Implementation(of_v if which == ("forward",) else forward, backward)


# ---- all of it ----------------------------------------------------------------------------------

CHANGED = "compare the inputs with copies made before the call"
SHARED = "keep an answer, call again with other numbers, and compare"
TWICE = "call twice, with other calls between, and compare with the first answers"
STRIDED = "give arrays that are transposed, or are every second entry of others"


def mutants() -> Iterator[Mutant]:
    """Aliasing first, then layout."""
    written = ("mutates_input",)
    for which, by in (("w_bar", 2), ("v", 2), ("g", 2), ("v", 1.0009765625)):
        yield _mutant(f"writes_{which}.{by}", f"{which} is multiplied by {by} in place",
                      written, CHANGED, writes, which, by)
    for make, text, look in (
        (normalises_v_in_place, "v is normalised in place", CHANGED),
        (projects_w_bar_in_place, "w_bar is projected in place, and returned", CHANGED),
        (forward_writes_v, "the forward writes w over v", CHANGED),
        (puts_back, "v is scaled in place and back", "give arrays that are not to be written to"),
        (returns_view_where_nothing_changes, "v_bar is written into w_bar, of which it is a view",
         CHANGED),
    ):
        yield _mutant(make.__name__, text, ("mutates_input", "aliases_input"), look, make)
    for which in ("w_bar", "v", "g"):
        yield _mutant(f"returns_{which}", f"an answer is {which}, written over",
                      ("aliases_input", "mutates_input"), CHANGED, returns_input,
                      which)
    for which in ("v_bar", "g_bar", "w", "v_bar g_bar"):
        yield _mutant(f"buffer.{which.replace(' ', '+')}", f"{which}: the same memory every time",
                      ("returns_cache",), SHARED, buffer, which)
    for what in (
        "norm of the same shape", "norm of the last forward", "norm of the call before",
        "g of the same shape", "every third call", "the first call alone", "w of the same shape",
    ):
        yield _mutant(f"remembers.{what.replace(' ', '_')}", f"remembered: {what}",
                      ("stale_state", "not_deterministic"), TWICE, remembers, what)
    for what in ("gradients added up", "g_bar added up"):
        yield _mutant(f"remembers.{what.replace(' ', '_')}", f"remembered: {what}",
                      ("accumulates",), TWICE, remembers, what)
    for size in (1e-2, 1e-5):
        yield _mutant(f"noisy.{size:g}", f"v_bar times 1 + {size:g} x, x random",
                      ("not_deterministic", "stale_state"), TWICE, noisy, size)
    for how in READS:
        for inputs in (("w_bar",), ("v",), ("w_bar", "v"), ("forward",)):
            if how == "strides without signs" and inputs == ("w_bar", "v"):
                continue  # v and w_bar are turned alike, and v_bar with them: see `equal`
            slug = f"{how.replace(' ', '_')}.{'+'.join(inputs)}"
            yield Mutant(
                f"layout.{slug}", f"{' and '.join(inputs)} read: {how}",
                functools.partial(reads, how, inputs), named("layout"), look=STRIDED,
            )


def _mutant(
    slug: str, what: str, names: tuple[str, ...], look: str, make: Any, *given: Any
) -> Mutant:
    make = functools.partial(make, *given)
    return Mutant(f"aliasing.{slug}", what, make, named(names), look=look)
