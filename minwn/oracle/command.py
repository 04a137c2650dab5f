"""`minwn check TARGET...`: is it weight normalisation, and if not, which term is wrong?"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from .. import forms, validation
from ..outputs import json_alone, written
from ..terminal import Progress, at_least, colours, seconds, width
from .cases import GROUPS
from .check import check
from .check_adapter import check_adapter
from .layer_spec import KINDS, LAYOUTS
from .reading import Reading, Unreadable, read, refused
from .report import Report
from .report.html import page
from .report.junit import junit
from .report.matrix import matrix
from .report.text import WIDTH, printable, screen
from .spec import DTYPES, RANKS, Spec, make_spec, ranks_of
from .targets import adapters
from .targets.child import TIMEOUT, Child
from .targets.implementation import Lost
from .targets.pipe import ANSWER, Pipe, PipeError
from .targets.target import ROLES, Functions, NotLoaded, TargetError, short
from .verdict import IDS

__all__ = ["arguments", "form", "main"]

T = TypeVar("T")
SCHEMA = "minwn-check/1"
WAIT = 2.0  # seconds before there is a bar
OPTIONS = {"stride": 1, "dilation": 1, "output_padding": 0}  # of a layer, and their least number
UNREAD = "neither weight norm nor a layer, as it was read; minwn check FILE:name says more"
TOGETHER = 8  # targets whose processes may wait at the same time
EPILOG = """targets:
  homework.py            the functions and classes of a file, weight norm alone or whole layers
  homework.py:name       one function, class or object of it
  package.module:name    the same of a module
  torch, flax, equinox, paddle, numpy, minwn, all
                         what is installed of these; torch.hook is one of torch's: see --list

examples:
  minwn check homework.py
  minwn check torch flax equinox --html page.html
  minwn check mine.py --form inside --eps 1e-12 --axis none --dtype float32,float64
  minwn check --pipe "./a.out"
  minwn check layer.py --kind conv2d --stride 2 --padding 1

Files and modules run in a process of their own, which has --timeout seconds for each report; what
they print is a note of the report. --in-process is for a debugger.

