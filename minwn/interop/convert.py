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
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from .. import forms
from ..backend import dtype_of, is_floating, to_numpy
from ..graph import raw
from ..nn.module import join
from ..validation import did_you_mean, mapping, shown, texts, whole
from .layout import KINDS, LAYOUTS
from .names import (
    FRAMEWORKS,
    Framework,
    Keys,
    flatten,
    layer_of,
    leaf_of,
    locate,
    place,
    unflatten,
)
from .recognise import check_source
from .stored import Stored, gain, length_of

__all__ = ["Conversion", "Options", "Settings", "Step", "add", "arrays_of", "as_wanted", "convert",
           "match", "match_like", "names_of", "near", "parameters", "renamed", "row_of", "spread",
           "translate", "with_names"]


@dataclass(frozen=True)
class Options:
    """The arguments of `convert`, `fold` and `split`."""

    dim: Any = "infer"
    kind: Any = None
    groups: Any = 1
    rename: Mapping[str, str] | None = None
    like: Mapping[str, Any] | None = None
    form: Any = "plain"
    eps: Any = 0.0
    epsilon: float = 1e-12
    exclude: Iterable[str] = ()
    names: Any = None
    dtype: Any = None


@dataclass
class Step:
    """What became of one parameter: "converted", "folded", "split", "carried" or "dropped"."""

    parameter: str
    action: str
    old: Keys
    new: Keys


