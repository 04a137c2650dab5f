"""The golden vectors: right, the same on every rebuild, and readable from their page alone."""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minwn.byhand import weight_norm
from minwn.oracle import vectors
from minwn.oracle.layer_spec import KINDS, LAYOUTS
from minwn.oracle.reference.truth import FORMS
from minwn.oracle.vectors import DATA, DTYPES, GROUPS, command, content, export, load, texts, verify
from minwn.oracle.vectors.content import LARGE, PLACES, find, make
from minwn.oracle.vectors.files import FORMAT, read
from minwn.oracle.vectors.schema import SCHEMA_FILE, complaints
from minwn.oracle.vectors.text import canonical, spelt, upwards, value

from ...helpers.programs import compiled

HERE = Path(__file__).parent
FILES = [
    f"{dtype}/{group}.json" for dtype in DTYPES for group in GROUPS
    if content.has(dtype, group, published=True)
]
NORMS = [path for path in FILES if "layers" not in path]
PAGE = FORMAT.read_text(encoding="utf-8")


# ---- what is published --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rebuild_gives_the_same_bytes():
    """Proved by both routes: exact integers, and differences in decimal."""
    made = dict(texts())
    assert sorted(made) == sorted([*FILES, "index.json"])
    assert {path for path in made if (DATA / path).read_bytes() != made[path].encode()} == set()


@pytest.mark.slow
def test_the_third_route_agrees():
    pytest.importorskip("mpmath", reason="the other arithmetic of the cross-check")
    for path in FILES:
        if "long" not in path:  # which takes longer than all the others
            assert verify(DATA / path, certify="mpmath").complaints == []


