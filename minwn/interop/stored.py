"""How one framework stores a parameter: read as v, g and axes in minwn's layout, and written."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import validation
from ..backend import is_floating, quiet
from ..byhand import weight_norm
from ..nn import ZeroNormError
from .layout import LAYOUTS, Axes, bring, bring_g, choices, output_axis, restore, restore_g
from .names import Framework, Keys, layer_of, leaf_of

__all__ = ["Stored", "folded", "gain", "length_of", "narrowed", "norms"]

Length = tuple[str, float]  # form and eps of h


class Stored(NamedTuple):
    """One stored parameter: the names of its arrays, its kind of layer, and the h of its norm."""

    row: Framework
    keys: Keys
    kind: str
    groups: int
    length: Length

    @property
    def flat(self) -> bool:
        """Whether g has the kept axes alone, as a wrapper's scale."""
        return _is_scale(self.row, self.keys)

    @property
    def log(self) -> bool:
        """Whether log g is stored in place of g."""
        return self.keys[0].endswith("_s") and len(self.keys) == 2

    def layout(self, parameter: str) -> tuple[str, str, int]:
        """(kind of layer, framework's column in the table, groups) of one of its parameters."""
        kind = self.kind if leaf_of(parameter) == "weight" else "other"
        return kind, self.row.column, self.groups

    def read(self, arrays: list[Any], parameter: str, dim: Any) -> tuple[Any, Any, Axes]:
        """(v, g, axes) in minwn's layout, from the arrays of `keys`; g is None for a plain one."""
        layout = self.layout(parameter)
        try:
            v = restore(arrays[-1], *layout)
        except ValueError as error:
            raise ValueError(f"{self.keys[-1]}: {error}") from None
        if len(arrays) == 1:
            if self.row.column == "equinox" and leaf_of(parameter) == "bias" and v.ndim > 1:
                v = v.reshape(len(v))  # (out, 1, 1) where the kernel has two axes
            return v, None, None
        for key, x in zip(self.keys, arrays, strict=True):
            if not is_floating(x.dtype):
                raise ValueError(f"{key} is {x.dtype}; only floating weights have a norm")
        axes = self._axes(arrays[0], v, layout, dim, parameter)
        return v, restore_g(arrays[0], v.shape, axes, *layout, flat=self.flat), axes

    def _axes(
        self, gains: Any, weight: Any, layout: tuple[str, str, int], dim: Any, parameter: str
    ) -> Axes:
        """The axes `dim` names, if they fit the shape of g; for "infer", the only ones that fit;
        for "usual", the framework's own of several that fit."""
        (g_key, v_key), g, v = self.keys, gains.shape, weight.shape
        whole = g in ((), (1,), (1,) * len(v))  # one norm of all, as one or another writes it
        if not (isinstance(dim, str) and dim in ("infer", "usual")):
            axes = self.axes(v, layout[0], dim)
            shape = self._shape_of_g(v, axes, layout)
            if g != shape and not (axes is None and whole):
                raise ValueError(f"{g_key} of shape {g}; dim={dim!r} of {v_key} has {shape}")
            return axes
        fits = self.fitting(gains, weight, parameter)
        if not fits and (self.flat or not whole):
            raise ValueError(
                f"{g_key} of shape {g} fits no axes of {v_key}, which is {v} in minwn's layout; "
                f"where they are no weight norm, give exclude={parameter!r}"
            )
        usual = weight_norm.kept_shape(v, (self.usual_axis(layout[0], len(v)),))
        for axes in fits:
            if dim == "usual" and weight_norm.kept_shape(v, axes) == usual:
                return axes
        if len(fits) > 1:
            first, *others = (str(a[0] if a and len(a) == 1 else a) for a in fits)
            raise ValueError(
                f"{g_key} of shape {g} could be for dim {' or '.join([first, *others])} of "
                f"{v_key}, which is {v} in minwn's layout; say which. Usual is one norm for each "
                f"output, dim='output'; dim={{{layer_of(parameter)!r}: {first}}} is for this layer"
            )
        return fits[0] if fits else None

    def fitting(self, g: Any, v: Any, parameter: str) -> list[Axes]:
        """The axes of v of which norms are shaped as g; of those that keep the same, the first."""
        found: dict[tuple[int, ...], Axes] = {}
        layout = self.layout(parameter)
        for a in choices(v.shape):
            together = self.row.many or self.groups > 1 or a is None or len(a) == 1
            if together and self._shape_of_g(v.shape, a, layout) == g.shape:
                found.setdefault(weight_norm.kept_shape(v.shape, a), a)
        return list(found.values())

    def _shape_of_g(
        self, v: tuple[int, ...], axes: Axes, layout: tuple[str, str, int]
    ) -> tuple[int, ...] | None:
        """The shape of a g that keeps these axes; None where it cannot."""
        gains = np.broadcast_to(np.float32(0), weight_norm.kept_shape(v, axes))
        try:
            return bring_g(gains, v, axes, *layout, flat=self.flat, whole=self.row.whole).shape
        except ValueError:
            return None

    def usual_axis(self, kind: str, ndim: int) -> int:
        """The axis, in minwn's layout, that the framework keeps norms for by default."""
        words = LAYOUTS.get(kind, {"minwn": "", "flax": ""})
        if self.row.column == "flax":  # the last in its own layout
            return words["minwn"].find(words["flax"][-1:]) if words["flax"] else ndim - 1
        if self.row.column == "equinox" or self.flat:
            return max(words["minwn"].find("o"), 0)
        return 0

    def axes(self, v: tuple[int, ...], kind: str, dim: Any) -> Axes:
        """The axes that `dim` names in a weight of shape v."""
        if isinstance(dim, str) and dim == "output":
            dim = output_axis(kind if len(v) > 1 else "norm")
            if dim is None:
                raise ValueError(f"{self.keys[-1]}: dim='output' for a weight of no known layout")
        axes = validation.axes("dim", dim, v)
        return None if axes is None else tuple(sorted(set(axes)))

    def write(self, v: Any, g: Any, axes: Axes, parameter: str, after_bias: int) -> list[Any]:
        """The arrays for `keys`. after_bias: how many axes Equinox adds to a bias."""
        layout = self.layout(parameter)
        try:
            moved = bring(v, *layout)
            if g is None:
                if self.row.column == "equinox" and leaf_of(parameter) == "bias":
                    moved = moved.reshape(moved.shape + (1,) * after_bias)
                return [moved.copy(order="C")]
            g = bring_g(g, v.shape, axes, *layout, flat=self.flat, whole=self.row.whole)
        except ValueError as error:
            raise ValueError(f"{parameter}: {error}") from None
        if not self.row.many and sum(n > 1 for n in g.shape) > 1:
            raise ValueError(f"{parameter}: norms of shape {g.shape}; the target keeps one axis")
        if not self.row.mixed and g.dtype != v.dtype:
            raise ValueError(f"{parameter}: g is {g.dtype} and v {v.dtype}; the target needs one")
        return [g.copy(order="C"), moved.copy(order="C")]