@dataclass
class Conversion:
    """A state, and how it was made.  arrays: flat.  kinds: of the layers, by parameter.
    assumed: {parameter: the kind of layer that nothing contradicts and nothing proves}.
    along: the parameters with the usual axis of several that would fit g.
    names: {parameter, as the result would be read: what it is called here}, where they differ.
    notes: what else is to be said, a line each."""

    arrays: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    assumed: dict[str, str] = field(default_factory=dict)
    along: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


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
    exclude: Iterable[str] = (),
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
    exclude: patterns of parameters whose x_g and x_v are no weight norm, and are carried over.

    Raises KeyError for missing and unexpected names, ZeroNormError where no g gives the weight, and
    ValueError for shapes that do not fit, an ambiguous dim, and settings that the target cannot
    express.

    >>> state = {"conv.weight_g": np.ones((2, 1, 1)), "conv.weight_v": np.ones((2, 3, 5))}
    >>> flax = interop.convert(state, "torch", "flax")
    >>> {name: array.shape for name, array in interop.flatten(flax, "flax").items()}
    {'params.WeightNorm_0.conv/kernel/scale': (2,), 'params.conv.kernel': (5, 3, 2)}
    """
    found = translate(state, source, target, Options(
        dim, kind, groups, rename, like, form, eps, epsilon, exclude,
    )).arrays
    return unflatten(found) if target == "flax" else found


class Settings:
    """What decides how each parameter is stored: the kind of its layer, its groups, its h."""

    def __init__(
        self, arrays: Mapping[str, Any], located: dict[str, Keys], options: Options,
        wanted: Mapping[str, Keys] = {},
    ) -> None:
        self.epsilon = forms.check("inside", options.epsilon, name="epsilon")
        ndims = {p: arrays[keys[-1]].ndim for p, keys in located.items()}
        kinds = spread("kind", options.kind, located)
        self.kinds, self.guessed = _kinds(kinds, located, wanted, ndims)
        self.dims = spread("dim", options.dim, located)
        counts = spread("groups", options.groups, located)
        self.groups = {p: whole("groups", n) for p, n in counts.items()}
        names, epsilons = (spread(x, getattr(options, x), located) for x in ("form", "eps"))
        self.lengths = {p: (name, forms.check(name, epsilons[p])) for p, name in names.items()}

    def stored(self, row: Framework, keys: Keys, p: str) -> Stored:
        """How a framework stores the parameter p under these names."""
        length = length_of(row, keys, self.lengths[p], self.epsilon)
        return Stored(row, keys, self.kinds[p], self.groups[p], length)

    def read(
        self, one: Stored, arrays: list[Any], p: str, result: Conversion
    ) -> tuple[Any, Any, Any]:
        """(v, g, axes) of p; the result notes where the usual axis is taken of several."""
        v, g, axes = one.read(arrays, p, self.dims[p])
        if g is not None and self.dims[p] == "usual" and len(one.fitting(arrays[0], v, p)) > 1:
            result.along.append(p)
        return v, g, axes


def translate(
    state: Mapping[str, Any], source: str, target: str, options: Options
) -> Conversion:
    """`convert`, with an account of what became of every array."""
    source_row, target_row = row_of(source), row_of(target)
    exclude = texts("exclude", options.exclude)
    arrays = arrays_of(state, source)
    check_source(arrays, source, exclude)
    located = renamed(locate(arrays, source, exclude), options.rename)
    result = Conversion()
    wanted = names_of(options.like, target)
    settings = Settings(arrays, located, options, wanted)
    if source_row.owned != target_row.owned:
        lost = {p: keys for p, keys in located.items() if leaf_of(p) == source_row.owned}
        result.steps += [Step(p, "dropped", keys, ()) for p, keys in lost.items()]
        located = {p: keys for p, keys in located.items() if p not in lost}
        settings.kinds = {p: kind for p, kind in settings.kinds.items() if p not in lost}
    pairs = {p for p, keys in located.items() if len(keys) == 2}
    places = as_wanted(place(settings.kinds, pairs, target), wanted)
    moved = source_row.column != target_row.column
    ndims = {p: arrays[keys[-1]].ndim for p, keys in located.items()}
    biases = {layer_of(p): arrays[k[-1]].size for p, k in located.items() if leaf_of(p) == "bias"}
    result.kinds = settings.kinds
    for p, keys in located.items():
        one = settings.stored(source_row, keys, p)
        other = settings.stored(target_row, places[p], p)
        v, g, axes = settings.read(one, [arrays[key] for key in keys], p, result)
        if leaf_of(p) == "weight" and moved:
            bias = biases.get(layer_of(p))
            _check_outputs(p, v.shape, one.kind, one.groups, bias)
            if p in settings.guessed and _is_uncertain(one.kind, v.shape, bias, keys[-1]):
                result.assumed[p] = one.kind
        if g is not None and (one.length, one.log) != (other.length, other.log):
            g = gain(g, v, one, other, p)
        made = other.write(v, g, axes, p, max(ndims.get(join(layer_of(p), "weight"), 0) - 2, 0))
        same = g is None and made[0].shape == arrays[keys[0]].shape and not (moved and v.ndim > 1)
        add(result, p, keys, other.keys, "carried" if same else "converted", made)
    match_like(result.arrays, options.like, target)
    called = {keys: p for p, keys in locate(flatten(result.arrays, target), target).items()}
    result.names = {
        called[step.new]: step.parameter for step in result.steps
        if called.get(step.new, step.parameter) != step.parameter
    }
    return result


def add(
    result: Conversion, parameter: str, old: Keys, new: Keys, action: str, arrays: list[Any]
) -> None:
    """Put the arrays of a parameter into the result. Raises ValueError for a name that it has."""
    for key, x in zip(new, arrays, strict=True):
        if key in result.arrays:
            raise ValueError(f"two parameters would both be called {key!r}")
        result.arrays[key] = x
    result.steps.append(Step(parameter, action, old, new))


def names_of(like: Mapping[str, Any] | None, framework: str) -> dict[str, Keys]:
    """The names of the parameters of a model; none where there is no such model."""
    return {} if like is None else locate(flatten(mapping("like", like), framework), framework)


def as_wanted(places: dict[str, Keys], wanted: Mapping[str, Keys]) -> dict[str, Keys]:
    """The places, or those that a model has for parameters that are as normalised as here."""
    return places | {
        p: keys for p, keys in wanted.items() if p in places and len(keys) == len(places[p])
    }


def match_like(found: Mapping[str, Any], like: Mapping[str, Any] | None, framework: str) -> None:
    """`match`, with a model of a framework, where there is one."""
    if like is not None:
        match(*(flatten(x, framework, lenient=True) for x in (found, like)))


def arrays_of(state: Mapping[str, Any], source: str, *, lenient: bool = False) -> dict[str, Any]:
    """{name: NumPy array} of a state, flat."""
    flat = flatten(state, source, lenient=lenient)
    return {name: _array(x, name) for name, x in flat.items()}


def parameters(
    state: Mapping[str, Any], source: str, rename: Mapping[str, str] | None = None
) -> dict[str, str]:
    """{new name: old name} of the parameters of a state, named as in minwn without weight norm."""
    names: dict[str, Keys] = {p: (p,) for p in locate(flatten(state, source), source)}
    return {new: old for new, (old,) in renamed(names, rename).items()}


def row_of(framework: str) -> Framework:
    """The table's row of a framework; ValueError for a name that is not in `FRAMEWORKS`."""
    if not isinstance(framework, str) or framework not in FRAMEWORKS:
        raise ValueError(f"framework {shown(framework)}; choose from {', '.join(FRAMEWORKS)}")
    return FRAMEWORKS[framework]


# ---- settings -----------------------------------------------------------------------------------


def renamed(located: dict[str, Keys], rename: Mapping[str, str] | None) -> dict[str, Keys]:
    """The same with the beginnings of names replaced, level by level; the longest that fits."""
    rename = {} if rename is None else mapping("rename", rename, "a mapping of names, {old: new}")
    used, result = set(), {}
    for parameter, keys in located.items():
        levels, new = parameter.split("."), parameter
        for n in range(len(levels) + 1):  # to the longest
            old = join(*levels[:n])
            if old in rename:
                used.add(old)
                new = join(rename[old], *levels[n:])
        if new in result:
            raise ValueError(f"rename: {new!r} would stand for two parameters")
        result[new] = keys
    for old in rename:
        if old not in used:
            raise ValueError(f"rename: nothing begins with {old!r}{near(old, located)}")
    return result


