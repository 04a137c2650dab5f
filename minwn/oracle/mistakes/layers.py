r"""The mistakes people make in whole layers, as data: y, x_bar, w_bar and b_bar as they come out.

A row has, for each answer, the wrong answers to which its name is given. They are computed by the
products of `reference.layer`, in torch's layout. Where the weight is normalised, a wrong w_bar
shows in v_bar and g_bar, as its right pullback. `layers.diagnosis` also tries each mistake of
`CATALOGUE` in w, which shows in y and x_bar, and in v_bar and g_bar behind a right w_bar.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..reference.layer import Layer, sent
from .layer_terms import LayerMistake, LayerTerms, Rule, Rules
from .terms import LIMITS, Terms

__all__ = ["LAYER_MISTAKES", "through"]

Array = np.ndarray
Change = Callable[[Layer], Layer | None]


# ---- ways to make rules -------------------------------------------------------------------------


def _joined(*several: Rules) -> Rules:
    """The rules of several, by answer."""
    names = dict.fromkeys(name for rules in several for name in rules)
    return {name: tuple(f for rules in several for f in rules.get(name, ())) for name in names}


def _one(output: str, change: Change) -> Rule:
    def rule(t: LayerTerms) -> Any:
        layer = change(t.layer)
        return None if layer is None else getattr(t, output)(layer)

    return rule


Options = Callable[[Layer], dict[str, Any] | None]


def _along_any(change: Options) -> Rules:
    """`_windows` with a change along every axis, and along one axis of several."""

    def along(axis: int) -> Options:
        def changed(layer: Layer) -> dict[str, Any] | None:
            options = change(layer)
            if options is None or axis >= len(layer.pads) or len(layer.pads) < 2:
                return None
            own = vars(layer.windows) | {"pads": layer.pads}
            return {
                name: tuple(x[i] if i == axis else old for i, old in enumerate(own[name]))
                for name, x in options.items()
            }

        return changed

    return _joined(_windows(change), *(_windows(along(axis)) for axis in range(3)))


def _windows(change: Options) -> Rules:
    """y, x_bar and w_bar with other windows, and y with the number of windows that then fit."""

    def kept(layer: Layer) -> Layer | None:
        options = change(layer)
        if options is not None and "pads" in options:
            options = {"before": tuple(p[0] for p in options["pads"])}
        return None if options is None else layer.but(**options)

    def natural(layer: Layer) -> Layer | None:
        options = change(layer)
        return None if options is None else layer.natural(**options)

    def of_y(layer: Layer) -> Layer | None:
        options = change(layer) or {}
        pads = options.get("pads", layer.pads)
        # A y of its size has lost as much as it should: where the rest is lost is another mistake.
        return None if layer.transposed and [*map(sum, pads)] < [*map(sum, layer.pads)] else (
            kept(layer))

    return {
        "y": (_one("y", natural), _one("y", of_y)),
        "x_bar": (_one("x_bar", kept),), "w_bar": (_one("w_bar", kept),),
    }


def through(*makes: Callable[[LayerTerms], Any]) -> Rules:
    """y and x_bar of another weight."""

    def by(output: str, make: Any) -> Rule:
        def rule(t: LayerTerms) -> Any:
            w = make(t)
            return None if w is None or w.shape != t.w.shape else getattr(t, output)(w=w)

        return rule

    return {output: tuple(by(output, make) for make in makes) for output in ("y", "x_bar")}


def _weights(make: Callable[[Terms], Any]) -> Rules:
    """y and x_bar of a weight that is made of v and g in another way."""
    return through(lambda t: t.weight(make))


def _kernel(*turns: Callable[[Array], Array | None]) -> Rules:
    """y and x_bar of a changed kernel, and w_bar changed in the same way."""

    def turned(turn: Any) -> Rule:
        return lambda t: turn(t.w_bar())

    by_w = through(*((lambda t, turn=turn: turn(t.w)) for turn in turns))
    return by_w | {"w_bar": tuple(map(turned, turns))}


def _y_bar(make: Callable[[LayerTerms], Array | None]) -> Rules:
    """x_bar, w_bar and b_bar of another cotangent."""

    def by(output: str) -> Rule:
        def rule(t: LayerTerms) -> Any:
            y_bar = make(t)
            return None if y_bar is None else getattr(t, output)(y_bar=y_bar)

        return rule

    return {output: (by(output),) for output in ("x_bar", "w_bar", "b_bar")}


def _only(array: Array, axis: int, at: int) -> Array:
    """Zeros but for one index along an axis."""
    found = np.zeros_like(array)
    place = (slice(None),) * axis + (at,)
    found[place] = array[place]
    return found


# ---- kernels ------------------------------------------------------------------------------------


def _flip(w: Array) -> Array | None:
    return np.flip(w, tuple(range(2, w.ndim)))


def _flip_along(axis: int) -> Callable[[Array], Array | None]:
    return lambda w: np.flip(w, 2 + axis) if axis < w.ndim - 2 and w.ndim > 3 else None


def _turned(w: Array) -> Array | None:
    return w.swapaxes(-1, -2) if w.ndim > 3 else None


def _y_by_turned_kernel(t: LayerTerms) -> Any:
    w = _turned(t.w)
    layer = None if w is None else t.layer.natural(kernel=w.shape[2:])
    return None if layer is None else t.y(layer, w=w)


def _taps_first(w: Array) -> Array:
    """The columns of w in the order (tap, channel), read as (channel, tap)."""
    return np.moveaxis(w, 1, -1).reshape(w.shape)


def _channels_first(w: Array) -> Array:
    """The same in the other direction."""
    o, c, *kernel = w.shape
    return np.moveaxis(w.reshape(o, *kernel, c), -1, 1)


# ---- windows ------------------------------------------------------------------------------------


def _stride(layer: Layer) -> dict[str, Any]:
    return {"stride": (1,) * len(layer.pads)}


def _dilation(layer: Layer) -> dict[str, Any]:
    return {"dilation": (1,) * len(layer.pads)}


def _more_dilation(layer: Layer) -> dict[str, Any]:
    return {"dilation": tuple(d + 1 for d in layer.windows.dilation)}


def _less_dilation(layer: Layer) -> dict[str, Any] | None:
    found = tuple(max(d - 1, 1) for d in layer.windows.dilation)
    return {"dilation": found} if max(found, default=1) > 1 else None  # else another mistake


def _exchanged_options(layer: Layer) -> dict[str, Any]:
    w = layer.windows
    return {"stride": w.stride[::-1], "dilation": w.dilation[::-1], "pads": layer.pads[::-1]}


def _first_stride(layer: Layer) -> dict[str, Any]:
    return {"stride": layer.windows.stride[:1] * len(layer.pads)}


def _pads(make: Callable[[tuple[int, int]], tuple[int, int]]) -> Callable[[Layer], dict[str, Any]]:
    return lambda layer: {"pads": tuple(make(p) for p in layer.pads)}


def _cropped_after(layer: Layer) -> dict[str, Any] | None:
    """Of a transposed layer: all that is cropped is at the end. Else it is `padding_forgotten`."""
    return _pads(lambda p: (0, sum(p)))(layer) if layer.transposed else None


def _no_padding_after(layer: Layer) -> Layer | None:
    return layer.natural(pads=tuple((before, 0) for before, _ in layer.pads))


def _whole_x_bar(t: LayerTerms) -> Any:
    """x_bar with the entries that belong to the padding."""
    if t.layer.transposed:
        return None
    wide = tuple(
        n + sum(p) for n, p in zip(t.layer.windows.size, t.layer.pads, strict=True)
    )
    return t.x_bar(t.layer.but(size=wide, before=(0,) * t.d))


def _short_x_bar(t: LayerTerms) -> Any:
    """x_bar without the entries beyond the last window."""
    w = t.layer.windows
    if t.layer.transposed or not t.d:
        return None
    each = zip(w.stride, w.out, w.dilation, w.kernel, t.layer.pads, strict=True)
    reach = [s * (p - 1) + d * (k - 1) + 1 - sum(pads) for s, p, d, k, pads in each]
    place: Any = (..., *(slice(0, max(n, 0)) for n in reach))
    return t.x_bar()[place]


def _padded_by(mode: Any) -> Rules:
    """y and w_bar where x is padded by other values than zeros."""

    def by(output: str) -> Rule:
        def rule(t: LayerTerms) -> Any:
            if t.layer.transposed or not any(map(any, t.layer.pads)):
                return None
            try:
                x = np.pad(t.x, ((0, 0), (0, 0), *t.layer.pads), mode=mode)
            except ValueError:  # an x that is too small for it
                return None
            layer = t.layer.but(size=x.shape[2:], before=(0,) * t.d)
            return getattr(t, output)(layer, x=x)

        return rule

    return {"y": (by("y"),), "w_bar": (by("w_bar"),)}


def _written(way: Callable[[Array, Layer], Array]) -> Rules:
    """y or x_bar where something else replaces the sum over overlapping windows."""

    def made(t: LayerTerms, y: Array) -> Array:
        return way(sent(y, t.w, t.layer.windows), t.layer)

    return {
        "y": (lambda t: t.biased(made(t, t.x)) if t.layer.transposed and t.d else None,),
        "x_bar": (lambda t: None if t.layer.transposed or not t.d else made(t, t.y_bar),),
    }


def _assigned(windows_first: bool) -> Callable[[Array, Layer], Array]:
    """Each entry is assigned, not added to: the last window, or tap, that reaches it stays."""

    def made(cols: Array, layer: Layer) -> Array:
        w = layer.windows
        found, d = np.zeros((*cols.shape[:2], *w.size)), len(w.size)
        places = [w.entries(axis) for axis in range(d)]
        sizes = (*w.out, *w.kernel) if windows_first else (*w.kernel, *w.out)
        for both in itertools.product(*map(range, sizes)):
            k, p = (both[d:], both[:d]) if windows_first else (both[:d], both[d:])
            if all(inside[i, j] for (_, inside), i, j in zip(places, k, p, strict=True)):
                at: Any = (..., *(q[i, j] for (q, _), i, j in zip(places, k, p, strict=True)))
                sender: Any = (..., *k, *p)
                found[at] = cols[sender]
        return found

    return made


def _averaged(cols: Array, layer: Layer) -> Array:
    w = layer.windows
    return w.collect(cols) / np.maximum(w.collect(np.ones_like(cols)), 1)


def _last_output(t: LayerTerms) -> Any:
    """x_bar where outputs are assigned, not added, as windows are: only the last one stays."""
    if t.layer.transposed or t.groups > 1 or not t.d:
        return None
    y_bar = _only(t.y_bar, 1, t.y_bar.shape[1] - 1)
    return _assigned(True)(sent(y_bar, t.w, t.layer.windows), t.layer)


def _without_extra(t: LayerTerms, array: Array, value: Any = 0.0) -> Array | None:
    """y or y_bar with something else in the entries of the output padding."""
    if not any(t.layer.extra):
        return None
    found = array.copy()
    for axis, e in enumerate(t.layer.extra):
        if e:
            found[(slice(None),) * (2 + axis) + (slice(-e, None),)] = value
    return found


def _no_extra(layer: Layer) -> Layer | None:
    return layer.natural(extra=(0,) * len(layer.pads)) if any(layer.extra) else None


def _extra_before(layer: Layer) -> Layer | None:
    if not any(layer.extra):
        return None
    before = zip(layer.windows.before, layer.extra, strict=True)
    return layer.but(before=tuple(b - e for b, e in before))


def _square(axis: int) -> Rules:
    """As many windows along every axis as along one; None where they reach beyond x."""

    def part(t: LayerTerms) -> Any:
        if t.d < 2 or t.layer.transposed or min(t.layer.size) < t.layer.size[axis % t.d]:
            return None
        return (..., *[slice(t.layer.size[axis % t.d])] * t.d)

    def y(t: LayerTerms) -> Any:
        place = part(t)
        return None if place is None else t.y()[place]

    def zeroed(t: LayerTerms, array: Array) -> Any:
        place, found = part(t), np.zeros_like(array)
        if place is None:
            return None
        found[place] = array[place]
        return found

    sums = _y_bar(lambda t: zeroed(t, t.y_bar))
    return {"y": (y, lambda t: zeroed(t, t.y())), "x_bar": sums["x_bar"], "w_bar": sums["w_bar"]}


# ---- channels, samples, axes --------------------------------------------------------------------


def _interleaved(channels: Array, G: int) -> Array:
    """(group, member) in the order (member, group)."""
    return channels.reshape(G, -1).T.ravel()


def _gathered(channels: Array, G: int) -> Array:
    return channels.reshape(-1, G).T.ravel()


def _next_group(channels: Array, G: int) -> Array:
    return np.roll(channels.reshape(G, -1), 1, axis=0).ravel()


def _groups(turn: Callable[[Array, int], Array], x_too: bool, y_too: bool) -> Rules:
    """The channels of x, y or both in another order with respect to the groups."""

    def order(t: LayerTerms, array: Array, wanted: bool) -> Array:
        channels = np.arange(array.shape[1])
        return turn(channels, t.groups) if wanted else channels

    def y(t: LayerTerms) -> Any:
        if t.groups == 1:
            return None
        found = t.y(x=t.x[:, order(t, t.x, x_too)], b=None)
        return t.biased(found[:, np.argsort(order(t, found, y_too))])

    def x_bar(t: LayerTerms) -> Any:
        found = t.x_bar(y_bar=t.y_bar[:, order(t, t.y_bar, y_too)])
        return None if t.groups == 1 else found[:, np.argsort(order(t, found, x_too))]

    def w_bar(t: LayerTerms) -> Any:
        if t.groups == 1:
            return None
        x, y_bar = t.x[:, order(t, t.x, x_too)], t.y_bar[:, order(t, t.y_bar, y_too)]
        return t.w_bar(x=x, y_bar=y_bar)

    return {"y": (y,), "x_bar": (x_bar,), "w_bar": (w_bar,)}


def _of_first_group(t: LayerTerms) -> Any:
    """y where each group reads the channels of the first."""
    if t.groups == 1:
        return None
    first = t.x[:, : t.x.shape[1] // t.groups]
    return t.y(x=np.concatenate([first] * t.groups, axis=1))


def _to_first_group(last: bool) -> Rule:
    """x_bar where every group writes to the channels of the first; the last one stays, or all."""

    def rule(t: LayerTerms) -> Any:
        if t.groups == 1:
            return None
        x_bar = t.x_bar()
        parts = np.stack(np.split(x_bar, t.groups, axis=1))
        found = np.zeros_like(x_bar)
        found[:, : parts.shape[2]] = parts[-1] if last else parts.sum(axis=0)
        return found

    return rule


def _w_bar_of_first_group(t: LayerTerms) -> Any:
    if t.groups == 1:
        return None
    first = t.x[:, : t.x.shape[1] // t.groups]
    return t.w_bar(x=np.concatenate([first] * t.groups, axis=1))


def _w_of_first_group(t: LayerTerms) -> Any:
    """w where each group has the kernels of the first."""
    if t.groups == 1:
        return None
    return np.concatenate([t.w[: len(t.w) // t.groups]] * t.groups)


def _filled(array: Array, order: tuple[int, ...]) -> Array:
    """An array that was filled in another order, and reshaped without a transpose."""
    return array.reshape(*array.shape[:2], -1).transpose(order).reshape(array.shape)


def _misread(array: Array, order: tuple[int, ...]) -> Array:
    """The opposite mistake: an array whose memory is read in another order."""
    sizes = (*array.shape[:2], math.prod(array.shape[2:]))
    other = array.reshape([sizes[i] for i in order])
    return other.transpose(np.argsort(order)).reshape(array.shape)


def _reshaped(order: tuple[int, ...]) -> Rules:
    def by(output: str, change: Any, argument: str = "") -> Rule:
        if argument:
            return lambda t: getattr(t, output)(**{argument: change(getattr(t, argument), order)})
        return lambda t: change(getattr(t, output)(), order)

    both = _filled, _misread
    return {
        "y": (*(by("y", f) for f in both), *(by("y", f, "x") for f in both)),
        "x_bar": (*(by("x_bar", f) for f in both), *(by("x_bar", f, "y_bar") for f in both)),
        "w_bar": (
            *(by("w_bar", f, argument) for f in both for argument in ("y_bar", "x")),
            *(by("w_bar", f) for f in both if order[0]),  # else taps_and_channels_mixed
        ),
        "b_bar": tuple(by("b_bar", f, "y_bar") for f in both),
    }


def _turned_plane(array: Array) -> Array | None:
    return array.swapaxes(-1, -2) if array.ndim > 3 else None


def _last_window(t: LayerTerms) -> Array:
    """y_bar at the last position alone."""
    found = t.y_bar
    for axis in range(2, found.ndim):
        found = _only(found, axis, found.shape[axis] - 1)
    return found


def _w_bar_of_last_window(t: LayerTerms) -> Any:
    if not t.d:
        return None
    if not t.layer.transposed:
        return t.w_bar(y_bar=_last_window(t))
    x = t.x
    for axis in range(2, x.ndim):
        x = _only(x, axis, x.shape[axis] - 1)
    return t.w_bar(x=x)


def _sum_but(axis: int) -> Rule:
    """y_bar summed over every axis but one."""

    def rule(t: LayerTerms) -> Any:
        others = tuple(a for a in range(t.y_bar.ndim) if a != axis)
        return t.y_bar.sum(axis=others) if axis < t.y_bar.ndim else None

    return rule


def _sample(at: int) -> Rules:
    return _y_bar(lambda t: _only(t.y_bar, 0, at))


def _divided(
    *by: Callable[[LayerTerms], float], outputs: tuple[str, ...], linear: bool = True
) -> Rules:
    """Answers over a number. linear: whether it means something in a layer without positions."""

    def rule(output: str, number: Any) -> Rule:
        return lambda t: getattr(t, output)() / number(t) if t.d or linear else None

    return {output: tuple(rule(output, number) for number in by) for output in outputs}


# ---- norms, activations -------------------------------------------------------------------------


def _norm_of_taps(t: LayerTerms) -> Any:
    """w where a norm runs over the taps of one pair of channels."""
    if not t.d or t.v is None:
        return None
    n = np.sqrt((t.v * t.v).sum(axis=tuple(range(2, t.v.ndim)), keepdims=True))
    gains = t.weight(lambda s: s.g * np.ones_like(s.v))
    return None if gains is None else gains * t.v / n


def _norm_of_all_groups(s: Terms) -> Any:
    if s.axes != (0, 2):
        return None
    others = tuple(a for a in range(s.v.ndim) if a != 2)
    return s.g * s.v / np.sqrt((s.v * s.v).sum(axis=others, keepdims=True))


def _activated(f: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Rules:
    return {"y": (lambda t: f(t.y()),), **_y_bar(lambda t: t.y_bar * slope(t.y()))}


def _leaky(a: float) -> Rules:
    return _activated(lambda y: np.where(y > 0, y, a * y), lambda y: np.where(y > 0, 1.0, a))


def _of_the_layer_before(slope: Callable[[Array], Array]) -> Rules:
    """x_bar times the slope of an activation, whose answer is x."""
    return {"x_bar": (lambda t: t.x_bar() * slope(t.x),)}


def _scaled_weight(t: LayerTerms, power: float) -> Array:
    inputs = t.w[:, 0].size if t.layer.transposed else t.w[0].size
    return t.w * float(max(inputs, 1)) ** power


def _input_channel(t: LayerTerms, at: int) -> Array | None:
    axis = 0 if t.layer.transposed else 1
    return _only(t.w, axis, at % t.w.shape[axis]) if t.groups == 1 else None


def _gains(t: LayerTerms) -> Array | None:
    """The gain of each output."""
    if t.norm is None or t.b is None or t.norm.g.size != t.b.size:
        return None
    return t.norm.g.reshape(-1)


def _gained(t: LayerTerms) -> Array | None:
    gains = _gains(t)
    return None if gains is None or t.b is None else t.y(b=gains * t.b)


def _b_bar_gained(t: LayerTerms) -> Array | None:
    gains = _gains(t)
    return None if gains is None else gains * t.b_bar()


def _cut_off() -> Rules:
    """Answers, or the weight, cut off at a limit."""

    def answer(output: str, limit: float) -> Rule:
        return lambda t: np.clip(getattr(t, output)(), -limit, limit)

    def weight(limit: float) -> Rule:
        return lambda t: np.clip(t.w, -limit, limit)

    names = ("y", "x_bar", "w_bar", "b_bar")
    answers = {name: tuple(answer(name, limit) for limit in LIMITS) for name in names}
    return _joined(answers, through(*map(weight, LIMITS)))


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# ---- the table ----------------------------------------------------------------------------------

_SUM = "add up over samples and positions; a mean belongs to the loss, which then shows in y_bar"
_BIAS = "b_bar[o] is the sum of y_bar[:, o] over the samples and all positions"

# (id, formula, fix, a sentence for a learner, rules, where it was seen)
_TABLE: tuple[tuple[str, str, str, str, Rules, str], ...] = (
    # the weight
    ("weight_scaled", "the weight is divided by its number of inputs, or by the root of it",
     "use w as it is: such a scale belongs to its initial values",
     "your weight is divided by its number of inputs, or by the root of it",
     through(
         lambda t: _scaled_weight(t, -0.5), lambda t: _scaled_weight(t, -1),
         lambda t: t.w / t.w[0, 0].size if t.d else None,
     ), "equalised learning rates; a mean over the window"),
    ("one_input_channel", "only the first, or the last, input channel counts",
     "add up over the input channels", "only one input channel counts in your y",
     _joined(
         through(lambda t: _input_channel(t, 0), lambda t: _input_channel(t, -1)),
         {"y": (lambda t: t.y(x=np.broadcast_to(t.x[:, :1], t.x.shape)),)},
     ), "x[:, 0]"),
    ("v_for_w", "v in the place of w", "use w = g v / ||v||, in y and on the way to x_bar",
     "you use v where the normalised weight w is meant",
     _weights(lambda s: s.v), "backward passes that keep v"),
    ("norm_of_taps", "the norm is over the taps of one input channel",
     "sum squares over every axis of the weight but that of the outputs",
     "your length is that of one input channel's kernel; it runs over all input channels",
     through(_norm_of_taps), ""),
    ("norm_of_all_groups", "outputs of different groups share one norm",
     "reshape the weight to (groups, c/groups, o/groups, ...) and sum over all but groups and o",
     "outputs of different groups share a length", _weights(_norm_of_all_groups),
     "weight norm along axis 1 of a grouped transposed convolution"),
    # the kernel
    ("kernel_flipped", "the taps of the kernel in reversed order",
     "y[p] = sum_k w[k] x[stride p + dilation k - padding]; x_bar and w_bar have the same taps",
     "the taps of your kernel are in reversed order", _kernel(_flip),
     "scipy.signal.convolve; x_bar as a full convolution with a kernel that is not flipped"),
    ("kernel_flipped_along_one_axis", "the taps in reversed order along one axis",
     "treat the axes of the kernel alike", "your kernel is flipped along one axis only",
     _kernel(*map(_flip_along, range(3))), ""),
    ("kernel_axes_exchanged", "height and width of the kernel exchanged",
     "the axes of the kernel are in the order of those of x",
     "height and width of your kernel are exchanged",
     _joined({"y": (_y_by_turned_kernel,)}, _kernel(_turned)), ""),
    ("in_and_out_exchanged", "the input and output channels of w exchanged",
     "transpose the weight where the product needs it: x w^T forward, y_bar w backward",
     "the input and output channels of your weight are exchanged",
     _kernel(lambda w: w.swapaxes(0, 1)), "(i, o) weights beside (o, i)"),
    ("taps_and_channels_mixed", "w is flattened in one order of channel and tap, x in the other",
     "flatten windows and w in the same order: (c, *kernel)",
     "you flatten the weight in one order and the windows in another",
     _kernel(_taps_first, _channels_first), "im2col"),
    # the windows
    ("stride_forgotten", "the windows are at stride 1", "window p starts at stride p - padding",
     "the stride is missing", _along_any(_stride),
     "x_bar and w_bar as convolutions of a y_bar that is not spread out"),
    ("dilation_forgotten", "the taps are next to each other: dilation 1",
     "tap k reads the entry dilation k after the first", "the dilation is missing",
     _along_any(_dilation), ""),
    ("dilation_off_by_one", "the taps are dilation + 1, or dilation - 1, apart",
     "dilation is the distance of two taps, 1 where they are next to each other",
     "dilation is the distance between two taps, not the number of holes",
     _joined(_windows(_more_dilation), _windows(_less_dilation)), ""),
    ("options_exchanged", "stride, dilation and padding of one axis used along another",
     "the first number belongs to the first axis after the channels",
     "your options belong to the other axis",
     _joined(_windows(_exchanged_options), _windows(_first_stride)), ""),
    ("padding_forgotten", "the first window starts at x[0], or x_bar has the padding in it",
     "pad x with zeros on both sides; leave out of x_bar what belongs to the padding",
     "the padding before x is missing, or was not cut off",
     _joined(_along_any(_pads(lambda p: (0, 0))), {"x_bar": (_whole_x_bar,)}), ""),
    ("padding_other_side", "the longer padding is on the other side",
     "'same' with an even kernel pads one entry more after x than before it",
     "your padding is longer on the wrong side", _along_any(_pads(lambda p: p[::-1])),
     "'same' of even kernels"),
    ("padding_on_one_side", "the padding is on one side alone: before x, or cropped from one end "
     "of y", "pad, or crop, both sides; where one side is meant, as in causal layers, declare it: "
     "padding=((4, 0),), or --padding 4:0", "your padding is on one side alone", _joined(
         _windows(_pads(lambda p: (sum(p), 0))), {"y": (_one("y", _no_padding_after),)},
         _windows(_cropped_after),
     ), ""),
    ("square_assumed", "the number of windows along one axis is used for the other",
     "count the windows along each axis by its own size", "your code takes every image for square",
     _joined(*map(_square, (0, 1))), "out = (h - k) // stride + 1, for height and width"),
    ("padding_not_zeros", "beyond its edges x is continued by its own entries",
     "pad with zeros", "your padding repeats entries of x; zeros are meant",
     _joined(*map(_padded_by, ("edge", "reflect", "symmetric", "wrap"))), ""),
    ("windows_assigned", "windows that overlap are assigned, not added",
     "add what every window sends to an entry: += in a loop, numpy.add.at for arrays of indices",
     "windows that overlap are assigned, not added",
     _joined(_written(_assigned(True)), _written(_assigned(False)), {"x_bar": (_last_output,)}),
     "dx[window] = ...; x_bar[:, i, j] += columns, with arrays of indices"),
    ("windows_averaged", "windows that overlap are averaged, not added",
     "leave out the division by the number of windows",
     "windows that overlap are averaged, not added", _written(_averaged), ""),
    ("remainder_rounded_up", "a window too many, where the stride leaves a remainder",
     "round down: (size + padding - dilation (kernel - 1) - 1) // stride + 1",
     "where the stride does not divide the size, you have a window too many",
     {"y": (_one("y", lambda layer: layer.natural(round_up=True)),)}, ""),
    ("remainder_lost", "x_bar lacks the entries beyond the last window",
     "give x_bar the shape of x, 0 where no window reads",
     "where the stride does not divide the size, your x_bar is too short",
     {"x_bar": (_short_x_bar,)}, ""),
    ("output_padding_lost", "the output padding is left out, or nothing is written to it",
     "y is longer by the output padding; windows and the bias reach into it",
     "the output padding is missing", _joined(
         {"y": (_one("y", _no_extra), lambda t: _without_extra(t, t.y()))},
         _y_bar(lambda t: _without_extra(t, t.y_bar)),
     ), ""),
    ("output_padding_before", "the output padding is before y, not after it",
     "add the output padding at the end",
     "the output padding belongs to the end of y", {
         output: (_one(output, _extra_before),) for output in ("y", "x_bar", "w_bar")
     }, ""),
    # the axes
    ("height_and_width_exchanged", "height and width of an image exchanged",
     "keep the order of the axes", "height and width are exchanged", {
         "y": (lambda t: _turned_plane(t.y()),), "x_bar": (lambda t: _turned_plane(t.x_bar()),)
     }, ""),
    ("reshaped_for_transposed", "reshape in the place of a transpose: channels, samples and "
     "positions are read in another order", "transpose to (n, c, *size) first, then reshape",
     "you reshape where a transpose is needed, so that channels and positions get mixed",
     _joined(*map(_reshaped, ((1, 0, 2), (0, 2, 1), (1, 2, 0), (2, 0, 1), (2, 1, 0)))),
     "channels last read as channels first; a matrix (o, n p) reshaped to (n, o, p)"),
    ("groups_mixed", "channels of different groups are exchanged",
     "group j has the channels j c/groups to (j + 1) c/groups, of x and of y alike",
     "your groups take each other's channels", _joined(*(
         _groups(turn, x_too, y_too)
         for turn in (_interleaved, _gathered, _next_group)
         for x_too, y_too in ((True, False), (False, True), (True, True))
     )), ""),
    ("first_group_for_all", "every group uses the channels, or the kernels, of the first one",
     "give each group its own channels and kernels", "all your groups use those of the first one",
     _joined({
         "y": (_of_first_group,), "x_bar": (_to_first_group(False), _to_first_group(True)),
         "w_bar": (_w_bar_of_first_group,),
     }, through(_w_of_first_group)), "x_bar[:, :c // groups] += ..., for every group"),
    # the bias
    ("bias_forgotten", "the bias is not added", "add b[o] to every position of channel o",
     "the bias is missing", {"y": (lambda t: t.y(b=None),)}, ""),
    ("bias_subtracted", "the bias is subtracted", "add b", "the bias is subtracted",
     {"y": (lambda t: 2 * t.y(b=None) - t.y(),)}, ""),
    ("bias_for_each_window", "the bias is added once for each product, not once for each entry",
     "add b after the sum over channels and taps", "your bias is added inside the loop, many times",
     {"y": (
         lambda t: t.y(b=None) + t.w.shape[1] * (t.y() - t.y(b=None)),
         lambda t: t.y(b=None) + t.groups * t.w.shape[1] * (t.y() - t.y(b=None)),
         lambda t: t.y(b=None) + t.w[0].size * (t.y() - t.y(b=None)),
         lambda t: t.y(b=None) + t.w[0, 0].size * (t.y() - t.y(b=None)) if t.d else None,
     )}, ""),
    ("bias_gained", "the bias is multiplied by the gain", "add b after the product with w",
     "the gain multiplies your bias, too",
     {"y": (_gained,), "b_bar": (_b_bar_gained,)}, "g * (v x / ||v|| + b)"),
    ("b_bar_not_over_positions", "b_bar is summed over the samples, but not over positions", _BIAS,
     "your b_bar is summed over the samples only; a bias is added at every position",
     {"b_bar": (lambda t: t.y_bar.sum(axis=0) if t.d else None,)}, ""),
    ("b_bar_not_over_samples", "b_bar is summed over positions, but not over the samples", _BIAS,
     "your b_bar is not summed over the samples",
     {"b_bar": (
         lambda t: t.y_bar.sum(axis=tuple(range(2, t.y_bar.ndim))),
         lambda t: t.y_bar,
     )}, ""),
    ("b_bar_scalar", "b_bar is one number: the sum over the channels too", _BIAS,
     "your b_bar is summed over everything; each output channel has a bias of its own",
     {"b_bar": (
         lambda t: t.y_bar.sum(), lambda t: np.full(t.y_bar.shape[1], t.y_bar.sum()),
     )}, ""),
    ("b_bar_over_other_axes", "b_bar is summed over the channels, and not over another axis", _BIAS,
     "your b_bar is summed over the wrong axes",
     {"b_bar": tuple(map(_sum_but, (0, 2, 3, 4)))}, "channels last summed as channels first"),
    ("b_bar_mean", "b_bar is a mean over positions, or over samples and positions", _BIAS,
     "your b_bar is a mean; it is a sum", _divided(
         lambda t: t.positions, lambda t: t.n * t.positions, outputs=("b_bar",), linear=False
     ), ""),
    # sums over samples and positions
    ("mean_over_batch", "w_bar, b_bar or both are divided by n, the number of samples: means over "
     "the batch", f"{_SUM}; where x_bar is not divided, they belong to different losses",
     "you divide by the number of samples: a mean over the batch, where a sum is asked for",
     _divided(lambda t: t.n, outputs=("w_bar", "b_bar")),
     "a convention of courses, whose loss is a mean: right with their y_bar, and with no other"),
    ("x_bar_mean_over_batch", "x_bar is divided by n, the number of samples", _SUM,
     "your x_bar is divided by the number of samples",
     _divided(lambda t: t.n, outputs=("x_bar",)), ""),
    ("w_bar_mean", "w_bar is a mean over positions, or over samples and positions", _SUM,
     "your w_bar is a mean over positions; it is a sum", _divided(
         lambda t: t.positions, lambda t: t.n * t.positions, outputs=("w_bar",), linear=False
     ), ""),
    ("one_sample", "the gradients are those of the last sample, or of the first, alone",
     "add up over the samples: +=, not =", "only one sample counts in your gradients",
     _joined(_sample(-1), _sample(0)), ""),
    ("one_output_channel", "x_bar is that of the last output channel, or of the first, alone",
     "add up over the output channels: +=, not =", "only one output channel counts in your x_bar",
     {"x_bar": (
         lambda t: t.x_bar(y_bar=_only(t.y_bar, 1, t.y_bar.shape[1] - 1)),
         lambda t: t.x_bar(y_bar=_only(t.y_bar, 1, 0)),
     )}, "x_bar = np.zeros_like(x) inside the loop over the filters"),
    ("last_window", "w_bar or b_bar is that of the last position alone",
     "add up over the positions: +=, not =", "only the last position counts in your gradient", {
         "w_bar": (
             _w_bar_of_last_window,
             lambda t: t.w_bar(y_bar=_only(_last_window(t), 0, -1)) if t.d else None,
         ),
         "b_bar": (
             lambda t: t.b_bar(_last_window(t)) if t.d else None,
             lambda t: t.b_bar(_only(_last_window(t), 0, -1)) if t.d else None,
         ),
     }, ""),
    ("ones_for_y_bar", "y_bar is not used: ones in its place",
     "multiply by y_bar, which comes from the layers above",
     "you leave out y_bar, the gradient that comes from above",
     _y_bar(lambda t: np.ones_like(t.y_bar)), ""),
    ("y_for_y_bar", "y in the place of y_bar", "use the cotangent y_bar, not the output y",
     "you use y where its cotangent y_bar is meant", _y_bar(lambda t: t.y()), ""),
    ("clipped", "numbers beyond a limit are cut off", "leave clipping to the optimiser",
     "large numbers are cut off in your layer", _cut_off(), "np.clip(dw, -5, 5)"),
    ("activation_inside", "an activation is part of the layer",
     "leave the activation to a layer of its own", "your layer has an activation in it", _joined(
         _activated(lambda y: np.maximum(y, 0), lambda y: y > 0),
         _activated(np.tanh, lambda y: 1 - np.tanh(y) ** 2),
         _activated(_sigmoid, lambda y: _sigmoid(y) * (1 - _sigmoid(y))),
         *(_leaky(a) for a in (0.01, 0.1, 0.2, 0.3)),
         _activated(lambda y: np.where(y > 0, y, np.expm1(np.minimum(y, 0))),
                    lambda y: np.exp(np.minimum(y, 0))),
         _activated(lambda y: np.logaddexp(0, y), _sigmoid),
         _activated(lambda y: y * _sigmoid(y),
                    lambda y: _sigmoid(y) * (1 + y * (1 - _sigmoid(y)))),
     ), ""),
    ("activation_before", "x_bar has the slope of an activation that x has come from",
     "leave the activation before this layer to a layer of its own",
     "your x_bar goes through the activation of the layer before, too", _joined(
         _of_the_layer_before(lambda x: x > 0),
         _of_the_layer_before(lambda x: 1 - x * x),
         _of_the_layer_before(lambda x: x * (1 - x)),
     ), "dA * (A > 0)"),
)

LAYER_MISTAKES = tuple(
    LayerMistake(id, formula, fix, sentence, rules, seen)
    for id, formula, fix, sentence, rules, seen in _TABLE
)
