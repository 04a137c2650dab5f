"""JUnit XML: valid for any name and message, and never green for a report that is not."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree

import pytest

from minwn.oracle.report.junit import junit

from .reports import FAILING, MAKERS, everything, report


def parsed(*reports):
    return ElementTree.fromstring(junit(reports).encode())


@pytest.mark.slow
def test_one_suite_for_each_report_one_test_for_each_rung_law_and_group():
    suites = parsed(*everything()).findall("testsuite")
    assert len(suites) == len(MAKERS)
    for suite, r in zip(suites, everything(), strict=True):
        tests = suite.findall("testcase")
        assert len(tests) == 1 + len(r.checks) + len(r.laws) + len(r.groups)
        assert len({(t.get("classname"), t.get("name")) for t in tests}) == len(tests)


def test_the_attributes_count_what_is_there():
    root = parsed(*everything())
    kinds = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for element in (root, *root.findall("testsuite")):
        for attribute, tag in kinds.items():
            assert int(element.get(attribute)) == len(element.findall(f".//{tag}"))
        assert float(element.get("time")) >= 0
    for suite in root.findall("testsuite"):
        total = sum(float(test.get("time")) for test in suite.findall("testcase"))
        assert total == pytest.approx(float(suite.get("time")))


@pytest.mark.parametrize("name", MAKERS)
def test_a_suite_is_red_where_its_report_is_not_ok(name):
    suite = parsed(report(name)).find("testsuite")
    failures, errors = int(suite.get("failures")), int(suite.get("errors"))
    assert (failures + errors == 0) == report(name).ok
    assert (errors > 0) == (report(name).verdict in ("REFUSED", "UNDEFINED"))


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_carries_the_screen(name):
    failures = parsed(report(name)).findall(".//failure")
    assert failures
    for failure in failures:
        assert failure.text == str(report(name))
        assert failure.get("message")
        assert failure.get("type") == "FAIL"


def test_what_was_declared_is_skipped_with_its_name():
    suite = parsed(report("declared")).find("testsuite")
    assert int(suite.get("skipped")) > 0
    assert all("eps_inside" in x.get("message") for x in suite.findall(".//skipped"))


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f", "\ud800", "\ufffe", "<&>\"'"])
def test_any_character_makes_valid_xml(character):
    text = f"a{character}b"
    r = dataclasses.replace(report("no_projection"), name=text, headline=text)
    suite = parsed(r).find("testsuite")
    assert suite.get("name").startswith("a")
    assert suite.get("name").endswith("b")
    if character not in "\r\n\t" and ord(character[0]) > 31 and len(ascii(character)) < 8:
        assert suite.get("name") == text


def test_no_reports_are_an_empty_document():
    root = parsed()
    assert root.get("tests") == "0"
    assert len(root) == 0
