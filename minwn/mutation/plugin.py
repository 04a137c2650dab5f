"""A plugin of pytest that runs collected tests again and again, each time with another mutant.

The tests are collected once, and so have imported what they test. Then, in a new process
for each mutant, the functions of the target get other code: every reference to the function then
calls the mutant, however it was imported or stored. `suite` starts this, and says what to do in a
file of JSON that MINWN_MUTATE names.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol

from ..oracle.targets.target import ROLES
from .mutant import Implementation
from .points import COUNTS, TRUTH
from .suite import find, fitted

PLANTED: dict[str, Callable[..., Any]] = {}  # the functions that the planted code calls
POINTS: dict[str, list[np.ndarray]] = {}
FIRST = 600.0  # seconds for the tests as they are, where no timeout is given
MOST = 64  # calls of each function whose arrays are kept

Function = Callable[..., Any]


# ---- the loop -----------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """In place of one run of the tests: one with every mutant, and a line of JSON of each."""
    if "MINWN_MUTATE" not in os.environ:
        return None
    orders = json.loads(Path(os.environ["MINWN_MUTATE"]).read_text(encoding="utf-8"))
    if session.testsfailed:
        return True
    if not session.items or not list(_places(orders["target"])):
        raise pytest.UsageError(f"no test of {orders['tests']} imports {orders['target']}")
    with open(orders["results"], "a", encoding="utf-8", buffering=1) as results:

        def recorded(found: Iterator[list[Any]]) -> bool:
            """Write each down; whether all survived."""
            all_survived = True
            for line in found:
                results.write(json.dumps(line) + "\n")
                all_survived &= line[1] == "survived"
            return all_survived

        if not orders["fork"]:
            recorded([x, *_run(session, x, orders)] for x in orders["mutants"])
            return True
        limit = orders["timeout"]
        for name in orders["mutants"][:2]:
            start = time.monotonic()
            if not recorded(_outcomes(session, [name], orders | {"timeout": limit or FIRST})):
                return True
            limit = limit or max(20.0, 10 * (time.monotonic() - start))
        recorded(_outcomes(session, orders["mutants"][2:], orders | {"timeout": limit}))
    return True


def _outcomes(session: pytest.Session, names: list[str], orders: Any) -> Iterator[list[Any]]:
    """[name, outcome, message, seconds], each from a fork of this process."""
    waiting, running = list(names), {}  # type: ignore[var-annotated]
    while waiting or running:
        while waiting and len(running) < orders["jobs"]:
            name = waiting.pop(0)
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                # Threads of a library may deadlock in the child: then the first run has no end.
                warnings.simplefilter("ignore")
                child = os.fork()
            if not child:
                _child(session, name, orders, writer)
            os.close(writer)
            running[child] = (name, time.monotonic(), reader)
        for child, (name, start, reader) in list(running.items()):
            done, _ = os.waitpid(child, os.WNOHANG)
            late = not done and time.monotonic() - start > orders["timeout"]
            if late:
                os.kill(child, 9)
                os.waitpid(child, 0)
            if done or late:
                with open(reader, "rb") as pipe:
                    text = pipe.read().decode() if done else ""
                del running[child]
                end = ["timeout" if late else "broken", "", time.monotonic() - start]
                yield [name, *(json.loads(text) if text else end)]
        time.sleep(0.002)


def _child(session: pytest.Session, name: str, orders: Any, writer: int) -> None:
    found: list[Any] = ["broken", "", 0.0]
    with contextlib.suppress(BaseException):
        found = _run(session, name, orders)
    os.write(writer, json.dumps(found).encode())
    os._exit(0)  # pytest's own work is the parent's


def _run(session: pytest.Session, name: str, orders: Any) -> list[Any]:
    """Plant, and run the tests until one fails: [outcome, message, seconds]."""
    start = time.perf_counter()
    made = None if not name else TRUTH if name == "control" else find(name).make()
    axis = tuple(orders["axis"]) if isinstance(orders["axis"], list) else orders["axis"]
    for holder in _places(orders["target"]):
        for role in ROLES:
            f = inspect.getattr_static(holder, role, None)
            if f is not None:
                _plant(holder, role, f, made, axis)
    following = [*session.items[1:], None]
    for item, after in zip(session.items, following, strict=True):
        for report in runtestprotocol(item, log=False, nextitem=after):
            if report.failed:
                said = f"{item.nodeid}: {_last_line(report)}"
                return ["killed", said, time.perf_counter() - start]
    if not name:
        _write_points(orders["points"])
    return ["survived", "", time.perf_counter() - start]


def _last_line(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr)[:600]


# ---- where the functions are --------------------------------------------------------------------


def _places(target: str) -> Iterator[Any]:
    """The modules, classes or objects that the tests know the target by."""
    where, _, name = target.rpartition(":")
    if not where or name.endswith(".py"):
        where, name = target, ""
    file = Path(where).resolve() if where.endswith(".py") else None
    for key, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if (path and Path(path).resolve() == file) if file else key == where:
            holder: Any = module
            for part in name.split(".") if name else ():
                holder = getattr(holder, part)
            yield holder if isinstance(holder, type | types.ModuleType) else type(holder)


def _plant(holder: Any, role: str, f: Any, made: Implementation | None, axis: Any) -> None:
    plain = f.__func__ if isinstance(f, staticmethod | classmethod) else f
    method = isinstance(holder, type) and not isinstance(f, staticmethod)
    original = _copied(plain) if isinstance(plain, types.FunctionType) else plain
    if made is None:
        new = _listening(role, original, method)
    else:
        mutant = getattr(made, role)
        if mutant is None:
            return
        new = _called(role, original, fitted(role, mutant, axis), method)
    key = f"{id(holder)}.{role}"
    PLANTED[key] = new
    source = (
        "def planted(*args, **kwargs):\n"
        f"    from {__name__} import PLANTED\n"
        f"    return PLANTED[{key!r}](*args, **kwargs)\n"
    )
    made_by: dict[str, Any] = {}
    exec(source, made_by)
    planted = made_by["planted"]
    if isinstance(plain, types.FunctionType) and not plain.__code__.co_freevars:
        plain.__code__ = planted.__code__
        plain.__defaults__ = plain.__kwdefaults__ = None
        return
    # A closure, or no function of Python's: every name that refers to it gets another.
    for module in list(sys.modules.values()):
        space = getattr(module, "__dict__", {})
        for name in [name for name, x in space.items() if x is f]:
            space[name] = planted
    if isinstance(holder, type):
        setattr(holder, role, staticmethod(planted) if not method else planted)


def _copied(f: types.FunctionType) -> Function:
    """The function as it is now."""
    copy = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    copy.__kwdefaults__ = f.__kwdefaults__
    return copy


# ---- calls --------------------------------------------------------------------------------------


def _arrays(role: str, f: Function, method: bool, args: Any, kwargs: Any) -> list[Any]:
    """The first arguments, by position or by name; any others of the function are ignored."""
    values: list[Any] = []
    for value in list(inspect.signature(f).bind(*args, **kwargs).arguments.values())[method:]:
        values += value if isinstance(value, tuple) else [value]
    if len(values) < COUNTS[role]:
        raise TypeError(f"{role} takes {COUNTS[role]} arrays here, and got {len(values)}")
    return [np.asarray(x) for x in values[: COUNTS[role]]]


def _called(role: str, original: Function, mutant: Function, method: bool) -> Function:
    def planted(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):  # a warning of NumPy's is not the test's own judgement
            return mutant(*_arrays(role, original, method, args, kwargs))

    return planted


def _listening(role: str, original: Function, method: bool) -> Function:
    def heard(*args: Any, **kwargs: Any) -> Any:
        kept = POINTS.setdefault(role, [])
        with contextlib.suppress(TypeError):
            arrays = _arrays(role, original, method, args, kwargs)
            if len(kept) < MOST * COUNTS[role] and all(x.dtype.kind in "fiu" for x in arrays):
                kept += [x.copy() for x in arrays]
        return original(*args, **kwargs)

    return heard


def _write_points(path: str) -> None:
    arrays = {
        f"{role}/{i // COUNTS[role]:04d}/{i % COUNTS[role]}": x
        for role, values in POINTS.items()
        for i, x in enumerate(values)
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
