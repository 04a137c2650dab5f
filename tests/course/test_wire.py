"""The judge calls functions of another process: values arrive as they were sent."""

from __future__ import annotations

import socket
import threading

import numpy as np
import pytest

from minwn.course.exercise import find
from minwn.course.session import judged
from minwn.course.wire import Peer, Raised, RemoteFunction


@pytest.fixture
def ends():
    here, there = socket.socketpair()
    kernel, judge = Peer(there, guarded=False), Peer(here, guarded=True)
    served = threading.Thread(target=kernel.serve, daemon=True)
    served.start()
    yield judge, kernel
    here.shutdown(socket.SHUT_RDWR)
    served.join(10)
    for one in (judge, kernel):
        one.stream.close()
    here.close()
    there.close()


def remote(ends, answer):
    judge, kernel = ends
    return judge.unpacked(kernel.packed(answer))


VALUES = [
    None, True, "text", 3, 2.5, 10**30, float("nan"), 1 + 2j, (1, [2, (3,)]), {"a": {1: 2}}, ...,
    np.float32(0.1), np.arange(6.0).reshape(2, 3), np.zeros((0, 3)), np.array([1 + 1j]),
    np.arange(3, dtype="int8"), np.ones(2, dtype="float16"), np.array([np.inf, np.nan]),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_went(ends, value):
    found = remote(ends, lambda x: x)(value)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray | np.generic):
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)
    else:
        assert repr(found) == repr(value)


def test_a_changed_argument_is_changed_here_too(ends):
    def spoil(x):
        x += 1

    x = np.zeros(3)
    remote(ends, spoil)(x)
    np.testing.assert_array_equal(x, 1)
    x.flags.writeable = False
    with pytest.raises(Raised, match="read-only"):
        remote(ends, spoil)(x)


def test_functions_go_there_and_objects_come_home(ends):
    class Number:
        def __init__(self, value):
            self.value = value

        def __mul__(self, other):
            return Number(self.value * other.value)

        def exp(self):
            return Number(np.exp(self.value))

    def answer(f, x):
        return f(Number(x)).value

    assert remote(ends, answer)(lambda x: (x * x).exp(), 2.0) == np.exp(4.0)


def test_the_judge_only_lets_its_functions_be_called(ends):
    def look(f):
        return f.func_globals

    def under(f):
        return f.__globals__

    for answer in (look, under):
        with pytest.raises(Raised):
            remote(ends, answer)(lambda x: x)
    judge, _ = ends
    packed = judge.packed(lambda x: x)[1][1]
    for how in ("get", "__reduce__"):
        found = judge.answer({"do": packed, "how": how, "args": [["plain", "__globals__"]]})
        assert found["error"][:2] == ["TypeError", "this can only be called"]


def test_an_error_keeps_its_kind_and_nonsense_is_refused(ends):
    def broken(v):
        return v @ v

    assert judged(find("0.2"), remote(ends, broken), {}).startswith(
        "your answer raised ValueError: matmul"
    )
    judge, _ = ends
    for message in (["array", ["|O", [1], "", False, True]], ["pickle", "x"]):
        with pytest.raises(ValueError, match=r"no array of numbers|no message"):
            judge.unpacked(message)


def test_an_exercise_is_judged_from_afar(ends):
    def lengths(v):
        return np.sqrt((v * v).sum(axis=1))

    answer = remote(ends, lengths)
    assert isinstance(answer, RemoteFunction)
    assert judged(find("0.2"), answer, {}) is None
    assert "square" in judged(find("0.2"), remote(ends, lambda v: (v * v).sum(axis=1)), {})
