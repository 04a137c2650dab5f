"""Module: something that owns parameters. They are found by walking its attributes, in the order
in which they were assigned, so a name is the path to the attribute: "encoder.layers.0.weight"."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

from .. import backend
from ..graph import raw
from ..tensors import Tensor
from ..validation import did_you_mean, explained, flag, instance, shown

__all__ = ["Buffer", "Module", "Parameter"]


class NamesError(KeyError):
    """Names that do not match; a KeyError whose lines are printed as lines."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Thread(threading.local):
    in_forward = False  # whether this thread is inside the call of a Module


_thread = _Thread()


class Parameter(Tensor):
    """A Tensor that its Module trains. It shares the memory of the array that it is made of.

    Raises TypeError for anything but an array or a Tensor, and for integers that require gradients.
    """

    __slots__ = ("_twin",)
    assigned_in_place = True

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        Tensor.__init__(self, _array(type(self), data), requires_grad)
        self._twin: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """Its replacement is copied with it, so an optimiser's copy finds that too."""
        copied = super().__deepcopy__(memo)
        if self._twin is not None:
            key, times, new = self._twin
            fresh = times == [x._time for x in (self, *new)]
            new = tuple(copy.deepcopy(x, memo) for x in new)
            copied._twin = (key, [x._time for x in (copied, *new)] if fresh else [], new)
            memo[id(self._twin)] = copied._twin
        return copied


class Buffer(Tensor):
    """A Tensor that belongs to a Module's state but is not trained, e.g. a running mean.

    Raises TypeError for anything but an array or a Tensor.
    """

    __slots__ = ()
    assigned_in_place = True

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        Tensor.__init__(self, _array(type(self), data), requires_grad)


class _Weight:
    """`module.weight` where it is computed. `Module.__getattr__` does the same for every name, in
    ten times the time: it runs only after an AttributeError. A weight that is a Parameter is in
    the module's own dictionary, which comes first.
    """

    def __get__(self, module: Any, kind: type | None = None) -> Any:
        if module is None:
            return self
        computed = module._computed.get("weight")
        if computed is None:
            raise AttributeError  # and now `__getattr__` is called
        if _thread.in_forward:
            computed.check_fresh(module)
        return computed.weight


