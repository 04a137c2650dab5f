"""From a source to the functions that `check` takes: forward(v, g), backward(w_bar, v, g).

Every arrangement of v and g (`AXES` x `GAINS`) is tried on one small problem, in the order of the
table, until all the evidence of `probes` is for one. Otherwise the one with the most evidence is
judged, even if its w is wrong: that is for the verdict to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...mistakes import Terms
from ...mistakes.terms import kept_axes
from ..adapters.autodiff_torch import derivatives
from . import names, probes
from .arrangement import GAINS, Arrangement, Arrays, place
from .calling import Path, assigned, leaves, shape_of
from .probes import Evidence
from .sources import Answer, Source, pulled

__all__ = ["AXES", "Attempt", "attempts", "best", "doubts"]

# (axis that keeps a norm, rank of v), likeliest first: matrices, kernels of convolutions with their
# outputs first, last (Flax, Keras) or second (transposed ones), and single vectors.
AXES: tuple[tuple[Any, int], ...] = (
    (0, 2), (-1, 2), (None, 2), (0, 4), (-1, 4), (0, 3), (-1, 3), (1, 4), (1, 3), (0, 5), (-1, 5),
    (None, 1), (None, 4), (None, 3),
)
SHAPES = {None: ("kept", "number", "one")}  # of g, for an axis
USUAL_SHAPES = ("kept", "flat", "number")


@dataclass
class Attempt:
    """One reading: a source, an arrangement, and where its answers are."""

    source: Source
    arrangement: Arrangement
    settings: dict[str, Any]
    main: Path = ()
    order: dict[str, Path] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)

    # -- the functions that are judged

    def forward(self, v: Any, g: Any) -> Any:
        """w of the oracle's v and g, in the oracle's layout."""
        arrays = {"v": v, "g": g}
        answer, _ = self.source.ask(self._given(arrays))
        return self.arrangement.result(answer.at(self.main), arrays)

    def backward(self, w_bar: Any, v: Any, g: Any) -> tuple[Any, Any]:
        """(v_bar, g_bar), in the shapes of v and g; one that it does not answer is the true one."""
        arrays = {"v": v, "g": g}
        found = self.source.ask(self._given(arrays), w_bar)[1]
        answers = {role: found.at(path) for role, path in self.order.items()} if found else {}
        for role in ("v", "g"):
            if role not in self.order:
                answers[role] = self._truth(role, w_bar, v, g)
        return self.arrangement.gradients(answers, arrays)

    def _truth(self, role: str, w_bar: Any, v: Any, g: Any) -> Any:
        """The true gradient, for one that the source does not answer: so the other can be judged.

        Slices that are not finite are NaN, and do not spread.
        """
        axes = kept_axes(self.arrangement.axis, v.ndim)
        reduced = tuple(a for a in range(v.ndim) if a not in (axes or ()))
        bad = ~np.isfinite(np.asarray(v * w_bar, "float64").sum(axis=reduced, keepdims=True))
        t = Terms(np.where(bad, 0, v), g, np.where(bad, 0, w_bar), axes, *self._length)
        x = t.v_bar() if role == "v" else t.g_bar()
        bad = np.broadcast_to(bad, v.shape) if role == "v" else bad.reshape(np.shape(g))
        return np.where(bad, np.nan, x).astype(v.dtype)

    # -- products and the second order

    def later(self) -> dict[str, Any]:
        """jvp and double_backward, of the file or of the framework, with g in its shape."""
        shape = GAINS[self.arrangement.gain].give
        found: dict[str, Any] = {}
        source, a = self.source, self.arrangement
        if source.autodiff == "torch's" and not a.log and a.gain != "number":
            made = derivatives(lambda v, g: self._weight(v, shape(g)))
            return {role: made[role] for role in ("jvp", "double_backward")}
        if "jvp" in source.later and not a.log:
            f = source.later["jvp"]
            found["jvp"] = lambda v, g, v_dot, g_dot: f(v, shape(g), v_dot, shape(g_dot))
        if "double_backward" in source.later and not a.log:
            second = source.later["double_backward"]

            def double_backward(A: Any, B: Any, w_bar: Any, v: Any, g: Any) -> Any:
                w_bar_bar, v_bar, g_bar = second(A, shape(B), w_bar, v, shape(g))
                return w_bar_bar, v_bar, place(g_bar, np.shape(shape(g)), np.shape(g))

            found["double_backward"] = double_backward
        return found

    def _weight(self, v: Any, g: Any) -> Any:
        """w of the framework's arrays."""
        source = self.source
        assert source.forward is not None
        sized = sizes(v, self.arrangement) if source.make is not None else {}
        holder, inputs = source.prepared({"v": v, "g": g, **sized})
        found = leaves(source.forward(inputs, holder))
        return next(x.value for x in found if shape_of(x.value) == shape_of(v))

    @property
    def _length(self) -> tuple[str, float]:
        return self.settings.get("form", "plain"), self.settings.get("eps", 0.0)

    def _given(self, arrays: Arrays) -> Arrays:
        return self.arrangement.give(arrays) | sizes(arrays["v"], self.arrangement)

    # -- the probes

    def probe(self) -> None:
        """Ask the problem, and keep what it says."""
        a = self.arrangement
        dtype = self.settings.get("dtype", "float64")
        p = probes.weight_norm(a.axis, a.rank, *self._length, dtype)
        truth = shape = False
        with np.errstate(all="ignore"):
            if self.source.forward is not None:
                try:
                    answer, _ = self.source.ask(self._given(p.arrays))
                except probes.FAILURES as error:
                    self.evidence = Evidence(raised=f"{type(error).__name__}: {error}")
                    return
                self.main = self._main(answer, p)
                self.source.backward = self.source.backward or pulled(answer)
                w = a.result(answer.at(self.main), p.arrays)
                truth, shape = probes.close(w, p.w), probes.shaped(w, p.v)
            self.evidence = Evidence(None, truth, shape)
            if self.source.differentiates:
                self.evidence = self._probe_backward(p, truth, shape)
            if shape and not truth and a.axis is not None:
                with contextlib.suppress(*probes.FAILURES):
                    self.evidence = replace(self.evidence, local=self._local(p))

    def _main(self, answer: Answer, p: probes.Problem) -> Path:
        """Where w is: the array that is called so; of those with v's shape w itself, or the first.
        """
        fits = [x for x in answer.leaves if np.shape(x.value) == p.v.shape]
        named = [x for x in answer.leaves if names.role(x.name) in ("w", "y")]
        right = [
            x for x in fits if probes.close(self.arrangement.result(x.value, p.arrays), p.w)
        ] if len(fits) > 1 else []
        chosen = [x for x in fits if x in named] or right or fits or named or answer.leaves
        return chosen[0].path if chosen else ()

    def _probe_backward(self, p: probes.Problem, truth: bool, shape: bool) -> Evidence:
        given = self._given(p.arrays)
        alone = self.source.forward is None
        try:
            answer = self.source.ask(given, p.w_bar.copy())[1]
        except probes.FAILURES as error:
            said = f"{type(error).__name__}: {error}"
            return Evidence(said if alone else None, truth, shape, backward_raised=said)
        assert answer is not None
        wanted = {"v": p.v.shape, "g": np.shape(given["g"])}
        self.order = assigned(answer.leaves, wanted, ("v", "g"))
        self.source.settle(self.order)
        if not self.order:
            said = f"backward answered no gradient: {_told(answer)}"
            return Evidence(said if alone else None, truth, shape, backward_raised=said)
        v_bar, g_bar = (answer.at(self.order[r]) if r in self.order else None for r in ("v", "g"))
        gain = None if g_bar is None else probes.shaped(g_bar, given["g"])
        if alone:
            shape = v_bar is None or probes.shaped(v_bar, p.v)
            gain = True if gain is None else gain
        degrees = None
        if any(call.guessed for call in self.source.backward):
            degrees = self._degrees(p, v_bar, g_bar)
        return Evidence(None, truth, shape, gain, degrees)

    def _local(self, p: probes.Problem) -> bool:
        """Whether another last slice of v leaves w as it is in the slices before it."""
        axis, arrays, found = self.arrangement.axis, p.arrays, []
        for factor in (1, 3):
            arrays["v"].swapaxes(0, axis)[-1] *= factor
            answer, _ = self.source.ask(self._given(arrays))
            w = np.asarray(self.arrangement.result(answer.at(self.main), arrays))
            found.append(w.swapaxes(0, axis)[:-1])
        return bool(np.array_equal(found[0], found[1]))

    def _degrees(self, p: probes.Problem, v_bar: Any, g_bar: Any) -> int:
        """How many of the three laws of doubling hold."""
        found = 0
        for v, g, w_bar, by_v, by_g in (
            (p.v, p.g, 2 * p.w_bar, 2, 2), (p.v, 2 * p.g, p.w_bar, 2, 1),
            (2 * p.v, p.g, p.w_bar, 0.5, 1),
        ):
            arrays = {"v": np.array(v), "g": np.array(g)}
            answer = self.source.ask(self._given(arrays), np.array(w_bar))[1]
            assert answer is not None
            pairs = [(self.order.get("v"), v_bar, by_v), (self.order.get("g"), g_bar, by_g)]
            found += all(
                path is None or probes.close(answer.at(path), factor * np.asarray(x))
                for path, x, factor in pairs
            )
        return found


