"""A target in a process of its own, as functions of NumPy arrays for `check`.

    with Child("homework.py", timeout=60) as child:
        print(check(**child.found.functions, **child.found.settings))

The target is read and called in the child; cases and verdicts are made here. A remote function
behaves as the function itself would in this process: what it writes to its inputs is written here,
an answer that shares memory with an input shares it here, a call that changes an earlier answer
changes it here, and an array that is handed over twice is one object in the child. So no check
has to know where a function runs.

A call that does not end, or that ends the process, raises `Lost`. The process is then gone, and
every later call raises the same. What the target prints is kept, up to a limit, and goes nowhere.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import importlib
import inspect
import io
import os
import pickle
import signal
import sys
import threading
import time
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from ...terminal import counted
from . import reading
from .implementation import Lost
from .layer import on_purpose
from .reading import Found
from .target import TargetError, load
from .threads import meet

__all__ = ["TIMEOUT", "Child", "Gone"]

TIMEOUT = 60.0  # seconds that a target may take for a check, and to be loaded
PRINTED = 4000  # characters that are kept
SHOWN = 400  # of them in a report
KEPT = 16, 2**20  # arrays that may be handed over again, and the bytes of one of them
STARTING = 300.0  # seconds for Python and the judge to start there, which no target can help
GRACE = 30  # seconds after the time limit until a child ends by itself, if its parent is dead

Function = Callable[..., Any]


class Gone(Lost):
    """The process of a target does not answer any more."""

    def __init__(self, id: str, text: str) -> None:
        super().__init__(text)
        self.id = id


class Child:
    """A target, loaded in a process of its own, which ends with the block.

    timeout: seconds that it may take to be loaded, and then between two calls of `start_clock`;
    those that its process takes to start are not counted
    method: "fork" or "spawn", of multiprocessing
    Entering raises TargetError where the target cannot be loaded, and Gone where that does not end,
    or ends the process.
    """

    def __init__(
        self, target: str, hints: dict[str, Any] | None = None, *, timeout: float = TIMEOUT,
        method: str | None = None,
    ) -> None:
        self.target, self.hints, self.timeout, self.method = target, hints or {}, timeout, method
        self._found: Found | None = None
        self.fault: Gone | None = None
        self.printed: dict[str, str] = {"stdout": "", "stderr": ""}
        self._spent = 0.0
        self._loaded = self._as_it_is = False
        self._process: Any = None
        self._connection: Any = None
        self._tokens: dict[int, tuple[weakref.ref[np.ndarray], int]] = {}
        self._next_token = 0
        self._last: list[tuple[int, weakref.ref[np.ndarray]]] = []

    # -- the process

    def __enter__(self) -> Child:
        try:
            self._start_reading()
        except BaseException:
            self.stop()
            raise
        return self

    def _start_reading(self) -> None:
        """Start the child; if reading the target ends it, start again without reading."""
        try:
            self._start()
        except Gone as lost:
            if not self._loaded:
                raise
            self.fault, self._as_it_is = None, True
            try:
                self._start()
            except TargetError:
                self.fault = lost
                raise lost from None

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _start(self) -> None:
        _ = reading.understood  # imported once, and not by each process of a fork
        context = get_context(self.method or _method())
        self._connection, theirs = context.Pipe()
        _PARENTS_ENDS.add(self._connection)
        process = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(theirs, self.target, self.hints, self.timeout, self._as_it_is)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads, as of BLAS, that a fork leaves behind
            process.start()
        self._process = process
        theirs.close()
        self._hear("starting a process", STARTING)
        self.start_clock()
        kind, *found = self._hear(f"loading {self.target}")
        if kind == "refused":
            raise found[0]
        if kind == "raised":
            raise self._gone("raises", f"loading {self.target}: {found[0]}: {found[2]}")
        self._found, signatures = found
        each = [self.found, *self.found.variants]
        for i, (target, known) in enumerate(zip(each, signatures, strict=True)):
            for role, about in known.items():
                target.functions[role] = _Remote(self, i, role, *about)
        self.start_clock()

    def stop(self) -> None:
        """End the process, and what it has started. A later call starts it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            _end(self._process)
            self._process = None

    def start_clock(self) -> None:
        """From now on the target may take `timeout` seconds."""
        self._spent = 0.0

    # -- what the target is

    @property
    def found(self) -> Found:
        """How the target was read, with remote functions."""
        assert self._found is not None  # in the block
        return self._found

    def notes(self) -> list[str]:
        """What the target printed, for the report."""
        text = self.printed["stdout"].strip()
        if not text:
            return []
        return [f"it printed: {_shortened(text, SHOWN)}"]

    # -- calls

    def call(self, index: int, role: str, arrays: Sequence[Any]) -> Any:
        """The answer of a function. Raises what it raised, by that name, and Gone."""
        given = [_packed(x) for x in arrays]
        tokens = [self._token(x) if isinstance(x, np.ndarray) else 0 for x in arrays]
        shapes = ", ".join(str(np.shape(x)) for x in arrays)
        message = self._ask(f"{role} of {shapes}", "call", index, role, given, tokens)
        answer, written, shared, overwritten = message
        for j, contents in written:
            _write(arrays[j], contents)
        for k, contents in overwritten:
            for number, known in self._last:
                if number == k and (earlier := known()) is not None:
                    _write(earlier, contents)
        several = isinstance(answer, tuple)
        answers = list(answer) if several else [answer]
        for i, j in shared:
            answers[i] = _sharing(answers[i], arrays[j])
        self._last = [
            (i, weakref.ref(x)) for i, x in enumerate(answers) if isinstance(x, np.ndarray)
        ]
        return tuple(answers) if several else answers[0]

    def meet(self, index: int, role: str, problems: Any, threads: int) -> list[str]:
        """See `threads.meet`."""
        (wrong,) = self._ask(f"{role} in {threads} threads", "meet", index, role, problems, threads)
        return list(wrong)

    def proves(self, which: str) -> bool:
        """Whether other code of the target is weight norm or a layer; False where that ends it."""
        self.start_clock()
        try:
            return bool(self._ask(f"reading {which}", "proved", which)[0])
        except Gone:
            self.fault = None  # it starts again with the next call
            return False

    def _token(self, x: np.ndarray) -> int:
        """A number for the object, as long as it lives."""
        known = self._tokens.get(id(x))
        if known is not None and known[0]() is x:
            return known[1]
        self._next_token += 1
        key, tokens = id(x), self._tokens
        self._tokens[key] = weakref.ref(x, lambda _: tokens.pop(key, None)), self._next_token
        return self._next_token

    def _ask(self, what: str, *message: Any) -> list[Any]:
        if self.fault is not None:
            raise self.fault
        if self._process is None:
            self._start()
        try:
            self._connection.send_bytes(pickle.dumps(message, 5))
        except OSError:
            raise self._ended(what) from None
        kind, *found = self._hear(what)
        if kind == "raised":
            raise _error(*found)
        return found

    def _hear(self, what: str, limit: float | None = None) -> tuple[Any, ...]:
        """The reply. Raises Gone where there is none within the limit, else within `timeout`."""
        start = time.monotonic()
        limit, spent = (self.timeout, self._spent) if limit is None else (limit, 0.0)
        try:
            while True:
                left = limit - spent - (time.monotonic() - start)
                if not self._connection.poll(max(left, 0.0)):
                    raise self._gone("timeout", f"{what}: no end within {limit:g} s in all")
                message: tuple[Any, ...] = pickle.loads(self._connection.recv_bytes())
                if message[0] == "said":
                    self.printed[message[1]] += message[2]
                elif message[0] == "loaded":
                    self._loaded = True
                else:
                    return message
        except (EOFError, OSError):
            raise self._ended(what) from None
        except pickle.UnpicklingError as error:
            raise self._gone("crash", f"{what}: no reply that can be read: {error}") from None
        finally:
            self._spent += time.monotonic() - start

    def _ended(self, what: str) -> Gone:
        self._process.join(1.0)
        code = self._process.exitcode
        if code is not None and code < 0:
            name = f"signal {-code}"
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
            return self._gone("crash", f"{what}: the process was ended by {name}")
        return self._gone("exit", f"{what}: the process ended with exit code {code}")

    def _gone(self, id: str, text: str) -> Gone:
        said = self.printed["stderr"].strip()
        text += f"; its stderr ends with: {said[-200:]}" if said else ""
        self.fault = Gone(id, text)
        self.stop()
        return self.fault


