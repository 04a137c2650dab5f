"""`minwn check`: targets and options, what is printed and written, and the exit code."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from minwn import cli
from minwn.oracle import command

FORWARD = """
import numpy as np

def norm(v):
    return np.sqrt((v * v).sum(axis=1, keepdims=True))

def forward(v, g):
    return g * v / norm(v)
"""
PLANTED = {
    "no_projection": "g / n * w_bar",
    "missing_g": "(w_bar - g_bar * v / n) / n",
    "proj_sign": "g / n * (w_bar + g_bar * v / n)",
}


def homework(v_bar):
    return FORWARD + (
        "\ndef backward(w_bar, v, g):\n    n = norm(v)\n"
        "    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n\n"
        f"    return {v_bar}, g_bar\n"
    )


RIGHT = homework("g / n * (w_bar - g_bar * v / n)")


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run `minwn check ...` in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*words, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        code = cli.main(["check", *map(str, words)])
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_in_a_file_is_named(run, name):
    code, out, _ = run("mine.py", mine=homework(PLANTED[name]))
    assert code == 1
    assert out.startswith("FAIL")
    assert name in out


def test_a_right_file_and_a_right_module_pass(run):
    assert run("mine.py", mine=RIGHT)[0] == 0
    it = "\nclass it:\n    forward, backward = staticmethod(forward), staticmethod(backward)\n"
    code, out, _ = run("minwn_check_me:it", minwn_check_me=RIGHT + it)
    assert (code, out.split()[0]) == (0, "PASS")


@pytest.mark.slow
def test_constants_of_a_file_are_heeded_and_options_come_first(run):
    eps = RIGHT.replace("np.sqrt(", "np.sqrt(0.01 + ") + "\nFORM, EPS = 'inside', 0.01\n"
    assert run("mine.py", mine=eps)[0] == 0
    code, out, _ = run("mine.py", "--form", "plain", "--eps", 0, mine=eps)
    assert (code, "eps_inside" in out) == (1, True)
    assert run("mine.py", "--form", "plain", "--eps", 0, "--accept", "eps_inside")[0] == 0


@pytest.mark.slow
def test_options_reach_the_judge(run):
    axis = RIGHT.replace("axis=1", "axis=0")
    words = ("--axis", "-1", "--dtype", "float64,float32", "--groups", "dyadic,generic")
    code, out, _ = run("mine.py", *words, "--json", mine=axis)
    data = json.loads(out)
    assert (code, data["ok"], data["schema"]) == (0, True, "minwn-check/1")
    assert [r["dtype"] for r in data["reports"]] == ["float64", "float32"]
    assert {tuple(r["groups"]) for r in data["reports"]} == {("dyadic", "generic")}
    assert {r["axis"] for r in data["reports"]} == {-1}
    assert run("mine.py", "--axis", "0")[0] == 1
    counts = []
    for how in ("--quick", "--full"):
        report = json.loads(run("mine.py", *words, how, "--json")[1])["reports"][0]
        counts.append(sum(r["checked"] for r in report["rungs"]))
    few, many = counts
    assert many > 2 * few
    assert run("mine.py", "--axis", "-1", "--ranks", "2-3")[0] == 1  # it knows matrices only


@pytest.mark.slow
def test_many_are_a_matrix_and_each_kind_of_fault_is_explained_once(run):
    wrong = homework(PLANTED["no_projection"])
    targets = ("mine.py", "same.py", "right.py", "numpy.fused", "--dtype", "float64")
    code, out, _ = run(*targets, mine=wrong, same=wrong, right=RIGHT)
    table, _, rest = out.partition("\n\n")
    head, *rows = (line.split() for line in table.splitlines())
    assert head[:3] == ["axis", "dtype", "dyadic"]
    assert head[-4:] == ["jvp", "2nd", "zero", "verdict"]
    assert [row[0] for row in rows] == ["mine.py", "same.py", "right.py", "numpy.fused"]
    assert [row[3] for row in rows] == ["FAIL", "FAIL", "ok", "ok"]
    assert rows[-1][-5:] == ["ok", "ok", "NaN", "PASS", "stable"]
    assert rest.startswith("FAIL  mine.py")
    assert rest.count("FAIL  ") == 1
    assert "of the same kind: same.py" in rest
    assert (code, "\033[" in out) == (1, False)


def test_what_is_skipped_says_why(run, monkeypatch):
    code, out, _ = run("numpy.fused", "numpy.composed", "--axis", "5")
    assert (code, out.count("it is checked for 0, -1, None, (0, 1)")) == (2, 1)
    monkeypatch.setattr(command.adapters.Adapter, "missing", lambda self: "pip install it")
    assert run("torch.hook")[:2] == (2, "not judged: torch.hook: pip install it\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a TARGET"),
        (("nowhere.py",), "there is no such file"),
        (("tensorflow",), "nor one of torch, flax"),
        (("mine.py:it",), "has no 'it'"),
        (("mine.py", "--axis", "x"), "write 0, -1, 0,1 or none"),
        (("mine.py", "--dtype", "float8"), "choose from float64,float32"),
        (("mine.py", "--groups", "dyadic,x"), "no group 'x'; choose from dyadic"),
        (("mine.py", "--ranks", "a"), "write 2, or 1-5"),
        (("mine.py", "--html", "no/such/folder.html"), "No such file or directory"),
        (("mine.py", "--quick", "--full"), "not allowed with"),
        (("mine.py", "--layout", "flax"), "for a program behind --pipe"),
        (("mine.py", "--plain-weight"), "for a program behind --pipe"),
    ],
)
def test_what_cannot_be_understood(run, words, said):
    code, out, err = run(*words, mine=RIGHT)
    assert (code, out) == (2, "")
    assert said in err


def test_pages_are_written(run, tmp_path):
    words = ("--html", "a.html", "--junit", "a.xml", "--json", "a.json")
    code, out, _ = run("mine.py", *words, mine=homework(PLANTED["missing_g"]))
    assert (code, out.startswith("FAIL")) == (1, True)
    assert "missing_g" in (tmp_path / "a.html").read_text()
    assert "<testsuite" in (tmp_path / "a.xml").read_text()
    assert json.loads((tmp_path / "a.json").read_text())["ok"] is False


def test_the_list(run):
    code, out, _ = run("--list")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} >= {
        "torch.hook",
        "flax.nnx",
        "minwn.layer",
    }


PROGRAM = """
import json, sys
import numpy as np
from mine import backward, forward

