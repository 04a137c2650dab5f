"""Real libraries before the judge: what holds, what does not, and what they have not got."""

from dataclasses import replace

import numpy as np
import pytest

from minwn.oracle.check_adapter import check_adapter
from minwn.oracle.targets import adapters
from minwn.oracle.targets.adapters.adapter import Adapter

PLAIN = [i.name for i in adapters.ADAPTERS.values() if i.family in ("numpy", "minwn")]
# A compilation for each shape: few shapes for those that compile.
FEW = {"groups": ["dyadic", "undefined"], "ranks": [2]}


def installed(name):
    [adapter] = adapters.get(name)
    if adapter.missing():
        pytest.skip(adapter.missing())
    return adapter


def ranks(axis):
    """Enough of them; one norm of the whole is asked of vectors."""
    return [1, 2] if axis is None else [2, 3]


def ids(report):
    return [d.id for d in report.diagnosis]


def checks(report):
    return {r.name: r.ok for r in report.checks if r.checked}


# ---- the plain references -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_reference_passes_on_every_axis_dtype_and_order(name):
    [adapter] = adapters.get(name)
    for axis in adapter.axes:
        for dtype in ("float64", "float32", "float16"):
            report = check_adapter(adapter, axis=axis, dtype=dtype, ranks=ranks(axis))
            assert report.verdict == "PASS", str(report)
            has = set(adapter.functions(axis, "plain", 0.0))
            assert ("product" in checks(report)) == ("jvp" in has)
            assert ("second order" in checks(report)) == ("double_backward" in has)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["minwn.byhand", "minwn.composed", "minwn.layer"])
def test_minwn_has_every_form(name):
    [adapter] = adapters.get(name)
    for form, eps in adapter.lengths:
        # Autodiff of a root has no derivative at zero, where these three have one.
        at_zero = name == "minwn.composed" and form in ("outside", "max_n", "rms")
        groups = ["dyadic", "generic", "angle", "axes"] if at_zero else None
        report = check_adapter(adapter, form=form, groups=groups, ranks=[2])
        assert (report.verdict, report.eps) == ("PASS", eps), str(report)


# ---- the libraries ------------------------------------------------------------------------------

FROZEN = "second_frozen_norm"
TORCH = {
    "torch.hook": {0: FROZEN, -1: FROZEN, None: None},
    "torch.parametrization": {0: FROZEN, -1: FROZEN, None: None},
    "torch.first": {0: FROZEN}, "torch.last": {-1: FROZEN}, "torch.inner": {-2: None},
    "torch.whole": {None: None},
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TORCH)
def test_torch(name, dtype):
    adapter = installed(name)
    assert set(TORCH[name]) == set(adapter.axes)
    for axis, mistake in TORCH[name].items():
        report = check_adapter(adapter, axis=axis, dtype=dtype, ranks=ranks(axis))
        assert ids(report) == ([mistake] if mistake else []), str(report)
        assert [name for name, ok in checks(report).items() if not ok] == (
            ["second order"] if mistake else []
        )
        forward = [note for note in report.notes if note.startswith("no forward mode")]
        assert len(forward) == (name != "torch.inner")
        assert "zero slice: w = NaN, v_bar = NaN, g_bar = NaN" in report.notes


@pytest.mark.slow
def test_torch_keeps_half_norms_in_float32_where_it_is_fused():
    for name in ("torch.first", "torch.last"):
        report = check_adapter(installed(name), dtype="float16")
        assert report.groups["range"] == "ok"
    assert check_adapter(installed("torch.whole"), dtype="float16").groups["range"] == "limit"


JAX = ["flax.linen", "flax.nnx", "equinox.wrapper"]


def first_order(adapter):
    def functions(*settings):
        roles = adapter.functions(*settings)
        return {role: roles[role] for role in ("forward", "backward")}

    return replace(adapter, functions=functions)


@pytest.mark.slow
@pytest.mark.parametrize("name", JAX)
def test_flax_and_equinox_are_right_at_every_order(name):
    report = check_adapter(installed(name), **FEW)
    assert report.verdict == "PASS", str(report)
    assert {"dyadic", "forward", "gradients", "product", "second order"} <= set(checks(report))
    zeros = [note for note in report.notes if note.startswith("zero slice")]
    assert bool(zeros) == (name == "equinox.wrapper")  # eps gives zeros an answer


