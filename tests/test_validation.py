"""The sentences at the doors, and what is not to be turned into one: errors of the caller's own."""

from __future__ import annotations

import copy
import os
import re

import numpy as np
import pytest

import minwn
from minwn import WeightNorm, grad, interop, nn, no_grad, ops, optim, tensor
from minwn.byhand import conv, weight_norm
from minwn.gradcheck import gradcheck
from minwn.graph import primitive
from minwn.oracle import check
from minwn.validation import absent, door, explained, flag, instance, several, shown, whole

X = tensor(np.ones((2, 3), "float32"))
Y = tensor(np.ones((4, 5), "float32"))

# What a newcomer writes, and words that the answer has to have: the argument, the value, a way out.
MISTAKES = {
    "None added": (lambda: X + None, "add: y=None; pass an array or a Tensor"),
    "from None": (lambda: None - X, "subtract: x=None; pass an array or a Tensor"),
    "text added": (lambda: X + "a", "add: input 1 is a str, y='a'; pass an array or a Tensor"),
    "shapes that do not broadcast": (
        lambda: X + Y,
        "add: x=a float32 Tensor of shape (2, 3) and y=a float32 Tensor of shape (4, 5) do not "
        "fit together; lengths must be equal, or one of them 1",
    ),
    "matmul": (lambda: X @ Y, "matmul: x=a float32 Tensor of shape (2, 3) and y=a float32 Tensor"),
    "matmul by a number": (lambda: X @ 2, "y is one number, pass an array or a Tensor"),
    "an axis": (lambda: X.transpose(0, 5), "there is no axis 5 in x=a float32 Tensor of shape (2"),
    "an axis of a reduction": (lambda: X.argmax(7), "there is no axis 7 in self=a float32 Tensor"),
    "dim for axis": (lambda: ops.softmax(X, dim=1), "'dim'; it is called axis here, as in NumPy"),
    "a misspelt name": (lambda: ops.sum(X, axes=0), "'axes'; did you mean 'axis'?"),
    "an index": (lambda: X["a"], "getitem: index='a'; pass whole numbers, slices"),
    "an entry that is not there": (lambda: X[5], "(2, 3) and index=5 do not fit together"),
    "a shape": (lambda: X.reshape("a"), "reshape: shape=('a',); pass a tuple of whole numbers"),
    "a list": (lambda: nn.Linear(3, 2)([[1.0, 2.0, 3.0]]), "x=[[1.0, 2.0, 3.0]]; pass an array"),
    "a list to a convolution": (lambda: nn.Conv1d(1, 1, 1)([1.0]), "Conv1d: x=[1.0]; pass an arr"),
    "None to a layer": (lambda: nn.Flatten()(None), "Flatten: x=None; pass an array or a Tensor"),
    "None deep inside": (lambda: nn.Sequential(nn.Dropout())(None), "Dropout: x=None; pass an arr"),
    "None to a loss": (lambda: nn.mse_loss(None, X), "mse_loss: prediction=None; pass an array"),
    "a clip by a Tensor": (lambda: ops.clip(X, low=X), "ops.maximum and minimum take Tensors"),
    "a bound by another name": (lambda: ops.clip(X, min=0), "'min'; the arguments are x, low, hi"),
    "two arrays, no list": (lambda: ops.stack(X, Y), "axis=a float32 Tensor"),
    "pad as in PyTorch": (lambda: ops.pad(X, widths=(1, 1)), "one pair (before, after) of whole"),
    "where without y": (lambda: ops.where(X > 0, X, None), "where: None cannot be chosen"),
    "a truth": (lambda: bool(X), "use .all() or .any(), as in (x > 0).all()"),
    "a number of many": (lambda: float(X), "reduce it first, with .sum() or .mean()"),
    "a length of none": (lambda: len(X.sum()), "take its .item()"),
    "view": (lambda: X.view(3, 2), "Tensor has no attribute 'view'; write x.reshape(...)"),
    "a Tensor of a list": (lambda: minwn.Tensor([1.0]), "Tensor([1.0]); pass an array, or make"),
    "ragged lists": (lambda: tensor([[1.0], [1.0, 2.0]]), "numbers in lists of one length"),
    "a dtype": (lambda: nn.Linear(3, 2, dtype="float31"), "'float31' is no dtype; name one"),
    "a dtype for the bias": (lambda: nn.Linear(3, 2, "float64"), "bias='float64'; give True or F"),
    "a seed": (lambda: nn.Linear(3, 2, rng="seed"), "rng='seed'; give a Generator, a whole number"),
    "a model for its parameters": (lambda: optim.SGD(nn.ReLU(), 0.1), "params is a ReLU; pass mod"),
    "a file for a state": (lambda: optim.SGD([nn.Parameter(np.ones(2))], 0.1).load_state_dict({}),
                           "with 'state' and 'param_groups'"),
    "v as a list": (lambda: weight_norm.forward([[1.0]], [[1.0]]), "weight_norm: input 0 is a li"),
    "no weight": (lambda: conv.forward(X, None), "conv.forward: w=None; pass an array or a Tensor"),
    "no module": (lambda: interop.save(None, "m.npz"), "module=None; pass a Module"),
    "no path": (lambda: interop.read(None), "path=None; pass the path of a file"),
    "a module for a state": (lambda: interop.convert(nn.ReLU(), "minwn", "torch"), "state=ReLU()"),
    "a result for a function": (lambda: check(np.ones(3)), "pass a function of arrays, not what"),
    "one array for the inputs": (lambda: gradcheck(abs, np.ones(3)), "inputs is a sequence, one"),
    "too many inputs": (
        lambda: gradcheck(lambda x: x, [np.ones(2), np.ones(2)]),
        "f(x) does not take 2 inputs; give one for each argument",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_by_a_sentence(name):
    call, words = MISTAKES[name]
    with pytest.raises(Exception, match=re.escape(words)):
        call()


def test_what_was_raised_first_is_kept_as_the_cause():
    with pytest.raises(ValueError, match="do not fit together") as caught:
        X @ Y
    assert "matmul" in str(caught.value.__cause__)
    assert type(caught.value.__cause__) is ValueError


def test_a_call_that_fails_changes_nothing():
    layer = nn.BatchNorm1d(4)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(TypeError, match="BatchNorm: x=None"):
        layer(None)
    for name, x in layer.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    layer.train()
    with pytest.raises(TypeError, match="mode='off'; give True or False"):
        layer.train("off")
    assert layer.training is True


# ---- errors that are the caller's own -----------------------------------------------------------


def raises(error):
    def forward(*_, **__):
        raise error

    return forward


ERRORS = [TypeError("mine"), ValueError("mine"), AttributeError("mine"), KeyError("mine")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_of_a_function_of_the_caller_s_comes_through(error):
    class Mine(nn.Module):
        forward = staticmethod(raises(error))

    f = raises(error)
    for call in (
        lambda: Mine()(None), lambda: nn.Sequential(Mine())(None), lambda: grad(f)(X),
        lambda: minwn.vjp(f, X), lambda: gradcheck(f, [np.ones(2)]),
        lambda: nn.WeightNormWrapper(nn.Linear(3, 2), scale_init=f),
    ):
        with pytest.raises(type(error)) as caught:
            call()
        assert caught.value is error


def test_what_python_raises_in_a_function_of_the_caller_s_comes_through():
    class Mine(nn.Module):
        def forward(self, x):
            return x.shape + 1

    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'shape'"):
        Mine()(None)
    with pytest.raises(TypeError, match="can only concatenate tuple"):
        Mine()(X)

    @primitive
    def mine(x):
        return x.nothing_of_the_kind

    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        mine(np.ones(2))


def test_a_sentence_of_ours_is_not_replaced_by_another():
    layer = WeightNorm().apply(nn.Linear(3, 2, rng=0))
    layer.weight_g.data = 2 * layer.weight_g.data
    with pytest.raises(minwn.StaleWeightError):
        layer(X)
    with pytest.raises(ValueError, match=r"linear: x \(4, 5\), w \(2, 3\)"):
        nn.Linear(3, 2, rng=0)(Y)


def test_errors_of_the_system_come_through():
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        interop.read("nothing.npz")


def test_a_door_hands_on_answers_names_and_documentation():
    @door
    def double(x, *, times=1):
        """2 x, so often"""
        return x * 2**times

    assert double(3, times=2) == 12
    assert (double.__name__, double.__doc__) == ("double", "2 x, so often")
    assert explained(RuntimeError("other"), double, (3,), {}) is None


# ---- values -------------------------------------------------------------------------------------


def test_values_come_out_as_they_are_used():
    assert flag("bias", np.bool_(True)) is True
    assert several("items", (i for i in (1, 2)), "some") == [1, 2]
    assert type(whole("n", np.int64(3))) is int
    assert whole("n", -3, None) == -3
    assert instance("name", "a", str, "text") == "a"
    assert shown(X) == "a float32 Tensor of shape (2, 3)"


@pytest.mark.parametrize("value", ["text", b"text", {"a": 1}, None, 3, np.array(1.0)], ids=repr)
def test_what_has_no_items(value):
    with pytest.raises(TypeError, match=r"items=.*; pass a list"):
        several("items", value, "a list")


@pytest.mark.parametrize("value", [0, 1, None, "yes", [], np.ones(2)], ids=repr)
def test_what_is_no_flag(value):
    with pytest.raises(TypeError, match=r"bias=.*; give True or False"):
        flag("bias", value)


def test_the_sentence_costs_nothing_where_nothing_is_raised(monkeypatch):
    monkeypatch.setattr("minwn.graph.explained", None)
    monkeypatch.setattr("minwn.nn.module.explained", None)
    with no_grad():
        nn.Linear(3, 2, rng=0)(X)


def test_what_is_not_there_is_told_from_what_is_no_file(tmp_path):
    (tmp_path / "mine.py").write_text("")
    assert absent(tmp_path / "mine.pi").endswith("there is no such file; did you mean 'mine.py'?")
    assert absent(tmp_path).endswith("this is a folder; name the files in it")
    (tmp_path / "link.py").symlink_to("nowhere.py")
    assert absent(tmp_path / "link.py").endswith("this is a link to a file that is not there")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo.py")
        assert absent(tmp_path / "fifo.py").endswith("this is no ordinary file")
