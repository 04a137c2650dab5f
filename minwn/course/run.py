"""Runs a notebook in a fresh kernel, in an empty directory, with a time limit for each cell."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from typing import Any

__all__ = ["MISSING", "Ran", "execute", "stop"]

MISSING = "notebooks are run with nbclient; pip install 'minwn[notebooks]'"
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # colours, and all that moves a cursor


@dataclass(frozen=True)
class Ran:
    """The notebook with its outputs, and the cells that failed as (index, sentence)."""

    notebook: Any
    errors: tuple[tuple[int, str], ...]


_running: list[Any] = []


def stop() -> None:
    """End the kernels that other threads wait for."""
    for client in list(_running):
        with contextlib.suppress(AttributeError):  # it has not been started
            client.km.provisioner.process.kill()


def execute(data: dict[str, Any], *, timeout: float = 60, allow_errors: bool = False) -> Ran:
    """Run a notebook given as data. It stops at the first error unless errors are allowed.

    timeout: seconds for a cell
    Raises ImportError without nbclient, TimeoutError, and RuntimeError if the kernel dies.
    """
    try:
        import nbclient
        import nbformat
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError:
        raise ImportError(MISSING) from None
    found = nbformat.reads(json.dumps(data), as_version=4)
    with tempfile.TemporaryDirectory() as directory:
        client = nbclient.NotebookClient(
            found,
            timeout=timeout,
            kernel_name="python3",
            allow_errors=allow_errors,
            resources={"metadata": {"path": directory}},
            extra_arguments=["--log-level=ERROR"],  # it warns of every port
        )
        # The caller's matplotlib backend must not change what the notebook shows.
        own = {"IPYTHONDIR": directory, "PYTHONHASHSEED": "0"}
        own["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        _running.append(client)
        try:
            client.execute(env={**os.environ, **own})
        except CellExecutionError:
            pass
        except CellTimeoutError as error:
            raise TimeoutError(f"a cell ran for more than {timeout:g} s") from error
        except DeadKernelError as error:
            raise RuntimeError("the kernel died") from error
        finally:
            _running.remove(client)
            with contextlib.suppress(AttributeError):  # of a kernel that `stop` has killed
                atexit.unregister(client._cleanup_kernel)
    errors = tuple(
        (index, ANSI.sub("", f"{output.ename}: {output.evalue}"))
        for index, cell in enumerate(found.cells)
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    )
    return Ran(found, errors)
