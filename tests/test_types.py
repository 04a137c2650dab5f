"""What a type checker, and so an editor, says of the public calls."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import minwn

ROOT = Path(minwn.__file__).parent.parent

PREAMBLE = """
import numpy as np
import minwn
from minwn import Tensor, WeightNorm, gradcheck, nn, ops, optim, oracle, tensor

class Net(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        return x, 1

array = np.zeros((2, 3), dtype="float32")
x, layer, norm = tensor(array), nn.Linear(3, 4), WeightNorm()
"""
ARRAY, TENSOR, PAIR = "Array", "Tensor", "tuple[Tensor, Tensor]"

REVEALED = {
    "tensor([1.0])": TENSOR,
    "tensor(array).relu().sum()": TENSOR,
    "x.grad": "Tensor | None",
    "x.data": ARRAY,
    "x + 1": TENSOR,
    "1 - x": TENSOR,
    "x * array": TENSOR,
    "x < 0": TENSOR,
    "x[0]": TENSOR,
    "layer(x)": TENSOR,
    "layer(array)": TENSOR,
    "layer.weight": "Parameter",
    "layer.bias": "Parameter | None",
    "layer.eval()": "Linear",
    "nn.ReLU()(x)": TENSOR,
    "nn.Conv2d(1, 2, 3)(array)": TENSOR,
    "nn.ConvTranspose2d(1, 2, 3)(x)": TENSOR,
    "nn.BatchNorm2d(3)(x)": TENSOR,
    "nn.LayerNorm(3)(x)": TENSOR,
    "nn.MaxPool2d(2)(x)": TENSOR,
    "nn.Dropout()(x)": TENSOR,
    "nn.Embedding(2, 3)([1])": TENSOR,
    "nn.Sequential(layer, nn.ReLU())(x)": TENSOR,
    "nn.LSTMCell(3, 4)(x)": PAIR,
    "nn.GRUCell(3, 4)(x)": TENSOR,
    "nn.DoRALinear(layer, 1)(x)": TENSOR,
    "Net()(x)": "tuple[Tensor, int]",
    "nn.cross_entropy(x, [1, 2])": TENSOR,
    "nn.mse_loss(x, array)": TENSOR,
    "nn.bce_with_logits(x, array)": TENSOR,
    "ops.relu(x)": TENSOR,
    "ops.exp(layer.weight)": TENSOR,
    "ops.add(2.0, x)": TENSOR,
    "ops.add(array, x)": TENSOR,
    "ops.where(array, 0.0, x)": TENSOR,
    "ops.stack([x, x])": TENSOR,
    "ops.split(x, 2)": "list[Tensor]",
    "ops.einsum('ij->i', x)": TENSOR,
    "ops.relu(array)": ARRAY,
    "ops.add(array, array)": ARRAY,
    "ops.sum(array, axis=0)": ARRAY,
    "minwn.grad(x.sum(), x)": TENSOR,
    "minwn.grad(x.sum(), [x])": "tuple[Tensor, ...]",
    "minwn.jvp(ops.relu, [x], [x])": PAIR,
    "norm.apply(layer)": "Linear",
    "norm.recompute(layer)": TENSOR,
    "norm.compute_weight(layer)": TENSOR,
    "norm.remove(layer)": "Linear",
    "optim.SGD(layer.parameters(), lr=0.1)": "SGD",
    "optim.Adam(layer.parameters()).step()": "None",
    "gradcheck.gradcheck(ops.relu, [array])": "GradcheckReport",
    "oracle.check(lambda v, g: v)": "Report",
}
REFUSED = {
    "minwn.WeightNrom": 'Module has no attribute "WeightNrom"',
    "nn.Linaer": 'Module has no attribute "Linaer"',
    "x.relw()": '"Tensor" has no attribute "relw"',
    "layer(x, x)": 'Too many arguments for "__call__" of "Module"',
    "layer([1.0])": 'incompatible type "list[float]"; expected "Tensor | Array"',
    "ops.relu(array).shpae": '"Array" has no attribute "shpae"',
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What mypy says of each line, one run for all: {expression: the words}."""
    api = pytest.importorskip("mypy.api")
    folder = tmp_path_factory.mktemp("types")
    file = folder / "calls.py"
    lines = [f"reveal_type({e})" for e in REVEALED] + list(REFUSED)
    file.write_text(PREAMBLE + "\n".join(lines) + "\n", encoding="utf-8")
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(folder / "cache")]
    options += ["--no-incremental", "--follow-imports", "silent", str(file)]
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        text, errors, _ = api.run(options)
    assert Path.cwd() == before
    assert not errors
    first, found = PREAMBLE.count("\n") + 1, {}
    for number, words in re.findall(r"calls\.py:(\d+): (.*)", text):
        found.setdefault(int(number) - first, words)
    return {e: found.get(i, "") for i, e in enumerate([*REVEALED, *REFUSED])}


@pytest.mark.slow
@pytest.mark.parametrize("expression", REVEALED)
def test_a_call_has_the_documented_type(said, expression):
    found = re.search(r'Revealed type is "(.*)"', said[expression])
    assert found, said[expression]
    assert re.sub(r"\b(\w+\.)+", "", found[1]) == REVEALED[expression]


@pytest.mark.slow
@pytest.mark.parametrize("expression", REFUSED)
def test_a_mistake_is_an_error(said, expression):
    assert REFUSED[expression] in said[expression]


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    ["layer(x)", "nn.ReLU()(x)", "nn.Sequential(layer)(x)", "norm.apply(layer)(x)", "x.relu()"],
)
def test_ipython_completes_after_a_call(call, tmp_path, monkeypatch):
    jedi = pytest.importorskip("jedi")
    # Of its own: a file that another process is still writing cannot be read.
    monkeypatch.setattr(jedi.settings, "cache_directory", str(tmp_path))
    code = "\n".join(line for line in PREAMBLE.splitlines() if "array" not in line)
    code += "\nx, layer, norm = tensor([1.0]), nn.Linear(3, 4), WeightNorm()\n"
    found = jedi.Script(f"{code}{call}.", project=jedi.Project(ROOT)).complete()
    assert "backward" in [name.name for name in found]


# ---- what mypy is not asked ---------------------------------------------------------------------

ENGINE = [
    "__init__.py", "backend.py", "blocks.py", "derivatives.py", "forms.py", "graph.py", "optim.py",
    "small.py", "tensors.py", "validation.py", "byhand/*.py", "kernels/*.py", "nn/*.py", "ops/*.py",
]


def unannotated(tree: ast.Module) -> list[str]:
    """The functions without annotations that are no pullbacks."""
    return [
        f.name
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef)
        and f.returns is None
        and not f.type_comment
        and not any(getattr(d, "attr", "") == "pullback" for d in f.decorator_list)
    ]


def test_only_pullbacks_go_without_annotations():
    for pattern in ENGINE:
        for path in ROOT.joinpath("minwn").glob(pattern):
            tree = ast.parse(path.read_text(encoding="utf-8"), type_comments=True)
            assert not unannotated(tree), path


def test_a_planted_function_without_annotations_is_found():
    planted = "def f(x): return x\n@relu.pullback\ndef _(z_bar, z, x): return (z_bar,)"
    assert unannotated(ast.parse(planted)) == ["f"]
