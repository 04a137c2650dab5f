"""Whole layers: right ones pass as they are, wrong ones fail with the name of their mistake."""

import itertools
import json
import time

import numpy as np
import pytest

from minwn.oracle import check_layer

from .. import layer_implementations as right
from ..wrong_layers import WRONG, wrong_layer

CONV = {"kind": "conv2d", "stride": 2, "padding": 1}


def conv(style="taps", stride=2, pad=1):
    return right.with_norm(*right.STYLES[style], stride=stride, pad=pad)


def passes(report):
    assert report.verdict == "PASS", str(report)
    assert not report.notes or report.notes[0].startswith(("g is handed", "without a bias"))
    return True


# ---- right layers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 2), (2, 0), (2, 1), (3, 2)])
@pytest.mark.parametrize("style", right.STYLES)
def test_every_style_passes(style, stride, pad, dtype):
    options = {"kind": "conv2d", "stride": stride, "padding": pad, "dtype": dtype}
    functions = conv(style, stride, pad)
    assert passes(check_layer(*functions, **options))
    if dtype == "float64":
        report = check_layer(*right.flat(*functions), **options)
        assert passes(report)
        assert report.notes == ["g is handed over in the shape (o,)"]


def test_linear_and_transposed_layers_pass():
    linear = right.with_norm(right.linear_forward, right.linear_backward)
    assert passes(check_layer(*linear, kind="linear"))
    for stride, pad in itertools.product((1, 2, 3), (0, 1)):
        functions = right.transposed_forward, right.transposed_backward
        options = {"kind": "conv_transpose2d", "stride": stride, "padding": pad}
        assert passes(check_layer(*right.with_norm(*functions, stride=stride, pad=pad), **options))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_plain_weights_and_no_bias(normalised, bias):
    forward, backward = right.STYLES["views"]

    def plain(x, w, b=0.0):
        return forward(x, w, b if np.ndim(b) else np.zeros(len(w)))

    weighted = right.normalised if normalised else None
    if normalised and bias:
        functions = right.with_norm(forward, backward)
    elif normalised:
        functions = (
            lambda x, v, g: plain(x, weighted(v, g)[0]),
            lambda y_bar, x, v, g: right.with_norm(forward, backward)[1](y_bar, x, v, g, None)[:3],
        )
    elif bias:
        functions = plain, lambda y_bar, x, w, b: backward(y_bar, x, w)
    else:
        functions = lambda x, w: plain(x, w), lambda y_bar, x, w: backward(y_bar, x, w)[:2]
    report = check_layer(*functions, kind="conv2d", normalised=normalised)
    assert passes(report)
    assert bool(report.notes) is not bias
    assert not report.skipped


def test_whether_there_is_a_bias_is_tried_where_no_signature_tells():
    forward, backward = conv()

    def without(*arguments):
        x, v, g = arguments
        return forward(x, v, g, np.zeros(len(v)))

    def back(*arguments):
        y_bar, x, v, g = arguments
        return backward(y_bar, x, v, g, None)

    report = check_layer(without, back, **CONV)
    assert passes(report)
    assert report.notes == ["without a bias: forward takes no b"]
    assert passes(check_layer(lambda *a: forward(*a), lambda *a: backward(*a), **CONV))


def test_a_default_that_is_an_option_is_no_bias():
    def forward(x, w, stride=1):
        return right.views_forward(x, w, np.zeros(len(w)), stride)

    assert passes(check_layer(forward, kind="conv2d", normalised=False))


def test_answers_that_are_none_are_not_judged():
    forward, backward = conv()

    def some(*arguments):
        x_bar, _, g_bar, _ = backward(*arguments)
        return x_bar, None, g_bar, None

    report = check_layer(forward, some, **CONV)
    assert passes(report)
    assert report.skipped == [("v_bar, b_bar", "not answered")]
    assert check_layer(forward, **CONV).skipped == [
        ("the gradients", "there is no backward")
    ]
    assert check_layer(None, backward, **CONV).skipped == [("y", "there is no forward")]


def test_a_layer_of_fixed_sizes():
    def fixed(f):
        def called(*arguments):
            assert arguments[-3].shape == (3, 2, 3, 3)  # v, before g and b
            return f(*arguments)

        return called

    functions = [fixed(f) for f in conv()]
    assert passes(check_layer(*functions, **CONV, kernel=3, channels=(2, 3)))


