"""The gradient checker, checked: planted faults must be caught and named, honest gradients kept."""

import numpy as np
import pytest

from minwn import grad, ops, tensor, vjp
from minwn.gradcheck import GradcheckError, adjoint_test, blame, gradcheck, taylor_test
from minwn.graph import primitive, raw

SIZES = [(4, 5), (32, 64), (128, 256)]


# ---- weight norm, honest and not ----------------------------------------------------------------


def composed(v, g):
    return g * v / ops.sqrt(ops.sum(v * v, axis=-1, keepdims=True))


def forward(v, g):
    return g * v / np.sqrt((v * v).sum(-1, keepdims=True))


def backward(w_bar, v, g):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    s = (w_bar * v).sum(-1, keepdims=True)
    return g / n * (w_bar - s / n * (v / n)), s / n


def jvp(v, g, v_dot, g_dot):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    n_dot = ((v / n) * v_dot).sum(-1, keepdims=True)
    return g_dot * v / n + g * (v_dot / n - n_dot / n * (v / n))


def weights(rng, shape, scale=1.0):
    v = rng.normal(size=shape) * np.geomspace(0.5, 2.0, shape[0])[:, None]
    return [v * scale, rng.normal(size=(shape[0], 1)) * 3]


def without_projection(w_bar, v, g):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    return g / n * w_bar, backward(w_bar, v, g)[1]


def one_wrong_entry(w_bar, v, g):
    v_bar, g_bar = backward(w_bar, v, g)
    v_bar[1, 2] *= 1.01
    return v_bar, g_bar


def changed(i, change):
    """backward with its i-th answer changed."""

    def wrong(w_bar, v, g):
        bars = list(backward(w_bar, v, g))
        bars[i] = change(bars[i])
        return tuple(bars)

    return wrong


FAULTS = {
    "scale 0.1 %": (changed(0, lambda bar: 1.001 * bar), 0),
    "scale 0.1 % of g": (changed(1, lambda bar: 0.999 * bar), 1),
    "sign": (changed(0, lambda bar: -bar), 0),
    "no projection": (without_projection, 0),
    "one entry": (one_wrong_entry, 0),
    "transposed": (changed(0, lambda bar: bar.T.copy()), 0),
    "transposed values": (changed(0, lambda bar: bar.T.reshape(bar.shape)), 0),
    "zero for g": (changed(1, np.zeros_like), 1),
    "None for g": (changed(1, lambda bar: None), 1),
    "rows of g rolled": (changed(1, lambda bar: np.roll(bar, 1, axis=0)), 1),
    "not summed back": (changed(1, lambda bar: bar * np.ones(5)), 1),
    "first of the sum only": (
        lambda w_bar, v, g: (
            backward(w_bar, v, g)[0],
            (w_bar * v / np.sqrt((v * v).sum(-1, keepdims=True)))[:, :1],
        ),
        1,
    ),
    "float32": (changed(0, lambda bar: bar.astype("float32")), 0),
    "NaN": (changed(0, lambda bar: bar * np.nan), 0),
}


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught_and_placed(fault, shape, rng):
    wrong, argument = FAULTS[fault]
    mode = "full" if shape == SIZES[0] else "random"
    inputs = weights(rng, shape)
    report = gradcheck(forward, inputs, backward=wrong, mode=mode, raise_on_failure=False)
    assert report.verdict == "fail"
    assert report.worst.argument == argument
    assert all(c.verdict == "pass" for c in report.comparisons if c.argument != argument)
    if fault == "one entry":
        assert report.worst.index == (1, 2)


@pytest.mark.parametrize("method", ["auto", "difference"])
def test_every_entry_is_compared_at_a_middling_size(method, rng):
    # One entry wrong by a hundredth: its share of any sum over (32, 64) is 5e-6.
    inputs = weights(rng, (32, 64))
    report = gradcheck(
        forward, inputs, backward=one_wrong_entry, method=method, batched=True,
        raise_on_failure=False,
    )
    assert (report.verdict, report.worst.index) == ("fail", (1, 2))
    assert report.worst.analytic == pytest.approx(1.01 * report.worst.numeric, rel=1e-9)
    assert gradcheck(forward, inputs, backward=backward, method=method, batched=True)


# ---- no false alarms ----------------------------------------------------------------------------