class _Remote:
    """One function of a child."""

    def __init__(
        self, child: Child, index: int, role: str, name: str, signature: inspect.Signature | None
    ) -> None:
        self.child, self.index, self.role = child, index, role
        self.__name__ = self.__qualname__ = name
        if signature is not None:
            self.__signature__ = signature

    def __call__(self, *arrays: Any) -> Any:
        return self.child.call(self.index, self.role, arrays)

    def meet(self, problems: Any, threads: int) -> list[str]:
        return self.child.meet(self.index, self.role, problems, threads)


_PARENTS_ENDS: weakref.WeakSet[Any] = weakref.WeakSet()  # a child of a fork closes them


def _about(f: Function) -> tuple[str, inspect.Signature | None]:
    """The name of a function, and its signature, without values that only the child knows."""
    name = str(getattr(f, "__qualname__", type(f).__name__))
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return name, None
    empty = inspect.Parameter.empty
    return name, inspect.Signature([
        inspect.Parameter(p.name, p.kind, default=empty if p.default is empty else None)
        for p in parameters
    ])


def _raised(error: BaseException) -> tuple[str, str, str, bool]:
    """What the parent receives of an exception: its name, the built-in one it is, its words, and
    whether the function itself says so."""
    kinds = [c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins"]
    kind = kinds[0] if isinstance(error, Exception) else "RuntimeError"
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be printed"
    return type(error).__name__, kind, text, isinstance(error, Exception) and on_purpose(error)


def _error(name: str, kind: str, text: str, on_purpose: bool) -> Exception:
    """An exception that has the name, is of the built-in kind, and prints the words."""
    made: Any = type(name, (getattr(builtins, kind),), {"__str__": lambda _: text})
    error: Exception = made.__new__(made, text)
    error.on_purpose = on_purpose  # type: ignore[attr-defined]
    return error


def _method() -> str:
    """Fork where that is safe: not on macOS, and not where a framework has threads of its own."""
    forks = hasattr(os, "fork") and sys.platform != "darwin"
    threads = {"torch", "jax", "paddle", "tensorflow", "cupy"} & sys.modules.keys()
    return "fork" if forks and not threads and threading.active_count() == 1 else "spawn"


def _end(process: Any) -> None:
    """Kill a process with all that it has started, and collect it."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session, except at first
    process.kill()
    process.join()
    process.close()


def _write(x: Any, contents: np.ndarray) -> None:
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x[...] = contents


def _sharing(answer: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The answer as a view of x, where x has such a view."""
    views: tuple[Callable[[], np.ndarray], ...] = (
        lambda: x[...], lambda: x.reshape(answer.shape), lambda: np.broadcast_to(x, answer.shape),
    )
    for view in views:
        with contextlib.suppress(ValueError):
            found = view()
            same = found.shape == answer.shape and found.dtype == answer.dtype
            if same and np.shares_memory(found, x) and found.tobytes() == answer.tobytes():
                return found
    return answer


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]} ... ({counted(len(text) - most, 'character')} more)"