@pytest.mark.parametrize("layout", ["torch", "flax"])
def test_a_given_shape_is_judged(layout):
    shape = (2, 5, 17, 12) if layout == "torch" else (2, 17, 12, 5)
    forward, backward = conv()

    def moved(f):
        def called(*arguments):
            arrays = list(arguments)
            first = len(arrays) - 4
            for i in range(first + 1):
                arrays[i] = np.moveaxis(arrays[i], -1, 1)
            arrays[first + 1] = np.moveaxis(arrays[first + 1], (-1, -2), (0, 1))
            arrays[first + 2] = np.moveaxis(arrays[first + 2], (-1, -2), (0, 1))
            found = f(*arrays)
            if not isinstance(found, tuple):
                return np.moveaxis(found, 1, -1)
            weights = (np.moveaxis(a, (0, 1), (-1, -2)) for a in found[1:3])
            return np.moveaxis(found[0], 1, -1), *weights, found[3]

        return called

    functions = (forward, backward) if layout == "torch" else (moved(forward), moved(backward))
    report = check_layer(*functions, **CONV, layout=layout, shape=shape)
    assert passes(report)
    assert report.groups == dict.fromkeys(("integers", "reals", "shape"), "ok")


def test_a_linear_layer_of_several_leading_axes():
    def forward(x, w, b):
        return x @ w.T + b

    def backward(y_bar, x, w, b):
        flat, rows = y_bar.reshape(-1, len(w)), x.reshape(-1, x.shape[-1])
        return y_bar @ w, flat.T @ rows, flat.sum(axis=0)

    how = {"kind": "linear", "normalised": False, "shape": (2, 3, 5)}
    assert passes(check_layer(forward, backward, **how))


FORMS = [("inside", 0.5), ("outside", 0.25), ("rms", 1e-3), ("max_q", 0.25), ("max_n", 1e-6)]


@pytest.mark.parametrize(("form", "eps"), FORMS)
def test_other_lengths(form, eps):
    from minwn import byhand

    def forward(x, v, g, b):
        w = byhand.weight_norm.forward(v, g, form=form, eps=eps)
        return byhand.conv.forward(x, w, b, stride=2)

    def backward(y_bar, x, v, g, b):
        w = byhand.weight_norm.forward(v, g, form=form, eps=eps)
        x_bar, w_bar, b_bar = byhand.conv.vjp(y_bar, x, w, b, stride=2)
        return x_bar, *byhand.weight_norm.vjp(w_bar, v, g, form=form, eps=eps), b_bar

    options = {"kind": "conv2d", "stride": 2}
    assert passes(check_layer(forward, backward, form=form, eps=eps, **options))
    plain = right.with_norm(*right.STYLES["views"], stride=2)
    report = check_layer(*plain, form=form, eps=eps, **options)
    assert [d.id for d in report.diagnosis] == ["eps_missing"], str(report)


@pytest.mark.parametrize("axis", [0, 1, (0, 1), -1, None])
def test_other_axes(axis):
    from minwn import byhand

    def forward(x, v, g, b):
        return byhand.conv.forward(x, byhand.weight_norm.forward(v, g), b)

    def backward(y_bar, x, v, g, b):
        x_bar, w_bar, b_bar = byhand.conv.vjp(y_bar, x, byhand.weight_norm.forward(v, g), b)
        return x_bar, *byhand.weight_norm.vjp(w_bar, v, g), b_bar

    assert passes(check_layer(forward, backward, kind="conv1d", axis=axis))


# ---- frameworks ---------------------------------------------------------------------------------