exit codes: 1 if any report is a FAIL, else 2 if any is REFUSED or UNDEFINED, else 0
"""


class _Usage(ValueError):
    """A target or an option that cannot be understood."""


@dataclass(frozen=True)
class Job:
    """One report to make, or the reason why not."""

    name: str
    run: Callable[[], Report]
    skipped: str | None = None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn check` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="an implementation; see below")
    parser.add_argument("--pipe", metavar="COMMAND", help="a program that answers JSON lines")
    parser.add_argument("--list", action="store_true", help="list the known implementations")
    parser.add_argument(
        "--axis", type=_axis, default=...,
        help="the axis, or axes (0,1), with a norm for each index; none for one norm of the whole; "
        "default 0, or the library's",
    )
    lengths = ", ".join(f"{name} {form.h}" for name, form in forms.FORMS.items())
    parser.add_argument(
        "--form", type=form, metavar="FORM", help=f"the length that v is divided by: {lengths}"
    )
    parser.add_argument("--eps", type=_option(forms.typed), help="the eps of the form")
    parser.add_argument(
        "--dtype", type=_dtypes,
        help=f"{','.join(DTYPES)}; default float64, or all of a library's",
    )
    parser.add_argument("--ranks", type=_ranks, help="of v: 2, 1-5; default 2, for libraries 1-5")
    parser.add_argument(
        "--shape", type=_shape, help="of v, as 64,32: two more cases of that shape are judged"
    )
    parser.add_argument(
        "--accumulate", type=_option(_dtype), metavar="DTYPE",
        help="of the sums, where it is wider than the dtype",
    )
    parser.add_argument(
        "--threads", type=at_least(0), default=0, metavar="COUNT",
        help="call the functions from so many threads at once, too",
    )
    layers = parser.add_argument_group(
        "layers", "what a layer is, where neither its code nor its program tells"
    )
    layers.add_argument("--kind", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}")
    for name, least in OPTIONS.items():
        layers.add_argument(
            f"--{name.replace('_', '-')}", type=functools.partial(_sizes, least=least),
            metavar="N", help="a number, or one for each axis: 2, or 2,1",
        )
    layers.add_argument(
        "--padding", type=_padding, metavar="N",
        help="a number, one for each axis, pairs before:after as 1:0,2:2, or same",
    )
    layers.add_argument(
        "--channel-groups", type=at_least(0), metavar="N", help="groups of channels"
    )
    layers.add_argument(
        "--layout", choices=LAYOUTS, help="of a program's arrays: torch (default) or flax"
    )
    layers.add_argument(
        "--plain-weight", action="store_true", help="a program takes w, and not v and g"
    )
    parser.add_argument(
        "--groups", type=_groups, help=f"of cases, as dyadic,range: {', '.join(GROUPS)}"
    )
    parser.add_argument(
        "--accept", action="append", default=[], type=_accepted, metavar="ID",
        help="declare a difference by its id; it does not fail",
    )
    written(
        parser, "--adapter", metavar="OUT.py",
        help="for a target that cannot be called: write a file that calls it, to be filled in",
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS",
        help=f"that a file or module may take for a report, default {TIMEOUT:g}; or the program of "
        f"--pipe for an answer, default {ANSWER:g}",
    )
    parser.add_argument(
        "--in-process", action="store_true",
        help="run files and modules in this process, without a time limit",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="the first cases of each group (default)")
    how.add_argument("--full", action="store_true", help="all cases, and all axes of libraries")
    written(
        parser, "--json", mark=r'\{\s*"schema": "minwn-check/', nargs="?", const="-",
        metavar="PATH",
        help="write the reports as JSON to PATH; without PATH, print them instead of the text",
    )
    written(
        parser, "--html", mark=r"<!doctype html>[\s\S]*<title>Weight normalisation, judged</title>",
        metavar="PATH", help="write one HTML file",
    )
    written(
        parser, "--junit", mark=r'<\?xml.*\s*<testsuites name="minwn\.oracle"', metavar="PATH",
        help="write JUnit XML",
    )


def _option(read: Callable[..., T]) -> Callable[..., T]:
    """A type for argparse: called with the text of an option; a ValueError's message is printed."""

    @functools.wraps(read)
    def called(text: str, **how: Any) -> T:
        try:
            return read(text, **how)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return called


@_option
def form(text: str) -> str:
    """A form's name."""
    return forms.form_of(text).name


@_option
def _axis(text: str) -> Any:
    if text == "none":
        return None
    try:
        axes = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}; write 0, -1, 0,1 or none") from None
    validation.axes("axis", axes)
    return axes if len(axes) > 1 else axes[0]


@_option
def _ranks(text: str) -> Any:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or not (last if dash else first).isdecimal():
        raise ValueError(f"{text!r}; write 2, or 1-5")
    low, high = int(first), int(last or first)
    # The ends first: a range of a billion ranks is not walked.
    return tuple(sorted(ranks_of(range(low, high + 1) if high - low < 9 else (low, high))))


def _dtype(text: str) -> str:
    if text not in DTYPES:
        near = validation.did_you_mean(text, DTYPES)
        raise ValueError(f"no {text!r}; choose from {','.join(DTYPES)}{near}")
    return text


@_option
def _dtypes(text: str) -> list[str]:
    return list(map(_dtype, text.split(",")))


@_option
def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(map(at_least(0), text.split(",")))
    except argparse.ArgumentTypeError:
        raise ValueError(f"{text!r}; write the shape of v, as 64,32") from None


def _padding(text: str) -> Any:
    if not text[:1].isdecimal():
        return text
    if ":" not in text:
        return _sizes(text, 0)
    pairs = [part.partition(":") for part in text.split(",")]
    whole = at_least(0)
    return tuple((whole(before), whole(after)) for before, _, after in pairs)


def _sizes(text: str, least: int) -> Any:
    found = tuple(map(at_least(least), text.split(",")))
    return found if len(found) > 1 else found[0]


@_option
def _groups(text: str) -> tuple[str, ...]:
    return validation.names("groups", text.split(","), GROUPS, one="group")


@_option
def _accepted(text: str) -> str:
    if text in IDS:
        return text
    of_layers = importlib.import_module(".layers.verdict", __package__)
    return validation.names("accept", [text], of_layers.LAYER_IDS, one="id")[0]


