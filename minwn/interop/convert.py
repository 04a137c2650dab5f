"""A state of one framework as a state of another: the same weights under other names and layouts.

    w = g v / h(v)      h = ||v||                          torch, R torch, Equinox
                        h = sqrt(||v||^2 + epsilon)        Flax
                        as its WeightNorm says             minwn

v is carried over bit by bit. So is g where h is the same on both sides; where it is not, g becomes
g h' / h, computed in float64, so that the weight does not change. The gradient of v then differs by
a relative error of the order of epsilon / ||v||^2; to keep it too, keep h, with
`form="inside", eps=1e-12` on minwn's side of a conversion from or to Flax.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from .. import forms
from ..backend import dtype_of, is_floating, to_numpy
from ..graph import raw
from ..nn.module import join
from ..validation import did_you_mean, mapping, shown, whole
from .layout import KINDS, LAYOUTS
from .names import FRAMEWORKS, Framework, Keys, flatten, layer_of, leaf_of, locate, place, unflatten
from .stored import Stored, gain, length_of

__all__ = ["convert", "match", "parameters"]


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
    "equinox". Every array is carried over, normalised or not; a parameter called neither `weight`
    nor `bias` keeps its layout.

    dim: the axes that keep a norm each, in minwn's numbering and layout (`dim_from_torch`,
    `dim_from_r` translate), or "output"; "infer" reads them from the shape of g.
    kind: of a layer, one of KINDS. Without it a weight with 2 axes is "linear", with more "conv".
    groups: of a transposed convolution
    form, eps: of minwn's WeightNorm. These five may be a mapping too, from patterns such as
    "decoder.*" for the name of a layer, or of a parameter.
    rename: {old: new} for the beginnings of names, applied first; the patterns match the new
    names. epsilon: Flax's, and that of minwn's WeightNormWrapper.
    like: a state of the target, which decides the names, and must be matched entirely.

    Raises KeyError for missing and unexpected names, ZeroNormError where no g gives the weight, and
    ValueError for shapes that do not fit, an ambiguous dim, and settings that the target cannot
    express.

    >>> state = {"conv.weight_g": np.ones((2, 1, 1)), "conv.weight_v": np.ones((2, 3, 5))}
    >>> flax = interop.convert(state, "torch", "flax")
    >>> {name: array.shape for name, array in interop.flatten(flax, "flax").items()}
    {'params.WeightNorm_0.conv/kernel/scale': (2,), 'params.conv.kernel': (5, 3, 2)}
    """
    source_row, target_row = _row(source), _row(target)
    epsilon = forms.check("inside", epsilon, name="epsilon")
    rename = {} if rename is None else mapping("rename", rename, "a mapping of names, {old: new}")
    arrays = {name: _array(x, name) for name, x in flatten(state, source).items()}
    located = _renamed(locate(arrays, source), rename)
    if source_row.owned != target_row.owned:
        located = {p: keys for p, keys in located.items() if leaf_of(p) != source_row.owned}
    model = {} if like is None else flatten(mapping("like", like), target)
    wanted = locate(model, target)

    ndims = {p: arrays[keys[-1]].ndim for p, keys in located.items()}
    kinds = _kinds(_spread("kind", kind, located), located, wanted, ndims)
    pairs = {p for p, keys in located.items() if len(keys) == 2}
    places = place(kinds, pairs, target)
    places |= {p: k for p, k in wanted.items() if p in located and (len(k) == 2) == (p in pairs)}

    dims, names = _spread("dim", dim, located), _spread("form", form, located)
    epsilons = _spread("eps", eps, located)
    biases = {layer_of(p): arrays[k[-1]].size for p, k in located.items() if leaf_of(p) == "bias"}
    result: dict[str, Any] = {}
    counts = {p: whole("groups", n) for p, n in _spread("groups", groups, located).items()}
    lengths = {p: (name, forms.check(name, epsilons[p])) for p, name in names.items()}
    for p, keys in located.items():
        length = lengths[p]
        after_bias = max(ndims.get(join(layer_of(p), "weight"), 0) - 2, 0)
        kind, count = kinds[p], counts[p]
        one = Stored(source_row, keys, kind, count, length_of(source_row, keys, length, epsilon))
        other = Stored(
            target_row, places[p], kind, count, length_of(target_row, places[p], length, epsilon)
        )
        v, g, axes = one.read([arrays[key] for key in keys], p, dims[p])
        if leaf_of(p) == "weight" and layer_of(p) in biases:
            _check_outputs(p, v.shape, kinds[p], counts[p], biases[layer_of(p)])
        if g is not None and (one.length, one.log) != (other.length, other.log):
            g = gain(g, v, one, other, p)
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
    if not isinstance(framework, str) or framework not in FRAMEWORKS:
        raise ValueError(f"framework {shown(framework)}; choose from {', '.join(FRAMEWORKS)}")
    return FRAMEWORKS[framework]


