"""Programs in other languages behind the pipe: judged if they answer, named if they do not."""

from __future__ import annotations

import gc
import json
import re
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minwn.oracle import check, check_layer
from minwn.oracle.targets import pipe as pipe_module
from minwn.oracle.targets.pipe import OPS, Pipe, PipeError
from minwn.oracle.vectors import load_layers
from minwn.oracle.vectors.files import FORMAT

from ...helpers.programs import compiled, found

EXAMPLES = Path(__file__).parent / "pipe"
V, G, W_BAR = np.array([[3.0, 4.0]]), np.array([[10.0]]), np.array([[5.0, 10.0]])


def judge(command, **how):
    with Pipe(command) as pipe:
        report = check(pipe.forward, pipe.backward, name=pipe.name, **pipe.settings | how)
    assert pipe.fault is None
    assert pipe._program.process.returncode == 0
    return report


# ---- real programs ------------------------------------------------------------------------------


def test_c_is_right(tmp_path):
    program = compiled(EXAMPLES / "weight_norm.c", tmp_path)
    report = judge(str(program), ranks=range(1, 6))
    assert report.verdict == "PASS", report
    assert {result.name for result in report.checks} >= {"dyadic", "gradients", "differences"}
    with Pipe(str(program)) as pipe:
        assert (pipe.jvp, pipe.double_backward) == (None, None)
        assert pipe.settings == {"axis": 0, "form": "plain", "eps": 0.0, "dtype": "float64"}
        whole = pipe.forward(np.array([3.0, 4.0]), np.array(10.0))
        assert whole.tolist() == [6, 8]
        assert pipe.backward(V, V, G)[1].tolist() == [[5]]
        with pytest.raises(PipeError, match="has float64, not float32; add it to the dtypes"):
            pipe.forward(V.astype("float32"), G.astype("float32"))


def test_c_in_single_precision(tmp_path):
    flags = ("-DREAL=float", '-DDTYPE="float32"')
    program = compiled(EXAMPLES / "weight_norm.c", tmp_path, *flags)
    report = judge([str(program)])
    assert (report.verdict, report.dtype) == ("PASS", "float32"), report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "name"),
    [(1, "no_projection"), (2, "proj_n3"), (3, "global_norm"), (4, "last_row_zero")],
)
def test_a_mistake_in_c_is_named(tmp_path, mistake, name):
    report = judge(str(compiled(EXAMPLES / "weight_norm.c", tmp_path, f"-DMISTAKE={mistake}")))
    assert report.verdict == "FAIL"
    assert name in {d.id for d in report.diagnosis}, report


LAYERS = ({}, {"stride": 2, "padding": 1}, {"dilation": (2, 1), "groups": 2, "padding": (0, 2)},
          {"stride": (1, 3), "padding": ((1, 0), (0, 2))}, {"padding": "same"})


def judge_layer(command, **options):
    with Pipe(command) as pipe:
        report = check_layer(**pipe.layer(**options), name=pipe.name)
    assert pipe.fault is None
    return report


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_a_layer_in_c_is_right(tmp_path, options):
    report = judge_layer(str(compiled(EXAMPLES / "weight_norm.c", tmp_path)), **options)
    assert report.verdict == "PASS", report
    assert not report.skipped
    assert "conv2d" in report.layer


def test_a_layer_in_c_in_single_precision(tmp_path):
    flags = ("-DREAL=float", '-DDTYPE="float32"')
    program = compiled(EXAMPLES / "weight_norm.c", tmp_path, *flags)
    report = judge_layer(str(program), stride=2)
    assert (report.verdict, report.dtype) == ("PASS", "float32"), report


@pytest.mark.parametrize(
    ("mistake", "names"),
    [(1, ["no_projection"]), (2, ["proj_n3"]), (3, ["global_function", "global_norm"]),
     (5, ["windows_assigned"]), (6, ["kernel_flipped"])],
)
def test_a_mistake_of_a_layer_in_c_is_named(tmp_path, mistake, names):
    program = compiled(EXAMPLES / "weight_norm.c", tmp_path, f"-DMISTAKE={mistake}")
    report = judge_layer(str(program), stride=(2, 1), padding=1)
    assert report.verdict == "FAIL"
    assert [d.id for d in report.diagnosis] == names, report


