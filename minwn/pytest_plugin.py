"""The oracle as a fixture of pytest: functions of weight normalisation, judged in a test.

    def test_mine(weight_norm_oracle):
        weight_norm_oracle(forward=mine.forward, backward=mine.backward, axis=0)

runs the cases, and fails with the report in place of a traceback.

    def test_mine_in_parts(weight_norm_oracle_part):
        weight_norm_oracle_part(forward=mine.forward, backward=mine.backward)

is one test for each group of cases, and three for the rest, so that each is seen to pass or fail.
Settings that several calls share go into a mark: @pytest.mark.minwn(dtype="float32", axis=1).
--minwn-full, or minwn_full = true in the configuration, runs every case and not only the first of
each group.

The verdict, what was asked and the diagnosis are properties of the test: pytest's own --junitxml
writes them, and so do other reports that pytest has.

pytest imports this at every start: it is light, and loads the oracle only when it is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

__all__ = ["weight_norm_oracle", "weight_norm_oracle_part"]

# The groups of the cases, and then the checks that belong to no group.
GROUPS = (
    "dyadic", "generic", "angle", "range", "axes", "layout", "undefined", "long", "zeros", "sizes",
)
PARTS = (*GROUPS, "hygiene", "laws", "derivatives")
OF_GROUPS = ("dyadic", "forward", "gradients")  # checks that judge the cases, group by group
_REPORTS = pytest.StashKey[dict[Any, Any]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--minwn-full and --minwn-quick, and minwn_full for the configuration."""
    group = parser.getgroup("minwn", "the oracle of weight normalisation")
    group.addoption(
        "--minwn-full", dest="minwn_full", action="store_true", default=None,
        help="weight_norm_oracle runs every case",
    )
    group.addoption(
        "--minwn-quick", dest="minwn_full", action="store_false",
        help="weight_norm_oracle runs the first cases of each group (default)",
    )
    parser.addini("minwn_full", "weight_norm_oracle runs every case", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """The mark `minwn`."""
    config.addinivalue_line(
        "markers", "minwn(dtype=, axis=, ...): settings of weight_norm_oracle, as of oracle.check"
    )


@pytest.fixture
def weight_norm_oracle(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Judge functions as `minwn.oracle.check` does; a failing test where they are wrong.

    Takes the arguments of `check`, and returns its report.
    """

    def judge(forward: Any = None, backward: Any = None, **settings: Any) -> Any:
        __tracebackhide__ = True
        report = _report(request, forward, backward, settings)
        if not report.ok:
            pytest.fail(str(report), pytrace=False)
        return report

    return judge


@pytest.fixture(params=PARTS)
def weight_norm_oracle_part(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """The same, one test for each group of cases; "derivatives" is differences and all beyond."""

    def judge(forward: Any = None, backward: Any = None, **settings: Any) -> Any:
        __tracebackhide__ = True
        report = _report(request, forward, backward, settings)
        state = _part(report, request.param)
        if report.verdict in ("REFUSED", "UNDEFINED") or (state is False and not report.ok):
            pytest.fail(str(report), pytrace=False)
        if state is None:
            pytest.skip(f"{request.param}: there was nothing to judge")
        return report

    return judge


def _report(request: pytest.FixtureRequest, forward: Any, backward: Any, settings: Any) -> Any:
    __tracebackhide__ = True
    mark = request.node.get_closest_marker("minwn")
    if mark and mark.args:
        raise TypeError(f"the mark minwn{mark.args}; give settings by name, as in dtype='float32'")
    asked = request.config.getoption("minwn_full")
    full = request.config.getini("minwn_full") if asked is None else asked
    given = {"quick": not full} | (mark.kwargs if mark else {}) | settings
    # The parts of one test ask for the same report.
    kept = request.config.stash.setdefault(_REPORTS, {})
    key = (request.node.path, forward, backward, repr(sorted(given.items())))
    if key not in kept:
        kept.clear()
        kept[key] = importlib.import_module("minwn.oracle").check(forward, backward, **given)
    request.node.user_properties += _properties(kept[key])
    return kept[key]


def _properties(report: Any) -> list[tuple[str, object]]:
    """As the fixture record_property keeps them; that one warns where JUnit is of family xunit2."""
    return [
        ("minwn.name", report.name),
        ("minwn.verdict", report.title),
        ("minwn.settings", report.settings),
        ("minwn.comparisons", sum(check.checked for check in report.checks)),
        ("minwn.diagnosis", ", ".join(d.id for d in report.diagnosis)),
    ]


def _part(report: Any, part: str) -> bool | None:
    """Whether a part of the report is in order; None where nothing was judged."""
    if part in GROUPS:
        state = report.groups.get(part)
        return None if state is None else state != "FAIL"
    if part == "derivatives":
        checks = [r for r in report.checks if r.name not in (*OF_GROUPS, "hygiene", "laws")]
    else:
        checks = [r for r in report.checks if r.name == part]
    return all(r.ok for r in checks) if checks else None
