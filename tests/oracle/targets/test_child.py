"""A target in a process of its own: what it does to memory, to time, and to its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.checks.memory import LIFE
from minwn.oracle.targets import child as module
from minwn.oracle.targets.child import Child, Gone
from minwn.oracle.targets.implementation import Implementation
from minwn.oracle.targets.layer import on_purpose
from minwn.oracle.targets.reading import Found
from minwn.oracle.targets.target import NotLoaded, TargetError, load

RIGHT = """
import numpy as np

def norm(v):
    return np.sqrt((v * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True))

def forward(v, g):
    return g * v / norm(v)

def backward(w_bar, v, g):
    n = norm(v)
    d = (w_bar * v).sum(axis=tuple(range(1, v.ndim)), keepdims=True)
    return g / n * (w_bar - d / n**2 * v), d / n
"""
METHODS = ("fork", "spawn") if hasattr(os, "fork") and sys.platform != "darwin" else ("spawn",)


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def as_written(target, hints, loaded):
    """Positions are taken at their word, so that any function of a test will do."""
    found = load(target)
    return Found(found.name, "weight_norm", found.given, found.settings)


@pytest.fixture
def child(write, monkeypatch):
    """Children of texts, which are ended with the test."""
    made = []
    monkeypatch.setattr(module.reading, "understood", as_written)  # known to a fork alone

    def child(text, **how):
        options = {"method": METHODS[0], "timeout": 20} | how
        made.append(Child(write(text), **options))
        return made[-1].__enter__()

    yield child
    for each in made:
        each.stop()


def judged(child, **how):
    return oracle.Reading(**vars(child.found)).check(**how)


def names(report):
    return [d.id for d in report.diagnosis]


# ---- the same verdicts as in this process --------------------------------------------------------


WRONG = {
    "PASS": ("", ""),
    "no_projection": ("g / n * (w_bar - d / n**2 * v)", "g / n * w_bar"),
    "aliases_input": ("return g / n * (w_bar - d / n**2 * v), d / n",
                      "w_bar[...] = g / n * (w_bar - d / n**2 * v); return w_bar, d / n"),
    "mutates_input": ("    d = (", "    v *= 2; v /= 2; w_bar += 0; g *= -1\n    d = -("),
    "returns_cache": ("return g / n * (w_bar - d / n**2 * v), d / n",
                      "v_bar = kept.setdefault(v.shape, np.empty_like(v)); "
                      "v_bar[...] = g / n * (w_bar - d / n**2 * v); return v_bar, d / n\n"
                      "kept = {}"),
    "stale_state": ("    n = norm(v)\n    d",
                    "    if last.get('v') is not v: last.update(v=v, n=norm(v))\n"
                    "    n = last['n']\n    d"),
    "accumulates": ("return g / n * (w_bar - d / n**2 * v), d / n",
                    "kept[v.shape] = kept.get(v.shape, 0) + g / n * (w_bar - d / n**2 * v)\n"
                    "    return kept[v.shape].copy(), d / n\nkept = {}"),
    "late_call": ("    n = norm(v)\n    d", "    n = norm(v)\n    count[0] += 1\n"
                  "    if count[0] == 40: n = 2 * n\n    d"),
    "layout": ("    n = norm(v)\n    d",
               "    w_bar = w_bar.ravel(order='K').reshape(v.shape)\n    n = norm(v)\n    d"),
    "wrong_shape": (", d / n\n", ", (d / n).ravel()\n"),
    "answers_exchanged": ("return g / n * (w_bar - d / n**2 * v), d / n",
                          "return d / n, g / n * (w_bar - d / n**2 * v)"),
    "wrong_dtype": (", d / n\n", ", (d / n).astype('float16')\n"),
}


def planted(name):
    old, new = WRONG[name]
    assert old in RIGHT
    return RIGHT.replace(old, new) + "\nlast = {}\ncount = [0]\n" if old else RIGHT


def same(x, y):
    """Two reports, but for their times and their names."""
    x, y = (r.to_json() | {"seconds": 0, "name": ""} for r in (x, y))
    return x == y


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", WRONG)
def test_a_remote_function_is_judged_as_a_local_one(name, dtype, child, write):
    there = judged(child(planted(name)), dtype=dtype)
    here = oracle.check(**load(write(planted(name))).given, dtype=dtype)
    assert name in names(there) or (name == there.verdict == "PASS"), str(there)
    assert same(there, here), (there, here)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_fork_and_spawn_are_alike(child, method):
    for name in ("PASS", "no_projection", "stale_state", "returns_cache"):
        made = child(planted(name), method=method)
        report = judged(made)
        assert name in names(report) or report.verdict == "PASS" == name
        made.stop()


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_child_reads_as_this_process_does(write, method):
    for text, kind in ((WILD, "weight_norm"), (LAYER, "layer")):
        path = write(text)
        here = oracle.read(path)
        with Child(path, method=method) as made:
            there = made.found
            assert (there.kind, there.name) == (here.kind, here.name) == (kind, "mine.py")
            assert (there.settings, there.statement) == (here.settings, here.statement)
            assert same(judged(made), here.check())
            assert judged(made).ok
    with pytest.raises(oracle.Unreadable) as error, Child(write(ODD), method=method):
        pass
    with pytest.raises(oracle.Unreadable) as expected:
        oracle.read(write(ODD))
    assert vars(error.value) == vars(expected.value)
    assert error.value.adapter


WILD = """
import numpy as np