for line in sys.stdin:
    asked = json.loads(line)
    if asked["op"] == "hello":
        print(json.dumps({"ops": ["forward", "backward"], "name": "theirs"}), flush=True)
        continue
    def array(name):
        shape = asked["g_shape" if name == "g" else "shape"]
        return np.array([float.fromhex(x) for x in asked[name]]).reshape(shape)
    with np.errstate(all="ignore"):
        if asked["op"] == "forward":
            found = {"w": forward(array("v"), array("g"))}
        else:
            answers = backward(array("w_bar"), array("v"), array("g"))
            found = dict(zip(("v_bar", "g_bar"), answers))
    said = {name: [float(y).hex() for y in x.ravel()] for name, x in found.items()}
    print(json.dumps({"id": asked["id"], **said}), flush=True)
"""


def test_a_program_behind_a_pipe(run):
    files = {"program": PROGRAM, "mine": homework(PLANTED["no_projection"])}
    code, out, _ = run("--pipe", f"{sys.executable} program.py", **files)
    assert (code, out.startswith("FAIL  theirs"), "no_projection" in out) == (1, True, True)
    assert run("--pipe", f"{sys.executable} program.py", mine=RIGHT)[0] == 0


LAYER = """
import json, sys
import numpy
def array(name, shape=None):
    x = numpy.array([float.fromhex(y) for y in asked[name]])
    return x.reshape(asked[shape] if shape else -1)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["op"] == "hello":
        print('{"ops":["layer_forward"]}', flush=True)
        continue
    print([asked[k] for k in OPTIONS], file=sys.stderr)
    y = array("x", "x_shape") @ array("w", "w_shape").T + array("b")
    print(json.dumps({"y": (y * FACTOR).ravel().tolist()}), flush=True)
