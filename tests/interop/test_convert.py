"""Names, layouts and gains between any two frameworks, on states alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import interop, nn, tensor
from minwn.byhand import weight_norm

State = dict[str, Any]


def numbers(rng: np.random.Generator, dtype: str = "float64", **shapes: tuple[int, ...]) -> State:
    """{name: signed numbers of a shape}; in a name, "__" is a dot."""
    return {
        name.replace("__", "."): np.asarray(rng.normal(size=shape), dtype)
        for name, shape in shapes.items()
    }


def assert_same(found: Any, expected: Any) -> None:
    """The same names, shapes, dtypes and bits."""
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        assert found[name].shape == x.shape
        assert found[name].dtype == x.dtype
        assert found[name].tobytes() == x.tobytes(), name


# ---- the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framework", "names"),
    [
        ("minwn", {"a.0.weight_g": (5, 1), "a.0.weight_v": (5, 3), "a.0.bias": (5,)}),
        ("torch", {"a.0.weight_g": (5, 1), "a.0.weight_v": (5, 3), "a.0.bias": (5,)}),
        ("r", {"a.0.weight_g": (5, 1), "a.0.weight_v": (5, 3), "a.0.bias": (5,)}),
        (
            "parametrization",
            {
                "a.0.parametrizations.weight.original0": (5, 1),
                "a.0.parametrizations.weight.original1": (5, 3),
                "a.0.bias": (5,),
            },
        ),
        ("equinox", {"a.0.g": (5, 1), "a.0.layer.weight": (5, 3), "a.0.layer.bias": (5,)}),
        (
            "flax",
            {
                "params.a.WeightNorm_0.0/kernel/scale": (5,),
                "params.a.0.kernel": (3, 5),
                "params.a.0.bias": (5,),
            },
        ),
    ],
)
def test_the_names_and_shapes_of_each(framework: str, names: Any, rng: Any) -> None:
    state = numbers(rng, a__0__weight_g=(5, 1), a__0__weight_v=(5, 3), a__0__bias=(5,))
    found = interop.flatten(interop.convert(state, "minwn", framework), framework)
    assert {name: x.shape for name, x in found.items()} == names


WEIGHTS = {  # v, dim, g, kind; all as minwn has them
    "linear": ((5, 3), 0, (5, 1), "linear"),
    "linear, the last axis": ((5, 3), 1, (1, 3), "linear"),
    "linear, whole": ((5, 3), None, (), "linear"),
    "conv": ((5, 3, 2, 4), 0, (5, 1, 1, 1), "conv"),
    "conv, a tap each": ((5, 3, 2, 4), 3, (1, 1, 1, 4), "conv"),
    "conv, whole": ((5, 3, 4), None, (), "conv"),
    "transposed": ((3, 5, 2, 4), 1, (1, 5, 1, 1), "conv_transpose"),
    "transposed, a tap each": ((3, 5, 4), 2, (1, 1, 4), "conv_transpose"),
    "transposed, not flipped by Flax": ((3, 5, 4), 0, (3, 1, 1), "transpose_kernel"),
    "embedding": ((7, 3), 1, (1, 3), "embedding"),
    "other": ((7, 3, 2), 1, (1, 3, 1), "other"),
    "one output": ((1, 3), 0, (1, 1), "linear"),
}


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_between_any_two_and_back_nothing_changes(name: str, dtype: str, rng: Any) -> None:
    v, dim, g, kind = WEIGHTS[name]
    bias = (1,) if name == "one output" else (5,)
    state = numbers(rng, dtype, a__weight_g=g, a__weight_v=v, a__bias=bias, b__weight=(4, 6))
    for one, other in itertools.product(interop.FRAMEWORKS, repeat=2):
        told: dict[str, Any] = {"dim": dim, "kind": {"a": kind}}
        if "flax" in (one, other):
            if not {one, other} <= {"flax", "minwn"}:
                continue  # over another length g is another; see below
            told |= {"form": "inside", "eps": 1e-12}
        there = interop.convert(state, "minwn", one, **told)
        across = interop.convert(there, one, other, **told)
        assert_same(interop.convert(across, other, "minwn", **told), state)


def test_groups_of_a_transposed_convolution(rng: Any) -> None:
    # in, out/groups, k: of four inputs the first two go to the outputs 0 to 2, the others to 3 to 5
    state = numbers(rng, weight_v=(4, 3, 2), weight_g=(1, 1, 2))
    told: dict[str, Any] = {"kind": "conv_transpose", "groups": 2}
    found = interop.convert(state, "minwn", "equinox", **told)
    assert found["layer.weight"].shape == (6, 2, 2)  # out, in/groups, k reversed
    np.testing.assert_array_equal(found["layer.weight"][4, 1], state["weight_v"][3, 1, ::-1])
    np.testing.assert_array_equal(found["g"][0, 0], state["weight_g"][0, 0, ::-1])
    assert_same(interop.convert(found, "equinox", "minwn", **told), state)
    depthwise = numbers(rng, weight_g=(4, 1, 1), weight_v=(4, 1, 2))
    told["groups"] = 4
    found = interop.convert(depthwise, "minwn", "equinox", **told)
    assert found["g"].shape == (4, 1, 1)
    assert_same(interop.convert(found, "equinox", "minwn", **told), depthwise)


def test_what_the_layouts_say_is_what_the_layers_compute(rng: Any) -> None:
    # The definition of a transposed convolution in Flax and Equinox: the input is spread out by the
    # stride, padded by k - 1, and correlated with the kernel, so the stored kernel is reversed.
    x, layer = rng.normal(size=(1, 3, 4)), nn.ConvTranspose1d(3, 2, 3, 2, dtype="float64", rng=rng)
    state = interop.convert(layer.state_dict(), "minwn", "equinox", kind="conv_transpose")
    assert state["bias"].shape == (2, 1)
    spread = np.zeros((1, 3, 4 * 2 - 1 + 2 * 2))
    spread[:, :, 2:-2:2] = x
    windows = np.lib.stride_tricks.sliding_window_view(spread, 3, axis=2)
    y = np.einsum("niqk,oik->noq", windows, state["weight"]) + state["bias"]
    # float64 sums of 6 products of order 1
    np.testing.assert_allclose(layer(tensor(x)).data, y, rtol=0, atol=1e-14)


# ---- gains over different lengths ---------------------------------------------------------------


@pytest.mark.parametrize("target", ["torch", "parametrization", "r", "equinox"])
@pytest.mark.parametrize("name", ["linear", "conv, whole", "transposed"])
def test_between_flax_and_the_others_the_weight_is_kept(name: str, target: str, rng: Any) -> None:
    v, dim, g, kind = WEIGHTS[name]
    state = numbers(rng, a__weight_g=g, a__weight_v=v)
    told: dict[str, Any] = {"dim": dim, "kind": kind}
    flax = interop.convert(state, "minwn", "flax", form="inside", eps=0.3, epsilon=0.3, **told)
    across = interop.convert(flax, "flax", target, epsilon=0.3, **told)
    found = interop.convert(across, target, "minwn", **told)
    w = weight_norm.forward(state["a.weight_v"], state["a.weight_g"], eps=0.3, form="inside")
    ours = weight_norm.forward(found["a.weight_v"], found["a.weight_g"])
    # Two lengths, their quotient, and two products: a dozen roundings at most.
    np.testing.assert_allclose(ours, w, rtol=12 * 2.0**-53, atol=0)
    assert np.abs(found["a.weight_g"] / state["a.weight_g"] - 1).max() > 1e-3  # so g had to change


def test_a_slice_of_zeros_has_no_gain_over_its_norm(rng: Any) -> None:
    state = numbers(rng, weight_g=(5, 1), weight_v=(5, 3))
    state["weight_v"][1] = 0
    flax = interop.convert(state, "minwn", "flax", form="inside", eps=1e-12)
    with pytest.raises(minwn.ZeroNormError, match="v is zero in 1 of 5 slices"):
        interop.convert(flax, "flax", "torch", dim="output")
    kept = interop.convert(flax, "flax", "minwn", dim="output", form="inside", eps=1e-12)
    assert_same(kept, state)


def test_a_gain_out_of_range_is_refused(rng: Any) -> None:
    state = {
        "weight_g": np.full((1, 1), 6e4, "float16"),
        "weight_v": np.full((1, 2), 1e-3, "float16"),
    }
    with pytest.raises(ValueError, match="beyond float16"):
        interop.convert(state, "minwn", "flax", epsilon=1.0)


def test_the_exponential_gain_is_its_logarithm(rng: Any) -> None:
    layer = nn.Linear(3, 5, dtype="float64", rng=rng)
    nn.ExponentialWeightNorm("weight", 0).apply(layer)
    state = layer.state_dict()
    torch = interop.convert(state, "minwn", "torch")
    np.testing.assert_array_equal(torch["weight_g"], np.exp(state["weight_s"]))
    back = interop.convert(torch, "torch", "minwn", like=state)
    # log(exp(s)) is s to |s| + 1 roundings or so
    np.testing.assert_allclose(back["weight_s"], state["weight_s"], rtol=0, atol=4 * 2.0**-53)
    torch["weight_g"][2] *= -1
    with pytest.raises(ValueError, match="not above 0"):
        interop.convert(torch, "torch", "minwn", like=state)


def test_the_scale_of_a_wrapper_is_that_of_flax(rng: Any) -> None:
    wrapper = nn.WeightNormWrapper(nn.Linear(3, 5, rng=rng), scale_init="norm", epsilon=0.1)
    flax = interop.convert(wrapper.state_dict(), "minwn", "flax", epsilon=0.1)["params"]
    scale = wrapper.state_dict()["weight/scale"]
    np.testing.assert_array_equal(flax["layer_instance/kernel/scale"], scale)
    like = wrapper.state_dict()
    assert_same(interop.convert(flax, "flax", "minwn", like=like, epsilon=0.1), like)


# ---- dim ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "v", "g", "dim"),
    [
        ("torch", (5, 3), (5, 1), (5, 1)),
        ("torch", (5, 3), (1, 3), (1, 3)),
        ("torch", (3, 3), (1, 3), (1, 3)),  # with the rank kept, a square is no riddle
        ("torch", (5, 3), (), ()),
        ("torch", (5, 3), (1, 1), ()),
        ("torch", (5, 3), (1,), ()),
        ("torch", (1, 3), (1, 1), (1, 1)),  # PyTorch's norm of the whole would be 0-d
        ("torch", (5,), (5,), (5,)),
        ("flax", (3, 5), (5,), (5, 1)),  # kernels are (in, out)
        ("flax", (3, 5), (3,), (1, 3)),
        ("flax", (3, 5), (), ()),
        ("flax", (3, 5), (3, 5), (5, 3)),
        ("flax", (3, 1), (1,), (1, 1)),
        ("flax", (2, 4, 3, 5), (2, 4), (1, 1, 2, 4)),
        ("equinox", (5, 3), (1, 1), ()),
    ],
)
def test_dim_is_read_from_the_shape_of_g(source: str, v: Any, g: Any, dim: Any, rng: Any) -> None:
    keys = {"torch": ("weight_g", "weight_v"), "equinox": ("g", "layer.weight")}.get(
        source, ("params.layer_instance/kernel/scale", "params.layer_instance.kernel")
    )
    state = dict(zip(keys, (rng.normal(size=g), rng.normal(size=v)), strict=True))
    assert interop.convert(state, source, "minwn")["weight_g"].shape == dim


@pytest.mark.parametrize(
    ("source", "v", "g", "says"),
    [
        ("flax", (4, 4), (4,), "dim 0 or 1"),
        ("flax", (3, 3, 5, 7), (3,), "dim 2 or 3"),
        ("equinox", (1, 3), (1, 1), "dim None or 0"),
        ("torch", (5, 3), (3, 1), "fits no axes"),
        ("torch", (5, 3), (5,), "fits no axes"),
        ("torch", (5, 3), (5, 3), "fits no axes"),
        ("torch", (5, 3), (2,), "fits no axes"),
        ("flax", (3, 5), (4,), "fits no axes"),
        ("flax", (3, 5), (5, 3), "fits no axes"),
        ("flax", (3, 5), (1, 1), "fits no axes"),
    ],
)
def test_an_ambiguous_or_wrong_g_is_refused(
    source: str, v: Any, g: Any, says: str, rng: Any
) -> None:
    keys = {"torch": ("weight_g", "weight_v"), "equinox": ("g", "layer.weight")}.get(
        source, ("params.layer_instance/kernel/scale", "params.layer_instance.kernel")
    )
    state = dict(zip(keys, (rng.normal(size=g), rng.normal(size=v)), strict=True))
    with pytest.raises(ValueError, match=says) as refusal:
        interop.convert(state, source, "minwn")
    if " or " in says:
        assert "'output'" in str(refusal.value)
        dim = int(says[-1])
        found = interop.convert(state, source, "minwn", dim=dim)
        n = found["weight_v"].shape[dim]
        assert found["weight_g"].shape == (1,) * dim + (n,) + (1,) * (len(v) - dim - 1)


@pytest.mark.parametrize(
    ("dim", "error", "says"),
    [
        (1, ValueError, r"weight_g of shape \(5, 1\); dim=1"),
        (None, ValueError, r"has \(\)"),
        (2, IndexError, "dim 2 of a weight"),
        ({"b": 0}, ValueError, "'b' fits no layer"),
    ],
)
def test_a_dim_that_g_does_not_have(dim: Any, error: type[Exception], says: str, rng: Any) -> None:
    state = numbers(rng, a__weight_g=(5, 1), a__weight_v=(5, 3))
    state = {name.removeprefix("a."): x for name, x in state.items()}
    with pytest.raises(error, match=says):
        interop.convert(state, "torch", "minwn", dim=dim)


def test_several_axes_go_to_flax_alone(rng: Any) -> None:
    state = numbers(rng, weight_g=(5, 3, 1), weight_v=(5, 3, 4))
    told: dict[str, Any] = {"form": "inside", "eps": 1e-12}
    flax = interop.convert(state, "minwn", "flax", **told)
    assert flax["params"]["layer_instance/kernel/scale"].shape == (3, 5)  # (in, out)
    assert_same(interop.convert(flax, "flax", "minwn", **told), state)
    for target in ("torch", "r", "parametrization", "equinox"):
        with pytest.raises(ValueError, match="keeps one axis"):
            interop.convert(state, "minwn", target)


# ---- names --------------------------------------------------------------------------------------


def test_rename_and_like(rng: Any) -> None:
    state = numbers(rng, **{"0__weight_g": (5, 1), "0__weight_v": (5, 3), "10__weight": (2, 5)})
    renamed = interop.convert(state, "torch", "minwn", rename={"0": "in.first", "10": "out"})
    assert list(renamed) == ["in.first.weight_g", "in.first.weight_v", "out.weight"]
    deeper = interop.convert(state, "torch", "minwn", rename={"": "net"})
    assert list(deeper) == ["net.0.weight_g", "net.0.weight_v", "net.10.weight"]
    like = {"params": {
        "norm": {"0/kernel/scale": np.zeros(5)}, "0": {"kernel": np.zeros((3, 5))},
        "10": {"kernel": np.zeros((5, 2))},
    }}
    found = interop.convert(state, "torch", "flax", like=like)
    assert found["params"]["norm"]["0/kernel/scale"].shape == (5,)
    assert_same(
        interop.convert(found, "flax", "torch"),
        interop.convert(interop.convert(state, "torch", "flax"), "flax", "torch"),
    )


def test_the_longest_beginning_is_renamed(rng: Any) -> None:
    state = numbers(rng, a__b__weight=(2, 3), a__c__weight=(2, 3), ab__weight=(2, 3))
    found = interop.convert(state, "torch", "minwn", rename={"a": "x", "a.b": "y"})
    assert list(found) == ["y.weight", "x.c.weight", "ab.weight"]


def test_wrappers_inside_wrappers(rng: Any) -> None:
    names = ("a.g", "a.layer.weight", "a.layer.b.g", "a.layer.b.layer.weight")
    state = {name: rng.normal(size=(1, 1) if name[-1] == "g" else (2, 3)) for name in names}
    state["a.layer.b.layer.bias"] = rng.normal(size=2)
    found = interop.convert(state, "equinox", "torch")
    assert list(found) == ["a.weight_g", "a.weight_v", "a.b.weight_g", "a.b.weight_v", "a.b.bias"]


def test_the_norms_of_flax_are_numbered_by_layers(rng: Any) -> None:
    shapes = {f"a__{n}__{p}_{c}": {"weight_g": (5, 1), "weight_v": (5, 3)}.get(f"{p}_{c}", (5,))
              for n in "qr" for p in ("weight", "bias") for c in "gv"}
    flax = interop.convert(numbers(rng, **shapes), "torch", "flax")["params"]["a"]
    assert {name: sorted(flax[name]) for name in flax if name.startswith("W")} == {
        "WeightNorm_0": ["q/bias/scale", "q/kernel/scale"],
        "WeightNorm_1": ["r/bias/scale", "r/kernel/scale"],
    }


@pytest.mark.parametrize(
    ("rename", "says"),
    [({"1": "a"}, "nothing begins with '1'"), ({"a": "b"}, "would stand for two")],
)
def test_a_wrong_rename(rename: Any, says: str, rng: Any) -> None:
    state = numbers(rng, a__weight=(5, 3), b__weight=(5, 3))
    with pytest.raises(ValueError, match=says):
        interop.convert(state, "torch", "minwn", rename=rename)


def test_like_is_matched_entirely(rng: Any) -> None:
    state = numbers(rng, enc__weight=(5, 3), enc__bias=(5,))
    with pytest.raises(KeyError) as refusal:
        interop.convert(state, "torch", "minwn", like=numbers(rng, encoder__weight=(5, 3)))
    for says in ("unexpected 'enc.weight'; did you mean 'encoder.weight'", "unexpected 'enc.bias'",
                 "missing 'encoder.weight'"):
        assert says in refusal.value.args[0]
    with pytest.raises(ValueError, match=r"enc.bias: shape \(5,\) for \(6,\)"):
        interop.convert(
            state, "torch", "minwn", like=numbers(rng, enc__weight=(5, 3), enc__bias=(6,))
        )


@pytest.mark.parametrize(
    ("source", "names", "says"),
    [
        ("torch", ["a.weight_g"], "without its 'a.weight_v'"),
        ("torch", ["a.weight_v", "a.bias"], "without its 'a.weight_g'"),
        ("minwn", ["weight_v"], "without its 'weight_g'"),
        ("parametrization", ["a.parametrizations.weight.original1"], "without its"),
        ("torch", ["a.weight_g", "a.weight_v", "a.weight"], "both stand for 'a.weight'"),
        ("flax", ["params.WeightNorm_0.a/kernel/scale", "params.b.kernel"], "of no parameter"),
        ("flax", ["params/a/kernel"], "by dots"),
        ("flax", ["params.a.kernel", "cache.a.index"], "neither of the collections"),
        ("flax", ["params.x.layer_instance.WN.d/kernel/scale",
                  "params.x.layer_instance/WN/d/kernel/scale/scale",
                  "params.x.layer_instance.d.kernel"], "scale of a scale"),
        ("keras", ["a"], "choose from"),
    ],
)
def test_names_that_make_no_state(source: str, names: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        interop.convert(dict.fromkeys(names, np.ones((1, 1))), source, "torch")


def test_names_that_only_look_like_a_pair(rng: Any) -> None:
    state = numbers(rng, loss_g=(2,), v=(3,), a__g=(4,))
    assert_same(interop.convert(state, "torch", "minwn"), state)
    assert_same(interop.convert(state, "equinox", "minwn"), state)


def test_what_only_one_framework_owns(rng: Any) -> None:
    state = numbers(
        rng, bn__weight=(3,), bn__bias=(3,), bn__running_mean=(3,), bn__running_var=(3,)
    )
    counted = state | {"bn.num_batches_tracked": np.array(7)}
    assert_same(interop.convert(counted, "torch", "minwn"), state)
    assert_same(interop.convert(counted, "torch", "parametrization"), counted)
    flax = interop.convert(counted, "torch", "flax")
    assert {k: sorted(x["bn"]) for k, x in flax.items()} == {
        "params": ["bias", "scale"], "batch_stats": ["mean", "var"],
    }
    assert_same(interop.convert(flax, "flax", "minwn"), state)


def test_an_embedding_is_known_by_its_name_in_flax(rng: Any) -> None:
    state = numbers(rng, tok__weight=(7, 3))
    flax = interop.convert(state, "minwn", "flax", kind={"tok": "embedding"})
    assert flax["params"]["tok"]["embedding"].shape == (7, 3)
    assert_same(interop.convert(flax, "flax", "minwn"), state)
    assert_same(interop.convert(state, "minwn", "flax", like=flax)["params"]["tok"],
                flax["params"]["tok"])


# ---- refusals of one parameter ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s | {"weight_g": s["weight_g"].astype("float32")}, "g is float32 and v float64"),
        (lambda s: s | {"weight_g": s["weight_g"].astype(int)}, "only floating weights"),
        (lambda s: s | {"weight_v": s["weight_v"].astype(object)}, "holds numbers"),
        (lambda s: s | {"weight_v": np.array(["a"])}, "holds numbers"),
    ],
)
def test_dtypes_that_have_no_norm(change: Callable[[State], State], says: str, rng: Any) -> None:
    state = change(numbers(rng, weight_g=(5, 1), weight_v=(5, 3)))
    with pytest.raises((ValueError, TypeError), match=says):
        interop.convert(state, "torch", "equinox")


def test_flax_may_mix_dtypes_and_the_state_is_copied(rng: Any) -> None:
    state = numbers(rng, weight_g=(5, 1), weight_v=(5, 3))
    state["weight_v"] = state["weight_v"].astype("float32")
    flax = interop.convert(state, "torch", "flax")["params"]
    assert flax["layer_instance/kernel/scale"].dtype == "float64"
    before = state["weight_v"].copy()
    flax["layer_instance"]["kernel"][...] = 0
    np.testing.assert_array_equal(state["weight_v"], before)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"kind": "convolution"}, "choose from"),
        ({"kind": "conv"}, "cannot have the axes"),
        ({"form": "plain", "eps": 1e-3}, "has no eps"),
        ({"epsilon": -1.0}, "eps=-1.0"),
        ({"kind": {"b.*": "linear"}}, "fits no layer"),
    ],
)
def test_settings_that_do_not_fit(told: Any, says: str, rng: Any) -> None:
    with pytest.raises(ValueError, match=says):
        interop.convert(numbers(rng, weight_g=(5, 1), weight_v=(5, 3)), "minwn", "flax", **told)


@pytest.mark.parametrize(
    ("shape", "bias", "how"),
    [
        ((6, 4, 3), 4, {}),  # of a transposed convolution, taken for a convolution
        ((4, 3, 3), 6, {"kind": "conv_transpose"}),  # in two groups
        ((4, 3), 3, {}),
    ],
)
def test_a_bias_that_contradicts_the_kind_is_an_error(shape, bias, how):
    state = {"a.weight": np.ones(shape), "a.bias": np.ones(bias)}
    with pytest.raises(ValueError, match=f"its bias has {bias} entries; say what it is"):
        interop.convert(state, "torch", "flax", **how)
    if len(shape) == 3:
        right = {"kind": "conv_transpose", "groups": 2 if how else 1}
        interop.convert(state, "torch", "equinox", **right)
