"""An implementation in any language, behind a pipe: JSON lines in, JSON lines out.

    with Pipe("./weight_norm") as pipe:
        print(check(pipe.forward, pipe.backward, **pipe.settings))

The program reads one request per line from stdin, answers it with one line on stdout, flushes,
and ends where stdin ends. stderr is its own; its last lines are quoted when something goes wrong.
The first request asks for its operations; the answer needs only "ops", and the rest defaults to:

    > {"id":0,"op":"hello","protocol":"minwn-pipe-1"}
    < {"ops":["forward","backward"],"name":"...","axis":[0],"form":"plain","eps":0,
       "dtypes":["float64"]}

ops are of "forward", "backward", "jvp", "double_backward"; axis is a list of the axes that keep a
norm, or null for one norm of the whole. Then (each on one line):

    > {"id":1,"op":"backward","dtype":"float64","axis":[0],"form":"plain","eps":"0x0p+0",
       "shape":[1,2],"g_shape":[1,1],
       "w_bar":["0x1.4p+2","0x1.4p+3"],"v":["0x1.8p+1","0x1p+2"],"g":["0x1.4p+3"]}
    < {"id":1,"v_bar":["-0x1.999999999999ap+1","0x1.3333333333333p+1"],"g_bar":["0x1.6p+3"]}

    op               arrays of the request                    arrays of the reply
    forward          v g                                      w
    backward         w_bar v g                                v_bar g_bar
    jvp              v g v_dot g_dot                          w_dot
    double_backward  v_bar_bar g_bar_bar w_bar v g            w_bar_bar v_bar g_bar

An array is the flat list of its entries, the last axis fastest: of shape "shape", or of "g_shape"
for g and the arrays named after it, which keep v's rank with 1 along every axis that a norm runs
over, or is [] for one norm of the whole. Entries are strings that C's `strtod` reads and its `%a`
prints, "inf", "-inf" and "nan" among them; decimal numbers, in a string or not, are read as well.
A request has no spaces and its keys are in the order above, so that a program without a JSON
library can look for `"v":[`. {"error":"..."} declines a request, and nothing else is wrong with it.

A program that has the ops "layer_forward" and "layer_backward" is a layer. The options of
`check_layer` that it has stand in its hello, or are given to `layer`:

    {"ops":["layer_forward","layer_backward"],"layer":{"kind":"conv2d","stride":2,"padding":1}}

    op              arrays of the request     arrays of the reply
    layer_forward   x v g b                   y
    layer_backward  y_bar x v g b             x_bar v_bar g_bar b_bar

w stands for v and g where the layer has "normalised":false, and b is left out for "bias":false. A
null in the place of a gradient is not judged. FORMAT.md shows a request.

    with Pipe("./layer") as pipe:
        print(check_layer(**pipe.layer(stride=2)))
"""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import os
import queue
import shlex
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy

from ..layer_spec import LayerSpec, make_layer_spec
from ..reference.slices import Slices
from ..spec import make_spec
from .implementation import Lost

__all__ = ["ANSWER", "OPS", "PROTOCOL", "Pipe", "PipeError"]

PROTOCOL = "minwn-pipe-1"
OPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "forward": (("v", "g"), ("w",)),
    "backward": (("w_bar", "v", "g"), ("v_bar", "g_bar")),
    "jvp": (("v", "g", "v_dot", "g_dot"), ("w_dot",)),
    "double_backward": (
        ("v_bar_bar", "g_bar_bar", "w_bar", "v", "g"), ("w_bar_bar", "v_bar", "g_bar"),
    ),
}
LAYER_OPS = ("layer_forward", "layer_backward")
LAYER_OPTIONS = (
    "kind", "stride", "padding", "dilation", "groups", "output_padding", "layout", "axis",
    "normalised", "form", "eps", "kernel", "channels", "bias",
)
LAST_LINES = 5  # of stderr, to be quoted
LONGEST = 2**28  # bytes of a line: an endless one must not fill the memory
ANSWER = 30.0  # seconds for an answer
PATIENCE = 1.0  # seconds for a program to end by itself

Function = Callable[..., Any]


class PipeError(RuntimeError):
    """The program behind a pipe did not answer as it must, or declined; the message says which."""


class _Gone(PipeError, Lost):
    """The program died, hung, or lost its place."""


