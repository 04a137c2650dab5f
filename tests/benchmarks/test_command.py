"""`minwn bench`: what it prints and writes."""

import json

import pytest

from minwn import doctor
from minwn.bench import works
from minwn.cli import main


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The report of a short run, its picture, and its folder."""
    folder = tmp_path_factory.mktemp("bench")
    names = ["weight_norm/10x64", "conv/32x1x8x8-16-k3", "scaling/depth"]
    command = ["bench", *names, "--quick", "--rounds", "2", "--json", str(folder / "bench.json")]
    assert main(command) == 0
    return folder, json.loads((folder / "bench.json").read_text())


def test_a_glance_has_the_extremes_of_each_group_and_library():
    from minwn.bench import tables

    def work(group, *comparisons):
        rows = [
            {"ours": "minwn", "peer": peer, "kind": kind, "median": median, "low": 1.0, "high": 2.0,
             "target": 1.0, "met": met}
            for peer, kind, median, met in comparisons
        ]
        peers = {row["peer"]: {"median": 1.0} for row in rows} | {"minwn": {"median": 1.0}}
        return {"group": group, "name": f"{group}/x", "what": "x", "unit": "s", "rounds": 3,
                "peers": peers, "comparisons": rows, "left_out": {}}

    report = {"works": [
        work("step", ("torch hook", "ratio", 0.5, True), ("torch x", "ratio", 2.0, False)),
        work("step", ("numpy by hand", "ratio", 1.25, None), ("copy", "share", 9.0, True)),
        work("epoch", ("torch hook", "ratio", 0.75, True)),
    ]}
    assert tables._glance(report) == [
        ["minwn's cost over", "PyTorch", "NumPy by hand", "targets met"],
        ["step", "0.50 to 2.00", "1.25", "2 of 3"],
        ["epoch", "0.75", "", "1 of 1"],
    ]


@pytest.mark.slow
def test_the_report_is_whole(outcome):
    _, report = outcome
    assert report["schema"] == "minwn-bench/1"
    first, second = report["works"]
    assert first["name"] == "conv/32x1x8x8-16-k3"
    assert second["name"] == "weight_norm/10x64"
    available = works.BY_NAME["weight_norm/10x64"].available()
    copies = {"copy into warm memory", "copy into a new array"}
    assert set(second["peers"]) == {*available, *copies}
    assert second["rounds"] == 2
    for work in (first, second):
        for spread in (*work["peers"].values(), *work["comparisons"]):
            assert 0 < spread["low"] <= spread["median"] <= spread["high"]
        for c in work["comparisons"]:
            assert c["target"] is None or isinstance(c["met"], bool)
    (sweep,) = report["scaling"]
    assert len(sweep["sizes"]) == len(sweep["seconds"]) == len(sweep["bytes"]) == 4
    assert sweep["bytes"][0] < sweep["bytes"][-1]
    assert {s["met"] for s in sweep["slopes"].values()} == {None}  # too small to be judged
    assert "OPENBLAS_NUM_THREADS" in report["machine"]["threads"]
    assert "numpy" in report["machine"]["libraries"]
    assert report["means"] == []  # one of seven shapes is no mean


@pytest.mark.slow
def test_tables_show_every_comparison(outcome):
    from minwn.bench import tables

    _, report = outcome
    text, page = tables.text(report), tables.markdown(report)
    for work in report["works"]:
        for c in work["comparisons"]:
            for words in (c["peer"], tables.number(c["median"])):
                assert words in text
                assert words in page
    judged = [c["met"] for work in report["works"] for c in work["comparisons"]]
    # Targets are against PyTorch: where it is not installed there are none.
    if any(met is not None for met in judged):
        assert f"{judged.count(True)} of {judged.count(True) + judged.count(False)} targets" in text
    assert text.count("missed: ") == judged.count(False)
    details = page.partition("### conv")[2]
    rows = [line for line in details.splitlines() if line.startswith("|")]
    widths = {line.count("|") for line in rows}
    assert widths == {11, 8}  # of works, and of scaling


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_drawn(outcome, suffix):
    pytest.importorskip("matplotlib", reason="pictures need it")
    from minwn.bench import picture

    folder, report = outcome
    path = folder / f"bench.{suffix}"
    picture.draw(report, path)
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


def test_every_peer_has_a_marker_of_its_own():
    from minwn.bench import picture
    from minwn.bench.work import library

    for work in works.WORKS:
        if work.limits:
            continue
        for sorts in (work.peers, work.yardsticks):
            theirs = [name for name in sorts if library(name) != "minwn"]
            looks = {picture.STYLES[name][1:] for name in theirs}
            assert len(looks) == len(theirs)  # without the colour


@pytest.mark.slow
def test_json_alone_can_be_printed(capsys):
    assert main(["bench", "weight_norm/10x64", "--quick", "--rounds", "1", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["quick"] is True


def test_works_are_listed_by_group_and_by_name(capsys):
    assert main(["bench", "--list", "step", "scaling/width"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert main(["bench", "--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(works.ALL)


@pytest.mark.slow
def test_threads_are_said_to_be_of_pytorch_alone(capsys, monkeypatch):
    torch = pytest.importorskip("torch", reason="threads are PyTorch's")
    for name in doctor.THREADS:
        monkeypatch.setenv(name, "77")
    before = torch.get_num_threads()
    try:
        command = ["bench", "weight_norm/10x64", "--quick", "--rounds", "1", "--threads", "1"]
        assert main(command) == 0
        found = capsys.readouterr()
        assert "OPENBLAS_NUM_THREADS=1" in found.err
        assert "torch 1" in found.out
        assert "OPENBLAS_NUM_THREADS 77" in found.out
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["mlp-1-2-3"], "mlp-1-2-3"),
        (["step", "--rounds", "0"], "whole number"),
        (["--threads", "many"], "whole number"),
        (["step", "--picture", "bench.gif"], "png"),
        (["--device", "tpu"], "no device"),
        (["step", "--json", "/no/such/folder/bench.json"], "cannot write"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(options, words, capsys):
    assert main(["bench", *options]) == 2
    assert words in capsys.readouterr().err
