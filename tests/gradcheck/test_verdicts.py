"""Right and wrong gradients of functions of many kinds, in every dtype: what each is called.

A right gradient of float64 or float32 passes; where no measurement can resolve it, the function is
named here, and it is unresolved. A wrong one never passes, unless its error is smaller than what
the report says it would have seen.
"""

import numpy as np
import pytest

from minwn import nn, ops
from minwn.gradcheck import GradcheckError, gradcheck
from minwn.graph import primitive

HIGH = ("float64", "float32")
SHORT = ("float16", "bfloat16")
ALL = HIGH + SHORT

RNG = np.random.default_rng(1)
X = RNG.normal(size=(4, 5))
P = abs(X) + 0.2
W = RNG.normal(size=(5, 3))
G = RNG.normal(size=(4, 1)) * 3


def hilbert(n):
    return 1.0 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_bar(u, x):
    p = softmax(x)
    return p * (u - (u * p).sum(-1, keepdims=True))


def normalised(v, g):
    return g * v / np.sqrt((v * v).sum(-1, keepdims=True))


def normalised_bar(u, v, g):
    n = np.sqrt((v * v).sum(-1, keepdims=True))
    s = (u * (v / n)).sum(-1, keepdims=True)
    return g / n * (u - s * (v / n)), s


def inv_bar(u, a):
    i = np.linalg.inv(a)
    return -i.T @ u @ i.T


def coarse(f, dtype="float32"):
    """f, computed in a shorter dtype and returned in the one that was given."""
    return lambda *xs: f(*[x.real.astype(dtype) for x in xs]).astype(xs[0].dtype)


# f, its gradient, a point, the dtypes
FUNCTIONS = {
    "square": (lambda x: x * x, lambda u, x: 2 * u * x, [X], ALL),
    "cube": (lambda x: x * x * x, lambda u, x: 3 * u * x * x, [X], ALL),
    "product": (lambda x, y: x * y, lambda u, x, y: (u * y, u * x), [X, P], ALL),
    "tanh": (np.tanh, lambda u, x: u * (1 - np.tanh(x) ** 2), [X], ALL),
    "exp": (np.exp, lambda u, x: u * np.exp(x), [X], ALL),
    "exp, large": (np.exp, lambda u, x: u * np.exp(x), [X * 20], HIGH),
    "log": (np.log, lambda u, x: u / x, [P], ALL),
    "log, small": (np.log, lambda u, x: u / x, [P * 1e-12], HIGH),
    "1/x": (lambda x: 1 / x, lambda u, x: -u / x / x, [X], ALL),
    "1/x near 0": (lambda x: 1 / x, lambda u, x: -u / x / x, [X * 1e-6], HIGH),
    "waves": (lambda x: np.sin(1e5 * x), lambda u, x: 1e5 * u * np.cos(1e5 * x), [X], ("float64",)),
    "softmax": (softmax, softmax_bar, [X], ALL),
    "a matrix product": (lambda x, w: x @ w, lambda u, x, w: (u @ w.T, x.T @ u), [X, W], ALL),
    "weight norm": (normalised, normalised_bar, [X, G], ALL),
    "sum of squares": (lambda x: (x * x).sum(), lambda u, x: 2 * u * x, [X], ALL),
    "norm": (
        lambda x: np.sqrt((x * x).sum()),
        lambda u, x: u * x / np.sqrt((x * x).sum()),
        [X],
        ALL,
    ),
    "abs": (abs, lambda u, x: u * np.sign(x), [X], ALL),
    "relu, near its kink": (
        lambda x: np.maximum(x, 0),
        lambda u, x: u * (x > 0),
        [np.array([1.0, -0.5, 1e-4, -1e-4, 1e-6])],
        HIGH,
    ),
    "max": (
        lambda x: x.max(-1),
        lambda u, x: u[:, None] * (x == x.max(-1, keepdims=True)),
        [X],
        ALL,
    ),
    "inverse": (np.linalg.inv, inv_bar, [3 * np.eye(4) + X[:, :4]], HIGH),
    "ill-conditioned": (np.linalg.inv, inv_bar, [hilbert(6)], ("float64",)),
    "two scales": (
        lambda x, y: (x**3, y**3),
        lambda u, x, y: (3 * u[0] * x * x, 3 * u[1] * y * y),
        [np.array([1e-8, 3e-8]), np.array([1e8, -2e8])],
        ("float64",),
    ),
    "entries of four scales": (
        lambda x: x**3,
        lambda u, x: 3 * u * x * x,
        [np.array([1e-8, 3e-4, 1.0, 1e8])],
        ("float64",),
    ),
    "outputs of two scales": (
        lambda x: np.stack([x * 1e-9, x * x * 1e9]),
        lambda u, x: u[0] * 1e-9 + u[1] * 2e9 * x,
        [X],
        ("float64",),
    ),
    "flat": (lambda x: x**9, lambda u, x: 9 * u * x**8, [X * 0.01], ("float64",)),
    "large second derivative": (
        lambda x: x + 1e12 * x * x,
        lambda u, x: u * (1 + 2e12 * x),
        [np.array([1.0, 1e-12])],
        ("float64",),
    ),
    "saturated": (
        lambda x: 1 / (1 + np.exp(-x)),
        lambda u, x: u * np.exp(-x) / (1 + np.exp(-x)) ** 2,
        [X * 8],
        HIGH,
    ),
    "offset by 1e6": (lambda x: x * x + 1e6, lambda u, x: 2 * u * x, [X], ("float64",)),
    "cancels": (lambda x: (x * x + 1e7) - 1e7, lambda u, x: 2 * u * x, [X], ("float64",)),
    "computed in float32": (
        coarse(np.tanh),
        lambda u, x: u * (1 - np.tanh(x) ** 2),
        [X],
        ("float64",),
    ),
    "weight norm in float32": (coarse(normalised), normalised_bar, [X, G], ("float64",)),
    "one entry, in float32": (
        coarse(lambda x: x * x * x),
        lambda u, x: 3 * u * x * x,
        [np.array([0.7])],
        ("float64",),
    ),
    "returned in float32": (
        lambda x: np.tanh(x).astype("float32"),
        lambda u, x: u.astype("float64") * (1 - np.tanh(x) ** 2),
        [X],
        ("float64",),
    ),
}
RUNS = [(name, dtype) for name, row in FUNCTIONS.items() for dtype in row[3]]