"""


def test_a_layer_behind_a_pipe(run):
    command = ("--pipe", f"{sys.executable} program.py", "--kind", "linear", "--plain-weight")
    program = LAYER.replace("OPTIONS", "()")
    code, out, _ = run(*command, program=program.replace("FACTOR", "1"))
    assert (code, out.startswith("PASS")) == (0, True), out
    assert "linear, plain weight" in out
    code, out, _ = run(*command, program=program.replace("FACTOR", "2"))
    assert (code, out.startswith("FAIL")) == (1, True)
    code, out, err = run(*command[:2], program=program.replace("FACTOR", "1"))
    assert (code, out, "or give --kind" in err) == (2, "", True), err


ASKED = {
    "--stride 2,3": ("stride", [2, 3]), "--padding 1": ("padding", [[1, 1], [1, 1]]),
    "--padding 1:0,2:2": ("padding", [[1, 0], [2, 2]]), "--dilation 2": ("dilation", [2, 2]),
    "--channel-groups 3": ("groups", 3), "--layout flax": ("layout", "flax"),
    "--form inside --eps 0.5": ("eps", "0x1.0000000000000p-1"), "--axis 0": ("axis", [0]),
    "--axis none": ("axis", None), "--padding 2,1": ("padding", [[2, 2], [1, 1]]),
}


@pytest.mark.parametrize("words", ASKED)
def test_the_options_of_a_layer_reach_the_program(run, words):
    key, value = ASKED[words]
    program = LAYER.replace("FACTOR", "1").replace("OPTIONS", repr([key]))
    program = program.replace("file=sys.stderr", "file=open('asked', 'a')")
    run("--pipe", f"{sys.executable} program.py", "--kind", "conv2d", *words.split(),
        program=program)
    assert Path("asked").read_text().splitlines()[0] == str([value])


@pytest.mark.parametrize(
    ("words", "said"),
    [("--stride 0", "'0' is not a whole number >= 1"),
     ("--stride two", "'two' is not a whole number"),
     ("--padding 1:x", "'x' is not a whole number"), ("--kind conv4d", "invalid choice: 'conv4d'"),
     ("--padding full", "padding='full'"), ("--stride 1,2,3", "stride=(1, 2, 3)")],
)
def test_options_of_layers_that_are_wrong(run, words, said):
    options = ("--kind", "conv2d", *words.split())
    code, _, err = run("--pipe", f"{sys.executable} program.py", *options, program=LAYER)
    assert (code, said in err) == (2, True), err


def test_the_options_of_a_layer_in_a_file(run):
    """A stride that no attribute tells, and a file that is no layer."""
    code = "import numpy as np\n" + LINE
    options = ("--kind", "conv1d", "--stride", "3")
    status, out, err = run("line.py", *options, line=code)
    assert (status, "conv1d, stride 3" in out) == (0, True), out + err
    assert run("mine.py", *options, mine=RIGHT)[0::2] == (
        2, "minwn check: mine.py was read as weight norm alone, which has no kind, stride\n"
    )


def test_a_mistake_of_a_layer_can_be_accepted(run):
    """A course's convention; beside a target that has no such mistake."""
    layer = (
        "def forward(x, w, b): return x @ w.T + b\n"
        "def backward(y_bar, x, w, b): return y_bar @ w, y_bar.T @ x / len(x), y_bar.mean(0)\n"
    )
    code, out, _ = run("layer.py", layer=layer)
    assert (code, "mean_over_batch" in out) == (1, True)
    code, out, _ = run("layer.py", "mine.py", "--accept", "mean_over_batch", mine=RIGHT)
    assert (code, "ACCEPTABLE" in out) == (0, True), out
    code, _, err = run("layer.py", "--accept", "mean_over_bach")
    assert (code, "did you mean 'mean_over_batch'?" in err) == (2, True), err


LINE = """
def forward(x, w, b):
    n, c, size = x.shape
    out = (size - w.shape[2]) // 3 + 1
    windows = np.stack([x[:, :, 3 * p : 3 * p + w.shape[2]] for p in range(out)])
    return np.einsum("pnck,ock->nop", windows, w) + b[:, None]
"""


def test_a_program_that_does_not_speak(run):
    code, out, err = run("--pipe", f"{sys.executable} program.py", program="print('hello')")
    assert (code, out) == (2, "")
    assert "program.py" in err