def weight_norm_backward(dout, cache):
    v, g, n = cache
    dg = (dout * v).sum(axis=1) / n
    return {"dg": dg, "dv": (g / n)[:, None] * (dout - (dg / n)[:, None] * v)}

def weight_norm_forward(g, v):
    n = np.sqrt((v * v).sum(axis=1))
    return (g / n)[:, None] * v, (v, g, n)
"""
LAYER = """
import numpy as np

class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T
"""
ODD = "def forward(v, g, mystery, other): raise ValueError('no')\n"


def test_an_error_on_purpose_is_told_from_one_that_happened(child):
    made = child(
        "def forward(v, g):\n    raise ValueError('even sizes only')\n"
        "def backward(w_bar, v, g):\n    assert False, 'square'\n"
        "def jvp(v, g, a, b):\n    return float('x')\n"
        "def double_backward(*x):\n    return {}['three']\n"
    )
    for role, kind, text, own in (
        ("forward", ValueError, "even sizes only", True),
        ("backward", AssertionError, "square", True),
        ("jvp", ValueError, "could not convert string to float: 'x'", False),
        ("double_backward", KeyError, "'three'", False),
    ):
        with pytest.raises(kind) as error:
            made.found.functions[role](1.0, 1.0, *[1.0] * (role == "backward"),
                                       *[1.0, 1.0] * (role == "jvp"))
        assert (str(error.value), type(error.value).__name__) == (text, kind.__name__)
        assert on_purpose(error.value) is own


@pytest.mark.parametrize("ranks", [(1,), (2, 3, 4)])
@pytest.mark.parametrize("axis", [None, 0])
def test_ranks_and_one_norm_of_the_whole(child, ranks, axis):
    if axis is None:
        text = RIGHT.replace("axis=tuple(range(1, v.ndim)), keepdims=True", "")
    else:
        text = RIGHT
    report = judged(child(text), axis=axis, ranks=ranks)
    assert report.verdict == "PASS", str(report)


RACY = """
import time

class Racy:
    def backward(self, w_bar, v, g):
        self.n = norm(v)
        time.sleep(0)
        d = (w_bar * v).sum(axis=1, keepdims=True)
        return g / self.n * (w_bar - d / self.n**2 * v), d / self.n