def in_dtype(backward, change=None, argument=0):
    """backward with answers of the dtype of its inputs, one of them changed."""

    def answers(u, *xs):
        bars = backward(u, *xs)
        bars = [np.array(b) for b in (bars if isinstance(bars, tuple) else (bars,))]
        if change is not None:
            bars[argument] = change(bars[argument])
        return tuple(b.astype(x.dtype) for b, x in zip(bars, xs, strict=True))

    return answers


def largest_entry(bar):
    bar.flat[abs(bar).argmax()] *= 1.5
    return bar


def smallest_entry(bar):
    size = np.where(bar == 0, np.inf, abs(bar))
    bar.flat[size.argmin()] *= 2
    return bar


WRONG = {
    "the sign": lambda bar: -bar,
    "twice": lambda bar: 2 * bar,
    "a quarter more": lambda bar: 1.25 * bar,
    "nothing": lambda bar: 0 * bar,
    "another order": lambda bar: bar.ravel()[::-1].reshape(bar.shape),
    "transposed": lambda bar: bar.T.reshape(bar.shape),
    "a thousandth more": lambda bar: 1.001 * bar,
    "one large entry": largest_entry,
    "one small entry": smallest_entry,
}
# The small entries of these are below what can be seen, which the report says.
SMALL = {"exp, large": HIGH, "saturated": ("float32",), "softmax": SHORT}


@pytest.mark.parametrize(("name", "dtype"), RUNS)
@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_right_gradient(name, dtype, mode, method):
    f, backward, inputs, _ = FUNCTIONS[name]
    report = gradcheck(
        f, inputs, backward=in_dtype(backward), dtype=dtype, mode=mode, method=method,
        raise_on_failure=False,
    )
    if dtype in HIGH:
        assert report.verdict == "pass", str(report)
    else:  # in 16 bits a gradient may be all rounding
        assert report.verdict in ("pass", "unresolved"), str(report)
        assert mode == "random" or report.verdict == "pass", str(report)


