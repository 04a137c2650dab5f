"""The other rows of the table "Who does what" of the site: what it says of PyTorch, Flax, Equinox.

A cell that a new version of theirs changes fails here, and the table must follow."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

# ---- PyTorch ------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is one of the rows")


def hooked(torch, layer, dim):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and in the table
        return torch.nn.utils.weight_norm(layer, dim=dim)


def parametrized(torch, layer, dim):
    return torch.nn.utils.parametrizations.weight_norm(layer, dim=dim)


def test_torch_axes_shapes_and_first_g(torch):
    shapes = {0: (6, 1, 1), 1: (1, 4, 1), -1: (), None: ()}
    for dim, shape in shapes.items():
        old = hooked(torch, torch.nn.Conv1d(4, 6, 3), dim)
        new = parametrized(torch, torch.nn.Conv1d(4, 6, 3), dim).parametrizations.weight
        assert tuple(old.weight_g.shape) == tuple(new.original0.shape) == shape
    w = torch.nn.Linear(5, 3)
    norms = w.weight.detach().norm(dim=1, keepdim=True)
    assert torch.allclose(hooked(torch, w, 0).weight_g, norms)


def test_torch_recomputes_before_each_forward_or_at_each_access(torch):
    old, x = hooked(torch, torch.nn.Linear(5, 3), 0), torch.ones(2, 5)
    before = old.weight
    with torch.no_grad():
        old.weight_g.mul_(2)
    assert old.weight is before
    old(x)
    assert torch.allclose(old.weight, 2 * before)
    new = parametrized(torch, torch.nn.Linear(5, 3), 0)
    assert new.weight is not new.weight


def test_torch_has_no_eps_and_a_zero_slice_is_nan(torch):
    layer = torch.nn.Linear(5, 3)
    with torch.no_grad():
        layer.weight[1] = 0
    weight = parametrized(torch, layer, 0).weight
    assert torch.isnan(weight[1]).all()
    assert torch.isfinite(weight[[0, 2]]).all()


@pytest.mark.parametrize(("dim", "right"), [(0, False), (2, False), (1, True), (-1, True)])
def test_torch_second_order(torch, dim, right):
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    shape = {0: (3, 1, 1), 1: (1, 4, 1), 2: (1, 1, 2), -1: ()}[dim]
    g = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    def f(v, g):
        return torch._weight_norm(v, g, dim)

    assert torch.autograd.gradcheck(f, (v, g))
    assert torch.autograd.gradgradcheck(f, (v, g), raise_exception=False) == right


@pytest.mark.parametrize(("dim", "fused"), [(0, True), (2, True), (1, False)])
def test_torch_takes_half_norms_in_float32_where_it_is_fused(torch, dim, fused):
    v = torch.full((2, 2, 2), 4e4, dtype=torch.float16)
    shape = [1, 1, 1]
    shape[dim] = 2
    w = torch._weight_norm(v, torch.ones(shape, dtype=torch.float16), dim)
    assert bool((w == (0.5 if fused else 0.0)).all())  # the norm, 8e4, is beyond float16


# ---- Flax ---------------------------------------------------------------------------------------


@pytest.fixture
def flax():
    return pytest.importorskip("flax", reason="Flax is two of the rows")


def linen(dtype="float32", **options):
    import flax.linen as linen
    import jax

    dense = linen.Dense(3, param_dtype=dtype)
    module = linen.WeightNorm(dense, dtype=dtype, param_dtype=dtype, **options)
    x = jax.numpy.ones((2, 5), dtype)
    return module, x, module.init(jax.random.key(0), x)


@pytest.mark.slow
def test_linen_axes_first_scale_and_call(flax):
    shapes = {-1: (3,), 0: (5,), (0, 1): (5, 3), None: ()}
    for axes, shape in shapes.items():
        module, x, variables = linen(feature_axes=axes)
        (scale,) = (v for k, v in variables["params"].items() if k.endswith("scale"))
        assert scale.shape == shape
        assert bool((scale == 1).all())
    assert module.epsilon == 1e-12
    first = module.apply(variables, x)
    again = module.apply(variables, x)
    assert bool((first == again).all())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_linen_zero_slices(flax, dtype):
    import jax

    module, x, variables = linen(dtype)
    kernel = variables["params"]["layer_instance"]["kernel"].at[:, 1].set(0)

    def loss(kernel):
        parts = {**variables["params"]["layer_instance"], "kernel": kernel}
        return module.apply({"params": {**variables["params"], "layer_instance": parts}}, x)[:, 1]

    y, pullback = jax.vjp(loss, kernel)
    (kernel_bar,) = pullback(jax.numpy.ones_like(y))
    if dtype == "float16":
        assert bool(jax.numpy.isnan(y).all())  # 1e-12 is 0 in float16
    else:
        assert not np.asarray(y).any()
        np.testing.assert_allclose(np.asarray(kernel_bar)[:, 1], 2e6, rtol=1e-5)  # two rows of x


@pytest.mark.slow
def test_nnx_does_not_train_its_scales_and_rewrites_the_kernel(flax):
    from flax import nnx

    layer = nnx.Linear(5, 3, rngs=nnx.Rngs(0))
    module = nnx.WeightNorm(layer, rngs=nnx.Rngs(0))
    before = np.asarray(layer.kernel[...])
    module(np.ones((2, 5), np.float32))
    after = np.asarray(layer.kernel[...])
    np.testing.assert_allclose(np.linalg.norm(after, axis=0), 1, rtol=1e-6)
    assert not np.allclose(before, after)
    paths = [
        "/".join(map(str, path)) for path, _ in nnx.to_flat_state(nnx.state(module, nnx.Param))
    ]
    assert not any("scale" in path for path in paths)


# ---- Equinox ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_equinox():
    eqx = pytest.importorskip("equinox", reason="Equinox is one of the rows")
    import jax

    linear = eqx.nn.Linear(5, 3, key=jax.random.key(0))
    assert eqx.nn.WeightNorm(linear).g.shape == (3, 1)
    assert eqx.nn.WeightNorm(linear, axis=None).g.shape == (1, 1)
    norms = np.linalg.norm(np.asarray(linear.weight), axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(eqx.nn.WeightNorm(linear).g), norms, rtol=1e-6)
    zero = eqx.tree_at(lambda m: m.weight, linear, linear.weight.at[1].set(0))
    y = np.asarray(eqx.nn.WeightNorm(zero)(jax.numpy.ones(5)))
    assert np.isnan(y[1])
    assert np.isfinite(y[[0, 2]]).all()
    huge = eqx.tree_at(lambda m: m.weight, linear, jax.numpy.full((3, 5), 300.0, "float16"))
    norm_out_of_range = np.asarray(eqx.nn.WeightNorm(huge).g)
    assert np.isinf(norm_out_of_range).all()  # taken in float16