# ---- settings -----------------------------------------------------------------------------------


def _renamed(located: dict[str, Keys], rename: Mapping[str, str]) -> dict[str, Keys]:
    """The same with the beginnings of names replaced, level by level; the longest that fits."""
    used, result = set(), {}
    for parameter, keys in located.items():
        levels, new = parameter.split("."), parameter
        for n in range(len(levels), -1, -1):
            old = join(*levels[:n])
            if old in rename:
                used.add(old)
                new = join(rename[old], *levels[n:])
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
        path = layer_of(p)
        fits = [x for x in setting if x in (p, path)]
        fits += [x for x in setting if fnmatchcase(p, x) or fnmatchcase(path, x)]
        values[p] = setting[fits[0]] if fits else default
        unused -= set(fits)
    for pattern in unused:
        raise ValueError(f"{what}: {pattern!r} fits no layer{_near(pattern, parameters)}")
    return values


def _kinds(
    requested: dict[str, Any], located: dict[str, Keys], wanted: dict[str, Keys],
    ndims: dict[str, int],
) -> dict[str, str]:
    """{parameter: kind of its layer}, as requested, or by its name and number of axes."""
    kinds = {}
    for p, keys in located.items():
        kind = requested[p]
        if kind is None and (keys + wanted.get(p, ()))[-1].endswith(".embedding"):
            kind = "embedding"
        if kind is None:
            ndim = ndims.get(join(layer_of(p), "weight"), 0)
            kind = ("other", "norm", "linear")[ndim] if ndim < 3 else "conv"
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"kind={shown(kind)} for {p}; choose from {', '.join(KINDS)}")
        kinds[p] = kind
    return kinds


def _check_outputs(p: str, shape: tuple[int, ...], kind: str, groups: int, bias: int) -> None:
    """ValueError where the bias has the size of another kind of layer, or of other groups."""
    if kind not in LAYOUTS:
        return
    outputs = shape[LAYOUTS[kind]["minwn"].index("o")]
    outputs *= groups if LAYOUTS[kind]["minwn"].startswith("i") else 1
    if outputs != bias:
        raise ValueError(
            f"{p} of shape {shape} has {outputs} outputs as a {kind} with groups={groups}, and its "
            f"bias has {bias} entries; say what it is, with kind={{{layer_of(p)!r}: "
            f"'conv_transpose'}} for instance, or groups"
        )


# ---- names and arrays ---------------------------------------------------------------------------


def _array(x: Any, name: str) -> np.ndarray:
    """x as a NumPy array; a Tensor, and an array of PyTorch or JAX, is unwrapped."""
    x = raw(x)
    if hasattr(x, "detach"):  # of PyTorch, for which NumPy has no bfloat16
        x = x.detach().cpu()
        if str(x.dtype) == "torch.bfloat16":
            bits = x.view(sys.modules["torch"].int16)
            return bits.numpy().view(dtype_of("bfloat16"))
    try:
        x = to_numpy(x)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {shown(x)}; a state holds arrays of numbers") from None
    if x.dtype.kind not in "biufc" and not is_floating(x.dtype):
        raise TypeError(f"{name} is an array of {x.dtype}; a state holds numbers")
    return x


def _near(name: str, names: Iterable[str]) -> str:
    closest = did_you_mean(name, names, cutoff=0.4)
    return closest or f"; there are {', '.join(names) or 'none'}"


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
