"""The drawings of the notebooks: what is asked for is drawn, labelled, and closed again."""

from __future__ import annotations

import re

import numpy as np
import pytest

plt = pytest.importorskip("matplotlib.pyplot", reason="notebooks draw with matplotlib")

from minwn.course import draw, finding  # noqa: E402
from minwn.course.locations import sources  # noqa: E402


@pytest.fixture
def shown(monkeypatch):
    """The figures, as they are when they are shown."""
    plt.switch_backend("agg")
    figures = []
    monkeypatch.setattr(plt, "show", lambda: figures.extend(map(plt.figure, plt.get_fignums())))
    yield figures
    plt.close("all")


X, Y = np.arange(1.0, 5.0), np.arange(1.0, 5.0) ** 2


def test_a_panel_draws_what_it_is_given_with_its_labels(shown):
    draw.show(
        draw.panel(
            x="step", y="length", log="xy", at=[2.0], floor=1e-9, ylim=(1e-10, 10),
            lines={"measured": (X, Y)}, points={"seen": (X, X)},
            theory={"law": [(X, Y), (X, X)]},
        ),
        draw.panel(x="a", y="b", lines={"c": (X, Y)}, ticks={0: "none", 9: "many"}, title="t"),
    )
    (figure,) = shown
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "length")
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    assert left.get_ylim() == (1e-10, 10)
    said = [text.get_text() for text in left.get_legend().get_texts()]
    assert said == ["measured", "seen", "law", "rounding"]
    np.testing.assert_array_equal(left.lines[0].get_ydata(), Y)
    assert [line.get_linestyle() for line in left.lines[1:]] == ["None", ":", ":", ":"]
    assert [text.get_text() for text in right.get_yticklabels()] == ["none", "many"]
    assert right.get_title(loc="left") == "t"


def test_series_differ_in_colour_and_in_marker(shown):
    draw.show(draw.panel(x="a", y="b", lines={str(k): (X, Y) for k in range(4)}))
    lines = shown[0].axes[0].lines
    assert len({line.get_color() for line in lines}) == 4
    assert len({line.get_marker() for line in lines}) == 4


def test_the_style_of_the_reader_comes_back(shown):
    before = plt.rcParams["axes.titlelocation"]
    draw.circle(np.eye(2), np.eye(2))
    assert plt.rcParams["axes.titlelocation"] == before
    assert shown[0].axes[0].lines[0].get_linestyle() == ":"


def test_what_is_used_twice_has_two_arrows(shown):
    draw.graph({"a": (0, 0), "z": (2, 1)}, [("z", "a", 20.0), ("z", "a", 4.0)])
    assert [text.get_text() for text in shown[0].axes[0].texts] == ["a", "z", "", "20", "", "4"]


def test_every_layer_has_its_title(shown):
    draw.histograms({"one": [X, Y], "two": [X, X]}, x="y", columns="layer")
    titles = [axes.get_title(loc="left") for axes in shown[0].axes]
    assert titles == ["layer 1", "layer 2", "", ""]


def test_numbers_stand_in_the_fields_that_are_not_zero(shown):
    draw.matrices({"m": np.array([[0.0, 2.0], [-3.0, 0.0]])}, x="q", y="p", numbers=True)
    assert [text.get_text() for text in shown[0].axes[0].texts] == ["2", "-3"]


def test_survivors_are_counted(shown):
    draw.kills({"here": ["b"], "there": []}, ["a", "b"], x="point", y="mutant")
    axes = shown[0].axes[0]
    assert [text.get_text() for text in axes.texts] == ["1 of 2", "2 of 2"]
    assert [line.get_marker() for line in axes.lines] == ["x", "o", "x", "x"]


# ---- findings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.stem)
def test_every_finding_that_a_notebook_names_is_printed(source, capsys):
    text = re.sub(r"\n# ", " ", source.read_text(encoding="utf-8"))
    for title in re.findall(r'finding\("([^"]+)"\)', text):
        finding(title)
        said = capsys.readouterr().out
        assert said.startswith(f"{title}\n\n")
        assert "```text" in said
        assert "<!--" not in said
    assert "FINDINGS.md" not in text


def test_a_finding_that_is_not_there_has_a_neighbour():
    with pytest.raises(KeyError, match="did you mean 'No forward mode'"):
        finding("no forward mode")