def test_less_than_a_megabyte_and_a_quarter():
    page = FORMAT.stat().st_size + SCHEMA_FILE.stat().st_size
    assert page + sum(p.stat().st_size for p in DATA.rglob("*.json")) < 1_250_000
    assert sorted(p.relative_to(DATA).as_posix() for p in DATA.rglob("*.*")) == sorted(
        [*FILES, "index.json"]
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_minwn_itself_is_right(dtype):
    """Every output of every test, of all forms; the range too, for byhand reaches its edges."""
    judged = 0
    for v in load(dtype=dtype):
        how = {"form": v.form, "eps": v.eps}
        wide = "float32" if dtype == "bfloat16" else dtype  # minwn has no bfloat16
        given = [x.astype(wide) for x in (v.v, v.g, v.w_bar)]
        with np.errstate(all="ignore"):
            got = {"w": weight_norm.forward(*given[:2], **how)}
            got["v_bar"], got["g_bar"] = weight_norm.vjp(given[2], *given[:2], **how)
            if v.A is not None:
                got["w_dot"] = weight_norm.jvp(v.v, v.g, v.A, v.B, **how)
                outputs = weight_norm.double_vjp(v.A, v.B, v.w_bar, v.v, v.g, **how)
                got |= zip(("by_w_bar", "by_v", "by_g"), outputs, strict=True)
        assert got.keys() == v.expected.keys() == v.allowed.keys()
        for output, x in got.items():
            assert v.excess(output, x) <= 1, (v.id, output)
            judged += int(np.isfinite(v.allowed[output]).sum())
    assert judged > 3000


def test_a_missing_projection_is_seen_by_every_valid_test():
    """But where w_bar is perpendicular to v."""
    for v in load(dtype="float64"):
        if v.result != "valid" or v.form != "plain" or v.v.size < 2 or "perpendicular" in v.flags:
            continue
        axes = None if v.axes is None else tuple(set(range(v.v.ndim)) - set(v.axes))
        n = np.sqrt((v.v**2).sum(axis=axes, keepdims=v.axes is not None))
        assert v.excess("v_bar", v.g / n * v.w_bar) > 1, v.id


def test_exact_means_exact():
    exact = [v for v in load(group="dyadic") if v.exact]
    assert len(exact) == 15 * len(DTYPES)
    for v in exact:
        n = np.sqrt((v.v * v.v).sum(axis=1, keepdims=True))
        g_bar = (v.w_bar * v.v).sum(axis=1, keepdims=True) / n
        v_bar = v.g / n * (v.w_bar - g_bar * v.v / n)
        for output, x in {"w": v.g * v.v / n, "v_bar": v_bar, "g_bar": g_bar}.items():
            assert (x == v.expected[output]).all(), (v.id, output)


def test_forms_reach_both_sides_of_a_maximum():
    for v in load(group="forms"):
        if v.form.startswith("max"):
            q = (v.v.astype("float64") ** 2).sum(axis=1)
            floor = v.eps if v.form == "max_q" else v.eps**2
            assert (q < floor).any(), v.id
            assert (q > floor).any(), v.id
    assert {v.form for v in load(group="forms")} == set(FORMS) - {"plain"}


def test_results_and_tolerances_fit():
    for v in load():
        judged = {output: np.isfinite(limit) for output, limit in v.allowed.items()}
        unknown = any(not np.isfinite(x).all() for x in v.expected.values())
        assert (v.result == "undefined") == unknown, v.id
        for output, x in v.expected.items():
            assert np.isfinite(x[judged[output]]).all(), v.id
            assert x.shape in (v.v.shape, v.g.shape, (PLACES,)), v.id
        assert (v.places is not None) == (v.v.size > LARGE)


# ---- loading ------------------------------------------------------------------------------------


def test_load_gives_arrays_of_the_case():
    (v,) = (v for v in load(dtype="float32", group="axes") if v.id.startswith("X-0010/"))
    case = find(v.id)[0]
    for part in ("v", "g", "w_bar"):
        x = getattr(v, part)
        assert x.dtype == np.float32
        assert not x.flags.writeable
        assert np.array_equal(x, getattr(case, part))
    assert v.axes == case.axes == (0, 1)
    assert v.excess("w", v.expected["w"]) == 0
    wrong = v.expected["w"].copy()
    wrong.flat[3] += 3 * v.allowed["w"].flat[3]
    assert v.excess("w", wrong) == pytest.approx(3)
    with pytest.raises(ValueError, match="it must be"):
        v.excess("g_bar", wrong)


def test_large_tests_are_judged_at_places():
    v = next(v for v in load(dtype="float64", group="long") if v.places)
    w = weight_norm.forward(v.v, v.g)
    assert w.size > LARGE
    assert len(v.expected["w"]) == PLACES
    assert v.excess("w", w) <= 1
    assert v.excess("w", w + 1) > 1


def test_load_says_what_there_is():
    with pytest.raises(ValueError, match=r"float32/generic\.json"):
        load(dtype="float8")


@pytest.mark.parametrize(
    "name",
    ["G-0007", "G-9999/axis=0/float32/plain", "Q-0001/axis=0/float32/plain",
     "G-0007/axis=0/float8/plain", "X-0003/axis=1/float32/plain", "G-0007/axis=0/float32/flat"],
)
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match=r"no name|no such case"):
        find(name)


def test_without_ml_dtypes(monkeypatch, run, tmp_path):
    pytest.importorskip("ml_dtypes", reason="what is to be missing")
    export(tmp_path, texts(["bfloat16", "float16"], ["angle"]))
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    content._cases.cache_clear()
    assert {v.dtype for v in load(tmp_path)} == {"float16"}
    with pytest.raises(ImportError, match=r"minwn\[interop\]"):
        load(tmp_path, dtype="bfloat16")
    found = verify(tmp_path)
    assert (found.ok, found.files, len(found.skipped)) == (True, 1, 1)
    assert "left out, for want of ml_dtypes" in run("verify", tmp_path)[1]
    code, text = run("export", "--out", tmp_path / "new", "--dtype", "bfloat16")
    assert (code, (tmp_path / "new").exists()) == (2, False)
    assert "needs ml_dtypes" in text


# ---- faults are found ---------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A small folder of its own, which is right."""
    export(tmp_path, texts(["float32"], ["generic", "undefined"]))
    return tmp_path


