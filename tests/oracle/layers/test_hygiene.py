"""What hides from a judge of layers: clipped numbers, arrays seen before, calls that come late."""

import numpy as np
import pytest

from minwn.oracle import check_layer

from .. import layer_implementations as right

LINEAR = {"kind": "linear"}
CONV = {"kind": "conv2d", "stride": 2, "padding": 1}
KINDS = {
    "linear": (LINEAR, right.with_norm(right.linear_forward, right.linear_backward)),
    "conv2d": (CONV, right.with_norm(*right.STYLES["taps"], stride=2, pad=1)),
}


@pytest.fixture(params=KINDS)
def layer(request):
    """(options, forward, backward)"""
    options, functions = KINDS[request.param]
    return options, *functions


def names(report):
    assert report.verdict == "FAIL", str(report)
    return [d.id for d in report.diagnosis]


# ---- larger numbers than those of the cases -----------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("which", range(4))
def test_clipped_gradients_are_found(layer, which, dtype):
    options, forward, backward = layer

    def clipped(*arrays):
        bars = [*backward(*arrays)]
        bars[which] = np.clip(bars[which], -50, 50)
        return tuple(bars)

    assert check_layer(forward, backward, **options, dtype=dtype).ok
    assert names(check_layer(forward, clipped, **options, dtype=dtype))


def test_a_clipped_output_is_found(layer):
    options, forward, backward = layer
    assert names(check_layer(lambda *a: np.clip(forward(*a), -99, 99), backward, **options))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_large_numbers_stay_in_the_range_of_the_dtype(layer, dtype):
    options, forward, backward = layer
    assert check_layer(forward, backward, **options, dtype=dtype).ok


# ---- what is kept from an earlier call ----------------------------------------------------------


def keeping(f, key, at):
    """f with v or w as it was when `key` of it was seen first."""
    seen = {}

    def kept(*arrays):
        given = [*arrays]
        first, value = seen.setdefault(key(given[at]), (given[at], given[at].copy()))
        assert first is not None  # it lives on: no other array has its place in memory
        given[at] = value
        return f(*given)

    return kept


@pytest.mark.parametrize("key", [id, lambda v: v.__array_interface__["data"]])
def test_a_cache_by_identity_is_stale(layer, key):
    options, forward, backward = layer
    both = check_layer(keeping(forward, key, 1), keeping(backward, key, 2), **options)
    assert {*names(both)} == {"stale_state"}, str(both)
    assert "the same arrays" in both.diagnosis[0].evidence
    for report in (
        check_layer(keeping(forward, key, 1), backward, **options),
        check_layer(forward, keeping(backward, key, 0), **options),
    ):
        assert names(report) == ["stale_state"]


def test_a_cache_by_value_is_right(layer):
    options, forward, backward = layer

    def key(v):
        return v.tobytes(), v.shape, v.dtype

    assert check_layer(keeping(forward, key, 1), keeping(backward, key, 2), **options).ok


def test_the_first_call_of_a_shape_is_right_and_the_next_one_wrong(layer):
    options, forward, backward = layer
    report = check_layer(forward, keeping(backward, np.shape, 2), **options)
    assert "stale_state" in names(report)


def test_memory_that_the_next_call_writes_to(layer):
    options, forward, backward = layer
    kept = {}

    def buffered(*arrays):
        x_bar, *rest = backward(*arrays)
        buffer = kept.setdefault((x_bar.shape, x_bar.dtype), np.empty_like(x_bar))
        buffer[...] = x_bar
        return buffer, *rest

    assert names(check_layer(forward, buffered, **options)) == ["returns_cache"]


# ---- late calls ---------------------------------------------------------------------------------

LATE = {
    "the 54th": lambda k: k == 54,
    "the 14th": lambda k: k == 14,
    "from the 20th on": lambda k: k >= 20,
    "from the 40th on": lambda k: k >= 40,
    "every 50th": lambda k: k % 50 == 0,
    "from the 58th on": lambda k: k >= 58,
}


@pytest.mark.parametrize("when", LATE)
@pytest.mark.parametrize("which", ["forward", "backward"])
def test_what_is_wrong_only_in_a_late_call(layer, when, which):
    options, *functions = layer
    count = [0]
    at = ["forward", "backward"].index(which)

    def counting(*arrays, f=functions[at]):
        count[0] += 1
        answers = f(*arrays)
        if not LATE[when](count[0]):
            return answers
        return 2 * answers if at == 0 else (2 * answers[0], *answers[1:])

    functions[at] = counting
    found = names(check_layer(*functions, **options))
    assert {*found} <= {"late_call", "stale_state", "not_deterministic"}


def test_a_formula_that_is_wrong_from_the_start_keeps_its_name(layer):
    options, forward, backward = layer

    def wrong(*arrays):
        bars = backward(*arrays)
        return 2 * bars[0], *bars[1:]

    assert names(check_layer(forward, wrong, **options)) == ["constant_factor"]


@pytest.mark.parametrize(("factor", "said"), [(0, "is zero everywhere"), (-1, "the wrong sign")])
def test_a_factor_that_has_a_reason_is_told_with_it(layer, factor, said):
    options, forward, backward = layer

    def wrong(*arrays):
        *others, b_bar = backward(*arrays)
        return *others, factor * b_bar

    found = check_layer(forward, wrong, **options).diagnosis
    assert [d.id for d in found] == ["constant_factor"]
    assert said in found[0].formula


# ---- adding up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_gradients_that_add_up(layer, dtype):
    options, forward, backward = layer
    total = {}

    def adds(*arrays):
        *bars, b_bar = backward(*arrays)
        key = b"".join(x.tobytes() for x in arrays)
        total[key] = total.get(key, 0) + b_bar
        return *bars, total[key].copy()

    assert "accumulates" in names(check_layer(forward, adds, **options, dtype=dtype))


def test_an_answer_that_drifts_does_not_add_up(layer):
    options, forward, backward = layer
    count = [0]

    def drifts(*arrays):
        count[0] += 1
        *bars, b_bar = backward(*arrays)
        return *bars, b_bar * (1 + 1e-5) ** (count[0] ** 2 % 7)

    assert "accumulates" not in names(check_layer(forward, drifts, **options))


# ---- threads ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_threads_that_share_a_buffer(layer):
    options, forward, backward = layer
    buffers = {}

    def shared(*arrays):
        y = forward(*arrays)
        buffer = buffers.setdefault(y.shape[1], np.zeros(10_000, y.dtype))
        buffer[: y.size] = y.ravel()
        for _ in range(50):
            np.sin(buffer)  # others have their turn
        return buffer[: y.size].reshape(y.shape).copy()

    assert check_layer(shared, backward, **options).ok
    assert names(check_layer(shared, backward, **options, threads=4)) == ["not_thread_safe"]
    assert check_layer(forward, backward, **options, threads=2).ok