@pytest.mark.parametrize(("name", "dtype"), RUNS)
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_gradient(name, dtype, wrong):
    f, backward, inputs, _ = FUNCTIONS[name]
    point = [x.astype(dtype) if dtype in HIGH else x for x in inputs]
    for argument in range(len(inputs)):
        judged = in_dtype(backward, WRONG[wrong], argument)
        ones = f(*point)
        u = tuple(map(np.ones_like, ones)) if isinstance(ones, tuple) else np.ones_like(ones)
        right, changed = (np.float64(b(u, *point)[argument]) for b in (in_dtype(backward), judged))
        if np.array_equal(right, changed):
            continue
        report = gradcheck(f, inputs, backward=judged, dtype=dtype, raise_on_failure=False)
        if report.verdict == "pass":
            (found,) = (c for c in report.comparisons if c.argument == argument)
            if wrong == "one small entry":  # said: what is seen beside the large ones
                small = abs(right[right != 0]).min() / abs(right).max()
                assert small < max(found.sees, np.nan_to_num(found.sees_beside)), str(report)
            else:
                assert wrong == "a thousandth more", str(report)
                assert found.sees > 1e-3, str(report)


@pytest.mark.slow
def test_few_are_missed():
    """A thousandth in 16 bits, and an entry that is small beside others: no more than that."""
    missed = []
    for name, dtype in RUNS:
        if dtype in HIGH:
            f, backward, inputs, _ = FUNCTIONS[name]
            wrong = in_dtype(backward, WRONG["a thousandth more"])
            if gradcheck(f, inputs, backward=wrong, dtype=dtype, raise_on_failure=False):
                missed.append((name, dtype))
    assert missed == []


# ---- what cannot be seen is unresolved ----------------------------------------------------------


def only_16(x):
    assert x.dtype == "float16"
    return x * x


UNSEEN = {
    "in 16 bits alone": (only_16, [X], lambda factor: lambda u, x: factor * u * x, "float16"),
    "below the rounding of a constant": (
        lambda x: 1e16 + abs(x),
        [np.array([1.0])],
        lambda factor: lambda u, x: factor * u / 2,
        "float64",
    ),
    "beside a term of another scale": (
        lambda x, y: (abs(x) ** 3).sum() + (y**3).sum(),
        [np.array([1e-8]), np.array([1e8])],
        lambda factor: lambda u, x, y: (factor * 1.5 * u * x * x, 3 * u * y * y),
        "float64",
    ),
    "waves shorter than rounding": (
        lambda x: np.sin(x * 1e30),
        [np.array([1.1, 2.3])],
        lambda factor: lambda u, x: factor * 0.5e30 * u * np.cos(x * 1e30),
        "float64",
    ),
    "conditioned like 1 / u": (
        np.linalg.inv,
        [hilbert(10)],
        lambda factor: lambda u, a: factor / 2 * inv_bar(u, a),
        "float64",
    ),
}


@pytest.mark.parametrize("case", UNSEEN)
@pytest.mark.parametrize("factor", [2, 3])
def test_unseen_is_unresolved(case, factor):
    f, inputs, gradient, dtype = UNSEEN[case]
    report = gradcheck(
        f, inputs, backward=in_dtype(gradient(factor)), dtype=dtype, raise_on_failure=False
    )
    assert report.verdict == "unresolved", str(report)
    assert not report
    assert not report.ok
    with pytest.raises(GradcheckError, match="UNRESOLVED"):
        gradcheck(f, inputs, backward=in_dtype(gradient(factor)), dtype=dtype)


@pytest.mark.parametrize("case", [case for case in UNSEEN if "constant" not in case])
def test_unseen_and_missing_is_no_pass(case):
    f, inputs, gradient, dtype = UNSEEN[case]
    report = gradcheck(
        f, inputs, backward=in_dtype(gradient(0)), dtype=dtype, raise_on_failure=False
    )
    assert report.verdict in ("unresolved", "fail"), str(report)


def test_unresolved_says_why():
    f, inputs, gradient, _ = UNSEEN["below the rounding of a constant"]
    report = gradcheck(f, inputs, backward=gradient(2), raise_on_failure=False)
    assert "beside terms of" in str(report)
    assert "cannot be seen: " in str(report)