SCALES = [1e-150, 1e150, 1.0, 1e-50, 1e-8, 1e-5, 1e5, 1e50]
# The largest size at three scales only, for the time it takes.
SCALED = [(scale, n) for n in SIZES for scale in (SCALES[:3] if n == SIZES[-1] else SCALES)]


@pytest.mark.parametrize(("scale", "shape"), SCALED, ids=str)
def test_honest_gradient_passes_at_every_scale(scale, shape, rng):
    inputs = weights(rng, shape, scale)
    mode = "full" if shape == SIZES[0] else "random"
    for options in ({}, {"method": "difference"}):
        assert gradcheck(forward, inputs, backward=backward, mode=mode, **options)
        assert gradcheck(composed, inputs, mode=mode, **options)
        wrong = FAULTS["scale 0.1 %"][0]
        with pytest.raises(GradcheckError, match=r"'forward', input 0 \(v\)"):
            gradcheck(forward, inputs, backward=wrong, mode=mode, **options)


@pytest.mark.parametrize("exponent", np.random.default_rng(7).uniform(-150, 150, 12))
@pytest.mark.parametrize("mode", ["full", "random"])
def test_fault_is_caught_at_any_scale(exponent, mode, rng):
    inputs = weights(rng, (4, 5), 10.0**exponent)
    for fault in ("scale 0.1 %", "one entry", "zero for g"):
        for method in ("auto", "difference"):
            report = gradcheck(
                forward, inputs, backward=FAULTS[fault][0], mode=mode, method=method,
                raise_on_failure=False,
            )
            assert report.verdict == "fail"


def test_rows_of_very_different_scale(rng):
    v, g = weights(rng, (5, 4))
    v *= np.array([1e-100, 1e-8, 1.0, 1e9, 1e100])[:, None]
    for mode in ("full", "random"):
        assert gradcheck(forward, [v, g], backward=backward, mode=mode)
    wrong = changed(0, lambda bar: bar * np.array([1, 1.001, 1, 1, 1])[:, None])
    assert not gradcheck(forward, [v, g], backward=wrong, raise_on_failure=False)


WAVES = 1.0 + 1e-3 * np.sin(np.arange(24.0)).reshape(8, 3)
HONEST = {
    "offset by 1e10": (lambda x: x * x + 1e10, (3, 4), 1.0),
    "fast waves": (lambda x: ops.sin(x), (3, 4), 1e5),
    "near a pole": (lambda x: 1.0 / x, (3, 4), 1.0),
    "edge of a domain": (lambda x: ops.log(ops.abs(x)), (3, 4), 1e-3),
    "tiny beside 1": (lambda x: ops.sin(x + 1.0), (3, 4), 1e-12),
    "zero gradient": (lambda x: ops.sum(composed(x, 2.0) ** 2.0), (3, 4), 1.0),
    "shift before centring": (lambda b: ops.var(WAVES + b, axis=0) ** -0.5, (3,), 1e-3),
    "unused": (lambda x: ops.sum(x * 0.0), (3, 4), 1.0),
    "constant": (lambda x: ops.exp(x.detach()) ** 0.0, (3, 4), 1.0),
    "kinks everywhere but here": (lambda x: ops.relu(x) * ops.abs(x - 0.3), (20, 30), 1.0),
    "many ties avoided": (lambda x: ops.max(x, axis=1), (20, 30), 1.0),
    "scalar": (lambda x: x * x * x, (), 2.0),
    "wide": (lambda x: ops.logsumexp(x, axis=1), (3, 200), 3.0),
}


@pytest.mark.parametrize("case", HONEST)
@pytest.mark.parametrize("mode", ["full", "random"])
def test_honest_but_difficult(case, mode, rng):
    f, shape, scale = HONEST[case]
    x = scale * rng.normal(size=shape)
    assert gradcheck(f, [x], mode=mode)
    if case not in ("zero gradient", "shift before centring", "unused", "constant"):
        wrong = gradcheck(
            f, [x], backward=lambda u, x: 1.001 * vjp(f, x)[1](u)[0].data, mode=mode,
            raise_on_failure=False,
        )
        assert wrong.verdict == "fail"


# ---- verdicts -----------------------------------------------------------------------------------