backward = Racy().backward
"""


def test_threads_meet_in_the_child(child):
    assert names(judged(child(RIGHT + RACY), threads=4)) == ["not_thread_safe"]
    report = judged(child(RIGHT), threads=4)
    assert report.verdict == "PASS"
    assert next(r for r in report.checks if r.name == "threads").checked


# ---- arrays on their way ------------------------------------------------------------------------

ECHO = """
import numpy as np

def forward(v, g):
    text = f"{v.strides} {v.shape} {v.dtype} {v.flags.writeable} {v.tolist()} {type(g).__name__}"
    return np.frombuffer(text.encode(), "uint8").astype("float64")
"""


def laid():
    x = np.arange(24, dtype="float32").reshape(2, 3, 4)
    still = x.copy()
    still.setflags(write=False)
    yield from (x, still, x[:, ::2], x[::-1, :, ::-1], x.transpose(2, 0, 1), x[1:, 1:, 1:])
    yield from (np.asfortranarray(x), np.broadcast_to(x[:1], x.shape), x[:0], x[0, 0, 0:1])
    yield from (np.array(3.0), np.float64(3.0), x.astype("complex64")[:, ::-2])


def test_an_array_arrives_as_it_lies(child):
    made = child(ECHO)
    for x in laid():
        text = bytes(made.found.functions["forward"](x, 2.0).astype("uint8")).decode()
        v = np.asarray(x) if isinstance(x, np.ndarray) else x
        flags = v.flags.writeable
        assert text == f"{v.strides} {v.shape} {v.dtype} {flags} {v.tolist()} float"


def test_bfloat16_arrives(child):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 for NumPy")
    x = np.arange(6.0).reshape(2, 3).astype(ml_dtypes.bfloat16)
    w = child("def forward(v, g): return v[::-1] * 1\n").found.functions["forward"](x, x)
    assert w.dtype == x.dtype
    np.testing.assert_array_equal(w, x[::-1])


def test_none_lists_and_what_is_no_array(child):
    made = child(
        "def forward(v, g): return [v, None, [1, 2.5]]\n"
        "def backward(w_bar, v, g): return {'v': v}\n"
        "class It: pass\n"
        "def jvp(*x): return It()\n"
    )
    v, none, pair = made.found.functions["forward"](np.eye(2), 1.0)
    assert (v.tolist(), none, [x.item() for x in pair]) == ([[1, 0], [0, 1]], None, [1, 2.5])
    for role, kind in (("backward", "dict"), ("jvp", "It")):
        with pytest.raises(TypeError, match=f"an answer of type {kind}; return arrays"):
            made.found.functions[role](np.eye(2), np.eye(2), 1.0)


def test_what_is_written_there_is_written_here(child):
    made = child("def forward(v, g):\n    v[0] = 7\n    return v[0]\n")
    v = np.zeros((2, 3))
    w = made.found.functions["forward"](v, 1.0)
    assert v.tolist() == [[7, 7, 7], [0, 0, 0]]
    assert w.tolist() == [7, 7, 7]
    v.setflags(write=False)
    with pytest.raises(ValueError, match="read-only"):
        made.found.functions["forward"](v, 1.0)


def test_an_exception_keeps_its_name_and_words(child):
    made = child("class Odd(Exception): pass\ndef forward(v, g): raise Odd('three')\n")
    with pytest.raises(Exception, match=r"^three$") as error:
        made.found.functions["forward"](np.eye(2), 1.0)
    assert type(error.value).__name__ == "Odd"
    report = judged(made)
    assert (report.verdict, names(report)) == ("REFUSED", ["raises"])
    assert "Odd: three" in report.diagnosis[0].evidence


def test_exits_of_python_are_exceptions_of_a_call(child):
    report = judged(child(RIGHT.replace("n = norm(v)", "n = norm(v)\n    raise SystemExit(3)")))
    assert (report.verdict, names(report)) == ("REFUSED", ["raises"])
    assert "SystemExit: 3" in report.diagnosis[0].evidence
    text = RIGHT.replace("    n = norm(v)\n", "    n = norm(v)\n    if v.shape[1] == 3: exit(3)\n")
    report = judged(child(text))
    assert (report.verdict, names(report)) == ("FAIL", ["raises"])


# ---- a process that is lost ---------------------------------------------------------------------

SEGFAULT = "__import__('ctypes').string_at(0)"
LOST = {
    "timeout": ("exec('while True: pass')", "no end within 1 s in all"),
    "timeout of sleep": ("__import__('time').sleep(60)", "no end within 1 s in all"),
    "crash": (SEGFAULT, "ended by SIGSEGV"),
    "crash by abort": ("__import__('os').abort()", "ended by SIGABRT"),
    "exit": ("__import__('os')._exit(7)", "ended with exit code 7"),
}


def gone(pid):
    """No process, and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("when", ["True", "v.shape[0] == 5", "v.size == 0"])
