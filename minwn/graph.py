"""Values, primitives, and the walk back. No mathematics here, and no array library.

A `Value` holds an array. One that was computed also remembers how: the primitive, the inputs and
the parameters. Those memories are the graph; its edges point from a result to its inputs and
never forward, so there are no cycles, and dropping the result drops the graph.

A `Primitive` is a forward function of arrays and its pullback:

    @primitive
    def sine(x):
        return namespace(x).sin(x)

    @sine.pullback
    def _(z_bar, z, x):
        return (z_bar * cosine(x),)

The pullback may use the cotangent, the answer, the inputs and the parameters, and nothing else:
an array kept from the forward would be a constant at second order. It is written in primitives
and infix, so the same lines serve arrays (the first-order walk: nothing wrapped, nothing
recorded) and Values (`create_graph=True`: the walk itself is recorded, so derivatives of every
order come from it). A cotangent may be given as a function without arguments, `lambda: z_bar * y`;
the walk calls it only where the result is used.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import inspect
import itertools
import operator
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar, overload

from .backend import (
    FLOAT32,
    FLOAT64,
    Array,
    Host,
    HostScalar,
    accumulator,
    asarray,
    is_array,
    is_floating,
    namespace,
    run,
    use_device_of,
)
from .validation import explained, flag, kind_of, shown

__all__ = ["Primitive", "Value", "ends", "is_recording", "no_grad", "primitive", "raw", "walk"]

# One clock dates every Value. A result is younger than its inputs, so youngest-first is an order
# in which every consumer of a Value speaks before the Value itself answers; and an input that is
# younger than a result made from it has been assigned since.
_clock = itertools.count(1)


class _Mode(threading.local):
    recording = True


_mode = _Mode()


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this context (or decorated function), and in this thread, nothing is recorded.

    >>> w = tensor([3.0], requires_grad=True)
    >>> with no_grad():
    ...     w -= 0.5  # assigned, not recorded
    >>> w
    tensor([2.5], dtype=float32, requires_grad=True)
    """
    before, _mode.recording = _mode.recording, False
    try:
        yield
    finally:
        _mode.recording = before


def is_recording() -> bool:
    """Whether operations on Values that require gradients are recorded, in this thread."""
    return _mode.recording