GRID = [
    (f"conv{'_transpose' if transposed else ''}{d}d", stride, pad, dilation, groups, extra)
    for d, transposed in itertools.product((1, 2, 3), (False, True))
    for stride, pad, dilation, groups in itertools.product((1, 2, 3), (0, 1, 2), (1, 2), (1, 2, 3))
    for extra in ((0, 1) if transposed and stride > 1 else (0,))
]
FEW = GRID[:: len(GRID) // 24]


def in_torch(function, normalised, groups=1, transposed=False):
    """(forward, backward) of arrays for a function (x, w, b) of torch's tensors."""
    torch = pytest.importorskip("torch")

    def weight(v, g):
        view = v.reshape(groups, -1, *v.shape[1:]) if transposed and groups > 1 else v
        axes = (0, 2) if view is not v else (1,) if transposed else (0,)
        n = view.square().sum([a for a in range(view.ndim) if a not in axes], keepdim=True).sqrt()
        return (view * (g.reshape(n.shape) / n)).reshape(v.shape)

    def layer(x, *parameters):
        *weights, b = parameters
        return function(x, weight(*weights) if normalised else weights[0], b)

    def forward(*arrays):
        return layer(*map(torch.tensor, arrays)).numpy()

    def forward_backward(y_bar, *arrays):
        leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
        layer(*leaves).backward(torch.tensor(y_bar))
        return tuple(leaf.grad.numpy() for leaf in leaves)

    return forward, lambda y_bar, *arrays: forward_backward(y_bar, *arrays)


def check_in_torch(kind, stride, pad, dilation, groups, extra, normalised, dtype):
    functional = pytest.importorskip("torch.nn.functional")
    how = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups}
    how |= {"output_padding": extra} if "transpose" in kind else {}
    f = getattr(functional, kind)
    functions = in_torch(lambda x, w, b: f(x, w, b, **how), normalised, groups, "trans" in kind)
    return check_layer(*functions, kind=kind, normalised=normalised, dtype=dtype, **how)


@pytest.mark.parametrize("options", FEW, ids=str)
def test_torch_passes(options):
    assert passes(check_in_torch(*options, True, "float64"))


@pytest.mark.slow
@pytest.mark.parametrize("options", GRID, ids=str)
def test_torch_passes_everywhere(options):
    assert passes(check_in_torch(*options, True, "float32"))
    assert passes(check_in_torch(*options, False, "float64"))


def in_jax(function, normalised):
    """(forward, backward) of arrays for a function (x, w, b) of jax's arrays, channels last."""
    jax = pytest.importorskip("jax")

    def layer(x, *parameters):
        *weights, b = parameters
        if normalised:
            v, g = weights
            n = jax.numpy.sqrt((v * v).sum(axis=tuple(range(v.ndim - 1)), keepdims=True))
            weights = [v * g / n]
        return function(x, weights[0], b)

    def run(f, *arrays):
        with jax.enable_x64(True):
            return f(*map(jax.numpy.asarray, arrays))

    def back(y_bar, *arrays):
        return jax.vjp(layer, *arrays)[1](y_bar)

    return (
        lambda *arrays: np.asarray(run(layer, *arrays)),
        lambda *arrays: tuple(map(np.asarray, run(back, *arrays))),
    )


FLAX = list(itertools.product((1, 2), (1, 2), (0, 2, "same"), (1, 2), (1, 2)))


@pytest.mark.slow
@pytest.mark.parametrize(("d", "stride", "pad", "dilation", "groups"), FLAX[::7])
@pytest.mark.parametrize("normalised", [True, False])
def test_flax_passes(d, stride, pad, dilation, groups, normalised):
    linen = pytest.importorskip("flax.linen")
    padding = pad.upper() if isinstance(pad, str) else pad

    def layer(x, w, b):
        module = linen.Conv(
            w.shape[-1], w.shape[:d], stride, padding, kernel_dilation=dilation,
            feature_group_count=groups, dtype=x.dtype, param_dtype=x.dtype,
        )
        return module.apply({"params": {"kernel": w, "bias": b}}, x)

    how = {"stride": stride, "padding": pad, "dilation": dilation, "groups": groups}
    functions = in_jax(layer, normalised)
    assert passes(check_layer(*functions, kind=f"conv{d}d", layout="flax", **how,
                              normalised=normalised))


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same", 0])
@pytest.mark.parametrize("dilation", [1, 2])
def test_transposed_flax_passes(stride, padding, dilation):
    linen = pytest.importorskip("flax.linen")

    def layer(x, w, b):
        module = linen.ConvTranspose(
            w.shape[-1], w.shape[:2], (stride,) * 2, str(padding or "valid").upper(),
            kernel_dilation=(dilation,) * 2, dtype=x.dtype, param_dtype=x.dtype,
        )
        return module.apply({"params": {"kernel": w, "bias": b}}, x)

    how = {"stride": stride, "padding": padding, "dilation": dilation, "layout": "flax"}
    assert passes(check_layer(*in_jax(layer, True), kind="conv_transpose2d", **how))
    assert passes(check_layer(*in_jax(lambda x, w, b: x @ w + b, True), kind="linear",
                              layout="flax"))