def test_the_golden_layers_in_c(tmp_path):
    """Every test of a convolution of images that the program can do, to the last bit."""
    with Pipe(str(compiled(EXAMPLES / "weight_norm.c", tmp_path))) as pipe:
        judged = 0
        for v in load_layers(dtype="float64"):
            if (v.kind, v.options["layout"]) == ("conv2d", "torch") and {"v", "b"} <= {*v.inputs}:
                layer = pipe.layer(kind=v.kind, **v.options)
                given = [v.inputs[name] for name in ("x", "v", "g", "b")]
                y, bars = layer["forward"](*given), layer["backward"](v.inputs["y_bar"], *given)
                assert v.right("y", y)
                for name, x in zip(("x_bar", "v_bar", "g_bar", "b_bar"), bars, strict=True):
                    assert v.right(name, x), (v.id, name)
                judged += 1
    assert judged == 7


@pytest.mark.parametrize(
    ("mistake", "name"),
    [("", None), ("no_projection", "no_projection"), ("scalar_g", "g_bar_scalar_sum")],
)
def test_r(mistake, name):
    report = judge([found("Rscript"), str(EXAMPLES / "weight_norm.R"), mistake])
    assert report.verdict == ("FAIL" if name else "PASS"), report
    assert [d.id for d in report.diagnosis] == ([name] if name else [])
    assert report.name == "weight_norm.R"


@pytest.mark.parametrize(
    ("mistake", "outputs"),
    [("", set()), ("no_projection", {"v_bar"}), ("stale_norm", {"by_v"})],
)
def test_javascript_to_second_order(mistake, outputs):
    with Pipe([found("node"), str(EXAMPLES / "weight_norm.mjs"), mistake]) as pipe:
        report = check(
            pipe.forward, pipe.backward, jvp=pipe.jvp, double_backward=pipe.double_backward,
            ranks=range(1, 6), **pipe.settings,
        )
    assert report.verdict == ("FAIL" if mistake else "PASS"), report
    assert {result.name for result in report.checks} >= {"product", "second order"}
    assert outputs <= {output for d in report.diagnosis for output in d.outputs}
    assert mistake in ("", "stale_norm") or report.diagnosis[0].id == mistake


def test_javascript_reads_every_number(rng):
    numbers = rng.integers(0, 2**64, 300, dtype=np.uint64).view(np.float64)
    numbers = np.array([*numbers, 5e-324, -0.0, 2.0**-1022, 1.7976931348623157e308, np.nan])
    gains = np.ones(numbers.shape)
    with Pipe([found("node"), str(EXAMPLES / "weight_norm.mjs")]) as pipe:
        _, g_bar = pipe.backward(numbers, gains, gains)
    assert np.array_equal(g_bar, numbers, equal_nan=True)


# ---- the protocol -------------------------------------------------------------------------------

PREAMBLE = """
import json, os, subprocess, sys, time
def answer(request, **more):
    print(json.dumps({"id": request["id"], **more}), flush=True)
def hello(**more):
    answer(ask(), **({"ops": ["forward", "backward"]} | more))
def ask():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)
"""


@pytest.fixture
def program(tmp_path):
    """The command of a Python program, whose lines follow the preamble."""

    def program(body):
        path = tmp_path / "program.py"
        path.write_text(PREAMBLE + body)
        return shlex.join([sys.executable, str(path)])

    return program


def shown(text):
    """The requests and replies in a documentation, as (mark, parsed line)."""
    lines = re.findall(r"^ {4}([<>]) (\{.*?\})$", text, flags=re.M | re.S)
    return [(mark, json.loads(line)) for mark, line in lines]


def test_the_page_and_the_module_show_what_is_said(program, tmp_path):
    page = FORMAT.read_text(encoding="utf-8")
    log = tmp_path / "log"
    (hello, answer, request, reply, *_) = shown(page)
    assert [mark for mark, _ in (hello, answer, request, reply)] == [">", "<", ">", "<"]
    assert shown(pipe_module.__doc__)[2:] == [request, reply]
    body = f"""
log = open({str(log)!r}, "w")
for reply in {[answer[1], reply[1]]!r}:
    log.write(sys.stdin.readline())
    print(json.dumps(reply), flush=True)
"""
    with Pipe(program(body)) as pipe:
        v_bar, g_bar = pipe.backward(W_BAR, V, G)
    said = log.read_text().splitlines()
    assert [" " in line for line in said] == [False, False]
    for line, (_, documented) in zip(said, (hello, request), strict=True):
        data = json.loads(line)
        assert list(data) == list(documented)
        for key, x in data.items():
            if key in OPS["backward"][0]:
                x, documented[key] = ([*map(float.fromhex, y)] for y in (x, documented[key]))
            elif key == "eps":
                x, documented[key] = float.fromhex(x), float.fromhex(documented[key])
            assert x == documented[key], key
    assert v_bar == pytest.approx(np.array([[-3.2, 2.4]]))
    assert g_bar.tolist() == [[11]]


