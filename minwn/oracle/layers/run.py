"""A run of a layer: its cases with their truth, and the evidence as it is collected."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...backend import dtype_of
from ...tolerance import ratio
from ..cases.layers import LayerCase, Plan, Plans, draw, plans
from ..diagnosis import Diagnosis
from ..layer_spec import LayerSpec
from ..mistakes.layer_terms import LayerTerms, Norm
from ..reference.double_double import bulk
from ..reference.error_bounds import counts
from ..reference.rounding import as_float64
from ..report import CheckResult, Skipped
from ..run import FAULTS
from ..targets.implementation import Lost
from ..targets.layer import LayerFunctions, on_purpose, takes_bias

__all__ = [
    "LayerObservation", "LayerRun", "Prepared", "case_of", "prepare", "prepared_cases", "settled",
]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Prepared:
    """A case in torch's layout, with the expected answers and the error that is allowed in each.

    v_bar and g_bar have the shape of the spec's view of the weight.
    """

    case: LayerCase
    terms: LayerTerms
    expected: dict[str, Array]
    allowed: dict[str, Array]
    exact: bool

    def but(self, spec: LayerSpec, **arrays: Any) -> Prepared:
        """The case with other arrays, with their truth."""
        return prepare(spec, replace(self.case, **arrays))


@functools.lru_cache(maxsize=16)
def prepared_cases(spec: LayerSpec, bias: bool) -> tuple[Prepared, ...]:
    """Every case of a spec. They depend on it alone, and cost nothing the next time."""
    cases = _drawn(spec)
    if not bias:
        cases = (replace(case, b=np.zeros_like(case.b)) for case in cases)
    return tuple(prepare(spec, case) for case in cases)


def _drawn(spec: LayerSpec) -> Iterator[LayerCase]:
    pads = None if isinstance(spec.padding, str) else spec.padding

    def fits(size: Any, kernel: Any) -> bool:
        return spec.layer(size, kernel) is not None

    # A kernel shorter than the stride leaves gaps in y: torch drops the last one, XLA keeps it.
    least = spec.stride if spec.transposed and spec.layout == "flax" and pads is not None else None
    known = Plans(
        spec.stride, spec.dilation, pads, spec.groups, spec.transposed, spec.kernel, spec.channels,
        fits, least,
    )
    chosen = list(plans(known, spec.quick))
    for letter in "KY":
        for number, plan in enumerate(chosen):
            yield case_of(spec, letter, number, plan)
    if spec.shape is not None:
        plan, lead = _given(spec)
        for number in range(2):
            yield case_of(spec, "S", number, plan, lead)


def _given(spec: LayerSpec) -> tuple[Plan, tuple[int, ...]]:
    """The plan of the shape that was asked for, and the axes before the features."""
    shape = spec.shape or ()
    last = spec.layout == "flax" or not spec.dims
    c = shape[-1 if last else 1]
    size = () if not spec.dims else shape[1:-1] if last else shape[2:]
    lead = shape[:-1] if not spec.dims else ()
    n = math.prod(lead) if lead else shape[0]
    o = spec.channels[1] if spec.channels else c + spec.groups
    kernel = spec.kernel or tuple(
        max(k for k in (3, 2, 1) if k == 1 or spec.layer((s,), (k,)) is not None)
        if spec.dims == 1 else min(3, s) for s in size
    )
    if spec.layer(size, kernel) is None:
        raise ValueError(f"shape={shape} is too small for a kernel of {kernel}")
    return Plan(n, c, o, size, kernel), lead if len(lead) > 1 else ()


def case_of(
    spec: LayerSpec, letter: str, number: int, plan: Plan, lead: tuple[int, ...] = ()
) -> LayerCase:
    """The case of a plan, with drawn arrays. lead: the axes of x before its features."""
    layer = spec.layer(plan.size, plan.kernel)
    assert layer is not None  # `plans` and `_given` ask for it
    shape = spec.weight_shape(plan.c, plan.o, plan.kernel)
    v_shape = spec.view(np.broadcast_to(0.0, shape)).shape
    g_shape = spec.gain_shape(v_shape) if spec.normalised else None
    case = draw(
        letter, number, plan, layer, spec.dtype, v_shape if spec.normalised else shape, g_shape,
        spec.axes,
    )
    if case.v is not None and spec.form in ("max_q", "max_n"):
        case = replace(case, v=_some_below(spec, case.v))
    return replace(case, remainder=spec.remainder(plan.size, plan.kernel), lead=lead)


def _some_below(spec: LayerSpec, v: Array) -> Array:
    """v with every second slice shorter than the least length of the form."""
    axes, floor = spec.axes or (), spec.eps if spec.form == "max_n" else math.sqrt(spec.eps)
    others = tuple(a for a in range(v.ndim) if a not in axes)
    n = np.sqrt((v * v).sum(axis=others, keepdims=True))
    down = np.exp2(np.minimum(np.floor(np.log2(floor / (2 * n))), 0))
    odd = np.arange(n.size).reshape(n.shape) % 2 == 1
    return np.where(odd & (down >= 2.0**-30), v * down, v)


def prepare(spec: LayerSpec, case: LayerCase) -> Prepared:
    """The case with its truth and its bounds."""
    dtype, C, norm, w = spec.dtype, 0.0, None, case.w
    if case.v is not None and case.g is not None:
        v, g = case.v, case.g
        norm = Norm(v, g, spec.axes, spec.form, spec.eps, spec.weight, spec.view)
        C = counts(v.size // max(g.size, 1), spec.form)["w"]
        w = spec.weight(bulk(v, g, np.zeros_like(v), form=spec.form, eps=spec.eps).w)
    assert w is not None
    t = LayerTerms(case.layer, case.x, w, case.b, case.y_bar, norm)
    expected = {"y": t.y(), "x_bar": t.x_bar(), "w_bar": t.w_bar(), "b_bar": t.b_bar()}
    allowed = case.layer.bounds(case.x, w, case.b, case.y_bar, dtype, C)
    if norm is not None:
        w_bar = spec.view(expected["w_bar"])
        truth = bulk(norm.v, norm.g, w_bar, form=spec.form, eps=spec.eps)
        expected |= {"v_bar": truth.v_bar, "g_bar": truth.g_bar}
        W = spec.view(t.w_bar(x=abs(case.x), y_bar=abs(case.y_bar)))
        allowed |= case.layer.weight_bounds(
            case.x, w, case.y_bar, W, norm.v, norm.g, dtype, spec.form, spec.eps
        )
    exact = case.group == "integers" and spec.form == "plain" and dtype in ("float32", "float64")
    return Prepared(case, t, expected, allowed, exact)


# ---- the evidence -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LayerObservation:
    """The answers in one case, in torch's layout, in float64."""

    prepared: Prepared
    got: dict[str, Array]

    @property
    def id(self) -> str:
        """The id of the case."""
        return self.prepared.case.id

    @functools.cached_property
    def _ratios(self) -> dict[str, Array]:
        return {}

    def ratio(self, output: str) -> Array:
        """|got - expected| over what is allowed; infinite where the shapes differ."""
        if output not in self._ratios:
            got, expected = self.got[output], self.prepared.expected[output]
            if got.shape != expected.shape:
                found = np.full(expected.shape, np.inf)
            else:
                tol = self.prepared.allowed[output]
                with np.errstate(all="ignore"):
                    found = np.asarray(ratio(got - expected, tol))
                found = np.where(np.isfinite(tol) & ~np.isnan(expected), found, 0.0)
            self._ratios[output] = found
        return self._ratios[output]

    def worst(self, output: str) -> float:
        """The largest entry of `ratio`; 0 for an empty answer."""
        return float(self.ratio(output).max(initial=0.0))

    def wrong(self, output: str) -> bool:
        """Whether the answer is there and an entry of it is off by more than is allowed."""
        return output in self.got and self.worst(output) > 1


