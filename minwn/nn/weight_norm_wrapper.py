"""WeightNormWrapper: a whole layer, or tree of layers, with its weights normalised at each call.

    layer = WeightNormWrapper(nn.Linear(20, 40))          # y = x w^T + b with
    layer(x)                                              # w = scale v / sqrt(||v||^2 + epsilon)

The class `flax.linen.WeightNorm`, with its arguments, made safe. The stored parameters are the v
and are never rewritten: a call computes on a copy of the tree in which the normalised weights take
their place, so nothing can be stale and there is nothing to recompute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .. import backend
from ..byhand import weight_norm
from ..graph import raw
from ..ops import reshape
from ..tensors import Tensor
from ..validation import number
from . import init
from .module import Module, Parameter, join
from .substitute import substitute

__all__ = ["WeightNormWrapper"]

Axes = int | tuple[int, ...] | str | None


class WeightNormWrapper(Module):
    """Calls `layer` with every matching parameter v replaced by scale v / sqrt(||v||^2 + epsilon).

    layer: any Module; one without WeightNorm inside. epsilon: added to the squared norm.
    dtype: of the replaced weights; None keeps that of the parameter. param_dtype: of the scales.
    use_scale: whether there are scales to train; without, each slice has length 1.
    scale_init: a function (shape, rng=, dtype=) -> array such as those of `nn.init`, or "norm" for
    the norms that the weights have now, which keeps the function of the layer. rng: for it.
    feature_axes: the axis, or axes, that keep a norm and a scale each (NumPy's rules); None for
    one of the whole; "output" for the output axis of the layer that owns the parameter.
    variable_filter: normalise the parameters whose path, "0/conv/weight", contains any of these
    strings; None for all parameters.

    What is normalised is settled here, once: `axes` holds the feature axes by path. The scale of
    the parameter at <path> is the parameter "<path>/scale", shaped by the feature axes in rising
    order; a parameter with several paths has one, under the first.
    A slice of a single entry acts as its sign times its scale: those of a bias, or of the weight of
    a BatchNorm, which "weight" matches too. A slice of zeros gives zeros, and has the gradient
    scale w_bar / sqrt(epsilon); for epsilon=0, NaN.
    The norm is taken in the wider dtype of parameter and scale, float32 at least, and the weight
    rounded once, to `dtype`; parameters and scales keep the dtypes they have.

    Raises TypeError for what is no Module, a filter that is one string, a parameter or a dtype that
    is not floating; IndexError for an axis out of range; ValueError for a filter that matches
    nothing, an owner without an output axis, a WeightNorm inside, scales of the wrong shape or not
    finite.  Salimans & Kingma 2016, arXiv:1602.07868
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
        if not isinstance(layer, Module):
            raise TypeError(f"layer={layer!r:.60}; give a Module, such as nn.Linear(20, 40)")
        weight_norm.check_form(epsilon, "inside")
        epsilon = number("epsilon", epsilon)
        if not callable(scale_init) and scale_init != "norm":
            raise ValueError(f"scale_init={scale_init!r}; give a function, or 'norm'")
        self.layer, self.epsilon, self.use_scale = layer, epsilon, use_scale
        self.dtype = None if dtype is None else _floating("dtype", dtype)
        self.feature_axes = _checked_axes(feature_axes)
        self.variable_filter = _checked_filter(variable_filter)
        self.axes = {
            path: self._axes_of(path, v, owner)
            for path, v, owner in _paths(layer)
            if self.variable_filter is None or any(word in path for word in self.variable_filter)
        }
        if not self.axes:
            raise ValueError(
                f"variable_filter={sorted(self.variable_filter or ())} matches nothing; the paths "
                f"are {[path for path, _, _ in _paths(layer)]}"
            )
        if use_scale:
            param_dtype, rng = _floating("param_dtype", param_dtype), init.generator(rng)
            for path, v in self.matching().items():
                scale = self._first_scale(path, v, scale_init, param_dtype, rng)
                setattr(self, f"{path}/scale", Parameter(scale))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """layer(*args) with the normalised weights."""
        weights = {v: self._weight(path, v) for path, v in self.matching().items()}
        return substitute(self.layer, weights)(*args, **kwargs)

    def normalised(self) -> dict[str, Tensor]:
        """By path, the weights that a call computes with."""
        return {path: self._weight(path, v) for path, v in self.matching().items()}

    def describe(self) -> str:
        words = self.variable_filter
        chosen = "all parameters" if words is None else ", ".join(sorted(words))
        return f"{chosen}, feature_axes={self.feature_axes!r}, epsilon={self.epsilon}"

    def matching(self) -> dict[str, Parameter]:
        """By path, the parameters v that are normalised; ValueError where the layer lost one."""
        found = {path: v for path, v, _ in _paths(self.layer) if path in self.axes}
        if len(found) < len(self.axes):
            raise ValueError(
                f"the layer has no parameter {sorted(self.axes.keys() - found.keys())} of its own "
                f"any more; make a new WeightNormWrapper for what it is now"
            )
        return found

    def _weight(self, path: str, v: Parameter) -> Tensor:
        kept = self._kept(path, v)
        if self.use_scale:
            g = reshape(vars(self)[f"{path}/scale"], shape=kept)
        else:
            g = Tensor(backend.asarray(init.ones(kept, dtype=v.dtype), like=v.data))
        wide = max((backend.accumulator(x.dtype) for x in (v, g)), key=lambda d: d.itemsize)
        w = weight_norm.forward(v.to(wide), g.to(wide), eps=self.epsilon, form="inside")
        return w.to(v.dtype if self.dtype is None else self.dtype)

    def _first_scale(self, path: str, v: Parameter, scale_init: Any, dtype: Any, rng: Any) -> Any:
        shape = tuple(v.shape[a] for a in self.axes[path])
        with backend.quiet(), backend.on_device_of(v.data):
            if scale_init == "norm":
                kept = self._kept(path, v)
                scale = weight_norm.radius(v.data, shape=kept, eps=self.epsilon, form="inside")
                scale = scale.reshape(shape)
            else:
                scale = raw(scale_init(shape, rng=rng, dtype=dtype))
            scale = backend.asarray(scale, like=v.data).astype(dtype)
            finite = bool(backend.namespace(scale).isfinite(scale).all())
        if scale.shape != shape:
            raise ValueError(
                f"scale_init gave an array of shape {scale.shape} for {path}/scale, which has "
                f"shape {shape}"
            )
        if not finite:
            raise ValueError(f"scale_init gave {path}/scale entries that are not finite in {dtype}")
        return scale

    def _kept(self, path: str, v: Parameter) -> tuple[int, ...]:
        """The shape of the scale with v's rank, or () for one norm of the whole."""
        return weight_norm.kept_shape(v.shape, self.axes[path] or None)

    def _axes_of(self, path: str, v: Parameter, owner: Module) -> tuple[int, ...]:
        """The feature axes of one parameter, from 0 and rising."""
        axes: Any = self.feature_axes
        if not backend.is_floating(v.dtype):
            raise TypeError(f"{path} is {v.dtype}; only floating parameters have a norm")
        if axes == "output":
            # Each entry of a bias belongs to an output of its own.
            axes = getattr(owner, "output_axis", None) if v.ndim > 1 else tuple(range(v.ndim))
            if axes is None:
                raise ValueError(
                    f"{type(owner).__name__} does not say which axis of {path} {v.shape} is its "
                    f"output; give feature_axes as a number"
                )
        axes = () if axes is None else axes if isinstance(axes, tuple) else (axes,)
        for a in axes:
            if not -v.ndim <= a < v.ndim:
                raise IndexError(
                    f"feature_axes={self.feature_axes!r} for {path} of shape {v.shape}; "
                    f"an axis is a number from {-v.ndim} to {v.ndim - 1}"
                )
        return tuple(sorted({a % v.ndim for a in axes}))


def _floating(name: str, spec: Any) -> Any:
    dtype = backend.dtype_of(spec)
    if not backend.is_floating(dtype):
        raise TypeError(f"{name}={spec!r}; choose a float dtype")
    return dtype


def _checked_axes(axes: Any) -> Axes:
    axes = tuple(axes) if isinstance(axes, list) else axes
    numbers = axes if isinstance(axes, tuple) else (axes,)
    if axes is None or axes == "output" or all(type(a) is int for a in numbers):
        return axes
    raise TypeError(f"feature_axes={axes!r}; give an axis, a tuple of axes, None or 'output'")


def _checked_filter(words: Any) -> frozenset[str] | None:
    if isinstance(words, str):
        raise TypeError(
            f"variable_filter={words!r} would be read letter by letter; write {{{words!r}}}"
        )
    if words is None:
        return None
    words = frozenset(words)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"variable_filter={set(words)}; give strings, parts of paths")
    return words


def _paths(layer: Module) -> Iterator[tuple[str, Parameter, Module]]:
    """("0/conv/weight", parameter, the module that owns it), each parameter once."""
    seen: set[int] = set()
    for prefix, module in layer.named_modules():
        if module._computed:
            raise ValueError(
                f"{prefix or type(module).__name__} has weights normalised by WeightNorm, "
                f"{sorted(module._computed)}; remove() it there first"
            )
        for name, value in module.own_parameters():
            if id(value) not in seen:
                seen.add(id(value))
                yield join(prefix, name).replace(".", "/"), value, module
