"""Grading: each notebook runs in its own process, with a time limit, and its checks judge it.

The notebook runs from its first cell to its last, past cells that fail. Every `check` in it appends
its verdict to a file. An exercise without a verdict is "missing". The code of a notebook
runs as it is: grade strangers' notebooks in a container.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .exercise import chapter
from .run import execute
from .session import RECORD

__all__ = ["grade"]

IDS = re.compile(r"\b(?:check|predict|reveal)\(\s*\\?[\"'](\d+)\.T?\d+")


def grade(path: Path | str, *, timeout: float = 300) -> dict[str, Any]:
    """The result of each exercise of a notebook. A notebook that cannot run gets a `problem`.

    {"notebook", "exercises": [{"id", "title", "state", "message"}], "predictions", "right", "of",
     "errors": [{"cell", "message"}], "problem", "seconds"}

    timeout: seconds for the whole notebook.
    """
    start = time.perf_counter()
    path = Path(path)
    problem = ""
    errors: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    chapters: list[str] = []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        code = "\n".join(_code(data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"this is not a notebook that can be read ({type(error).__name__}: {error})"
    else:
        chapters = sorted({f"{int(n):02d}" for n in IDS.findall(code)})
        problem, errors, records = _run(path, timeout)
        if not problem and not chapters:
            problem = "there is no check in this notebook"
    found = {record["id"]: record for record in records}
    known = [exercise for number in chapters for exercise in chapter(number).values()]
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for exercise in known:
        record = found.get(exercise.id)
        state = "missing" if record is None else "right" if record["ok"] else "not yet"
        message = record["message"] if record else ""
        row = {"id": exercise.id, "title": exercise.title, "state": state, "message": message}
        rows[exercise.prediction].append(row)
    return {
        "notebook": str(path),
        "right": sum(row["state"] == "right" for row in rows[False]),
        "of": len(rows[False]),
        "exercises": rows[False],
        "predictions": rows[True],
        "errors": errors,
        "problem": problem,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _code(data: Any) -> list[str]:
    return ["".join(cell["source"]) for cell in data["cells"] if cell["cell_type"] == "code"]


def _run(path: Path, timeout: float) -> tuple[str, list[dict[str, Any]], list[dict[str, Any]]]:
    """(the problem or "", the errors, the records) of a notebook, run in another process."""
    with tempfile.TemporaryDirectory() as directory:
        record, report = Path(directory, "record"), Path(directory, "report.json")
        done = subprocess.Popen(
            [sys.executable, "-m", __name__, str(path), str(report), str(timeout)],
            env={**os.environ, RECORD: str(record), "MPLBACKEND": "agg"},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, errors="replace", start_new_session=True,
        )
        problem, errors = "", []
        try:
            _, printed = done.communicate(timeout=timeout + 30)
        except subprocess.TimeoutExpired:
            problem = f"it ran for more than {timeout:g} s"
        else:
            if done.returncode:
                problem = (printed.strip().splitlines() or ["it could not be run"])[-1]
        finally:
            _end(done)
        if report.is_file():
            errors = json.loads(report.read_text(encoding="utf-8"))
        return problem, errors, _records(record)


def _records(path: Path) -> list[dict[str, Any]]:
    """One record a line; anything else, such as a truncated line, is skipped."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and {"id", "ok", "message"} <= set(record):
            found.append(record)
    return found


def _end(process: subprocess.Popen) -> None:
    """Kill a process and the kernel that it started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
    process.communicate()


def _child(path: str, report: str, timeout: str) -> None:
    """Run the notebook in this process, and write which cells failed to `report`."""
    data = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        ran = execute(data, timeout=float(timeout), allow_errors=True)
    except (TimeoutError, RuntimeError, ImportError) as error:
        sys.exit(str(error))
    except Exception as error:
        sys.exit(f"this is not a notebook that can be run ({type(error).__name__}: {error})")
    errors = [{"cell": index, "message": message} for index, message in ran.errors]
    Path(report).write_text(json.dumps(errors), encoding="utf-8")


if __name__ == "__main__":
    _child(*sys.argv[1:])