def with_names(
    rename: Mapping[str, str] | None, saved: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, str]:
    """The renames, and those that give parameters the names back that a file has for them."""
    found = dict(rename or {})
    for p, name in saved.items():
        if p in parameters and p not in found:
            parameter: dict[str, Keys] = {name: (p,)}
            above = {o: n for o, n in found.items() if not o or f"{name}.".startswith(f"{o}.")}
            found[p] = next(iter(renamed(parameter, above)))
    return found


def spread(what: str, setting: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """{parameter: its value} of a setting that may be one value, or a mapping from patterns."""
    default = {"dim": "infer", "kind": None, "groups": 1, "form": "plain", "eps": 0.0}[what]
    if not isinstance(setting, Mapping):
        return dict.fromkeys(parameters, setting)
    values, unused = {}, set(setting)
    patterns = [x for x in setting if isinstance(x, str) and any(c in x for c in "*?[")]
    for p in parameters:
        path = layer_of(p)
        fits = [x for x in (p, path) if x in setting]
        fits += [x for x in patterns if fnmatchcase(p, x) or fnmatchcase(path, x)]
        values[p] = setting[fits[0]] if fits else default
        unused -= set(fits)
    for pattern in unused:
        raise ValueError(f"{what}: {pattern!r} fits no layer{near(pattern, parameters)}")
    return values


def _kinds(
    requested: dict[str, Any], located: dict[str, Keys], wanted: Mapping[str, Keys],
    ndims: dict[str, int],
) -> tuple[dict[str, str], set[str]]:
    """{parameter: kind of its layer}, as requested, or by its name and number of axes; and the
    parameters whose kind was neither requested nor named."""
    kinds, guessed = {}, set()
    for p, keys in located.items():
        kind, last = requested[p], (keys + wanted.get(p, ()))[-1]
        if kind is None:
            kind = _by_name(last) or _by_name(p)
        if kind is None:
            guessed.add(p)
            ndim = ndims.get(join(layer_of(p), "weight"), 0)
            kind = ("other", "norm", "linear")[ndim] if ndim < 3 else "conv"
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"kind={shown(kind)} for {p}; choose from {', '.join(KINDS)}")
        kinds[p] = kind
    return kinds, guessed


def _by_name(key: str) -> str | None:
    """The kind of a layer by the names that Flax gives: of its parameter, and of itself."""
    if key.endswith(".embedding"):
        return "embedding"
    if key.startswith("params.") and leaf_of(key) == "scale" and "/" not in key:
        return "norm"
    layer = leaf_of(layer_of(key)).rstrip("0123456789")
    return {"ConvTranspose_": "conv_transpose", "Conv_": "conv", "Dense_": "linear"}.get(layer)


def _is_uncertain(kind: str, shape: tuple[int, ...], bias: int | None, key: str) -> bool:
    """Whether another kind would give the same shapes, and other numbers elsewhere.

    Where the taps of a transposed kernel are reversed, its shape shows nothing. In PyTorch's layout
    its two sizes of channels do, with the bias, unless it could be transposed in groups: one group
    has as many inputs as outputs. A matrix could be an embedding.
    """
    if kind == "linear":
        return bias is None and leaf_of(key) != "kernel"
    if kind != "conv":
        return False
    return bias is None or leaf_of(key) == "kernel" or not shape[1] or shape[0] % shape[1] == 0


def _check_outputs(
    p: str, shape: tuple[int, ...], kind: str, groups: int, bias: int | None
) -> None:
    """ValueError where the bias has the size of another kind of layer, or of other groups."""
    if bias is None or kind not in LAYOUTS:
        return
    outputs = shape[LAYOUTS[kind]["minwn"].index("o")]
    outputs *= groups if LAYOUTS[kind]["minwn"].startswith("i") else 1
    if outputs != bias:
        other = "conv_transpose" if kind in ("conv", "linear") else "conv"
        raise ValueError(
            f"{p} of shape {shape} has {outputs} outputs as a {kind} with groups={groups}, and its "
            f"bias has {bias} entries; say what it is, with kind={{{layer_of(p)!r}: {other!r}}} "
            f"for instance, or its groups"
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


def near(name: str, names: Iterable[str]) -> str:
    """The closest of the names, as the end of a message; without a close one, some of them."""
    names = list(names)
    more = f" and {len(names) - 10} more" * (len(names) > 10)
    closest = did_you_mean(name, names, cutoff=0.4)
    return closest or f"; there are {', '.join(names[:10]) or 'none'}{more}"


def match(found: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """KeyError unless both have the same names, ValueError unless under them the same shapes."""
    missing = [name for name in model if name not in found]
    unexpected = [name for name in found if name not in model]
    few = len(missing) * len(unexpected) < 10_000  # else the search for close names takes minutes
    lines = [f"  unexpected {n!r}{near(n, missing) if few else ''}" for n in unexpected]
    lines += [f"  missing {name!r}" for name in missing]
    if len(lines) > 100:
        lines[100:] = [f"  and {len(lines) - 100} more"]
    if lines:
        raise KeyError("\n".join(["the names do not match; nothing was changed", *lines]))
    for name, x in model.items():
        if found[name].shape != tuple(x.shape):
            raise ValueError(f"{name}: shape {found[name].shape} for {tuple(x.shape)}")
