"""A verdict says what it did not look at."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minwn import oracle
from minwn.byhand import weight_norm


def vjp(w_bar, v, g):
    return weight_norm.vjp(w_bar, v, g)


def reasons(report):
    """The reason of each check."""
    pairs = [text.partition(": ") for text in report.skipped]
    return {check: why for checks, _, why in pairs for check in (checks, *checks.split(", "))}


def test_what_was_not_given_and_what_was_not_asked_for():
    report = oracle.check(weight_norm.forward, vjp)
    assert report.verdict == "PASS"
    found = reasons(report)
    assert found["product"] == found["adjoint"] == "no jvp was given"
    assert found["second order"] == "no double_backward was given"
    assert found["threads"] == "not asked for: threads=0"
    assert found["ranks 3, 4, 5"] == "not asked for: give ranks="
    alone = reasons(oracle.check(weight_norm.forward, groups=["generic"]))
    assert alone["gradients"] == alone["laws"] == "no backward was given"
    assert alone["cases of angle"] == "not among groups="


def test_what_is_not_skipped_is_not_listed():
    every = {
        "forward": weight_norm.forward, "backward": vjp, "jvp": weight_norm.jvp,
        "double_backward": weight_norm.double_vjp,
    }
    report = oracle.check(**every, ranks=range(1, 6), threads=2, quick=False)
    assert report.verdict == "PASS"
    assert report.skipped == []


@pytest.mark.parametrize(
    ("functions", "how", "check", "words"),
    [
        ({"forward": lambda v, g: weight_norm.forward(v, g, form="outside", eps=0.1)},
         {"form": "outside", "eps": 0.1}, "taylor", "no bound is proven for the form outside"),
        ({"forward": lambda v, g: g * v / np.linalg.norm(v, axis=1, keepdims=True)}, {},
         "complex", "is not analytic"),
        ({"forward": lambda v, g: weight_norm.forward(v, g).astype("float32")},
         {"dtype": "float32"}, "differences", "w has not the digits of float64"),
        ({}, {"dtype": "float16"}, "laws", "no case stays in the range of float16"),
        ({}, {"dtype": "float16"}, "cases of sizes", "may be anything in float16"),
    ],
)
def test_the_reason_of_a_check_that_could_not_be_made(functions, how, check, words):
    settings = {k: x for k, x in how.items() if k in ("form", "eps")}

    def backward(w_bar, v, g):
        return weight_norm.vjp(w_bar, v, g, **settings)

    given = {"forward": weight_norm.forward, "backward": backward} | functions
    found = reasons(oracle.check(**given, **how))
    assert words in found[check], found


def test_in_text_json_and_html(tmp_path):
    report = oracle.check(weight_norm.forward, vjp)
    assert "skipped   adjoint, product: no jvp was given" in str(report)
    data = json.loads(json.dumps(report.to_json()))
    assert "adjoint, product: no jvp was given" in data["skipped"]
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Not judged" in page
    assert "no jvp was given" in page


@pytest.mark.parametrize("answer", [None, (), (None, None), (np.zeros(0), np.zeros(0))])
def test_a_function_that_answers_nothing_does_not_pass(answer):
    report = oracle.check(weight_norm.forward, lambda w_bar, v, g: answer)
    assert not report.ok
