"""Arrays stay where they are: nothing moves unless it is told to, what meets must be on one device,
and sums come out the same however threads are scheduled."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import WeightNorm, backend, interop, nn, ops, optim, tensor
from minwn.backend import move, to_numpy

from ..helpers.standin import ndarray


def network(rng: np.random.Generator) -> tuple[nn.Module, Any]:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 10, rng=rng),
    )
    for layer in (net[0], net[4]):
        WeightNorm("weight", dim=0).apply(layer)
    return net, optim.Adam(net.parameters())


def step(net: nn.Module, optimiser: Any, x: Any, labels: Any) -> Any:
    for layer in (net[0], net[4]):
        layer._computed["weight"].recompute(layer)
    loss = nn.cross_entropy(net(x), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss


@pytest.mark.slow
def test_a_training_step_copies_nothing_between_host_and_device(emulated, rng, monkeypatch):
    net, optimiser = network(rng)
    net.to("cuda")
    x, labels = rng.random((3, 1, 8, 8), "float32"), np.array([1, 7, 3])
    x, labels = (tensor(a).to("cuda") for a in (x, labels))
    crossed = []

    def asarray(a: Any, dtype: Any = None) -> Any:
        crossed.append(a) if not isinstance(a, ndarray) else None
        return own(a, dtype)

    own = emulated.asarray
    monkeypatch.setattr(emulated, "asarray", asarray)
    monkeypatch.setattr(ndarray, "get", lambda self: crossed.append(self))
    step(net, optimiser, x, labels)
    step(net, optimiser, x, labels)
    assert not crossed


MIXED = {
    "a sum": lambda x, y: x + y,
    "a product": lambda x, y: x @ y,
    "a maximum": ops.maximum,
    "weight norm": minwn.byhand.weight_norm.forward,
    "a layer": lambda x, y: nn.Linear(3, 3)(x) + y,
    "pieces": lambda x, y: ops.concatenate([x, y]),
    "a loss": lambda x, y: minwn.grad((x * x).sum(), x, y.sum()),
}


@pytest.mark.parametrize("name", MIXED)
def test_what_meets_must_be_on_one_device(name, device, rng):
    x = tensor(rng.normal(size=(3, 3)).astype("float32"), requires_grad=True)
    for one, other in ((x, x.to("cuda").detach()), (x.to("cuda"), x.detach())):
        one = tensor(one.data, requires_grad=True)
        with pytest.raises(TypeError, match=r"meet in one operation; move one of them first"):
            MIXED[name](one, other)
    if device.cuda.runtime.getDeviceCount() > 1:
        words = "an array on cuda:1 and one on cuda:0 meet.*.to('cuda:1') or .to('cuda:0')"
        with pytest.raises(TypeError, match=re.escape(words).replace(r"\.\*", ".*")):
            x.to("cuda:1") + x.to("cuda:0")


def test_a_device_that_is_not_there(emulated):
    with pytest.raises(RuntimeError, match="invalid device ordinal 7"):
        tensor([1.0]).to("cuda:7")


def test_an_optimiser_follows_its_parameters(device, rng):
    p = nn.Parameter(rng.normal(size=3))
    adam = optim.Adam([p])
    for where in ("cpu", "cuda", "cuda", "cpu"):
        p.data = p.detach().to(where).data
        p.grad = tensor(rng.normal(size=3)).to(where)
        adam.step()
        assert {backend.device(adam.state[p][k]) for k in "mq"} == {p.device}
    p.data = p.detach().to("cuda").data
    with pytest.raises(
        TypeError, match=r"a gradient on cpu for a parameter on cuda:0, .*zero_grad"
    ):
        adam.step()


@pytest.mark.slow
def test_copies_stay_on_their_device(device, rng):
    if device.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two devices")
    net = network(rng)[0].to("cuda:1")
    x = next(net.parameters())
    made = [minwn.tensor(x), x.detach(), x.to("float64"), x * 2, -x, abs(x), x.T, x[0]]
    made += [tensor(a) for a in net.state_dict().values()]
    assert {t.device for t in made} == {"cuda:1"}


def test_a_tensor_of_another_device_than_the_current_is_one_like_any(device, rng):
    where = "cuda:1" if device.cuda.runtime.getDeviceCount() > 1 else "cuda"
    values = rng.normal(size=(3, 2))
    x = tensor(values).to(where)
    found = [x > 0, x == x, x.data > x, x.data + x, 1 - x, x @ x.T, np.exp(x), x[1:, 0], x.sum()]
    wanted = [
        values > 0, values == values, values > values, 2 * values, 1 - values, values @ values.T,
        np.exp(values), values[1:, 0], values.sum(),
    ]
    for a, b in zip(found, wanted, strict=True):
        assert a.device == x.device
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-14)
    assert x[0, 0] != x[0, 1]
    assert float(x.sum()) == pytest.approx(values.sum(), rel=1e-14)
    assert repr(x).startswith("tensor(")
    with minwn.no_grad():
        assert not (tensor(x, requires_grad=True) * 2).requires_grad


def test_a_graph_leads_across_devices(device, rng):
    """`to` is an operation, and its cotangent goes back to where it came from."""
    x = tensor(rng.normal(size=4), requires_grad=True)
    y = (x.to("cuda") ** 2).to("cpu") * x
    y.backward(np.ones(4))
    np.testing.assert_allclose(x.grad.data, 3 * x.data**2, rtol=1e-15)
    assert x.grad.device == "cpu"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_hold_what_was_on_a_device(kind, device, rng, tmp_path):
    if kind == "safetensors":
        pytest.importorskip("safetensors", reason="the format is theirs")
    where = "cuda:1" if device.cuda.runtime.getDeviceCount() > 1 else "cuda"
    nets = [network(rng)[0].to(where) for _ in range(2)]
    for target in ("minwn", "torch"):
        path = tmp_path / f"{target}.{kind}"
        interop.save(nets[0], path, target=target)
        interop.load(nets[1], path, source=target)
        states = [net.to("cpu").state_dict() for net in nets]
        assert all(np.array_equal(states[0][k], states[1][k]) for k in states[0])
        for net in nets:
            net.to(where)
    copies = [copy.deepcopy(nets[0]), pickle.loads(pickle.dumps(nets[0]))]
    assert {p.device for p in copies[0].parameters()} == {nets[0][0].bias.device}
    states = [net.to("cpu").state_dict() for net in (nets[0], *copies)]
    assert all(np.array_equal(state[k], states[0][k]) for state in states for k in states[0])


def test_tensors_of_other_libraries_arrive_where_they_are(emulated, rng):
    """By DLPack, as a tensor of PyTorch on a GPU would."""
    data = rng.normal(size=(2, 3))

    class Theirs:
        dtype = "torch.float64"

        def __dlpack__(self, **options: Any) -> Any:
            return data.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 1

    x = tensor(Theirs())
    assert x.device == "cuda:1"
    assert np.array_equal(x.numpy(), data)
    assert type(x.data) is ndarray
    assert x.__dlpack_device__() == (2, 1)
    back = emulated.from_dlpack(x)
    assert np.shares_memory(back.host, x.data.host)


# ---- scattered sums -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_scattered_sums(dtype, order, device, rng):
    """Runs of 1 to 700, a large one beside small ones, in an array of any order."""
    rows = np.minimum(rng.geometric(0.1, 2000), 40) - 1
    rows[rng.permutation(2000)[:700]] = 40
    values = rng.normal(size=(2000, 3))
    values[rows == 40] *= 1e4 if dtype != "float16" else 1
    values = values.astype(dtype)
    x = np.asarray(rng.normal(size=(42, 3)), dtype, order=order)
    there = device.asarray(x) if order == "C" else device.asarray(x.T.copy()).T
    backend.add_at(there, move(rows, "cuda"), move(values, "cuda"))
    truth, size = x.astype("f8"), abs(x.astype("f8"))
    np.add.at(truth, rows, values.astype("f8"))
    np.add.at(size, rows, abs(values.astype("f8")))
    u = np.finfo(dtype).eps / 2
    deep = 12 * (u if dtype != "float16" else 2.0**-24)  # halves of halves of 700, and x itself
    assert np.all(abs(to_numpy(there) - truth) <= deep * size + u * abs(truth))


def test_what_is_not_finite_stays_in_its_own_sum(device):
    x = move(np.zeros(3), "cuda")
    backend.add_at(x, move(np.array([2, 1, 0, 1, 2]), "cuda"),
                   move(np.array([1.0, np.nan, 2.0, 1.0, np.inf]), "cuda"))
    np.testing.assert_array_equal(to_numpy(x), [2, np.nan, np.inf])


def test_nothing_to_add(device):
    x = move(np.ones((2, 3)), "cuda")
    backend.add_at(x, move(np.zeros(0, int), "cuda"), move(np.ones((0, 3)), "cuda"))
    assert (to_numpy(x) == 1).all()