@pytest.mark.parametrize("how", LOST)
def test_a_lost_process_fails_with_the_case_in_which_it_was_lost(child, how, when):
    body, words = LOST[how]
    text = RIGHT.replace("    n = norm(v)\n", f"    n = norm(v)\n    if {when}: {body}\n")
    made, start = child(text, timeout=1), time.monotonic()
    pid = made._process.pid
    report = judged(made)
    assert time.monotonic() - start < 10
    assert report.verdict == "FAIL"
    assert names(report)[0] == how.partition(" ")[0], str(report)
    assert words in report.diagnosis[0].evidence
    assert report.diagnosis[0].evidence.startswith(("D-", "G-", "A-", "X-")), str(report)
    assert {*names(report)} == {how.partition(" ")[0]}
    assert gone(pid)
    assert made.fault is not None


@pytest.mark.slow
@pytest.mark.parametrize("when", ["True", "len(x) == 1", "self.calls > 15"])
@pytest.mark.parametrize("how", LOST)
def test_a_layer_that_is_lost_fails_with_its_case(write, how, when):
    body, words = LOST[how]
    text = LAYER.replace("        self.dW,", f"        x = self.x\n        if {when}: {body}\n"
                         "        self.calls += 1\n        self.dW,")
    text = text.replace("class Linear:\n", "class Linear:\n    calls = 0\n")
    text = text.replace("self.calls += 1", "Linear.calls += 1")
    # Not while it is read, where all of it would be refused.
    made = Child(write(text.replace("if ", "if open(__file__ + 'ok').read() and ")),
                 method=METHODS[0], timeout=20)
    mark = write("", "mine.pyok")
    with made:
        with open(mark, "w", encoding="utf-8") as file:
            file.write("now")
        made.timeout = 1
        made.start_clock()
        report = judged(made)
    assert report.verdict == "FAIL"
    assert names(report) == [how.partition(" ")[0]], str(report)
    assert words in report.diagnosis[0].evidence


@pytest.mark.slow
@pytest.mark.parametrize("how", LOST)
def test_what_is_lost_while_it_is_read_is_judged_as_it_is(write, how):
    body, words = LOST[how]
    always = RIGHT.replace("    n = norm(v)\n", f"    n = norm(v)\n    if True: {body}\n")
    with Child(write(always), method=METHODS[0], timeout=1) as made:
        report = judged(made)
    assert (report.verdict, names(report)) == ("FAIL", [how.partition(" ")[0]])
    assert report.diagnosis[0].evidence.startswith("D-0000 (3, 4): backward of (3, 4), ")
    always = LAYER.replace("        self.dW,", f"        if True: {body}\n        self.dW,")
    made = Child(write(always), method=METHODS[0], timeout=1)
    with pytest.raises(Gone, match=words), made:
        pass
    assert made._process is None


def test_a_process_that_is_lost_outside_of_the_cases(child):
    count = LIFE + 20
    text = RIGHT.replace("    n = norm(v)\n    d", "    n = norm(v)\n    count[0] += 1\n"
                         f"    if count[0] > {count + 30}: __import__('os').abort()\n    d")
    report = judged(child(text + "\ncount = [0]\n"))
    assert (report.verdict, names(report)) == ("FAIL", ["crash"]), str(report)
    assert "SIGABRT" in report.diagnosis[0].evidence


