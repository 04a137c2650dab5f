"""The page: whole, closed in itself, readable without colours or eyes, and its pictures true."""

from __future__ import annotations

import dataclasses
import html
import itertools
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.report import CheckResult, MinimalCase
from minwn.oracle.report.html import page
from minwn.oracle.report.picture import pictures

from .reports import FAILING, MAKERS, everything, report

VOID = {"meta", "wbr"}
CSS = (Path(oracle.__file__).parent / "report" / "page.css").read_text(encoding="utf-8")


class Tree(HTMLParser):
    """Checks that tags balance; keeps (path of tags, attributes, text) of every element."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", "within": list(self.open), **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()["tag"] == tag, tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, inside=None):
        return [
            e
            for e in self.elements
            if e["tag"] == tag and (inside is None or any(w is inside for w in e["within"]))
        ]


@pytest.fixture(scope="module")
def whole():
    return Tree(page(everything()))


def section(tree, name):
    i = list(MAKERS).index(name)
    return next(e for e in tree.elements if e.get("id") == f"r{i}")


@pytest.mark.parametrize("name", MAKERS)
def test_a_page_of_one_report_is_well_formed(name):
    assert Tree(page([report(name)])).all("h1")


def test_nothing_is_loaded(whole):
    text = page(everything())
    assert not re.search(r"https?:|url\(|@import|//[\w.]+/", text)
    assert not {e["tag"] for e in whole.elements} & {"script", "link", "img", "iframe", "object"}
    for e in whole.elements:
        assert "src" not in e
        assert not any(key.startswith("on") for key in e)
        assert e.get("href", "#").startswith("#")


def test_ids_are_unique_and_every_reference_leads_somewhere(whole):
    ids = [e["id"] for e in whole.elements if "id" in e]
    assert len(ids) == len(set(ids))
    wanted = [e["href"][1:] for e in whole.all("a")]
    wanted += " ".join(e["aria-labelledby"] for e in whole.all("svg")).split()
    assert set(wanted) <= set(ids)


def test_any_name_is_text():
    evil = '<script>alert("1")</script>&amp;\x00'
    checks = [CheckResult(evil, 3, 1, 2.0, evil)]
    r = dataclasses.replace(
        report("mutates"), name=evil, headline=evil, notes=[evil], checks=checks
    )
    tree = Tree(page([r]))
    assert not tree.all("script")
    assert evil[:26] in tree.all("svg")[0]["text"]
    assert '<script>alert("1")</script>&amp;\\x00' in tree.all("h2")[0]["text"]


def test_the_matrix_has_a_row_for_each_and_says_in_words_what_the_colours_say(whole):
    table = whole.all("table")[0]
    rows = [e for e in whole.all("tr", table) if whole.all("td", e)]
    assert len(rows) == len(MAKERS)
    heads = [e["text"] for e in whole.all("th", table) if e.get("scope") == "col"]
    assert {"w", "gradients", "JVP", "double backward", "dyadic", "range"} <= set(heads)
    for row, (name, make) in zip(rows, MAKERS.items(), strict=True):
        cells = [e["text"] for e in whole.all("td", row)]
        assert make is not None
        assert report(name).verdict in cells[0]
        assert len(cells) == len(heads) - 1
        assert all(any(c in text for c in "✓✗△≈–?") for text in cells)
        wrong = any("✗" in text for text in cells[1:])
        assert wrong <= (not report(name).ok)


def test_the_columns_are_the_groups_of_cases_in_order():
    tree = Tree(page([report("pass"), report("second order")]))
    heads = [e["text"] for e in tree.all("th", tree.all("table")[0]) if e.get("scope") == "col"]
    assert heads == [
        "implementation", "verdict", "hygiene", "w", "gradients", "double backward",
        *oracle.cases.GROUPS,
    ]
    cells = [e["text"][0] for e in tree.all("td", tree.all("tr")[3])][1:]
    assert cells[:4] == ["✓", "✓", "✓", "✗"]


def test_it_is_accessible(whole):
    assert whole.all("html")[0]["lang"] == "en"
    assert all(e.get("scope") for e in whole.all("th"))
    for e in whole.all("svg"):
        assert e["role"] == "img"
        assert whole.all("title", e)[0]["text"]
        assert whole.all("desc", e)[0]["text"]
    for e in whole.elements:
        if e.get("role") == "region":
            assert e["aria-label"]
            assert e["tabindex"] == "0"


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_shows_its_evidence_and_a_picture(name, whole):
    r, part = report(name), section(whole, name)
    assert part["tag"] == "section"
    assert whole.all("svg", part)
    assert whole.all("figcaption", part)
    for d in r.diagnosis:
        if name != "nasty":
            assert d.id in part["text"]
            assert d.fix in part["text"]
            assert d.formula in part["text"]
    assert whole.all("pre", part)[0]["text"] == str(r)


@pytest.mark.parametrize("name", sorted(set(MAKERS) - set(FAILING)))
def test_what_did_not_fail_is_folded(name, whole):
    part = section(whole, name)
    assert part["tag"] == "details"
    assert "open" not in part


def test_a_single_report_is_never_folded():
    assert "open" in Tree(page([report("pass")])).all("details")[1]


def test_only_what_differs_between_the_formulas_is_marked():
    tree = Tree(page([report("proj_sign")]))
    assert [e["text"] for e in tree.all("mark")] == ["+", "-"]


def test_the_wrong_entries_of_the_smallest_case_are_marked():
    tree = Tree(page([report("last element")]))
    array = next(e for e in tree.all("table") if "got" in e["text"] and e["class"] == "array")
    cells = [e["text"].strip() for e in tree.all("td", array)]
    assert cells == ["-3.2", "0 ✗"]


def test_thirty_implementations_stay_readable():
    many = [dataclasses.replace(report("pass"), name=f"number {i}") for i in range(29)]
    tree = Tree(page([*many, report("no_projection")]))
    assert len(tree.all("section")) == 1
    assert len([e for e in tree.all("details") if e.get("class") == "report"]) == 29


# ---- pictures -----------------------------------------------------------------------------------


def legend(picture):
    return " | ".join(text for _, _, text in picture.legend)


def test_a_missing_projection_is_a_slanted_arrow():
    # v = (3, 4), g = 10, w_bar = (5, 10): (g/n) w_bar is 22 along v and 4 across, in units of 1
    plane = pictures(dataclasses.replace(report("no_projection"), examples=[]))[0]
    assert plane.title == "Slice 0 of v_bar in the plane of v and w_bar"
    assert "expected v_bar: 0 along v, 4 across v" in legend(plane)
    assert "got: 22 along v, 4 across v" in legend(plane)


def test_an_arrow_that_leaves_the_plane_or_the_picture_says_so():
    v, w_bar = [[3.0, 4.0, 0.0]], [[5.0, 10.0, 0.0]]
    right = [[-3.2, 2.4, 0.0]]
    out = MinimalCase(v, [[10.0]], w_bar, "v_bar", [[-3.2, 2.4, 5.0]], right)
    r = dataclasses.replace(report("no_projection"), examples=[out])
    assert "leaves this plane, by 5" in legend(pictures(r)[0])
    far = dataclasses.replace(out, got=[[-3200.0, 2400.0, 0.0]])
    r = dataclasses.replace(r, examples=[far])
    assert "drawn shorter" in legend(pictures(r)[0])


def inside(picture):
    """Whether every coordinate of the drawing is in its frame."""
    for axis, size in (("x", picture.width), ("y", picture.height)):
        found = re.findall(rf'\bc?{axis}="(-?[\d.]+)"', picture.body)
        assert all(0 <= float(x) <= size for x in found)
    paths = " ".join(re.findall(r'\b(?:points|d)="M?(.*?)"', picture.body)).replace("L", " ")
    for x, y in re.findall(r"(-?[\d.]+)[, ](-?[\d.]+)", paths):
        assert -1 <= float(x) <= picture.width + 1
        assert -1 <= float(y) <= picture.height + 1
    assert "nan" not in "".join(re.findall(r'"[^"]*"', picture.body))


def example(shape, axes, got=None, output="v_bar"):
    rng = np.random.default_rng(3)
    v, w_bar = rng.standard_normal((2, *shape))
    g = rng.standard_normal([k if i in axes else 1 for i, k in enumerate(shape)] if shape else ())
    right = rng.standard_normal(g.shape if output == "g_bar" else shape)
    got = right + 10.0 ** rng.integers(-17, 3, right.shape) if got is None else np.full(shape, got)
    return MinimalCase(*(x.tolist() for x in (v, g, w_bar)), output, got.tolist(), right.tolist())


@pytest.mark.parametrize(
    "case",
    [
        example((4, 6), (0,)), example((5, 2), (1,)), example((40, 50), (0,)),
        example((3, 2, 2), (0, 2)), example((7,), ()), example((1, 1), (0,)),
        example((3, 4), (0,), math.nan), example((3, 4), (0,), math.inf),
        example((3, 4), (0,), 0.0), example((3, 4), (0,), 1e300), example((4, 5), (0,), 1e-300),
        example((6, 3), (0,), output="g_bar"), example((3, 5), (0,), output="w"),
    ],
)
def test_any_case_can_be_drawn(case):
    r = dataclasses.replace(report("no_projection"), examples=[case])
    drawn = pictures(r)
    assert len(drawn) >= 2
    for picture in drawn:
        inside(picture)
    Tree(page([r]))


def test_the_heat_map_is_true():
    case = example((4, 6), (0,))
    ratio = case.ratio()
    heat = pictures(dataclasses.replace(report("unknown"), examples=[case]))[1]
    levels = [int(x) for x in re.findall(r'<rect class="heat(\d)"', heat.body)]
    np.testing.assert_array_equal(np.array(levels) > 0, np.ravel(ratio) > 1)
    assert f"{(ratio > 1).sum()} of 24 entries" in heat.description
    order = np.argsort(np.ravel(ratio))
    assert (np.diff(np.array(levels)[order]) >= 0).all()  # darker is worse
    assert levels[int(order[-1])] == 5


@pytest.mark.parametrize("name", ["mutates", "raises", "second order"])
def test_without_numbers_the_checks_are_drawn(name):
    (picture,) = pictures(report(name))
    assert picture.title == "How much of each check is wrong"
    for result in report(name).checks:
        assert f"{result.name}: {result.failed} of {result.checked} wrong" in picture.description


# ---- colours ------------------------------------------------------------------------------------


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


PAIRS = {
    "ink": "paper box ok fail limit h0 h1 h2 mark own", "soft": "paper box", "right": "paper",
    "wrong": "paper box", "link": "paper", "paper": "h3 h4 h5",
}


@pytest.mark.parametrize("which", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_what_is_behind_it(which):
    """A contrast of 4.5, the limit of WCAG 2.2 for text of ordinary size (1.4.3)."""
    block = re.findall(r":root\{(.*?)\}", CSS, re.DOTALL)[which]
    colours = dict(re.findall(r"--(\w+):(#\w+)", block))
    for text, grounds in PAIRS.items():
        for ground in grounds.split():
            low, high = sorted(luminance(colours[x]) for x in (text, ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)


def test_heat_darkens_step_by_step_so_that_grey_paper_will_do():
    for block, sign in zip(re.findall(r":root\{(.*?)\}", CSS, re.DOTALL), (-1, 1), strict=True):
        steps = [luminance(x) for x in re.findall(r"--h\d:(#\w+)", block)]
        assert all(sign * (b - a) > 0 for a, b in itertools.pairwise(steps))


def test_the_title_is_escaped_in_the_screen_too():
    r = dataclasses.replace(report("refused"), name="<b>")
    assert html.escape(str(r)) in page([r])
