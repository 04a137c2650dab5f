"""From a source to the functions that `check_layer` takes, in torch's layout.

Three things are found from y alone: the layout of x and of the weight (`layout`), the shape of b,
and the options. Options are read from attributes. Where there are none, the options of `USUAL` are
tried: y must have the right size for two sizes of x, and a right y decides. The axis of the norms
is that of the shape of g. Neither the side of a padding nor the order of taps is ever fitted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .... import validation
from ...layer_spec import KINDS, LayerSpec, make_layer_spec
from ...mistakes import Terms
from ..target import TargetError
from . import names, probes
from .arrangement import Arrays
from .calling import ASKED, Bundle, Path, assigned
from .layout import FOLDED, LAYOUTS, UNTIED, Layout, group
from .probes import Evidence
from .sources import Answer, Source, pulled

__all__ = ["USUAL", "VARIANTS", "LayerAttempt", "attempts", "best", "with_even_kernel"]

USUAL = tuple(  # (stride, padding, dilation, output_padding) where no attribute tells
    (s, p, d, 0) for d in (1, 2) for s in (1, 2, 3) for p in (0, 1, 2, "same")
)
# The options that are tried where they are arguments: each hides other mistakes. A tuple has a
# number for each axis of space.
VARIANTS: tuple[dict[str, Any], ...] = (
    {"stride": 2, "padding": 1}, {"stride": 1, "padding": 0}, {"stride": 2, "padding": 0},
    {"dilation": 2, "stride": 2, "padding": 2}, {"groups": 2}, {"stride": (2, 3, 1)},
    {"stride": (2, 3, 1), "padding": (1, 0, 2), "dilation": (1, 2, 1)},
)
KERNELS = {0: ((), ()), 1: ((3,), (2,)), 2: ((3, 2), (3, 3)), 3: ((2, 3, 2), (2, 2, 2))}
CHANNELS = ((4, 6), (6, 4))
DEPTHWISE = 4  # groups, where the number of channels is free
SIZES = {0: ((), ()), 1: ((9,), (12,)), 2: ((8, 7), (9, 11)), 3: ((5, 6, 7), (7, 5, 6))}


@dataclass
class LayerAttempt:
    """One reading of a layer: a source, a layout, options."""

    source: Source
    layout: Layout
    options: dict[str, Any]
    settings: dict[str, Any]
    kernel: tuple[int, ...] | None = None  # the only size, where it is fixed
    channels: tuple[int, int] | None = None
    square: bool = False  # whether it is probed with square images alone
    main: Path = ()
    order: dict[str, Path] = field(default_factory=dict)
    evidence: Evidence = field(default_factory=Evidence)
    asked: dict[str, Any] = field(default_factory=dict)  # options that are handed over

    @property
    def roles(self) -> tuple[str, ...]:
        """x, v, g, b: what the judge hands over, in its order."""
        return (*self.source.takes, *("b" for _ in range(self.layout.bias == FOLDED)))

    @property
    def normalised(self) -> bool:
        """Whether the weight is made of v and g."""
        return "v" in self.roles

    @property
    def spec(self) -> LayerSpec:
        """The spec of this reading; ValueError for options that no layer has."""
        chosen = {k: v for k, v in self.settings.items() if k in ("form", "eps", "dtype")}
        return make_layer_spec(
            kind=self.layout.kind, normalised=self.normalised, axis=self.layout.torch_axis,
            **self.options, **chosen,
        )

    # -- the functions that are judged

    def forward(self, *arrays: Any) -> Any:
        """y in torch's layout, of the arrays in the order of `roles`."""
        found = []
        for x in self._samples(arrays[0]):
            answer, _ = self.source.ask(self._given((x, *arrays[1:])))
            found.append(self._y(answer.at(self.main)))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def backward(self, y_bar: Any, *arrays: Any) -> tuple[Any, ...]:
        """A gradient for each array, in torch's layout; None for those it does not answer."""
        pairs = zip(self._samples(y_bar), self._samples(arrays[0]), strict=True)
        found = [self._backward(part, x, *arrays[1:]) for part, x in pairs]
        if len(found) == 1:
            return found[0]
        bars = zip(self.roles, zip(*found, strict=True), strict=True)
        return tuple(
            None if each[0] is None else np.concatenate(each) if role == "x" else sum(each)
            for role, each in bars
        )

    def _samples(self, x: Any) -> list[Any]:
        """x as it is asked for: at once, or one sample at a time."""
        return [x[i : i + 1] for i in range(len(x))] if self.layout.alone else [x]

    def _backward(self, y_bar: Any, *arrays: Any) -> tuple[Any, ...]:
        given = self._given(arrays)
        answer = self.source.ask(given, self.layout.give("y", y_bar))[1]
        ours = self._whole(dict(zip(self.roles, arrays, strict=True)))
        found = {}
        for role, array in ours.items():
            x = answer.at(self.order[role]) if answer and role in self.order else None
            found[role] = self.layout.take(role, x, given[role], np.shape(array))
        if self.layout.bias == FOLDED and found["w"] is not None:
            w, right = found["w"], found["w"].shape == ours["w"].shape
            found |= {"w": w[:, :-1], "b": w[:, -1]} if right else {"b": None}
        return tuple(found.get(role) for role in self.roles)

    def _whole(self, ours: Arrays) -> Arrays:
        """The arrays that the source takes, in torch's layout."""
        if self.layout.bias != FOLDED:
            return ours
        w, b = ours["w"], ours["b"]
        return {"x": ours["x"], "w": np.concatenate([w, b[:, None].astype(w.dtype)], axis=1)}

    def _y(self, y: Any) -> Any:
        return self.layout.image(np.asarray(y))

    def _given(self, arrays: Sequence[Any]) -> Arrays:
        ours = self._whole(dict(zip(self.roles, arrays, strict=True)))
        untied = self.layout.bias == UNTIED
        given = {role: self.layout.give(role, x) for role, x in ours.items()
                 if role != "b" or not untied}
        if untied:
            y = self.spec.y_shape(ours["x"].shape, ours["v" if self.normalised else "w"].shape)
            given["b"] = self.layout.untied(ours["b"], y)
        w, d = ours["v" if self.normalised else "w"], KINDS[self.layout.kind]
        c, o = ours["x"].shape[1], w.shape[0]
        if "transpose" in self.layout.kind:
            o = w.shape[1] * self.options.get("groups", 1)
        kernel = w.shape[2:]
        given |= {
            "inputs": c, "outputs": o, "bias": "b" in self.roles, "axis": 0,
            "kernel": kernel[0] if len({*kernel}) == 1 else kernel or 1,
            "kernel_height": kernel[0] if d else 1, "kernel_width": kernel[-1] if d else 1,
            "input_shape": ours["x"].shape[1:], "shape": np.shape(self.layout.give("w", w)),
            **self.asked,
        }
        given["bundle"] = Bundle(given)
        return given

    # -- the probes

    def _with_gain(self, groups: int) -> Layout:
        """The layout for that many groups, with the gain that the source came with."""
        layout, shapes = replace(self.layout, groups=groups), self.source.shapes
        if {"v", "g"} <= {*shapes}:
            return layout.with_gain(shapes["v"], shapes["g"], self.source.axis)
        return layout

    def problem(self, which: int) -> Problem:
        """The first or second problem. They differ in size, kernel and channels, where free."""
        d = KINDS[self.layout.kind]
        kernel = self.kernel if self.kernel is not None else KERNELS[d][which]
        groups = self.options.get("groups", 1)
        channels = self.channels or CHANNELS[which]
        if any(n % groups for n in channels):
            channels = ((2 * groups, groups), (groups, 2 * groups))[which]
        size = SIZES[d][which]
        return _problem(self, size[:1] * d if self.square else size, kernel, channels)

    def probe(self, candidates: Sequence[Mapping[str, Any]]) -> None:
        """Ask a layer of known or unknown options, and keep those that its y proves."""
        asked = []
        self.options = dict(candidates[0])  # the shape of the weight depends on groups
        try:
            self.layout = self._with_gain(self.options.get("groups", 1))
            self.spec  # noqa: B018
        except (IndexError, ValueError) as error:  # of options that no layer of the oracle has
            self.evidence = Evidence(raised=str(error))
            return
        with np.errstate(all="ignore"):
            for which in (0, 1):
                p = self.problem(which)
                try:
                    answer, _ = self.source.ask(self._given(p.arrays_for(self.layout)))
                except probes.FAILURES as error:
                    self.evidence = Evidence(raised=f"{type(error).__name__}: {error}")
                    return
                self.source.backward = self.source.backward or pulled(answer)
                asked.append((p, answer))
            fits, right = [], []
            for options in candidates:
                trial = replace(self, options=dict(options))
                try:
                    truths = [trial.truth(p) for p, _ in asked]
                except ValueError:
                    continue
                found = []
                for (_, answer), truth in zip(asked, truths, strict=True):
                    if truth is None:
                        break
                    want = self.layout.give("y", truth).shape
                    there = [x for x in answer.leaves if np.shape(x.value) == want]
                    if not there:
                        break
                    near = [x for x in there if probes.close(self._y(x.value), truth)]
                    if near[:1] != there[:1] and probes.activation(self._y(there[0].value), truth):
                        near = []  # it answers an activation of y, and keeps y in its cache
                    found.append(((near or there)[0].path, bool(near)))
                if len(found) == len(asked):
                    fits.append((options, found[0][0]))
                    if all(close for _, close in found):
                        right.append((options, found[0][0]))
                        break
            chosen = right or fits
            if not chosen:
                self.evidence, self.options = Evidence(None, False, False), {}
                if len(candidates) == 1:  # all are known: y has the wrong shape
                    self.options, self.main = dict(candidates[0]), asked[0][1].leaves[0].path
                return
            self.options, self.main = dict(chosen[0][0]), chosen[0][1]
            self.evidence = Evidence(None, bool(right), True)
            if not right and (more := self._more(*asked[0])):
                self.evidence = replace(self.evidence, more=more)
                if self.source.part:
                    return
            if self.source.differentiates:
                self._probe_backward(asked[0][0])

    def _probe_backward(self, p: Problem) -> None:
        e, given = self.evidence, self._given(p.arrays_for(self.layout))
        truth = self.truth(p)
        assert truth is not None
        y_bar = np.random.default_rng(5).normal(size=truth.shape).astype(truth.dtype)
        try:
            answer = self.source.ask(given, self.layout.give("y", y_bar))[1]
        except probes.FAILURES as error:
            self.evidence = replace(e, backward_raised=f"{type(error).__name__}: {error}")
            return
        assert answer is not None
        wanted = {role: np.shape(given[role]) for role in self.source.takes}
        self.order = assigned(answer.leaves, wanted)
        self.source.settle(self.order)
        if not {*self.order} - {"x"} and not self.order:
            self.evidence = replace(e, backward_raised="backward answered no gradient")
            return
        same = [role for role, path in self.order.items()
                if probes.shaped(answer.at(path), given[role])]
        self.evidence = replace(e, gain=len(same) == len(self.order))

    def _more(self, p: Problem, answer: Answer) -> str:
        """What a module does more than its layer: an activation of y, or of x.

        The second: y of two parts of x, with zeros elsewhere, add up, and yet y is not linear.
        """
        truth = self.truth(p)
        assert truth is not None
        if probes.activation(self._y(answer.at(self.main)), truth):
            return "an activation to what its layer answers"
        if not self.source.part:  # code that has no right layer in it is judged as it is
            return ""
        if self._one_sided(p, self._y(answer.at(self.main))):
            return "padding, or a cut, on one side alone"
        x, *rest = p.arrays_for(self.layout)
        half = (np.arange(x.size).reshape(x.shape) % 2).astype(x.dtype)

        def y(x: Any) -> Any:
            return self._y(self.source.ask(self._given((x, *rest)))[0].at(self.main))

        try:
            whole, bare = y(x), y(0 * x)
            apart = probes.close(y(x * half) + y(x * (1 - half)), whole + bare)
            linear = probes.close(2 * whole + y(-2 * x), 3 * bare)
        except probes.FAILURES:
            return ""
        return "an activation to what its layer is given" if apart and not linear else ""

    def _one_sided(self, p: Problem, y: Any) -> bool:
        """Whether y is that of the same padding, all before or all after, as in causal layers."""
        if self.layout.kind == "linear":
            return False
        both = [sum(pair) for pair in self.spec.pads(p.size, p.kernel)]
        for padding in (tuple((n, 0) for n in both), tuple((0, n) for n in both)):
            truth = replace(self, options={**self.options, "padding": padding}).truth(p)
            if any(both) and truth is not None and probes.close(y, truth):
                return True
        return False

    def pointwise(self) -> bool:
        """Whether y is that of the first tap alone, as where code reads w[:, :, 0, 0]; or code of
        that name takes no other."""
        e, taps = self.evidence, {*(self.kernel or ())}
        if e.truth or self.layout.kind == "linear" or taps == {1}:
            return False
        if e.raised is not None:
            said = names.plain(self.source.says or self.source.name)
            return "pointwise" in said or "1x1" in said
        one = replace(self, options={**self.options, "padding": 0})
        try:
            truth = one.truth(p := self.problem(0), one_tap=True)
            answer, _ = self.source.ask(self._given(p.arrays_for(self.layout)))
            return truth is not None and probes.close(self._y(answer.at(self.main)), truth)
        except probes.FAILURES:
            return False

    def truth(self, p: Problem, *, one_tap: bool = False) -> np.ndarray | None:
        """y to rounding, for the options, or for the first tap of w; None where there is none."""
        spec, taps = self.spec, (1,) * len(p.kernel) if one_tap else p.kernel
        layer = spec.layer(p.size, taps)
        if layer is None:
            return None
        arrays = dict(zip(self.roles, p.arrays, strict=True))
        w = arrays.get("w")
        if w is None:
            view = spec.view(arrays["v"])
            g = arrays["g"].reshape(spec.gain_shape(view.shape))
            w = spec.weight(Terms(view, g, view, spec.axes, spec.form, spec.eps).w())
        w = w[tuple(map(slice, (*w.shape[:2], *taps)))]
        x = arrays["x"][:1] if self.layout.alone else arrays["x"]
        return layer.y(x, w, arrays.get("b"))


