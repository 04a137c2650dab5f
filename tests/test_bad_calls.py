"""Every public function, called with what does not belong there, answers with a sentence.

Each good call of `helpers.good_calls` is made once as it is, and then with each argument in turn
replaced by each thing of BAD. Where that raises, the error must be minwn's own: raised by a
`raise` in its code, in words that a caller knows.
"""

from __future__ import annotations

import collections
import contextlib
import dis
import importlib
import inspect
import io
import pkgutil
import re
import shutil
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minwn.course
import minwn.data  # noqa: F401
from minwn import nn, tensor

from .helpers.good_calls import GOOD, Call, numbers

# Packages that are not for users to call: commands, and what the oracle is made of.
INNER = (
    "minwn.bench", "minwn.course.", "minwn.kernels", "minwn.mutation", "minwn.verify",
    "minwn.oracle.cases", "minwn.oracle.checks", "minwn.oracle.diagnosis", "minwn.oracle.layers",
    "minwn.oracle.mistakes", "minwn.oracle.reference", "minwn.oracle.report",
    "minwn.oracle.targets",
)

# What a class has for its subclasses to replace, or for another file, and no user calls.
HOOKS = ("forward", "update", "check", "compute", "output", "replacements")

# Arguments that are functions of the caller's, and what may be handed over as one: what that raises
# when it is called is its own matter.
FUNCTIONS = (
    "f", "forward", "backward", "jvp", "double_backward", "batched", "output", "function",
    "allowed", "done", "scale_init",
)
CALLABLE = ("a function", "a type", "a module")

# Words of Python and NumPy about their own insides.
RAW = re.compile(
    r"NoneType|object has no attribute|type object '|unsupported operand|u?func '|gufunc|ufunc"
    r"|not iterable|not subscriptable|broadcast together|could not be broadcast|could not broadcast"
    r"|setting an array element|only integer|only length-1|only size-1|inhomogeneous shape after"
    r"|not callable"
    r"|cannot unpack|unhashable|bad operand|not supported between|must be real number"
    r"|cannot be interpreted as an integer|has no len|takes \d+ positional"
    r"|got an unexpected keyword"
    r"|not understood|recursion|multiple values|object of type|cannot convert|could not convert"
    r"|invalid literal|required positional|truth value of|zip\(\)|index out of range"
    r"|object arrays|Cannot cast|is an invalid|takes no arguments|too many values|not enough values"
)

BAD: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "text",
    "a list": lambda: [1.0, 2.0],
    "a nested list": lambda: [[1.0, 2.0]],
    "a ragged list": lambda: [[1.0, 2.0], [3.0]],
    "an empty tuple": lambda: (),
    "a dict": lambda: {"a": 1},
    "an object": object,
    "True": lambda: True,
    "-1": lambda: -1,
    "7": lambda: 7,
    "1.5": lambda: 1.5,
    "nan": lambda: float("nan"),
    "a complex number": lambda: 1j,
    "a function": lambda: numbers,
    "a generator": lambda: (i for i in (1, 2)),
    "a type": lambda: float,
    "a slice": lambda: slice(None),
    "bytes": lambda: b"ab",
    "a module": lambda: nn.Linear(3, 2, rng=0),
    "another shape": lambda: numbers(5, 7),
    "a 0-d array": lambda: np.array(1.0, "float32"),
    "an empty array": lambda: numbers(0),
    "integers": lambda: np.arange(6).reshape(2, 3),
    "complex numbers": lambda: np.ones((2, 3), "complex64"),
    "objects": lambda: np.array([None, "text"], dtype=object),
    "strings": lambda: np.array(["a", "b"]),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "another dtype": lambda: tensor(numbers(2, 3), dtype="float16"),
    "a Tensor of integers": lambda: tensor(np.arange(6).reshape(2, 3)),
    "a Tensor of another shape": lambda: tensor(numbers(5, 7)),
}


# ---- what there is to call ----------------------------------------------------------------------


def public_modules() -> Iterator[types.ModuleType]:
    """minwn, the modules that its modules name in __all__, and its packages, but for INNER."""
    for found in [*pkgutil.walk_packages(minwn.__path__, "minwn.")]:
        if found.ispkg and not found.name.startswith(INNER):
            yield importlib.import_module(found.name)
    yield minwn
    yield from (minwn.optim, minwn.nn.init)
    yield from (getattr(minwn.byhand, name) for name in minwn.byhand.__all__)


def public_names() -> dict[str, Any]:
    """{name of a row: what is called}: functions, classes, and the methods of classes."""
    found: dict[str, Any] = {}
    classes: dict[type, str] = {}
    for module in public_modules():
        prefix = module.__name__.removeprefix("minwn").lstrip(".")
        for name in module.__all__:
            value, path = getattr(module, name), f"{prefix}.{name}".lstrip(".")
            if isinstance(value, types.ModuleType) or not callable(value):
                continue
            if isinstance(value, type) and (issubclass(value, BaseException) or is_record(value)):
                methods = {} if issubclass(value, BaseException) else vars(value)
            else:
                # A base without a rule of its own, and what always raises.
                if value not in (minwn.optim.Optimizer, minwn.course.todo):
                    found[path] = value
                methods = vars(value) if isinstance(value, type) else {}
            if isinstance(value, type) and classes.setdefault(value, path) == path:
                if issubclass(value, nn.Module) and value is not nn.Module:
                    found[f"{path}()"] = value.__call__
                for name, f in methods.items():
                    own = inspect.isfunction(f) and not name.startswith("_") and name not in HOOKS
                    if own and len(inspect.signature(f).parameters) > 1:
                        found[f"{path}.{name}"] = f
    return found


