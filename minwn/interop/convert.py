"""A state of one framework as a state of another: the same weights under other names and layouts.

    w = g v / h(v)      h = ||v||                          torch, R torch, Equinox
                        h = sqrt(||v||^2 + epsilon)        Flax
                        as its WeightNorm says             minwn

v is carried over bit by bit. So is g where h is the same on both sides; where it is not, g becomes
g h' / h, computed in float64, for it is the weight that must not change. What cannot be the same
is the gradient of v, by a factor of the order of epsilon / ||v||^2: to keep that too, keep h, with
`form="inside", eps=1e-12` on minwn's side of a conversion from or to Flax.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from ..backend import dtype_of, is_floating, quiet, to_numpy
from ..byhand import weight_norm
from ..graph import raw
from ..nn import ZeroNormError
from .layout import KINDS, Axes, bring, bring_g, choices, output_axis, restore, restore_g
from .names import FRAMEWORKS, Framework, Keys, flatten, locate, place, unflatten

__all__ = ["convert", "match", "parameters"]

Length = tuple[str, float]  # form and eps of h


def convert(
    state: Mapping[str, Any],
    source: str,
    target: str,
    *,
    dim: Any = "infer",
    kind: Any = None,
    groups: Any = 1,
    rename: Mapping[str, str] | None = None,
    like: Mapping[str, Any] | None = None,
    form: Any = "plain",
    eps: Any = 0.0,
    epsilon: float = 1e-12,
) -> dict[str, Any]:
    """The state of a model in `target`, from its state in `source`; new NumPy arrays.

    source, target: of "minwn", "torch" (the hook, `weight_g`), "parametrization", "r", "flax",
    "equinox". Every array is carried over, normalised or not.

    dim: the axes that keep a norm each, in minwn's numbering and layout (`dim_from_torch`,
    `dim_from_r` translate), or "output"; "infer" reads them from the shape of g.
    kind: of a layer, one of KINDS. Without it a weight with 2 axes is "linear", with more "conv".
    groups: of a transposed convolution. form, eps: of minwn's WeightNorm. These five may be a
    mapping too, from patterns such as "decoder.*" for the name of a layer, or of a parameter.
    rename: {old: new} for the beginnings of names, applied first; the patterns speak of the new
    ones. epsilon: Flax's, and that of minwn's WeightNormWrapper.
    like: a state of the target, which decides the names, and must be matched entirely.

    Raises KeyError for missing and unexpected names, ZeroNormError where no g gives the weight, and
    ValueError for shapes that do not fit, an ambiguous dim, and what the target cannot express.
    """
    ours, theirs = _row(source), _row(target)
    weight_norm.check_form(epsilon, "inside")
    arrays = {name: _array(x, name) for name, x in flatten(state, source).items()}
    located = _renamed(locate(arrays, source), rename or {})
    if ours.owned != theirs.owned:
        located = {p: keys for p, keys in located.items() if _leaf(p) != ours.owned}
    model = {} if like is None else flatten(like, target)
    wanted = locate(model, target)

    ndims = {p: arrays[keys[-1]].ndim for p, keys in located.items()}
    kinds = _kinds(_spread("kind", kind, located), located, wanted, ndims)
    pairs = {p for p, keys in located.items() if len(keys) == 2}
    places = place(kinds, pairs, target)
    places |= {p: k for p, k in wanted.items() if p in located and (len(k) == 2) == (p in pairs)}

    dims, groups = _spread("dim", dim, located), _spread("groups", groups, located)
    forms, epsilons = _spread("form", form, located), _spread("eps", eps, located)
    result: dict[str, Any] = {}
    for p, keys in located.items():
        weight_norm.check_form(epsilons[p], forms[p])
        length = forms[p], epsilons[p]
        after_bias = max(ndims.get(_join(_path(p), "weight"), 0) - 2, 0)
        one = _Place(ours, keys, kinds[p], groups[p], _length(ours, keys, length, epsilon))
        other = _Place(
            theirs, places[p], kinds[p], groups[p], _length(theirs, places[p], length, epsilon)
        )
        v, g, axes = one.read([arrays[key] for key in keys], p, dims[p])
        if g is not None and (one.length, one.log) != (other.length, other.log):
            g = _gain(g, v, one, other, p)
        made = other.write(v, g, axes, p, after_bias)
        for key, array in zip(other.keys, made, strict=True):
            if key in result:
                raise ValueError(f"two parameters would both be called {key!r} in {target}")
            result[key] = array
    if like is not None:
        match(result, model)
    return unflatten(result) if target == "flax" else result


def parameters(
    state: Mapping[str, Any], source: str, rename: Mapping[str, str] | None = None
) -> dict[str, str]:
    """{new name: old name} of the parameters of a state, named as in minwn without weight norm."""
    names: dict[str, Keys] = {p: (p,) for p in locate(flatten(state, source), source)}
    return {new: old for new, (old,) in _renamed(names, rename or {}).items()}


def _row(framework: str) -> Framework:
    if framework not in FRAMEWORKS:
        raise ValueError(f"framework {framework!r}; choose from {', '.join(FRAMEWORKS)}")
    return FRAMEWORKS[framework]


# ---- settings -----------------------------------------------------------------------------------


def _renamed(located: dict[str, Keys], rename: Mapping[str, str]) -> dict[str, Keys]:
    """The same with the beginnings of names replaced, level by level; the longest that fits."""
    used, result = set(), {}
    for parameter, keys in located.items():
        levels, new = parameter.split("."), parameter
        for n in range(len(levels), -1, -1):
            old = _join(*levels[:n])
            if old in rename:
                used.add(old)
                new = _join(rename[old], *levels[n:])
                break
        if new in result:
            raise ValueError(f"rename: {new!r} would stand for two parameters")
        result[new] = keys
    for old in rename:
        if old not in used:
            raise ValueError(f"rename: nothing begins with {old!r}{_near(old, located)}")
    return result


def _spread(what: str, setting: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """{parameter: its value} of a setting that may be one value, or a mapping from patterns."""
    default = {"dim": "infer", "kind": None, "groups": 1, "form": "plain", "eps": 0.0}[what]
    if not isinstance(setting, Mapping):
        return dict.fromkeys(parameters, setting)
    values, unused = {}, set(setting)
    for p in parameters:
        path = _path(p)
        fits = [x for x in setting if x in (p, path)]
        fits += [x for x in setting if fnmatchcase(p, x) or fnmatchcase(path, x)]
        values[p] = setting[fits[0]] if fits else default
        unused -= set(fits)
    for pattern in unused:
        raise ValueError(f"{what}: {pattern!r} fits no layer{_near(pattern, parameters)}")
    return values


def _kinds(
    given: dict[str, Any], located: dict[str, Keys], wanted: dict[str, Keys], ndims: dict[str, int]
) -> dict[str, str]:
    """{parameter: kind of its layer}, as given, or as its name and its number of axes say."""
    kinds = {}
    for p, keys in located.items():
        found = given[p]
        if found is None and (keys + wanted.get(p, ()))[-1].endswith(".embedding"):
            found = "embedding"
        if found is None:
            ndim = ndims.get(_join(_path(p), "weight"), 0)
            found = ("other", "norm", "linear")[ndim] if ndim < 3 else "conv"
        if found not in KINDS:
            raise ValueError(f"kind={found!r} for {p}; choose from {', '.join(KINDS)}")
        kinds[p] = found
    return kinds


# ---- one parameter ------------------------------------------------------------------------------


class _Place(NamedTuple):
    """How one framework keeps one parameter."""

    row: Framework
    keys: Keys
    kind: str
    groups: int
    length: Length

    @property
    def flat(self) -> bool:
        return _is_scale(self.row, self.keys)

    @property
    def log(self) -> bool:
        """Whether g is kept as its logarithm."""
        return self.keys[0].endswith("_s") and len(self.keys) == 2

    def layout(self, parameter: str) -> tuple[str, str, int]:
        kind = self.kind if _leaf(parameter) == "weight" else "other"
        return kind, self.row.column, self.groups

    def read(self, arrays: list[Any], parameter: str, dim: Any) -> tuple[Any, Any, Axes]:
        """(v, g, axes) in minwn's layout, from the arrays of `keys`; g is None for a plain one."""
        layout = self.layout(parameter)
        try:
            v = restore(arrays[-1], *layout)
        except ValueError as error:
            raise ValueError(f"{self.keys[-1]}: {error}") from None
        if len(arrays) == 1:
            if self.row.column == "equinox" and _leaf(parameter) == "bias" and v.ndim > 1:
                v = v.reshape(len(v))  # (out, 1, 1) beside a kernel with two axes
            return v, None, None
        for key, x in zip(self.keys, arrays, strict=True):
            if not is_floating(x.dtype):
                raise ValueError(f"{key} is {x.dtype}; only floating weights have a norm")
        axes = self._axes(arrays[0].shape, v.shape, layout, dim)
        return v, restore_g(arrays[0], v.shape, axes, *layout, flat=self.flat), axes

    def _axes(
        self, g: tuple[int, ...], v: tuple[int, ...], layout: tuple[str, str, int], dim: Any
    ) -> Axes:
        """The axes asked for, if the shape of g is theirs; or the only ones whose shape it is."""

        def shape(axes: Axes) -> tuple[int, ...] | None:
            kept = np.broadcast_to(np.float32(0), weight_norm.kept_shape(v, axes))
            try:
                return bring_g(kept, v, axes, *layout, flat=self.flat, whole=self.row.whole).shape
            except ValueError:
                return None

        g_key, v_key = self.keys
        whole = g in ((), (1,), (1,) * len(v))  # one norm of all, as one or another writes it
        if dim == "output":
            dim = output_axis(layout[0] if len(v) > 1 else "norm")
            if dim is None:
                raise ValueError(f"{v_key}: dim='output' for a weight of no known layout")
        if dim != "infer":
            axes = None if dim is None else dim if isinstance(dim, tuple) else (dim,)
            weight_norm.kept_shape(v, axes)  # IndexError for an axis that v lacks
            axes = None if axes is None else tuple(sorted({a % len(v) for a in axes}))
            if g != shape(axes) and not (axes is None and whole):
                raise ValueError(f"{g_key} of shape {g}; dim={dim!r} of {v_key} has {shape(axes)}")
            return axes
        together = self.row.many or self.groups > 1
        fits = [a for a in choices(v) if (together or a is None or len(a) == 1) and shape(a) == g]
        if not fits and (self.flat or not whole):
            raise ValueError(
                f"{g_key} of shape {g} fits no axes of {v_key}, which is {v} in minwn's layout"
            )
        if len({weight_norm.kept_shape(v, axes) for axes in fits}) > 1:
            said = " or ".join(str(a[0] if a and len(a) == 1 else a) for a in fits)
            raise ValueError(
                f"{g_key} of shape {g} could be for dim {said} of {v_key}, which is {v} in minwn's "
                f"layout; say which with dim. 'output', one norm for each output, is usual"
            )
        return fits[0] if fits else None

    def write(self, v: Any, g: Any, axes: Axes, parameter: str, after_bias: int) -> list[Any]:
        """The arrays for `keys`. after_bias: how many axes Equinox adds to a bias."""
        layout = self.layout(parameter)
        try:
            moved = bring(v, *layout)
            if g is None:
                if self.row.column == "equinox" and _leaf(parameter) == "bias":
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