def test_an_error_of_a_quarter_in_16_bits():
    x = np.array([1.0, 2.0])
    for dtype in SHORT:
        for factor, verdict in ((2.0, "pass"), (2.5, "fail")):
            report = gradcheck(
                lambda x: x**2, (x,), dtype=dtype, raise_on_failure=False,
                backward=lambda w, x, factor=factor: ((factor * x * w).astype(x.dtype),),
            )
            assert report.verdict == verdict
            assert report.worst.sees < 0.06 or verdict == "fail"


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("mode", ["full", "random"])
def test_graphs_in_16_bits(dtype, mode):
    report = gradcheck(lambda x: ops.tanh(x) * x, [X], dtype=dtype, mode=mode, order=2)
    assert {c.verdict for c in report.comparisons} == {"pass"}

    @primitive
    def broken(x):
        return x * x

    @broken.pullback
    def _(z_bar, z, x):
        return (z_bar * x,)

    with pytest.raises(GradcheckError, match="FAIL"):
        gradcheck(lambda x: broken(x) * x, [X], dtype=dtype, mode=mode)


def test_forward_products_in_bfloat16():
    options = {"dtype": "bfloat16", "raise_on_failure": False}
    for factor, verdict in ((2, "pass"), (3, "fail")):
        jvp = lambda x, t, factor=factor: (x * t * factor).astype(x.dtype)  # noqa: E731
        assert gradcheck(lambda x: x * x, [X], jvp=jvp, **options).verdict == verdict


def test_longdouble():
    for factor, verdict in ((3, "pass"), (3.001, "fail")):
        report = gradcheck(
            lambda x: x**3, [X], backward=lambda u, x, factor=factor: factor * u * x * x,
            dtype="longdouble", raise_on_failure=False,
        )
        assert report.verdict == verdict


def test_small_entries_are_seen_or_said():
    x = np.array([1e-3, 1.0, 1e3])
    for factor, verdict in ((1, "pass"), (1.001, "fail")):
        report = gradcheck(
            lambda x: (x**5).sum(), [x], raise_on_failure=False,
            backward=lambda u, x, factor=factor: 5 * u * x**4 * [factor, 1, 1],
        )
        assert report.verdict == verdict
    # Where it is not the complex step that measures, the small entry is lost beside 1e15.
    report = gradcheck(
        lambda x: (abs(x) ** 5).sum(), [x], backward=lambda u, x: 5 * u * x**4,
        method="difference",
    )
    (found,) = report.comparisons
    assert found.sees < 1e-6
    assert 0 < found.sees_beside < 1e-9
    assert f"(in small entries, {found.sees_beside:.1e} of the largest)" in str(report)


def test_zero_says_what_could_not_be_told_from_it():
    def scale_free(x):
        return (normalised(x, np.full((4, 1), 2.0)) ** 2).sum()

    report = gradcheck(scale_free, [X], backward=lambda u, x: 0 * x)
    assert "zero: any gradient up to" in str(report)


# ---- smooth, but hard ---------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(4, 13))
@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_ill_conditioned_is_not_a_kink(n, mode, method):
    options = {"mode": mode, "method": method, "raise_on_failure": False}
    right = gradcheck(np.linalg.inv, [hilbert(n)], backward=inv_bar, **options)
    assert right.verdict in ("pass", "unresolved")
    assert n > 7 or right.verdict == "pass"
    wrong = gradcheck(
        np.linalg.inv, [hilbert(n)], backward=lambda u, a: 2 * inv_bar(u, a), **options
    )
    assert wrong.verdict in ("fail", "unresolved")
    assert n > 7 or wrong.verdict == "fail"


def test_kinks_are_kinks_in_a_coarse_function_too():
    x = np.array([0.0, 1.0, -2.0])
    report = gradcheck(
        coarse(abs), [x], backward=lambda u, x: u * np.sign(x), raise_on_failure=False
    )
    assert (report.verdict, report.worst.index) == ("not differentiable", (0,))
    root = gradcheck(
        lambda x: np.sqrt(abs(x)), [np.array([0.0, 1.0])],
        backward=lambda u, x: u * [0, 0.5], raise_on_failure=False,
    )
    assert root.verdict == "not differentiable"


@pytest.mark.parametrize("grid", [8, 100, 1000])
def test_a_staircase_does_not_pass_with_the_slope_of_its_ramp(grid):
    report = gradcheck(
        lambda x: np.round(x * grid) / grid, [X], backward=lambda u, x: u, raise_on_failure=False
    )
    assert report.verdict in ("fail", "unresolved", "not differentiable")


