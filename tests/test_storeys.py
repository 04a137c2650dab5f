"""The house has storeys, and imports point strictly down. Read from the source, not by running."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import minwn

ROOT = Path(minwn.__file__).parent

# A module may import what is on a lower storey, and nothing beside or above itself. Within `ops`
# the same holds again; within the other packages, modules are neighbours.
STOREYS = {
    "backend": 0,
    "validation": 0,
    "blocks": 1,
    "forms": 2,
    "graph": 1,
    "small": 1,
    "ops": 2,
    "tensors": 3,
    "derivatives": 4,
    "kernels": 4,
    "byhand": 5,
    "gradcheck": 5,
    "nn": 6,
    "optim": 6,
    "data": 7,
    "doctor": 7,
    "interop": 7,
    "terminal": 7,
    "oracle": 8,
    "course": 9,
    "figure": 9,
    "pytest_plugin": 9,
    "verify": 9,
    "bench": 10,
    "reproduce": 10,
    "cli": 11,
    "__main__": 12,
    "__init__": 12,
}
OPS = {"shape": 0, "elementwise": 1, "reduce": 2, "matrix": 3, "window": 4, "__init__": 5}

# The judge does not know the accused.
FORBIDDEN = {
    "gradcheck": {"ops", "kernels", "byhand", "nn", "optim"},
}
NEIGHBOURS = {("optim", "nn")}  # beside each other, one way only

EXTRAS = {
    "IPython", "_pytest", "autograd", "cupy", "cupyx", "equinox", "flax", "hypothesis", "jax",
    "joblib", "jupytext", "matplotlib", "ml_dtypes", "mpmath", "mygrad", "nbclient", "nbconvert",
    "nbformat", "paddle", "pytest", "safetensors", "sklearn", "threadpoolctl", "torch",
    "tqdm",
}  # fmt: skip
ENGINE = {
    "blocks",
    "small",
    "graph",
    "ops",
    "tensors",
    "derivatives",
    "kernels",
    "byhand",
    "nn",
    "optim",
}  # they reach arrays through backend


def modules() -> Iterator[tuple[tuple[str, ...], ast.Module]]:
    """Every module of minwn as the parts of its name below minwn, with its syntax tree."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield parts, ast.parse(path.read_text(encoding="utf-8"))