def _length(row: Framework, keys: Keys, ours: Length, epsilon: float) -> Length:
    """The form and eps of h: of Flax, of minwn as told, and of the others, who have no choice."""
    if row.flat or (_is_scale(row, keys) and ours[0] == "plain"):
        return ("inside", epsilon)
    return ours if row.child else ("plain", 0.0)


def _gain(stored: Any, v: Any, one: _Place, other: _Place, parameter: str) -> Any:
    """What `other` stores, for the weight to be the one that `one` has; computed in float64."""
    g, v = stored.astype(np.float64), v.astype(np.float64)
    with quiet():
        if one.log:
            g = np.exp(g)
        if one.length != other.length:
            old, new = (
                weight_norm.radius(v, shape=g.shape, eps=eps, form=form)
                for form, eps in (one.length, other.length)
            )
            g = g * (new / old)  # w = g v / old = (g new / old) v / new
            if np.isnan(new / old).any():
                raise ZeroNormError(
                    f"{parameter}: v is zero in {int(np.isnan(new / old).sum())} of {g.size} "
                    f"slices, where g v / ||v|| has no value; give these weights one, or keep eps "
                    f"on both sides"
                )
        if other.log and not (g > 0).all():
            raise ValueError(f"{parameter}: g is not above 0 everywhere, as e^s would be")
        result = (np.log(g) if other.log else g).astype(stored.dtype)
    if not np.isfinite(result[np.isfinite(stored)]).all():
        raise ValueError(f"{parameter}: the g that keeps the weight is beyond {stored.dtype}")
    return result