def main(args: argparse.Namespace) -> int:
    """Run `minwn check`: 0 if nothing is wrong, 1 if something is, 2 if it could not be judged."""
    if args.list:
        print(_list())
        return 0
    try:
        with json_alone(args.json), ExitStack() as stack:
            jobs = list(_jobs(args, stack))
            reports = [job.run() for job in _shown([j for j in jobs if j.skipped is None], args)]
    except (TargetError, PipeError, _Usage) as error:
        print(f"minwn check: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"minwn check: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    skipped = {job.name: job.skipped for job in jobs if job.skipped is not None}
    _write(args, reports, skipped)
    if any(r.verdict == "FAIL" for r in reports):
        return 1
    return 0 if reports and all(r.ok for r in reports) else 2


# ---- what is to be done -------------------------------------------------------------------------


def _jobs(args: argparse.Namespace, stack: ExitStack) -> Iterator[Job]:
    if not args.targets and args.pipe is None:
        raise _Usage("name a TARGET, such as homework.py or torch, or give --pipe; see --help")
    if args.pipe is None and (args.layout or args.plain_weight):
        raise _Usage(
            "--layout and --plain-weight are for a program behind --pipe; how a file lays out its "
            "arrays, and whether it normalises, is read from its code"
        )
    for target in args.targets:
        if target.endswith(".py") or (":" in target and not Path(target).is_file()):
            yield from _loaded(target, args, stack)
        elif target in adapters.ADAPTERS or target in (*adapters.families(), "all"):
            for adapter in adapters.get(target):
                yield from _by_name(adapter, args)
        elif Path(target).is_file():
            raise _Usage(
                f"{target} is not Python. A program that answers JSON lines (see "
                f"minwn/oracle/vectors/FORMAT.md) is judged with --pipe ./{Path(target).stem}"
            )
        elif Path(target).exists():
            yield from _loaded(target, args, stack)
        else:
            known = (*adapters.ADAPTERS, *adapters.families())
            raise _Usage(
                f"{target}: neither a file that ends in .py, nor module:name, nor one of "
                f"{', '.join((*adapters.families(), 'all'))}, which minwn check --list shows"
                f"{validation.did_you_mean(target, known)}"
            )
    if args.pipe is not None:
        try:
            pipe = stack.enter_context(Pipe(args.pipe, timeout=args.timeout or ANSWER))
        except ValueError as error:
            raise _Usage(str(error)) from None
        roles = {role: getattr(pipe, role) for role in ROLES}
        if any(roles.values()) and args.kind is None:
            functions = Functions(**roles, name=pipe.name, settings=pipe.settings)
            yield from _functions(functions, args)
        if pipe.layer_ops or args.kind is not None:
            yield from _piped_layer(pipe, args)


def _piped_layer(pipe: Pipe, args: argparse.Namespace) -> Iterator[Job]:
    """The jobs of a layer behind a pipe."""
    options = {key: x for key, x in _hints(args).items() if key not in ("dtype", "ranks")}
    options |= {"layout": args.layout} if args.layout else {}
    options |= {"normalised": False} if args.plain_weight else {}
    try:
        settings = pipe.layer(**options)
    except (ValueError, IndexError) as error:
        raise _Usage(f"{pipe.name}: {error}") from None
    functions: dict[str, Any] = {what: settings.pop(what) for what in ("forward", "backward")}
    name = f"{pipe.name} {settings['kind']}"
    yield from _readings(Reading(name, "layer", functions, settings), args)


def _layer(args: argparse.Namespace) -> dict[str, Any]:
    """The options of a layer that were given."""
    names = {name: name for name in ("kind", "padding", *OPTIONS)} | {"groups": "channel_groups"}
    found = {name: getattr(args, given) for name, given in names.items()}
    return {name: x for name, x in found.items() if x is not None}


def _options(args: argparse.Namespace, *, layer: bool = False) -> dict[str, Any]:
    accept = [id for id in args.accept if layer or id in IDS]
    return {"accept": accept, "quick": not args.full, "groups": args.groups,
            "ranks": args.ranks, "shape": args.shape, "threads": args.threads,
            "accumulate": args.accumulate}


def _loaded(target: str, args: argparse.Namespace, stack: ExitStack) -> Iterator[Job]:
    """The jobs of a file or a module, which runs in a process of its own, as does each layer."""
    hints = _hints(args)
    child = Child(target, hints, timeout=args.timeout or TIMEOUT)
    try:
        if args.in_process:
            reading = read(target, **hints)
            proves = [which for which, proved in reading.others.items() if proved()]
        else:
            stack.enter_context(child)
            reading = Reading(**vars(child.found))
            proves = [which for which in reading.others if child.proves(which)]
    except Unreadable as error:
        refusal = refused(error)
        if args.adapter is not None:
            text = error.adapter.replace("OUT.py", args.adapter)
            Path(args.adapter).write_text(text, encoding="utf-8")
            notes = [note for note in refusal.notes if not note.startswith("--adapter")]
            done = f"{args.adapter} is written: fill in what it marks; minwn check {args.adapter}"
            refusal = replace(refusal, notes=[*notes, done])
        yield Job(refusal.name, lambda: refusal)
        return
    except (NotLoaded, Lost) as error:
        name = short(target)
        report = Report(name, "REFUSED", printable(error), notes=child.notes())
        yield Job(name, lambda: report)
        return
    file, left = reading.name, [which for which in reading.others if which not in proves]
    if proves:
        reading = replace(reading, name=f"{file}:{_bare(reading.which)}", others={})
    jobs = list(_readings(reading, args))
    if args.in_process:
        yield from jobs
    else:
        if len(args.targets) + len(proves) > TOGETHER:
            child.stop()  # until it is called
        yield from _timed(jobs, child)
    for which in proves:
        yield from _loaded(f"{target}:{_bare(which)}", args, stack)
    for which in left if proves else ():
        yield Job(f"{file}:{_bare(which)}", jobs[0].run, UNREAD)


def _bare(which: str) -> str:
    """The name of code in a file, without what it is."""
    return which.removeprefix("class ")


def _timed(jobs: list[Job], child: Child) -> Iterator[Job]:
    """The jobs of a child, each with its time, and with what was printed."""
    for job in jobs:

        def run(job: Job = job) -> Report:
            child.start_clock()
            report = job.run()
            if job is jobs[-1]:
                child.stop()
            return replace(report, notes=[*report.notes, *child.notes()])

        yield Job(job.name, run)


def _hints(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that were asked for, before those that would be found."""
    found = _layer(args) | ({} if args.axis is ... else {"axis": args.axis})
    found |= {key: x for key in ("form", "eps", "ranks") if (x := getattr(args, key)) is not None}
    return found | ({"dtype": args.dtype[0]} if args.dtype else {})


def _readings(reading: Reading, args: argparse.Namespace) -> Iterator[Job]:
    """A job for each dtype of a target as it was read."""
    settings = reading.settings
    if reading.kind == "weight_norm":
        given: dict[str, Any] = reading.functions
        for job in _functions(Functions(**given, name=reading.name, settings=settings), args):
            yield replace(job, run=functools.partial(_stated, reading, job))
        return
    dtypes = args.dtype or settings.get("dtype", "float64")
    for dtype in dtypes if isinstance(dtypes, tuple | list) else [dtypes]:
        options = {**_options(args, layer=True), "dtype": dtype}
        yield Job(f"{reading.name} {dtype}", functools.partial(reading.check, **options))


def _stated(reading: Reading, job: Job) -> Report:
    return reading.stated(job.run())


def _functions(functions: Functions, args: argparse.Namespace) -> Iterator[Job]:
    settings = {} if args.axis is ... else {"axis": args.axis}
    settings |= {key: x for key in ("form", "eps") if (x := getattr(args, key)) is not None}
    dtypes = args.dtype or functions.settings.get("dtype", "float64")
    if isinstance(dtypes, tuple | list) and not dtypes:
        raise TargetError(f"{functions.name}: DTYPE={dtypes!r} is empty; give one, or several")
    options = _options(args) | {"ranks": args.ranks or functions.settings.get("ranks")}
    for dtype in dtypes if isinstance(dtypes, tuple | list) else [dtypes]:
        cases = {key: options[key] for key in options.keys() - {"accept", "threads"}}
        spec = functions.spec(**settings, **cases, dtype=dtype)

        def run(spec: Spec = spec) -> Report:
            how = {name: getattr(spec, name) for name in ("axis", "form", "eps", "dtype")}
            return check(**functions.given, **how, name=functions.name, **options)

        yield Job(f"{functions.name} {spec.dtype}", run)


def _by_name(adapter: adapters.Adapter, args: argparse.Namespace) -> Iterator[Job]:
    length = adapter.length(args.form, args.eps)
    try:
        forms.check(*length)
    except ValueError as error:
        raise _Usage(f"{adapter.name}: {error}") from None
    axes = adapter.axes if args.full else adapter.axes[:1]
    for axis in axes if args.axis is ... else (args.axis,):
        for dtype in args.dtype or adapter.dtypes:

            def made(axis: Any = axis, dtype: str = dtype) -> Report:
                how = {"axis": axis, "form": args.form, "eps": args.eps, "dtype": dtype}
                return check_adapter(adapter, **how, **_options(args))

            reason = adapter.missing() or adapter.declines(axis, *length, dtype) or _unread(dtype)
            if reason is None:
                settings = {"axis": axis, "dtype": dtype, "ranks": args.ranks or RANKS}
                Functions(name=adapter.name).spec(
                    **settings, groups=args.groups, shape=args.shape
                )
            yield Job(f"{adapter.name} {dtype}", made, reason)


@functools.cache
def _unread(dtype: str) -> str | None:
    """Why the judge itself cannot read the dtype here, or None."""
    try:
        make_spec(dtype=dtype)
    except (TypeError, ImportError) as error:
        return str(error)
    return None


# ---- what is shown ------------------------------------------------------------------------------


def _shown(jobs: list[Job], args: argparse.Namespace) -> Iterator[Job]:
    """The jobs one by one; behind a bar on a terminal, if they take a while."""
    on = sys.stderr.isatty() and args.json != "-"
    with closing(Progress(len(jobs), on=on, after=WAIT)) as bar:
        for done, job in enumerate(jobs):
            bar.step(job.name, count=int(done > 0))
            yield job


def _write(args: argparse.Namespace, reports: list[Report], skipped: dict[str, Any]) -> None:
    data = {"schema": SCHEMA, "ok": bool(reports) and all(r.ok for r in reports),
            "reports": [r.to_json() for r in reports], "skipped": skipped}
    text = json.dumps(data, indent=2, allow_nan=False)
    for path, made in (
        (args.json, lambda: text + "\n"), (args.html, lambda: page(reports)),
        (args.junit, lambda: junit(reports)),
    ):
        if path not in (None, "-"):
            Path(path).write_text(made(), encoding="utf-8")
    if args.json == "-":
        print(text)
        return
    columns = width() if sys.stdout.isatty() else None
    screens = min(columns or WIDTH, WIDTH)
    if len(reports) == 1:
        print(screen(reports[0], screens))
    elif reports:
        print(matrix(reports, colour=colours(sys.stdout), width=columns))
        alike: dict[tuple[str, ...], list[Report]] = {}
        for r in (r for r in reports if not r.ok):
            alike.setdefault(tuple(d.id for d in r.diagnosis), []).append(r)
        for first, *others in alike.values():
            same = dict.fromkeys(r.name for r in others)
            print(f"\n{screen(first, screens)}")
            if same:
                print(f"  and of the same kind: {', '.join(same)}")
    for reason in dict.fromkeys(skipped.values()):
        names = dict.fromkeys(name.partition(" ")[0] for name, r in skipped.items() if r == reason)
        print(f"not judged: {', '.join(names)}: {reason}")


def _list() -> str:
    rows = [("name", "installed", "axes", "form", "what is run")]
    for adapter in adapters.ADAPTERS.values():
        form, eps = adapter.lengths[0]
        axes = " ".join("whole" if a is None else str(a).replace(" ", "") for a in adapter.axes)
        length = form if form == "plain" else f"{form} {eps:g}"
        rows.append((adapter.name, adapter.version or "no", axes, length, adapter.runs))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    missing = dict.fromkeys(filter(None, (i.missing() for i in adapters.ADAPTERS.values())))
    return "\n".join([*lines, *missing])
