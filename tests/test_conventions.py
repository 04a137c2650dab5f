"""The rows of minwn in the table "Who does what" of the site, cell by cell."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import minwn
from minwn import StaleWeightError, WeightNorm, ZeroNormError, nn, tensor
from minwn.gradcheck import gradcheck
from minwn.nn import WeightNormWrapper

TABLE = Path(minwn.__file__).parents[1] / "tutorials/site/conventions.md"
COLUMNS = (
    "axis that keeps a norm", "shape of g", "first g", "eps", "recomputed", "zero slice",
    "norm taken in", "second order",
)


def cells(system):
    """column -> what the table says of a system"""
    (row,) = re.findall(
        rf"^\| \*\*minwn `{system}`\*\* \|(.*)\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return dict(zip(COLUMNS, (cell.strip() for cell in row.split("|")), strict=True))


def linear(dtype="float64"):
    return nn.Linear(5, 3, rng=0, dtype=dtype)


def inputs(rng, dtype="float64"):
    return tensor(rng.standard_normal((4, 5)).astype(dtype))


def zero_row(layer):
    value = layer.weight.data.copy()
    value[1] = 0.0
    layer.weight.data = value
    return layer


# ---- WeightNorm ---------------------------------------------------------------------------------


def test_the_axis_and_the_shape_of_g():
    said = cells("WeightNorm")
    assert said["axis that keeps a norm"].startswith("`dim=0`; int, tuple, `None` = whole")
    assert said["shape of g"] == "v's rank, 1 where normed; 0-d for whole"
    assert WeightNorm().dim == 0
    shapes = {0: (6, 1, 1), -1: (1, 1, 3), (0, 2): (6, 1, 3), None: (), "output": (6, 1, 1)}
    for dim, shape in shapes.items():
        layer = nn.Conv1d(4, 6, 3, rng=0)
        assert WeightNorm(dim=dim).apply(layer).weight_g.shape == shape
    assert WeightNorm(dim="output").apply(nn.ConvTranspose1d(4, 6, 3)).weight_g.shape == (1, 6, 1)


def test_the_first_g_keeps_the_function(rng):
    assert cells("WeightNorm")["first g"] == "norm of w: function kept"
    layer, x = linear(), inputs(rng)
    before = layer(x).numpy()
    norms = np.linalg.norm(layer.weight.data, axis=1, keepdims=True)
    WeightNorm().apply(layer)
    # a norm of 5 entries, and a product and a quotient by it: within 8 roundings
    np.testing.assert_allclose(layer.weight_g.data, norms, rtol=8 * 2.0**-53)
    np.testing.assert_allclose(layer(x).numpy(), before, rtol=0, atol=1e-15)


def test_no_eps_unless_a_form_asks_for_it():
    assert cells("WeightNorm")["eps"] == "none by default; five optional forms"
    assert (WeightNorm().eps, WeightNorm().form) == (0.0, "plain")
    assert len(minwn.byhand.weight_norm.FORMS) - 1 == 5
    for form in minwn.byhand.weight_norm.FORMS[1:]:
        WeightNorm(eps=0.1, form=form).apply(linear())


def test_recomputed_when_you_say_so_and_stale_is_an_error(rng):
    assert cells("WeightNorm")["recomputed"] == "when you say so; stale is an error"
    layer, norm, x = linear(), WeightNorm(), inputs(rng)
    norm.apply(layer)
    old = layer.weight.data
    layer.weight_g.data = 2.0 * layer.weight_g.data
    assert layer.weight.data is old
    with pytest.raises(StaleWeightError, match="older"):
        layer(x)
    norm.recompute(layer)
    layer(x)
    np.testing.assert_array_equal(layer.weight.data, 2.0 * old)


def test_a_zero_slice_is_an_error_then_nan_alone():
    assert cells("WeightNorm")["zero slice"].startswith("error at `apply`, NaN later")
    with pytest.raises(ZeroNormError, match="1 of 3"):
        WeightNorm().apply(zero_row(linear()))
    layer, norm = linear(), WeightNorm()
    norm.apply(layer)
    v = layer.weight_v.data.copy()
    v[1] = 0.0
    layer.weight_v.data = v
    w = norm.recompute(layer).numpy()
    assert np.isnan(w[1]).all()
    assert np.isfinite(w[[0, 2]]).all()


@pytest.mark.parametrize(("dtype", "scale"), [("float16", 300.0), ("float32", 1e30)])
def test_the_norm_is_taken_in_float32_at_least_at_any_scale(dtype, scale):
    assert cells("WeightNorm")["norm taken in"] == "float32 at least, any scale"
    v, g = np.full((1, 4), scale, dtype), np.ones((1, 1), dtype)
    # the squares, 9e4 and 1e60, are beyond the largest numbers of these dtypes
    np.testing.assert_array_equal(minwn.byhand.weight_norm.forward(v, g), np.full((1, 4), 0.5))


def test_second_order_of_weight_norm(rng):
    assert cells("WeightNorm")["second order"] == "right"
    v, g = rng.standard_normal((3, 5)), rng.standard_normal((3, 1))
    assert gradcheck(minwn.byhand.weight_norm.forward, (v, g), order=2)


# ---- WeightNormWrapper --------------------------------------------------------------------------


def test_the_feature_axes_and_the_shape_of_the_scale():
    said = cells("WeightNormWrapper")
    assert said["axis that keeps a norm"] == '`feature_axes="output"`; int, tuple, `None`'
    assert said["shape of g"] == "the feature axes"
    shapes = {"output": (6,), 1: (4,), (0, 2): (6, 3), None: ()}
    for axes, shape in shapes.items():
        wrapper = WeightNormWrapper(nn.Conv1d(4, 6, 3, rng=0), feature_axes=axes)
        assert dict(wrapper.named_parameters())["weight/scale"].shape == shape


def test_the_first_scale_is_one_or_keeps_the_function(rng):
    assert cells("WeightNormWrapper")["first g"] == '1, or `"norm"`: function kept'
    layer, x = linear(), inputs(rng)
    one = dict(WeightNormWrapper(layer).named_parameters())["weight/scale"]
    np.testing.assert_array_equal(one.data, np.ones(3, "float32"))
    same = WeightNormWrapper(layer, scale_init="norm", param_dtype="float64")
    np.testing.assert_allclose(same(x).numpy(), layer(x).numpy(), rtol=0, atol=1e-15)


def test_eps_is_inside_the_root_and_a_zero_slice_is_zero():
    said = cells("WeightNormWrapper")
    assert said["eps"] == "1e-12 inside the root"
    assert said["zero slice"] == "0, gradient g w̄ / √eps"
    assert WeightNormWrapper(linear()).epsilon == 1e-12
    wrapper = WeightNormWrapper(zero_row(linear()), epsilon=0.25, param_dtype="float64")
    v = wrapper.layer.weight
    w = wrapper.normalised()["weight"]
    q = (v.data**2).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(w.numpy(), v.data / np.sqrt(q + 0.25), rtol=8 * 2.0**-53)
    assert not w.numpy()[1].any()
    w.backward(np.full((3, 5), 7.0))
    np.testing.assert_allclose(v.grad.numpy()[1], 7.0 / 0.5, rtol=4 * 2.0**-53)


def test_a_call_computes_anew_and_changes_nothing(rng):
    assert cells("WeightNormWrapper")["recomputed"] == "at each call, purely"
    wrapper, x = WeightNormWrapper(linear(), param_dtype="float64"), inputs(rng)
    before = {name: p.data for name, p in wrapper.named_parameters()}
    first = wrapper(x).numpy()
    assert all(p.data is before[name] for name, p in wrapper.named_parameters())
    vars(wrapper)["weight/scale"].data = np.full(3, 2.0)
    wrapper.layer.bias.data = 2.0 * wrapper.layer.bias.data
    np.testing.assert_array_equal(wrapper(x).numpy(), 2.0 * first)


def test_the_wrapper_takes_norms_in_float32_at_least():
    assert cells("WeightNormWrapper")["norm taken in"] == "float32 at least"
    layer = nn.Linear(4, 1, bias=False, dtype="float16")
    layer.weight.data = np.full((1, 4), 300.0, "float16")
    w = WeightNormWrapper(layer).normalised()["weight"]
    np.testing.assert_array_equal(w.numpy(), np.full((1, 4), 0.5, "float16"))


def test_second_order_of_the_wrapper(rng):
    assert cells("WeightNormWrapper")["second order"] == "right"
    wrapper = WeightNormWrapper(linear(), epsilon=0.1, param_dtype="float64")
    parameters = list(wrapper.parameters())

    def f(x, *values):
        return nn.substitute(wrapper, dict(zip(parameters, values, strict=True)))(x)

    values = [p.data for p in parameters]
    assert gradcheck(f, (rng.standard_normal((2, 5)), *values), order=2)