# ---- names and arrays ---------------------------------------------------------------------------


def _path(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _leaf(parameter: str) -> str:
    return parameter.rpartition(".")[2]


def _join(*levels: str) -> str:
    return ".".join(filter(None, levels))


def _array(x: Any, name: str) -> np.ndarray:
    """x as a NumPy array; a Tensor, and an array of PyTorch or JAX, is unwrapped."""
    x = raw(x)
    if hasattr(x, "detach"):  # of PyTorch, for which NumPy has no bfloat16
        x = x.detach().cpu()
        if str(x.dtype) == "torch.bfloat16":
            bits = x.view(sys.modules["torch"].int16)
            return bits.numpy().view(dtype_of("bfloat16"))
    x = to_numpy(x)
    if x.dtype.kind not in "biufc" and not is_floating(x.dtype):
        raise TypeError(f"{name} is an array of {x.dtype}; a state holds numbers")
    return x


def _near(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names) or 'none'}"


def match(found: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """KeyError unless both have the same names, ValueError unless under them the same shapes."""
    missing = [name for name in model if name not in found]
    lines = [f"  unexpected {n!r}{_near(n, missing)}" for n in found if n not in model]
    lines += [f"  missing {name!r}" for name in missing]
    if lines:
        raise KeyError("\n".join(["the names do not match; nothing was changed", *lines]))
    for name, x in model.items():
        if found[name].shape != tuple(x.shape):
            raise ValueError(f"{name}: shape {found[name].shape} for {tuple(x.shape)}")