def rewrite(folder, path, edit):
    """Edit the parsed JSON of a file, and keep the digest in the index right."""
    data = read(folder / path)
    edit(data)
    text = canonical(data, lines=2)
    (folder / path).write_bytes(text.encode())
    index = read(folder / "index.json")
    for entry in index["files"]:
        if entry["path"] == path:
            sha = hashlib.sha256(text.encode()).hexdigest()
            entry |= {"sha256": sha, "bytes": len(text), "tests": len(data["tests"])}
    (folder / "index.json").write_text(canonical(index))


def setter(test, part, output, i, new):
    def edit(data):
        data["tests"][test][part][output][i] = new

    return edit


def doubled(data):
    data["tests"].append(copy.deepcopy(data["tests"][0]))


def renamed(data):
    data["tests"][3]["id"] = data["tests"][3]["id"].replace("G-0003", "G-0099")


def mislabelled(data):
    data["tests"][3]["result"] = "acceptable"


FAULTS = {
    "answer": (setter(2, "expected", "v_bar", 1, "0x1p+0"), r"expected\.v_bar\[1\] is '0x1p\+0'"),
    "input": (setter(2, "inputs", "w_bar", 0, "0x1p+0"), "the generator gives"),
    "infinity": (setter(2, "expected", "w", 0, "inf"), r"expected\.w\[0\] is 'inf'"),
    "tolerance": (setter(0, "allowed", "g_bar", 0, 1.0), r"allowed\.g_bar\[0\] is 1\.0"),
    "no tolerance": (setter(0, "allowed", "g_bar", 0, None), r"allowed\.g_bar\[0\] is None"),
    "decimal": (
        setter(0, "expected", "g_bar", 0, "1.5"),
        r"tests\[0\] \(G-0000/axis=0/float32/plain\)\.expected\.g_bar\[0\]: '1\.5' does not match",
    ),
    "spelling": (setter(0, "expected", "g_bar", 0, "0x1.80p+0"), "'0x1.80p.0' does not match"),
    "twice": (doubled, "there twice"),
    "name": (renamed, "must be|generator gives"),
    "label": (mislabelled, "result is 'acceptable'"),
    "dtype": (lambda data: data.update(dtype="float64"), "is in a file of float64"),
    "flag": (lambda data: data["tests"][0]["flags"].append("new"), "flags"),
    "key": (lambda data: data["tests"][0].update(tcId=1), r"tests\[0\].*'tcId' was unexpected"),
    "no key": (lambda data: data["tests"][0].pop("axis"), r"tests\[0\].*'axis' is a required"),
    "group": (lambda data: data.update(group="others"), "group: 'others' is not one of .'dyadic'"),
    "schema": (
        lambda data: data.update(schema="minwn-vectors-2"),
        "schema: 'minwn-vectors-2'; 'minwn-vectors-1' was expected",
    ),
    # 4.0 is an integer to JSON Schema, and no size to a reader
    "float": (lambda data: data["tests"][0]["shape"].__setitem__(0, 4.0), r"shape\[0\] is 4\.0"),

}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(folder, fault):
    edit, words = FAULTS[fault]
    assert verify(folder).complaints == []
    rewrite(folder, "float32/generic.json", edit)
    found = verify(folder)
    assert not found.ok
    assert any(re.search(words, text) for text in found.complaints), found.complaints


def test_a_file_that_was_changed_missing_or_no_json(folder):
    file = folder / "float32/generic.json"
    text = file.read_bytes()
    file.write_bytes(text.replace(b'"form": "plain"', b'"form":  "plain"', 1))
    assert any("another SHA-256" in c for c in verify(folder).complaints)
    file.write_bytes(text[:-3])
    with pytest.raises(ValueError, match="is not JSON"):
        verify(folder)
    file.unlink()
    assert any("is in the index, and not in" in c for c in verify(folder).complaints)


