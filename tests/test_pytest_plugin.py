"""The plugin, in a pytest of its own: what passes, what fails, and what is shown."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from xml.etree import ElementTree

import pytest

from minwn import pytest_plugin
from minwn.oracle.cases import GROUPS

pytest_plugins = ["pytester"]

INSTALLED = any(e.value == "minwn.pytest_plugin" for e in entry_points(group="pytest11"))
FUNCTIONS = """
    import numpy as np
    import pytest

    def n(v):
        return np.sqrt((v * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True))

    def d(w_bar, v):
        return (w_bar * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True)

    def forward(v, g):
        return g * v / n(v)

    def backward(w_bar, v, g):
        return g / n(v) * (w_bar - d(w_bar, v) / n(v)**2 * v), d(w_bar, v) / n(v)
"""


@pytest.fixture
def run(pytester):
    """Run tests beside FUNCTIONS, in this process, with the plugin."""

    def go(text, *options):
        pytester.makepyfile(FUNCTIONS + text)
        plugin = () if INSTALLED else ("-p", "minwn.pytest_plugin")
        return pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", *options)

    return go


def test_right_functions_pass(run):
    found = run("""
    def test_mine(weight_norm_oracle):
        assert weight_norm_oracle(forward, backward, axis=0).verdict == "PASS"
    """)
    found.assert_outcomes(passed=1)


def test_a_wrong_backward_fails_with_the_report_and_no_traceback(run):
    found = run("""
    def test_mine(weight_norm_oracle):
        weight_norm_oracle(forward=forward, backward=lambda w_bar, v, g: (
            g / n(v) * w_bar, d(w_bar, v) / n(v)), name="mine")
    """)
    found.assert_outcomes(failed=1)
    said = found.stdout.str()
    assert "mine" in said
    assert "no_projection" in said
    assert "Traceback" not in said
    assert "pytest_plugin.py" not in said
    assert "check.py" not in said


def test_junit_is_pytests_own_and_has_the_verdict(run, pytester):
    run("""
    def test_right(weight_norm_oracle):
        weight_norm_oracle(forward, backward, axis=0, name="mine")

    def test_wrong(weight_norm_oracle_part):
        weight_norm_oracle_part(forward, lambda w_bar, v, g: (
            g / n(v) * w_bar, d(w_bar, v) / n(v)), dtype="float32")
    """, "--junitxml=report.xml", "-W", "error").assert_outcomes(passed=3, failed=11)
    tests = list(ElementTree.parse(pytester.path / "report.xml").iter("testcase"))
    found = [{p.get("name"): p.get("value") for p in test.iter("property")} for test in tests]
    assert found[0]["minwn.name"] == "mine"
    assert found[0]["minwn.verdict"].startswith("PASS (")
    assert found[0]["minwn.settings"] == "axis 0, float64"
    assert int(found[0]["minwn.comparisons"]) > 1000
    assert found[0]["minwn.diagnosis"] == ""
    for properties in found[1:]:
        assert properties["minwn.verdict"] == "FAIL"
        assert properties["minwn.settings"] == "axis 0, float32"
        assert "no_projection" in properties["minwn.diagnosis"]
    failures = [test.find("failure") for test in tests]
    assert failures[0] is None
    assert all("no_projection" in failure.text for failure in failures if failure is not None)


# (backward, the parts that fail)
WRONG = {
    "formula": ("g / n(v) * w_bar, d(w_bar, v) / n(v)", {"generic", "dyadic", "laws"}),
    "g_bar": ("backward(w_bar, v, g)[0], d(w_bar, v)", {"generic", "laws", "derivatives"}),
    "dtype": ("*(x.astype('f4') for x in backward(w_bar, v, g)),", {"hygiene", "generic"}),
    "layout": ("backward(w_bar.ravel('K').reshape(v.shape), v, g)", {"layout"}),
    "long": ("backward(np.where(v[0].size > 40, 2, 1) * w_bar, v, g)", {"long", "sizes"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", WRONG)
def test_parts_fail_one_by_one(run, fault):
    code, parts = WRONG[fault]
    found = run(
        f"""
    def wrong(w_bar, v, g):
        return {code}

    def test_mine(weight_norm_oracle_part):
        weight_norm_oracle_part(forward, wrong)
    """,
        "-rf",
    )
    counts = found.parseoutcomes()
    said = found.stdout.str()
    failed = {p for p in pytest_plugin.PARTS if f"test_mine[{p}]" in said}
    assert parts <= failed
    assert counts["failed"] == len(failed)
    assert sum(counts.get(k, 0) for k in ("passed", "failed", "skipped")) == len(
        pytest_plugin.PARTS
    )
    if fault in ("layout", "long"):
        assert failed == parts


def test_parts_of_what_is_right(run):
    found = run("""
    def test_mine(weight_norm_oracle_part):
        weight_norm_oracle_part(forward=forward, backward=backward)
    """)
    found.assert_outcomes(passed=len(pytest_plugin.PARTS))


def test_what_was_not_given_is_skipped_and_what_raises_is_not(run):
    found = run("""
    def test_forward(weight_norm_oracle_part):
        weight_norm_oracle_part(forward=forward)

    def test_nothing(weight_norm_oracle_part):
        weight_norm_oracle_part()
    """)
    found.assert_outcomes(
        passed=len(GROUPS) + 1, skipped=2, failed=len(pytest_plugin.PARTS)
    )


@pytest.mark.slow
def test_the_mark_and_the_options(run, pytester):
    text = """
    import functools

    @pytest.mark.minwn(dtype="float32", axis=1, quick=True)
    def test_columns(weight_norm_oracle):
        def other(w_bar, v, g):
            return tuple(x.T for x in backward(w_bar.T, v.T, g.T))
        report = weight_norm_oracle(lambda v, g: forward(v.T, g.T).T, other)
        assert (report.dtype, report.axis) == ("float32", 1)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_cases(weight_norm_oracle, dtype):
        asked = []
        def counted(w_bar, v, g):
            asked.append(v)
            return backward(w_bar, v, g)
        assert weight_norm_oracle(forward, counted, dtype=dtype).dtype == dtype
        with open("count", "a") as file:
            print(len(asked), file=file)
    """

    def counts(*options):
        path = pytester.path / "count"
        path.unlink(missing_ok=True)
        run(text, "--strict-markers", *options).assert_outcomes(passed=3)
        return [int(x) for x in path.read_text().split()]

    quick, full = counts(), counts("--minwn-full")
    assert all(b > 2 * a for a, b in zip(quick, full, strict=True))
    pytester.makeini("[pytest]\nminwn_full = true\n")
    assert counts() == full
    assert counts("--minwn-quick") == quick


def test_a_wrong_argument_is_an_error_of_ones_own(run):
    found = run("""
    def test_mine(weight_norm_oracle):
        weight_norm_oracle(forward, backward, dtype="int64")
    """)
    found.assert_outcomes(failed=1)
    assert "choose float16" in found.stdout.str()


def test_the_parts_are_the_groups_of_the_cases_and_three_more():
    assert pytest_plugin.GROUPS == GROUPS


def test_importing_the_plugin_is_light():
    code = (
        "import sys, minwn.pytest_plugin;"
        "print([m for m in ('numpy', 'hypothesis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_that_are_none_get_the_sentence_of_check(run):
    found = run("""
    import pytest

    @pytest.mark.parametrize("settings, said", [
        ({"form": "insid"}, "form='insid'; choose from plain"),
        ({"form": "inside", "eps": -1}, "eps=-1; choose a finite number >= 0"),
        ({"eps": 0.5}, "form='plain' has no eps, got eps=0.5"),
        ({"ranks": ()}, "ranks is empty"), ({"groups": []}, "groups=.. is empty"),
        ({"accept": ["eps_insid"]}, "did you mean 'eps_inside'"),
        ({"axis": 7}, "axis 7 of a weight with 5 axes"),
    ])
    def test_none(weight_norm_oracle, settings, said):
        with pytest.raises((ValueError, IndexError), match=said):
            weight_norm_oracle(forward=forward, backward=backward, **settings)

    @pytest.mark.minwn(form="insid")
    def test_mark(weight_norm_oracle_part):
        with pytest.raises(ValueError, match="form='insid'; choose from plain"):
            weight_norm_oracle_part(forward=forward)
    """)
    found.assert_outcomes(passed=7 + len(pytest_plugin.PARTS))
