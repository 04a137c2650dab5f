"""The house has storeys, and imports point strictly down. Read from the source, not by running."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import minwn

ROOT = Path(minwn.__file__).parent

# A module may import what is on a lower storey, and nothing beside or above itself. Within `ops`
# and `oracle` the same holds again. Nowhere do imports go in a circle.
STOREYS = {
    "backend": 0,
    "tolerance": 0,
    "validation": 0,
    "blocks": 1,
    "forms": 2,
    "lazy": 0,
    "outputs": 0,
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
    "mutation": 9,
    "oracle": 8,
    "course": 9,
    "figure": 8,
    "pytest_plugin": 9,
    "verify": 9,
    "bench": 10,
    "reproduce": 10,
    "site": 10,
    "cli": 11,
    "__main__": 12,
    "__init__": 12,
}
INSIDE = {
    "ops": {"shape": 0, "elementwise": 1, "reduce": 2, "matrix": 3, "window": 4, "__init__": 5},
    "oracle": {
        "reference": 0,
        "mistakes": 1,
        "cases": 1,
        "truth": 1,
        "bounds": 1,
        "diagnosis": 2,
        "spec": 2,
        "layer_spec": 3,
        "report": 3,
        "targets": 4,
        "run": 5,
        "pipe": 5,
        "large": 6,
        "checks": 7,
        "minimal_case": 7,
        "properties": 8,
        "verdict": 8,
        "check": 10,
        "layers": 9,
        "check_adapter": 11,
        "reading": 11,
        "command": 12,
        "vectors": 13,
        "__init__": 14,
    },
}

# The judge does not know what it judges.
FORBIDDEN = {
    "gradcheck": {"ops", "kernels", "byhand", "nn", "optim"},
}
NEIGHBOURS = {("optim", "nn"), ("course", "mutation")}  # beside each other, one way only

EXTRAS = {
    "IPython", "_pytest", "autograd", "cupy", "cupyx", "equinox", "flax", "h5py", "hypothesis",
    "jax", "joblib", "jsonschema", "jupytext", "latex2mathml", "matplotlib", "ml_dtypes", "mpmath",
    "mygrad", "nbclient", "nbconvert", "nbformat", "orbax", "paddle", "pygments", "pytest",
    "safetensors", "sklearn", "sphinx", "threadpoolctl", "torch", "tqdm",
}
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
                if room in INSIDE and not below(INSIDE[room], target[2:], parts[1:]):
                    found.append(f"{where}: not below it")
                continue
            if other not in STOREYS:
                found.append(f"{where}: no storey; give it one in STOREYS")
            elif STOREYS[other] >= STOREYS[room] and (room, other) not in NEIGHBOURS:
                found.append(f"{where}: not below it")
            if other in FORBIDDEN.get(room, ()):
                found.append(f"{where}: the judge does not know what it judges")
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


def below(storeys: dict[str, int], target: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether one part of a package is below another, or both are files of one folder."""
    to, here = (*target, "__init__")[0], (*parts, "__init__")[0]
    beside = len(parts) > 1 and to == here
    return beside or storeys[to] < storeys[here]


def extra_of_its_own(parts: tuple[str, ...], top: str) -> bool:
    """An adapter, or a plugin that pytest itself loads, is imported only by who has the extra."""
    return "adapters" in parts or (top in ("pytest", "_pytest") and "plugin" in parts[-1])


@pytest.mark.slow
def test_imports_point_down():
    found = [complaint for parts, tree in modules() for complaint in complaints(parts, tree)]
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("package", INSIDE)
def test_every_part_of_a_package_has_a_storey(package):
    assert {parts[1] for parts, _ in modules() if parts[0] == package} == set(INSIDE[package])


# ---- circles ------------------------------------------------------------------------------------


def graph(trees: Iterable[tuple[tuple[str, ...], ast.Module]]) -> dict[str, set[str]]:
    """{module: the modules it imports}, wherever in it: also in functions, also for types alone."""
    found: dict[str, set[str]] = {}
    for parts, tree in trees:
        here = named(("minwn", *parts))
        minwns = {name for name, _ in imports(parts, tree) if name[0] == "minwn"}
        found[here] = {named(name) for name in minwns if exists(name)} - {here}
    return found


def named(name: tuple[str, ...]) -> str:
    return ".".join(name).removesuffix(".__init__")


def circle(found: dict[str, set[str]]) -> list[str]:
    """Modules that import one another, one after the other; none where there is no such circle."""
    try:
        graphlib.TopologicalSorter(found).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.slow
def test_no_imports_go_in_a_circle():
    assert not circle(graph(modules()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("oracle/report/data", "from .report import Report"),
        ("oracle/report/text", "if TYPE_CHECKING:\n    from .report import Report"),
        ("oracle/report/text", "def f():\n    from . import html"),
        ("oracle/diagnosis/observation", "from . import Diagnosis"),
        ("mutation/mutant", "from .measure import MUTANTS"),
        ("gradcheck/numerical", "from minwn.gradcheck import gradcheck"),
        ("nn/module", "if TYPE_CHECKING:\n    from .weight_norm import WeightNorm"),
    ],
)
def test_a_planted_circle_is_found(where, source):
    parts = tuple(where.split("/"))
    here, planted = named(("minwn", *parts)), graph([(parts, ast.parse(source))])
    whole = graph(modules())
    found = circle(whole | {here: whole[here] | planted[here]})
    assert here in found, found


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
        ("gradcheck", "from . import ops", "does not know what it judges"),
        ("gradcheck", "from .byhand.weight_norm import vjp", "does not know what it judges"),
        ("nn/linear", "from ..interop import x", "not below it"),
        ("byhand/linear", "from ..nn import Linear", "not below it"),
        ("oracle/reference/truth", "import mpmath", "where they are used"),
        ("oracle/reference/truth", "from ..cases import Case", "not below it"),
        ("oracle/report/text", "from ..checks.invariants import INVARIANTS", "not below it"),
        ("oracle/spec", "if TYPE_CHECKING:\n    from .run import Run", "not below it"),
        ("oracle/checks/laws", "from ... import oracle", "not below it"),
        ("oracle/check", "from ..mutation import MUTANTS", "not below it"),
        ("kernels/fused", "from ..byhand import lengths", "not below it"),
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
        ("oracle/report/html", "from .text import screen\nfrom ..diagnosis import Diagnosis"),
        ("oracle/__init__", "from .check import check\nfrom . import bounds"),
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
