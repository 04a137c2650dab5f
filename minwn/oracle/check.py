"""The judge: an implementation of weight normalisation, rung by rung.

    hygiene       shapes and dtypes, inputs left alone, no shared memory, the same answer twice
    dyadic        cases in which nothing is rounded
    forward       w against the truth, |error| <= C u S
    gradients     v_bar and g_bar against the truth, likewise
    laws          twelve that need no truth (see `invariants`)
    differences   v_bar and g_bar against differences of the accused's own forward
    product       the forward product w_dot; second order: the pullback of the pullback

All rungs are climbed, so that a report says what holds as well. "differences" tells two faults
apart: a backward that contradicts the truth but not its own forward is the consistent gradient of
a different function.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .bounds import bounds, second_bounds
from .cases import GROUPS, Case, cases
from .diagnosis import Diagnosis, Observation, diagnose
from .invariants import laws
from .mistakes import SECOND, Terms
from .report import Report, Rung, Smallest, Worst
from .truth import Expected, expected, second

__all__ = ["check"]

Function = Callable[..., Any]
FIRST = ("w", "v_bar", "g_bar")
NAMES = {"forward": ("w",), "backward": ("v_bar", "g_bar")}


def check(
    forward: Function | None = None,
    backward: Function | None = None,
    *,
    jvp: Function | None = None,
    double_backward: Function | None = None,
    axis: int | tuple[int, ...] | None = 0,
    form: str = "plain",
    eps: float = 0.0,
    name: str | None = None,
    dtype: Any = "float64",
    accumulate: Any = None,
    ranks: Iterable[int] | None = None,
    groups: Iterable[str] | None = None,
    accept: Iterable[str] = (),
    quick: bool = True,
) -> Report:
    """Judge w = g v / h(v) and its derivatives, given as functions of NumPy arrays.

    forward(v, g) -> w
    backward(w_bar, v, g) -> (v_bar, g_bar)
    jvp(v, g, v_dot, g_dot) -> w_dot
    double_backward(v_bar_bar, g_bar_bar, w_bar, v, g) -> (w_bar_bar, v_bar, g_bar)

    g keeps v's rank, with 1 along every axis that a norm runs over, or is 0-d for axis=None.
    axis: the axes that keep a norm each. form, eps: the length h that is meant, as in
    `byhand.weight_norm`. accumulate: the dtype of the sums, where it is wider than dtype. ranks: of
    v; by default 2 alone, where a matrix has that axis, for many an implementation knows no others
    and would be accused of what it never claimed; ranks=range(1, 6) for all. accept: ids of
    differences that are declared, for a verdict of
    ACCEPTABLE. quick: the first cases of each group, not all.
    Raises OracleFault where the judge contradicts itself, and TypeError for other dtypes than
    float16, float32 and float64.
    """
    start = time.perf_counter()
    dtype = np.dtype(dtype)
    if dtype.name not in ("float16", "float32", "float64"):
        raise TypeError(f"dtype {dtype}; choose float16, float32 or float64")
    accused = Accused(forward, backward, jvp, double_backward)
    if ranks is None:
        ranks = (2,) if axis in (-2, -1, 0, 1) else range(1, 6)
    trial = Trial(
        accused, axis, form, float(eps), dtype, np.dtype(accumulate or dtype),
        set(ranks), tuple(GROUPS if groups is None else groups), quick,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        trial.run()
        return trial.report(name or accused.name, set(accept), start)


@dataclass
class Accused:
    """The functions to be judged; each answers on arrays of its own, and may fail."""

    forward: Function | None
    backward: Function | None
    jvp: Function | None
    double_backward: Function | None

    @property
    def name(self) -> str:
        for f in (self.backward, self.forward, self.jvp, self.double_backward):
            if f is not None:
                return getattr(f, "__qualname__", type(f).__name__)
        return "nothing"

    def call(self, what: str, *arrays: np.ndarray, copy: bool = True) -> tuple[np.ndarray, ...]:
        """The answers as arrays. Raises whatever the function raises."""
        given = [np.array(x, order="C") if copy else x for x in arrays]
        with np.errstate(all="ignore"):
            answer = getattr(self, what)(*given)
        count = {"forward": 1, "jvp": 1, "backward": 2, "double_backward": 3}[what]
        if count == 1:
            return (_array(answer),)
        if not isinstance(answer, tuple | list) or len(answer) != count:
            raise TypeError(f"{what} must return {count} arrays, got {type(answer).__name__}")
        return tuple(_array(x) for x in answer)


def _array(x: Any) -> np.ndarray:
    x = np.array(x)  # a copy: the next call may write to the same memory
    if x.dtype.kind not in "fiub":
        raise TypeError(f"an answer of dtype {x.dtype}; return arrays of floating numbers")
    return x


@functools.lru_cache(maxsize=4096)
def _truth(key: str, dtype: str, axis: Any, form: str, eps: float) -> Expected:
    case = next(c for c in _cases(dtype, axis, False) if c.id == key)
    return expected(case.v, case.g, case.w_bar, form=form, eps=eps, certify="")


@functools.lru_cache(maxsize=16)
def _cases(dtype: str, axis: Any, quick: bool) -> tuple[Case, ...]:
    return tuple(cases(dtype, axis=axis, quick=quick))


def allowance(
    v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, form: str, eps: float, accumulate: Any = None
) -> dict[str, np.ndarray]:
    """How far each answer may be from the rounded truth."""
    found = bounds(v, g, w_bar, form=form, eps=eps, accumulate=accumulate)
    return found._asdict()


def wide(x: Any) -> np.ndarray:
    return np.asarray(x, dtype="float64")


def ordinary(v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, accumulate: Any) -> bool:
    """Whether n^3 d and the like are in range, so that any order of evaluation is."""
    top = int(np.finfo(accumulate).maxexp)
    sizes = [1.0]
    for x in (v, w_bar, g):
        largest = np.abs(wide(x))
        sizes += largest[(largest > 0) & np.isfinite(largest)].tolist()
    return 4.5 * max(abs(math.log2(x)) for x in sizes) < top


@dataclass
class Trial:
    """One run of the judge: the evidence, as it is collected."""

    accused: Accused
    axis: Any
    form: str
    eps: float
    dtype: np.dtype[Any]
    accumulate: np.dtype[Any]
    ranks: set[int] | None
    groups: tuple[str, ...]
    quick: bool
    observations: list[Observation] = field(default_factory=list)
    beyond: list[Observation] = field(default_factory=list)  # right or not, out of ordinary range
    faults: list[Diagnosis] = field(default_factory=list)
    errors: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    laws: dict[str, float] = field(default_factory=dict)
    later: list[Diagnosis] = field(default_factory=list)
    consistent: bool | None = None
    conventions: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    judged: int = 0

    def run(self) -> None:
        self.gather()
        self.hygiene()
        for rung, outputs, group in (
            ("dyadic", FIRST, "dyadic"), ("forward", ("w",), ""), ("gradients", FIRST[1:], ""),
        ):  # fmt: skip
            self.rungs.append(self.compared(rung, outputs, group))
        self.test_laws()
        self.differences()
        self.products()

    # -- collecting

    def chosen(self) -> Iterator[Case]:
        for case in _cases(str(self.dtype), self.axis, self.quick):
            if case.group in self.groups and (self.ranks is None or case.v.ndim in self.ranks):
                yield case

    def gather(self) -> None:
        """Every case once: the answers beside the truth."""
        wanted = [what for what in NAMES if getattr(self.accused, what) is not None]
        for case in self.chosen() if wanted else ():
            truth = _truth(case.id, str(self.dtype), self.axis, self.form, self.eps)
            got: dict[str, np.ndarray] = {}
            for what in wanted:
                self.asked += 1
                arrays = (case.v, case.g) if what == "forward" else (case.w_bar, case.v, case.g)
                try:
                    answers = self.accused.call(what, *arrays, copy=case.v.flags.writeable)
                except Exception as error:
                    self.errors.setdefault(what, []).append(
                        f"{case.id} {case.v.shape}: {type(error).__name__}: {error}"
                    )
                    if case.group == "layout" and "read-only" in str(error):
                        self.fault("mutates_input", what, f"{case.id} ({case.flags[0]}): {error}")
                    continue
                got |= dict(zip(NAMES[what], answers, strict=True))
            if got:
                self.file(case, truth, got)

    def file(self, case: Case, truth: Expected, got: dict[str, np.ndarray]) -> None:
        shaped: dict[str, np.ndarray] = {}
        for output, x in got.items():
            want = case.g.shape if output == "g_bar" else case.v.shape
            if x.shape != want:
                self.fault(
                    "wrong_shape", output, f"{case.id}: {output} has shape {x.shape}, not {want}"
                )
                if x.size != math.prod(want):
                    continue
            if x.dtype != self.dtype:
                self.fault("wrong_dtype", output, f"{case.id}: {output} is {x.dtype}")
            shaped[output] = wide(x).reshape(want)
        room = self.room(case.v, case.g, case.w_bar)
        right = {output: wide(getattr(truth, output)) for output in shaped}
        if case.group == "undefined":
            self.convention(case, right, shaped)
        for output, x in shaped.items():
            # Where there is no truth, whatever was answered is as good.
            none = np.isnan(right[output]) | ~np.isfinite(room[output])
            shaped[output] = np.where(none, right[output], x)
            self.judged += int((~none).sum())
            right[output] = np.where(none, 0.0, right[output])
            shaped[output] = np.where(none, 0.0, shaped[output])
        o = Observation(
            case.id, case.group, wide(case.v), wide(case.g), wide(case.w_bar), case.axes, shaped,
            right, room, self.form, self.eps, case.flags, self.dtype,
        )  # fmt: skip
        usual = case.group != "range" and (
            case.group == "undefined" or ordinary(case.v, case.g, case.w_bar, self.accumulate)
        )
        usual = usual and case.flags != ("result overflows",) and case.v.size > 0
        (self.observations if usual else self.beyond).append(o)

    def room(self, v: Any, g: Any, w_bar: Any) -> dict[str, np.ndarray]:
        return allowance(v, g, w_bar, self.form, self.eps, self.accumulate)

    def convention(
        self, case: Case, right: dict[str, np.ndarray], got: dict[str, np.ndarray]
    ) -> None:
        """What is answered where nothing is right."""
        for output, x in got.items():
            there = x[np.isnan(right[output])]
            if case.flags and there.size and case.flags[0] == "zero slice":
                kinds = {
                    "NaN"
                    if math.isnan(y)
                    else "inf"
                    if math.isinf(y)
                    else "0"
                    if y == 0
                    else "finite"
                    for y in there.ravel().tolist()
                }
                self.conventions[output] = "/".join(sorted(kinds))

    def fault(self, id: str, output: str, evidence: str) -> None:
        if any(f.id == id and output in f.outputs for f in self.faults):
            return
        text, fix = HYGIENE[id]
        self.faults.append(Diagnosis(id, text, fix, evidence, (output,)))

    # -- rungs

    def compared(self, rung: str, outputs: Sequence[str], group: str) -> Rung:
        checked = failed = 0
        worst = 0.0
        inexact = 0
        for o in self.observations:
            if group and o.group != group:
                continue
            for output in outputs:
                if output in o.got:
                    ratio = o.ratio(output)
                    checked += ratio.size
                    failed += int((ratio > 1).sum())
                    worst = max(worst, float(ratio.max(initial=0.0)))
                    if "exact" in o.flags and self.form == "plain":
                        inexact += int((o.got[output] != o.expected[output]).sum())
        note = ""
        if group and inexact and not failed:
            note = (
                f"dyadic: {inexact} numbers are not exact, though +, -, *, / and sqrt, in any "
                f"order, would not round here"
            )
            self.notes.append(note)
        return Rung(rung, checked, failed, worst, note)

    def plain_case(self) -> Case | None:
        """A generic matrix, with which to ask about everything but numbers."""
        every = _cases(str(self.dtype), self.axis, True)
        return next(
            (
                c
                for c in every
                if c.group == "generic" and (not self.ranks or c.v.ndim in self.ranks)
            ),
            None,
        )

    def hygiene(self) -> None:
        """Inputs, memory, and memory of another kind."""
        case = self.plain_case()
        if case is None:
            return
        for what in NAMES:
            if getattr(self.accused, what) is None:
                continue
            try:
                self._hygiene_of(what, case)
            except Exception as error:
                self.fault("raises", what, f"{case.v.shape}: {type(error).__name__}: {error}")
        for what, found in self.errors.items():
            right = any(set(NAMES[what]) & set(o.got) for o in self.observations)
            if not right:
                self.fault("raises", what, found[0])
            else:
                self.notes.append(f"{what} raised in {len(found)} cases, such as {found[0]}")
        self.rungs.append(Rung("hygiene", 6, len(self.faults), float(len(self.faults))))

    def _hygiene_of(self, what: str, case: Case) -> None:
        def arrays(scale: float = 1.0) -> list[np.ndarray]:
            # Another problem of the same shape: a cached norm would be of the wrong one.
            v = np.ascontiguousarray(np.flip(case.v)) * self.dtype.type(scale)
            w_bar = np.array(case.w_bar)
            return [v, np.array(case.g)] if what == "forward" else [w_bar, v, np.array(case.g)]

        f = getattr(self.accused, what)
        given = arrays()
        before = [x.copy() for x in given]
        with np.errstate(all="ignore"):
            first = f(*given)
            first = tuple(first) if what == "backward" else (first,)
            kept = [np.array(x, copy=True) for x in first]
            if any((x != y).any() for x, y in zip(given, before, strict=True)):
                self.fault("mutates_input", what, f"an input of shape {case.v.shape} was changed")
            for x in first:
                if isinstance(x, np.ndarray) and any(np.shares_memory(x, y) for y in given):
                    self.fault("aliases_input", what, "an answer shares memory with an input")
            self.accused.call(what, *arrays(2.0))
            if any((np.asarray(x) != y).any() for x, y in zip(first, kept, strict=True)):
                self.fault("returns_cache", what, "a later call changed an earlier answer")
            if self.accused.forward is not None and what == "backward":
                self.accused.call("forward", *arrays(4.0)[1:])
            again = self.accused.call(what, *arrays())
        same = all(np.array_equal(x, y, equal_nan=True) for x, y in zip(kept, again, strict=True))
        twice = self.accused.call(what, *arrays())
        steady = all(
            np.array_equal(x, y, equal_nan=True) for x, y in zip(again, twice, strict=True)
        )
        if not same:
            id = "stale_state" if steady else "not_deterministic"
            self.fault(id, what, "two calls with the same inputs differ, with other calls between")
        elif self._first_right_then_wrong(what, case):
            self.fault(
                "stale_state", what, "the first call of a shape is right, the next one wrong"
            )

    def _first_right_then_wrong(self, what: str, case: Case) -> bool:
        t = Terms(case.v, case.g, case.w_bar, case.axes)
        axis = t.reduced[-1]
        v, w_bar = (np.concatenate([x, x, x], axis=axis) for x in (case.v, case.w_bar))
        right = []
        for direction in (v, np.flip(v).copy()):
            output = NAMES[what][-1]
            inputs = (direction, case.g) if what == "forward" else (w_bar, direction, case.g)
            got = wide(self.accused.call(what, *inputs)[-1])
            t = Terms(direction, case.g, w_bar, case.axes, self.form, self.eps)
            truth, room = getattr(t, output)(), self.room(direction, case.g, w_bar)[output]
            right.append(bool((abs(got.reshape(truth.shape) - truth) <= 2 * room).all()))
        return right == [True, False]

    def test_laws(self) -> None:
        if self.accused.backward is None:
            return

        def room(v: Any, g: Any, w_bar: Any) -> tuple[Any, Any]:
            found = self.room(v, g, w_bar)
            return found["v_bar"], found["g_bar"]

        def answer(w_bar: Any, v: Any, g: Any) -> Any:
            return self.accused.call("backward", w_bar, v, g)

        count = 0
        for case in _cases(str(self.dtype), self.axis, True):
            if (
                case.group != "generic"
                or count == 2
                or (self.ranks and case.v.ndim not in self.ranks)
            ):
                continue
            count += 1
            if not ordinary(case.v, case.g, case.w_bar, self.accumulate):
                continue
            try:
                found = laws(
                    answer, case.v, case.g, case.w_bar, axes=case.axes, form=self.form,
                    eps=self.eps, allowed=room,
                )  # fmt: skip
            except Exception as error:
                self.errors.setdefault("laws", []).append(f"{type(error).__name__}: {error}")
                continue
            for law, ratio in found.items():
                self.laws[law] = max(self.laws.get(law, 0.0), ratio)
        failed = sum(ratio > 1 for ratio in self.laws.values())
        self.rungs.append(
            Rung("laws", len(self.laws), failed, max(self.laws.values(), default=0.0))
        )

    def differences(self) -> None:
        """Is backward the derivative of the accused's own forward? In float64, entry by entry."""
        if self.accused.forward is None or self.accused.backward is None:
            return
        checked, failed, worst = 0, 0, 0.0
        every = _cases("float64", self.axis, True)
        longer = [c for c in every if c.group == "axes" and c.v.ndim == 3 and c.v.size > 6]
        for case in [c for c in every if c.group == "generic"][:2] + longer[:1]:
            if self.ranks and case.v.ndim not in self.ranks:
                continue
            try:
                ratios = _differences(self.accused, case, self.form, self.eps)
            except Exception:
                continue
            checked += len(ratios)
            failed += sum(r > 1 for r in ratios)
            worst = max(worst, *ratios)
        if checked:
            self.consistent = failed == 0
            self.rungs.append(Rung("differences", checked, failed, worst))

    def products(self) -> None:
        """w_dot, and the second order."""
        table = {
            "jvp": ("product", ("w_dot",)),
            "double_backward": ("second order", ("by_w_bar", "by_v", "by_g")),
        }
        for what, (rung, outputs) in table.items():
            if getattr(self.accused, what) is None:
                continue
            checked, failed, worst = 0, 0, 0.0
            seen: list[tuple[Case, dict[str, np.ndarray], dict[str, np.ndarray]]] = []
            for case in _cases(str(self.dtype), self.axis, True):
                if case.group not in ("dyadic", "generic", "axes") or not case.v.size:
                    continue
                if self.ranks and case.v.ndim not in self.ranks:
                    continue
                self.asked += 1
                arrays = (
                    (case.v, case.g, case.A, case.B)
                    if what == "jvp"
                    else (case.A, case.B, case.w_bar, case.v, case.g)
                )
                try:
                    answers = self.accused.call(what, *arrays)
                except Exception as error:
                    self.errors.setdefault(what, []).append(f"{type(error).__name__}: {error}")
                    continue
                truth = second(
                    case.v, case.g, case.w_bar, case.A, case.B, form=self.form, eps=self.eps,
                    certify="",
                )  # fmt: skip
                room = second_bounds(
                    case.v, case.g, case.w_bar, case.A, case.B, form=self.form, eps=self.eps,
                    accumulate=self.accumulate,
                )  # fmt: skip
                got, wrong = {}, {}
                for output, x in zip(outputs, answers, strict=True):
                    right = wide(getattr(truth, output))
                    if x.size != right.size:
                        self.fault("wrong_shape", output, f"{case.id}: {output} is {x.shape}")
                        failed += 1
                        continue
                    got[output] = wide(x).reshape(right.shape)
                    limit = getattr(room, output)
                    with np.errstate(all="ignore"):
                        off = np.abs(got[output] - right)
                        ratio = np.where(off == 0, 0.0, off / limit)
                    ratio = np.where(np.isnan(ratio), np.inf, ratio)
                    checked, failed = checked + ratio.size, failed + int((ratio > 1).sum())
                    worst = max(worst, float(ratio.max(initial=0.0)))
                    wrong[output] = limit
                seen.append((case, got, wrong))
            if not seen and what in self.errors:
                self.fault("raises", what, self.errors[what][0])
            self.rungs.append(Rung(rung, checked, failed, worst))
            if failed:
                self.later += _name_second(seen, outputs, self.form, self.eps)

    # -- the verdict

    def report(self, name: str, accept: set[str], start: float) -> Report:
        given: dict[str, Any] = {
            "name": name, "dtype": str(self.dtype), "form": self.form, "eps": self.eps,
            "axis": self.axis,
        }  # fmt: skip
        order = ["hygiene", "dyadic", "forward", "gradients", "laws", "differences", "product",
                 "second order"]  # fmt: skip
        rungs = sorted(
            (r for r in self.rungs if r.checked or r.failed), key=lambda r: order.index(r.name)
        )
        later = any(r.checked for r in rungs if r.name in ("product", "second order"))
        if not self.judged and not later and not self.faults:
            reasons = [f"{k}: {found[0]}" for k, found in self.errors.items()]
            undefined = bool(self.observations or self.beyond)
            headline = (
                "no case has a true answer" if undefined
                else "no case could be judged" if self.asked
                else "no function was given, or no case is left"
            )  # fmt: skip
            return Report(
                verdict="UNDEFINED" if undefined else "REFUSED", headline=headline, notes=reasons,
                seconds=time.perf_counter() - start, **given,
            )  # fmt: skip
        forward = next((r for r in rungs if r.name == "forward"), None)
        gradients = next((r for r in rungs if r.name == "gradients"), None)
        broken = [law for law, ratio in self.laws.items() if ratio > 1]
        forward_right = None if forward is None else forward.ok
        diagnosis, ambiguous = diagnose(self.observations, broken, forward_right=forward_right)
        if not diagnosis and broken:
            diagnosis = [_lawless(broken)]
        if not diagnosis and self.consistent is False and not self.faults:
            diagnosis = [_inconsistent()]
        if any(f.id in UNSTEADY for f in self.faults):  # then numbers mean little
            diagnosis = [d for d in diagnosis if d.id not in VAGUE]
        diagnosis += self.later
        diagnosis = [*self.faults, *diagnosis] if self.faults else diagnosis
        wrong = [d for d in diagnosis if d.id not in accept]
        verdict = "FAIL" if wrong else "ACCEPTABLE" if diagnosis else "PASS"
        worst = self.worst()
        return Report(
            verdict=verdict,
            headline=self.headline(verdict, forward, gradients, diagnosis),
            grade=self.grade() if verdict == "PASS" else None,
            diagnosis=diagnosis, ambiguous=ambiguous, rungs=rungs, groups=self.by_group(),
            worst=worst, smallest=None if worst is None else self.smallest(worst.output),
            laws=self.laws, consistent=self.consistent, notes=self.all_notes(),
            seconds=time.perf_counter() - start, **given,
        )  # fmt: skip

    def headline(
        self, verdict: str, forward: Rung | None, gradients: Rung | None, found: list[Diagnosis]
    ) -> str:
        if verdict == "PASS":
            return "nothing is wrong that these rungs can see"
        if verdict == "ACCEPTABLE":
            return f"declared: {', '.join(d.id for d in found)}"
        bad_w = forward is not None and not forward.ok
        bad_gradient = gradients is not None and not gradients.ok
        if bad_w and bad_gradient and self.consistent:
            return "a consistent gradient of a different function: w is not what was declared"
        if bad_w and bad_gradient and self.consistent is False:
            return "w is not what was declared, and the gradient does not belong to w either"
        if bad_w and bad_gradient:
            return "w and its gradient are wrong"
        if bad_gradient:
            return "a wrong gradient" + (" of a right forward" if forward is not None else "")
        if bad_w:
            return "w is wrong" + ("; the gradient is that of weight norm" if gradients else "")
        return ", ".join(dict.fromkeys(d.id for d in found)) + ": see below"

    def grade(self) -> str:
        """rounded, faithful or stable, over all ordinary cases."""
        grade = "rounded"
        for o in self.observations:
            for output, x in o.got.items():
                right = o.expected[output]
                if (x == right).all():
                    continue
                grade = "faithful" if grade == "rounded" else grade
                a, b = x.astype(self.dtype), right.astype(self.dtype)
                with np.errstate(all="ignore"):
                    if ((np.nextafter(a, b) != b) & (a != b)).any():
                        return "stable"
        return grade

    def by_group(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for o in self.observations:
            bad = any(o.wrong(output).any() for output in o.got)
            if bad or o.group not in found:
                found[o.group] = "FAIL" if bad else "ok"
        for o in self.beyond:
            bad = any(o.wrong(output).any() for output in o.got)
            if bad or o.group not in found:
                found[o.group] = (
                    "limit" if bad and found.get(o.group) != "FAIL" else found.get(o.group, "ok")
                )
        return found

    def worst(self) -> Worst | None:
        """The entry furthest out, of the generic and dyadic cases if one of them is wrong."""
        found: list[tuple[bool, float, Worst]] = []
        for o in self.observations:
            for output, x in o.got.items():
                ratio = o.ratio(output)
                top = float(ratio.max(initial=0.0))
                if top > 1:
                    at = np.unravel_index(int(ratio.argmax()), ratio.shape)
                    worst = Worst(
                        o.id, output, tuple(int(i) for i in at), x.shape, float(x[at]),
                        float(o.expected[output][at]), float(o.allowed[output][at]),
                    )  # fmt: skip
                    found.append((o.group in ("generic", "dyadic"), top, worst))
        return max(found, key=lambda entry: entry[:2])[2] if found else None

    def all_notes(self) -> list[str]:
        notes = list(dict.fromkeys(self.notes))
        out = [o for o in self.beyond if any(o.wrong(output).any() for output in o.got)]
        if any(not o.v.size for o in out):
            notes.append("empty slices: g_bar is not 0")
        out = [o for o in out if o.v.size]
        if out:
            flags = dict.fromkeys(flag for o in out for flag in o.flags)
            notes.append(
                f"range: wrong in {len(out)} cases at the edges of "
                f"{self.dtype}, where a square leaves the range ({', '.join(list(flags)[:4])})"
            )
        if self.conventions:
            told = ", ".join(f"{output} = {kind}" for output, kind in self.conventions.items())
            notes.append(f"zero slice: {told}")
        return notes

    # -- the smallest case

    def smallest(self, output: str) -> Smallest | None:
        """The first that fails of a ladder of small integer cases, from one slice to three."""
        what = "forward" if output == "w" else "backward"
        for v, g, w_bar in _ladder(self.axis, self.dtype, self.ranks):
            found = self._fails(what, output, v, g, w_bar)
            if found is not None:
                got, right = found
                return Smallest(
                    v.tolist(), g.tolist(), w_bar.tolist(), output, got.tolist(), right.tolist()
                )
        return None

    def _fails(
        self, what: str, output: str, v: np.ndarray, g: np.ndarray, w_bar: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        try:
            answers = self.accused.call(what, *((v, g) if what == "forward" else (w_bar, v, g)))
        except Exception:
            return None
        got = wide(answers[NAMES[what].index(output)])
        # A case to be shown is certified: both routes to the truth have to agree on it.
        truth = expected(v, g, w_bar, form=self.form, eps=self.eps)
        right = wide(getattr(truth, output))
        room = self.room(v, g, w_bar)[output]
        if got.size != right.size:
            return None
        with np.errstate(all="ignore"):
            bad = ~(np.abs(got.reshape(right.shape) - right) <= room)
        return (got.reshape(right.shape), right) if bad.any() else None


UNSTEADY = ("stale_state", "not_deterministic", "returns_cache", "mutates_input")
VAGUE = ("unknown", "axis/index", "coefficient")
HYGIENE = {
    "mutates_input": ("an input is changed", "write to arrays of one's own"),
    "aliases_input": ("an answer is an input, or a view of one", "return a copy"),
    "returns_cache": ("an answer is memory that the next call writes to", "return a copy"),
    "stale_state": (
        "an answer depends on the call before",
        "compute n from the v that is given, or key what is saved by its values",
    ),
    "not_deterministic": ("the same call gives different bits", "leave out what is random"),
    "wrong_shape": ("an answer has not the shape of what it belongs to", "v_bar as v, g_bar as g"),
    "wrong_dtype": ("an answer has another dtype than the inputs", "return the dtype of v"),
    "raises": ("the function fails", "see the message"),
}


def _lawless(broken: Sequence[str]) -> Diagnosis:
    return Diagnosis(
        "unknown", "right where it was compared with the truth, but not elsewhere",
        "look for what the inputs of the broken laws have in common",
        f"broken: {', '.join(broken)}", ("v_bar", "g_bar"),
    )  # fmt: skip


def _inconsistent() -> Diagnosis:
    return Diagnosis(
        "unknown", "the gradient is not that of its own forward in float64",
        "compare forward and backward in float64", "differences of forward", ("v_bar", "g_bar"),
    )  # fmt: skip


# ---- differences --------------------------------------------------------------------------------


def _differences(accused: Accused, case: Case, form: str, eps: float) -> list[float]:
    """The error of each entry of v_bar and g_bar, in units of what is allowed.

    Ridders' extrapolation of central differences, with steps relative to the norm; 100 times its
    own estimate of its error is allowed, and what rounding may do.
    """
    v, g, w_bar = (np.array(x) for x in (case.v, case.g, case.w_bar))
    v_bar, g_bar = accused.call("backward", w_bar, v, g)
    v_bar, g_bar = v_bar.reshape(v.shape), g_bar.reshape(g.shape)
    room = allowance(v, g, w_bar, form, eps)
    n = np.broadcast_to(Terms(v, g, w_bar, case.axes).n, g.shape)
    steps = np.broadcast_to(n if g.ndim else n.reshape(()), v.shape) * 0.1
    found = []
    for x, x_bar, step, limit in (
        (v, v_bar, steps, room["v_bar"]),
        (g, g_bar, 0.25 * abs(g), room["g_bar"]),
    ):
        for i in np.ndindex(x.shape):

            def L(t: float, x: np.ndarray = x, i: Any = i) -> float:
                kept = x[i]
                x[i] = kept + t
                (w,) = accused.call("forward", v, g)
                value = math.fsum((w_bar * w.reshape(v.shape)).ravel().tolist())
                x[i] = kept
                return value

            value, error, size = _ridders(L, float(step[i]))
            allowed = 100 * error + float(limit[i]) + 64 * 2.0**-53 * size
            wrong = abs(float(x_bar[i]) - value)
            found.append(wrong / allowed if math.isfinite(wrong) else math.inf)
    return found


def _ridders(f: Callable[[float], float], h: float) -> tuple[float, float, float]:
    """(f'(0), its estimated error, the size of what was divided)"""
    rows: list[list[float]] = []
    best, error = math.nan, math.inf
    size = 0.0
    for i in range(6):
        up, down = f(h), f(-h)
        size = max(size, (abs(up) + abs(down)) / (2 * h))
        row = [(up - down) / (2 * h)]
        for j in range(i):
            factor = 4.0 ** (j + 1)
            row.append((factor * row[j] - rows[-1][j]) / (factor - 1))
            e = max(abs(row[-1] - row[-2]), abs(row[-1] - rows[-1][j]))
            if e <= error:
                best, error = row[-1], e
        rows.append(row)
        h /= 2
    return best, error, size


# ---- second order -------------------------------------------------------------------------------


def _name_second(
    seen: Sequence[tuple[Case, dict[str, np.ndarray], dict[str, np.ndarray]]],
    outputs: Sequence[str], form: str, eps: float,
) -> list[Diagnosis]:  # fmt: skip
    for mistake in SECOND:
        fits = True
        for case, got, limit in seen:
            t = Terms(case.v, case.g, case.w_bar, case.axes, form, eps)
            with np.errstate(all="ignore"):
                answers = mistake.compute(t, wide(case.A), wide(case.B))
            for output in outputs:
                if output in got:
                    candidate = np.broadcast_to(answers[output], got[output].shape)
                    u = float(np.finfo(case.v.dtype).eps) / 2
                    size = float(np.abs(candidate).max(initial=0.0))
                    room = 4 * np.maximum(limit[output], (5 * t.m + 40) * u * size)
                    fits &= bool((np.abs(got[output] - candidate) <= room).all())
        if fits:
            return [
                Diagnosis(
                    mistake.id, mistake.formula, mistake.fix,
                    f"reproduces {', '.join(outputs)} in {len(seen)} cases", tuple(outputs),
                    seen_in=mistake.seen_in,
                )
            ]  # fmt: skip
    return [
        Diagnosis(
            "unknown", f"{', '.join(outputs)}: wrong in a way that is in no catalogue",
            "compare line by line with the derivation in byhand.weight_norm", "", tuple(outputs),
        )
    ]  # fmt: skip


# ---- small cases --------------------------------------------------------------------------------

# (v, g, w_bar) with norms 5, 3, 10, 13, in the order in which a person would try them.
_SMALL: tuple[tuple[list[list[float]], list[float], list[list[float]]], ...] = (
    ([[3, 4]], [10], [[5, 10]]),
    ([[3, 4]], [-10], [[10, -5]]),
    ([[1, 2, 2]], [6], [[3, 0, 3]]),
    ([[3, 4], [8, 6]], [10, -5], [[5, 10], [0, 5]]),
    ([[3, 4, 0], [2, 1, 2]], [10, -6], [[5, 10, 2], [0, 3, 6]]),
    ([[3, 4, 0], [2, 1, 2], [0, 6, 8]], [10, -6, 5], [[5, 10, 2], [0, 3, 6], [1, 5, 0]]),
    ([[3, 4, 0, 0], [2, 1, 2, 4], [1, 1, 1, 1]], [10, -5, 2],
     [[5, 10, 2, 1], [0, 5, 5, 1], [1, 3, 0, 2]]),
)  # fmt: skip


def _ladder(
    axis: Any, dtype: Any, ranks: set[int] | None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for rows, gains, cotangents in _SMALL:
        v, w_bar = np.array(rows, dtype), np.array(cotangents, dtype)
        g = np.array(gains, dtype)
        if axis is None:
            if len(g) == 1:
                yield v[0], g.reshape(()), w_bar[0]
            continue
        if isinstance(axis, tuple):
            if len(axis) != 1:
                return
            (axis,) = axis
        if axis in (0, -2):
            yield v, g.reshape(-1, 1), w_bar
        elif axis in (1, -1):
            yield np.ascontiguousarray(v.T), g.reshape(1, -1), np.ascontiguousarray(w_bar.T)
    if axis == 0 and (ranks is None or 3 in ranks):
        v = np.array([[[1.0, 2], [2, 4]], [[1, 1], [1, 1]], [[4, 2], [2, 1]]], dtype)
        w_bar = np.array([[[5.0, 0], [5, 1]], [[1, 3], [0, 2]], [[0, 5], [1, 5]]], dtype)
        yield v, np.array([10, -2, 5], dtype).reshape(3, 1, 1), w_bar