@dataclass(frozen=True)
class Problem:
    """Arrays of a layer in torch's layout, in the order of its roles."""

    arrays: tuple[np.ndarray, ...]
    size: tuple[int, ...]
    kernel: tuple[int, ...]

    def arrays_for(self, layout: Layout) -> list[np.ndarray]:
        """New each time: code that works in place changes no problem. One sample, or several."""
        x, *rest = self.arrays
        return [np.array(x[:1] if layout.alone else x), *map(np.array, rest)]


def _problem(
    a: LayerAttempt, size: tuple[int, ...], kernel: tuple[int, ...], channels: tuple[int, int]
) -> Problem:
    rng = np.random.default_rng(11)
    c, o = channels
    spec = a.spec
    shape = spec.weight_shape(c, o, kernel)
    gain = spec.gain_forms(spec.view(np.broadcast_to(0.0, shape)).shape)[0]
    dtype = a.settings.get("dtype", "float64")
    drawn = {
        "x": rng.normal(size=(3, c, *size)), "v": rng.normal(size=shape),
        "w": rng.normal(size=shape), "g": rng.uniform(1, 3, size=gain), "b": rng.normal(size=o),
    }
    drawn = {role: x.astype("float32").astype(dtype) for role, x in drawn.items()}
    return Problem(tuple(drawn[role] for role in a.roles), size, kernel)