def test_a_program_that_does_not_answer_has_the_time_that_was_given(run):
    code, out, err = run("--pipe", f"{sys.executable} program.py", "--timeout", "0.5",
                         program="import time\ntime.sleep(100)\n")
    assert (code, out) == (2, "")
    assert "did not answer request 0 (hello) within 0.5 s" in err


def test_a_file_takes_less_than_two_seconds_and_no_framework(tmp_path):
    (tmp_path / "mine.py").write_text(homework(PLANTED["no_projection"]))
    code = (
        "import argparse, sys; from minwn.oracle import command; p = argparse.ArgumentParser();"
        "command.arguments(p); code = command.main(p.parse_args(['mine.py']));"
        "print([m for m in ('torch', 'jax', 'paddle', 'mpmath', 'tqdm') if m in sys.modules], code)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "[] 1"
    # Of the processor, for other programs run here, too; alone, it is the time on the clock.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_the_oracle_imports_readers_libraries_and_the_judge_of_layers_when_they_are_used():
    code = (
        "import sys; from minwn import oracle; late = [f'minwn.oracle.{m}' for m in ("
        "'targets.reading.reader', 'targets.adapters.table', 'layers.check', 'layers.run')];"
        "print([m for m in late if m in sys.modules]);"
        "print(oracle.read.__name__, oracle.check_layer.__name__, oracle.Reading.__name__);"
        "from minwn.oracle.targets import adapters; print(len(adapters.get('numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["[]", "read check_layer Reading", "2"]


@pytest.mark.parametrize("pipe", ["", "  ", "'", '"./a'])
def test_a_pipe_that_names_no_program_is_a_usage_error(run, pipe):
    code, out, err = run("--pipe", pipe)
    assert code == 2
    assert "the command of a pipe is" in out + err
    assert "Traceback" not in out + err


def test_a_range_of_a_billion_ranks_is_refused_at_once(run):
    code, _, err = run("mine.py", "--ranks", "1-999999999")
    assert code == 2
    assert "give ranks from 1 to 5" in err


# ---- a process of its own -----------------------------------------------------------------------

SECONDS = 3  # enough to read a right file on a machine with other work
LOOP, CRASH = "exec('while True: pass')", "__import__('ctypes').string_at(0)"


def spoilt(body, when="len(v) == 5"):
    return RIGHT.replace("    n = norm(v)\n", f"    n = norm(v)\n    if {when}: {body}\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "id", "words"),
    [(LOOP, "timeout", f"no end within {SECONDS} s"), (CRASH, "crash", "SIGSEGV"),
     ("__import__('os')._exit(0)", "exit", "exit code 0")],
)
def test_what_does_not_come_back_fails_with_its_case(run, body, id, words):
    code, out, err = run("mine.py", "--timeout", SECONDS, "--json", mine=spoilt(body))
    (report,) = json.loads(out)["reports"]
    (d,) = report["diagnosis"]
    assert (code, report["verdict"], d["id"], err) == (1, "FAIL", id, "")
    assert words in d["evidence"]
    assert d["evidence"].startswith("G-0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "words"),
    [(LOOP, f"loading mine.py: no end within {SECONDS} s in all"), (CRASH, "was ended by SIGSEGV"),
     ("import os\nos._exit(0)", "ended with exit code 0"),
     ("import sys\nsys.exit(0)", "SystemExit: 0"), ("x = 1 / 0", "line 1: ZeroDivisionError")],
)
def test_what_does_not_load_is_refused(run, text, words):
    code, out, err = run("mine.py", "--timeout", SECONDS, mine=text)
    assert (code, err) == (2, "")
    assert out.startswith("REFUSED  mine.py")
    assert words in out
    both = ("mine.py", "right.py", "--timeout", SECONDS, "--json")
    code, out, _ = run(*both, mine=text, right=RIGHT)
    assert (code, [r["verdict"] for r in json.loads(out)["reports"]]) == (2, ["REFUSED", "PASS"])


def test_prints_of_a_target_are_a_note(run):
    text = "print('hello')\n" + spoilt("print('again')", "True")
    code, out, err = run("mine.py", "--json", mine=text)
    assert (code, err) == (0, "")
    (report,) = json.loads(out)["reports"]  # nothing but JSON
    assert report["notes"][-1].startswith("it printed: hello\nagain\nagain")
    assert "it printed: hello again" in run("mine.py")[1]


@pytest.mark.slow
def test_a_failure_comes_before_a_refusal_in_the_exit_code(run):
    silent = RIGHT.replace("    n = norm(v)\n", "    raise ValueError('never')\n")
    wrong = homework(PLANTED["no_projection"])
    assert run("silent.py", silent=silent)[0] == 2
    code, out, _ = run("silent.py", "right.py", silent=silent, right=RIGHT)
    assert (code, "REFUSED" in out) == (2, True)
    assert run("silent.py", "wrong.py", silent=silent, wrong=wrong)[0] == 1
    assert run("right.py")[0] == 0
    sometimes = spoilt("raise ValueError('at times')")
    code, out, _ = run("sometimes.py", sometimes=sometimes)
    assert (code, "at times" in out) == (1, True)
    assert run("right.py", "--axis", "none", "--groups", "undefined", "--accept", "raises")[0] != 0


@pytest.mark.slow
def test_many_targets_wait_for_their_turn(run):
    files = {f"mine{i}": RIGHT for i in range(command.TOGETHER + 2)}
    files["mine3"] = homework(PLANTED["no_projection"])
    words = (*(f"{name}.py" for name in files), "--groups", "dyadic", "--json")
    code, out, _ = run(*words, **files)
    data = json.loads(out)["reports"]
    assert code == 1
    assert [r["name"] for r in data if not r["ok"]] == ["mine3.py"]


def test_in_process_for_a_debugger(run):
    for how, words in (("==", ("--in-process", "--timeout", SECONDS)), ("!=", ())):
        text = f"import os\nassert os.getpid() {how} {os.getpid()}\n" + RIGHT
        assert run("mine.py", *words, mine=text)[0] == 0


def test_prints_in_process_leave_json_alone(run):
    code, out, err = run("mine.py", "--in-process", "--json", mine=f"print('hello')\n{RIGHT}")
    assert (code, json.loads(out)["ok"], err) == (0, True, "hello\n")


@pytest.mark.slow
def test_a_shape_threads_and_accumulate(run, monkeypatch):
    tail = RIGHT.replace("    n = norm(v)\n", "    n = norm(v)\n    n[300:] *= 2\n")
    assert run("mine.py", mine=tail)[0] == 0
    code, out, _ = run("mine.py", "--shape", "305,5", mine=tail)
    assert (code, "this_shape" in out) == (1, True)
    code, out, _ = run("mine.py", "--threads", 3, "--json", mine=RIGHT)
    assert "threads" in [r["name"] for r in json.loads(out)["reports"][0]["rungs"]]
    asked, real = [], command.check
    monkeypatch.setattr(command, "check", lambda **how: asked.append(how) or real(**how))
    assert run("mine.py", "--dtype", "float16", "--accumulate", "float16")[0] == 0
    assert (asked[0]["accumulate"], asked[0]["threads"]) == ("float16", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shape", "3,x"), "write the shape of v, as 64,32"),
        (("--shape", ""), "write the shape of v, as 64,32"),
        (("--shape", "3", "--axis", "1"), "axis 1"),
        (("--threads", "-1"), "is not a whole number >= 0"),
        (("--timeout", "0"), "write seconds, more than 0"),
        (("--timeout", "soon"), "write seconds, more than 0"),
        (("--timeout", "inf"), "write seconds, more than 0 and at most 1,000,000"),
        (("--timeout", "1e7"), "write seconds, more than 0 and at most 1,000,000"),
        (("--accumulate", "float8"), "choose from float64,float32"),
    ],
)
def test_options_that_cannot_be_understood(run, words, said):
    code, out, err = run("mine.py", *words, mine=RIGHT)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.slow
def test_a_bar_after_two_seconds_with_one_target(run, monkeypatch):
    monkeypatch.setattr(command, "WAIT", 0.3)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # as if it were not installed
    slow = spoilt("__import__('time').sleep(0.2)", "len(v) == 5")
    _, out, err = run("mine.py", "--groups", "generic", mine=slow)
    assert out.startswith("PASS")
    assert "mine.py float64" in err
    assert err.endswith("\r")
    monkeypatch.setattr(command, "WAIT", 5.0)
    assert run("mine.py", "--groups", "dyadic", mine=RIGHT)[2] == ""