def _told(answer: Answer) -> str:
    return ", ".join(f"{x.name or 'an array'} {np.shape(x.value)}" for x in answer.leaves) or "None"


def sizes(v: Any, a: Arrangement) -> Arrays:
    """The sizes by which a constructor makes the weight v, and the axis for those that ask."""
    shape = shape_of(v)
    if a.axis is None or len(shape) < 2:
        n_out, rest = 1, list(shape)
    else:
        axis = a.axis % len(shape)
        n_out, rest = shape[axis], [n for i, n in enumerate(shape) if i != axis]
    n_in = rest[0] if a.axis != -1 else rest[-1]
    kernel = tuple(rest[1:]) if a.axis != -1 else tuple(rest[:-1])
    return {
        "outputs": n_out, "inputs": n_in, "axis": a.axis, "shape": shape,
        "kernel": kernel[0] if len({*kernel}) == 1 else kernel, "bias": True,
        "kernel_height": kernel[0] if kernel else 1, "kernel_width": kernel[-1] if kernel else 1,
    }


def attempts(sources: Sequence[Source], settings: Mapping[str, Any]) -> Iterator[Attempt]:
    """Every reading that the settings leave open, likeliest first."""
    for axis, rank in AXES:
        if "axis" in settings and not _same(settings["axis"], axis, rank):
            continue
        if settings.get("ranks") is not None and rank not in settings["ranks"]:
            continue
        for source in sources:
            called = source.called.get("g", "g")
            logs = [False, True] if names.may_be_log(called) else [False]
            logs = [True] if names.role(called) == "log_g" and called != "s" else logs
            for gain in SHAPES.get(axis, USUAL_SHAPES):
                if gain == "number" and axis is not None:
                    continue
                for log in logs:
                    yield Attempt(source, Arrangement(axis, rank, gain, log), dict(settings))
    if "axis" in settings and settings["axis"] not in [axis for axis, _ in AXES]:
        for source in sources:
            for rank in (2, 3, 4):
                yield Attempt(source, Arrangement(settings["axis"], rank), dict(settings))