@pytest.mark.parametrize("kind", ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
                                  "conv_transpose2d", "conv_transpose3d"])
def test_our_own_layers_pass(kind):
    from minwn import byhand
    from minwn.byhand.conv import transpose
    from minwn.derivatives import grad
    from minwn.tensors import Tensor

    how = {} if kind == "linear" else {"stride": 2, "padding": 1}
    how |= {"output_padding": 1} if "transpose" in kind else {}
    f = byhand.linear.forward if kind == "linear" else (
        transpose if "transpose" in kind else byhand.conv.forward
    )

    def forward(x, v, g, b):
        return f(x, byhand.weight_norm.forward(v, g), b, **how)

    def backward(y_bar, *arrays):
        leaves = [Tensor(a, True) for a in arrays]
        return tuple(bar.data for bar in grad(forward(*leaves), leaves, y_bar))

    for dtype in ("float64", "float32"):
        assert passes(check_layer(forward, backward, kind=kind, dtype=dtype, **how))


# ---- wrong layers -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: f"{w[0]}: {w[2][:40]}")
def test_a_wrong_layer_fails_with_a_right_name(wrong):
    *line, options, names = wrong
    report = check_layer(*wrong_layer(*line, options), **options)
    assert report.verdict == "FAIL"
    assert {d.id for d in report.diagnosis} <= names, str(report)
    json.dumps(report.to_json(), allow_nan=False)
    assert report.diagnosis[0].id in str(report)


def test_a_report_shows_the_mistake_and_a_small_case(tmp_path):
    report = check_layer(*wrong_layer(*WRONG[0][:3], CONV), **CONV)
    assert report.headline == "wrong: x_bar; y is right"
    (d,) = report.diagnosis
    assert d.formula == "windows that overlap are assigned, not added"
    text = str(report)
    assert d.formula in text
    assert "on paper" in text
    assert "conv2d, stride 2, padding 1, float64" in text
    assert len(text.splitlines()) <= 24
    s = report.minimal_case
    x, v, g, b, y_bar = (np.array(a) for a in (s.x, s.v, s.g, s.b, s.y_bar))
    np.testing.assert_allclose(conv()[1](y_bar, x, v, g, b)[0], s.expected)
    report.to_html(tmp_path / "report.html")
    assert d.formula in (tmp_path / "report.html").read_text(encoding="utf-8")
    report.to_junit(tmp_path / "report.xml")


def test_a_consistent_gradient_of_another_layer_is_called_one():
    def flipped(f):
        def called(*arguments):
            arrays = list(arguments)
            arrays[-3] = arrays[-3][:, :, ::-1, ::-1]
            found = f(*arrays)
            return found if not isinstance(found, tuple) else (
                found[0], found[1][:, :, ::-1, ::-1], *found[2:]
            )

        return called

    forward, backward = conv()
    both = check_layer(flipped(forward), flipped(backward), **CONV)
    assert [(d.id, d.outputs) for d in both.diagnosis] == [
        ("kernel_flipped", ("y", "x_bar", "v_bar", "g_bar"))
    ]
    assert both.consistent
    assert "the gradients are those of this y" in both.headline
    alone = check_layer(flipped(forward), backward, **CONV)
    assert alone.headline == "y is wrong; the gradients are right: mend the forward only"
    assert alone.consistent is False


def test_two_mistakes_have_two_names():
    forward, _ = wrong_layer("loops_forward", " + b[k]", "", CONV)
    _, backward = wrong_layer("pulled", "(w_bar - g_bar * v / n)", "w_bar", CONV)
    report = check_layer(forward, backward, **CONV)
    assert {d.id: d.outputs for d in report.diagnosis} == {
        "bias_forgotten": ("y",), "no_projection": ("v_bar",)
    }


def test_a_declared_convention_is_acceptable():
    line = WRONG[[w[4] for w in WRONG].index({"mean_over_batch"}) + 1]
    functions = wrong_layer(*line[:3], line[3])
    report = check_layer(*functions, **line[3], accept=["mean_over_batch"])
    assert report.verdict == "ACCEPTABLE"
    assert report.ok
    with pytest.raises(ValueError, match="no id 'mean'"):
        check_layer(*functions, **line[3], accept=["mean"])


