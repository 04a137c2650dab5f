"""Shared by all figures: their style, their runs, and their files.

A figure is one script, `figures/<stem>.py`, that says

    TITLE, DESCRIPTION             its title; a description of the picture in words
    SEEDS = 16, 3                  how many seeds, in full and quick
    run(*, seeds, quick, progress) the experiment: data that JSON can hold
    draw(data)                     a matplotlib Figure of that data
    claims(data)                   [(sentence, whether the data bear it out), ...]

and ends with `figure.main(__file__)`. The data are rounded, written as JSON and read again before
anything is drawn or claimed, so that a figure can be redrawn later without running anything. The
SVG is the same bytes at every drawing, and carries the description for those who cannot see it.

`run` spreads its seeds with `progress.map(one, seeds, ...)`: one after the other, or over processes
with joblib where `jobs` is given, or over machines in a `joblib.parallel_config` of the caller's:

    from dask.distributed import Client
    Client("tcp://scheduler:8786")
    with joblib.parallel_config("dask"):
        figure.produce("norm_growth", out="here", seeds=64, jobs=-1)
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from . import __version__
from .outputs import claim
from .terminal import Progress, at_least, coloured, matplotlib

__all__ = [
    "GREY", "LOOKS", "Made", "Sweep", "arguments", "band", "expected", "load", "main", "names",
    "new", "produce", "redraw", "rounded", "style",
]

SCHEMA = "minwn-figure/1"
DIGITS = 6  # of every number in the data

# ---- how it looks -------------------------------------------------------------------------------

BLACK, GREY = "#222222", "#777777"
# One look for each series: colour, marker and dash differ together. Petroff's six colours.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "#5790fc", "marker": "o", "linestyle": "-"},
    {"color": "#e42536", "marker": "s", "linestyle": "--"},
    {"color": "#f89c20", "marker": "^", "linestyle": "-."},
    {"color": "#964a8b", "marker": "D", "linestyle": (0, (1, 1))},
    {"color": "#9c9ca1", "marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": "#7a21dd", "marker": "P", "linestyle": (0, (8, 3))},
)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the style of the house. Raises ImportError without matplotlib."""
    mpl = matplotlib()
    sheet = mpl.rc_params_from_file(
        Path(__file__).with_name("minwn.mplstyle"), use_default_template=False
    )
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the reader prefers elsewhere
        mpl.rcParams.update(sheet)
        yield