class Value:
    """An array and, where it was computed from Values that require gradients, how."""

    __slots__ = ("_data", "_grad", "_record", "_requires_grad", "_time")

    result_type: type[Value]  # what an operation on Values of this class returns

    def __init__(self, data: Array, requires_grad: bool = False) -> None:
        if type(data) is not Host and not is_array(data):
            raise TypeError(
                f"{type(self).__name__}({shown(data)}); pass an array, or make a Tensor of it with "
                f"tensor(...)"
            )
        if requires_grad is not False:
            requires_grad = flag("requires_grad", requires_grad)
            if requires_grad and not is_floating(data.dtype):
                raise TypeError(_no_gradient(data))
        self._data = data
        self._requires_grad = requires_grad
        self._grad: Any = None
        # How this was computed: the Primitive, its inputs, these as arrays, and its parameters.
        # None for a leaf.
        self._record: Any = None
        self._time = next(_clock)

    @property
    def requires_grad(self) -> bool:
        """Whether backward passes give this Value a cotangent. Can be set on leaves."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self._record is not None:
            raise RuntimeError(
                f"this {type(self).__name__} of shape {self._data.shape} was computed by "
                f"'{self._op.name}', so requires_grad is not set on it; .detach() gives one "
                f"without a history"
            )
        wanted = flag("requires_grad", wanted)
        if wanted and not is_floating(self._data.dtype):
            raise TypeError(_no_gradient(self._data))
        self._requires_grad = wanted

    def assign(self, data: Array) -> None:
        """Put another array in this leaf, and date it: everything computed from it is now older."""
        if self._record is not None:
            raise RuntimeError(
                f"this {type(self).__name__} of shape {self._data.shape} was computed by "
                f"'{self._op.name}'; assign the leaves it came from, or a .detach() of it"
            )
        self._data = data
        self._time = next(_clock)

    @property
    def _op(self) -> Any:
        return None if self._record is None else self._record[0]

    @property
    def _inputs(self) -> Any:
        return () if self._record is None else self._record[1]

    @property
    def freed(self) -> bool:
        """Whether a backward pass has used up how this Value was computed."""
        return self._record is not None and self._record[1] is None


Value.result_type = Value


def _no_gradient(data: Array) -> str:
    return f"a Tensor of {data.dtype} has no gradient; convert it to a float dtype"


def raw(x: Any) -> Any:
    """The array of a Value; anything else unchanged. For masks, comparisons and shapes."""
    return x._data if isinstance(x, Value) else x


R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class Recorded(Protocol[R_co]):
    """A Value, by what operations on it return: ops are below Tensor, and cannot name it."""

    @property
    def result_type(self) -> type[R_co]: ...


class Primitive:
    """A differentiable function of arrays. Data is positional, metadata is by keyword.

    widen: whether 16-bit inputs are computed in float32, forward and pullback, and each answer is
    rounded once. Operations that only move entries, or keep their own
    sums in float32, do without.
    """

    registry: ClassVar[dict[str, Primitive]] = {}
    cast: ClassVar[Primitive]  # to another dtype; `ops.shape` puts it here

    def __init__(self, forward: Callable[..., Array], *, widen: bool = True) -> None:
        functools.update_wrapper(self, forward)
        self.name = forward.__name__
        if self.name in self.registry:
            raise ValueError(f"there is a primitive called {self.name!r} already")
        self.registry[self.name] = self
        self.forward, self.widen = forward, widen
        # The parameters that are numbers, by their annotations.
        hints = forward.__annotations__.items()
        self.numbers = [k for k, hint in hints if k != "return" and _NUMBER.match(str(hint))]

    def pullback(self, rule: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
        """Register rule(z_bar, z, *inputs, **params) -> one cotangent, or None, per input."""
        self.rule = rule  # type: ignore[method-assign]
        return rule

    @overload
    def __call__(self, x: Recorded[R], /, *others: Any, **params: Any) -> R: ...
    @overload
    def __call__(self, x: Any, y: Recorded[R], /, *others: Any, **params: Any) -> R: ...
    @overload
    def __call__(self, x: Any, y: Any, z: Recorded[R], /, *others: Any, **params: Any) -> R: ...
    @overload
    def __call__(self, *arrays: Any, **params: Any) -> Array: ...

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        kind: Any = None  # the type of the answer; an array where no input is a Value
        dtype: Any = None
        alike = True  # all are NumPy arrays of one dtype, or Python numbers: no further checks
        wanted, found = False, []
        for x in inputs:
            if isinstance(x, Value):
                if kind is None:
                    kind = x.result_type
                wanted = wanted or x._requires_grad
                x = x._data
            found.append(x)
            if type(x) is Host:
                if dtype is None:
                    dtype = x.dtype
                elif x.dtype is not dtype:
                    alike = False
            elif type(x) not in _WEAK:
                alike = False
        arrays = tuple(found)
        if params:
            for name in self.numbers:
                value = params.get(name)
                if type(value) not in _WEAK and (
                    isinstance(value, HostScalar) or (type(value) is Host and not value.shape)
                ):
                    params[name] = value.item()  # as weak as Python's
        try:
            if alike and (dtype is FLOAT32 or dtype is FLOAT64):
                data = self.forward(*arrays, **params)
            else:
                namespace(*arrays)  # or its error, where two libraries or devices meet
                self._check(arrays)
                if kind is not None:
                    inputs, arrays = _settle(self.name, inputs, arrays)
                data = self._computed(arrays, params)
        except Exception as error:
            said = explained(error, self.forward, inputs, params, advice=self.advice)
            if said is None:
                raise
            raise said from error
        if kind is None:
            return data
        if type(data) is not Host and not data.shape:
            # NumPy answers with a scalar where we promise an array.
            data = asarray(data, like=data)
        # What kind(data) does, in a third of the time.
        z = object.__new__(kind)
        z._data, z._grad, z._time = data, None, next(_clock)
        z._requires_grad = recorded = wanted and _mode.recording
        z._record = (self, inputs, arrays, params) if recorded else None
        return z

    def __get__(self, instance: Any, kind: type | None = None) -> Primitive:
        """Itself. That there is such a method makes it a routine to `help` and other tools, which
        then show its signature and its docstring."""
        return self

    advice = ""  # where inputs do not fit together

    def _check(self, arrays: Sequence[Any]) -> None:
        """Raise TypeError unless all are arrays, or Python numbers: a list would not compute."""
        if all(x is None for x in arrays):
            raise TypeError(f"{self.name.strip('_')}: None is no array; pass an array or a Tensor")
        for i, x in enumerate(arrays):
            if type(x) not in _WEAK and not is_array(x):
                known = inspect.signature(self.forward).parameters.values()
                names = [p.name for p in known if p.kind is not p.KEYWORD_ONLY]
                if i >= len(names) and known and names[-1:] != ["xs"]:
                    return  # metadata without its name; the call itself fails
                names += names[-1:] * i
                raise TypeError(
                    f"{self.name.strip('_')}: input {i} is {kind_of(x)}, "
                    f"{names[i]}={shown(x)}; pass an array or a Tensor"
                )

    def _computed(self, arrays: tuple[Any, ...], params: dict[str, Any]) -> Array:
        """The forward for all other arrays: other libraries', 16-bit, mixed; or for none."""
        first = next((x for x in arrays if type(x) not in _WEAK), None)
        narrow = _narrow(arrays) if self.widen else None
        if narrow is None:
            return run(first, self.forward, *arrays, **params)
        return run(first, self._in_float32, narrow, arrays, params)

    def _in_float32(self, narrow: Any, arrays: tuple[Any, ...], params: dict[str, Any]) -> Array:
        """The forward for arrays of the dtype `narrow`, computed in its accumulator."""
        wide = accumulator(narrow)
        data = self.forward(*[_widened(x, narrow, wide) for x in arrays], **params)
        return data.astype(narrow) if data.dtype == wide else data

    def rule(self, *args: Any, **params: Any) -> tuple[Any, ...]:
        """(z_bar, z, *inputs, **params) -> the cotangents; `pullback` puts the real one here."""
        raise NotImplementedError(f"'{self.name}' has no pullback")

    def pull(self, z_bar: Any, z: Any, inputs: Sequence[Any], params: dict[str, Any]) -> Any:
        """The cotangents of the inputs as the rule gives them: a 16-bit z_bar is pulled in float32.

        `fitted` rounds them.
        """
        narrow = raw(z_bar).dtype
        if self.widen and narrow.itemsize == 2:
            wide = accumulator(narrow)
            z_bar, z, *inputs = (_widened(x, narrow, wide) for x in (z_bar, z, *inputs))
        return self.rule(z_bar, z, *inputs, **params)

    def vjp(self, z_bar: Any, z: Any, *inputs: Any, **params: Any) -> tuple[Any, ...]:
        """All cotangents at once, each in the shape and dtype of its input, or None.

        z_bar, z, inputs: arrays or Values; z may be None where the rule does not use it, and z_bar
        a Python number where z is one.
        """
        if isinstance(z_bar, int | float):
            first = raw(inputs[0])
            z_bar = asarray(z_bar, like=first, dtype=first.dtype)
        return tuple(
            None if bar is None else self.fitted(bar() if callable(bar) else bar, raw(x))
            for bar, x in zip(self.pull(z_bar, z, inputs, params), inputs, strict=True)
        )

    def fit(self, x_bar: Any, shape: tuple[int, ...]) -> Any:
        """Make a cotangent fit its input: where operations broadcast; all others refuse."""
        raise ValueError(f"{self.name}: cotangent {x_bar.shape} for input {shape}")

    def fitted(self, x_bar: Any, x: Array) -> Any:
        """The cotangent in the shape and the dtype of its input, or an error that says both."""
        if x_bar.shape != x.shape:
            x_bar = self.fit(x_bar, x.shape)
        if x_bar.dtype != x.dtype and x_bar.dtype == accumulator(x.dtype):
            x_bar = Primitive.cast(x_bar, dtype=x.dtype)
        if x_bar.dtype != x.dtype:
            raise ValueError(
                f"{self.name}: cotangent {x_bar.dtype} for input {x.dtype} of shape {x.shape}"
            )
        return x_bar

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