# ---- arrays on their way ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Laid:
    """An array that does not lie in rows, or is read-only: memory, and how it is read."""

    memory: bytes
    start: int
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    writeable: bool

    def array(self) -> np.ndarray:
        memory = np.frombuffer(bytearray(self.memory), "uint8")
        x: np.ndarray = np.ndarray(self.shape, self.dtype, memory, self.start, self.strides)
        x.setflags(write=self.writeable)
        return x


def _packed(x: Any) -> Any:
    if not isinstance(x, np.ndarray) or (x.flags.c_contiguous and x.flags.writeable):
        return x
    reach = [(n - 1) * step for n, step in zip(x.shape, x.strides, strict=True)] if x.size else []
    start = -sum(step for step in reach if step < 0)
    size = start + sum(step for step in reach if step > 0) + (x.itemsize if x.size else 0)
    address = x.__array_interface__["data"][0] - start
    memory = ctypes.string_at(address, size)
    return _Laid(memory, start, x.dtype, x.shape, x.strides, x.flags.writeable)


def _sent(answer: Any) -> Any:
    """An answer, or several, as arrays."""
    if isinstance(answer, tuple | list):
        return tuple(map(_sent, answer))
    if answer is None:
        return None
    x = np.array(answer)
    if x.dtype.hasobject:
        raise TypeError(f"an answer of type {type(answer).__name__}; return arrays")
    return x


# ---- in the child -------------------------------------------------------------------------------


def _serve(
    connection: Any, target: str, hints: dict[str, Any], timeout: float, as_it_is: bool
) -> None:
    """Load and read the target, and answer until the parent hangs up."""
    for end in list(_PARENTS_ENDS):  # they came with the fork, and would keep siblings waiting
        end.close()
    channel = _Channel(connection)
    _apart(channel)
    try:
        channel.send("started")
        with _limited(timeout), np.errstate(all="ignore"):
            read = contractual if as_it_is else reading.understood
            try:
                found = read(target, hints, lambda: channel.send("loaded"))
            except TargetError as error:
                return channel.send("refused", error)
            except BaseException as error:
                return channel.send("raised", *_raised(error))
            calls = _Calls([found, *found.variants])
            channel.send("opened", *_without_functions(found))
        while True:
            kind, *message = pickle.loads(connection.recv_bytes())
            with _limited(timeout), np.errstate(all="ignore"):
                try:
                    channel.send("answered", *getattr(calls, kind)(*message))
                except BaseException as error:
                    channel.send("raised", *_raised(error))
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)  # at once: threads of the target are not waited for