@pytest.mark.parametrize("error", ["RuntimeError('not now')", "SystemExit(0)", "KeyboardInterrupt"])
def test_an_error_while_it_is_read_is_told_by_its_name(write, error):
    # Reading looks for what a class is called, and asks it.
    asked = f"class Asked:\n    def __getattr__(self, name): raise {error}\n\nasked = Asked()\n"
    path = write(asked)
    with pytest.raises(Gone, match=error.partition("(")[0]), Child(f"{path}:asked"):
        pass
    with Child(write(RIGHT + "\n" + asked)) as made:  # but a file of the contract is judged
        assert judged(made).ok


def test_a_reply_that_cannot_be_read_is_the_target_s_fault(write):
    path = write(RIGHT + "\nimport builtins\nbuiltins.len = lambda x: 3\n")
    with pytest.raises(Gone, match=r"loading .*mine\.py: no reply that can be read"), Child(path):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("how", LOST)
def test_what_does_not_load(write, how, method):
    body, words = LOST[how]
    made = Child(write(f"{body}\n"), timeout=1, method=method)
    with pytest.raises(Gone, match=words) as error, made:
        pass
    assert "loading" in str(error.value)
    assert made._process is None


def test_errors_of_loading_are_those_of_load(write, tmp_path):
    for text, kind, words in (
        ("x = 1\nx / 0\n", NotLoaded, "line 2: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", NotLoaded, "SystemExit: 3"),
        ("x = 3\n", TargetError, "no functions at all"),
    ):
        with pytest.raises(kind, match=words), Child(write(text), method=METHODS[0]):
            pass
    with pytest.raises(TargetError, match="no such file"), Child(str(tmp_path / "no.py")):
        pass


@pytest.mark.slow
@pytest.mark.skipif(METHODS[0] != "fork", reason="what is patched is known to a fork alone")
def test_the_time_that_a_process_takes_to_start_is_not_counted(write, monkeypatch):
    apart = module._apart

    def slowly(channel):
        time.sleep(3.5)
        apart(channel)

    monkeypatch.setattr(module, "_apart", slowly)
    text = RIGHT + "import time\ntime.sleep(0.1)\n"
    with Child(write(text), method="fork", timeout=3) as made:
        v, g = np.ones((2, 3)), np.ones((2, 1))
        assert made.found.functions["forward"](v, g).shape == (2, 3)
        made.stop()  # and it starts again
        assert made.found.functions["forward"](v, g).shape == (2, 3)
    monkeypatch.setattr(module, "STARTING", 0.2)
    with pytest.raises(Gone, match=r"starting a process: no end within 0\.2 s"), Child(
            write(text), method="fork") as made:
        pass


@pytest.mark.slow
def test_time_is_that_of_the_target_and_of_one_report(child):
    text = RIGHT.replace("    n = norm(v)\n", "    n = norm(v)\n    __import__('time').sleep(.9)\n")
    made = child(text, timeout=2.5)
    v, g = np.ones((2, 3)), np.ones((2, 1))
    for _ in range(3):
        made.start_clock()
        made.found.functions["backward"](v, v, g)
        made.found.functions["backward"](v, v, g)
        time.sleep(0.3)  # this process's own
    asked = r"backward of \(2, 3\), \(2, 3\), \(2, 1\)"
    with pytest.raises(Gone, match=asked + r": no end within 2\.5 s"):
        made.found.functions["backward"](v, v, g)
    with pytest.raises(Gone, match="no end within"):  # and it is not asked again
        made.found.functions["forward"](v, g)


def test_a_stopped_child_starts_again(child):
    made = child(RIGHT)
    forward, first = made.found.functions["forward"], made._process.pid
    made.stop()
    assert forward(np.array([[3.0, 4.0]]), np.array([[10.0]])).tolist() == [[6.0, 8.0]]
    assert made._process.pid != first