def test_the_page_shows_what_is_said_of_a_layer(program, tmp_path):
    (request, reply) = (line for _, line in shown(FORMAT.read_text(encoding="utf-8"))[4:])
    log = tmp_path / "log"
    body = f"""
hello(ops=["layer_backward"], layer={{"kind": "conv1d"}})
line = sys.stdin.readline()
open({str(log)!r}, "w").write(line)
print(json.dumps({reply!r}), flush=True)
"""
    given = {name: np.array([*map(float.fromhex, request[name])])
             for name in ("y_bar", "x", "v", "g", "b")}
    shapes = {"y_bar": "y_shape", "x": "x_shape", "v": "w_shape"}
    arrays = [x.reshape(request.get(shapes.get(k), -1)) for k, x in given.items()]
    with Pipe(program(body)) as pipe:
        answers = pipe.layer()["backward"](*arrays)
    said = log.read_text()
    assert " " not in said
    data = json.loads(said)
    assert list(data) == list(request)
    for key, x in data.items():
        if key in given or key == "eps":
            x, request[key] = (
                [*map(float.fromhex, y if isinstance(y, list) else [y])] for y in (x, request[key])
            )
        assert x == request[key], key
    names = ("x_bar", "v_bar", "g_bar", "b_bar")
    for name, got, shape in zip(names, answers, ((1, 1, 3), (1, 1, 2), (1,), (1,)), strict=True):
        assert got.tolist() == np.reshape(reply[name], shape).tolist()


LINEAR = """
import numpy
hello(ops=["layer_forward", "layer_backward"], layer=%s)
def array(request, name, shape=None):
    x = numpy.array([float.fromhex(y) for y in request[name]])
    return x.reshape(request[shape] if shape else -1)
while request := ask():
    x, w = array(request, "x", "x_shape"), array(request, "w", "w_shape")
    b = array(request, "b") if "b" in request else 0
    w = w.T if request["layout"] == "flax" else w
    if request["op"] == "layer_forward":
        answer(request, y=(x @ w.T + b).ravel().tolist())
        continue
    y_bar = array(request, "y_bar", "y_shape")
    w_bar = y_bar.T @ x
    w_bar = w_bar.T if request["layout"] == "flax" else w_bar
    answer(request, x_bar=(y_bar @ w).ravel().tolist(), w_bar=w_bar.ravel().tolist(),
           **({"b_bar": %s} if "b" in request else {}))
"""
B_BAR = "y_bar.sum(0).tolist()"