KINKS = {
    "relu at 0": (ops.relu, [0.0, 1.0, -1.0]),
    "abs at 0, where both say 0": (ops.abs, [0.0, 2.0]),
    "a tie for the maximum": (ops.max, [3.0, 3.0, 1.0]),
    "clip at its edge": (lambda x: ops.clip(x, low=-1.0, high=1.0), [1.0, 0.2]),
}


@pytest.mark.parametrize("case", KINKS)
@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_kink_is_not_called_a_wrong_gradient(case, mode, method):
    f, x = KINKS[case]
    options = {"mode": mode, "method": method, "raise_on_failure": False}
    report = gradcheck(f, [np.array(x)], **options)
    assert report.verdict == "not differentiable"
    assert "NOT DIFFERENTIABLE" in str(report)
    assert gradcheck(f, [np.array(x) + 0.1 * np.arange(1, len(x) + 1)], **options)


def test_wrong_gradient_beside_a_kink_is_still_wrong():
    report = gradcheck(
        lambda x: np.maximum(x, 0), [np.array([0.0, 1.0, 2.0])],
        backward=lambda u, x: u * np.array([0.0, 1.0, 1.01]), raise_on_failure=False,
    )
    assert (report.verdict, report.worst.index) == ("fail", (2,))


@pytest.mark.parametrize(("f", "x"), [(ops.log, [-1.0, 2.0]), (ops.sqrt, [0.0, 2.0])])
def test_undefined(f, x):
    report = gradcheck(f, [np.array(x)], raise_on_failure=False)
    assert report.verdict == "undefined"


def test_unresolved_where_no_step_is_sharp():
    def rough(x):
        return np.sin(x * 1e30)

    report = gradcheck(
        rough, [np.array([1.1, 2.3])], backward=lambda u, x: u * 1e30 * np.cos(x * 1e30),
        raise_on_failure=False,
    )
    assert not report.ok


# ---- the complex step's trap --------------------------------------------------------------------


def test_complex_step_through_a_modulus_is_not_believed(rng):
    def by_norm(v, g):
        return g * v / np.linalg.norm(v, axis=1, keepdims=True)

    inputs = weights(rng, (6, 5))
    honest = gradcheck(by_norm, inputs, backward=backward)
    methods = [c.method.partition(",")[0] for c in honest.comparisons]
    assert methods == ["differences", "complex step"]
    assert not gradcheck(by_norm, inputs, backward=without_projection, raise_on_failure=False)
    with pytest.raises(ValueError, match="modulus"):
        gradcheck(by_norm, inputs, backward=backward, method="complex")


def test_complex_step_is_used_where_it_holds(rng):
    inputs = weights(rng, (6, 5))
    for options in ({}, {"method": "complex"}, {"method": "complex", "mode": "random"}):
        report = gradcheck(composed, inputs, **options)
        assert {c.method.partition(",")[0] for c in report.comparisons} == {"complex step"}


def test_differences_will_do_along_random_directions(rng):
    report = gradcheck(composed, weights(rng, (6, 5)), mode="random")
    assert {c.method for c in report.comparisons} == {"differences"}
    assert max(c.sees for c in report.comparisons) < 2e-9
    assert report.evaluations < 40


# ---- broken operations, named -------------------------------------------------------------------


def broken_tanh():
    @primitive
    def broken(x):
        return np.tanh(x)

    @broken.pullback
    def _(z_bar, z, x):
        return (z_bar * (1.0 - z),)

    return broken


def broken_weight_norm():
    """Right at first order; at second the norm, kept as an array, counts as a constant."""

    @primitive
    def captured(v, g):
        return forward(v, g)

    @captured.pullback
    def _(w_bar, w, v, g):
        n = np.sqrt((raw(v) * raw(v)).sum(-1, keepdims=True))
        s = ops.sum(w_bar * v, axis=-1, keepdims=True)
        return g / n * (w_bar - s / n**2 * v), s / n

    return captured


def broken_add():
    @primitive
    def broken_sum(x, b):
        return x + b

    @broken_sum.pullback
    def _(z_bar, z, x, b):
        return z_bar, z_bar

    return broken_sum