def _without_functions(found: Found) -> tuple[Found, list[dict[str, Any]]]:
    """The reading and its variants without their functions, and what the parent needs of these."""
    about = [
        {role: _about(f) for role, f in each.functions.items()} for each in (found, *found.variants)
    ]
    variants = [replace(each, functions={}) for each in found.variants]
    others: dict[str, Callable[[], bool]] = dict.fromkeys(found.others, bool)
    return replace(found, functions={}, variants=variants, others=others), about


def contractual(target: str, hints: dict[str, Any], loaded: Callable[[], None]) -> Found:
    """The reading of a file that keeps to the contract: nothing is called before it is judged."""
    found = load(target)
    return Found(found.name, "weight_norm", found.given, found.settings | hints)


class _Calls:
    """The functions of a target, and what their memory has to do with other calls."""

    def __init__(self, found: list[Found]) -> None:
        self.found = found
        self._given: OrderedDict[int, np.ndarray] = OrderedDict()
        self._last: list[tuple[int, np.ndarray, np.ndarray]] = []

    def call(
        self, index: int, role: str, given: list[Any], tokens: list[int]
    ) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """The answer; the inputs that it changed; which answers lie in which inputs; which answers
        of the call before it changed."""
        arrays = [self._array(x, token) for x, token in zip(given, tokens, strict=True)]
        before = [x.tobytes() if isinstance(x, np.ndarray) else b"" for x in arrays]
        answer = self.found[index].functions[role](*arrays)
        sent = _sent(answer)
        inputs = [(j, x) for j, x in enumerate(arrays) if isinstance(x, np.ndarray)]
        answers = [
            (i, x) for i, x in enumerate(answer if isinstance(answer, tuple | list) else (answer,))
            if isinstance(x, np.ndarray)
        ]
        written = [(j, x.copy()) for j, x in inputs if x.tobytes() != before[j]]
        shared = [(i, j) for i, x in answers for j, y in inputs if np.shares_memory(x, y)]
        overwritten = [
            (i, x.copy()) for i, x, copy in self._last if x.tobytes() != copy.tobytes()
        ]
        self._last = [(i, x, x.copy()) for i, x in answers]
        return sent, written, shared, overwritten

    def proved(self, which: str) -> tuple[bool]:
        """Whether other code of the target is weight norm or a layer."""
        return (self.found[0].others[which](),)

    def meet(self, index: int, role: str, problems: Any, threads: int) -> tuple[list[str]]:
        return (meet(self.found[index].functions[role], role, problems, threads),)

    def _array(self, x: Any, token: int) -> Any:
        """The array; the same object where it was handed over before."""
        if not isinstance(x, np.ndarray | _Laid):
            return x
        x = x.array() if isinstance(x, _Laid) else x
        known = self._given.get(token)
        if known is not None and _alike(known, x):
            known[...] = x
            return known
        most, size = KEPT
        if x.nbytes <= size:
            self._given[token] = x
            while len(self._given) > most:
                self._given.popitem(last=False)
        return x


def _alike(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether x is writable and has the memory layout of y."""
    writeable = x.flags.writeable and y.flags.writeable
    return writeable and (x.shape, x.strides, x.dtype) == (y.shape, y.strides, y.dtype)


class _Channel:
    """The way to the parent, for the main thread and for what is printed in any."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def send(self, *message: Any) -> None:
        try:
            data = pickle.dumps(message, 5)
        except Exception as error:  # an answer or a setting of a class that only the child has
            data = pickle.dumps(("raised", *_raised(error)), 5)
        with self._lock:
            self._connection.send_bytes(data)


class _Printed(io.TextIOBase):
    """A stream whose first characters are sent to the parent; the others are dropped."""

    def __init__(self, channel: _Channel, name: str) -> None:
        self._channel, self._name, self._left = channel, name, PRINTED

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._left > 0:
            with contextlib.suppress(OSError):
                self._channel.send("said", self._name, text[: self._left])
            self._left -= len(text)
        return len(text)


def _apart(channel: _Channel) -> None:
    """A session of its own, no output but the channel, and no input (nor has multiprocessing)."""
    if hasattr(os, "setsid"):
        os.setsid()  # an interrupt at the terminal is for the parent, which then ends this process
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with contextlib.suppress(ImportError, ValueError, OSError):
        resource = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if "faulthandler" in sys.modules:
        sys.modules["faulthandler"].disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    sys.stdout, sys.stderr = _Printed(channel, "stdout"), _Printed(channel, "stderr")


@contextlib.contextmanager
def _limited(timeout: float) -> Iterator[None]:
    """End a child whose parent was killed. A parent that lives stops it before that."""
    if not hasattr(signal, "alarm"):
        yield
        return
    signal.alarm(int(min(timeout, 2**30)) + GRACE)
    try:
        yield
    finally:
        signal.alarm(0)
