"""What all figures share: the style, the data beside the picture, and the spreading of seeds."""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from minwn import cli, figure, reproduce

pytest.importorskip("matplotlib", reason="figures are drawn with matplotlib")

TINY = """
import numpy as np
from minwn import figure

TITLE = "Squares < cubes"
DESCRIPTION = "Each number beside its square & a little noise."
SEEDS = 3, 2


def run(*, seeds, quick, progress):
    return {"x": [1, 2], "y": progress.map(one, seeds, 4.0 if quick else 9.0)}


def one(seed, size):
    return helper(np.random.default_rng(seed), size)


def helper(rng, size):
    return [size + 1 / 3, size + rng.normal()]


def draw(data):
    fig, axes = figure.new()
    figure.band(axes, data["x"], data["y"], label="noise")
    figure.expected(axes, data["x"], data["x"], label="law")
    axes.legend()
    return fig


def claims(data):
    return [("it is above 3", bool(np.min(data["y"]) > 3)),
            ("it is above 8", bool(np.min(data["y"]) > 8))]


if __name__ == "__main__":
    figure.main(__file__)
"""


@pytest.fixture
def tiny(tmp_path):
    """The path of a figure with two claims, of which quick data bear out the first."""
    path = tmp_path / "tiny.py"
    path.write_text(TINY)
    return path


# ---- data and picture ---------------------------------------------------------------------------


@pytest.mark.slow
def test_the_files_say_what_they_are(tiny, tmp_path):
    made = figure.produce(tiny, out=tmp_path / "new" / "folder", quick=True)
    data, picture = made.files
    record = json.loads(data.read_text())
    assert record == made.record
    assert {k: record[k] for k in ("schema", "figure", "quick", "seeds")} == {
        "schema": "minwn-figure/1", "figure": "tiny", "quick": True, "seeds": 2,
    }
    assert record["claims"] == [
        {"sentence": "it is above 3", "holds": True}, {"sentence": "it is above 8", "holds": False},
    ]
    assert not made.ok
    root = ElementTree.fromstring(picture.read_text())
    assert root.attrib["role"] == "img"
    svg = "{http://www.w3.org/2000/svg}"
    assert [x.text for x in root.findall(f"{svg}title")] == ["Squares < cubes"]
    assert root.find(f"{svg}desc").text == "Each number beside its square & a little noise."


def test_the_picture_is_the_same_bytes_each_time_and_drawn_again_from_the_data(tiny, tmp_path):
    once = figure.produce(tiny, out=tmp_path)
    text = once.files[1].read_bytes()
    assert figure.produce(tiny).svg.encode() == text
    assert not re.search(rb"20\d\d-\d\d-\d\d|[Mm]atplotlib v", text)
    once.files[1].unlink()
    again = figure.redraw(tiny, tmp_path)
    assert again.record == once.record
    assert again.files[1].read_bytes() == text


def test_the_preferences_of_the_reader_change_nothing(tiny):
    import matplotlib

    before = figure.produce(tiny).svg
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
        assert figure.produce(tiny).svg == before
        assert matplotlib.rcParams["font.size"] == 30


def test_redrawing_takes_the_data_of_this_figure_only(tiny, tmp_path):
    with pytest.raises(FileNotFoundError):
        figure.redraw(tiny, tmp_path)
    (tmp_path / "tiny.json").write_text('{"schema": "minwn-figure/1", "figure": "other"}')
    with pytest.raises(ValueError, match="not the data of tiny"):
        figure.redraw(tiny, tmp_path)


def test_numbers_are_rounded_and_what_is_no_number_is_none():
    given = {"a": np.array([[1 / 3, np.nan]]), 2: (np.float32(1.5), np.int64(7), True, -np.inf)}
    assert figure.rounded(given) == {"a": [[0.333333, None]], "2": [1.5, 7, True, None]}


def test_none_is_a_gap_in_a_band():
    _, axes = figure.new()
    line = figure.band(axes, [1, 2, 3], [[1.0, None, 3.0], [3.0, 4.0, 3.0]])
    assert line.get_ydata().tolist() == [2.0, 4.0, 3.0]


# ---- how it looks -------------------------------------------------------------------------------


def test_no_letter_is_below_nine_points_and_each_look_has_a_marker_and_a_dash():
    import matplotlib

    with figure.style():
        sizes = {
            k: v for k, v in matplotlib.rcParams.items() if re.search(r"font\.?size|labelsize", k)
        }
        assert all(float(v) >= 9 for v in sizes.values() if isinstance(v, int | float)), sizes
        assert matplotlib.rcParams["figure.figsize"][0] == 6.4
        cycle = matplotlib.rcParams["axes.prop_cycle"]
    for key in ("color", "marker", "linestyle"):
        assert len({str(look[key]) for look in figure.LOOKS}) == len(figure.LOOKS) == len(cycle)


