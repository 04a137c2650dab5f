"""The functions to judge, by the name that a person types.

    homework.py              the functions forward, backward, jvp, double_backward of a file
    homework.py:WeightNorm   the methods of an object, or of a class that is made without arguments
    homework.py:model[0]     a part of an object
    package.module:name      the same of a module that can be imported

One of the four functions is enough. A file may declare its spec by constants (so may a
class, whose own come first): AXIS = 1, FORM = "inside", EPS = 1e-12, DTYPE = "float32".
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ...validation import absent, did_you_mean
from ..spec import Spec, make_spec

__all__ = ["ROLES", "Functions", "NotLoaded", "TargetError", "load", "located", "short"]

ROLES = ("forward", "backward", "jvp", "double_backward")
CONSTANTS = ("AXIS", "FORM", "EPS", "DTYPE")


class TargetError(ValueError):
    """The target cannot be loaded, or has nothing that could be judged."""


class NotLoaded(TargetError):
    """The code of the target raised while it was loaded."""


@dataclass(frozen=True)
class Functions:
    """The arguments of `check`: `check(**f.given, **f.settings)`.

    settings: the constants that were declared, in small letters, as {"axis": 1}.
    """

    forward: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    double_backward: Callable[..., Any] | None = None
    module: ModuleType | None = None
    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def spec(self, **overrides: Any) -> Spec:
        """The spec: the constants, unless overridden.

        Raises TargetError for an invalid setting.
        """
        try:
            return make_spec(**self.settings | overrides)
        except (ValueError, TypeError, IndexError, ImportError) as error:
            raise TargetError(f"{self.name}: {error}") from error

    @property
    def given(self) -> dict[str, Any]:
        """The functions that were found, by role."""
        found = {role: getattr(self, role) for role in ROLES}
        return {role: f for role, f in found.items() if f is not None}


def load(target: str) -> Functions:
    """The functions that "file.py", "file.py:name" or "module:name" stands for.

    A file is run again each time, with its folder on the path, so that it can import its
    neighbours; neither it nor they stay importable, and no bytecode is written. Raises TargetError.
    """
    holder, module = located(target)
    name = _split(target)[1]
    if isinstance(holder, type):
        try:
            holder = holder()
        except Exception as error:
            raise NotLoaded(
                f"{target}: the class {name} is made without arguments here, and "
                f"{type(error).__name__}: {error}; name an object"
            ) from error
    found = {role: getattr(holder, role, None) for role in ROLES}
    for role, f in found.items():
        if f is not None and not callable(f):
            raise TargetError(f"{target}: {role} is {f!r}, of type {type(f).__name__}; no function")
    if not any(found.values()):
        raise TargetError(
            f"{target}: there is no forward(v, g) and no backward(w_bar, v, g); found "
            f"{_names(holder)}. Rename the functions, or name the object that has them"
        )
    known = ((c, getattr(holder, c, getattr(module, c, ...))) for c in CONSTANTS)
    settings = {constant.lower(): value for constant, value in known if value is not ...}
    return Functions(**found, module=module, name=short(target), settings=settings)


def located(target: str) -> tuple[Any, ModuleType]:
    """(what a target names, the module that has it); see `load`."""
    where, name = _split(target)
    module = _run(Path(where)) if where.endswith(".py") else _import(where)
    holder: Any = module
    for part in re.findall(r"[^.\[\]]+", name):
        if part.isdecimal() and hasattr(holder, "__len__") and int(part) < len(holder):
            holder = holder[int(part)]  # layers[0]
            continue
        if not hasattr(holder, part):
            near = did_you_mean(part, vars(holder) if hasattr(holder, "__dict__") else ())
            raise TargetError(f"{target}: {where} has no {part!r}; it has {_names(holder)}{near}")
        holder = getattr(holder, part)
    return holder, module


def _split(target: str) -> tuple[str, str]:
    """(file or module, name in it or ""); a drive letter's colon is no separator."""
    before, colon, after = target.rpartition(":")
    if not colon or after.endswith(".py"):
        return target, ""
    return before, after


def short(target: str) -> str:
    """The target without its folders."""
    where, name = _split(target)
    return ":".join(filter(None, (Path(where).name if where.endswith(".py") else where, name)))


def _names(holder: Any) -> str:
    known = getattr(holder, "__dict__", {})
    found = [name for name, x in known.items() if callable(x) and not name.startswith("_")]
    return ", ".join(found[:12]) or "no functions at all"


def _run(path: Path) -> ModuleType:
    """The file as a module of a new package: its folder, under a unique name."""
    if not path.is_file():
        raise TargetError(absent(path))
    path = path.resolve()
    package = "minwn_target_" + hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    _forget(lambda name, module: name.partition(".")[0] == package)
    folder = ModuleType(package)
    folder.__path__ = [str(path.parent)]
    module = ModuleType(f"{package}.{path.stem}")
    module.__file__, module.__package__ = str(path), package
    # Kept under these names: dataclasses and pickle look for a function's module.
    sys.modules |= {package: folder, module.__name__: module}
    with _path_with(path.parent):
        try:
            # Not through the import system: bytecode of the same second and size may be of an
            # older text.
            exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
        except (Exception, SystemExit) as error:
            raise NotLoaded(f"{path.name} does not load: {_located(error, path)}") from error
    return module


def _import(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{name}: name a file that ends in .py, or module:name")
    with _path_with(Path.cwd(), keep=True):
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            absent = isinstance(error, ModuleNotFoundError) and name.startswith(error.name or ".")
            raise (TargetError if absent else NotLoaded)(
                f"{name} cannot be imported: {type(error).__name__}: {error}"
            ) from error


@contextlib.contextmanager
def _path_with(folder: Path, *, keep: bool = False) -> Iterator[None]:
    """`folder` first on the path, no bytecode written, and imports from it forgotten."""
    path, silent, before = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, silent
        if not keep:  # the next file may have another neighbour of that name
            _forget(lambda name, m: name not in before and _inside(m, folder))


def _inside(module: Any, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).parent == folder


def _forget(which: Callable[[str, Any], bool]) -> None:
    for name in [name for name, module in sys.modules.items() if which(name, module)]:
        del sys.modules[name]


def _located(error: BaseException, path: Path) -> str:
    """The error, and the line of the file where it happened."""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == str(path):
            line = frame.lineno
    message = error.msg if isinstance(error, SyntaxError) else error
    at = f"line {line}: " if line is not None else ""
    return f"{at}{type(error).__name__}: {message}"