@pytest.mark.parametrize("mode", ["full", "random"])
def test_blame_names_the_operation(mode, rng):
    tanh = broken_tanh()

    def model(x, w, b):
        return ops.sum(ops.exp(tanh(x @ w + b)) * ops.sigmoid(x @ w))

    inputs = [rng.normal(size=s) for s in [(3, 4), (4, 2), (2,)]]
    with pytest.raises(
        GradcheckError, match=r"the fault is in op 'broken', input 0 \(x\)"
    ) as caught:
        gradcheck(model, inputs, mode=mode)
    (named,) = caught.value.report.blamed
    assert named.place == "op 'broken', input 0 (x)"
    assert named.index is not None
    assert len(named.index) == 2


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_second_order_catches_a_captured_array(shape, rng):
    captured = broken_weight_norm()
    inputs = weights(rng, shape)

    def model(v, g):
        return ops.tanh(captured(v, g))

    assert gradcheck(model, inputs, mode="random")
    report = gradcheck(model, inputs, mode="random", order=2, raise_on_failure=False)
    assert report.verdict == "fail"
    assert {c.order for c in report.comparisons if c.verdict == "fail"} == {2}
    assert {c.function for c in report.blamed} == {"captured"}
    assert {c.order for c in report.blamed} == {2}
    assert gradcheck(composed, inputs, mode="random", order=2)


def test_second_order_looks_at_the_cotangent(rng):
    @primitive
    def deaf(x):
        return x * x * x

    @deaf.pullback
    def _(z_bar, z, x):
        return (raw(z_bar) * 3.0 * x * x,)

    x = rng.normal(size=(3, 4))
    assert gradcheck(deaf, [x])
    report = gradcheck(deaf, [x], order=2, raise_on_failure=False)
    assert [c.name for c in report.comparisons if c.verdict == "fail"] == ["cotangent"]


def test_missing_unbroadcast_is_a_failure_that_names_the_operation(rng):
    add = broken_add()
    inputs = [rng.normal(size=(3, 4)), rng.normal(size=4)]
    report = gradcheck(lambda x, b: ops.tanh(add(x, b)), inputs, raise_on_failure=False)
    assert report.verdict == "fail"
    assert "cotangent (3, 4) for input (4,)" in str(report)
    assert [c.function for c in report.blamed] == ["broken_sum"]


def test_blame_needs_a_graph_and_finds_nothing_in_an_honest_one(rng):
    x = tensor(rng.normal(size=(3, 4)), requires_grad=True)
    y = ops.sum(ops.relu(composed(x, 2.0)))
    assert blame(y) == []
    grad(y, [x])
    with pytest.raises(RuntimeError, match="freed"):
        blame(y)


# ---- forward products, the adjoint test, the Taylor test ----------------------------------------


def jvp_without_projection(v, g, v_dot, g_dot):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    return g_dot * v / n + g * v_dot / n


@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_forward_product(mode, method, rng):
    inputs, options = weights(rng, (4, 5)), {"mode": mode, "method": method}
    report = gradcheck(forward, inputs, backward=backward, jvp=jvp, **options)
    assert [c.argument for c in report.comparisons] == [0, 0, 1, 1]
    with pytest.raises(GradcheckError, match=r"input 0 \(v\)[\s\S]*jvp along"):
        gradcheck(forward, inputs, jvp=jvp_without_projection, **options)


def test_adjoint_test_is_no_evidence_by_itself(rng):
    inputs = weights(rng, (32, 64))
    assert adjoint_test(composed, inputs)
    assert adjoint_test(forward, inputs, backward=backward, jvp=jvp)
    with pytest.raises(GradcheckError):
        adjoint_test(forward, inputs, backward=without_projection, jvp=jvp)
    # Both wrong in the same way: the adjoint test is content, the gradient check is not.
    both = {"backward": without_projection, "jvp": jvp_without_projection}
    assert adjoint_test(forward, inputs, **both)
    report = gradcheck(forward, inputs, mode="random", raise_on_failure=False, **both)
    assert [c.verdict for c in report.comparisons] == ["fail", "fail", "pass", "pass"]


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1.0, 1e150])
def test_taylor_slopes(scale, rng):
    v, g = weights(rng, (32, 64), scale)
    report = taylor_test(composed, [v, g])
    assert report.slope == pytest.approx(2, abs=0.1)  # the next term is of order h = 4^-10
    # What a bare rate calls wrong: linear in g, and constant along v itself.
    assert taylor_test(composed, [v, g], tangents=[None, rng.normal(size=g.shape)]).slope is None
    assert taylor_test(composed, [v, g], tangents=[v, None]).slope is None
    for wrong in (without_projection, FAULTS["scale 0.1 %"][0], FAULTS["zero for g"][0]):
        with pytest.raises(GradcheckError, match="Taylor remainder"):
            taylor_test(forward, [v, g], backward=wrong)
    wrong = FAULTS["scale 0.1 % of g"][0]
    with pytest.raises(GradcheckError):
        taylor_test(forward, [v, g], backward=wrong, tangents=[None, g])