# ---- seeds --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_jobs_change_who_works_and_not_the_numbers(tiny):
    pytest.importorskip("joblib", reason="seeds are spread with joblib")
    assert figure.produce(tiny, jobs=2).record == figure.produce(tiny).record


@pytest.mark.filterwarnings("default")  # of distributed and what it brings
def test_seeds_are_spread_over_a_cluster_of_dask(tiny):
    joblib = pytest.importorskip("joblib", reason="seeds are spread with joblib")
    distributed = pytest.importorskip("distributed", reason="the cluster is of dask")
    alone = figure.produce(tiny, seeds=5).record
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config("dask"),
    ):
        assert figure.produce(tiny, seeds=5, jobs=-1).record == alone
        done = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert sum(done.values()) > 0  # it was they who worked


def test_jobs_without_joblib_say_what_to_install(tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert figure.produce(tiny, jobs=1).record["seeds"] == 3
    with pytest.raises(ImportError, match=r"minwn\[jobs\]"):
        figure.produce(tiny, jobs=2)


def test_a_run_that_diverges_is_no_warning():
    assert figure.Sweep().map(lambda x: x * np.float64(1e300), [1e300]) == [np.inf]


# ---- the command --------------------------------------------------------------------------------


def options(*argv):
    parser = argparse.ArgumentParser()
    reproduce.arguments(parser)
    return parser.parse_args(argv)


def test_a_script_is_a_command(tiny, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        figure.main(str(tiny), ["--seeds", "1", "--out", str(tmp_path / "out")])
    assert end.value.code == 0
    assert "holds  it is above 8" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"tiny.json", "tiny.svg"}
    with pytest.raises(SystemExit) as end:
        figure.main(str(tiny), ["--quick"])
    assert end.value.code == 1
    said = capsys.readouterr().out
    assert "tiny: Squares < cubes (2 seeds, quick)" in said
    assert "fails  it is above 8" in said
    assert (tmp_path / "tiny.svg").exists()
    with pytest.raises(SystemExit) as end:
        figure.main(str(tiny), ["--redraw"])
    assert end.value.code == 1


@pytest.mark.parametrize("argv", [["--seeds", "0"], ["--seeds", "many"], ["--jobs", "x"]])
def test_options_that_make_no_sense(tiny, argv):
    with pytest.raises(SystemExit) as end:
        figure.main(str(tiny), argv)
    assert end.value.code == 2


def test_reproduce(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figure, "folder", lambda: tiny.parent)
    assert reproduce.main(options("--list")) == 0
    assert capsys.readouterr().out.split(maxsplit=3)[:3] == ["tiny", "3", "seeds"]
    out = str(tmp_path / "out")
    assert reproduce.main(options("tiny", "--out", out)) == 0
    assert reproduce.main(options("all", "--quick", "--out", out)) == 1
    assert reproduce.main(options("tiny", "--redraw", "--out", str(tmp_path / "none"))) == 2
    assert "tiny.json" in capsys.readouterr().err
    assert reproduce.main(options("tinny")) == 2
    assert "no figure 'tinny'; there are tiny" in capsys.readouterr().err
    assert reproduce.main(options()) == 2


def test_the_command_line_knows_it(capsys):
    if cli.main(["reproduce", "--list"]) == 2:
        pytest.fail(capsys.readouterr().err)
    assert "geometry" in capsys.readouterr().out


# ---- every figure -------------------------------------------------------------------------------

NAMES = figure.names()


@pytest.mark.parametrize("name", NAMES)
def test_a_script_imports_minwn_numpy_and_matplotlib_only(name):
    tree = ast.parse((figure.folder() / f"{name}.py").read_text(encoding="utf-8"))
    tops = {a.name.partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import)
            for a in n.names}
    tops |= {n.module.partition(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert tops - set(sys.stdlib_module_names) <= {"minwn", "numpy", "matplotlib"}


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beside_a_script_is_its_own_in_full_and_holds(name):
    """The committed data bear out the claims as they are worded today."""
    place = figure.folder()
    record = json.loads((place / f"{name}.json").read_text(encoding="utf-8"))
    module = figure.load(name)
    assert (record["figure"], record["quick"]) == (name, False)
    assert record["seeds"] == module.SEEDS[0]
    assert record["description"] == module.DESCRIPTION
    told = [{"sentence": s, "holds": bool(holds)} for s, holds in module.claims(record["data"])]
    assert record["claims"] == told
    assert all(claim["holds"] for claim in told)
    svg = (place / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    assert root.find("{http://www.w3.org/2000/svg}desc").text == module.DESCRIPTION
    for suffix in ("json", "svg"):
        assert (place / f"{name}.{suffix}").stat().st_size < 200_000