def new(rows: int = 1, columns: int = 1, *, height: float = 3.2, **options: Any) -> tuple[Any, Any]:
    """(figure, axes) of the house's width; options are those of Figure.subplots."""
    figure = matplotlib().figure.Figure(figsize=(6.4, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def band(axes: Any, x: Any, runs: Any, look: int = 0, *, marks: int = 8, **options: Any) -> Any:
    """The median of several runs over x as a line, and all that lies between them as a band.

    runs: (seeds, x), None or NaN where a run has no value. marks: about how many markers.
    """
    x, runs = np.asarray(x, dtype=float), np.asarray(runs, dtype=float)
    own = dict(LOOKS[look])
    if runs.ndim == 2 and len(runs) > 1:
        low, high = np.nanmin(runs, axis=0), np.nanmax(runs, axis=0)
        axes.fill_between(x, low, high, color=own["color"], alpha=0.25, linewidth=0)
    middle = np.nanmedian(runs, axis=0) if runs.ndim == 2 else runs
    every = max(1, len(x) // marks)
    (line,) = axes.plot(x, middle, markevery=(look * every // 6, every), **own | options)
    return line


def expected(axes: Any, x: Any, y: Any, **options: Any) -> Any:
    """The theory, as a thin black line above the data."""
    thin = {"color": BLACK, "marker": "none", "linestyle": ":", "linewidth": 1.2, "zorder": 5}
    (line,) = axes.plot(x, y, **thin | options)
    return line


# ---- how it runs --------------------------------------------------------------------------------


@dataclass
class Sweep:
    """Maps a function over seeds. jobs: processes, as joblib counts them; bar: one on stderr."""

    jobs: int | None = None
    bar: bool = False
    what: str = ""

    def map(self, f: Callable[..., Any], items: Iterable[Any], *args: Any) -> list[Any]:
        """[f(item, *args) for each item], in order; spread by joblib where there are jobs.

        Raises ImportError where `jobs` is given and joblib is missing.
        """
        items = list(items)
        bar = Progress(len(items), self.bar)
        found = []
        try:
            for answer in self._answers(f, items, args):
                found.append(answer)
                bar.step(f"{self.what}: {len(found)} of {len(items)}")
        finally:
            bar.close()
        return found

    def _answers(self, f: Callable[..., Any], items: list[Any], args: Any) -> Iterable[Any]:
        if self.jobs in (None, 1):
            return (_quietly(f, item, args) for item in items)
        try:
            from joblib import Parallel, delayed
        except ImportError as error:
            raise ImportError("--jobs needs joblib: pip install 'minwn[jobs]'") from error
        spread = Parallel(n_jobs=self.jobs, return_as="generator")
        return spread(delayed(_quietly)(f, item, args) for item in items)


def _quietly(f: Callable[..., Any], item: Any, args: Any) -> Any:
    """f(item, *args), where a run that diverges is data and no warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return f(item, *args)


def folder() -> Path:
    """The folder of the figures: next to the package in a checkout, inside it in a wheel.

    Raises FileNotFoundError where they are in neither.
    """
    package = Path(__file__).parent
    for place in (package / "_figures", package.parent / "figures"):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"no figures next to {package}, nor in it; install minwn again")


def names() -> list[str]:
    """The stems of all figures."""
    return sorted(path.stem for path in folder().glob("*.py") if path.stem[0] != "_")


def load(name: str | Path) -> ModuleType:
    """The script of a figure as a module, by its stem or its path. Raises KeyError for others.

    It is not in sys.modules, so its functions reach other processes by value.
    """
    path = Path(name) if str(name).endswith(".py") else folder() / f"{name}.py"
    if not path.is_file():
        raise KeyError(f"no figure {str(name)!r}; there are {', '.join(names())}")
    spec = importlib.util.spec_from_file_location(f"figures_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stem_of(module: ModuleType) -> str:
    return Path(str(module.__file__)).stem


# ---- the files it leaves ------------------------------------------------------------------------


@dataclass
class Made:
    """The result of a figure: its record, as in the JSON, and the files written."""

    record: dict[str, Any]
    svg: str
    files: tuple[Path, ...] = ()

    @property
    def claims(self) -> list[tuple[str, bool]]:
        """(sentence, whether the data bear it out), for each claim."""
        return [(claim["sentence"], claim["holds"]) for claim in self.record["claims"]]

    @property
    def ok(self) -> bool:
        """Whether all claims hold."""
        return all(holds for _, holds in self.claims)


def produce(
    name: str | Path | ModuleType,
    *,
    out: str | Path | None = None,
    quick: bool = False,
    seeds: int | None = None,
    jobs: int | None = None,
    bar: bool = False,
) -> Made:
    """Run a figure, judge its claims, draw it; write <stem>.json and <stem>.svg to `out`, if any.

    The numbers depend on seeds and quick, never on jobs.
    """
    module = name if isinstance(name, ModuleType) else load(name)
    count = module.SEEDS[quick] if seeds is None else seeds
    if count < 1:
        raise ValueError(f"seeds={count}; give a whole number >= 1")
    sweep = Sweep(jobs, bar, stem_of(module))
    data = module.run(seeds=range(count), quick=quick, progress=sweep)
    record = {
        "schema": SCHEMA, "figure": stem_of(module), "title": module.TITLE,
        "description": module.DESCRIPTION, "minwn": __version__, "quick": quick, "seeds": count,
        "data": json.loads(json.dumps(rounded(data), allow_nan=False)),
    }
    return _finish(module, record, out)


def redraw(name: str | Path | ModuleType, out: str | Path) -> Made:
    """Draw a figure again from the JSON in `out`, running nothing.

    Raises FileNotFoundError where there is none, and ValueError where it is of another figure.
    """
    module = name if isinstance(name, ModuleType) else load(name)
    path = Path(out) / f"{stem_of(module)}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    if (record.get("schema"), record.get("figure")) != (SCHEMA, stem_of(module)):
        raise ValueError(f"{path} is not the data of {stem_of(module)}; run it without --redraw")
    record |= {"title": module.TITLE, "description": module.DESCRIPTION}
    return _finish(module, record, out)


def _finish(module: ModuleType, record: dict[str, Any], out: str | Path | None) -> Made:
    """Claims and picture from the data, and both as files."""
    claims = [
        {"sentence": sentence, "holds": bool(holds)}
        for sentence, holds in module.claims(record["data"])
    ]
    record = {key: value for key, value in record.items() if key not in ("claims", "data")} | {
        "claims": claims, "data": record["data"],
    }
    stem = record["figure"]
    made = Made(record, svg_of(module.draw, record))
    if out is not None:
        place = Path(out)
        place.mkdir(parents=True, exist_ok=True)
        made.files = (place / f"{stem}.json", place / f"{stem}.svg")
        made.files[0].write_text(_compact(record) + "\n", encoding="utf-8", newline="\n")
        made.files[1].write_text(made.svg, encoding="utf-8", newline="\n")
    return made


def svg_of(draw: Callable[[Any], Any], record: dict[str, Any]) -> str:
    """The figure as SVG: the same bytes for the same data, with title and description inside."""
    with style():
        matplotlib().rcParams["svg.hashsalt"] = record["figure"]
        text = io.StringIO()
        draw(record["data"]).savefig(
            text, format="svg", metadata={"Date": None, "Creator": None, "Title": record["title"]}
        )
    svg = re.sub(r"[ \t]+$", "", text.getvalue(), flags=re.MULTILINE)
    title = f"<title>{escape(record['title'])}</title>"
    svg = svg.replace(title, f"{title}\n <desc>{escape(record['description'])}</desc>", 1)
    return svg.replace("<svg ", '<svg role="img" ', 1)


def rounded(x: Any, digits: int = DIGITS) -> Any:
    """x in types that JSON has: arrays as lists, numbers to so many digits, None if not finite."""
    if isinstance(x, dict):
        return {str(key): rounded(value, digits) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [rounded(value, digits) for value in x]
    if isinstance(x, np.ndarray | np.generic):
        return rounded(x.tolist(), digits)
    if isinstance(x, float):
        return float(f"{x:.{digits}g}") if math.isfinite(x) else None
    return x


def _compact(record: dict[str, Any]) -> str:
    """JSON with one line for each list of numbers."""
    text = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False)
    number = r"(?:-?[\d.]+(?:e[-+]?\d+)?|null|true|false)"
    return re.sub(
        rf"\[\s+({number}(?:,\s+{number})*)\s+\]",
        lambda found: "[" + re.sub(r"\s+", " ", found[1]) + "]",
        text,
    )


# ---- from a shell -------------------------------------------------------------------------------


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that a figure's script and `minwn reproduce` share."""
    parser.add_argument("--quick", action="store_true", help="fewer seeds and shorter runs")
    parser.add_argument("--seeds", type=at_least(1), metavar="N", help="number of seeds")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="spread the seeds over N processes (joblib); -1: all"
    )
    parser.add_argument("--out", metavar="DIR", help="folder of the .svg and the .json")
    parser.add_argument("--redraw", action="store_true", help="draw from the .json, without a run")
    parser.add_argument("--force", action="store_true", help="replace files of others")


def make(name: str | Path, args: argparse.Namespace, out: str | Path) -> int:
    """Make one figure by the options, and print the result: 0 if its claims hold, else 1.

    2 where it cannot be made.
    """
    stem, place = Path(name).stem, Path(out)
    try:
        if place.exists():
            data, drawn = place / f"{stem}.json", place / f"{stem}.svg"
            mark = rf'\{{\s*"schema": "{SCHEMA}",\s*"figure": "{stem}"'
            claim(data, mark, drawn, force=args.force)
        if args.redraw:
            made = redraw(name, out)
        else:
            made = produce(
                name, out=out, quick=args.quick, seeds=args.seeds, jobs=args.jobs,
                bar=sys.stderr.isatty(),
            )
    except (OSError, KeyError, ValueError, ImportError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"minwn: {stem}: {message}", file=sys.stderr)
        return 2
    record = made.record
    runs = f"{record['seeds']} seed{'s' * (record['seeds'] > 1)}{', quick' * record['quick']}"
    print(f"{record['figure']}: {record['title']} ({runs})")
    for sentence, holds in made.claims:
        print(f"  {coloured('holds' if holds else 'fails', holds)}  {sentence}")
    print(*(f"  {path}" for path in made.files), sep="\n")
    return 0 if made.ok else 1


def main(script: str, argv: Sequence[str] | None = None) -> None:
    """The script of a figure as a command; without --out, its files go next to it."""
    parser = argparse.ArgumentParser(prog=Path(script).name)
    arguments(parser)
    args = parser.parse_args(argv)
    raise SystemExit(make(Path(script), args, args.out or Path(script).resolve().parent))