def _same(asked: Any, axis: Any, rank: int) -> bool:
    if asked is None or axis is None or isinstance(asked, tuple):
        return asked is axis or asked == axis
    return -rank <= asked < rank and asked % rank == axis % rank


def best(sources: Sequence[Source], settings: Mapping[str, Any]) -> list[Attempt]:
    """The attempts, the best first; where evidence is equal, in the order of the tables."""
    made: list[Attempt] = []
    for attempt in attempts(sources, settings):
        try:
            attempt.probe()
        except IndexError as error:
            attempt.evidence = Evidence(raised=f"{type(error).__name__}: {error}")
        made.append(attempt)
        whole = attempt.arrangement.axis is None  # in one rank, as sum(axis=(0, 1)) is in rank 2
        if attempt.evidence.worth == 5 and not whole:
            break
    return sorted(
        made, key=lambda a: (*a.evidence.rank, a.arrangement.axis is not None), reverse=True)


def doubts(made: Sequence[Attempt]) -> list[Attempt]:
    """Readings that speak against one norm of the whole: in ranks in which it does not hold, g_bar
    has a number for each slice."""
    proved = {
        a.arrangement.rank for a in made if a.arrangement.axis is None and a.evidence.worth == 5}
    return [
        a for a in made if a.arrangement.axis is not None and a.arrangement.rank not in proved
        and a.evidence.worth == 4
    ]