@dataclass(frozen=True)
class LayerAsked:
    """A question, and what was seen in its answers."""

    prepared: Prepared
    what: str
    answers: list[Array]
    observation: LayerObservation
    outputs: tuple[str, ...]
    in_range: bool = True

    @property
    def id(self) -> str:
        """Of the case."""
        return self.observation.id

    @property
    def wrong(self) -> bool:
        """Whether an answer is off by more than is allowed."""
        return any(map(self.observation.wrong, self.outputs))


@dataclass
class LayerRun:
    """The evidence so far."""

    functions: LayerFunctions
    spec: LayerSpec
    observations: list[LayerObservation] = field(default_factory=list)
    faults: list[Diagnosis] = field(default_factory=list)
    raised: dict[str, list[tuple[Prepared, str]]] = field(default_factory=dict)
    refused: dict[str, list[tuple[Prepared, str]]] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)
    checks: list[CheckResult] = field(default_factory=list)
    laws: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    consistent: bool | None = None
    gone: Lost | None = None
    history: list[LayerAsked] = field(default_factory=list)  # in the order of the calls
    first: dict[str, tuple[Callable[[], list[Array]], list[Array]]] = field(default_factory=dict)
    threads: int = 0  # from how many at once it is called; 0 for one after the other

    @property
    def calls(self) -> Counter[str]:
        """How many there were of each function."""
        return self.functions.calls

    @property
    def right(self) -> bool:
        """Whether no answer is wrong so far."""
        return not any(o.wrong(name) for o in self.observations for name in o.got)

    @property
    def cases(self) -> tuple[Prepared, ...]:
        """Every case of the spec; b is 0 where forward takes no bias."""
        return prepared_cases(self.spec, self.functions.bias["forward"])

    def fresh(self) -> LayerRun:
        """A run of the same answers, for a check that is made once more."""
        kept = {name: getattr(self, name) for name in ("observations", "answered", "refused")}
        return LayerRun(self.functions, self.spec, raised=self.raised, **kept)

    def fault(self, id: str, output: str, evidence: str) -> None:
        """A fault outside the formulas; the first of its kind for each answer."""
        if not any(f.id == id and output in f.outputs for f in self.faults):
            text, fix = FAULTS[id]
            fix = LAYER_FIXES.get(id, fix)
            self.faults.append(Diagnosis(id, text, fix, evidence, (output,)))

    def lost(self, what: str, where: str, error: Lost) -> None:
        """A fault where the implementation is gone; once, because later calls say the same."""
        if self.gone is None:
            self.gone = error
            self.fault(error.id, what, f"{where}{error}")

    # -- calls

    def handed(self, p: Prepared, dtype: str | None = None) -> dict[str, Array]:
        """The arrays of a case as the implementation takes them."""
        spec, case, kind = self.spec, p.case, dtype_of(dtype or self.spec.dtype)
        found = {"x": spec.theirs("x", case.x), "y_bar": spec.theirs("y_bar", case.y_bar)}
        if case.lead:
            found = {name: x.reshape(*case.lead, -1) for name, x in found.items()}
        found["b"] = case.b
        if case.v is not None and case.g is not None:
            found["v"] = spec.handed(case.v)
            found["g"] = case.g.reshape(self.gain_shape(case))
        else:
            found["w"] = spec.theirs("w", case.w)  # type: ignore[arg-type]
        return {name: np.ascontiguousarray(x).astype(kind) for name, x in found.items()}

    def gain_shape(self, case: LayerCase) -> tuple[int, ...]:
        """The shape in which g is handed over."""
        forms = self.spec.gain_forms(case.v.shape)  # type: ignore[union-attr]
        return forms[min(self.functions.gain, len(forms) - 1)]

    def shape_of(self, output: str, p: Prepared) -> tuple[int, ...]:
        """The shape that an answer should have, in the declared layout."""
        case = p.case
        if output == "g_bar":
            return self.gain_shape(case)
        if output == "v_bar":
            return self.spec.handed(case.v).shape  # type: ignore[arg-type]
        shape = self.spec.theirs(output, p.expected[output]).shape
        return (*case.lead, shape[-1]) if case.lead and output in ("y", "x_bar") else shape

    def ours(self, output: str, x: Array, p: Prepared) -> Array:
        """An answer in torch's layout, or in the view, in float64; a wrong shape is kept."""
        x, want, shape = as_float64(x), p.expected[output], self.shape_of(output, p)
        if [n for n in x.shape if n != 1] == [n for n in shape if n != 1]:
            x = x.reshape(shape)
        if output in ("v_bar", "g_bar"):
            return x.reshape(want.shape) if x.shape == shape else x
        if p.case.lead and output in ("y", "x_bar") and x.shape == shape:
            return x.reshape(want.shape)
        rank = 1 if output == "b_bar" else want.ndim
        return self.spec.ours(output, x) if x.ndim == rank else x

    def back(self, output: str, x: Array, p: Prepared) -> Array:
        """An answer in torch's layout, or as the view, in the declared layout."""
        if output == "v_bar":
            return self.spec.handed(x)
        x = x if output == "g_bar" else self.spec.theirs(output, x)
        return x.reshape(self.shape_of(output, p))

    def ask(self, what: str, p: Prepared, dtype: str | None = None) -> dict[str, Array]:
        """The answers in torch's layout. Raises what the function raises."""
        found = self.functions.call(what, self.handed(p, dtype))
        return {name: self.ours(name, x, p) for name, x in found.items()}

    # -- every case once

    def gather(self) -> None:
        """Ask forward and backward in every case, and keep what they answer."""
        for p in self.cases:
            self.judge(p)

    def judge(self, p: Prepared) -> None:
        """Ask forward and backward in one case, and keep what they answer."""
        got: dict[str, Array] = {}
        o, asked = LayerObservation(p, got), []
        for what in ("forward", "backward"):
            if not self.functions.has(what):
                continue
            if what == "backward" and "y" in got and got["y"].shape != p.expected["y"].shape:
                continue  # y_bar has the shape of the right y, not of this one
            answers = self._raw(what, p)
            got |= {name: self._filed(name, x, p) for name, x in answers.items()}
            if answers:
                asked.append(LayerAsked(p, what, list(answers.values()), o, tuple(answers)))
                self.first.setdefault(
                    what, (functools.partial(self.repeat, asked[-1]), asked[-1].answers))
        self.history += asked
        if got:
            self.observations.append(o)

    def asked_of(self, what: str) -> list[LayerAsked]:
        """The questions of a function, in the order of the calls."""
        return [x for x in self.history if x.what == what]

    def repeat(self, asked: LayerAsked) -> list[Array]:
        """The answers to a question, asked once more. Raises what the function raises."""
        return list(self.functions.call(asked.what, self.handed(asked.prepared)).values())

    def forget(self, what: str, first: int) -> None:
        """Leave out the answers of a function from its call of that index on."""
        for asked in self.asked_of(what)[first:]:
            for name in asked.outputs:
                asked.observation.got.pop(name, None)

    def _raw(self, what: str, p: Prepared) -> dict[str, Array]:
        try:
            found = self.functions.call(what, self.handed(p))
        except Lost as error:
            self.lost(what, f"{p.case.id} {self.about(p)}: ", error)
            return {}
        except Exception as error:
            message = f"{p.case.id} {self.about(p)}: {type(error).__name__}: {error}"
            kind = self.refused if on_purpose(error) and p.case.features else self.raised
            kind.setdefault(what, []).append((p, message))
            return {}
        if found:
            self.answered.add(what)
        return found

    def _filed(self, output: str, x: Array, p: Prepared) -> Array:
        want = self.shape_of(output, p)
        if x.shape != want:
            text = f"{p.case.id} {self.about(p)}: {output} has shape {x.shape}, not {want}"
            self.fault("wrong_shape", output, text)
        if x.dtype != dtype_of(self.spec.dtype):
            self.fault("wrong_dtype", output, f"{p.case.id}: {output} is {x.dtype}")
        return self.ours(output, x, p)

    def about(self, p: Prepared) -> str:
        """x (2, 3, 9, 5), weight (4, 3, 3, 2)"""
        arrays = self.handed(p)
        weight = "v" if "v" in arrays else "w"
        return f"x {arrays['x'].shape}, {weight} {arrays[weight].shape}"