@pytest.mark.parametrize("layout", ["torch", "flax"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_with_a_plain_weight(program, layout, bias):
    said = {"kind": "linear", "normalised": False, "layout": layout, "bias": bias}
    report = judge_layer(program(LINEAR % (said, B_BAR)))
    assert report.verdict == "PASS", report
    assert not report.skipped
    assert ["without a bias: forward takes no b"] * (not bias) == report.notes


def test_a_gradient_that_is_null_is_not_judged(program):
    said = {"kind": "linear", "normalised": False}
    report = judge_layer(program(LINEAR % (said, None)))
    assert report.verdict == "PASS", report
    assert [s.check for s in report.skipped] == ["b_bar"]


def test_a_layer_that_is_not_declared(program):
    body = 'hello(ops=["layer_forward"])\nask()'
    with Pipe(program(body)) as pipe:
        with pytest.raises(PipeError, match=r'put "layer":.* into its hello, or give --kind'):
            pipe.layer()
        with pytest.raises(ValueError, match="kind='conv4d'"):
            pipe.layer(kind="conv4d")
        assert pipe.forward is None
        assert pipe.layer(kind="linear")["backward"] is None
    no_layer = "is no layer; hello lists no layer_forward"
    with Pipe(program(ECHO)) as pipe, pytest.raises(PipeError, match=no_layer):
        pipe.layer(kind="linear")


ECHO = """
hello(name="echo", axis=[1], form="inside", eps="0x1p-10", dtypes=["float16", "float64"],
      ops=["forward", "backward", "jvp", "double_backward"])
while request := ask():
    v, g = request["v"], request["g"]
    answer(request, **{
        "forward": lambda: {"w": v},
        "backward": lambda: {"v_bar": request["w_bar"], "g_bar": g},
        "jvp": lambda: {"w_dot": request["v_dot"]},
        "double_backward": lambda: {
            "w_bar_bar": request["v_bar_bar"], "v_bar": v, "g_bar": request["g_bar_bar"]},
    }[request["op"]]())
"""


def test_every_number_survives_the_way_there_and_back(program, rng):
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3]
    v = np.array([special, rng.standard_normal(8)])
    g = rng.standard_normal((1, 8))
    with Pipe(program(ECHO)) as pipe:
        assert pipe.name == "echo"
        wanted = {"axis": 1, "form": "inside", "eps": 2.0**-10, "dtype": "float16"}
        assert pipe.settings == wanted
        half = np.where(np.isfinite(v), rng.standard_normal(v.shape), v).astype("float16")
        for x, y in ((v, g), (half, g.astype("float16"))):
            answers = (
                pipe.forward(x, y), *pipe.backward(x, x, y), pipe.jvp(x, y, x, y),
                *pipe.double_backward(x, y, x, x, y),
            )
            for got, wanted in zip(answers, (x, x, y, x, x, x, y), strict=True):
                assert got.dtype == wanted.dtype
                assert got.tobytes() == wanted.tobytes() or np.isnan(got).any()
                assert np.array_equal(got, wanted, equal_nan=True)
                assert np.array_equal(np.signbit(got), np.signbit(wanted))
        assert pipe.forward(np.zeros((3, 0)), np.zeros((1, 0))).shape == (3, 0)


@pytest.mark.slow
def test_messages_of_many_megabytes(program, rng):
    v = rng.standard_normal((4, 100_000))
    noisy = ECHO.replace("v, g =", "sys.stderr.write('noise' * 200000)\n    v, g =")
    with Pipe(program(noisy)) as pipe:
        w, _ = pipe.backward(v, v, np.ones((1, 100_000)))
    assert np.array_equal(w, v)


def test_numbers_may_be_decimal(program):
    body = (
        'hello(axis=None)\nanswer(ask(), w=["1.5", 2, 3.25, "0X1P+2", "-Infinity", float("nan")])'
    )
    with Pipe(program(body)) as pipe:
        assert pipe.settings["axis"] is None
        w = pipe.forward(np.ones(6), np.array(1.0))
    assert np.array_equal(w, [1.5, 2, 3.25, 4, -np.inf, np.nan], equal_nan=True)


# ---- programs that do not answer ----------------------------------------------------------------

# What a program does; what is said of it.
FATAL = {
    "dies at once": ("sys.exit(3)", r"ended with exit code 3 before it answered request 0 \(hello"),
    "dies later": (
        "hello()\nask()\nsys.exit('out of luck')",
        r"exit code 1 before it answered request 1 \(forward\).*stderr ends with: out of luck",
    ),
    "is killed": ("hello()\nask()\nos.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    "raises": ("hello()\nask()['nothing']", "stderr ends with.*KeyError: 'nothing'"),
    "hangs": ("hello()\ntime.sleep(60)", r"did not answer request 1 .* within 1 s; end each"),
    "reads nothing": ("time.sleep(60)", r"did not answer request 0 \(hello\) within 1 s"),
    "does not end the line": (
        "hello()\nask()\nos.write(1, b'{}')\ntime.sleep(60)",
        "within 1 s; end each reply with a newline and flush",
    ),
    "prints junk": ("hello()\nask()\nprint('n = 5.0', flush=True)\ntime.sleep(60)",
                    r"answered request 1 \(forward\) with the line 'n = 5.0', which is no JSON"),
    "prints no object": ("hello()\nask()\nprint('[1]', flush=True)", r"line '\[1\]', which is no"),
    "no text": ("hello()\nask()\nos.write(1, bytes(range(128, 256)) + b'\\n')", "no JSON object"),
    "another id": ("hello()\nask()\nanswer({'id': 7}, w=[1, 2])", "with the id 7; give one line"),
    "closes stdout": ("hello()\nask()\nos.close(1)\ntime.sleep(60)", "closed its stdout before it"),
    "no ops": ("answer(ask())", "hello with ops null; it must list what it has of forward"),
    "other ops": ("hello(ops=['backwards'])", r'ops \["backwards"\]; it must list'),
    "wrong axis": ("hello(axis='rows')", "answered hello with"),
    "no such layer": ("hello(layer={'kind': 'conv4d'})", "answered hello with .*kind='conv4d'"),
    "no such option": ("hello(layer={'strides': 2})", "'strides'.*; give an object with kind"),
    "no object": ("hello(layer='conv2d')", "layer='conv2d'; give an object with kind"),
    "wrong eps": ("hello(eps='tiny')", "'tiny' is no number"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", FATAL)
def test_a_program_that_is_lost(program, case):
    body, words = FATAL[case]
    start, command = time.monotonic(), program(body)
    pipe = Pipe(command, timeout=1 if "within" in words else 20)
    with pytest.raises(PipeError, match=words) as caught, pipe:
        pipe.forward(V, G)
    assert str(caught.value).startswith(command + ": ")
    assert pipe._program.process.returncode is not None
    assert pipe.fault is caught.value
    assert time.monotonic() - start < 20


def test_it_is_not_asked_again(program):
    with Pipe(program(FATAL["hangs"][0]), timeout=0.5) as pipe:
        start = time.monotonic()
        report = check(pipe.forward, pipe.backward)
        assert time.monotonic() - start < 10  # one timeout, not one for each case
    assert report.verdict == "FAIL"
    assert report.diagnosis[0].id == "raises"
    assert "did not answer" in report.diagnosis[0].evidence


# What is wrong with one answer only; the next one counts.
PASSING = {
    "too few": ("w=[1]", r"1 numbers in 'w'; 2 belong there, for the shape \(1, 2\)"),
    "too many": ("w=[1, 2, 3]", "3 numbers in 'w'; 2 belong there"),
    "no list": ("w=1", "has no list 'w'"),
    "other key": ("weight=[1, 2]", "has no list 'w'; it has 'id', 'weight'"),
    "no number": ("w=['one', 2]", "in 'w', 'one' is no number"),
    "null": ("w=[None, 2]", "in 'w', None is no number"),
    "true": ("w=[True, 2]", "in 'w', True is no number"),
    "too large": ("w=[10**400, 2]", "in 'w', int too large"),
    "declined": ("error='float16 is unknown here'", r"declined request 1 \(forward\): float16 is"),
}


@pytest.mark.parametrize("case", PASSING)
def test_a_wrong_answer_is_one_wrong_answer(program, case):
    reply, words = PASSING[case]
    body = f"hello()\nanswer(ask(), {reply})\nanswer(ask(), w=['0x1p+1', 1])"
    with Pipe(program(body)) as pipe:
        with pytest.raises(PipeError, match=words):
            pipe.forward(V, G)
        assert pipe.fault is None
        assert pipe.forward(V, G).tolist() == [[2, 1]]


@pytest.mark.slow
def test_a_program_that_reads_nothing_of_a_large_request(program):
    command = program("hello()\ntime.sleep(60)")
    with Pipe(command, timeout=1) as pipe, pytest.raises(PipeError, match="did not answer"):
        pipe.forward(np.ones((1000, 1000)), np.ones((1000, 1)))
    assert pipe._program.process.returncode is not None


def test_commands_that_cannot_be_started(tmp_path):
    with pytest.raises(PipeError, match=r"^no/such/program: cannot be started: No such file"):
        Pipe("no/such/program").__enter__()
    script = tmp_path / "script.R"
    script.write_text("1 + 1\n")
    with pytest.raises(PipeError, match=r"with its interpreter.*Rscript script\.R"):
        Pipe([str(script)]).__enter__()
    for empty in ("", "  ", []):
        with pytest.raises(ValueError, match="command of a pipe is empty"):
            Pipe(empty)


# ---- nothing is left behind ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_program_that_does_not_end_is_ended(program):
    stubborn = "hello()\nfor line in sys.stdin: pass\ntime.sleep(60)"
    with Pipe(program(stubborn)) as pipe:
        pass
    assert pipe._program.process.returncode == -9
    assert not any(thread.is_alive() for thread in pipe._program._threads)


@pytest.mark.slow
def test_its_children_are_ended_with_it(program):
    """A shell may leave a child that holds the pipes open."""
    body = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
hello(name=str(child.pid))
"""
    start = time.monotonic()
    with Pipe(program(body)) as pipe:
        pass
    assert time.monotonic() - start < 20
    assert not any(thread.is_alive() for thread in pipe._program._threads)
    state = Path(f"/proc/{pipe.name}/stat")
    while state.exists() and state.read_text().split()[2] != "Z":  # Z: nobody has collected it yet
        assert time.monotonic() - start < 30
        time.sleep(0.1)


def test_an_exception_in_the_block_ends_it(program):
    with pytest.raises(ZeroDivisionError), Pipe(program(ECHO)) as pipe:
        _ = 1 / 0
    assert pipe._program.process.returncode == 0


@pytest.mark.slow
def test_a_pipe_that_is_dropped_is_closed(program):
    pipe = Pipe(program(ECHO)).__enter__()
    process = pipe._program.process
    assert process.poll() is None
    del pipe
    gc.collect()
    assert process.returncode == 0


def test_a_pipe_can_be_used_again(program):
    pipe = Pipe(program("hello()\nanswer(ask(), w=[1, 2])\n"))
    for _ in range(2):
        with pipe:
            assert pipe.forward(V, G).tolist() == [[1, 2]]
