"""Grading: a notebook runs in a kernel of its own, and the judge sits outside of it.

    grade       this process: time limit, report
    _child      runs the cells, and judges; it prints what it finds, one JSON object a line
    kernel      the learner's code

After each cell with a `check`, the kernel forks a copy of itself, which lets the judge call the
answer: inputs go there, and arrays come back (see `wire`). What the notebook assigns to `check`,
writes to files or prints is of no consequence. An endless loop or an exit in an answer ends that
copy; in a cell it ends that cell. An exercise without a verdict is "missing".

The kernel has a clean environment, and, where the system allows it, limits of memory and of
processor time, and no network. It has the user's rights to files: grade strangers' notebooks in a
container.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import excerpt, wire, without_network
from .exercise import chapter, drawn, find
from .run import ANSI, MISSING
from .session import judged
from .state import GRADED
from .unfinished import Unfinished, is_empty

__all__ = ["grade", "stop"]

IDS = re.compile(r"\b(?:check|predict|reveal)\(\s*\\?[\"'](\d+)\.T?\d+")
UNREADABLE = "this is not a notebook that can be read"
KEPT = (  # of the environment; the rest, with what secrets it may hold, stays outside
    "PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
    "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
CALL = 20.0  # seconds for the judge of one exercise
MEMORY = 8 * 2**30
RESTARTS = 5  # of a kernel that dies


def grade(path: Path | str, *, timeout: float = 300) -> dict[str, Any]:
    """The result of each exercise of a notebook. A notebook that cannot run gets a `problem`.

    {"notebook", "student", "exercises": [{"id", "title", "state", "message"}], "predictions",
     "right", "of", "errors": [{"cell", "message"}], "problem", "seconds"}

    timeout: seconds for the whole notebook.
    """
    start = time.perf_counter()
    path = Path(path)
    found: dict[str, Any] = {"records": {}, "errors": [], "student": "", "problem": ""}
    chapters: list[str] = []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        code = "\n".join("".join(cell["source"]) for cell in _code(data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found["problem"] = UNREADABLE
        named = re.match(r"(\d\d)_", path.name)
        chapters = [named[1]] if named else []
    else:
        chapters = sorted({f"{int(n):02d}" for n in IDS.findall(code)})
        found |= _run(path, timeout)
        if not found["problem"] and not chapters:
            found["problem"] = "there is no check in this notebook"
    known = [exercise for number in chapters for exercise in chapter(number).values()]
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for exercise in known:
        record = found["records"].get(exercise.id)
        state = "missing" if record is None else "right" if record["ok"] else "not yet"
        message = record["message"] if record else ""
        row = {"id": exercise.id, "title": exercise.title, "state": state, "message": message}
        rows[exercise.prediction].append(row)
    return {
        "notebook": str(path),
        "student": found["student"],
        "right": sum(row["state"] == "right" for row in rows[False]),
        "of": len(rows[False]),
        "exercises": rows[False],
        "predictions": rows[True],
        "errors": found["errors"],
        "problem": found["problem"],
        "seconds": round(time.perf_counter() - start, 1),
    }


def _code(data: Any) -> list[dict[str, Any]]:
    return [cell for cell in data["cells"] if cell["cell_type"] == "code"]


def _run(path: Path, timeout: float) -> dict[str, Any]:
    """The records, errors, student and problem of a notebook, run in another process."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.Popen(
            [
                *([sys.executable, "-I", without_network.__file__] if os.name == "posix" else []),
                sys.executable, "-m", __name__, str(path.resolve()), str(timeout),
            ],
            env=_environment(directory), cwd=directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace", start_new_session=True,
        )
        problem, late = "", False
        _running.add(done)
        try:
            printed, failed = done.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            late = True
            problem = f"it ran for more than {timeout:g} s"
        finally:
            _end(done)
            _running.discard(done)
        if late:
            printed, failed = done.communicate()
        elif done.returncode:
            problem = (failed.strip().splitlines() or ["it could not be run"])[-1]
        found: dict[str, Any] = {"records": {}, "errors": [], "student": "", "problem": problem}
        for line in printed.splitlines():
            with contextlib.suppress(ValueError):
                one = json.loads(line)
                found["records"] |= one.get("records", {})
                found |= {key: one[key] for key in ("errors", "student", "problem") if key in one}
        return found