LAYER_FIXES = {
    "wrong_shape": "give each gradient the shape of what it belongs to",
    "wrong_dtype": "return arrays of the dtype of x",
}


# ---- how it is called ---------------------------------------------------------------------------


def settled(forward: Any, backward: Any, spec: LayerSpec) -> tuple[LayerFunctions, list[str]]:
    """The functions, with the arguments that they take, and notes on how these were found.

    Where signatures do not tell, calls are tried with b and without it, with g of v's rank and
    flat. The first way that gives right answers is taken, else the one with the fewest wrong.
    """
    usual = 4 if spec.normalised else 3
    known = {"forward": takes_bias(forward, usual), "backward": takes_bias(backward, usual + 1)}
    ways = []
    for gain in range(len(_forms(spec))):
        for guess in (True, False):
            bias = {what: guess if x is None else x for what, x in known.items()}
            ways.append(LayerFunctions(forward, backward, spec.normalised, bias, gain))
            if None not in known.values():
                break
    best, least = ways[0], math.inf
    for way in ways if len(ways) > 1 else ():
        wrong = _wrong(way, spec)
        if wrong < least:
            best, least = way, wrong
        if not wrong:
            break
    notes = []
    if best.gain:
        notes.append(f"g is handed over in the shape {_shape_words(_forms(spec)[best.gain])}")
    without = [what for what in ("forward", "backward") if best.has(what) and not best.bias[what]]
    if without == ["forward"] or len(without) == 2:
        notes.append("without a bias: forward takes no b")
    return best, notes


def _forms(spec: LayerSpec) -> list[tuple[int, ...]]:
    if not spec.normalised:
        return [()]
    first = prepared_cases(spec, True)[0].case
    return spec.gain_forms(first.v.shape)  # type: ignore[union-attr]


def _shape_words(shape: tuple[int, ...]) -> str:
    return "(o,)" if len(shape) == 1 and shape != (1,) else str(shape)


def _wrong(functions: LayerFunctions, spec: LayerSpec) -> float:
    """How much is wrong in two cases: calls that fail count most, then shapes, then numbers."""
    run, total = LayerRun(functions, spec), 0.0
    for p in run.cases[:2]:
        for what in ("forward", "backward"):
            if not functions.has(what):
                continue
            try:
                with np.errstate(all="ignore"):
                    found = functions.call(what, run.handed(p))
            except Exception:
                total += 1e6
                continue
            for name, x in found.items():
                fits = x.shape == run.shape_of(name, p)
                total += 0.0 if fits else 1e3
                if x.size == p.expected[name].size:
                    o = LayerObservation(p, {name: run.ours(name, x, p)})
                    total += o.worst(name) > 1
    return total
