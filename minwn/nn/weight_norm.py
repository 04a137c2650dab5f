"""WeightNorm: a layer's weight as w = g v / ||v||, recomputed when you say so.

    norm = WeightNorm("weight", dim=0)
    norm.apply(layer)              # weight -> weight_g, weight_v; the layer's function is unchanged
    norm.recompute(layer)          # before each use: weight = weight_g weight_v / ||weight_v||
    layer(x)                       # raises StaleWeightError where that was forgotten
    norm.remove(layer)             # weight_g, weight_v -> weight

The class `nn_utils_weight_norm` of R torch, with its methods and its explicit recompute, made
safe. The computed weight is not a parameter: it is never saved, never copied, and never written to.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar, TypeVar

from ..backend import (
    Array,
    Host,
    asarray,
    copy,
    is_floating,
    namespace,
    on_device_of,
    quiet,
    to_numpy,
)
from ..byhand import weight_norm
from ..graph import is_recording
from ..tensors import Tensor
from ..validation import did_you_mean, shown
from .module import Module, Parameter

__all__ = ["StaleWeightError", "WeightNorm", "ZeroNormError"]


class StaleWeightError(RuntimeError):
    """A forward used a weight that is not the one its g and v give."""


class ZeroNormError(ValueError):
    """v / ||v|| has no value, because v is zero."""


M = TypeVar("M", bound=Module)
Dim = int | tuple[int, ...] | str | None


class _Own:
    """The default of `dim`; None would be one norm of the whole."""

    def __repr__(self) -> str:
        return "<its own dim>"


OWN: Any = _Own()


@dataclass(frozen=True)
class WeightNorm:
    """The reparameterisation w = g v / h(v) of one weight of a Module.  eq. 2, arXiv:1602.07868

    name: the parameter
    dim: the axis, or axes, that keep a norm each (NumPy's rules: 0-based, negative from the end);
    None for one norm of the whole; "output" for the layer's output axis, which transposed
    convolutions with groups do not have
    eps, form: the length h that v is divided by; see `minwn.byhand.weight_norm`.

    The object holds these settings and nothing else; one serves any number of modules.
    A gain that is not to be trained, as in the head of DINO (arXiv:2104.14294), is frozen after
    apply() as any parameter is: layer.weight_g.requires_grad = False.
    Raises ValueError for an unknown form, or an eps that does not fit it.

    >>> layer, norm = nn.Linear(3, 2, rng=0), WeightNorm(dim=0)
    >>> norm.apply(layer)
    Linear(3 -> 2, weight_g(2, 1), weight_v(2, 3), bias(2,), weight = g v / ||v|| (dim=0))
    >>> layer.weight_g.data = 2 * layer.weight_g.data
    >>> norm.recompute(layer).shape  # without this, layer(x) would raise StaleWeightError
    (2, 3)
    """

    _letter: ClassVar[str] = "g"  # the parameter that holds the gain is name_g
    _gain: ClassVar[str] = "g"  # the gain, written with that letter

    name: str = "weight"
    dim: Dim = 0
    eps: float = 0.0
    form: str = "plain"

    def __init__(
        self, name: str = "weight", dim: Dim = 0, *, eps: float = 0.0, form: str = "plain"
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"name={name!r}; give the name of a parameter, such as 'weight'")
        if isinstance(dim, list):
            dim = tuple(dim)
        axes = dim if isinstance(dim, tuple) else (dim,)
        named = isinstance(dim, str) and dim == "output"
        if not (dim is None or named or all(_is_axis(a) for a in axes)):
            raise ValueError(f"dim={shown(dim)}; give an axis, a tuple of axes, None or 'output'")
        eps = weight_norm.check_form(eps, form)
        for field, value in (("name", name), ("dim", dim), ("eps", eps), ("form", form)):
            object.__setattr__(self, field, value)

    # ---- the six methods ------------------------------------------------------------------------

    def apply(self, module: M, name: str | None = None, dim: Dim = OWN) -> M:
        """Replace the parameter by `name_g` and `name_v`, with w unchanged; return the module.

        name, dim: where given, used in place of this object's own for this module, from now on; an
        explicit dim=None is one norm of the whole. The place in the parameters' order and
        requires_grad are kept; modules that share a parameter share its g and v once this has been
        applied to each of them.
        Raises TypeError for anything but a Module; ValueError where the name is normalised already,
        is a part of another computed weight, is not a floating parameter, or is shared with a
        module where it has become something else; IndexError for a dim the weight lacks;
        ZeroNormError for zero slices. Then nothing changed.
        """
        used = replace(
            self,
            name=self.name if name is None else name,
            dim=self.dim if dim is OWN else dim,
        )
        name = used.name
        g_name, v_name = f"{name}_{self._letter}", f"{name}_v"
        weight = _parameter(module, name, (g_name, v_name))
        shape = used._kept(module, weight.shape)
        key = (type(self), shape, used.eps, used.form)
        h = used._lengths(module, weight, shape)
        with quiet(), on_device_of(h):
            scale = asarray(used._stored(h).astype(weight.dtype), like=h)
            finite = bool(namespace(h).isfinite(scale).all())
        if not finite:
            raise ValueError(
                f"{type(module).__name__}.{name}: a norm of {float(h.max()):g} is out of range "
                f"for {weight.dtype}; scale the weight, or convert the module to a wider dtype"
            )
        parts = _recall(weight, key)
        if parts is None and weight._twin is not None:
            raise ValueError(
                f"{type(module).__name__}.{name} is shared with a module where it was normalised "
                f"already, with other settings, or trained or assigned since; apply one WeightNorm "
                f"to all that share it before training, or give this one Parameter(its data)"
            )
        if parts is None:
            g = Parameter(scale, weight.requires_grad)
            v = Parameter(copy(weight.data), weight.requires_grad)
            parts = (g, v)
        _remember(weight, key, parts)
        computed = Computed(self, used, shape)
        _swap(module, [name], dict(zip((g_name, v_name), parts, strict=True)))
        module.__dict__["_computed"] = {**module._computed, name: computed}
        computed.recompute(module)
        return module

    def recompute(self, module: Module) -> Tensor:
        """Compute the weight from g and v as they are now, and return it.

        Call it wherever g or v may have changed since: at the start of a forward, say. The
        result is part of the graph, so one backward pass uses it up.
        A module that `fold` made plain keeps the weight that it has.
        Raises ValueError where this was not applied to the module, or g's shape is not dim's.
        """
        weight = None
        found = module._computed if isinstance(module, Module) else _computed(module)
        for computed in found.values():
            if computed.declared is self or computed.declared == self:
                weight = computed.recompute(module)
        return self._folded(module) if weight is None else weight

    def __call__(self, module: Module) -> Tensor:
        """The same as `recompute`."""
        return self.recompute(module)

    def compute_weight(self, module: Module, name: str | None = None, dim: Dim = OWN) -> Tensor:
        """g v / h(v) for the g and v that the module has now, changing nothing.

        name, dim: where given, used in place of those that were applied; an explicit dim=None is
        one norm of the whole.
        Raises TypeError for anything but a Module, and ValueError where g or v is missing, or g's
        shape is not that of `dim`.
        """
        if name is None:
            used = self._applied(module)[-1].used
        else:
            own = replace(self, name=name)
            used = _computed(module)[name].used if name in _computed(module) else own
        used = used if dim is OWN else replace(used, dim=dim)
        g, v = used._parts(module)
        w: Tensor = used._weight(v, g)
        return w

    def remove(self, module: M, name: str | None = None) -> M:
        """Make the weight one parameter again, in the place of its g and v; return the module.

        A forward that calls recompute() finds nothing to compute after this; `fold` makes a plain
        copy in which such a forward goes on working.
        Raises TypeError for anything but a Module, ValueError where there is nothing to remove, and
        ZeroNormError where v is zero. Then nothing changed.
        """
        if name is None:
            names = [computed.used.name for computed in self._applied(module)]
            if len(names) > 1 and self.name not in names:
                raise ValueError(f"there are {names} to remove; pass one of them as name")
            name = self.name if self.name in names else names[0]
        name = replace(self, name=name).name  # or its error for anything but a name
        if name not in _computed(module):
            raise ValueError(_not_applied(module, name))
        used = module._computed[name].used
        g, v = used._parts(module)
        used._lengths(module, v, g.shape)
        key = (g._time, used.eps, used.form)
        parts = _recall(v, key)
        if parts is None:
            w = used._weight(v.data, g.data)
            parts = (Parameter(w, g.requires_grad or v.requires_grad),)
        _remember(v, key, parts)
        _remember(g, None, parts)  # for an optimiser that has g alone
        left = {n: computed for n, computed in module._computed.items() if n != name}
        module.__dict__["_computed"] = left
        _swap(module, [f"{name}_{used._letter}", f"{name}_v"], {name: parts[0]})
        return module

    def clone(self, deep: bool = False) -> WeightNorm:
        """Another object with these settings. It shares nothing that can change, deep or not."""
        return replace(self)

    # ---- what they share ------------------------------------------------------------------------

    def _weight(self, v: Any, g: Any) -> Any:
        return weight_norm.forward(v, g, eps=self.eps, form=self.form)

    def _stored(self, length: Array) -> Array:
        """The g for which the gain is `length`."""
        return length

    def _applied(self, module: Module) -> list[Computed]:
        found = [c for c in _computed(module).values() if c.declared is self or c.declared == self]
        if not found:
            raise ValueError(_not_applied(module, self.name))
        return found

    def _folded(self, module: Module) -> Tensor:
        for name, declared in vars(module).get("_folded", {}).items():
            if declared == self and name not in module._computed:
                return getattr(module, name)  # type: ignore[no-any-return]
        way_out = ""
        if isinstance(vars(module).get(self.name), Parameter):
            way_out = (
                "; where it was removed and the forward calls recompute(), make the plain model "
                "with nn.fold(model) in place of remove()"
            )
        raise ValueError(_not_applied(module, self.name) + way_out)

    def _parts(self, module: Module) -> tuple[Tensor, Tensor]:
        """g and v, as the module has them now; an error where g's shape is not that of dim."""
        g, v = (vars(module).get(f"{self.name}_{x}") for x in (self._letter, "v"))
        if not isinstance(g, Tensor) or not isinstance(v, Tensor):
            raise ValueError(self._no_parts(module))
        shape = self._kept(module, v.shape)
        if g.shape != shape:
            raise ValueError(self._misfit(g, v, shape))
        return g, v

    def _no_parts(self, module: Module) -> str:
        names = [f"{self.name}_{letter}" for letter in (self._letter, "v")]
        lost = [n for n in names if not isinstance(vars(module).get(n), Tensor)]
        way_out = "assign a Parameter" if self.name in module._computed else "apply() makes them"
        return f"{type(module).__name__} has no {' and '.join(lost)}; {way_out}"

    def _misfit(self, g: Tensor, v: Tensor, shape: tuple[int, ...]) -> str:
        return (
            f"{self.name}_{self._letter} of shape {g.shape} for dim={self.dim!r} of "
            f"{self.name}_v {v.shape}; that dim needs {shape}"
        )

    def _kept(self, module: Module, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of g for a weight of `shape`."""
        if not isinstance(self.dim, str):
            return weight_norm.kept_shape(shape, self.dim)
        axis = output_axis(module, self.name, "dim")
        return weight_norm.kept_shape(shape, axis)

    def _lengths(self, module: Module, v: Tensor, shape: tuple[int, ...]) -> Any:
        """h(v), which is the g that keeps the function; an error where there is none."""
        return lengths(
            v.data, shape, self.eps, self.form, f"{type(module).__name__}.{self.name}",
            f"choose another dim, or a form with eps, such as WeightNorm({self.name!r}, eps=1e-12, "
            f"form='inside')",
        )


def output_axis(module: Module, name: str, argument: str) -> int:
    """The axis of a weight along which the outputs of its layer lie; ValueError for none."""
    axis = getattr(module, "output_axis", None)
    if axis is not None:
        return int(axis)
    kind, groups = type(module).__name__, getattr(module, "groups", 1)
    if groups > 1:
        raise ValueError(
            f"{kind} with groups={groups}: no axis of {name} keeps a norm for each output; give "
            f"{argument}=1 for norms that one output of each group shares"
        )
    raise ValueError(
        f"{kind} does not say which axis of {name} is its output; give {argument} as a number"
    )


def lengths(
    v: Array, shape: tuple[int, ...], eps: float, form: str, where: str, way_out: str
) -> Array:
    """h(v) > 0, of the given shape.

    Raises ZeroNormError, naming the slices, where a slice is zero and the form has no eps for it,
    and ValueError for entries that are not finite.
    """
    with quiet(), on_device_of(v):
        h = weight_norm.radius(v, shape=shape, eps=eps, form=form)
        xp = namespace(h)
        finite, nowhere = bool(xp.isfinite(v).all()), to_numpy(xp.argwhere(xp.isnan(h)))
    if not finite:
        raise ValueError(f"{where} has entries that are not finite; it has no norm")
    if len(nowhere):
        zero = [tuple(map(int, i)) for i in nowhere]
        named = ", ".join(map(str, zero[:5])) + (", ..." if zero[5:] else "")
        raise ZeroNormError(
            f"{where}: v / ||v|| is undefined where v is zero, in {len(zero)} of {h.size} "
            f"slices (of g {shape}: {named}); give these weights a value, {way_out}"
        )
    return h


def _is_axis(a: Any) -> bool:
    return isinstance(a, Integral) and not isinstance(a, bool)


class ComputedWeight(Tensor):
    """The w that a module shows under the name of the weight: read, and not written to.

    On NumPy its memory is read-only; CuPy has no such thing.
    """

    __slots__ = ()
    _names: ClassVar[tuple[str, str, str]]  # of the weight, of g and of v

    def _refuse(self, *_: Any) -> Any:
        name, g, v = self._names
        how = f" by '{self._op.name}'" if self._op else ""
        raise RuntimeError(
            f"{name} of shape {self.shape} was computed{how} from {g} and {v}; assign those, or "
            f"call remove() of its WeightNorm first"
        )

    def assign(self, data: Any) -> None:
        self._refuse()

    @property
    def data(self) -> Array:
        """The array, which on NumPy is read-only."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._refuse()

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = _refuse
    __ipow__ = __imatmul__ = __iand__ = __ior__ = __ixor__ = _refuse

    @property
    def is_leaf(self) -> bool:
        return False

    # A copy is a new Tensor, without a history.

    def __copy__(self) -> Tensor:
        return self.detach()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        memo[id(self)] = plain = Tensor(copy(self._data))
        return plain

    def __reduce__(self) -> Any:
        return Tensor, (self._data,)


@functools.cache
def _computed_from(*names: str) -> type[ComputedWeight]:
    """ComputedWeight for a weight, its g and its v of these names."""
    return type("ComputedWeight", (ComputedWeight,), {"__slots__": (), "_names": names})


class Computed:
    """One weight of one module, as computed last; Module stores it in place of a parameter."""

    def __init__(self, declared: WeightNorm, used: WeightNorm, shape: tuple[int, ...]) -> None:
        self.declared, self.used = declared, used  # as constructed; with the overrides of apply
        self.shape = shape  # of g
        self.g_name, self.v_name = f"{used.name}_{used._letter}", f"{used.name}_v"
        self.weight: Any = None
        self.g: Any = None  # the weight was computed from these; the module may have others by now
        self.v: Any = None

    def recompute(self, module: Module) -> Tensor:
        used, own = self.used, vars(module)
        v, g = own.get(self.v_name), own.get(self.g_name)
        if v is None or g is None:  # nothing else but a Parameter can be there
            raise ValueError(used._no_parts(module))
        if g._data.shape != self.shape:
            raise ValueError(used._misfit(g, v, self.shape))
        weight = used._weight(v, g)
        # Not a new object: the graph refers to this one, and a step stays fast.
        weight.__class__ = _computed_from(used.name, self.g_name, self.v_name)
        if type(weight._data) is Host:
            weight._data.setflags(write=False)
        self.weight, self.g, self.v = weight, g, v
        return self.weight  # type: ignore[no-any-return]

    def check_fresh(self, module: Module) -> None:
        """Raise StaleWeightError where the weight is not the one that g and v give now."""
        own, weight = vars(module), self.weight
        g, v, record = own.get(self.g_name), own.get(self.v_name), weight._record
        if g is not self.g or v is not self.v:
            # Dates alone would not show an older Parameter in the place of the one that was used.
            if not isinstance(g, Tensor) or not isinstance(v, Tensor):
                raise StaleWeightError(self.used._no_parts(module))
            why = f"is older than its {self.g_name} and {self.v_name}, which were replaced"
        elif g._time > weight._time or v._time > weight._time:
            why = f"is older than its {self.g_name} and {self.v_name}"
        elif (record is not None and record[1] is not None) or not is_recording():
            return
        elif weight.freed:
            why = "was used up by a backward pass"
        elif (g.requires_grad or v.requires_grad) > weight.requires_grad:
            why = "was computed under no_grad, so its g and v would receive no gradient"
        else:
            return
        raise StaleWeightError(
            f"{type(module).__name__}.{self.used.name} {why}; call recompute(layer) of its "
            f"WeightNorm before the layer, for instance at the start of your forward"
        )

    def put_gain(self, module: Module, gain: Array) -> None:
        """Assign the g for which the gain is this array, of its shape or flat."""
        g = vars(module)[self.g_name]
        with on_device_of(gain):
            g.data = self.used._stored(gain.reshape(self.shape)).astype(g.dtype)

    def check_norms(self, module: Module, v: Tensor) -> None:
        """Raise as WeightNorm.apply does where v has no norm to be divided by."""
        self.used._lengths(module, v, self.shape)

    def without_weight(self) -> Computed:
        return Computed(self.declared, self.used, self.shape)

    def __repr__(self) -> str:
        eps = f", eps={self.used.eps}, form={self.used.form!r}" if self.used.form != "plain" else ""
        return f"{self.used._gain} v / ||v|| (dim={self.used.dim!r}{eps})"


def _parameter(module: Module, name: str, parts: tuple[str, str]) -> Parameter:
    """The parameter to be split, or an error that says why it cannot be."""
    computed, own, kind = _computed(module), vars(module), type(module).__name__
    value = own.get(name)
    if name in computed:
        raise ValueError(f"{kind}.{name} is weight-normalised already; remove() it first")
    for other, known in computed.items():
        if name in (known.g_name, known.v_name):
            raise ValueError(
                f"{kind}.{name} is what {kind}.{other} is computed from, and cannot be normalised "
                f"itself; remove() the WeightNorm of {other!r} first"
            )
    if isinstance(value, Parameter):
        if not is_floating(value.dtype):
            raise ValueError(f"{kind}.{name} is {value.dtype}; only floating weights have a norm")
        if any(name in vars(c) for c in type(module).__mro__ if c is not Module):
            raise ValueError(
                f"the class {kind} has an attribute {name!r} of its own, which would hide the "
                f"computed weight; set it on each object, in __init__"
            )
        for taken in parts:
            if taken in own:
                raise ValueError(f"{kind} has an attribute {taken!r} already")
        return value
    if name in own:
        raise ValueError(
            f"{kind}.{name} is {value!r:.60}, not a Parameter; there is nothing to split"
        )
    names = [n for n, p in own.items() if isinstance(p, Parameter)]
    hint = did_you_mean(name, names) or f"; it has {names}"
    raise ValueError(f"{kind} has no parameter {name!r}{hint}")


def _computed(module: Any) -> Any:
    """The computed weights of a Module; TypeError for anything else."""
    if not isinstance(module, Module):
        raise TypeError(f"module={shown(module)}; pass a Module, such as nn.Linear(20, 40)")
    return module._computed


def _not_applied(module: Module, name: str) -> str:
    return (
        f"this WeightNorm was not applied to {name!r} of this {type(module).__name__}; "
        f"computed here: {sorted(module._computed) or 'nothing'}"
    )


def _swap(module: Module, old: list[str], new: dict[str, Any]) -> None:
    """Put the new attributes in the place of the first of the old ones, the order kept."""
    attributes: dict[str, Any] = {}
    for name, value in vars(module).items():
        if name == old[0]:
            attributes.update(new)
        elif name not in old:
            attributes[name] = value
    module.__dict__.clear()
    module.__dict__.update(attributes)


# Modules that share a weight must share its g and v (and, after remove, the weight again). Each
# module is split by a separate call, so the old parameter remembers what it became, as long as
# neither has been assigned since. An optimiser that has the old one finds it replaced.


def _remember(old: Any, key: Any, new: tuple[Parameter, ...]) -> None:
    old._twin = (key, [x._time for x in (old, *new)], new)


def _recall(old: Any, key: Any) -> tuple[Parameter, ...] | None:
    if old._twin is None:
        return None
    known, times, new = old._twin
    return new if known == key and times == [x._time for x in (old, *new)] else None
