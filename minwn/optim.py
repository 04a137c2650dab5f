"""Steps downhill: SGD, Adam, Adamax, with the update rules (and the names) of PyTorch.

    optimiser = SGD(net.parameters(), lr=0.1, momentum=0.9)
    optimiser.zero_grad(); loss.backward(); optimiser.step()

`parameters` are Parameters, or groups with their own options:

    SGD([{"params": head}, {"params": body, "lr": 0.01}], lr=0.1)

and `param_groups[0]["lr"] = 0.05` changes an option on the way. A step puts new arrays into the
parameters and leaves the old ones as they were. The state of 16-bit parameters is float32, and
their steps are computed in float32 and rounded once. Below, w is a parameter, g its gradient
with weight_decay w added, t the number of the step.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from .backend import (
    Array,
    Host,
    accumulator,
    asarray,
    copy,
    device,
    is_array,
    move,
    namespace,
    on_device_of,
    run,
)
from .tensors import Tensor
from .validation import door, kind_of, mapping, not_negative, number, several, shown

__all__ = ["SGD", "Adam", "Adamax", "Optimizer"]

_HOST = namespace()  # looked up once: a step uses it for each parameter

State = dict[str, Any]  # of one parameter: arrays and a step count


def _betas(name: str, value: Any) -> tuple[float, ...]:
    if isinstance(value, tuple | list) or is_array(value):
        with contextlib.suppress(TypeError, ValueError):  # of one entry, or of an array without any
            first, second = (number(name, x, fits=lambda x: 0 <= x < 1) for x in value)
            return first, second
    raise ValueError(f"{name}={shown(value)}; give two numbers, each >= 0 and < 1")


def _flag(name: str, value: Any) -> bool:
    if type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise ValueError(f"{name}={shown(value)}; give True or False")


class Optimizer:
    """Base of the three: parameters in groups, and a state for each.

    Raises TypeError for anything but a Tensor, and ValueError for no parameters, one given twice,
    one that was computed, or options out of range.
    """

    takes: ClassVar[dict[str, Callable[[str, Any], Any]]]  # option -> its check, as in validation
    remembered: ClassVar[tuple[str, ...]]  # the names in the state of a parameter

    def __init__(self, params: Iterable[Any], **options: Any) -> None:
        self._checked: dict[int, tuple[Any, ...]] = {}  # id of a group -> the options found good
        self.param_groups = [self._group(given, options) for given in _as_groups(params)]
        seen: set[int] = set()
        for i, parameter in enumerate(self._parameters()):
            if id(parameter) in seen:
                raise ValueError(f"parameter {i}, of shape {parameter.shape}, was given twice")
            seen.add(id(parameter))
        if not seen:
            raise ValueError(f"{type(self).__name__} got no parameters; nothing would be trained")
        self.state: dict[Tensor, State] = {parameter: {} for parameter in self._parameters()}
        # Replacements by WeightNorm, where only some of the modules sharing a parameter have it.
        twins = {parameter: parameter._twin for parameter in self.state}
        self._twins = {p: twin for p, twin in twins.items() if twin is not None}
        self._away = False  # whether a parameter was ever on another device than the host

    def update(self, w: Array, grad: Array, state: State, options: Mapping[str, Any]) -> Array:
        """The next w, as a new array. May change `state`, and nothing else.

        w and grad are float32 for a 16-bit parameter; the answer is rounded afterwards.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method update")

    def step(self) -> None:
        """Update every parameter that has a gradient.

        The state of a parameter follows it to another device or dtype.
        Raises TypeError for a gradient of another dtype or device, ValueError for an option out of
        range, and RuntimeError for a parameter that WeightNorm has replaced since; then nothing has
        been updated.
        """
        moves = []
        for group in self.param_groups:
            known = self._checked.get(id(group), ())
            if len(group) != len(known) or not all(map(operator.is_, group.values(), known)):
                group.update(self.check(group))
                self._checked[id(group)] = tuple(group.values())
            for parameter in group["params"]:
                if parameter._twin is not None:
                    self._check_in_use(parameter)
                bar = parameter._grad
                if bar is None:
                    continue
                w, grad = parameter._data, bar._data
                if grad.dtype is not w.dtype and grad.dtype != w.dtype:
                    raise TypeError(
                        f"a gradient of {grad.dtype} for a parameter of {w.dtype}, of shape "
                        f"{w.shape}; convert one with .to(dtype)"
                    )
                if self._away or type(w) is not Host or type(grad) is not Host:
                    self._away = True
                    _check_device(w, grad)
                moves.append((parameter, w, grad, group))
        for parameter, w, grad, group in moves:
            state = self.state[parameter]
            if self._away or w.dtype.itemsize == 2:
                parameter.assign(run(w, self._updated, w, grad, state, group))
            else:
                parameter.assign(self.update(w, grad, state, group))

    def _updated(self, w: Array, grad: Array, state: State, options: Mapping[str, Any]) -> Array:
        """`update` for any device and dtype."""
        wide = accumulator(w.dtype)
        _follow(w, wide, state)
        if wide == w.dtype:
            return self.update(w, grad, state, options)
        new = self.update(w.astype(wide), grad.astype(wide), state, options)
        return new.astype(w.dtype)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter._grad = None

    def _check_in_use(self, parameter: Any) -> None:
        if self._twins.get(parameter) is not parameter._twin:
            raise RuntimeError(
                f"a parameter of shape {parameter.shape} was replaced by WeightNorm.apply() or "
                f"remove() after this optimiser was made, and is no longer trained; make the "
                f"optimiser afterwards"
            )

    def _parameters(self) -> list[Any]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _group(self, given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """One group: its parameters, and the options with its own in place of the common ones."""
        unknown = [key for key in given if key not in options and key != "params"]
        if unknown or "params" not in given:
            raise ValueError(
                f"a group has the keys {list(given)}; it needs 'params', and may have "
                f"{list(options)}"
            )
        params = list(_iterable(given["params"]))
        for i, parameter in enumerate(params):
            if not isinstance(parameter, Tensor):
                raise TypeError(f"params: item {i} is {kind_of(parameter)}, not a Parameter")
            if not parameter.is_leaf:
                raise ValueError(
                    f"params: item {i}, of shape {parameter.shape}, was computed; "
                    f"pass the parameters that it was computed from"
                )
        return {**self.check({**options, **given}), "params": params}

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as a step uses them. Raises ValueError for one missing or out of range."""
        missing = [name for name in self.takes if name not in options]
        if missing:
            raise ValueError(f"a group lacks {', '.join(missing)}; give it a value")
        return {name: check(name, options[name]) for name, check in self.takes.items()}

    # ---- saving ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything but the parameters, which are named by their number.

        {"state": {number: {name: array or count}}, "param_groups": [options and numbers]}
        """
        parameters = self._parameters()
        number = {id(parameter): i for i, parameter in enumerate(parameters)}
        return {
            "state": {
                i: {name: _copy(value) for name, value in self.state[parameter].items()}
                for i, parameter in enumerate(parameters)
                if self.state[parameter]
            },
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    @door
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of the same kind of optimiser over the same parameters.

        Raises ValueError where groups, options, numbers or shapes differ; then nothing is loaded.
        """
        if not {"state", "param_groups"} <= set(mapping("state", state, "what state_dict() gave")):
            raise ValueError(
                f"state has the keys {list(state)}; pass what state_dict() gave, with 'state' and "
                f"'param_groups'"
            )
        parameters = self._parameters()
        ours = self.state_dict()["param_groups"]
        theirs = [dict(group) for group in state["param_groups"]]
        if [(set(g), list(g["params"])) for g in theirs] != [(set(g), g["params"]) for g in ours]:
            raise ValueError(
                f"the saved groups {theirs} do not match {ours}; "
                f"make the {type(self).__name__} with the parameters and groups that were saved"
            )
        theirs = [self.check(group) for group in theirs]
        loaded: dict[Tensor, State] = {parameter: {} for parameter in parameters}
        for i, saved in state["state"].items():
            if i not in range(len(parameters)) or set(saved) != set(self.remembered):
                raise ValueError(
                    f"the saved state of parameter {i!r} holds {sorted(saved)}; expected "
                    f"{sorted(self.remembered)} of parameters 0 to {len(parameters) - 1}"
                )
            for name, value in saved.items():
                if is_array(value) and value.shape != parameters[i].shape:
                    raise ValueError(
                        f"{name} of shape {value.shape} for parameter {i} of shape "
                        f"{parameters[i].shape}"
                    )
            loaded[parameters[i]] = {k: _copy(x, parameters[i]) for k, x in saved.items()}
        self.state = loaded
        for group, saved in zip(self.param_groups, theirs, strict=True):
            group.update(saved)


class SGD(Optimizer):
    """w - lr g;  with momentum  b = momentum b + (1 - dampening) g  (b = g at first), w - lr b;
    with nesterov  w - lr (g + momentum b).

    Raises ValueError also for nesterov without momentum, or with dampening.

    >>> w = nn.Parameter(np.array([3.0, 4.0]))
    >>> optimiser = optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimiser.step()
    >>> w
    tensor([2.4, 3.2], requires_grad=True)
    """

    takes: ClassVar = {
        "lr": not_negative, "momentum": not_negative, "nesterov": _flag,
        "weight_decay": not_negative, "dampening": number,
    }
    remembered = ("b",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay,
            dampening=dampening,
        )

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        options = super().check(options)
        if options["nesterov"] and (not options["momentum"] or options["dampening"]):
            raise ValueError(
                f"nesterov needs momentum > 0 and no dampening, got momentum="
                f"{options['momentum']}, dampening={options['dampening']}"
            )
        return options

    def update(self, w: Array, grad: Array, state: State, options: Mapping[str, Any]) -> Array:
        xp = _HOST if type(w) is Host else namespace(w)
        momentum = options["momentum"]
        if options["weight_decay"]:
            grad = grad + options["weight_decay"] * w
        if momentum:
            if not state:
                b = state["b"] = xp.array(grad)
            else:
                b = state["b"]
                if b.dtype is not w.dtype:
                    b = _follow(w, w.dtype, state)["b"]
                b *= momentum
                rest = 1.0 - options["dampening"]
                b += grad if rest == 1.0 else rest * grad
            grad = grad + momentum * b if options["nesterov"] else b
        new = xp.empty_like(w)
        xp.multiply(grad, options["lr"], out=new)
        return xp.subtract(w, new, out=new)


class Adam(Optimizer):
    """m = beta1 m + (1 - beta1) g,  q = beta2 q + (1 - beta2) g^2,
    w - lr m' / (sqrt(q') + eps)  with  m' = m / (1 - beta1^t), q' = q / (1 - beta2^t).

    Kingma & Ba 2015, algorithm 1, arXiv:1412.6980, in the order of the end of its section 2:
    the fraction is multiplied by sqrt(1 - beta2^t) above and below.
    """

    takes: ClassVar = {
        "lr": not_negative, "betas": _betas, "eps": not_negative, "weight_decay": not_negative,
    }
    remembered = ("t", "m", "q")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, w: Array, grad: Array, state: State, options: Mapping[str, Any]) -> Array:
        xp = _HOST if type(w) is Host else namespace(w)
        new = xp.empty_like(w)
        grad, m, q, factors = _moments(xp, w, grad, state, options, new)
        _, _, beta2, rest, _, _, eps, rate = factors
        xp.multiply(grad, grad, out=new)
        new *= rest
        q *= beta2
        q += new
        xp.sqrt(q, out=new)
        new += eps
        xp.divide(m, new, out=new)
        new *= rate
        return xp.subtract(w, new, out=new)


class Adamax(Adam):
    """m = beta1 m + (1 - beta1) g,  q = max(beta2 q, |g| + eps),  w - lr m / ((1 - beta1^t) q)

    Kingma & Ba 2015, algorithm 2, arXiv:1412.6980; eps as in PyTorch, where q might be 0
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, w: Array, grad: Array, state: State, options: Mapping[str, Any]) -> Array:
        xp = _HOST if type(w) is Host else namespace(w)
        new = xp.empty_like(w)
        grad, m, q, factors = _moments(xp, w, grad, state, options, new)
        _, _, beta2, _, eps, rate, _, _ = factors
        xp.abs(grad, out=new)
        new += eps
        q *= beta2
        xp.maximum(q, new, out=q)
        xp.divide(m, q, out=new)
        new *= rate
        return xp.subtract(w, new, out=new)