def _is_scale(row: Framework, keys: Keys) -> bool:
    """Whether g is a wrapper's scale: the kept axes alone, and with its epsilon."""
    return row.flat or keys[0].endswith("/scale")


def length_of(row: Framework, keys: Keys, declared: Length, epsilon: float) -> Length:
    """The form and eps of h: Flax's, minwn's as declared, or the plain form of all others."""
    if row.flat or (_is_scale(row, keys) and declared[0] == "plain"):
        return ("inside", epsilon)
    return declared if row.child else ("plain", 0.0)


def gain(stored: Any, v: Any, one: Stored, other: Stored, parameter: str) -> Any:
    """The g that `other` stores for the weight to be that of `one`; computed in float64."""
    g, v = stored.astype(np.float64), v.astype(np.float64)
    with quiet():
        if one.log:
            g = np.exp(g)
        if one.length != other.length:
            old, new = (_length(v, g, way, parameter) for way in (one.length, other.length))
            if not np.isfinite(new / old).all():
                bad = int((~np.isfinite(new / old)).sum())
                raise ValueError(
                    f"{parameter}: v is not finite in {bad} of {g.size} slices, so no g keeps the "
                    f"weight"
                )
            g = g * (new / old)  # w = g v / old = (g new / old) v / new
        if other.log and not (g > 0).all():
            raise ValueError(f"{parameter}: g is not above 0 everywhere, as e^s would be")
        result = (np.log(g) if other.log else g).astype(stored.dtype)
    if not np.isfinite(result[np.isfinite(stored)]).all():
        raise ValueError(f"{parameter}: the g that keeps the weight is beyond {stored.dtype}")
    return result


def folded(g: Any, v: Any, one: Stored, parameter: str, dtype: Any) -> Any:
    """w = g v / h(v) in a dtype; computed in float64, and rounded once."""
    v, g = v.astype(np.float64), g.astype(np.float64)
    with quiet():
        g = np.exp(g) if one.log else g
    _length(v, g, one.length, parameter)
    form, eps = one.length
    with quiet():
        return narrowed(weight_norm.forward(v, g, eps=eps, form=form), dtype, parameter)


def norms(v: Any, axes: Axes, length: Length, parameter: str) -> Any:
    """The g with which g v / h(v) is v: h(v), computed in float64 and rounded once."""
    shape = np.broadcast_to(np.float64(0), weight_norm.kept_shape(v.shape, axes))
    h = _length(v.astype(np.float64), shape, length, parameter)
    return narrowed(np.asarray(h), v.dtype, parameter)


def narrowed(x: Any, dtype: Any, name: str) -> Any:
    """x in a dtype. Raises ValueError where a finite number would become infinite."""
    with quiet():
        result = x.astype(dtype)
    finite = np.isfinite(x)
    if not np.isfinite(result[finite]).all():
        raise ValueError(f"{name} has numbers up to {np.abs(x[finite]).max():.3g}, beyond {dtype}")
    return result


def _length(v: Any, g: Any, length: Length, parameter: str) -> Any:
    """h(v) for the slices of g. Raises ZeroNormError where it is 0; that of NaN is NaN."""
    form, eps = length
    with quiet():
        h = weight_norm.radius(v, shape=g.shape, eps=eps, form=form)
        zero = np.isnan(h) & (weight_norm.radius(v, shape=g.shape, eps=0.0, form="norm") == 0)
    if zero.any():
        which = ", ".join(map(str, np.flatnonzero(zero)[:5])) + ", ..." * bool(zero.sum() > 5)
        raise ZeroNormError(
            f"{parameter}: v is zero in {int(zero.sum())} of {zero.size} slices ({which}), where "
            f"g v / ||v|| has no value; give these weights one, or keep eps on both sides"
        )
    return h
