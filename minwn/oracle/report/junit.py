"""Reports as JUnit XML: a suite for each report; a test for each check, law and group of cases.

The first test of a suite is the verdict, so that a report without checks is not an empty success. A
difference that was declared is skipped, not failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree

from .data import Findings
from .glossary import CHECKS, GROUPS, LAWS
from .text import screen

__all__ = ["junit"]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2

# (class, name, outcome, message); an outcome is the element that JUnit has for it
Test = tuple[str, str, str, str]


def junit(reports: Iterable[Findings]) -> str:
    """The reports as one XML document."""
    root = ElementTree.Element("testsuites", name="minwn.oracle")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    seconds = 0.0
    for report in reports:
        suite = _suite(report)
        root.append(suite)
        for key in totals:
            totals[key] += int(suite.get(key, "0"))
        seconds += report.seconds
    for key, value in totals.items():
        root.set(key, str(value))
    root.set("time", f"{seconds:.3f}")
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(r: Findings) -> ElementTree.Element:
    tests = list(_tests(r))
    found = [outcome for _, _, outcome, _ in tests]
    suite = ElementTree.Element(
        "testsuite", name=_legal(r.name), tests=str(len(tests)),
        failures=str(found.count("failure")), errors=str(found.count("error")),
        skipped=str(found.count("skipped")), time=f"{r.seconds:.3f}",
    )
    text = _legal(screen(r))
    for kind, name, outcome, message in tests:
        test = ElementTree.SubElement(
            suite, "testcase", classname=_legal(f"{r.name}.{kind}"), name=_legal(name),
            time=f"{r.seconds if kind == 'verdict' else 0.0:.3f}",
        )
        if outcome:
            element = ElementTree.SubElement(test, outcome, message=_legal(message))
            if outcome != "skipped":
                element.set("type", r.verdict)
                element.text = text
        elif message:
            ElementTree.SubElement(test, "system-out").text = _legal(message)
    return suite


def _tests(r: Findings) -> Iterator[Test]:
    verdict = {"FAIL": "failure", "UNDEFINED": "error", "REFUSED": "error"}.get(r.verdict, "")
    yield "verdict", r.title, verdict, r.headline
    bad = "skipped" if r.ok else "failure"
    declared = f"{r.headline}: " if r.ok else ""
    for result in r.checks:
        about = CHECKS.get(result.name, result.note)
        if not result.checked and result.ok:
            yield "rungs", result.name, "skipped", "not asked"
        elif result.ok:
            yield "rungs", result.name, "", f"{result.checked} comparisons: {about}"
        else:
            count = f"{result.failed} of {result.checked} wrong: {about}"
            yield "rungs", result.name, bad, declared + count
    for law, ratio in r.laws.items():
        name = f"{law} {LAWS.get(law, '')}".strip()
        message = f"{declared}off by {ratio:.1e} times what rounding may do"
        yield "laws", name, *(("", "") if law not in r.broken else (bad, message))
    for group, state in r.groups.items():
        about = GROUPS.get(group, "")
        if state == "FAIL":
            yield "groups", group, bad, f"{declared}wrong for {about}"
        else:
            yield "groups", group, "", "wrong at the edges only" if state == "limit" else ""


def _legal(text: str) -> str:
    """The text without what XML cannot hold; such a character becomes its escape."""
    return _ILLEGAL.sub(lambda c: ascii(c.group())[1:-1], text)