# ---- hygiene ------------------------------------------------------------------------------------


def writes(x):
    x *= 2.0
    return x


def writing_backward(u, x):
    x[0] = 7.0
    return u


UNCLEAN = {
    "f writes": (writes, lambda u, x: 2.0 * u, "f writes to this input"),
    "backward writes": (lambda x: x + 0.0, writing_backward, "derivative writes"),
    "backward raises": (lambda x: x + 0.0, lambda u, x: 1 / 0, "raised ZeroDivisionError"),
    "too many": (lambda x: x + 0.0, lambda u, x: (u, u), "2 gradients for 1 inputs"),
    "a list": (lambda x: x + 0.0, lambda u, x: ([1.0, 2.0],), "of shape"),
}


@pytest.mark.parametrize("case", UNCLEAN)
def test_hygiene(case):
    f, rule, message = UNCLEAN[case]
    x = np.array([1.0, -2.0, 0.5])
    report = gradcheck(f, [x], backward=rule, raise_on_failure=False)
    assert report.verdict == "fail"
    assert message in str(report)
    assert x.tolist() == [1.0, -2.0, 0.5]


def test_a_function_that_changes_its_mind(rng):
    noisy = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="two calls with the same inputs differ"):
        gradcheck(lambda x: x * noisy.normal(), [1.5])


# ---- arguments and reports ----------------------------------------------------------------------


def test_kinds_of_arguments(rng):
    def f(x, index, power, y, z, flag):
        assert flag is None
        assert index.dtype == "int64"
        return (x[:, raw(index)] * z) ** power, ops.exp(y) * z

    inputs = [
        rng.normal(size=(3, 4)).astype("float32"),
        np.array([2, 0]),
        2,
        [0.5, -1.5],
        0.3,
        None,
    ]
    report = gradcheck(f, inputs, order=2)
    assert [c.name for c in report.comparisons if c.order == 1] == ["x", "y", "z"]
    assert [c.argument for c in gradcheck(f, inputs, argnums=[3]).comparisons] == [3]


def test_several_outputs_by_hand(rng):
    # A hand-written double backward is the pullback of a hand-written backward.
    def gradients(u, x):
        return (u * x**2, u * x)

    def pull(bars, u, x):
        a, b = bars
        return a * x**2 + b * x, 2 * a * u * x + b * u

    assert gradcheck(gradients, [rng.normal(size=(3, 2)), rng.normal(size=(3, 2))], backward=pull)


def test_what_is_empty_is_not_called_right():
    with pytest.raises(ValueError, match="all that f returns is empty"):
        gradcheck(lambda x, y: x * 2.0, [np.zeros((0, 3)), np.ones(2)])
    with pytest.raises(ValueError, match="every input to be checked is empty"):
        gradcheck(lambda x: ops.sum(x), [np.zeros((0, 3))])
    report = gradcheck(lambda x, y: y * ops.sum(x), [np.zeros((0, 3)), np.ones(2)])
    assert "input 0 (x)  empty: nothing to compare" in str(report)


def test_float32(rng):
    inputs = weights(rng, (4, 5))
    report = gradcheck(composed, inputs, dtype="float32")
    # rtol is 9e-5 there, and the measurement itself is hardly sharper.
    assert all(5e-5 < c.sees < 1e-2 for c in report.comparisons)
    assert f"sees errors of {report.comparisons[0].sees:.1e}" in str(report)
    for factor, verdict in ((1 + 4 * report.comparisons[0].sees, "fail"), (1 + 1e-6, "pass")):
        scaled = changed(0, lambda bar, factor=factor: (bar * factor).astype("float32"))
        options = {"dtype": "float32", "raise_on_failure": False}
        assert gradcheck(forward, inputs, backward=scaled, **options).verdict == verdict
    wrong = FAULTS["no projection"][0]
    assert not gradcheck(forward, inputs, backward=wrong, dtype="float32", raise_on_failure=False)