def is_record(kind: type) -> bool:
    """Whether it is a dataclass whose __init__ Python wrote: a result, made by the library."""
    return kind.__init__.__code__.co_filename == "<string>" if has_code(kind) else False


def has_code(kind: type) -> bool:
    return hasattr(kind.__init__, "__code__")


def resolve(name: str, given: Call) -> Callable[..., Any]:
    """What the row calls."""
    path = name.partition(" ")[0]
    if path == "grad(f)()":
        return given.owner
    if path.endswith("()"):
        return given.owner
    if path.endswith("[]"):
        return given.owner.__getitem__
    if given.owner is not None:
        attribute = path.rpartition(".")[2]
        if not callable(getattr(given.owner, attribute, None)):
            return lambda value: setattr(given.owner, attribute, value)
        return getattr(given.owner, attribute)
    value: Any = minwn
    for part in path.split("."):
        value = getattr(value, part)
    return value


# ---- calling ------------------------------------------------------------------------------------


def replaced(given: Call, f: Callable[..., Any]) -> Iterator[tuple[str, Callable[[Any], Call]]]:
    """(name of an argument, the call with another value there) for each argument there is."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for i in range(len(given.args)):

        def there(value: Any, i: int = i) -> Call:
            new = given.fresh()
            return new._replace(args=(*new.args[:i], value, *new.args[i + 1 :]))

        yield named[i] if i < len(named) else f"argument {i}", there
    others = [
        p.name for p in parameters[len(given.args) :]
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    for key in dict.fromkeys([*given.options, *others]):

        def named_there(value: Any, key: str = key) -> Call:
            new = given.fresh()
            return new._replace(options={**new.options, key: value})

        yield key, named_there


def outcome(name: str, given: Call) -> tuple[str, str]:
    """("works" | "sentence" | "raw", what was said)"""
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            result = resolve(name, given)(*given.args, **given.options)
            if inspect.isgenerator(result):
                list(result)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if isinstance(error, minwn.oracle.Unreadable):
            said = said.partition("\n")[0]  # the others quote what the function that was read said
        if isinstance(error, OSError) and error.filename is not None:
            return "sentence", said  # the system's, with the path in it
        return ("sentence" if is_ours(error) and not RAW.search(said) else "raw"), said
    return "works", ""


def is_ours(error: BaseException) -> bool:
    """Whether a `raise` in minwn's own code raised the error."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    inside = trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "minwn"
    return inside and code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place to write in, with what the rows read."""
    monkeypatch.chdir(tmp_path)
    minwn.interop.save(nn.Linear(3, 2, rng=0), "good.npz")
    source = minwn.oracle.vectors.DATA
    Path("folder").mkdir()
    shutil.copy(source / "float32" / "dyadic.json", "folder")
    return tmp_path


def survey(names: list[str]) -> Iterator[tuple[str, str, str, str, str]]:
    """(row, argument, bad thing, outcome, what was said) of every bad call."""
    for name in names:
        given = GOOD[name]
        for argument, put in replaced(given, resolve(name, given.fresh())):
            for thing, make in BAD.items():
                own = argument in FUNCTIONS and thing in CALLABLE
                if own or (argument, thing) == ("order", "7"):  # which is right, and takes long
                    continue
                yield (name, argument, thing, *outcome(name, put(make())))


# ---- the tests ----------------------------------------------------------------------------------


def raised(call: Callable[..., Any], *args: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(*args)
    return caught.value


def test_the_test_tells_a_sentence_from_what_python_says():
    """Of functions behind the doors, which say nothing themselves."""
    from minwn.kernels.channels import along
    from minwn.ops.shape import add_up

    errors = [raised(add_up, None, 0, False), raised(add_up, np.ones(2), "a", False),
              raised(along, None, np.ones((1, 2))), raised(along, np.ones(2), None)]
    for error in errors:
        assert not is_ours(error), error
        assert RAW.search(str(error)), error
    assert is_ours(raised(nn.Linear, 0, 1))
    assert not RAW.search(str(raised(nn.Linear, 0, 1)))


def test_every_public_name_has_a_row():
    assert sorted(set(public_names()) - set(GOOD)) == []


@pytest.mark.parametrize("name", GOOD)
def test_the_good_call_succeeds(name, folder):
    given = GOOD[name].fresh()
    resolve(name, given)(*given.args, **given.options)


GROUPS = collections.defaultdict(list)
for _name in GOOD:
    GROUPS[_name.partition(".")[0] if "." in _name else "minwn"].append(_name)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_bad_call_is_answered_by_a_sentence(group, folder):
    rows = list(survey(GROUPS[group]))
    assert len(rows) >= len(GROUPS[group])
    raw = [row for row in rows if row[3] == "raw"]
    lines = [f"{name}, {argument}={thing}: {said}" for name, argument, thing, _, said in raw]
    assert not lines, "\n".join([f"{len(lines)} calls", *lines[:40]])