def _environment(directory: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key in KEPT}
    own = {
        GRADED: "1", "IPYTHONDIR": directory, "PYTHONHASHSEED": "0", "JUPYTER_PLATFORM_DIRS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return {**kept, **own}


_running: set[subprocess.Popen] = set()


def stop() -> None:
    """End the notebooks that other threads are running."""
    for process in list(_running):
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """Kill a process and the kernel that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


# ---- the child: runs the cells, and judges -------------------------------------------------------


class _Judge:
    """Listens for answers that kernels offer, and prints a verdict on each."""

    def __init__(self) -> None:
        self.token, self.student = secrets.token_hex(16), ""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.out = os.dup(1)  # the kernel must not find it as its own standard output
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(CALL)
                with contextlib.suppress(Exception):  # a broken message costs one verdict
                    self._judge(wire.Peer(connection, guarded=True))
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # the kernel's copy may go now

    def _judge(self, peer: wire.Peer) -> None:
        hello = peer.receive()
        if not secrets.compare_digest(str(hello["token"]), self.token):
            return
        id, answer = str(hello["id"]), peer.unpacked(hello["answer"])
        if id == "student":
            self.student = str(answer)
            return self.say({"student": plain(self.student)})
        exercise = find(id)
        if is_empty(answer):
            return None
        late = threading.Event()
        timer = threading.Timer(CALL, _kill, (int(hello["pid"]), late))
        timer.start()
        seed = zlib.crc32(f"{self.student}:{id}".encode())
        try:
            with np.errstate(all="ignore"):
                message = judged(exercise, answer, drawn(exercise, np.random.default_rng(seed)))
        except Unfinished:
            return None
        finally:
            timer.cancel()
        if late.is_set():
            message = f"your answer ran for more than {CALL:g} s"
        elif peer.gone:
            message = "your answer ended the process in which it ran"
        right = message is None
        record = {"ok": right, "message": plain(message or exercise.explanation)}
        return self.say({"records": {id: record}})

    def say(self, found: dict[str, Any]) -> None:
        os.write(self.out, (json.dumps(found) + "\n").encode())


def plain(text: str) -> str:
    """The text without the characters that would move a terminal's cursor or colour it."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", ANSI.sub("", text))


def _kill(pid: int, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _calls(source: str) -> Iterator[tuple[str, str]]:
    """(id, expression) of each check and prediction in a cell, and ("student", expression)."""
    for name, call in excerpt.calls(source, "student", "check", "predict"):
        first = call.args[0]
        if name == "student":
            yield "student", ast.unparse(first)
        elif isinstance(first, ast.Constant) and (answer := excerpt.answer_of(call)):
            yield str(first.value), answer


def _offers(source: str, judge: _Judge) -> str:
    """The cell that lets the judge have the answers of another cell; "" if there are none."""
    calls = list(_calls(source))
    if not calls:
        return ""
    lines = [f"_minwn = {{'__name__': 'wire'}}; exec({inspect.getsource(wire)!r}, _minwn)"]
    for id, expression in calls:
        lines += [
            "try:",
            f"    _minwn['offer']({judge.port}, {judge.token!r}, {id!r}, ({expression}))",
            "except BaseException:", "    pass",
        ]
    return "\n".join(lines)


def _child(path: str, timeout: float) -> None:
    """Run the notebook in a kernel; print the verdicts as they come, and then the errors."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import DeadKernelError
    except ImportError:
        sys.exit(MISSING)
    try:
        found = nbformat.reads(Path(path).read_text(encoding="utf-8"), as_version=4)
    except Exception:
        sys.exit(UNREADABLE)
    _limit(timeout)
    judge = _Judge()
    cells, origin = [], []
    for index, cell in enumerate(found.cells):
        cells.append(cell)
        origin.append(index)
        if cell.cell_type == "code" and (text := _offers(cell.source, judge)):
            cells.append(nbformat.v4.new_code_cell(text))
            origin.append(-1)
    found.cells = cells
    dead: dict[int, str] = {}
    at = 0

    def note(cell: Any, cell_index: int) -> None:
        nonlocal at
        at = cell_index

    for _ in range(RESTARTS):
        client = NotebookClient(
            found, timeout=max(5, min(60, timeout / 4)), interrupt_on_timeout=True,
            allow_errors=True, kernel_name="python3", on_cell_execute=note,
        )
        try:
            client.execute()
        except DeadKernelError:
            dead[at] = "the kernel died in this cell"
            found.cells[at].source = ""
            continue
        except Exception as error:
            judge.say({"problem": f"{UNREADABLE} ({type(error).__name__})"})
        break
    errors = [
        {"cell": origin[index], "message": plain(": ".join(filter(None, said)))}
        for index, cell in enumerate(found.cells)
        for output in cell.get("outputs", ())
        if output.output_type == "error" and origin[index] >= 0
        for said in [(output.ename, output.evalue)]
    ]
    errors += [{"cell": origin[index], "message": text} for index, text in dead.items()]
    judge.say({"errors": sorted(errors, key=lambda error: error["cell"])})
    sys.stdout.flush()
    os._exit(0)


def _limit(timeout: float) -> None:
    """Limits for the kernel, which inherits them, where the system has them."""
    try:
        import resource
    except ImportError:
        return
    for kind, size in (
        ("RLIMIT_AS", MEMORY), ("RLIMIT_CPU", int(4 * timeout) + 60), ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 2**30),
    ):
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, kind), (size, size))


if __name__ == "__main__":
    _child(sys.argv[1], float(sys.argv[2]))