# ---- what does not answer -----------------------------------------------------------------------


def fails(*arguments):
    raise RuntimeError("out of order")


def test_what_never_answers_is_refused():
    forward, backward = conv()
    for functions in ((fails, None), (fails, fails), (forward, fails), (fails, backward)):
        report = check_layer(*functions, **CONV)
        assert report.verdict == "REFUSED"
        assert "out of order" in report.headline
        assert "asked for: forward(x, v, g, b) -> y" in " ".join(report.notes)
        assert str(report).startswith("REFUSED")
    nothing = check_layer(lambda *a: None, lambda *a: (None,) * 4, **CONV)
    assert nothing.verdict == "REFUSED"
    assert "answered nothing" in nothing.headline
    assert check_layer(forward, lambda *a: (None,) * 4, **CONV).verdict == "REFUSED"
    assert check_layer(None, **CONV).verdict == "REFUSED"
    two = check_layer(lambda x, v, g, b: (x, v), **CONV)
    assert "forward must return y alone; got 2 answers" in two.headline
    one = check_layer(forward, lambda *a: a[0], **CONV)
    assert "backward must return x_bar, v_bar, g_bar, b_bar; got ndarray" in one.headline


def test_a_wrong_forward_fails_also_where_backward_never_answers():
    forward, _ = wrong_layer("loops_forward", " + b[k]", "", CONV)
    assert check_layer(forward, fails, **CONV).verdict == "FAIL"


def test_what_sometimes_raises_fails():
    forward, backward = conv()

    def square_only(x, v, g, b):
        if v.shape[2] != v.shape[3]:
            raise IndexError("7")
        return forward(x, v, g, b)

    report = check_layer(square_only, backward, **CONV)
    assert report.verdict == "FAIL"
    (d,) = report.diagnosis
    assert d.id == "raises"
    assert "where the kernel is not square" in d.evidence


def test_what_is_refused_on_purpose_is_said():
    forward, backward = conv(stride=2, pad=0)

    def exact(f):
        def called(*arguments):
            x, v = arguments[-4], arguments[-3]
            assert (x.shape[2] - v.shape[2]) % 2 == 0, "height does not fit"
            if (x.shape[3] - v.shape[3]) % 2:
                raise ValueError("width does not fit")
            return f(*arguments)

        return called

    report = check_layer(exact(forward), exact(backward), kind="conv2d", stride=2)
    assert report.verdict == "PASS"
    assert any("does not fit" in reason for _, reason in report.skipped)
    assert "does not fit" in str(report)


def refuses_by_value_error(square):
    if not square:
        raise ValueError("the kernel must be square")


def refuses_by_not_implemented(square):
    if not square:
        raise NotImplementedError


def refuses_by_assert(square):
    assert square


def fails_by_index_error(square):
    if not square:
        raise IndexError("the kernel must be square")


def fails_in_numpy(square):
    np.zeros(4).reshape(4 if square else 3)


def fails_in_an_assert_of_numpy(square):
    np.testing.assert_equal(square, True)


@pytest.mark.parametrize("refuses", [
    refuses_by_value_error, refuses_by_not_implemented, refuses_by_assert, fails_by_index_error,
    fails_in_numpy, fails_in_an_assert_of_numpy,
], ids=lambda f: f.__name__)
def test_sizes_are_refused_by_the_code_s_own_words_and_by_no_accident(refuses):
    forward, backward = conv()

    def careful(x, v, g, b):
        refuses(v.shape[2] == v.shape[3])
        return forward(x, v, g, b)

    report = check_layer(careful, backward, **CONV)
    if refuses.__name__.startswith("refuses"):
        assert report.verdict == "PASS"
        assert [name for name, _ in report.skipped] == ["forward"]
    else:
        assert [d.id for d in report.diagnosis] == ["raises"]
    everything = check_layer(lambda x, v, g, b: careful(x, v[:, :, :2], g, b), None, **CONV)
    assert not everything.ok


def test_what_is_refused_where_nothing_is_odd_fails():
    forward, backward = conv()

    def two(x, v, g, b):
        if len(x) == 2:
            raise ValueError("not two samples")
        return forward(x, v, g, b)

    assert [d.id for d in check_layer(two, backward, **CONV).diagnosis] == ["raises"]


