"""LSTMCell and GRUCell against PyTorch's, with plain and with normalised weights."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import WeightNorm, nn, tensor
from minwn.nn import init

CELLS = ["LSTMCell", "GRUCell"]
WEIGHTS = ("weight_ih", "weight_hh")


def assert_close(found, expected):
    """Sums of at most twenty products of numbers of order 1 through three steps of slopes <= 1."""
    expected = expected.detach().numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.data, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("normalised", [(), WEIGHTS, ("weight_hh",)], ids=["plain", "both", "hh"])
@pytest.mark.parametrize("lead", [(5,), ()], ids=["batch", "single"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_values_and_all_gradients_are_those_of_torch(kind, bias, lead, normalised, rng):
    torch = pytest.importorskip("torch", reason="torch is the other implementation here")
    i, h, steps = 3, 4, 3
    cell = getattr(nn, kind)(i, h, bias, rng=rng, dtype="float64")
    other = getattr(torch.nn, kind)(i, h, bias).double()
    assert list(cell.state_dict()) == list(other.state_dict())
    cell.load_state_dict({n: rng.normal(size=x.shape) for n, x in cell.state_dict().items()})
    other.load_state_dict({n: torch.tensor(x) for n, x in cell.state_dict().items()})
    norms = [WeightNorm(name) for name in normalised]
    pairs = []
    for norm in norms:
        norm.apply(cell)
        torch.nn.utils.parametrizations.weight_norm(other, norm.name)
        pair = other.parametrizations[norm.name]
        g = rng.normal(size=(cell.parts * h, 1))
        getattr(cell, f"{norm.name}_g").data = g
        with torch.no_grad():
            pair.original0.copy_(torch.tensor(g))
        pairs += [(f"{norm.name}_g", pair.original0), (f"{norm.name}_v", pair.original1)]
    for norm in norms:
        norm.recompute(cell)
    pairs += [(n, p) for n, p in other.named_parameters() if n in dict(cell.named_parameters())]
    assert len(pairs) == len(list(cell.parameters()))

    count = 2 if kind == "LSTMCell" else 1
    arrays = [rng.normal(size=(*lead, size)) for size in [i] * steps + [h] * count]
    ours = [tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    bars = [rng.normal(size=(*lead, h)) for _ in range(count)]
    states = []
    for run, xs in ((cell, ours), (other, theirs)):
        state = tuple(xs[steps:]) if count == 2 else xs[steps]
        for x in xs[:steps]:
            state = run(x, state)
        states.append(state if count == 2 else (state,))
    for a, b in zip(*states, strict=True):
        assert_close(a, b)
    total = sum((s * bar).sum() for s, bar in zip(states[0], bars, strict=True))
    total.backward()
    sum((s * torch.tensor(bar)).sum() for s, bar in zip(states[1], bars, strict=True)).backward()
    for x, y in zip(ours, theirs, strict=True):
        assert_close(x.grad, y.grad)
    for name, p in pairs:
        assert_close(getattr(cell, name).grad, p.grad)


@pytest.mark.parametrize("kind", CELLS)
def test_without_a_state_it_is_zeros(kind, rng):
    cell, x = getattr(nn, kind)(3, 4, rng=rng, dtype="float64"), rng.normal(size=(2, 5, 3))
    zeros = np.zeros((2, 5, 4))
    a, b = cell(x), cell(x, (zeros, zeros) if kind == "LSTMCell" else zeros)
    for y, z in zip(*((a, b) if kind == "LSTMCell" else ((a,), (b,))), strict=True):
        assert y.shape == (2, 5, 4)
        np.testing.assert_array_equal(y.data, z.data)


@pytest.mark.parametrize("kind", CELLS)
def test_the_first_values_are_uniform_within_one_over_the_root_of_hidden(kind):
    cell = getattr(nn, kind)(30, 25, rng=3)
    drawn = np.concatenate([p.data.ravel() for p in cell.parameters()])
    assert drawn.dtype == "float32"
    assert 0.19 < np.abs(drawn).max() <= 0.2
    assert np.abs(drawn).mean() == pytest.approx(0.1, abs=0.005)  # of 4,300 or more: 5 deviations
    again = getattr(nn, kind)(30, 25, rng=init.generator(3))
    for name, array in again.state_dict().items():
        np.testing.assert_array_equal(array, cell.state_dict()[name])
    assert f"{kind}(30 -> 25, weight_ih({cell.parts * 25}, 30)" in repr(cell)


def test_weights_are_normalised_side_by_side_and_come_back(rng):
    cell = nn.LSTMCell(3, 4, rng=rng, dtype="float64")
    before, names = cell.state_dict(), [name for name, _ in cell.named_parameters()]
    norms = [WeightNorm("weight_ih", dim=1), WeightNorm("weight_hh")]
    for norm in norms:
        norm.apply(cell)
    assert [name for name, _ in cell.named_parameters()] == [
        "weight_ih_g", "weight_ih_v", "weight_hh_g", "weight_hh_v", "bias_ih", "bias_hh",
    ]
    assert cell.weight_ih_g.shape == (1, 3)
    assert cell.weight_hh_g.shape == (16, 1)
    norms[0].remove(cell)
    assert cell.weight_hh_g.shape == (16, 1)
    norms[1].remove(cell)
    assert [name for name, _ in cell.named_parameters()] == names
    for name, array in cell.state_dict().items():
        np.testing.assert_allclose(array, before[name], rtol=8 * 2.0**-53)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("sizes", [(0, 4), (3, -1), (3.0, 4)])
def test_sizes_that_make_no_sense_are_refused(kind, sizes):
    with pytest.raises(ValueError, match=r"_size=\S+; give a whole number >= 1"):
        getattr(nn, kind)(*sizes)


def f32(*shape):
    return np.zeros(shape, "float32")


@pytest.mark.parametrize(
    ("kind", "inputs", "words"),
    [
        ("LSTMCell", (f32(5, 2),), r"LSTMCell takes x \(\.\.\., 3\), got \(5, 2\)"),
        ("GRUCell", (f32(),), r"GRUCell takes x \(\.\.\., 3\), got \(\)"),
        ("LSTMCell", (f32(5, 3), f32(5, 4)), r"the state is a pair \(h, c\)"),
        ("LSTMCell", (f32(5, 3), (f32(5, 4),)), "the state is a pair"),
        ("LSTMCell", (f32(5, 3), (f32(5, 4), f32(4))), r"c of shape \(4,\) for x \(5, 3\); expe"),
        ("LSTMCell", (f32(5, 3), (f32(1, 4), f32(5, 4))), r"h of shape \(1, 4\) .* \(5, 4\)"),
        ("GRUCell", (f32(5, 3), f32(5, 3)), r"h of shape \(5, 3\) .* expected \(5, 4\)"),
    ],
)
def test_inputs_and_states_that_do_not_fit_are_refused(kind, inputs, words):
    with pytest.raises(ValueError, match=words):
        getattr(nn, kind)(3, 4)(*inputs)
