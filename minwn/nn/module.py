"""Module: something that owns parameters. They are found by walking its attributes, in the order
in which they were assigned, so a name is the path to the attribute: "encoder.layers.0.weight"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from .. import backend
from ..graph import raw
from ..tensors import Tensor

__all__ = ["Buffer", "Module", "Parameter"]


class NamesError(KeyError):
    """Names that do not match; a KeyError whose lines are printed as lines."""

    def __str__(self) -> str:
        return str(self.args[0])


class Parameter(Tensor):
    """A Tensor that its Module trains."""

    __slots__ = ("_twin",)
    assigned_in_place = True

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        Tensor.__init__(self, raw(data), requires_grad)
        self._twin: Any = None  # what a tied Parameter was replaced by; see nn.weight_norm


class Buffer(Tensor):
    """A Tensor that belongs to a Module's state but is not trained, e.g. a running mean."""

    __slots__ = ()
    assigned_in_place = True


class Module:
    """Base of all layers and networks: give it Parameters, Modules, lists or dicts of Modules as
    attributes, and a method `forward`.

    A weight that is computed from other parameters (see `WeightNorm`) is no parameter: it can be
    read under its name, but it is never part of the state or of a copy.
    """

    training = True
    # Name -> how that weight is computed; see nn.weight_norm.
    _computed: Mapping[str, Any] = MappingProxyType({})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no method forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """forward(*args); raises StaleWeightError where it used a weight older than its parts."""
        result = self.forward(*args, **kwargs)
        # After the forward, not before: a forward may begin by recomputing its weight.
        for computed in self._computed.values():
            computed.check_fresh(self)
        return result

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(_no_attribute(self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._computed:
            parts = self._computed[name]
            raise AttributeError(
                f"{type(self).__name__}.{name} is computed from {parts.g_name} and "
                f"{parts.v_name}; assign those, or call remove() of its WeightNorm first"
            )
        object.__setattr__(self, name, value)

    # ---- what it owns ---------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) for this module ("") and all below it, each once."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(join(path, n), x) for n, x in _items(vars(module)) if isinstance(x, Module)]
            stack.extend(reversed(below))

    def _named(self, kind: type[Tensor]) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules():
            for name, value in _items(vars(module)):
                if isinstance(value, kind):
                    yield join(path, name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter): a module's own in the order of assignment, then those of the
        modules below it; a shared one once."""
        seen: set[int] = set()
        for name, parameter in self._named(Parameter):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of this module alone, without the modules below it."""
        return ((name, x) for name, x in _items(vars(self)) if isinstance(x, Parameter))

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
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
        are computed anew. `strict=False` ignores names found on one side only. Raises KeyError
        with the missing, unexpected and closest names, and ValueError for shapes and for numbers
        that are out of range for the dtype here; then nothing has been loaded.
        """
        own = self._state()
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        if strict and (missing or unexpected):
            raise NamesError(_mismatch(missing, unexpected))
        arrays = {}
        for name, target in own.items():
            if name in state:
                value = raw(state[name])
                array = backend.asarray(value, like=target.data)
                if array.shape != target.shape:
                    raise ValueError(f"{name}: shape {array.shape} for {target.shape}")
                if array.dtype.kind not in "biuf" and not backend.is_floating(array.dtype):
                    raise ValueError(f"{name}: cannot load {array.dtype}")
                with backend.quiet(), backend.on_device_of(array):
                    arrays[name] = array.astype(target.dtype, copy=True)
                    xp = backend.namespace(array)
                    lost = bool((xp.isfinite(array) & ~xp.isfinite(arrays[name])).any())
                    top = float(abs(array).max()) if lost else 0.0
                if lost:
                    raise ValueError(
                        f"{name}: numbers up to {top:g} are out of range for "
                        f"{target.dtype}; convert the module with .to({str(array.dtype)!r}) first"
                    )
        for name, array in arrays.items():
            own[name].data = array
        self._recompute()

    def _recompute(self) -> None:
        for module in self.modules():
            for computed in module._computed.values():
                computed.recompute(module)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: x for name, x in vars(self).items() if name not in self._computed}
        if self._computed:
            state["_computed"] = {name: c.without_weight() for name, c in self._computed.items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for computed in self._computed.values():
            computed.recompute(self)

    # ---- modes ----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Module:
        """Set `training` here and below; layers such as Dropout act differently by it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def to(self, where: Any) -> Module:
        """Move to a device, or convert floating parameters and buffers to a dtype, in place."""
        moves = backend.is_device(where)
        if not moves and not backend.is_floating(backend.dtype_of(where)):
            raise TypeError(f"to({where!r}): parameters are floating; choose a float dtype")
        for tensor in {id(t): t for t in self._state().values()}.values():
            if moves or backend.is_floating(tensor.dtype):
                tensor.data = tensor.detach().to(where).data
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(where)
        self._recompute()
        return self

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    # ---- display --------------------------------------------------------------------------------

    def describe(self) -> str:
        """What the brackets in the repr say beside the shapes: e.g. "stride=2"."""
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


def did_you_mean(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """ "; did you mean 'weight'?" for the closest of the names, or "" where none is close."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=cutoff)
    return f"; did you mean {close[0]!r}?" if close else ""


def _items(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, Tensor or Module) among the attributes, and within lists, tuples and dicts of them."""
    for name, value in attributes.items():
        if isinstance(value, Parameter | Buffer | Module):
            yield name, value
        elif isinstance(value, list | tuple):
            yield from _items({f"{name}.{i}": x for i, x in enumerate(value)})
        elif isinstance(value, dict):
            yield from _items({f"{name}.{key}": x for key, x in value.items()})


def _shape(x: Tensor) -> str:
    return f"{tuple(x.shape)}" + ("" if x.requires_grad or isinstance(x, Buffer) else " frozen")


def _no_attribute(module: Module, name: str) -> str:
    names = [*(n for n, _ in _items(vars(module))), *module._computed]
    return f"{type(module).__name__} has no attribute {name!r}{did_you_mean(name, names)}"


def _mismatch(missing: list[str], unexpected: list[str]) -> str:
    lines = ["the names do not match this module; nothing was loaded"]
    lines += [f"  unexpected {n!r}{did_you_mean(n, missing, cutoff=0.4)}" for n in unexpected]
    lines += [f"  missing {name!r}" for name in missing]
    return "\n".join(lines)
