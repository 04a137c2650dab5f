"""fold, split and recognise, on states alone: whose names they are, which pairs, and the values."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import minwn
from minwn import interop
from minwn.interop.recognise import recognise, unwrapped

State = dict[str, Any]


def normalised(framework: str, rng: Any, dtype: str = "float64") -> State:
    """A state of a framework with two norms and an array that has none, flat."""
    state = {"a.0.weight_g": (5, 1), "a.0.weight_v": (5, 3), "a.0.bias": (5,),
             "a.1.weight_g": (2, 1), "a.1.weight_v": (2, 5), "b.weight": (4, 6)}
    arrays = {n: np.asarray(rng.normal(size=s), dtype) for n, s in state.items()}
    kept = {"form": "inside", "eps": 1e-12} if framework == "flax" else {}
    return interop.flatten(interop.convert(arrays, "minwn", framework, **kept), framework)


# ---- whose names --------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", interop.FRAMEWORKS)
def test_names_say_whose_they_are(framework: str, rng: Any) -> None:
    state = normalised(framework, rng)
    shared = framework if framework in ("parametrization", "flax", "equinox") else "torch"
    assert recognise(state) == shared
    for other in interop.FRAMEWORKS:
        if {framework, other} <= {"minwn", "torch", "r"} or framework == other:
            interop.convert(state, other, "minwn", dim="output")
            continue
        with pytest.raises(ValueError, match=f"give source='{shared}'"):
            interop.convert(state, other, "minwn")
        with pytest.raises(ValueError, match=f"source='{other}', but '.*' looks like {shared}'s"):
            interop.fold(state, source=other)
    with pytest.raises(ValueError, match=f"looks like {shared}'s: it is normalised already"):
        interop.split(state, target="torch" if shared != "torch" else "flax")


@pytest.mark.parametrize(
    ("names", "framework"),
    [
        (["a.weight", "a.bias"], None),
        (["params.a.kernel"], "flax"),
        (["a.kernel", "a.bias"], "flax"),
        (["batch_stats.bn.mean"], "flax"),
        (["a.kernel", "b.weight"], None),
        (["weight_s", "weight_v"], "minwn"),
        (["layer.weight", "weight/scale"], "minwn"),
        (["h.layer_instance.kernel", "h.scales.kernel"], "flax"),
        (["loss_g", "loss_v"], None),
        ([], None),
    ],
)
def test_other_names(names: list[str], framework: str | None) -> None:
    shapes = {"_s": (3, 1), "ernel": (3, 3), "cale": (3,), "ss_g": (3,), "ss_v": (5, 2)}
    state = {n: np.ones(shapes.get(n[-5:], shapes.get(n[-4:], shapes.get(n[-2:], (3, 3)))))
             for n in names}
    assert recognise(state) == framework


def test_two_kinds_of_names_are_an_error_that_shows_both(rng: Any) -> None:
    pairs = [("torch", "parametrization"), ("torch", "equinox"), ("flax", "parametrization")]
    for one, other in pairs:
        state = normalised(one, rng) | {
            f"x.{n}": x for n, x in normalised(other, rng).items() if "b" not in n
        }
        for act in (recognise, lambda s, one=one: interop.fold(s, source=one)):
            with pytest.raises(ValueError, match="looks like") as refusal:
                act(state)
            assert f"like {one}'s" in str(refusal.value)
            assert f"like {other}'s" in str(refusal.value)


def test_a_plain_file_of_torch_is_not_transposed_as_of_flax(rng: Any) -> None:
    with pytest.raises(ValueError, match="Flax has a kernel; give source='torch'"):
        interop.convert({"a.weight": rng.normal(size=(3, 4))}, "flax", "torch")


def test_weights_of_torch_are_not_split_as_those_of_flax(rng: Any) -> None:
    plain = {"a.weight": rng.standard_normal((3, 2))}
    with pytest.raises(ValueError, match=r"target='flax', but .*a weight of PyTorch"):
        interop.split(plain, target="flax")


@pytest.mark.parametrize(
    ("names", "new", "lines"),
    [
        (["module.a", "module.b"], ["a", "b"], 1),
        (["module.a", "n_averaged"], ["a", "n_averaged"], 1),
        (["module.a", "b"], ["module.a", "b"], 0),
        (["_orig_mod.a", "b._orig_mod.c"], ["a", "b.c"], 1),
        (["module._orig_mod.a"], ["a"], 2),
        (["a", "_orig_mod.a"], ["a", "_orig_mod.a"], 0),  # they would be one
        (["n_averaged"], ["n_averaged"], 0),
    ],
)
def test_the_levels_of_wrappers_are_left_out(names: Any, new: Any, lines: int) -> None:
    state, said = unwrapped({name: n for n, name in enumerate(names)})
    assert list(state) == new
    assert len(said) == lines


# ---- which pairs --------------------------------------------------------------------------------


def test_a_pair_by_name_alone_is_carried(rng: Any) -> None:
    state = {"loss_g": np.ones(3), "loss_v": np.ones((5, 2)), "same_g": np.ones((2, 3)),
             "same_v": np.ones((2, 3)), "a.g": np.ones((4, 4)), "a.layer.weight": np.ones((4, 2))}
    assert interop.fold(state, source="torch").keys() == state.keys()
    assert interop.fold(state, source="equinox").keys() == state.keys()
    assert set(interop.fold(state | {"q_g": np.ones((3, 1)), "q_v": np.ones((3, 2))},
                            source="torch")) == {*state, "q"}


def test_numbers_that_have_no_norm_are_carried() -> None:
    state = {"step_g": np.array(3), "step_v": np.ones((2, 2), int), "q_g": np.float32(2),
             "q_v": np.float32(3), "r_g": np.ones((2, 1)), "r_v": np.ones((2, 2), int)}
    assert interop.fold(state, source="torch").keys() == state.keys()


def test_many_axes_and_many_layers(rng: Any) -> None:
    many = {"weight_g": np.ones((1,) * 30), "weight_v": np.ones((1,) * 30)}
    with pytest.raises(ValueError, match="with 30 axes: say with dim"):
        interop.fold(many, source="torch")
    assert interop.fold(many, source="torch", dim=0)["weight"].shape == (1,) * 30
    pair = (("g", 1), ("v", 3))
    state = {f"l{n}.weight_{c}": np.ones((2, m)) for n in range(300) for c, m in pair}
    flax = interop.convert(state, "torch", "flax")["params"]
    assert "l299/kernel/scale" in flax["WeightNorm_299"]


def test_a_pair_can_be_excluded(rng: Any) -> None:
    state = {f"{p}_{c}": rng.normal(size=s) for p in ("a.weight", "b.weight", "b.c")
             for c, s in (("g", (4, 1)), ("v", (4, 2)))} | {"half.weight_v": rng.normal(size=3)}
    with pytest.raises(ValueError, match=r"without its 'half\.weight_g'"):
        interop.fold(state, source="torch")
    for exclude in (["half", "b.*"], ["half.weight", "b"], ["half*", "b.weight", "b.c"]):
        assert set(interop.fold(state, source="torch", exclude=exclude)) == {
            "a.weight", "b.weight_g", "b.weight_v", "b.c_g", "b.c_v", "half.weight_v",
        }
        found = interop.convert(state, "torch", "parametrization", exclude=exclude)
        assert "b.weight_g" in found
        assert "a.parametrizations.weight.original0" in found
    with pytest.raises(ValueError, match="exclude: 'd' fits no pair"):
        interop.fold(state, source="torch", exclude=["half", "d"])
    with pytest.raises(ValueError, match=r"give exclude='a\.weight'"):
        interop.fold({"a.weight_g": np.ones(3), "a.weight_v": np.ones((2, 2))}, source="torch")


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", interop.FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_fold_and_split_undo_each_other(framework: str, dtype: str, rng: Any) -> None:
    state = normalised(framework, rng, dtype)
    before = {n: x.copy() for n, x in state.items()}
    plain = interop.fold(state, source=framework, dim="output")
    assert len(plain) == 4
    again = interop.split(plain, target=framework, names=["a.*"])
    assert again.keys() == state.keys()
    assert all(again[n].shape == x.shape and again[n].dtype == dtype for n, x in state.items())
    twice = interop.fold(again, source=framework, dim="output")
    for name, w in plain.items():
        np.testing.assert_allclose(twice[name], w, rtol=2 * np.finfo(dtype).eps)
    for name, x in before.items():
        np.testing.assert_array_equal(state[name], x)


def test_the_weight_is_that_of_each_length(rng: Any) -> None:
    v, g = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    n = np.sqrt((v * v).sum(1, keepdims=True))
    lengths = {"plain": n, "inside": np.sqrt(n * n + 0.1), "outside": n + 0.1,
               "rms": n / np.sqrt(3) + 0.1, "max_n": np.maximum(n, 0.1)}
    for form, h in lengths.items():
        eps = 0.0 if form == "plain" else 0.1
        found = interop.fold({"weight_g": g, "weight_v": v}, source="minwn", form=form, eps=eps)
        np.testing.assert_allclose(found["weight"], g * v / h, rtol=1e-14)
        again = interop.split(found, target="minwn", form=form, eps=eps)
        w = interop.fold(again, source="minwn", form=form, eps=eps)["weight"]
        np.testing.assert_allclose(w, found["weight"], rtol=1e-14)
    s = interop.fold({"weight_s": np.log(abs(g)), "weight_v": v}, source="minwn")["weight"]
    np.testing.assert_allclose(s, abs(g) * v / n, rtol=1e-14)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e-42])
def test_norms_beyond_the_range_of_float32_are_right(scale: float, rng: Any) -> None:
    v = (rng.normal(size=(4, 300)) * scale).astype("float32")
    g = rng.normal(size=(4, 1)).astype("float32")
    wide = v.astype("float64")
    expected = g * wide / np.sqrt((wide * wide).sum(1, keepdims=True))
    found = interop.fold({"weight_g": g, "weight_v": v}, source="torch")["weight"]
    np.testing.assert_array_equal(found, expected.astype("float32"))
    half = {"weight_g": g.astype("float16"), "weight_v": np.full((4, 70_000), 1, "float16")}
    np.testing.assert_allclose(
        interop.fold(half, source="torch")["weight"],
        np.broadcast_to(half["weight_g"] / 70_000**0.5, (4, 70_000)), rtol=2e-3,
    )


def test_zeros_and_what_is_not_finite(rng: Any) -> None:
    v = rng.normal(size=(4, 3))
    v[1], v[3, 0] = 0, np.nan
    state = {"a.weight_g": np.ones((4, 1)), "a.weight_v": v}
    with pytest.raises(minwn.ZeroNormError, match=r"a\.weight: v is zero in 1 of 4 slices \(1\)"):
        interop.fold(state, source="torch")
    with pytest.raises(minwn.ZeroNormError, match=r"a\.weight: v is zero in 1 of 4 slices \(1\)"):
        interop.split({"a.weight": v}, target="torch")
    v[1] = 1
    w = interop.fold(state, source="torch")["a.weight"]
    np.testing.assert_array_equal(np.isnan(w).any(1), [False, False, False, True])
    with pytest.raises(ValueError, match="v is not finite in 1 of 4 slices"):
        interop.convert(state, "torch", "flax")
    flax = {"params.a.kernel": np.zeros((3, 4))}
    found = interop.split(flax, target="flax")
    np.testing.assert_array_equal(interop.fold(found, source="flax", dim=0)["params.a.kernel"], 0)
    with pytest.raises(ValueError, match="beyond float16"):
        interop.fold({"weight_g": np.full((1, 1), 1e6), "weight_v": np.ones((1, 1))},
                     source="torch", dtype="float16")
    with pytest.raises(ValueError, match=r"weight has numbers up to 1e\+06, beyond float16"):
        interop.split({"weight": np.full((1, 1), 1e6)}, target="torch", dtype="float16")
    with pytest.raises(minwn.ZeroNormError, match="v is zero"):  # in float16
        interop.split({"weight": np.full((1, 1), 1e-30)}, target="torch", dtype="float16")


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64"])
def test_weights_are_never_rounded_to_whole_numbers(dtype: str, rng: Any) -> None:
    plain = {"a.weight": rng.standard_normal((3, 2))}
    with pytest.raises(TypeError, match=f"dtype='{dtype}'; choose from float64"):
        interop.split(plain, target="torch", dtype=dtype)
    normalised = interop.split(plain, target="torch")
    with pytest.raises(TypeError, match=f"dtype='{dtype}'; choose from float64"):
        interop.fold(normalised, source="torch", dtype=dtype)


def test_dtype_casts_floats_alone(rng: Any) -> None:
    state = {"weight_g": rng.normal(size=(2, 1)), "weight_v": rng.normal(size=(2, 3)),
             "bias": rng.normal(size=2), "n": np.array(3)}
    found = interop.fold(state, source="torch", dtype="float32")
    assert {n: str(x.dtype) for n, x in found.items()} == {
        "weight": "float32", "bias": "float32", "n": "int64",
    }


# ---- split: which, and along which axis ---------------------------------------------------------


PLAIN = {"conv.weight": (4, 3, 2), "conv.bias": (4,), "norm.weight": (4,), "rnn.weight_ih": (8, 3),
         "rnn.weight_hh": (8, 8), "rnn.bias_ih": (8,), "table": (3, 3), "count": ()}


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (None, ["conv.weight", "rnn.weight_ih", "rnn.weight_hh"]),
        ("conv", ["conv.weight"]),
        (["c*", "rnn.weight_hh"], ["conv.weight", "rnn.weight_hh"]),
        ("rnn", ["rnn.weight_ih", "rnn.weight_hh"]),
        ("*", ["conv.weight", "rnn.weight_ih", "rnn.weight_hh"]),
        ("norm.weight", ["norm.weight"]),  # by its full name alone
        (["table"], ["table"]),
    ],
)
@pytest.mark.parametrize("target", ["torch", "parametrization", "minwn"])
def test_which_weights_are_split(names: Any, split: list[str], target: str, rng: Any) -> None:
    state = {n: rng.normal(size=s) for n, s in PLAIN.items()}
    found = interop.split(state, target=target, names=names)
    assert {n for n in PLAIN if n not in found} == set(split)
    assert len(found) == len(PLAIN) + len(split)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("norm", "'norm' fits no weight with two axes"),
        ("conv.bias", "'conv.bias' fits"),
        (["conv", "con"], "'con' fits .*; did you mean 'conv"),
    ],
)
def test_patterns_that_name_no_weight(names: Any, says: str, rng: Any) -> None:
    state = {n: rng.normal(size=s) for n, s in PLAIN.items()}
    with pytest.raises(ValueError, match=says):
        interop.split(state, target="torch", names=names)


@pytest.mark.parametrize(
    ("target", "kind", "dim", "g"),
    [
        ("torch", None, "default", (4, 1, 1)), ("torch", "conv_transpose", "default", (4, 1, 1)),
        ("torch", "conv_transpose", "output", (1, 3, 1)), ("torch", None, 2, (1, 1, 2)),
        ("torch", None, None, ()), ("torch", None, {"conv": -1}, (1, 1, 2)),
        ("flax", None, "default", (2,)), ("flax", "conv_transpose", "default", (2,)),
        ("flax", "transpose_kernel", "default", (2,)), ("flax", None, (0, 1), (3, 2)),
        ("equinox", None, "default", (4, 1, 1)),
        ("equinox", "conv_transpose", "default", (4, 1, 1)),
        ("equinox", "conv_transpose", "output", (4, 1, 1)), ("equinox", None, None, (1, 1, 1)),
    ],
)
def test_the_axis_of_a_split_weight(target: str, kind: Any, dim: Any, g: Any, rng: Any) -> None:
    name = "params.conv.kernel" if target == "flax" else "conv.weight"
    state = {name: rng.normal(size=(4, 3, 2))}
    found = interop.split(state, target=target, kind=kind, dim=dim)
    gains = [x for n, x in found.items() if n.endswith(("_g", "scale", ".g"))]
    assert [x.shape for x in gains] == [g]
    told = dim if dim != "default" else "infer"
    back = interop.fold(found, source=target, kind=kind, dim=told)
    np.testing.assert_allclose(back[name], state[name], rtol=1e-15)


def test_nested_states_stay_nested(rng: Any) -> None:
    tree = {"net": {"a.weight_g": rng.normal(size=(2, 1)), "a.weight_v": rng.normal(size=(2, 3)),
                    "blocks": [{"bias": rng.normal(size=2)}]}}
    found = interop.fold(tree, source="torch")
    assert list(found) == ["net"]
    assert set(found["net"]) == {"a.weight", "blocks.0.bias"}
    with pytest.raises(ValueError, match="is there twice"):
        interop.fold({"a": {"b": np.ones(1)}, "a.b": np.ones(1)}, source="torch")


def test_rename_while_folding(rng: Any) -> None:
    for framework in interop.FRAMEWORKS:
        plain = interop.fold(
            normalised(framework, rng), source=framework, rename={"a": "x", "b": "y"}, dim="output"
        )
        assert {n.removeprefix("params.").rpartition(".")[0] for n in plain} == {"x.0", "x.1", "y"}


# ---- the same every time ------------------------------------------------------------------------


def test_the_order_of_the_names_changes_nothing(rng: Any) -> None:
    layers = ("l2", "l10", "l1")
    arrays = {f"{x}.weight_{c}": rng.normal(size=s) for x in layers
              for c, s in (("g", (4, 1)), ("v", (4, 3)))}
    results = []
    for names in itertools.islice(itertools.permutations(arrays), 0, 720, 50):
        state = {n: arrays[n] for n in names}
        flax = interop.convert(state, "torch", "flax")
        results.append(interop.flatten(flax, "flax"))
    for found in results:
        assert found.keys() == results[0].keys()
        for name, x in found.items():
            np.testing.assert_array_equal(x, results[0][name])
    assert [n for n in sorted(results[0]) if "scale" in n] == [
        "params.WeightNorm_0.l1/kernel/scale", "params.WeightNorm_1.l2/kernel/scale",
        "params.WeightNorm_2.l10/kernel/scale",
    ]


@pytest.mark.parametrize("target", ["torch", "parametrization", "r"])
def test_a_pure_rename_needs_no_layout(target: str, rng: Any) -> None:
    state = {"up.weight": rng.normal(size=(4, 3, 3)), "up.bias": rng.normal(size=6)}
    assert interop.convert(state, "minwn", target).keys() == state.keys()
    with pytest.raises(ValueError, match="say what it is"):
        interop.convert(state, "minwn", "equinox")


# ---- random states there and back ---------------------------------------------------------------


def test_random_states_go_there_and_back() -> None:
    hypothesis = pytest.importorskip("hypothesis", reason="it draws the states")
    from hypothesis import strategies as st

    name = st.lists(st.sampled_from(["a", "b", "up", "0", "10", "2"]), min_size=1, max_size=3)
    layer = st.tuples(
        name.map(".".join), st.integers(2, 4).flatmap(
            lambda n: st.tuples(*[st.integers(1, 4)] * n)), st.booleans(), st.booleans(),
        st.sampled_from(["float64", "float32", "float16"]), st.integers(0, 2**32 - 1),
    )

    def built(layers: Any) -> State:
        state: State = {}
        for path, shape, pair, bias, dtype, seed in layers:
            draw = np.random.default_rng(seed)
            v = (draw.uniform(0.5, 2, shape) * draw.choice([-1, 1], shape)).astype(dtype)
            g = draw.uniform(0.5, 2, (shape[0], *(1,) * (len(shape) - 1))).astype(dtype)
            state |= {f"{path}.weight_g": g, f"{path}.weight_v": v} if pair else {
                f"{path}.weight": v}
            if bias:
                state[f"{path}.bias"] = np.ones(shape[0], dtype)
        return state

    @hypothesis.settings(max_examples=150, deadline=None, database=None)
    @hypothesis.given(
        st.lists(layer, min_size=1, max_size=4, unique_by=lambda x: x[0]),
        st.sampled_from(list(interop.FRAMEWORKS)),
    )
    def check(layers: Any, target: str) -> None:
        state = built(layers)
        paths = {x[0] for x in layers}
        hypothesis.assume(not any(p != q and f"{p}.".startswith(f"{q}.") for p in paths
                                  for q in paths))
        told = {"dim": 0, "form": "inside", "eps": 1e-12}
        there = interop.convert(state, "minwn", target, **told)
        found = interop.convert(there, target, "minwn", **told)
        assert found.keys() == state.keys()
        same = target in ("flax", "minwn")  # over the same length, bit by bit
        for key, x in state.items():
            assert found[key].dtype == x.dtype
            np.testing.assert_allclose(
                found[key].astype("float64"), x.astype("float64"),
                rtol=0 if same or not key.endswith("_g") else 2 * np.finfo(x.dtype).eps,
            )
        flat = interop.flatten(there, target)
        plain = interop.fold(flat, source=target, dim=0)
        pairs = [x[0] for x in layers if x[2]]
        if pairs:
            again = interop.split(plain, target=target, names=pairs, dim=0)
            assert again.keys() == flat.keys()
            twice = interop.fold(again, source=target, dim=0)
            for key, w in plain.items():
                np.testing.assert_allclose(
                    twice[key].astype("float64"), w.astype("float64"),
                    rtol=2 * np.finfo(w.dtype).eps,
                )

    check()