# ---- which are tried ----------------------------------------------------------------------------


def attempts(sources: Sequence[Source], settings: Mapping[str, Any]) -> Iterator[LayerAttempt]:
    """Every layout that the settings and the shapes of attributes leave open, likeliest first."""
    for source in sources:
        for kind in _kinds(source, settings):
            for x, w in {**LAYOUTS, **source.layouts}[group(kind)]:
                rank = source.shapes.get("v", source.shapes.get("w"))
                bare = x.startswith("one image")
                if rank is not None and len(rank) != KINDS[kind] + 2 - bare:
                    continue
                for bias, gain in itertools.product(
                    _biases(source, kind, x), _gains(source) if "g" in source.takes else ("flat",)
                ):
                    yield LayerAttempt(
                        source, Layout(kind, x, w, bias, gain), {}, dict(settings),
                    )


def _kinds(source: Source, settings: Mapping[str, Any]) -> list[str]:
    """The kinds that a layer may be of: as declared, by its name, and by the rank of its weight.

    Raises TargetError for a kind that was declared, and that there is not.
    """
    if "kind" in settings:
        try:
            return [validation.choice("kind", settings["kind"], KINDS)]
        except ValueError as error:
            raise TargetError(f"{source.name}: {error}") from error
    said = names.kind(source.says or source.name)
    rank = source.shapes.get("v", source.shapes.get("w"))
    found = [k for k in KINDS if said is None or k == said or k.startswith(said)]
    if said == "conv":
        found = [k for k in found if "transpose" not in k]
    if rank is not None:
        found = [k for k in found if len(rank) in (KINDS[k] + 1, KINDS[k] + 2)]
    usual = ("linear", "conv2d", "conv1d", "conv_transpose2d", "conv_transpose1d", "conv3d",
             "conv_transpose3d")
    return sorted(found or list(usual), key=usual.index)