def test_a_layer_of_nets():
    x, w, v = RNG.normal(size=(8, 6)), RNG.normal(size=(6, 40)), RNG.normal(size=(40, 30))
    for dtype in HIGH:
        assert gradcheck(lambda x, w, v: ops.relu(ops.relu(x @ w) @ v), [x, w, v], dtype=dtype)
    layer = nn.Linear(5, 3, rng=0, dtype="float32")
    assert gradcheck(lambda x: layer(x), [X], dtype="float32")


@pytest.mark.slow
def test_sums_of_a_million_entries():
    x = RNG.normal(size=10**6)
    for dtype in HIGH:
        options = {"dtype": dtype, "mode": "random", "raise_on_failure": False}
        assert gradcheck(lambda x: (x * x).sum(), [x], backward=lambda u, x: 2 * u * x, **options)
    wrong = {"backward": lambda u, x: 2.01 * u * x, "mode": "random", "raise_on_failure": False}
    assert gradcheck(lambda x: (x * x).sum(), [x], **wrong).verdict == "fail"


# ---- what is not a function ---------------------------------------------------------------------

CHANGES = "two calls with the same inputs differ by"


def counted(change):
    """x^2, changed by change(number of the call)."""
    calls = []

    def f(x):
        calls.append(1)
        return x * x * (1 + change(len(calls)))

    return f


@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
@pytest.mark.parametrize("call", [2, 3, 4, 5, 7, 12])
def test_a_function_that_changes_at_some_call(call, mode, method):
    for change in (lambda n: 1.0 * (n >= call), lambda n: 1e-12 * (n >= call)):
        report = gradcheck(
            counted(change), [X], backward=lambda u, x: 2 * u * x, mode=mode, method=method,
            raise_on_failure=False,
        )
        assert report.verdict == "fail"
        assert CHANGES in str(report)
        assert "analytic" not in str(report)


@pytest.mark.parametrize("mode", ["full", "random"])
@pytest.mark.parametrize("method", ["auto", "difference"])
def test_a_function_that_is_another_at_its_fifth_call_only(mode, method):
    report = gradcheck(
        counted(lambda n: 1.0 * (n == 5)), [X], backward=lambda u, x: 2 * u * x, mode=mode,
        method=method, raise_on_failure=False,
    )
    assert report.verdict == "fail"
    assert CHANGES in str(report)


def test_states_and_random_numbers():
    class Centred:
        """As in training: the running mean is kept, and not used."""

        mean = 0.0

        def __call__(self, x):
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            return x - (x.mean(0) if self.training else self.mean)

    options = {"backward": lambda u, x: u - u.mean(0), "raise_on_failure": False}
    kept, used = Centred(), Centred()
    kept.training, used.training = True, False
    assert gradcheck(kept, [X], **options)
    assert CHANGES in str(gradcheck(used, [X], **options))

    def dropped(x, seed=0):
        return x * (np.random.default_rng(seed).random(x.shape) < 0.5) * 2

    assert gradcheck(dropped, [X], backward=lambda u, x: dropped(u))
    fresh = iter(range(10**6))
    unseeded = gradcheck(
        lambda x: dropped(x, next(fresh)), [X], backward=lambda u, x: u, raise_on_failure=False
    )
    assert CHANGES in str(unseeded)


def overwrites(i):
    def backward(u, x):
        bar = 2 * u * x
        (u, x)[i][0] = 7.0
        return bar

    return backward


def overwrites_tangent(x, t):
    y_dot = 2 * x * t
    t[:] = 0.0
    return y_dot


WRITES = {
    "its cotangent": {"backward": overwrites(0)},
    "this input": {"backward": overwrites(1)},
    "its tangent": {"jvp": overwrites_tangent},
}


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("mode", ["full", "random"])
def test_a_derivative_that_writes(what, mode):
    report = gradcheck(lambda x: x * x, [X], mode=mode, raise_on_failure=False, **WRITES[what])
    assert report.verdict == "fail"
    assert f"the derivative writes to {what}" in str(report)


def test_a_derivative_may_answer_with_views():
    assert gradcheck(lambda x: x + 0, [X], backward=lambda u, x: u)
    assert gradcheck(lambda x: x.T, [X], backward=lambda u, x: u.T)
    wrong = gradcheck(lambda x: x * x / 2, [X], backward=lambda u, x: x, raise_on_failure=False)
    assert wrong.verdict == "fail"
