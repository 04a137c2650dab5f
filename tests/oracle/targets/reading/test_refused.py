"""What cannot be called is REFUSED: what was found and tried, the contract, and an adapter."""

import json

import pytest

from minwn import cli, oracle
from minwn.oracle.targets.reading import CONTRACT, Unreadable

from .wild_functions import FUNCTIONS
from .wild_layers import LAYERS

RIGHT = FUNCTIONS["contract"][0]
WITH_A_TABLE = """import numpy as np

TABLE = {"on": 1.0}

def weightnorm_fwd(v, g, mode, table):
    return table[mode] * g * v / np.linalg.norm(v, axis=1, keepdims=True)

def weightnorm_bwd(dw, v, g, mode, table):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    return g / n * (dw - dg * v / n), dg
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run `minwn check ...` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        code = cli.main(["check", *map(str, words)])
        return (code, *capsys.readouterr())

    return run


def test_a_refusal_says_what_was_found_and_tried_and_the_contract(run):
    code, out, _ = run("theirs.py", theirs=WITH_A_TABLE)
    assert (code, out.split()[0]) == (2, "REFUSED")
    assert "found  weightnorm_fwd(v, g, mode, table), weightnorm_bwd(dw, v, g, mode, table)" in out
    assert "weightnorm_fwd asks for mode, table" in out
    assert all(line.strip() in out for line in CONTRACT)
    assert "--adapter OUT.py" in out


def test_a_refusal_is_in_the_json(run):
    code, out, _ = run("theirs.py", "--json", theirs=WITH_A_TABLE)
    [report] = json.loads(out)["reports"]
    assert (code, report["verdict"], report["ok"]) == (2, "REFUSED", False)
    assert any("asks for mode" in note for note in report["notes"])


def test_a_function_that_always_raises_is_refused_and_one_that_does_at_times_fails(run):
    stop = "    raise NotImplementedError('your turn')\n"
    raises = RIGHT.replace("    return g * v", f"{stop}    return g * v")
    code, out, _ = run("theirs.py", theirs=raises)
    assert (code, "NotImplementedError: your turn" in " ".join(out.split())) == (2, True)
    back = RIGHT.replace("    g_bar = (w", f"{stop}    g_bar = (w")
    code, out, _ = run("theirs.py", theirs=back)
    assert (code, "NotImplementedError: your turn" in " ".join(out.split())) == (2, True)
    at_times = RIGHT.replace("    return g * v", "    assert len(v) < 4\n    return g * v")
    assert run("theirs.py", theirs=at_times)[0] == 1


@pytest.mark.slow
def test_any_fail_is_one_and_else_a_refusal_is_two(run):
    wrong = RIGHT.replace("g / n * (w_bar - g_bar * v / n)", "g / n * w_bar")
    files = {"right": RIGHT, "wrong": wrong, "refused": WITH_A_TABLE}
    assert run("right.py", "refused.py", **files)[0] == 2
    assert run("right.py", "refused.py", "wrong.py", **files)[0] == 1
    assert run("right.py", **files)[0] == 0


def test_an_adapter_runs_and_is_judged_once_it_is_filled_in(run, tmp_path):
    code, out, _ = run("theirs.py", "--adapter", "own.py", theirs=WITH_A_TABLE)
    assert (code, "own.py is written" in out, "OUT.py" in out) == (2, True, False)
    text = (tmp_path / "own.py").read_text()
    assert text.count("# <-- fill in") == 4
    assert "minwn check own.py" in text
    assert run("own.py")[0] == 2  # theirs[None] raises
    filled = text.replace("None,  # <-- fill in: mode", '"on",')
    (tmp_path / "own.py").write_text(
        filled.replace("None,  # <-- fill in: table", "theirs.TABLE,"))
    assert run("own.py")[0] == 0


FILLED_IN = {
    "WeightNormDense()  # <-- fill in: (sizes)": "WeightNormDense(v.shape[::-1])",
    "it.v = v  # <-- fill in: its own name": "it.raw = v.T",
    "it.g = g  # <-- fill in: its own name": "it.length = g[:, 0]",
    "it.b = b  # <-- fill in: its own name": "it.b = b",
    "it.dv, it.dg, it.db  # <-- fill in: where its gradients are":
        'it.grads["v"].T, it.grads["g"][:, None], it.grads["b"]',
}


@pytest.mark.slow
def test_an_adapter_of_a_class_is_judged_once_it_is_filled_in(run, tmp_path):
    text = LAYERS["weight_norm_with_state"][0]
    own_names = text.replace("self.v", "self.raw").replace("self.g ", "self.length ").replace(
        "self.g\n", "self.length\n").replace("(n_in, n_out)", "(*sizes)").replace(
        "n_in, n_out)", "sizes)").replace("n_out", "sizes[1]")
    assert run("theirs.py", "--adapter", "own.py", theirs=own_names)[0] == 2
    text = (tmp_path / "own.py").read_text()
    assert "theirs.WeightNormDense()  # <-- fill in: (sizes)" in text
    assert text.count("# <-- fill in") == 5
    for marked, own in FILLED_IN.items():
        assert text.count(marked) == 1, marked
        text = text.replace(marked, own)
    (tmp_path / "own.py").write_text(text)
    code, out, _ = run("own.py")
    assert (code, out.split()[0]) == (0, "PASS"), out
    assert "none is judged" not in out
    for array in ("v", "g", "b"):
        where = f'self.grads["{array}"] = '
        spoilt = own_names.replace(where, where + "2 * ")
        assert spoilt != own_names
        files = {f"spoilt_{array}": spoilt, "own": text.replace("theirs", f"spoilt_{array}")}
        code, out, _ = run("own.py", **files)
        assert (code, out.split()[0]) == (1, "FAIL"), (array, out)


def test_an_adapter_is_never_written_over_a_file(run, tmp_path):
    (tmp_path / "own.py").write_text("mine")
    code, _, err = run("theirs.py", "--adapter", "own.py", theirs=WITH_A_TABLE)
    assert (code, "own.py" in err) == (2, True)
    assert (tmp_path / "own.py").read_text() == "mine"


def test_a_name_that_is_no_identifier_has_an_adapter_too(run, tmp_path):
    (tmp_path / "week-3.py").write_text(WITH_A_TABLE)
    assert run("week-3.py", "--adapter", "own.py")[0] == 2
    filled = (tmp_path / "own.py").read_text().replace("None,  # <-- fill in: mode", '"on",')
    (tmp_path / "own.py").write_text(
        filled.replace("None,  # <-- fill in: table", "theirs.TABLE,"))
    assert run("own.py")[0] == 0


TWO_LAYERS = {
    "W1, W2": """import numpy as np

