"""A file with several layers: each that can be read is judged, and the others are named."""

import json

import pytest

from minwn import cli

TEXT = """import numpy as np


class Layer:
    def forward(self, x):
        raise NotImplementedError

    def backward(self, dout):
        raise NotImplementedError


class WNLinear(Layer):
    def __init__(self, n_in, n_out):
        self.v, self.g = np.random.randn(n_out, n_in), np.ones((n_out, 1))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        self.n = np.linalg.norm(self.v, axis=1, keepdims=True)
        self.w = self.g * self.v / self.n
        return x @ self.w.T + self.b

    def backward(self, dout):
        dw = dout.T @ self.x
        self.db = dout.sum(0)
        self.dg = (dw * self.v).sum(1, keepdims=True) / self.n
        self.dv = self.g / self.n * (dw - self.dg * self.v / self.n)
        return dout @ self.w


class Conv1d(Layer):
    def __init__(self, n_in, n_out, kernel_size):
        self.w, self.b = np.random.randn(n_out, n_in, kernel_size), np.zeros(n_out)

    def forward(self, x):
        k = self.w.shape[2]
        self.cols = np.stack([x[:, :, i:x.shape[2] - k + 1 + i] for i in range(k)], 3)
        return np.einsum("nclk,ock->nol", self.cols, self.w) + self.b[:, None]

    def backward(self, dout):
        k, (n, c, l, _) = self.w.shape[2], self.cols.shape
        self.dw, self.db = np.einsum("nol,nclk->ock", dout, self.cols), dout.sum((0, 2))
        dx = np.zeros((n, c, l + k - 1))
        for i in range(k):
            dx[:, :, i:i + l] += np.einsum("nol,oc->ncl", dout, self.w[:, :, i])
        return dx


class ReLU(Layer):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class BatchNorm(Layer):
    def __init__(self, n):
        self.gamma, self.beta = np.ones(n), np.zeros(n)

    def forward(self, x):
        self.x_hat = (x - x.mean(0)) / x.std(0)
        return self.gamma * self.x_hat + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.x_hat).sum(0), dout.sum(0)
        return dout * self.gamma


def affine_forward(x, w, b):
    return x @ w.T + b, (x, w)


def affine_backward(dout, cache):
    x, w = cache
    return dout @ w, dout.T @ x, dout.sum(0)


def affine_relu_forward(x, w, b):
    out, cache = affine_forward(x, w, b)
    return np.maximum(out, 0), (cache, out)


def affine_relu_backward(dout, cache):
    cache, out = cache
    return affine_backward(dout * (out > 0), cache)
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run `minwn check theirs.py ... --json`: (exit code, {name: report}, what is skipped)."""
    monkeypatch.chdir(tmp_path)

    def run(text, *words):
        (tmp_path / "theirs.py").write_text(text)
        code = cli.main(["check", "theirs.py", "--json", *words])
        found = json.loads(capsys.readouterr().out)
        return code, {r["name"]: r for r in found["reports"]}, [*found["skipped"]]

    return run


JUDGED = ["theirs.py:affine_forward", "theirs.py:WNLinear", "theirs.py:Conv1d"]


@pytest.mark.parametrize("words", [(), ("--in-process",)])
def test_each_layer_of_a_file_is_judged(run, words):
    code, reports, skipped = run(TEXT, *words)
    assert (code, [*reports]) == (0, JUDGED)
    assert skipped == [f"theirs.py:{x}" for x in ("affine_relu_forward", "ReLU", "BatchNorm")]


def test_the_worst_verdict_of_a_file_is_its_exit_code(run):
    code, reports, _ = run(TEXT.replace("dout, self.w[:, :, i]", "dout, self.w[:, :, -1 - i]"))
    assert (code, [r["verdict"] for r in reports.values()]) == (1, ["PASS", "PASS", "FAIL"])
    assert [d["id"] for d in reports["theirs.py:Conv1d"]["diagnosis"]] == ["kernel_flipped"]


def test_what_ends_the_process_ends_the_reports_of_no_other(run):
    ends = TEXT.replace("        self.mask = x > 0", "        import os; os._exit(3)").replace(
        "        k = self.w.shape[2]\n", "        import os; os._exit(4)\n")
    code, reports, skipped = run(ends)
    assert (code, [*reports]) == (0, JUDGED[:2])
    assert "theirs.py:Conv1d" in skipped


def test_what_has_no_name_in_its_file_is_not_judged_by_one(run):
    text = TEXT.replace("class ReLU", 'Conv1d.__name__ = "Convolution"\n\n\nclass ReLU')
    code, reports, skipped = run(text)
    assert (code, [*reports], skipped[1]) == (0, JUDGED[:2], "theirs.py:Convolution")


def test_a_file_of_one_layer_has_its_own_name(run):
    code, reports, skipped = run(TEXT[:TEXT.index("class Conv1d")])
    assert (code, [*reports], skipped) == (0, ["theirs.py"], [])


def test_what_is_read_of_no_file_is_a_note_where_one_is_judged(run):
    start, end = TEXT.index("class Conv1d"), TEXT.index("class ReLU")
    code, reports, skipped = run(TEXT[:start] + TEXT[end:TEXT.index("def affine")])
    assert (code, [*reports], skipped) == (0, ["theirs.py"], [])
    said = "not judged: class ReLU, class BatchNorm; name one, as FILE:name"
    assert said in reports["theirs.py"]["notes"]


def test_a_layer_whose_backward_cannot_be_called_is_refused_next_to_one_that_passes(run):
    assert TEXT.count("self.db = dout.sum(0)") == 1
    code, reports, _ = run(TEXT.replace("self.db = dout.sum(0)", "self.db = dout.sum(0) + self.v"))
    verdicts = {name: r["verdict"] for name, r in reports.items()}
    assert (code, verdicts["theirs.py:WNLinear"], verdicts["theirs.py:Conv1d"]) == (
        2, "REFUSED", "PASS")