@overload
def primitive(forward: Callable[..., Array], /) -> Primitive: ...
@overload
def primitive(*, widen: bool) -> Callable[[Callable[..., Array]], Primitive]: ...
def primitive(forward: Any = None, *, widen: bool = True) -> Any:
    """Make a forward function of arrays a primitive; its name becomes the name in the registry.

    As `@primitive`, or as `@primitive(widen=False)`: see `Primitive`.
    """
    return Primitive(forward) if forward else functools.partial(Primitive, widen=widen)


_WEAK = (bool, int, float, complex, type(None))
_NUMBER = re.compile(r"(int|float)( \| None)?$")


def _narrow(arrays: Sequence[Any]) -> Any:
    """The dtype of the floating arrays among these, where all have one and it has 16 bits."""
    dtypes = {x.dtype for x in arrays if is_array(x) and is_floating(x.dtype)}
    dtype = dtypes.pop() if len(dtypes) == 1 else None
    return None if dtype is None or accumulator(dtype) == dtype else dtype


def _widened(x: Any, narrow: Any, wide: Any) -> Any:
    """x, in the dtype `wide` where it is an array or Value of the dtype `narrow`."""
    return Primitive.cast(x, dtype=wide) if getattr(x, "dtype", None) == narrow else x


def _settle(name: str, inputs: Sequence[Any], arrays: Sequence[Any]) -> tuple[Any, Any]:
    """Let NumPy scalars be as weak as Python's, and refuse what would be promoted silently."""
    inputs, arrays = list(inputs), list(arrays)
    dtypes: dict[Any, Any] = {}
    for i, x in enumerate(arrays):
        if type(x) in _WEAK:
            continue
        if not isinstance(inputs[i], Value) and not hasattr(x, "__setitem__"):
            inputs[i] = arrays[i] = x.item()
        elif x.dtype.kind != "b":
            dtypes.setdefault(x.dtype, x.shape)
    if len(dtypes) > 1:
        met = " meets ".join(f"{dtype} {shape}" for dtype, shape in dtypes.items())
        raise TypeError(f"{name}: {met}; nothing is promoted silently, convert one with .to(dtype)")
    return tuple(inputs), tuple(arrays)


