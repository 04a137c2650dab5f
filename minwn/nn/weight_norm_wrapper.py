"""WeightNormWrapper: a whole layer, or tree of layers, with its weights normalised at each call.

    layer = WeightNormWrapper(nn.Linear(20, 40))          # y = x w^T + b with
    layer(x)                                              # w = scale v / sqrt(||v||^2 + epsilon)

The class `flax.linen.WeightNorm`, with its arguments, made safe. The stored parameters are the v
and are never rewritten: a call computes on a copy of the tree in which the normalised weights take
their place, so nothing can be stale and there is nothing to recompute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from numbers import Integral
from typing import Any

from .. import backend, forms, validation
from ..byhand import weight_norm
from ..graph import raw
from ..ops import cast, reshape
from ..tensors import Tensor
from ..validation import flag, several, shown
from . import init
from .module import Buffer, Module, Parameter, join
from .substitute import each_item, substitute
from .weight_norm import output_axis

__all__ = ["WeightNormWrapper"]

Axes = int | tuple[int, ...] | str | None


class WeightNormWrapper(Module):
    """Calls `layer` with every matching parameter v replaced by scale v / sqrt(||v||^2 + epsilon).

    layer: any Module; one without WeightNorm inside
    epsilon: added to the squared norm
    dtype: the replaced weights are rounded to it; None for that of the parameter
    param_dtype: of the scales
    use_scale: whether there are scales to train; without, each slice has length 1.
    scale_init: a function (shape, rng=, dtype=) -> array such as those of `nn.init`, or "norm" for
    the norms that the weights have now, which keeps the function of the layer. rng: for it.
    feature_axes: the axis, or axes, that keep a norm and a scale each (NumPy's rules); None for
    one of the whole; "output" for the output axis of the layer that owns the parameter.
    variable_filter: normalise the parameters whose path, "0/conv/weight", contains any of these
    strings; None for all parameters.

    The parameters to normalise are chosen here, once: `axes` holds the feature axes by path. The
    scale of the parameter at <path> is the parameter "<path>/scale", shaped by the feature axes in
    rising order; a parameter with several paths has one, under the first.
    A slice of a single entry acts as its sign times its scale: those of a bias, or of the weight of
    a BatchNorm, which "weight" matches too. A slice of zeros gives zeros, and has the gradient
    scale w_bar / sqrt(epsilon); for epsilon=0, NaN.
    The norm is taken in the wider dtype of parameter and scale, float32 at least, and the weight
    rounded once, to `dtype`; parameters and scales keep the dtypes they have.
    Nothing else in this library promotes silently, and this does, as Flax: a call computes in the
    widest dtype among its floating inputs, the replaced weights and the other parameters (float32
    for float16 with bfloat16), and returns it. So dtype="float16" around a float32 layer with a
    bias gives weights with the rounding of float16, and a float32 result.

    Raises TypeError for anything but a Module, a filter that is not a set of strings, a parameter
    or a dtype that is not floating; IndexError for an axis out of range; ValueError for a filter
    that matches nothing, an owner without an output axis, a WeightNorm inside, paths that read the
    same, scales of the wrong shape or not finite.  Salimans & Kingma 2016, arXiv:1602.07868

    >>> nn.WeightNormWrapper(nn.Linear(3, 2, rng=0), scale_init="norm")
    WeightNormWrapper(weight, feature_axes='output', epsilon=1e-12, weight/scale(2,)
      layer: Linear(3 -> 2, weight(2, 3), bias(2,))
    )
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
            raise TypeError(f"layer={shown(layer)}; give a Module, such as nn.Linear(20, 40)")
        epsilon = forms.check("inside", epsilon, name="epsilon")
        use_scale = flag("use_scale", use_scale)
        named = isinstance(scale_init, str) and scale_init == "norm"
        if not callable(scale_init) and not named:
            raise ValueError(f"scale_init={shown(scale_init)}; give a function, or 'norm'")
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
            param_dtype, rng = _floating("param_dtype", param_dtype), backend.generator(rng)
            for path, v in self.matching().items():
                scale = self._first_scale(path, v, scale_init, param_dtype, rng)
                setattr(self, f"{path}/scale", Parameter(scale))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """layer(*args) with the normalised weights."""
        weights, dtype = self.replacements(_floats([*args, kwargs]))
        layer = substitute(self.layer, weights)
        if dtype is not None:
            args, kwargs = _cast(args, dtype), _cast(kwargs, dtype)
            for module in layer.modules():
                if not module.training:  # in training they move, and are the layer's own
                    cast_buffers(module, dtype)
        return layer(*args, **kwargs)

    def replacements(self, given: Iterable[Any] = ()) -> tuple[dict[Parameter, Tensor], Any]:
        """The Tensors in the place of the layer's parameters during a call; and the dtype that they
        and the given inputs were promoted to, or None where they all have one."""
        new = {v: self._weight(path, v) for path, v in self.matching().items()}
        rest = [v for v in self.layer.parameters() if v not in new and backend.is_floating(v.dtype)]
        dtypes = {x.dtype for x in (*new.values(), *rest, *given)}
        if len(dtypes) == 1:
            return new, None
        dtype = max(dtypes, key=lambda d: d.itemsize)
        if sum(d.itemsize == dtype.itemsize for d in dtypes) > 1:
            dtype = backend.accumulator(dtype)  # neither float16 nor bfloat16 holds the other
        new |= {v: v for v in rest if v.dtype != dtype}
        return {v: w.to(dtype) for v, w in new.items()}, dtype

    def normalised(self) -> dict[str, Tensor]:
        """By path, the weights that a call computes with, as rounded to `dtype`."""
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
        w: Tensor = weight_norm.forward(v.to(wide), g.to(wide), eps=self.epsilon, form="inside")
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
            # Each entry of a bias belongs to one output.
            axes = tuple(range(v.ndim))
            if v.ndim > 1:
                axes = output_axis(owner, f"{path} {v.shape}", "feature_axes")
        axes = () if axes is None else axes if isinstance(axes, tuple) else (axes,)
        for a in axes:
            if not -v.ndim <= a < v.ndim:
                raise IndexError(
                    f"feature_axes={self.feature_axes!r} for {path} of shape {v.shape}; "
                    f"an axis is a number from {-v.ndim} to {v.ndim - 1}"
                )
        return tuple(sorted({a % v.ndim for a in axes}))


def _floating(name: str, spec: Any) -> Any:
    try:
        dtype = backend.dtype_of(spec)
        if spec is not None and backend.is_floating(dtype):
            return dtype
    except TypeError:
        pass
    raise TypeError(f"{name}={shown(spec)}; choose a float dtype")


def _checked_axes(axes: Any) -> Axes:
    axes = tuple(axes) if isinstance(axes, list) else axes
    numbers = axes if isinstance(axes, tuple) else (axes,)
    if axes is None or (isinstance(axes, str) and axes == "output"):
        return axes
    if not all(isinstance(a, Integral) and not isinstance(a, bool) for a in numbers):
        raise TypeError(
            f"feature_axes={shown(axes)}; give an axis, a tuple of axes, None or 'output'"
        )
    checked = validation.axes("feature_axes", axes)  # raises for an axis that is there twice
    return checked if isinstance(axes, tuple) or checked is None else checked[0]


def _checked_filter(words: Any) -> frozenset[str] | None:
    if isinstance(words, str):
        raise TypeError(
            f"variable_filter={words!r} would be read letter by letter; write {{{words!r}}}"
        )
    if words is None:
        return None
    found = several("variable_filter", words, "strings, parts of paths")
    if not all(isinstance(word, str) for word in found):
        raise TypeError(f"variable_filter={shown(words)}; give strings, parts of paths")
    return frozenset(found)


def _paths(layer: Module) -> Iterator[tuple[str, Parameter, Module]]:
    """("0/conv/weight", parameter, the module that owns it), each parameter once."""
    seen: set[int] = set()
    paths: set[str] = set()
    for prefix, module in layer.named_modules():
        if module._computed:
            raise ValueError(
                f"{prefix or type(module).__name__} has weights normalised by WeightNorm, "
                f"{sorted(module._computed)}; remove() it there first"
            )
        for name, value in module.own_parameters():
            if id(value) not in seen:
                seen.add(id(value))
                path = join(prefix, name).replace(".", "/")
                if path in paths:
                    raise ValueError(
                        f"two parameters have the path {path!r}; write the keys of dicts without /"
                    )
                paths.add(path)
                yield path, value, module


def cast_buffers(module: Module, dtype: Any) -> None:
    """Put floating Buffers of the dtype in the place of others; these stay as they are."""
    for name, value in vars(module).items():
        if isinstance(value, Buffer) and backend.is_floating(value.dtype):
            vars(module)[name] = Buffer(value.detach().to(dtype))


def _floats(value: Any) -> Iterator[Any]:
    """The floating arrays and Tensors in lists, tuples and dicts."""
    if isinstance(value, list | tuple | dict):
        for x in value.values() if isinstance(value, dict) else value:
            yield from _floats(x)
    elif (isinstance(value, Tensor) or backend.is_array(value)) and backend.is_floating(
        value.dtype
    ):
        yield value


def _cast(value: Any, dtype: Any) -> Any:
    """The same with these in the dtype."""
    if isinstance(value, dict | list | tuple):
        return each_item(lambda x: _cast(x, dtype), value)
    return cast(value, dtype=dtype) if any(True for _ in _floats(value)) else value
