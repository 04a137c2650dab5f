"""WeightNormWrapper: a whole layer, or tree of layers, with its weights normalised at each call.

    layer = WeightNormWrapper(nn.Linear(20, 40))          # y = x w^T + b with
    layer(x)                                              # w = scale v / sqrt(||v||^2 + epsilon)

The class `flax.linen.WeightNorm`, with its arguments, made safe. The stored parameters are the v
and are never rewritten: a call computes on a copy of the tree in which the normalised weights take
their place, so nothing can be stale and there is nothing to recompute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import backend
from ..byhand import weight_norm
from ..graph import raw
from ..ops import cast, reshape
from ..tensor import Tensor
from . import init
from .module import Module, Parameter

__all__ = ["WeightNormWrapper", "substitute"]

Axes = int | tuple[int, ...] | str | None


class WeightNormWrapper(Module):
    """Calls `layer` with every matching parameter v replaced by scale v / sqrt(||v||^2 + epsilon).

    layer: any Module. epsilon: added to the squared norm.
    dtype: of the replaced weights; None keeps that of the parameter. param_dtype: of the scales.
    use_scale: whether there are scales to train; without, the weights have length 1.
    scale_init: a function (shape, rng, dtype) -> array such as those of `nn.init`, or "norm" for
    the norms that the weights have now, which keeps the function of the layer. rng: for it.
    feature_axes: the axis, or axes, that keep a norm and a scale each; None for one of the whole;
    "output" for the output axis of the layer that owns the parameter (the last, where it has none).
    variable_filter: normalise the parameters whose path, "0/conv/weight", contains any of these
    strings; None for all parameters.

    The scale of the parameter at <path> is the parameter "<path>/scale", shaped by the feature
    axes in rising order. A parameter reached on two paths has one, under the first.
    Raises TypeError for a filter that is one string, ValueError where it matches nothing or where
    an axis is out of range.  Salimans & Kingma 2016, arXiv:1602.07868
    """

    def __init__(
        self,
        layer: Module,
        *,
        epsilon: float = 1e-12,
        dtype: Any = None,
        param_dtype: Any = "float32",
        use_scale: bool = True,
        scale_init: Callable[..., Any] | str = init.ones,
        feature_axes: Axes = "output",
        variable_filter: Iterable[str] | None = frozenset({"weight"}),
        rng: Any = None,
    ) -> None:
        weight_norm.check_form(epsilon, "inside")
        if isinstance(variable_filter, str):
            raise TypeError(
                f"variable_filter={variable_filter!r} would be read letter by letter; "
                f"write {{{variable_filter!r}}}"
            )
        if isinstance(scale_init, str) and scale_init != "norm":
            raise ValueError(f"scale_init={scale_init!r}; give a function, or 'norm'")
        self.layer, self.epsilon, self.use_scale = layer, epsilon, use_scale
        self.dtype = None if dtype is None else backend.dtype_of(dtype)
        self.feature_axes = tuple(feature_axes) if isinstance(feature_axes, list) else feature_axes
        self.variable_filter = None if variable_filter is None else frozenset(variable_filter)
        rng = init.generator(rng)
        matches = self._matches()
        if not matches:
            raise ValueError(
                f"variable_filter={sorted(self.variable_filter or ())} matches nothing; the paths "
                f"are {[path for path, _, _ in _paths(layer)]}"
            )
        scales = {}
        for path, parameter, axes in matches if use_scale else ():
            shape = tuple(parameter.shape[a] for a in axes)
            if scale_init == "norm":
                kept = weight_norm.kept_shape(parameter.shape, axes or None)
                value = weight_norm.radius(parameter.data, shape=kept, eps=epsilon, form="inside")
                value = value.reshape(shape).astype(backend.dtype_of(param_dtype))
            else:
                value = raw(scale_init(shape, rng, param_dtype))  # type: ignore[operator]
            value = backend.asarray(value, like=parameter.data)
            if value.shape != shape:
                raise ValueError(f"scale_init gave shape {value.shape} for {path}/scale {shape}")
            scales[f"{path}/scale"] = Parameter(value)
        vars(self).update(scales)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """layer(*args) with the normalised weights."""
        return substitute(self.layer, self.normalised())(*args, **kwargs)

    def normalised(self) -> dict[Parameter, Tensor]:
        """For each matching parameter, the weight that stands in for it."""
        return {v: self._normalise(path, v, axes) for path, v, axes in self._matches()}

    def _normalise(self, path: str, v: Parameter, axes: tuple[int, ...]) -> Tensor:
        kept = weight_norm.kept_shape(v.shape, axes or None)
        if self.use_scale:
            g = reshape(cast(vars(self)[f"{path}/scale"], dtype=v.dtype), shape=kept)
        else:
            g = Tensor(backend.asarray(init.ones(kept, dtype=v.dtype), like=v.data))
        w = weight_norm.forward(v, g, eps=self.epsilon, form="inside")
        return w if self.dtype is None else w.to(self.dtype)

    def _matches(self) -> list[tuple[str, Parameter, tuple[int, ...]]]:
        """(path, parameter, feature axes) of each parameter that the filter lets through."""
        return [
            (path, parameter, self._axes(path, parameter, owner))
            for path, parameter, owner in _paths(self.layer)
            if self.variable_filter is None or any(word in path for word in self.variable_filter)
        ]

    def _axes(self, path: str, parameter: Parameter, owner: Module) -> tuple[int, ...]:
        axes: Any = self.feature_axes
        if axes == "output":
            axes = getattr(owner, "output_axis", -1) if parameter.ndim > 1 else -1
        if axes is None:
            return ()
        axes = axes if isinstance(axes, tuple) else (axes,)
        for a in axes:
            if not isinstance(a, int) or not -parameter.ndim <= a < parameter.ndim:
                raise ValueError(
                    f"feature_axes={self.feature_axes!r} for {path} of shape {parameter.shape}; "
                    f"an axis is a number from {-parameter.ndim} to {parameter.ndim - 1}"
                )
        return tuple(sorted({a % parameter.ndim for a in axes}))

    def describe(self) -> str:
        words = self.variable_filter
        chosen = "all parameters" if words is None else ", ".join(sorted(words))
        return f"{chosen}, feature_axes={self.feature_axes!r}, epsilon={self.epsilon}"


def _paths(layer: Module) -> list[tuple[str, Parameter, Module]]:
    """("0/conv/weight", parameter, the module that owns it), each parameter once."""
    found: list[tuple[str, Parameter, Module]] = []
    seen: set[int] = set()
    for prefix, module in layer.named_modules():
        if module._computed:
            raise ValueError(
                f"{prefix or type(module).__name__} has weights normalised by WeightNorm already, "
                f"{sorted(module._computed)}; remove() it first"
            )
        for name, value in module.own_parameters():
            if id(value) not in seen:
                seen.add(id(value))
                path = f"{prefix}.{name}" if prefix else name
                found.append((path.replace(".", "/"), value, module))
    return found


def substitute(module: Module, replaced: Mapping[Parameter, Tensor]) -> Module:
    """The module with other Tensors in the place of some of its parameters, for one call.

    Everything that is not replaced is shared, buffers included; the module itself is untouched.
    """
    return _rebuilt(module, replaced, {})


def _rebuilt(value: Any, replaced: Mapping[Parameter, Tensor], known: dict[int, Any]) -> Any:
    if isinstance(value, Parameter):
        return replaced.get(value, value)
    if isinstance(value, list | tuple):
        return type(value)(_rebuilt(x, replaced, known) for x in value)
    if isinstance(value, dict):
        return {key: _rebuilt(x, replaced, known) for key, x in value.items()}
    if not isinstance(value, Module):
        return value
    if id(value) not in known:  # a layer that appears twice is still one layer
        known[id(value)] = copy = object.__new__(type(value))
        for name, x in vars(value).items():
            copy.__dict__[name] = x if name == "_computed" else _rebuilt(x, replaced, known)
    return known[id(value)]