@pytest.mark.slow
@pytest.mark.parametrize(("axis", "dtype"), [(..., "float32"), (0, "float64"), (None, "float64")])
@pytest.mark.parametrize("name", JAX)
def test_flax_and_equinox_in_float32_and_on_other_axes(name, axis, dtype):
    adapter, few = first_order(installed(name)), {"groups": ["angle", "undefined"]}
    report = check_adapter(adapter, axis=axis, dtype=dtype, **few, ranks=ranks(axis))
    assert report.verdict == "PASS", str(report)
    assert {"forward", "gradients"} <= set(checks(report))


@pytest.mark.slow
def test_flax_loses_its_eps_in_float16():
    adapter = first_order(installed("flax.linen"))
    report = check_adapter(adapter, dtype="float16", groups=["undefined"], ranks=[2])
    assert (report.verdict, report.groups["undefined"]) == ("FAIL", "FAIL")


def test_paddle():
    adapter = installed("paddle.hook")
    for axis in adapter.axes:  # its gradient has an eps that its forward has not, below float32
        assert ids(check_adapter(adapter, axis=axis)) == ["eps_in_bwd_only"]
        report = check_adapter(adapter, axis=axis, dtype="float32")
        assert report.verdict == "PASS", str(report)
        assert report.notes[0].startswith("no second order: RuntimeError: (Unavailable)")
    for dtype in ("float64", "float32"):
        report = check_adapter(installed("paddle.whole"), dtype=dtype)
        assert [group for group, cell in report.groups.items() if cell == "FAIL"] == ["undefined"]
        assert checks(report)["second order"]


# ---- the register -------------------------------------------------------------------------------


def test_names():
    assert [i.name for i in adapters.get("equinox")] == ["equinox.wrapper"]
    assert len(adapters.get("torch")) == 6
    assert len(adapters.get("all")) == len(adapters.ADAPTERS)
    with pytest.raises(KeyError, match=r"choose from all, torch, flax.*torch\.hook"):
        adapters.get("tensorflow")


def absent(axis, form, eps):
    raise AssertionError("nothing is imported of what is not installed")


def test_what_is_not_installed_says_how_to_install_it():
    adapter = Adapter("x.y", "x", "no-such-distribution", absent)
    assert adapter.version is None
    with pytest.raises(ValueError, match="pip install no-such-distribution"):
        check_adapter(adapter)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"axis": 7}, "axis 7; it is checked for 0, -1, None"), ({"form": "rms"}, "it computes plain"),
     ({"eps": 0.1}, "plain with eps 0.1"), ({"dtype": "int8"}, "it knows float64")],
)
def test_what_is_not_claimed_is_not_judged(asked, said):
    with pytest.raises(ValueError, match=said):
        check_adapter(adapters.ADAPTERS["numpy.fused"], **asked)


def test_a_later_order_that_raises_is_left_out_and_told():
    def functions(axis, form, eps):
        def jvp(*arrays):
            raise NotImplementedError("not yet\nsecond line")

        def backward(w_bar, v, g):
            return right["backward"](w_bar, v, g)

        right = adapters.ADAPTERS["numpy.fused"].functions(axis, form, eps)
        return right | {"backward": backward, "jvp": jvp}

    report = check_adapter(Adapter("numpy.x", "x", "numpy", functions))
    assert report.notes[0] == "no forward mode: NotImplementedError: not yet"
    assert report.verdict == "PASS"
    assert "product" not in checks(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", adapters.ADAPTERS)
def test_an_implementation_leaves_the_arrays_and_their_dtype_alone(name):
    adapter = installed(name)
    axis, rng = adapter.axes[0], np.random.default_rng(5)
    shape = () if axis is None else {0: (3, 1), -2: (3, 1), -1: (1, 4)}[axis]
    v, w_bar, g = (rng.normal(size=s).astype("float32") for s in ((3, 4), (3, 4), shape))
    kept = [x.copy() for x in (v, w_bar, g)]
    roles = adapter.functions(axis, *adapter.lengths[0])
    w, (v_bar, g_bar) = roles["forward"](v, g), roles["backward"](w_bar, v, g)
    for answer, like in ((w, v), (v_bar, v), (g_bar, g)):
        assert (answer.shape, answer.dtype) == (like.shape, like.dtype)
    for x, was in zip((v, w_bar, g), kept, strict=True):
        np.testing.assert_array_equal(x, was)