def test_siblings_do_not_keep_each_other_alive(child):
    made = [child(RIGHT) for _ in range(3)]
    processes = [each._process.pid for each in made]
    made[0]._connection.close()  # as where this process dies: the child sees its end
    until = time.monotonic() + 10
    while made[0]._process.is_alive() and time.monotonic() < until:
        time.sleep(0.02)
    assert not made[0]._process.is_alive()
    for each in made[1:]:
        assert each._process.is_alive()
        each.stop()
    assert gone(processes[1])


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes in groups")
def test_what_a_target_starts_ends_with_it(child, tmp_path):
    made = child(
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "def forward(v, g): return [float(p.pid)]\n"
    )
    pid = int(made.found.functions["forward"](1.0, 1.0)[0])
    assert not gone(pid)
    made.stop()
    until = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < until and not _zombie(pid):
        time.sleep(0.02)
    assert gone(pid) or _zombie(pid)  # of whoever collects orphans here


def _zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# ---- prints, and input --------------------------------------------------------------------------


def test_prints_are_kept_and_go_nowhere(child, capfd):
    made = child(
        "import os, sys\nprint('loaded')\nprint('warned', file=sys.stderr)\n" + RIGHT.replace(
            "    n = norm(v)\n", "    n = norm(v)\n    print('called')\n"
            "    os.write(1, b'raw')\n    os.system('echo sh')\n",
        )
    )
    v, g = np.ones((2, 3)), np.ones((2, 1))
    made.found.functions["backward"](v, v, g)
    assert made.notes() == ["it printed: loaded\ncalled"]
    assert made.printed["stderr"] == "warned\n"
    assert capfd.readouterr() == ("", "")


def test_huge_prints_are_limited(child):
    made = child(RIGHT.replace("    n = norm(v)\n", "    n = norm(v)\n    print('x' * 10**6)\n"))
    v, g = np.ones((2, 3)), np.ones((2, 1))
    for _ in range(20):
        made.found.functions["backward"](v, v, g)
    (note,) = made.notes()
    assert len(note) < 500
    assert "more)" in note
    assert len(made.printed["stdout"]) <= module.PRINTED


def test_there_is_no_input(child):
    made = child("def forward(v, g): return [len(input())]\n")
    with pytest.raises(EOFError):
        made.found.functions["forward"](1.0, 1.0)


def test_stderr_is_quoted_where_a_process_is_lost(child):
    made = child(
        "import os, sys\n"
        "def forward(v, g):\n    print('bad index', file=sys.stderr)\n    os.abort()\n"
    )
    with pytest.raises(Gone, match="SIGABRT; its stderr ends with: bad index"):
        made.found.functions["forward"](1.0, 1.0)


def test_a_thread_that_prints_does_no_harm(child):
    made = child(RIGHT + (
        "\nimport threading, time\n"
        "def talk():\n    for _ in range(2000):\n"
        "        print('.', end='')\n        time.sleep(1e-4)\n"
        "threading.Thread(target=talk).start()\n"
    ))
    assert judged(made).verdict == "PASS"


# ---- an interrupt -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(METHODS[0] != "fork", reason="signals and processes as Unix has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_no_process(write, tmp_path, number):
    path = write(RIGHT.replace("    n = norm(v)\n", (
        "    n = norm(v)\n    open('pid', 'w').write(str(__import__('os').getpid()))\n"
        "    __import__('time').sleep(3)\n"
    )))
    command = [sys.executable, "-m", "minwn", "check", path]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    pid_file, until = tmp_path / "pid", time.monotonic() + 20
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in err
    while not (gone(pid) or _zombie(pid)) and time.monotonic() < until:
        time.sleep(0.05)  # a child whose parent was killed ends with its call
    assert gone(pid) or _zombie(pid)


def test_a_remote_function_is_as_good_as_any_other(child):
    made = Implementation(**child(RIGHT).found.functions)
    assert made.name == "backward"
    assert made.has("forward")
    assert not made.has("jvp")
