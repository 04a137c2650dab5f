"""What a module computes on a GPU is what it computes on the CPU, within rounding: forward, every
gradient, every optimiser, and a network from the first step to the last. The operations themselves
and `byhand` are held together by the fixture `xp`, of which the device is one form."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import WeightNorm, data, nn, no_grad, optim, tensor
from minwn.backend import is_cupy
from minwn.gradcheck import GradcheckError, gradcheck
from minwn.verify.digits import Reader, evaluate, one_epoch

from ..byhand.test_twins import TWINS
from ..test_optim import OPTIONS

Build = Callable[[], nn.Module]

# name: a module, and the shape of its input
MODULES: dict[str, tuple[Build, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(4, 5), (3, 4)),
    "conv 1d": (lambda: nn.Conv1d(4, 6, 2, 2, 1, 3, 2), (2, 4, 9)),
    "conv 2d": (lambda: nn.Conv2d(3, 4, 3, padding="same"), (2, 3, 7, 6)),
    "conv 2d, groups": (lambda: nn.Conv2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2), (2, 4, 7, 6)),
    "conv 3d": (lambda: nn.Conv3d(2, 3, (2, 3, 1), (1, 2, 2), (1, 1, 0)), (2, 2, 5, 4, 6)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(4, 6, 4, 3, 2, 2, 2), (2, 4, 5)),
    "transposed 2d": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1), (2, 3, 4, 5)),
    "max pool": (lambda: nn.MaxPool2d(3, 2, 1), (2, 3, 7, 6)),
    "average pool": (lambda: nn.AvgPool2d((3, 2), 2, 1), (2, 3, 7, 6)),
    "global pools": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.GlobalAvgPool(), nn.Linear(3, 2)),
        (2, 2, 4, 4),
    ),
    "global maximum": (lambda: nn.GlobalMaxPool(), (2, 3, 4)),
    "batch norm": (lambda: nn.BatchNorm(3), (4, 3, 5)),
    "mean-only batch norm": (lambda: nn.MeanOnlyBatchNorm(3), (4, 3, 5)),
    "layer norm": (lambda: nn.LayerNorm(5), (4, 3, 5)),
    "activations": (
        lambda: nn.Sequential(
            nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(), nn.GELU(), nn.Softplus(), nn.Sigmoid(),
            nn.Tanh(), nn.Softmax(1), nn.Flatten(),
        ),
        (3, 4, 2),
    ),
    "wrapper": (lambda: nn.WeightNormWrapper(nn.Linear(4, 5)), (3, 4)),
    "wrapper of a tree": (
        lambda: nn.WeightNormWrapper(
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 2)), feature_axes=(0, 1),
            scale_init="norm",
        ),
        (2, 2, 5, 5),
    ),
    "DoRA": (lambda: nn.DoRALinear(nn.Linear(4, 5), 2), (3, 4)),
}
NORMED = {
    f"{name}, {kind.__name__} of {dim}": (name, kind, dim)
    for name, dims in {
        "linear": (0, 1, None, (0, 1)), "conv 2d": (0, 1, None, (2, 3), "output"),
        "transposed 2d": (0, "output"),
    }.items()
    for dim in dims
    for kind in (WeightNorm, nn.ExponentialWeightNorm)
}


@pytest.fixture(params=["cuda", "cuda:1"])
def where(request, device):
    """A device: the current one, and one that is not."""
    if request.param == "cuda:1" and device.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two devices")
    return request.param


def build(name: str, rng: np.random.Generator, dtype: Any = "float64") -> nn.Module:
    """The module with numbers of its own everywhere."""
    module = MODULES[name][0]().to(dtype)
    for x in itertools.chain(module.parameters(), (b for _, b in module.named_buffers())):
        x.data = rng.uniform(0.5, 1.5, x.shape).astype(x.dtype)
    return module


def through(module: nn.Module, x: Any, u: Any) -> dict[str, Any]:
    """The output, and the gradient of everything, on the host; nothing may have left the device."""
    x = tensor(x, requires_grad=True)
    y = module(x)
    y.backward(u)
    bars = {k: p.grad for k, p in module.named_parameters() if p.requires_grad}
    found = {"y": y, "x": x.grad} | bars
    found |= dict(module.named_buffers())
    assert len({t.device for t in found.values()}) == 1
    return {k: t.numpy() for k, t in found.items()}


def close(found: dict[str, Any], wanted: dict[str, Any], u: float = 2.0**-53) -> None:
    """1000 roundings of the largest entry: sums of up to a few hundred products of order 1."""
    assert found.keys() == wanted.keys()
    for key, x in found.items():
        scale = np.abs(wanted[key]).max(initial=1.0)
        assert x.dtype == wanted[key].dtype
        assert np.abs(x - wanted[key]).max(initial=0.0) <= 1000 * u * scale, key


def both(module: nn.Module, shape: Any, where: str, rng: Any, u: float = 2.0**-53) -> None:
    """Raise unless a module and its copy on the device agree."""
    x = rng.normal(size=shape)
    dtype = next((p.dtype for p in module.parameters()), np.dtype("float64"))
    with no_grad():
        cotangent = rng.normal(size=module(tensor(x.astype(dtype))).shape).astype(dtype)
    x, there = x.astype(dtype), copy.deepcopy(module).to(where)
    assert all(is_cupy(p.data) for p in there.parameters())
    moved = [tensor(a).to(where).data for a in (x, cotangent)]
    close(through(there, *moved), through(module, x, cotangent), u)
    here = there.to("cpu")
    assert all(p.device == "cpu" for p in here.parameters())
    np.testing.assert_array_equal(
        np.concatenate([p.data.ravel() for p in here.parameters()] or [np.zeros(1)]),
        np.concatenate([p.data.ravel() for p in module.parameters()] or [np.zeros(1)]),
    )


@pytest.mark.parametrize("name", MODULES)
def test_every_module(name, where, rng):
    module = build(name, rng)
    both(module.eval() if name == "batch norm" and where == "cuda:1" else module,
         MODULES[name][1], where, rng)


@pytest.mark.parametrize("name", ["linear", "conv 2d", "transposed 2d", "batch norm", "wrapper"])
def test_in_float32(name, where, rng):
    both(build(name, rng, "float32"), MODULES[name][1], where, rng, 2.0**-24)


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMED)
def test_weight_norm_and_its_exponential_twin(name, where, rng):
    name, kind, dim = NORMED[name]
    module = build(name, rng)
    kind("weight", dim=dim).apply(module)
    both(module, MODULES[name][1], where, rng)


@pytest.mark.parametrize("name", TWINS)
def test_derivations_to_the_second_order_on_another_device(name, where, rng):
    """As test_twins does on the current one."""
    _, fused, _, shapes = TWINS[name]
    xs = [rng.normal(size=shape) for shape in shapes]
    u = rng.normal(size=fused(*xs).shape)
    ts = [rng.normal(size=x.shape) for x in xs]

    def run(to: str) -> list[Any]:
        leaves = [tensor(x, requires_grad=True).to(to).detach() for x in xs]
        leaves = [tensor(x.data, requires_grad=True) for x in leaves]
        bar = tensor(tensor(u).to(to).data, requires_grad=True)
        y = fused(*leaves)
        bars = minwn.grad(y, leaves, bar, create_graph=True)
        dots = (b * tensor(t).to(to) for b, t in zip(bars, ts, strict=True))
        total = sum((d.sum() for d in dots), start=tensor(0.0).to("float64").to(to))
        second = minwn.grad(total, [bar, *leaves], allow_unused=True)
        found = [y, *bars, *(s for s in second if s is not None)]
        assert {x.device for x in found} == {"cpu" if to == "cpu" else leaves[0].device}
        return [x.numpy() for x in found]

    there, here = run(where), run("cpu")
    close(dict(enumerate(there)), dict(enumerate(here)))


def test_weight_norm_from_recompute_to_remove(where, rng):
    layer, norm = build("conv 2d", rng).to(where), WeightNorm("weight", dim=0)
    before = layer.weight.numpy()
    norm.apply(layer)
    np.testing.assert_allclose(layer.weight.numpy(), before, rtol=1e-14)
    layer.weight_g.data = (2 * layer.weight_g).data
    with pytest.raises(minwn.StaleWeightError):
        layer(tensor(rng.normal(size=(1, 3, 4, 4))).to(where))
    norm.recompute(layer)
    norm.remove(layer)
    assert is_cupy(layer.weight.data)
    np.testing.assert_allclose(layer.weight.numpy(), 2 * before, rtol=1e-14)
    layer.weight.data = (0 * layer.weight).data
    with pytest.raises(minwn.ZeroNormError):
        norm.apply(layer)


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_every_optimiser(kind, options, where, rng):
    here = [nn.Parameter(rng.normal(size=s)) for s in ((4, 3), (), (5,))]
    there = [nn.Parameter(tensor(p.data).to(where).data) for p in here]
    steps = [kind(params, **options) for params in (here, there)]
    for _ in range(5):
        for p, q in zip(here, there, strict=True):
            p.grad = tensor(rng.normal(size=p.shape))
            q.grad = p.grad.to(where)
        for step in steps:
            step.step()
        steps[1].load_state_dict(steps[1].state_dict())
    close(*({i: p.numpy() for i, p in enumerate(params)} for params in (there, here)))
    assert all(is_cupy(p.data) for p in there)


def test_losses_and_embeddings(where, rng):
    logits, labels = rng.normal(size=(5, 3)), rng.integers(0, 3, 5)
    table = nn.Embedding(3, 4).to("float64")
    for to in ("cpu", where):
        x, t = (tensor(a).to(to) for a in (logits, labels))
        soft = tensor(np.eye(3)[labels]).to(to)
        losses = [
            nn.cross_entropy(x, t), nn.cross_entropy(x, soft), nn.mse_loss(x, soft),
            nn.bce_with_logits(x, soft), table.to(to)(t).sum(),
        ]
        if to == "cpu":
            wanted = [loss.item() for loss in losses]
        assert [loss.item() for loss in losses] == pytest.approx(wanted, rel=1e-13)
    with pytest.raises(ValueError, match="label"):
        nn.cross_entropy(x, t + 3)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_recurrent_cells(kind, where, rng):
    x, found = rng.normal(size=(2, 3)), []
    cell = kind(3, 4, rng=0).to("float64")
    for to in ("cpu", where):
        there, given = copy.deepcopy(cell).to(to), tensor(x).to(to)
        state = there(given)
        state = there(given, state)
        h = state[0] if isinstance(state, tuple) else state
        (h * h).sum().backward()
        found.append({"h": h.numpy()} | {k: p.grad.numpy() for k, p in there.named_parameters()})
    close(*reversed(found))


def test_forward_products(where, rng):
    xs, ts = ([rng.normal(size=s) for s in ((3, 4), (3, 1))] for _ in range(2))
    f = minwn.byhand.weight_norm.forward
    here = minwn.jvp(f, xs, ts)
    there = minwn.jvp(f, *([tensor(x).to(where) for x in group] for group in (xs, ts)))
    by_hand = minwn.byhand.weight_norm.jvp(*xs, *ts)
    close(*({i: x.numpy() for i, x in enumerate(pair)} for pair in (there, here)))
    close({"w": there[1].numpy()}, {"w": by_hand})


def test_dropout_draws_the_same_on_every_device(where, rng):
    x = rng.normal(size=(4, 5)).astype("float32")
    here, there = (nn.Dropout(0.5, rng=3)(tensor(x).to(to)).numpy() for to in ("cpu", where))
    assert np.array_equal(here, there)


def test_data_dependent_initialisation_and_norms_that_are_forced(where, rng):
    x = rng.normal(size=(20, 4)).astype("float32")
    found = []
    for to in ("cpu", where):
        net = nn.Sequential(nn.Linear(4, 6, rng=0), nn.ReLU(), nn.Linear(6, 3, rng=1)).to(to)
        norm = WeightNorm("weight", dim=0)
        for layer in (net[0], net[2]):
            norm.apply(layer)
        nn.data_dependent_init(net, tensor(x).to(to))
        nn.normalise_(net[0].weight_v)
        found.append(net.to("cpu").state_dict())
    close(*found, u=2.0**-24)


# ---- training -----------------------------------------------------------------------------------


def trained(to: str, batches: int) -> tuple[Reader, list[float]]:
    """The network of `minwn verify` after some batches, and its losses."""
    net = Reader(np.random.default_rng(0)).to(to)
    images, labels = (tensor(a).to(to).data for a in data.digits())
    optimiser = optim.Adam(net.parameters(), lr=0.01)
    order = tensor(np.random.default_rng(1).permutation(1000)).to(to).data
    return net, list(itertools.islice(one_epoch(net, optimiser, images, labels, order), batches))


@pytest.mark.slow
def test_a_network_trains_as_on_the_cpu_and_twice_the_same(device):
    here, losses = trained("cpu", 6)
    there, again = trained("cuda", 6), trained("cuda", 6)
    assert there[1] == again[1]
    for p, q in zip(there[0].parameters(), again[0].parameters(), strict=True):
        assert np.array_equal(p.numpy(), q.numpy())
    # Six steps of Adam in float32, each of which divides by small second moments.
    assert there[1] == pytest.approx(losses, rel=1e-3)
    images, labels = data.digits()
    seen = [evaluate(net, images[:200], labels[:200]) for net in (here, there[0].to("cpu"))]
    assert seen[0]["loss"] == pytest.approx(seen[1]["loss"], rel=1e-3)


# ---- checking gradients on the device -----------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "random"])
def test_gradcheck_measures_on_the_device(mode, where, rng):
    v, g = (tensor(rng.normal(size=s)).to(where).data for s in ((3, 4), (3, 1)))
    forward = minwn.byhand.weight_norm.forward

    def seen(v: Any, g: Any) -> Any:
        assert is_cupy(v.data)
        return forward(v, g)

    assert gradcheck(seen, [v, g], order=2, mode=mode).ok

    def backward(w_bar: Any, v: Any, g: Any, factor: float = 1.0) -> Any:
        n = (v * v).sum(axis=1, keepdims=True) ** 0.5
        g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
        return factor * g / n * (w_bar - g_bar * v / n), g_bar

    assert gradcheck(forward, [v, g], mode=mode, backward=backward).ok
    with pytest.raises(GradcheckError, match=r"input 0 \(v\)"):
        gradcheck(forward, [v, g], mode=mode, backward=lambda *xs: backward(*xs, 1.001))