@pytest.mark.parametrize("mode", ["full", "random"])
def test_report_has_everything(mode, rng):
    inputs = weights(rng, (4, 5))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(forward, inputs, backward=one_wrong_entry, mode=mode, name="weight norm")
    report, text = caught.value.report, str(caught.value)
    worst = report.worst
    assert not report
    assert worst.index == (1, 2)
    assert worst.analytic == pytest.approx(1.01 * worst.numeric)
    assert worst.ratio == pytest.approx(worst.error / worst.allowed)
    assert worst.ratio > 1e3
    for part in (
        "FAIL", "'weight norm'", "input 0 (v)", "(1, 2)", f"{worst.analytic:.12g}",
        f"{worst.numeric:.12g}", f"allowed {worst.allowed:.2e}", f"ratio {worst.ratio:.2e}",
        "by complex step", "(estimated error",
    ):
        assert part in text
    assert "pass: function 'weight norm', input 1 (g)" in text
    assert len(text.splitlines()) < 10


def test_same_question_same_answer(rng):
    inputs = weights(rng, (4, 5))
    assert gradcheck(composed, inputs) == gradcheck(composed, inputs)
    other = gradcheck(composed, inputs, rng=np.random.default_rng(5))
    assert gradcheck(composed, inputs) != other


def test_a_tensor_of_another_library_is_refused():
    torch = pytest.importorskip("torch", reason="its tensors are not arrays")
    with pytest.raises(TypeError, match=r"an input is a torch\.Tensor; pass arrays"):
        gradcheck(lambda x: x * x, [torch.ones(3)])
    with pytest.raises(TypeError, match=r"no floating-point array, but a torch\.Tensor"):
        gradcheck(lambda x: torch.ones(3), [np.ones(3)], backward=lambda u, x: u)


@pytest.mark.parametrize("relative", [1e-6, 1e-7, 2e-8])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_one_entry_wrong_by_little(relative, method, rng):
    """A blunter measurement that excuses what a sharper one of the same value finds, does not."""

    def wrong(w_bar, v, g):
        v_bar, g_bar = backward(w_bar, v, g)
        v_bar[2, 3] *= 1 + relative
        return v_bar, g_bar

    inputs, options = weights(rng, (6, 5)), {"method": method, "raise_on_failure": False}
    report = gradcheck(forward, inputs, backward=wrong, **options)
    assert (report.verdict, report.worst.index) == ("fail", (2, 3))


QUESTIONS = {
    "mode": ({"mode": "fast"}, ValueError, "choose 'full' or 'random'"),
    "method": ({"method": "magic"}, ValueError, "choose 'auto'"),
    "order": ({"order": 0}, ValueError, "order=0"),
    "order by hand": ({"order": 2, "backward": lambda u, x: u}, ValueError, "needs the graph"),
    "argnums": ({"argnums": [3]}, ValueError, "argument 3"),
    "batched": ({"batched": lambda x: x * 2.0}, ValueError, "batched is not f"),
    "bare array": ({"inputs": np.ones(3)}, TypeError, "inputs is a sequence"),
    "integers": ({"inputs": [np.arange(3)]}, ValueError, "nothing to check"),
    "complex": ({"inputs": [np.ones(2) * 1j]}, TypeError, "real and imaginary"),
    "complex outputs": ({"f": lambda x: x * 1j, "backward": lambda u, x: u}, TypeError, "as two"),
    "no function": ({"f": 3.0}, TypeError, "pass a function"),
    "no array": ({"f": lambda x: "no"}, TypeError, "no floating-point array"),
    "plain arrays": ({"f": lambda x: raw(x) * 2.0}, TypeError, "pass the gradient to be judged"),
}


@pytest.mark.parametrize("case", QUESTIONS)
def test_bad_questions(case):
    options, kind, message = QUESTIONS[case]
    with pytest.raises(kind, match=message):
        gradcheck(**({"f": lambda x: x * x, "inputs": [np.array([1.0, 2.0])]} | options))


def test_adjoint_test_wants_both_or_neither():
    with pytest.raises(ValueError, match="both"):
        adjoint_test(forward, [np.ones((2, 3)), np.ones((2, 1))], backward=backward)