class MLP:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1, self.b1 = np.random.randn(n_in, n_hidden), np.zeros(n_hidden)
        self.W2, self.b2 = np.random.randn(n_hidden, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        self.h = np.maximum(0, x @ self.W1 + self.b1)
        return self.h @ self.W2 + self.b2

    def backward(self, dout):
        self.dW2, self.db2 = self.h.T @ dout, dout.sum(0)
        dh = dout @ self.W2.T * (self.h > 0)
        self.dW1, self.db1 = self.x.T @ dh, dh.sum(0)
        return dh @ self.W1.T
""",
    "W1, W2 ": """import numpy as np
def forward(x, W1, b1, W2, b2):
    h = np.maximum(0, x @ W1 + b1)
    return h @ W2 + b2, (x, h)
def backward(dout, cache, W1, W2):
    x, h = cache
    dh = dout @ W2.T * (h > 0)
    return dh @ W1.T, x.T @ dh, dh.sum(0), h.T @ dout, dout.sum(0)
""",
    "fc1.weight, fc2.weight": """import torch
from torch import nn

class MLP(nn.Module):
    def __init__(self, in_features, hidden, out_features):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden)
        self.fc2 = nn.Linear(hidden, out_features)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("found", TWO_LAYERS)
def test_two_layers_in_one_are_refused_with_a_hint(run, found):
    if "torch" in TWO_LAYERS[found]:
        pytest.importorskip("torch")
    code, out, _ = run("theirs.py", theirs=TWO_LAYERS[found])
    assert (code, out.split()[0]) == (2, "REFUSED")
    assert f"{found.strip()} are the weights of 2 layers" in " ".join(out.split())


HINTS = {
    "--ranks 4": ({"ranks": (2,)}, FUNCTIONS["kernels_of_rank_four"][0]),
    "--dtype float32": (
        {}, RIGHT.replace("    return g * v", "    assert v.dtype == 'float32'\n    return g * v")),
}


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_where_an_option_helps(tmp_path, hint):
    hints, text = HINTS[hint]
    (tmp_path / "theirs.py").write_text(text)
    with pytest.raises(Unreadable) as error:
        oracle.read(str(tmp_path / "theirs.py"), **hints)
    assert hint in "\n".join(error.value.lines)


@pytest.mark.parametrize(
    ("target", "hint"),
    [("torch.hok", "did you mean 'torch.hook'?"), ("weight_norm.c", "--pipe ./weight_norm"),
     ("a.out", "--pipe ./a")],
)
def test_a_hint_where_the_target_is_no_python(run, tmp_path, target, hint):
    for name in ("weight_norm.c", "a.out"):
        (tmp_path / name).write_bytes(b"\x7fELF")
    code, _, err = run(target)
    assert (code, hint in err) == (2, True)


def test_nothing_to_read_lists_what_there_is(run):
    code, _, err = run("theirs.py", theirs="def main(): pass\n")
    assert (code, "found main" in err) == (2, True)


def test_an_adapter_calls_a_function_by_the_name_that_the_file_has(run, tmp_path):
    text = """
forward = lambda v, g, mode: {"on": 1.0}[mode] * g * v / (v * v).sum(1, keepdims=True) ** 0.5
"""
    assert run("theirs.py", "--adapter", "own.py", theirs=text)[0] == 2
    filled = (tmp_path / "own.py").read_text().replace("None,  # <-- fill in: mode", '"on",')
    (tmp_path / "own.py").write_text(filled)
    assert run("own.py")[0] == 0