def walk(
    output: Value,
    cotangent: Any,
    targets: Iterable[Value] | None = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict[Value, Any]:
    """The cotangent of each target: the output's, pulled back through the graph.

    `targets=None` means every leaf that requires a gradient. Targets that the output does not
    depend on are absent from the answer. The cotangents are arrays, or Values with
    `create_graph`. The graph is freed on the way unless it is retained.

    To be called by `run`, with the device of the output as the current one.
    Raises RuntimeError where the graph was freed before or an input was assigned since, and
    ValueError where a pullback returns a cotangent of the wrong shape or dtype.
    """
    chosen = None if targets is None else {id(x) for x in targets}
    useful = None if chosen is None else _between(output, chosen)
    if output._record is None:
        return {output: cotangent} if chosen is None or id(output) in chosen else {}
    # The cotangents so far, and the Values that still pass theirs on. Without targets a leaf passes
    # nothing on, and the cotangents left over at the end are the answer.
    bars, heap = {output: cotangent}, [(-output._time, output)]
    answer = bars if chosen is None else {}
    this = _Pass()
    # Youngest first. With b = a + a and c = b * b, b must hear from both factors of c before it
    # answers a; both were heard when c, the younger, answered.
    while heap:
        z = heapq.heappop(heap)[1]
        z_bar = bars.pop(z)
        if chosen is not None and id(z) in chosen:
            answer[z] = z_bar
            if z._record is None or len(answer) == len(chosen):
                continue
            if useful and z._inputs and not any(id(x) in useful for x in z._inputs):
                continue  # no target is behind z; its part of the graph stays
        try:
            _hand_on(z, z_bar, bars, heap, useful, create_graph)
        except BaseException as error:
            this.failure = f"'{z._op.name}' ({type(error).__name__})"
            raise
        if not (retain_graph or create_graph):
            z._record = (z._record[0], None, None, this)
    return answer


class _Pass:
    """One walk. The Values it has freed refer to it, so a later walk can report it."""

    __slots__ = ("failure",)

    def __init__(self) -> None:
        self.failure: str | None = None  # where it ended with an error


def _hand_on(
    z: Value,
    z_bar: Any,
    bars: dict[Value, Any],
    heap: list[tuple[int, Value]],
    useful: set[int] | None,
    create_graph: bool,
) -> None:
    """Add to `bars` the cotangents that z_bar gives the inputs of z; new inputs go on the heap."""
    op, inputs, arrays, params = z._record
    if inputs is None:
        raise RuntimeError(_freed(op, params))
    data = z._data
    if type(data) is not Host:
        use_device_of(data)
    if data.dtype.itemsize == 2:
        given = (z, inputs) if create_graph else (data, arrays)
        x_bars = op.pull(z_bar, *given, params)
    elif create_graph:
        x_bars = op.rule(z_bar, z, *inputs, **params)
    else:
        x_bars = op.rule(z_bar, data, *arrays, **params)
    if len(x_bars) != len(inputs):
        raise ValueError(f"{op.name}: {len(x_bars)} cotangents for {len(inputs)} inputs")
    time = z._time
    for k, x in enumerate(inputs):
        if not isinstance(x, Value):
            continue
        if x._time > time:
            raise RuntimeError(
                f"an input of '{op.name}', of shape {x._data.shape}, was assigned after the "
                f"forward pass; run the forward pass again"
            )
        x_bar = x_bars[k]
        if x_bar is None or not x._requires_grad or (useful is not None and id(x) not in useful):
            continue
        if callable(x_bar):
            x_bar = x_bar()
        data = x._data
        if x_bar.shape != data.shape or x_bar.dtype is not data.dtype:
            x_bar = op.fitted(x_bar, data)
        if x in bars:
            if type(data) is not Host:
                use_device_of(data)
            bars[x] = bars[x] + x_bar
        else:
            bars[x] = x_bar
            if x._record is not None or useful is not None:
                heapq.heappush(heap, (-x._time, x))


def _freed(op: Primitive, earlier: _Pass) -> str:
    if earlier.failure:
        return (
            f"an earlier backward pass failed at {earlier.failure}, after it had freed the graph "
            f"behind '{op.name}', and wrote no .grad; mend what failed there, and run the forward "
            f"pass again"
        )
    return (
        f"the graph behind '{op.name}' was freed by an earlier backward pass; "
        f"run the forward pass again, or pass retain_graph=True to the earlier one"
    )


def ends(output: Value) -> list[Value]:
    """The leaves that the output depends on, and the results whose own graph was freed."""
    return [z for z in _behind(output) if not z._inputs]


def _behind(output: Value) -> list[Value]:
    """The output and every Value that it depends on and that requires a gradient, oldest first."""
    seen, stack = {id(output): output}, [output]
    while stack:
        record = stack.pop()._record
        for x in () if record is None else record[1] or ():
            if isinstance(x, Value) and x._requires_grad and id(x) not in seen:
                seen[id(x)] = x
                if x._record is not None:
                    stack.append(x)
    return sorted(seen.values(), key=operator.attrgetter("_time"))


def _between(output: Value, targets: set[int]) -> set[int]:
    """The ids of the targets, and of the Values between the output and them."""
    found = set(targets)
    for z in _behind(output):
        if z._record is not None:
            inputs = z._record[1]
            if inputs is None or not found.isdisjoint(map(id, inputs)):
                found.add(id(z))
    return found