P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class _Forward(Protocol[P, R_co]):
    """A Module, by its forward: a call takes the same, and returns the same."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class Module:
    """Base of all layers and networks: give it Parameters, Modules, lists or dicts of Modules as
    attributes, and a method `forward`.

    A weight that is computed from other parameters (see `WeightNorm`) is not a parameter: it can be
    read under its name, but it is never part of the state or of a copy. Inside a forward, of this
    module or of any other, reading it raises StaleWeightError where it is older than its parts.

    In the place of a Parameter only another one, or None, can be assigned; so for a Buffer. Other
    values raise TypeError, and names that read the same in the state ValueError: when they are
    assigned, or in a dict that was filled later, when the module is next listed.
    """

    training = True
    # Name -> how that weight is computed; see nn.weight_norm.
    _computed: Mapping[str, Any] = MappingProxyType({})
    if not TYPE_CHECKING:
        weight = _Weight()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call computes. A subclass defines it; call the module, which calls this."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward")

    # Typed in a comment: IPython cannot follow _Forward, and then goes by what `forward` returns.
    def __call__(self, *args, **kwargs):  # type: (_Forward[P, R], *P.args, **P.kwargs) -> R
        """forward(*args).

        Raises StaleWeightError where it reads a weight that is older than its parts, and TypeError
        for an input that should be an array and is not.
        """
        outermost = not _thread.in_forward
        if outermost:
            _thread.in_forward = True
        try:
            return self.forward(*args, **kwargs)
        except Exception as error:
            said = explained(error, self.forward, args, kwargs, type(self).__name__)
            if said is None:
                raise
            raise said from error
        finally:
            if outermost:
                _thread.in_forward = False

    def __getattr__(self, name: str) -> Any:
        computed = self._computed.get(name)
        if computed is None:
            if name != "weight" and hasattr(type(self), name):
                return object.__getattribute__(self, name)  # a property's own error, once more
            raise AttributeError(_no_attribute(self, name))
        if _thread.in_forward:
            computed.check_fresh(self)
        return computed.weight

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._computed:
            raise AttributeError(_is_computed(self, name))
        old = vars(self).get(name)
        if value is None:
            if isinstance(old, Parameter):
                self.__dict__["_emptied"] = {*vars(self).get("_emptied", ()), name}
        elif isinstance(old, _FOUND):
            for path, lost in _items({name: old}):
                kind = next(kind for kind in _OWNED if isinstance(lost, kind))
                _check_place(self, path, kind, _at(path, name, value))
        elif old is None and _is_place(self, name):
            _check_place(self, name, Parameter, value)
        if isinstance(value, _FOUND):
            _check_names(self, name, value)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._computed:
            raise AttributeError(_is_computed(self, name))
        object.__delattr__(self, name)

    def __dir__(self) -> Iterable[str]:
        served = {"weight"} - vars(self).keys()
        return [*(set(object.__dir__(self)) - served), *self._computed]

    # ---- what it owns ---------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) for this module ("") and all below it, each once.

        Raises ValueError, as all listings do, where two names read the same.
        """
        instance("prefix", prefix, str, "text")
        seen: set[int] = set()
        names: set[str] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            _add_name(names, path)
            yield path, module
            below = [(join(path, n), x) for n, x in _items(vars(module)) if isinstance(x, Module)]
            stack.extend(reversed(below))

    def _named(self, kind: type[Tensor]) -> Iterator[tuple[str, Any]]:
        names: set[str] = set()
        for path, module in self.named_modules():
            for name, value in _items(vars(module)):
                full = join(path, name)
                _add_name(names, full)
                if isinstance(value, kind):
                    yield full, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter): a module's own in the order of assignment, then those of the
        modules below it; a shared one once."""
        seen: set[int] = set()
        for name, parameter in self._named(Parameter):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        """The parameters of `named_parameters`, without the names."""
        return (parameter for _, parameter in self.named_parameters())

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of this module alone, without the modules below it."""
        names: set[str] = set()
        for name, value in _items(vars(self)):
            _add_name(names, name)
            if isinstance(value, Parameter):
                yield name, value

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """(dotted name, buffer), in the order of the state."""
        return self._named(Buffer)

    # ---- state ----------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        return dict(self._named(Parameter)) | dict(self._named(Buffer))

    def state_dict(self) -> dict[str, Any]:
        """Copies of the arrays of all parameters and buffers, by dotted name."""
        return {name: backend.copy(value.data) for name, value in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Put the arrays of `state` into the parameters and buffers of the same names.

        Values are converted to the dtype and device that the module has. Weights that are computed
        are recomputed. `strict=False` ignores names found on one side only. Raises KeyError
        with the missing, unexpected and closest names, and ValueError for shapes and for numbers
        that are out of range for the dtype here, and TypeError for anything but a mapping from
        names to arrays; then nothing has been loaded.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state={shown(state)}; pass the names and arrays of a state_dict()")
        own = self._state()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if flag("strict", strict) and (missing or unexpected):
            raise NamesError(_mismatch(missing, unexpected))
        arrays: dict[str, Any] = {}
        first: dict[int, str] = {}  # the name under which a tied parameter was met first
        for name, target in own.items():
            if name in state:
                array = _loaded(name, state[name], target.data)
                if array.shape != target.shape:
                    raise ValueError(f"{name}: shape {array.shape} for {target.shape}")
                array = arrays[name] = _converted(name, array, target.dtype)
                if not _same(array, arrays[first.setdefault(id(target), name)]):
                    raise ValueError(
                        f"{name} and {first[id(target)]} are one parameter here, and the state has "
                        f"different numbers for them; give them the same, or untie the module"
                    )
        for name, array in arrays.items():
            own[name].data = array
        self._recompute()

    def _recompute(self) -> None:
        for module in self.modules():
            for computed in module._computed.values():
                computed.recompute(module)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if self._computed:
            state["_computed"] = {name: c.without_weight() for name, c in self._computed.items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for computed in self._computed.values():
            computed.recompute(self)

    # ---- modes ----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; layers such as Dropout act differently by it."""
        mode = flag("mode", mode)
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """The same as train(False)."""
        return self.train(False)

    def to(self, where: Any) -> Self:
        """Move to a device, or convert floating parameters and buffers to a dtype, in place.

        Raises TypeError for anything but a device or a float dtype.
        """
        moves = backend.is_device(where)
        if not moves and not backend.is_floating(backend.dtype_of(where)):
            raise TypeError(
                f"to({where!r}): parameters are floating; choose a float dtype, or a device"
            )
        for tensor in {id(t): t for t in self._state().values()}.values():
            if moves or backend.is_floating(tensor.dtype):
                tensor.data = tensor.detach().to(where).data
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(where)
        self._recompute()
        return self

    def zero_grad(self) -> None:
        """Set the `grad` of every parameter to None."""
        for parameter in self.parameters():
            parameter.grad = None

    # ---- display --------------------------------------------------------------------------------

    def describe(self) -> str:
        """The text after the shapes in the brackets of the repr, e.g. "stride=2"."""
        return ""

    def __repr__(self) -> str:
        own = [f"{n}{_shape(x)}" for n, x in _items(vars(self)) if isinstance(x, Tensor)]
        own += [f"{name} = {computed!r}" for name, computed in self._computed.items()]
        inside = ", ".join(filter(None, [self.describe(), *own]))
        lines = [f"{type(self).__name__}({inside}"]
        for name, child in _items(vars(self)):
            if isinstance(child, Module):
                lines.append(f"  {name}: " + repr(child).replace("\n", "\n  "))
        return lines[0] + ")" if len(lines) == 1 else "\n".join([*lines, ")"])


def join(*levels: str) -> str:
    """The dotted name of these levels; "" is none."""
    return ".".join(filter(None, levels))


_OWNED = (Parameter, Buffer, Module)
_HOLDERS = (list, tuple, dict)
_FOUND = (*_OWNED, *_HOLDERS)


def _items(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, Tensor or Module) among the attributes, and within lists, tuples and dicts of them."""
    for name, value in attributes.items():
        if isinstance(value, _FOUND):
            yield from _held(name, value)


def _held(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, _OWNED):
        yield name, value
        return
    for key, x in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(x, _FOUND):
            yield from _held(f"{name}.{key}", x)


def _add_name(names: set[str], name: str) -> None:
    if name in names:
        raise ValueError(
            f"two parameters, buffers or modules have names that read {name!r}, so a state could "
            f"hold only one of them; give one another name, or another key in its dict"
        )
    names.add(name)


def _check_names(module: Module, name: str, value: Any) -> None:
    """Raise ValueError for a value that would be listed under an ambiguous name."""
    if not name or "." in name:
        for _ in _held(name, value):
            raise ValueError(
                f"{name!r} cannot be the name of a parameter, buffer or module of a "
                f"{type(module).__name__}: in the names of a state a dot leads one level down"
            )
    if isinstance(value, _HOLDERS):
        holder = Module()
        vars(holder)[name] = value
        for _ in holder._named(Tensor):
            pass


def _is_place(module: Module, name: str) -> bool:
    """Whether a Parameter belongs there: one was, or the class says `bias: Parameter | None`."""
    if name in vars(module).get("_emptied", ()):
        return True
    hints = (vars(c).get("__annotations__", {}).get(name, "") for c in type(module).__mro__)
    return any("Parameter" in str(hint) for hint in hints)


def _at(path: str, name: str, value: Any) -> Any:
    """The value at this path in a new attribute, where the old one had another; None for none."""
    for key in path.removeprefix(name).split(".")[1:]:
        if isinstance(value, dict):
            value = next((x for k, x in value.items() if str(k) == key), None)
        elif isinstance(value, list | tuple):
            value = value[int(key)] if key.isdigit() and int(key) < len(value) else None
        else:
            return None
    return value


def _check_place(module: Module, name: str, kind: type, value: Any) -> None:
    """Raise TypeError where something that is trained or saved would be lost silently."""
    if value is None or isinstance(value, kind):
        return
    if kind is Module:
        if callable(value) or isinstance(value, _FOUND):
            return
        way_out = "give another Module, a function, or None"
    else:
        way_out = (
            f"to change its numbers assign layer.{name}.data, or give a new "
            f"{kind.__name__}(array), or None"
        )
    raise TypeError(
        f"{type(module).__name__}.{name} is a {kind.__name__}, got {shown(value)}; {way_out}"
    )


def _is_computed(module: Module, name: str) -> str:
    parts = module._computed[name]
    return (
        f"{type(module).__name__}.{name} is computed from {parts.g_name} and {parts.v_name}; "
        f"assign those, or call remove() of its WeightNorm first"
    )


def _array(kind: type, data: Any) -> Any:
    """The array for a new Parameter or Buffer."""
    array = raw(data)
    if backend.is_array(array):
        return array if hasattr(array, "__setitem__") else backend.asarray(array)  # never a scalar
    raise TypeError(
        f"{kind.__name__}({shown(data)}): pass an array or a Tensor, for instance "
        f"{kind.__name__}(minwn.tensor([1.0, 2.0]))"
    )


def _loaded(name: str, value: Any, like: Any) -> Any:
    """The value as a real array of the library of `like`; ValueError where it is none."""
    try:
        array = backend.asarray(raw(value), like=like)
        real = array.dtype.kind in "biuf" or backend.is_floating(array.dtype)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: cannot load {shown(value)}; give an array") from error
    if not real:
        raise ValueError(f"{name}: cannot load {array.dtype}")
    return array


def _converted(name: str, array: Any, dtype: Any) -> Any:
    """A copy of the array in another dtype; ValueError where numbers would be lost, not rounded."""
    xp: Any = backend.namespace(array)
    whole = not backend.is_floating(dtype)
    with backend.quiet(), backend.on_device_of(array):
        new = array.astype(dtype, copy=True)
        lost = (new != array) if whole else xp.isfinite(array) & ~xp.isfinite(new)
        if not bool(lost.any()):
            return new
        top = float(abs(array).max())
    if whole:
        raise ValueError(f"{name}: numbers up to {top:g} are not all {dtype}; give whole numbers")
    raise ValueError(
        f"{name}: numbers up to {top:g} are out of range for {dtype}; convert the module with "
        f".to({str(array.dtype)!r}) first"
    )


def _same(x: Any, y: Any) -> bool:
    """Whether two arrays of one shape and dtype hold the same numbers, NaN being one."""
    return x is y or bool(((x == y) | ((x != x) & (y != y))).all())


def _shape(x: Tensor) -> str:
    return f"{tuple(x.shape)}" + ("" if x.requires_grad or isinstance(x, Buffer) else " frozen")


def _no_attribute(module: Module, name: str) -> str:
    names = [*vars(module), *module._computed]
    return f"{type(module).__name__} has no attribute {name!r}{did_you_mean(name, names)}"


def _mismatch(missing: list[str], unexpected: list[str]) -> str:
    lines = ["the names do not match this module; nothing was loaded"]
    for name in unexpected:
        lines.append(f"  unexpected {name!r}{did_you_mean(str(name), missing, cutoff=0.4)}")
    lines += [f"  missing {name!r}" for name in missing]
    return "\n".join(lines)