def _biases(source: Source, kind: str, x: str) -> list[str]:
    if "b" not in source.takes:
        return ["(o,)", *([FOLDED] if kind == "linear" and source.takes == ("x", "w") else [])]
    shape = source.shapes.get("b")
    if shape is not None:
        if len(shape) < 2:
            return ["(o,)"]
        if sum(n > 1 for n in shape) > 1:
            return [UNTIED]
        at = next((i for i, n in enumerate(shape) if n != 1), 0 if "column" in x else -1)
        parts = ["1"] * len(shape)
        parts[at] = "o"
        return ["(" + ", ".join(parts) + ")"]
    if kind == "linear":
        return ["(o, 1)", "(o,)"] if "column" in x else ["(o,)", "(1, o)"]
    spread = "(1, 1, 1, o)" if "last" in x else "(o, 1, 1)"
    return ["(o,)", "(o, 1)", spread]


def _gains(source: Source) -> list[str]:
    return ["kept", "flat"] if "g" not in source.shapes else ["kept"]  # as its shape says


def _candidates(attempt: LayerAttempt, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The options that may be those of the layer."""
    known = {k: settings[k] for k in ASKED if k in settings}
    depthwise = {"groups": DEPTHWISE} if _depthwise(attempt) else {}
    known = {**depthwise, **_own(attempt, attempt.kernel), **attempt.asked, **known}
    if attempt.layout.kind == "linear":
        return [{}]
    if "transpose" not in attempt.layout.kind:
        known.pop("output_padding", None)
    # XLA's y has a stride for each entry of x, also where a kernel is shorter.
    last = attempt.source.layouts and attempt.layout.x == "channels last"
    least = "valid" if last and "transpose" in attempt.layout.kind else 0
    found = []
    for s, p, d, _ in USUAL:
        usual = {"stride": s, "padding": p or least, "dilation": d}
        found.append({**usual, **known})
    return [dict(t) for t in dict.fromkeys(tuple(x.items()) for x in found)]


def _made(attempt: LayerAttempt, inputs: int, outputs: int) -> bool:
    """Whether an object of its own can be made for so many channels."""
    try:
        attempt.source.options({"inputs": inputs, "outputs": outputs, **attempt.asked})
    except probes.FAILURES:
        return False
    return True


def _own(attempt: LayerAttempt, kernel: tuple[int, ...] | None) -> dict[str, Any]:
    """The options of an object of its own, made for a kernel and for what is asked."""
    one = {"kernel": kernel[0] if len({*kernel}) == 1 else kernel} if kernel else {}
    try:
        return attempt.source.options({**one, **attempt.asked})
    except probes.FAILURES:  # so will the question, which says it
        return {}


def best(
    sources: Sequence[Source], settings: Mapping[str, Any], asked: Mapping[str, Any]
) -> list[LayerAttempt]:
    """The attempts, the best first. asked: the options that are handed over."""
    made: list[LayerAttempt] = []
    for attempt in attempts(sources, settings):
        if attempt.layout.alone and any(a.evidence.shape for a in made):
            continue  # it takes several samples, and is judged with them
        attempt.asked = {
            key: x[:KINDS[attempt.layout.kind]] if isinstance(x, tuple) else x
            for key, x in asked.items()
        }
        for kernel, channels, square in _freedoms(attempt):
            trial = replace(attempt, kernel=kernel, channels=channels, square=square)
            trial.probe(_candidates(trial, settings))
            made.append(trial)
            if trial.pointwise():
                one = replace(trial, kernel=(1,) * KINDS[trial.layout.kind])
                one.probe(_candidates(one, settings))
                if one.evidence.truth:
                    made[-1] = trial = one
            if trial.evidence.worth == 5 or (trial.evidence.more and trial.source.part):
                return [trial]
            if trial.evidence.shape:
                break
    return sorted(made, key=lambda a: a.evidence.rank, reverse=True)


def with_even_kernel(a: LayerAttempt, settings: Mapping[str, Any]) -> LayerAttempt | None:
    """The same layer with an even kernel, where it was probed with an odd one alone.

    None where y is not right: it may be one of odd kernels.
    """
    d = KINDS[a.layout.kind]
    if not d or a.kernel != (3,) * d or a.source.engine is not None or a.source.make is None:
        return None
    even = replace(a, kernel=(2,) * d)
    even.probe(_candidates(even, settings))
    even.order = a.order
    return even if even.evidence.truth else None


def _depthwise(attempt: LayerAttempt) -> bool:
    """Whether each channel has a filter of its own, by the name."""
    said = names.plain(attempt.source.says or attempt.source.name)
    return "depthwise" in said and "transpose" not in attempt.layout.kind


def _freedoms(attempt: LayerAttempt) -> Iterator[tuple[Any, Any, bool]]:
    """(kernel, channels, square) to probe with.

    Any, a square kernel, what the object was made with, and a square kernel on square images.
    """
    d = KINDS[attempt.layout.kind]
    if attempt.layout.bare:
        for kernel in (None, (3,) * d):
            yield kernel, (1, CHANNELS[0][1]), False
        return
    free = not attempt.source.fixed and all(_made(attempt, *n) for n in ((1, 2), (3, 5)))
    if free:
        if all(_own(attempt, (k,)) == _own(attempt, None) for k in (1, 2, 5)):
            yield None, None, False
        if _depthwise(attempt):
            groups = attempt.settings.get("groups", DEPTHWISE)
            yield None, (groups, groups), False
            yield (3,) * d, (groups, groups), False
        for kernel in ((3,) * d, (2,) * d) if d else ():
            yield kernel, None, False
    shape = attempt.source.shapes.get("v", attempt.source.shapes.get("w"))
    if shape is not None and len(shape) == d + 2:
        G = attempt.source.options({}).get("groups", 1)
        outer, inner, *own = replace(attempt.layout, groups=G).torch_shape(shape)
        inner *= G  # one group's channels are the weight's second axis
        transposed = "transpose" in attempt.layout.kind
        yield tuple(own), (outer, inner) if transposed else (inner, outer), False
    if d > 1 and free:
        yield (3,) * d, None, True