# ---- hygiene ------------------------------------------------------------------------------------


def test_hygiene_is_told_and_numbers_are_judged_too():
    forward, backward = conv()

    def in_place(y_bar, x, v, g, b):
        found = backward(y_bar, x, v, g, b)
        x *= 0
        return found

    report = check_layer(forward, in_place, **CONV)
    assert [d.id for d in report.diagnosis] == ["mutates_input"]
    wrong = wrong_layer(*WRONG[0][:3], CONV)[1]

    def both(y_bar, x, v, g, b):
        found = wrong(y_bar, x, v, g, b)
        x *= 0
        return found

    ids = [d.id for d in check_layer(forward, both, **CONV).diagnosis]
    assert ids == ["mutates_input", "windows_assigned"]

    total = {}

    def adds(y_bar, x, v, g, b):
        found = backward(y_bar, x, v, g, b)
        key = tuple(a.tobytes() for a in (y_bar, x, v, g))
        total[key] = total.get(key, 0) + found[3]
        return *found[:3], total[key].copy()

    assert "accumulates" in [d.id for d in check_layer(forward, adds, **CONV).diagnosis]

    def narrow(*arguments):
        return forward(*(a.astype("float32") for a in arguments))

    ids = [d.id for d in check_layer(narrow, backward, **CONV).diagnosis]
    assert "wrong_dtype" in ids
    wide = check_layer(lambda *a: narrow(*a).astype("float64"), backward, **CONV)
    assert "low_precision" in [d.id for d in wide.diagnosis]


def test_the_number_of_samples_may_not_count():
    forward, backward = conv()

    def centred(x, v, g, b):
        y = forward(x, v, g, b)
        return y if len(x) > 1 else y + 1

    assert check_layer(centred, backward, **CONV).verdict == "FAIL"


# ---- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"kind": "conv4d"}, ValueError, "choose from linear, conv1d"),
        ({"kind": "conv2d", "stride": 0}, ValueError, "stride=0"),
        ({"kind": "conv2d", "stride": (1, 2, 3)}, ValueError, "one for each of 2 axes"),
        ({"kind": "conv2d", "padding": "full"}, ValueError, "choose from same, valid"),
        ({"kind": "conv2d", "padding": [(1, 1)]}, ValueError, "a pair for each of 2 axes"),
        ({"kind": "conv2d", "output_padding": 1}, ValueError, "transposed kinds only"),
        ({"kind": "linear", "groups": 2}, ValueError, "has no groups"),
        ({"kind": "linear", "stride": 2}, ValueError, "stride=2: linear has no stride"),
        ({"kind": "linear", "padding": 1}, ValueError, "padding=1: linear has no padding"),
        ({"kind": "linear", "padding": "same"}, ValueError, "padding"),
        ({"kind": "linear", "dilation": 3}, ValueError, "dilation=3: linear has no dilation"),
        ({"kind": "conv_transpose2d", "groups": 2, "layout": "flax"}, ValueError, "no groups"),
        ({"kind": "conv2d", "layout": "NHWC"}, ValueError, "choose from torch, flax"),
        ({"kind": "conv2d", "axis": 4}, IndexError, "axis 4"),
        ({"kind": "conv2d", "shape": (3, 4)}, ValueError, "with 4 axes"),
        ({"kind": "conv2d", "shape": (1, 3, 5, 5), "groups": 2}, ValueError, "does not divide"),
        ({"kind": "conv2d", "shape": (1, 3, 1, 1), "kernel": 3}, ValueError, "too small"),
        ({"kind": "conv2d", "channels": (3, 4), "groups": 2}, ValueError, "multiple of groups"),
        ({"kind": "conv2d", "dtype": "int32"}, TypeError, "int32"),
        ({"kind": "conv2d", "form": "l2"}, ValueError, "form"),
        ({"kind": "conv2d", "name": 3}, TypeError, "name"),
    ],
)
def test_options_that_do_not_fit(options, error, words):
    with pytest.raises(error, match=words):
        check_layer(*conv(), **options)


def test_a_check_is_quick():
    functions = conv("columns")
    check_layer(*functions, **CONV)  # the cases are made once
    start = time.perf_counter()
    check_layer(*functions, **CONV)
    assert time.perf_counter() - start < 0.5