def _moments(
    xp: Any, w: Array, grad: Array, state: State, options: Mapping[str, Any], new: Array
) -> Any:
    """g with its decay, the new m, q before this step, 0 at first, and the factors of the step;
    `new` is overwritten.
    """
    if not state:
        state.update(t=0, m=xp.zeros_like(w), q=xp.zeros_like(w))
    t = state["t"] = state["t"] + 1
    if options["weight_decay"]:
        grad = grad + options["weight_decay"] * w
    dtype = w.dtype if type(w) is Host and w.dtype.kind == "f" else None
    factors = _factors(options["lr"], *options["betas"], options["eps"], t, dtype)
    m = state["m"]
    if m.dtype is not w.dtype:
        m = _follow(w, w.dtype, state)["m"]
    # Not m + (1 - beta1) (g - m): where m is much larger than g, that loses g.
    xp.multiply(grad, factors[1], out=new)
    m *= factors[0]
    m += new
    return grad, m, state["q"], factors


@functools.lru_cache(maxsize=16)
def _factors(lr: float, beta1: float, beta2: float, eps: float, t: int, dtype: Any) -> Any:
    """beta1, 1 - beta1, beta2, 1 - beta2; eps and lr / (1 - beta1^t); both times sqrt(1 - beta2^t)

    With a dtype, as arrays of it, which NumPy takes in half the time of Python's numbers.
    """
    root, rate = math.sqrt(1.0 - beta2**t), lr / (1.0 - beta1**t)
    values = beta1, 1.0 - beta1, beta2, 1.0 - beta2, eps, rate, eps * root, rate * root
    return values if dtype is None else [asarray(dtype.type(value)) for value in values]


