"""The code that was found, as one thing to ask: arrays by role in, answers by path out.

A source is two functions, or an object with state: then a new object is made for each question (its
gradients may add up), its arrays are put into its attributes, and its gradients are looked for in
what backward returns, in attributes, in dicts, in .grad, or in the step that backward itself made.
The forward of that object is first asked the question before of the same shapes, where there was
one: what it keeps from its first call would otherwise never be wrong.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import names
from .arrangement import Arrays
from .calling import Call, Context, Leaf, Params, Path, leaves, name_of, returned, shape_of
from .engines import ENGINES, Engine, lower

__all__ = ["ARRAYS", "STEP", "Answer", "Source", "another", "at", "fresh", "get", "numbers",
           "pulled", "renewed"]

ARRAYS = ("x", "v", "g", "w", "b")

# The learning rate for a backward that changes the weights: a power of two, and so large that the
# rounding of the weight is below that of the gradient in (before - after) / lr.
STEP = 2.0**30


@dataclass(frozen=True)
class Answer:
    """The arrays that forward, or backward, answered."""

    leaves: list[Leaf]

    def at(self, path: Path) -> Any:
        """The array at a path; None where there is none."""
        return next((x.value for x in self.leaves if x.path == path), None)


@dataclass
class Source:
    """Functions, or methods of an object, and what they take.

    takes: the arrays: ("v", "g"), or of a layer ("x", "v", "g", "b"), ("x", "w", "b"), ...
    make: an object for a question, from arrays, sizes and options; None for functions
    state: where on the object the arrays are, as paths
    """

    name: str
    takes: tuple[str, ...]
    forward: Call | None
    backward: tuple[Call, ...] = ()
    make: Callable[[Mapping[str, Any]], Any] | None = None
    state: dict[str, Path] = field(default_factory=dict)
    called: dict[str, str] = field(default_factory=dict)
    autodiff: str = ""  # the framework whose autodiff is the backward
    says: str = ""  # the name of a class or function, which may say a kind of layer
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of the arrays it came with
    # of a layer, as the attributes of an object have them that is made for what is asked
    options: Callable[[Mapping[str, Any]], dict[str, Any]] = field(
        default_factory=lambda: lambda asked: {})
    asks: tuple[str, ...] = ()  # the options that it can be asked for
    engine: Engine | None = None  # whose arrays it takes
    torchs: bool = False  # whether its file has imported torch, whatever arrays it takes
    layouts: dict[str, Any] = field(default_factory=dict)  # of a framework, as in `LAYOUTS`
    axis: Any = ...  # of the weight, as a framework's wrapper has it, where it says one
    part: str = ""  # of a framework's module, the part that is its layer: "[0]", ".conv"
    others: tuple[str, ...] = ()  # and what other parts it has
    fixed: bool = False  # whether its options are those of one kernel
    later: dict[str, Any] = field(default_factory=dict)  # jvp, double_backward, of the file
    stepped: set[str] = field(default_factory=set)  # arrays that backward itself changes
    programs: dict[Any, Any] = field(default_factory=dict, repr=False)  # compiled
    answers: dict[int, list[Leaf]] = field(default_factory=dict, repr=False)
    settings: dict[str, Any] = field(default_factory=dict)  # form and eps, as a library has them
    asked: dict[Any, dict[str, Any]] = field(default_factory=dict, repr=False)  # last, by shapes

    @property
    def differentiates(self) -> bool:
        """Whether it has gradients: by a backward or by autodiff."""
        return bool(self.backward or self.autodiff)

    @property
    def remembers(self) -> bool:
        """Whether backward needs what forward has kept."""
        kept = ("cache", "ctx", "y", "saved ", "pull", *(() if "w" in self.takes else ("w",)))
        needed = {*self.takes} - {"b"}
        return self.make is not None or any(
            any(role.startswith(kept) for _, role, _ in call.roles)
            or not needed <= {role for _, role, _ in call.roles}  # it may be in a global
            for call in self.backward
        )

    def settle(self, order: dict[str, Path]) -> None:
        """If backward changes one array by a step, one that it does not change has gradient 0."""
        if any(path[0] == "step" for path in order.values()):
            for role in self.state:
                order.setdefault(role, ("step", role))
            self.stepped |= {role for role, path in order.items() if path[0] == "step"}

    def ask(self, given: Mapping[str, Any], upstream: Any = None) -> tuple[Answer, Answer | None]:
        """(the answer of forward, and of backward where there is an upstream)."""
        wide = any(x.dtype == "float64" for x in given.values() if isinstance(x, np.ndarray))
        with self.engine.wide() if self.engine is not None and wide else nullcontext():
            return self._ask(given, upstream)

    def _ask(self, given: Mapping[str, Any], upstream: Any) -> tuple[Answer, Answer | None]:
        lift: Callable[[Any], Any] = _same if self.engine is None else self.engine.lift
        given = {
            key: lift(x) if isinstance(x, np.ndarray) else x for key, x in given.items()
        }
        torchs = self.torchs or (self.autodiff and self.engine is ENGINES["torch"])
        if torchs and any(0 in shape_of(given[r]) for r in self.takes):
            raise ValueError("not asked: torch._weight_norm of no entries ends the process")
        if self.autodiff:
            assert self.engine is not None
            if upstream is None:
                return self._by_framework(given), None
            return Answer([]), self._by_autodiff(given, upstream)
        holder, inputs = self._lived_in(given)
        first = Answer([])
        if self.forward is not None and (upstream is None or self.remembers):
            answer = self.forward(inputs, holder)
            called = returned(self.forward.function)
            found = leaves(answer, called)
            if answer is None and holder is not None:
                found = [Leaf(path, name, x) for path, name, x in _attributes(holder)
                         if names.role(name) == "y" and x is not None]
            first, kept = Answer(_lowered(found)), _kept(answer, called)
            inputs |= kept
            if "x" not in self.takes and "y" in kept:  # weight norm, whose answer is w
                inputs.setdefault("w", kept["y"])
        if upstream is None:
            return first, None
        inputs["upstream"] = lift(upstream)
        before = {r: np.array(lower(get(holder, path))) for r, path in self.state.items()}
        found = []
        for i, call in enumerate(self.backward):
            answer = call(inputs, holder)
            each = leaves(answer, returned(call.function), ("returned",) if i == 0 else (i,))
            if len(self.backward) > 1:
                each = [Leaf(x.path, name_of(call.function), x.value) for x in each]
            found += each
        if holder is not None:
            found += [x for x in _slots(holder) if x.path not in self.state.values()]
            found += _steps(holder, self.state, before, self.stepped)
        return first, Answer(_lowered(found))

    def _lived_in(self, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """As `prepared`, where an object's forward has been asked another question before."""
        holder, inputs = self.prepared(given)
        if holder is None or self.forward is None or (self.state and renewed(holder)):
            return holder, inputs
        if "x" in self.takes:  # of a layer, hardly two questions have the same shapes
            before = another(given)
        else:
            key = tuple(
                (role, shape_of(x) if hasattr(x, "shape") else repr(x))
                for role, x in given.items()
            )
            earlier = self.asked.get(key)
            self.asked[key] = {role: copy.copy(x) for role, x in given.items()}
            if earlier is None:
                return holder, inputs
            before = earlier
        return self._after(before, given, inputs) or self.prepared(given)

    def _after(
        self, before: Mapping[str, Any], given: Mapping[str, Any], inputs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]] | None:
        """As `prepared`, with an object that was asked something before; None where that failed."""
        assert self.forward is not None
        try:
            holder, earlier = self.prepared(before)
            self.forward(earlier, holder)
            self._fill(holder, given)
        except Exception:  # of that question, and not of this one
            return None
        return holder, inputs

    def prepared(self, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """(an object with the arrays in their places, all that an argument may be)."""
        holder = None if self.make is None else self.make({"lr": STEP, **given})
        for name in names.RATES if holder is not None else ():
            if isinstance(getattr(holder, name, None), float):
                setattr(holder, name, STEP)
        if holder is not None:
            self._fill(holder, given)
        inputs: dict[str, Any] = dict(given)
        inputs["ctx"] = Context()
        inputs["params"] = Params({r: given[r] for r in self.takes if r in given and r != "x"})
        inputs.setdefault("lr", STEP)
        return holder, inputs

    def _fill(self, holder: Any, given: Mapping[str, Any]) -> None:
        for role, path in self.state.items():
            if role in given:
                put(holder, path, copy.copy(given[role]))  # backward may step in place

    def _by_autodiff(self, given: Mapping[str, Any], upstream: Any) -> Answer:
        """The gradients of the array in forward's answer that has the shape of upstream."""
        assert self.engine is not None
        engine = self.engine

        def pull(y_bar: Any, *arrays: Any) -> Any:
            def y(*arrays: Any) -> Any:
                found = self._pure({**given, **dict(zip(self.takes, arrays, strict=True))})
                return next((x.value for x in found if shape_of(x.value) == shape_of(y_bar)),
                            found[0].value)

            return engine.gradients(y, arrays, y_bar)

        arrays = [given[role] for role in self.takes]
        found = self._compiled("pull", pull, given)(engine.lift(upstream), *arrays)
        return Answer([
            Leaf((role,), f"{role}_bar", lower(x))
            for role, x in zip(self.takes, found, strict=True) if x is not None
        ])

    def _pure(self, given: Mapping[str, Any]) -> list[Leaf]:
        """The answer of forward, of the framework's arrays."""
        assert self.forward is not None
        holder, inputs = self.prepared(given)
        if holder is not None and not (self.state and renewed(holder)):
            holder, inputs = self._after(another(given), given, inputs) or self.prepared(given)
        return leaves(self.forward(inputs, holder), returned(self.forward.function))

    def _by_framework(self, given: Mapping[str, Any]) -> Answer:
        """The answer of forward, compiled where the framework compiles."""
        seen: list[Leaf] = []

        def values(*arrays: Any) -> Any:
            found = self._pure({**given, **dict(zip(self.takes, arrays, strict=True))})
            seen[:] = [replace(x, value=None) for x in found]
            return [x.value for x in found]

        found = self._compiled("values", values, given)(*(given[role] for role in self.takes))
        self.answers.setdefault(len(found), list(seen))
        return Answer([
            replace(x, value=lower(value))
            for x, value in zip(self.answers[len(found)], found, strict=True)
        ])

    def _compiled(self, what: str, f: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        """f compiled, for sizes and options that are no arrays."""
        assert self.engine is not None
        rest = {key: x for key, x in given.items() if key not in (*self.takes, "bundle")}
        key = what, repr(rest)
        return self.programs.setdefault(key, self.engine.compiled(f))


def pulled(answer: Answer) -> tuple[Call, ...]:
    """The backward that forward has returned with its result; () where there is none."""
    if not any(inspect.isroutine(x.value) for x in answer.leaves):
        return ()
    return (Call(pull, (("pull", "pull", False), ("upstream", "upstream", False))),)


def pull(pullback: Callable[[Any], Any], upstream: Any) -> Any:
    """A pullback that forward has answered, called."""
    return pullback(upstream)


def _same(x: Any) -> Any:
    return x


def _lowered(found: list[Leaf]) -> list[Leaf]:
    return [replace(x, value=lower(x.value)) for x in found]


def _kept(answer: Any, called: list[str]) -> dict[str, Any]:
    """What backward may take of the answer of forward: the cache, and each part by its name."""
    if isinstance(answer, Mapping):
        kept = {f"saved {key}": x for key, x in answer.items()}
        cache = next((x for key, x in answer.items() if names.is_cache(str(key))), answer)
        return kept | {"cache": cache}
    if not isinstance(answer, tuple | list) or len(answer) < 2:
        return {"y": answer, "cache": answer, **{f"saved {name}": answer for name in called}}
    pull = [{"pull": x} for x in answer if inspect.isroutine(x)][:1]
    kept = dict(zip((f"saved {name}" for name in called), answer, strict=False))
    rest = answer[1:]
    kept |= pull[0] if pull else {}
    return kept | {"y": answer[0], "cache": rest[0] if len(rest) == 1 else rest}


# ---- attributes ---------------------------------------------------------------------------------


def get(holder: Any, path: Path) -> Any:
    """The value at a path of attributes and keys."""
    for part in path:
        holder = holder[part] if isinstance(holder, Mapping | list) else getattr(holder, part)
    return holder


def put(holder: Any, path: Path, value: Any) -> None:
    """Assign a value at a path, as the author's code would."""
    for part in path[:-1]:
        holder = holder[part] if isinstance(holder, Mapping | list) else getattr(holder, part)
    if isinstance(holder, dict | list):
        holder[path[-1]] = value
    else:
        setattr(holder, path[-1], value)


def at(holder: Any) -> dict[str, Path]:
    """{array: its path} for the parameters among an object's attributes."""
    found: dict[str, Path] = {}
    for path, name, value in _attributes(holder):
        role = names.role(name)
        role = "g" if role == "log_g" else role
        if isinstance(value, int) and names.option(name):
            continue  # s = 2 is a stride, and filters = 8 a size
        if role in ("v", "g", "w", "b") and role not in found and _is_array(value):
            found[role] = path
    return found


def _attributes(holder: Any) -> list[tuple[Path, str, Any]]:
    """(path, name, value) of attributes; dicts of parameters and small Parameters opened."""
    found: list[tuple[Path, str, Any]] = []
    for name, value in vars(holder).items() if hasattr(holder, "__dict__") else ():
        if isinstance(value, dict):
            for key, x in value.items():
                found.append(((name, key), str(key), x))
            continue
        inner = next((p for p in names.PARAM_VALUES if not _is_array(value)
                      and isinstance(getattr(value, p, None), np.ndarray)), None)
        found.append(((name,), name, value) if inner is None
                     else ((name, inner), name, getattr(value, inner)))
    return found


def numbers(holder: Any) -> list[Path]:
    """The paths of all arrays among an object's attributes."""
    return [path for path, _, value in _attributes(holder) if _is_array(value) and np.ndim(value)]


def _is_array(x: Any) -> bool:
    x = lower(x)
    return isinstance(x, np.ndarray | float | int | np.generic) and not isinstance(x, bool)


def _slots(holder: Any) -> list[Leaf]:
    """The gradients among the attributes: dv, grads["v"], v.grad."""
    found: list[Leaf] = []
    for name, value in vars(holder).items() if hasattr(holder, "__dict__") else ():
        if isinstance(value, dict):
            for key, x in value.items():
                if names.cotangent(str(key)) or (names.grads(name) and names.role(str(key))):
                    found.append(Leaf((name, key), str(key), x))
        elif _is_array(getattr(value, "grad", None)):
            found.append(Leaf((name, "grad"), name, value.grad))
        elif names.cotangent(name) and _is_array(value):
            found.append(Leaf((name,), name, value))
    return found


def _steps(
    holder: Any, state: Mapping[str, Path], before: Arrays, stepped: set[str]
) -> list[Leaf]:
    """The gradients by which backward itself has changed the weights.

    stepped: arrays that are known to be changed; of the others, those that differ are too
    """
    found = []
    for role, path in state.items():
        after = np.asarray(lower(get(holder, path)))
        changed = after.shape == before[role].shape and (after != before[role]).any()
        if changed or role in stepped:
            found.append(Leaf(("step", role), role, (before[role] - after) / STEP))
    return found


def renewed(holder: Any) -> bool:
    """Whether weights change by a method of the object, which may renew what forward keeps."""
    return any(callable(getattr(holder, name, None)) for name in names.RENEW)


def another(given: Mapping[str, Any]) -> dict[str, Any]:
    """A question of the same shapes, with other numbers in every array, of any framework."""
    return {role: 1 - 2 * x if role in ARRAYS else x for role, x in given.items()}


def fresh(holder: Any) -> Callable[[Mapping[str, Any]], Any]:
    """An object that was given, copied for each question."""
    return lambda given: copy.deepcopy(holder)