class Pipe:
    """A program that is running, as functions of NumPy arrays for `check`.

    command: a line as for a shell, without a shell, or a list of words
    timeout: seconds for each answer

    In a `with` block, forward, backward, jvp and double_backward are functions, or None where the
    program has no such operation; name, dtypes and settings (axis, form, eps and the first dtype,
    for `check`) are its own declarations, and layer_ops its operations of a layer, of which `layer`
    makes the arguments of `check_layer`. It is ended with the block, by force if need be.
    A program that has died, hung or lost its place gets no more requests: every later call raises
    the same PipeError, which is also in `fault`.
    """

    forward: Function | None = None
    backward: Function | None = None
    jvp: Function | None = None
    double_backward: Function | None = None

    def __init__(self, command: str | Sequence[str], timeout: float = ANSWER) -> None:
        try:
            self.words = _words(command) if isinstance(command, str) else list(command)
        except ValueError as error:
            raise ValueError(f"the command of a pipe is {command!r}: {error}") from error
        if not self.words:
            raise ValueError(
                "the command of a pipe is empty; name a program, as in './weight_norm'"
            )
        self.command, self.timeout = shlex.join(self.words), timeout
        self.name = os.path.basename(self.words[-1])
        self.settings: dict[str, Any] = {}
        self.dtypes: tuple[str, ...] = ()
        self.layer_ops: list[str] = []
        self.layer_settings: dict[str, Any] = {}
        self.fault: PipeError | None = None
        self._next_id = 0

    def __enter__(self) -> Pipe:
        self.fault, self._next_id = None, 0
        try:
            self._program = _Program(self.words)
        except OSError as error:
            raise PipeError(
                f"{self.command}: cannot be started: {error.strerror}; give the path of a program "
                f"that can be run, with its interpreter if it has one, as in 'Rscript {self.name}'"
            ) from error
        try:
            self._introduce(self._ask({"op": "hello", "protocol": PROTOCOL}))
        except BaseException:
            self._program.end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._program.end()

    def _introduce(self, hello: dict[str, Any]) -> None:
        ops = hello.get("ops")
        if (
            not isinstance(ops, list)
            or not ops
            or not all(isinstance(op, str) and op in (*OPS, *LAYER_OPS) for op in ops)
        ):
            raise self._broken(
                f"answered hello with ops {json.dumps(ops)}; it must list what it has of "
                f"{', '.join((*OPS, *LAYER_OPS))}"
            )
        try:
            axis, eps = hello.get("axis", [0]), hello.get("eps", 0.0)
            if isinstance(axis, list):
                axis = axis[0] if len(axis) == 1 else tuple(axis)
            eps = _number(eps) if isinstance(eps, str) else eps
            dtypes = hello.get("dtypes", ["float64"]) or ["float64"]
            if not isinstance(dtypes, list):
                raise ValueError(f"dtypes={dtypes!r}; give a list, such as ['float64']")
            spec = make_spec(axis=axis, form=hello.get("form", "plain"), eps=eps)
            for dtype in dtypes:
                with contextlib.suppress(ImportError):  # of bfloat16: it may have it
                    make_spec(dtype=dtype)
            self.layer_settings = _layer_settings(hello.get("layer", {}))
        except (TypeError, ValueError, IndexError) as error:
            raise self._broken(f"answered hello with {json.dumps(hello)}: {error}") from None
        self.settings = {
            "axis": spec.axis, "form": spec.form, "eps": spec.eps, "dtype": dtypes[0],
        }
        self.dtypes = tuple(dtypes)
        self.name = str(hello.get("name", self.name))
        self.layer_ops = [op for op in ops if op in LAYER_OPS]
        for op in ops:
            if op in OPS:
                setattr(self, op, self._function(op))

    def _function(self, op: str) -> Function:
        takes, gives = OPS[op]

        def call(*arrays: Any) -> Any:
            inputs = dict(zip(takes, map(numpy.asarray, arrays), strict=True))
            v, g = inputs["v"], inputs["g"]
            request = {
                "op": op, "dtype": v.dtype.name, "axis": Slices(v.shape, g.shape).axes,
                "form": self.settings["form"], "eps": float(self.settings["eps"]).hex(),
                "shape": v.shape, "g_shape": g.shape,
            }
            shapes = {name: g.shape if name.startswith("g") else v.shape for name in gives}
            return self._answer(request, inputs, shapes)

        call.__name__ = call.__qualname__ = f"{self.name} {op}"
        return call

    def layer(self, **options: Any) -> dict[str, Any]:
        """The arguments of `check_layer`: functions and options.

        options: those of `check_layer`, before what hello declares
        Raises PipeError where the program has no layer, ValueError for options that do not fit.
        """
        if not self.layer_ops:
            none = " and no ".join(LAYER_OPS)
            raise PipeError(f"{self.command}: is no layer; hello lists no {none}")
        how: dict[str, Any] = {"dtype": self.dtypes[0]} | self.layer_settings | options
        if "kind" not in how:
            raise PipeError(
                f"{self.command}: does not say what kind of layer it is; put "
                f'"layer":{{"kind":"conv2d"}} into its hello, or give --kind'
            )
        bias = how.pop("bias", True)
        spec = make_layer_spec(**how)
        functions: dict[str, Any] = {"forward": None, "backward": None}
        for op in self.layer_ops:
            functions[op.removeprefix("layer_")] = self._layer_function(op, spec, bias)
        return functions | how

    def _layer_function(self, op: str, spec: LayerSpec, bias: bool) -> Function:
        weights = ("v", "g") if spec.normalised else ("w",)
        given = ("x", *weights, *["b"] * bias)
        takes = ("y_bar", *given) if op == "layer_backward" else given
        axis = [spec.axis] if isinstance(spec.axis, int) else spec.axis

        def call(*arrays: Any) -> Any:
            inputs = dict(zip(takes, map(numpy.asarray, arrays), strict=True))
            x, w = inputs["x"], inputs[weights[0]]
            size, kernel = (spec.ours(k, a).shape[2:] for k, a in (("x", x), ("w", w)))
            y = spec.y_shape(x.shape, w.shape)
            request = {
                "op": op, "dtype": x.dtype.name, "kind": spec.kind, "layout": spec.layout,
                "stride": spec.stride, "padding": spec.pads(size, kernel) if spec.dims else (),
                "dilation": spec.dilation, "groups": spec.groups,
                "output_padding": spec.output_padding,
                "axis": axis, "form": spec.form, "eps": float(spec.eps).hex(),
                "x_shape": x.shape, "w_shape": w.shape, "y_shape": y,
            }
            shapes = {f"{name}_bar": inputs[name].shape for name in given}
            return self._answer(request, inputs, {"y": y} if op == "layer_forward" else shapes)

        call.__name__ = call.__qualname__ = f"{self.name} {op}"
        kind = inspect.Parameter.POSITIONAL_ONLY
        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, kind) for name in takes]
        )
        return call

    def _answer(
        self, request: dict[str, Any], inputs: dict[str, numpy.ndarray],
        shapes: dict[str, tuple[int, ...]],
    ) -> Any:
        """The arrays of a reply, by the shapes that they must have. Raises PipeError."""
        dtype = request["dtype"]
        if dtype not in self.dtypes:
            raise PipeError(
                f"{self.command}: has {', '.join(self.dtypes)}, not {dtype}; add it to "
                f"the dtypes of hello, or ask with --dtype"
            )
        reply = self._ask(request | {name: _hexes(x) for name, x in inputs.items()})
        kind = next(iter(inputs.values())).dtype
        unjudged = {"x_bar", "w_bar", "v_bar", "g_bar", "b_bar"} if "kind" in request else set()
        found = tuple(
            None if name in unjudged and reply.get(name, ...) is None
            else self._array(reply, name, shape, kind)
            for name, shape in shapes.items()
        )
        return found if len(found) > 1 else found[0]

    def _array(self, reply: dict[str, Any], name: str, shape: Any, dtype: Any) -> numpy.ndarray:
        texts = reply.get(name)
        if not isinstance(texts, list):
            had = ", ".join(map(repr, reply)) or "nothing"
            raise PipeError(f"{self.command}: a reply has no list {name!r}; it has {had}")
        if len(texts) != math.prod(shape):
            raise PipeError(
                f"{self.command}: {len(texts)} numbers in {name!r}; {math.prod(shape)} belong "
                f"there, for the shape {shape}"
            )
        try:
            entries = [_number(text) for text in texts]
        except (TypeError, ValueError, OverflowError) as error:
            raise PipeError(f"{self.command}: in {name!r}, {error}") from None
        with numpy.errstate(over="ignore"):  # beyond a narrower dtype: infinite, and judged as such
            return numpy.array(entries, dtype="float64").reshape(shape).astype(dtype)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request. Raises PipeError."""
        if self.fault is not None:
            raise self.fault
        id, self._next_id = self._next_id, self._next_id + 1
        self._program.say(json.dumps({"id": id} | request, separators=(",", ":")))
        what = f"request {id} ({request['op']})"
        try:
            line = self._program.hear(self.timeout)
        except queue.Empty:
            raise self._broken(
                f"did not answer {what} within {self.timeout:g} s; end each reply with a newline "
                f"and flush it, or allow more with a longer timeout"
            ) from None
        if line is None:
            raise self._broken(
                f"{self._program.how_it_ended()} before it answered {what}; it must read lines "
                f"until its stdin ends"
            )
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise self._broken(
                f"answered {what} with the line {_short(line)}, which is no JSON object; print "
                f"what is not a reply to stderr"
            )
        if reply.get("id", id) != id:
            raise self._broken(
                f"answered {what} with the id {reply['id']!r}; give one line for each request, "
                f"in their order"
            )
        if "error" in reply:
            raise PipeError(f"{self.command}: declined {what}: {reply['error']}")
        return reply

    def _broken(self, what: str) -> PipeError:
        """The final error of the program."""
        self._program.end(patience=0.0)
        stderr = self._program.last_words()
        ending = f"; its stderr ends with: {stderr}" if stderr else ""
        self.fault = _Gone(f"{self.command}: {what}{ending}")
        return self.fault


class _Program:
    """A process, with a thread at each of its pipes, so that none of them can block the others."""

    def __init__(self, words: list[str]) -> None:
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,  # to end what it starts with it
        )
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr: deque[bytes] = deque(maxlen=LAST_LINES)
        process = self.process
        jobs = (
            (_write, process.stdin, self._requests),
            (_read, process.stdout, self._replies.put, LONGEST),
            (_read, process.stderr, self._stderr.append, 4096),
        )
        self._threads = [threading.Thread(target=f, args=args, daemon=True) for f, *args in jobs]
        for thread in self._threads:
            thread.start()
        # Also for a program whose block is never left: at the latest when Python ends.
        self._end = weakref.finalize(self, _end, process, self._requests, self._threads)

    def say(self, line: str) -> None:
        self._requests.put(line.encode() + b"\n")

    def hear(self, timeout: float) -> str | None:
        """The next line; None at the end of them. Raises queue.Empty."""
        line = self._replies.get(timeout=timeout)
        return None if line is None else line.decode(errors="replace")

    def how_it_ended(self) -> str:
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return "closed its stdout"
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"

    def last_words(self) -> str:
        lines = [line.decode(errors="replace").strip() for line in list(self._stderr) if line]
        return " / ".join(filter(None, lines))[-300:]

    def end(self, patience: float = PATIENCE) -> None:
        """End the process, by itself if it does so in time, and collect it."""
        if self._end.detach() is not None:
            _end(self.process, self._requests, self._threads, patience)


def _write(stream: Any, lines: queue.SimpleQueue[bytes | None]) -> None:
    """Write lines until there is a None, then close."""
    with contextlib.suppress(OSError), stream:
        for line in iter(lines.get, None):
            stream.write(line)
            stream.flush()


def _read(stream: Any, put: Callable[[bytes | None], None], longest: int) -> None:
    """Hand on lines, and None at the end."""
    with stream:
        for line in iter(lambda: stream.readline(longest), b""):
            put(line)
    put(None)


def _end(
    process: subprocess.Popen[bytes], requests: queue.SimpleQueue[bytes | None],
    threads: list[threading.Thread], patience: float = PATIENCE,
) -> None:
    requests.put(None)  # closes its stdin
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    for thread in threads if process.returncode is not None else ():
        thread.join(PATIENCE)
    if any(thread.is_alive() for thread in threads):  # its children may hold its pipes open
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    process.wait()
    for thread in threads:
        thread.join(PATIENCE)


def _words(command: str) -> list[str]:
    """The words of a line for a shell. On Windows backslashes are parts of paths."""
    if os.name != "nt":
        return shlex.split(command)
    return [word.strip('"') for word in shlex.split(command, posix=False)]


def _layer_settings(said: Any) -> dict[str, Any]:
    """The options of a layer, as hello declares them. Raises ValueError, or TypeError."""
    unknown = {*said} - {*LAYER_OPTIONS} if isinstance(said, dict) else said
    if unknown or not isinstance(said, dict):
        raise ValueError(f"layer={said!r}; give an object with {', '.join(LAYER_OPTIONS)}")
    said = {k: tuple(x) if k in ("axis", "channels") and x else x for k, x in said.items()}
    if isinstance(said.get("eps"), str):
        said["eps"] = _number(said["eps"])
    if "kind" in said:
        make_layer_spec(**{key: x for key, x in said.items() if key != "bias"})
    return said


def _hexes(x: numpy.ndarray) -> list[str]:
    return [y.hex() for y in x.astype("float64").ravel().tolist()]


def _number(x: Any) -> float:
    """A number of a reply. Raises ValueError, or TypeError."""
    if isinstance(x, str):
        try:
            return float.fromhex(x) if "0x" in x.lower() else float(x)
        except (ValueError, OverflowError):
            raise ValueError(f"{x!r} is no number, such as '0x1.8p+1', '3.0' or 'nan'") from None
    if isinstance(x, bool) or not isinstance(x, int | float):
        raise TypeError(f"{x!r} is no number, such as '0x1.8p+1' or 3.0")
    return float(x)


def _short(line: str) -> str:
    text = repr(line.rstrip("\n"))
    return text if len(text) <= 80 else f"{text[:76]}...{text[0]}"