def _check_device(w: Array, grad: Array) -> None:
    if device(grad) != device(w):
        raise TypeError(
            f"a gradient on {device(grad)} for a parameter on {device(w)}, of shape {w.shape}; "
            f"call zero_grad() after moving a module, and backward() again"
        )


def _follow(w: Array, dtype: Any, state: State) -> State:
    """The state, once its arrays are of this dtype and on the device of w."""
    for name, value in state.items():
        if is_array(value) and (value.dtype != dtype or device(value) != device(w)):
            moved = value if device(value) == device(w) else move(value, device(w))
            with on_device_of(moved):
                state[name] = moved.astype(dtype)
    return state


def _as_groups(params: Any) -> list[Mapping[str, Any]]:
    given = list(_iterable(params))
    groups = [isinstance(item, Mapping) for item in given]
    if any(groups) and not all(groups):
        raise TypeError("params mixes parameters and groups; give one kind")
    return given if any(groups) else [{"params": given}]


def _iterable(params: Any) -> Iterable[Any]:
    if isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
        raise TypeError(
            f"params is {kind_of(params)}; pass module.parameters(), a list of Parameters, or a "
            f"list of groups"
        )
    return several("params", params, "module.parameters(), or a list of Parameters")


def _copy(value: Any, like: Tensor | None = None) -> Any:
    """A copy of an array for the state of the parameter `like`; a number unchanged."""
    if not is_array(value):
        return value
    if like is not None:
        value = asarray(value, like=like.data, dtype=accumulator(like.dtype))
    return copy(value)