def test_what_is_withdrawn_may_be_wrong(folder):
    name = "G-0002/axis=0/float32/plain"
    rewrite(folder, "float32/generic.json", setter(2, "expected", "w", 0, "0x1p+0"))
    index = read(folder / "index.json")
    index["errata"] = [{"id": name, "withdrawn": "2030-12-31", "reason": "a test of this"}]
    (folder / "index.json").write_text(canonical(index))
    assert verify(folder).complaints == []
    assert name not in {v.id for v in load(folder)}
    index["errata"][0]["id"] = "G-0077/axis=0/float32/plain"
    (folder / "index.json").write_text(canonical(index))
    assert any("in no file" in c for c in verify(folder).complaints)


def test_without_jsonschema(monkeypatch, run):
    """The vectors are read, but not verified: a sentence with the command that mends it, exit 2."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert load(dtype="float32", group="generic")
    with pytest.raises(ImportError, match=r"pip install 'minwn\[vectors\]'"):
        verify()
    code, text = run("verify")
    assert (code, "pip install 'minwn[vectors]'" in text) == (2, True)
    assert "Traceback" not in text


def test_a_complaint_names_the_test_the_key_and_the_value():
    data = read(DATA / "float32/generic.json")
    data["tests"][2]["allowed"]["w"][1] = -1
    data["tests"][4]["inputs"] = ["0x1p+0"] * 99
    data["tests"][5]["id"] = 0
    negative, whole, name = complaints(data, "file")
    where = "tests[2] (G-0002/axis=0/float32/plain).allowed.w[1]"
    assert negative == f"{where}: -1 is less than the minimum of 0"
    assert whole.startswith("tests[4] (G-0004/axis=0/float32/plain).inputs: ['0x1p+0',")
    assert whole.endswith("... is not of type 'object'")
    assert len(whole) < 200
    assert name == "tests[5].id: 0 is not of type 'string'"
    assert list(complaints([], "index")) == ["the whole: [] is not of type 'object'"]


@pytest.mark.slow
def test_the_schema_is_read_as_others_read_it():
    """schema.json as it stands, which is what other languages read: a file or an index."""
    jsonschema = pytest.importorskip("jsonschema", reason="the schema is read by it")
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in [*FILES, "index.json"]:
        data = read(DATA / path)
        assert validator.is_valid(data), path
        assert not list(complaints(data, "index" if path == "index.json" else "file")), path
    for fault in ("decimal", "spelling", "key", "no key", "group", "schema"):
        data = read(DATA / "float32/generic.json")
        FAULTS[fault][0](data)
        assert not validator.is_valid(data), fault


# ---- spelling -----------------------------------------------------------------------------------


def test_numbers_survive_their_spelling(rng):
    bits = rng.integers(0, 2**64, 500, dtype=np.uint64)
    numbers = [*bits.view(np.float64).tolist(), 0.0, -0.0, math.inf, -math.inf, 5e-324, 1.5, -3.0]
    for x in numbers:
        back = value(spelt(x))
        assert math.isnan(back) if math.isnan(x) else (back == x)
        assert math.copysign(1, back) == math.copysign(1, x) or math.isnan(x)
    assert [spelt(x) for x in (0.0, -3.0, 0.1)] == ["0x0p+0", "-0x1.8p+1", "0x1.999999999999ap-4"]


@pytest.mark.parametrize("text", ["1.5", "0x1.80p+0", "0X1P+0", "0x1", "+0x1p+0", "", "-nan"])
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError, match="is not a number as in"):
        value(text)


def test_tolerances_are_rounded_up_and_little(rng):
    for x in [*np.exp(rng.uniform(-600, 600, 300)).tolist(), 5e-324]:
        assert x <= upwards(x) <= (x * 1.0101 if x > 1e-300 else 2e-323)
    assert upwards(0.0) == 0.0
    assert upwards(math.inf) is None


# ---- the page -----------------------------------------------------------------------------------


def test_inputs_from_the_page_in_c(tmp_path):
    """All inputs of weight norm, by a program that was written from section 6."""
    program = compiled(HERE / "inputs.c", tmp_path)
    tests = [test for path in NORMS for test in read(DATA / path)["tests"]]
    given = "\n".join(test["id"] for test in tests)
    done = subprocess.run([program], input=given, capture_output=True, text=True, check=True)
    blocks = done.stdout.split("\n\n")[:-1]
    assert len(blocks) == len(tests)
    for test, block in zip(tests, blocks, strict=True):
        lines = (line.split() for line in block.strip().splitlines())
        got = {name: numbers for name, *numbers in lines}
        for key, wanted in test["inputs"].items():
            entries = got[key]
            if len(entries) != len(wanted):
                entries = [entries[i] for i in test["places"]]
            assert entries == wanted, (test["id"], key)


def test_the_page_knows_every_key_flag_and_word():
    schema = json.loads(SCHEMA_FILE.read_text())["$defs"]
    parts = [schema[kind] for kind in ("file", "test", "layer")]
    parts += [schema[kind]["properties"]["expected"] for kind in ("test", "layer")]
    for keys in parts:
        for key in keys["properties"]:
            assert key in PAGE, key
    sizes = (f"more than {LARGE} entries", "eight places")
    for word in (*FORMS, *GROUPS, *DTYPES, *KINDS, *LAYOUTS, *sizes):
        assert word in PAGE, word


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def run(capsys):
    def run(*words):
        parser = argparse.ArgumentParser()
        command.arguments(parser)
        code = command.main(parser.parse_args([str(word) for word in words]))
        out, err = capsys.readouterr()
        return code, out + err

    return run


def test_export_and_verify(run, tmp_path):
    out = tmp_path / "new"
    code, text = run("export", "--out", out, "--dtype", "float32", "--group", "generic")
    assert (code, "4 files" in text) == (0, True)
    published = (DATA / "float32/generic.json").read_bytes()
    assert (out / "float32/generic.json").read_bytes() == published
    assert (out / "FORMAT.md").is_file()
    assert run("verify", out)[0] == 0
    assert run("verify", out / "float32/generic.json")[0] == 0
    assert run("verify", out / "index.json")[0] == 0
    code, text = run("verify", out, "--json")
    assert (code, json.loads(text)["ok"], json.loads(text)["tests"]) == (0, True, 12)
    rewrite(out, "float32/generic.json", FAULTS["answer"][0])
    code, text = run("verify", out)
    assert code == 1
    assert "G-0002/axis=0/float32/plain: expected.v_bar[1] is" in text


def test_other_forms_and_axes(run, tmp_path):
    words = ("--dtype", "float64", "--group", "generic", "--form", "inside", "--eps", "1e-12")
    assert run("export", "--out", tmp_path, *words, "--axis", "-1")[0] == 0
    assert run("verify", tmp_path)[0] == 0
    assert {v.id for v in load(tmp_path)} == {
        f"G-{i:04d}/axis=1/float64/inside=1e-12" for i in range(12)
    }
    assert all(v.v.shape[1] == v.g.size for v in load(tmp_path))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("export", "--eps", "1"), "needs a --form"),
        (("export", "--form", "inside", "--eps", "nan"), "finite number"),
        (("export", "--axis", "two"), "write an axis"),
        (("verify", "no/such/folder"), "no such file or folder"),
    ],
)
def test_wrong_questions(run, tmp_path, words, told):
    extra = ("--out", tmp_path) if words[0] == "export" else ()
    code, text = run(*words, *extra)
    assert code == 2
    assert told in text
    assert list(tmp_path.iterdir()) == []


def test_no_json_is_a_fault(run, tmp_path):
    shutil.copy(FORMAT, tmp_path / "x.json")
    code, text = run("verify", tmp_path / "x.json")
    assert code == 1
    assert "is not JSON" in text


def test_a_test_is_made_from_its_name_alone():
    name = "G-0001/axis=0/float16/plain"
    file = read(DATA / "float16/generic.json")
    assert make(name, "generic") == file["tests"][1]
    assert vectors.load(dtype="float16", group="generic")[1].id == name