def imports(parts: tuple[str, ...], tree: ast.AST) -> Iterator[tuple[tuple[str, ...], ast.stmt]]:
    """The absolute name, in parts, of everything imported in the tree; relative ones resolved."""
    package = ("minwn", *parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield tuple(name.name.split(".")), node
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base += tuple((node.module or "").split(".")) if node.module else ()
            if base and base[0] == "minwn" and is_package(base):
                for name in node.names:
                    if name.name == "__version__":  # a name that loads nothing
                        continue
                    full = (*base, name.name)
                    yield (full if exists(full) else base), node
            else:
                yield base, node


def is_package(name: tuple[str, ...]) -> bool:
    return (ROOT.joinpath(*name[1:]) / "__init__.py").exists()


def exists(name: tuple[str, ...]) -> bool:
    return is_package(name) or ROOT.joinpath(*name[1:]).with_suffix(".py").exists()


def function_level(tree: ast.Module) -> set[ast.stmt]:
    """The import statements inside functions."""
    return {
        statement
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for statement in ast.walk(f)
        if isinstance(statement, ast.Import | ast.ImportFrom)
    }


def complaints(parts: tuple[str, ...], tree: ast.Module) -> list[str]:
    """What a module imports against the rules of the house."""
    here, found = ".".join(parts), []
    room = parts[0]
    if room not in STOREYS:
        return [f"{here}: no storey; give it one in STOREYS"]
    inside = function_level(tree)
    for target, node in imports(parts, tree):
        where = f"{here}:{node.lineno} imports {'.'.join(target)}"
        top = target[0]
        if top == "minwn":
            if node in inside:
                found.append(f"{where} inside a function")
            if len(target) == 1:
                found.append(f"{where}: the whole shelf")
                continue
            other = target[1]
            if other == "__init__":
                continue
            if other == room:
                if room == "ops" and len(target) > 2 and OPS[target[2]] >= OPS[parts[-1]]:
                    found.append(f"{where}: not below it")
                continue
            if other not in STOREYS:
                found.append(f"{where}: no storey; give it one in STOREYS")
            elif STOREYS[other] >= STOREYS[room] and (room, other) not in NEIGHBOURS:
                found.append(f"{where}: not below it")
            if other in FORBIDDEN.get(room, ()):
                found.append(f"{where}: the judge does not know the accused")
        elif top in sys.stdlib_module_names:
            continue
        elif top == "numpy":
            if room in ENGINE:
                found.append(f"{where}: only backend names an array library")
            if node in inside:
                found.append(f"{where} inside a function")
        elif top in EXTRAS:
            if top in ("cupy", "cupyx") and room in ENGINE:
                found.append(f"{where}: only backend names an array library")
            if node not in inside and not extra_of_its_own(parts, top):
                found.append(f"{where} at the top: extras are imported where they are used")
        else:
            found.append(f"{where}: not a dependency, nor a known extra")
    return found


def extra_of_its_own(parts: tuple[str, ...], top: str) -> bool:
    """An adapter, or a plugin that pytest itself loads, is imported only by who has the extra."""
    return "adapters" in parts or (top in ("pytest", "_pytest") and "plugin" in parts[-1])


def test_imports_point_down():
    found = [complaint for parts, tree in modules() for complaint in complaints(parts, tree)]
    assert not found, "\n".join(found)


def test_every_module_of_ops_has_a_storey():
    assert {parts[1] for parts, _ in modules() if parts[0] == "ops"} == set(OPS)


@pytest.mark.parametrize(
    ("where", "source", "words"),
    [
        ("graph", "from .ops import add", "not below it"),
        ("graph", "from . import tensors", "not below it"),
        ("graph", "import minwn.tensors", "not below it"),
        ("ops/shape", "from .elementwise import add", "not below it"),
        ("ops/shape", "from ..tensors import Tensor", "not below it"),
        ("ops/reduce", "from . import window", "not below it"),
        ("tensors", "def f():\n    from .graph import walk", "inside a function"),
        ("tensors", "import numpy as np", "only backend"),
        ("byhand/linear", "def f():\n    import cupy", "only backend"),
        ("nn/linear", "from numpy.linalg import norm", "only backend"),
        ("gradcheck", "from . import ops", "does not know the accused"),
        ("gradcheck", "from .byhand.weight_norm import vjp", "does not know the accused"),
        ("nn/linear", "from ..interop import x", "not below it"),
        ("byhand/linear", "from ..nn import Linear", "not below it"),
        ("kernels/fused", "from ..byhand import lengths", "not below it"),
        ("oracle/truth", "import mpmath", "where they are used"),
        ("data", "import requests", "not a dependency"),
        ("ops/shape", "import minwn", "the whole shelf"),
        ("attic", "import math", "no storey"),
        ("tensors", "from . import attic2\nfrom .attic2 import x", "no storey|whole shelf"),
    ],
)
def test_a_planted_import_is_found(where, source, words):
    found = complaints(tuple(where.split("/")), ast.parse(source))
    assert found
    assert any(re.search(words, complaint) for complaint in found)


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("tensors", "from . import backend, ops\nfrom .graph import walk"),
        ("ops/window", "from .shape import pad\nfrom ..backend import Array"),
        ("ops/__init__", "from .window import *"),
        ("backend", "import numpy\ndef f():\n    import cupy"),
        ("gradcheck", "import numpy as np\nfrom .tensors import Tensor"),
        ("cli", "from . import verify, __version__\ndef f():\n    import torch"),
    ],
)
def test_a_proper_import_is_not(where, source):
    assert not complaints(tuple(where.split("/")), ast.parse(source))


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the statement."""
    code = f"{statement}; import sys; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_importing_minwn_imports_numpy_and_nothing_else():
    theirs = loaded_by("import numpy.random") | set(sys.stdlib_module_names)
    assert loaded_by("import minwn") - theirs == {"minwn"}
