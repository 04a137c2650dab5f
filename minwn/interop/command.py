"""`minwn convert IN OUT --from torch --to flax`: a file of one framework as a file of another."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from .. import forms
from ..backend import dtype_of, is_floating
from ..outputs import claim
from ..validation import absent
from .convert import Conversion, Options, Step, renamed, spread, translate, with_names
from .files import LIMIT, READABLE, WRITABLE, read, read_selection, suffix_of, write
from .fold import cast, folding, splitting
from .layout import KINDS
from .metadata import about, framework, lengths, number, texts
from .names import COLLECTIONS, FRAMEWORKS, flatten, layer_of, locate, natural
from .plain import Selection
from .recognise import check_source, misnamed, recognise, unwrapped

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  the plain weights of the generator in a training file of HiFi-GAN:
    minwn convert g_02500000.pth generator.safetensors --only generator --to plain
  the same model for Flax, or for minwn:
    minwn convert g_02500000.pth flax.safetensors --only generator --to flax \\
        --kind 'ups.*=conv_transpose' --rename ups.0=ConvTranspose_0
    minwn convert model.safetensors model.npz --from torch --to minwn
  weight norm for the layers of a plain model:
    minwn convert plain.pt model.npz --from plain --to parametrization --normalise 'decoder.*'

exit codes: 0 converted, 1 what is in the file cannot be converted, 2 a wrong command line or a
missing package
"""
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class _Usage(ValueError):
    """An option that cannot be read."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn convert` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    readable = ", ".join(READABLE)
    parser.add_argument(
        "input", metavar="IN", help=f"a file, {readable} or .index.json, or a folder of Orbax"
    )
    parser.add_argument("output", metavar="OUT", help="the .npz or .safetensors to write")
    ways = (*FRAMEWORKS, "plain")
    parser.add_argument(
        "--from", dest="source", choices=ways,
        help="default: by the metadata of the file, or else by its names",
    )
    parser.add_argument(
        "--to", dest="target", choices=ways, required=True,
        help="plain: w = g v / ||v|| in place of g and v, under the names that it has",
    )
    several: dict[str, Any] = {"action": "append", "default": []}
    cut = parser.add_argument_group("what is read")
    cut.add_argument(
        "--only", **several, metavar="PREFIX", help="what is below it, under names without it"
    )
    cut.add_argument("--drop", **several, metavar="PATTERN", help="leave out arrays, or levels")
    cut.add_argument(
        "--except", dest="exclude", **several, metavar="NAME",
        help="a parameter whose NAME_g and NAME_v are no weight norm; they are carried over",
    )
    cut.add_argument(
        "--limit", metavar="BYTES", default=str(LIMIT),
        help="the most that the arrays may take, 8G for instance; default 4G",
    )
    layers = parser.add_argument_group("layers and names")
    layers.add_argument(
        "--normalise", **several, metavar="PATTERN",
        help="the layers that get a norm, with --from plain; default: all with a matrix or kernel",
    )
    layers.add_argument(
        "--dim", **several, metavar="[NAME=]DIM",
        help="the axis that keeps norms, from 0 in minwn's layout; or 0,1, 'none', 'output'; "
        "default: by the shape of g, and the usual one where several would fit",
    )
    layers.add_argument(
        "--kind", **several, metavar="NAME=KIND", help=f"kind of a layer: {', '.join(KINDS)}"
    )
    layers.add_argument("--groups", **several, metavar="NAME=N", help="of a transposed convolution")
    layers.add_argument(
        "--rename", **several, metavar="OLD=NEW", help="replace the beginning of names, first"
    )
    layers.add_argument(
        "--like", metavar="FILE", help="a file with the names that the target must have"
    )
    numbers = parser.add_argument_group("numbers")
    numbers.add_argument("--dtype", help="of all floating arrays, float32 for instance")
    numbers.add_argument(
        "--eps", help="of minwn's WeightNorm, for form='inside'; default: plain"
    )
    numbers.add_argument("--epsilon", help="Flax's epsilon (default 1e-12)")
    parser.add_argument("--force", action="store_true", help="let OUT replace a file, also IN")
    parser.add_argument("--json", metavar="PATH", help="write a report here; '-' prints it")


def main(args: argparse.Namespace) -> int:
    """Run `minwn convert`; 1 where the file cannot be converted, 2 for a wrong command line, or
    where a package is missing."""
    try:
        report = _convert(args)
        if args.json not in (None, "-"):
            Path(args.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except (ValueError, LookupError, TypeError, ImportError, OSError, MemoryError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"minwn convert: {_as_options(str(message))}", file=sys.stderr)
        return 2 if isinstance(error, _Usage | ImportError) else 1
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(json.dumps(report, indent=2) if args.json == "-" else _text(report, width))
    return 0


def _convert(args: argparse.Namespace) -> dict[str, Any]:
    options, limit, eps, epsilon = _options(args)
    like = read(args.like)[0] if args.like else None
    left: dict[str, str] = {}
    selection = Selection(limit, args.only, args.drop, left)
    state, metadata = read_selection(args.input, selection)
    state = {name: state[name] for name in sorted(state, key=natural)}
    left = {name: left[name] for name in sorted(left, key=natural)}
    notes = [
        f"left out: {_some([name for name in left if left[name] == why])}, {why}"
        for why in dict.fromkeys(left.values())
    ]
    if not state:
        why = f"; {notes[0]}" if notes else ", or none that was not dropped"
        raise ValueError(f"{args.input}: there is no array in it{why}")
    layout, lines = _layout(args, state, metadata)
    notes += lines
    if layout in ("torch", "parametrization", "r") and "framework" not in metadata:
        state, lines = unwrapped(state)
        notes += lines
    target = layout if args.target == "plain" else args.target
    flat = flatten(state, layout, lenient="plain" in (args.source, args.target))
    model = {n: x for n, x in flat.items() if layout != "flax" or n.startswith(COLLECTIONS)}
    old = locate(model, layout, args.exclude)
    rename = with_names(options.rename, texts(metadata, "names"), old)
    names = {p: q for p, (q,) in renamed({q: (q,) for q in old}, rename).items()}
    used, kinds = lengths(metadata), texts(metadata, "kinds")
    used = {p: used.get(old[q][0]) or ("plain", 0.0) for p, q in names.items()}
    if eps is not None:
        for p, length in used.items():
            if layout == "minwn" and len(old[names[p]]) == 2 and "weight_norm" in metadata and (
                length != ("inside", eps)
            ):
                raise ValueError(f"{p}: the file says {length}, not eps={eps}; leave --eps out")
        used = dict.fromkeys(names, ("inside", eps))
    options = replace(
        options, rename=rename, like=like, kind=_kinds(kinds, names, options.kind),
        form={p: form for p, (form, _) in used.items()}, eps={p: e for p, (_, e) in used.items()},
        epsilon=number(metadata, "epsilon", epsilon, 1e-12),
    )
    found = _converted(args, state, layout, target, options)
    found.steps.sort(key=lambda step: natural(step.parameter))
    notes += [*misnamed(state, args.exclude), *found.notes]
    notes += _assumptions(found, target, args.like)
    written = {
        step.new[0]: used.get(step.parameter, ("plain", 0.0))
        for step in found.steps if len(step.new) == 2
    }
    write(
        args.output, found.arrays,
        about(target, options.epsilon, written, found.kinds, found.names),
    )
    flat |= state  # a tree of Flax's parameters alone keeps its names when it is folded
    return {
        "input": args.input,
        "output": args.output,
        "from": layout if args.source != "plain" else "plain",
        "to": args.target,
        "parameters": [
            {
                "action": step.action,
                "from": {key: list(flat[key].shape) for key in step.old},
                "to": {key: list(found.arrays[key].shape) for key in step.new},
            }
            for step in found.steps
        ],
        "dropped": sorted(selection.dropped, key=natural),
        "left out": left,
        "notes": notes,
    }


# ---- the conversion -----------------------------------------------------------------------------


def _layout(
    args: argparse.Namespace, state: Mapping[str, Any], metadata: Mapping[str, str]
) -> tuple[str, list[str]]:
    """The framework whose names and layout the file has, and a line where its names decided."""
    requested = None if args.source == "plain" else args.source
    named = framework(metadata, requested)
    if args.source is not None:
        check_source(state, args.source, args.exclude)
    if named is not None:
        return named, []
    known = recognise(state, args.exclude)
    why = "by its names" if known else "for no name says otherwise"
    return known or "torch", [f"read as {known or 'torch'}'s, {why}"]


def _converted(
    args: argparse.Namespace, state: Mapping[str, Any], layout: str, target: str, options: Options
) -> Conversion:
    """The state as it is written: folded, split or converted."""
    if args.target == "plain":
        return folding(state, layout, options)
    if options.dtype is not None:
        state = {name: cast(x, options.dtype, name) for name, x in state.items()}
        options = replace(options, dtype=None)
    if not (args.source == "plain" or args.normalise):
        return translate(state, layout, target, options)
    if layout == target:
        return splitting(state, target, options)
    first = translate(state, layout, target, replace(options, like=None, dim="infer"))
    gone = {step.parameter for step in first.steps if step.action == "dropped"}
    kind, form, eps = (
        {p: x for p, x in setting.items() if p not in gone}
        for setting in (options.kind, options.form, options.eps)
    )
    second = splitting(
        first.arrays, target, replace(options, rename=None, kind=kind, form=form, eps=eps)
    )
    old = {key: step.old for step in first.steps for key in step.new}
    steps = [Step(s.parameter, s.action, old[s.old[0]], s.new) for s in second.steps]
    steps += [step for step in first.steps if step.action == "dropped"]
    return Conversion(second.arrays, steps, second.kinds, first.assumed, names=first.names)


def _kinds(
    saved: Mapping[str, str], names: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """{parameter: kind}, as given, or else as the file says."""
    kinds = {p: saved.get(q) for p, q in names.items()}
    kinds |= {p: kind for p, kind in spread("kind", given, names).items() if kind is not None}
    return {p: kind for p, kind in kinds.items() if kind is not None}


def _assumptions(found: Conversion, target: str, like: str | None) -> list[str]:
    """What nothing in the file says, in a line each."""
    lines = []
    for kind, other in (("conv", "one that is transposed needs --kind NAME=conv_transpose"),
                        ("linear", "an embedding needs --kind NAME=embedding")):
        these = [layer_of(p) or p for p, assumed in found.assumed.items() if assumed == kind]
        if these:
            lines.append(f"taken as {kind}: {_some(these)}; {other}")
    if found.along:
        along = _some([layer_of(p) or p for p in found.along])
        lines.append(f"norms taken along the usual axis: {along}; another needs --dim NAME=DIM")
    new = [key for step in found.steps if len(step.new) == 2 for key in step.new]
    if target == "flax" and any("WeightNorm_1." in key for key in new):
        how = f"as in {like}" if like else (
            "in the natural order of the layers; where Flax calls them in another, add --like FILE"
        )
        lines.append(f"WeightNorm_0, 1, ... are numbered {how}")
    return lines


def _some(names: list[str]) -> str:
    names = [name if name.isprintable() else repr(name) for name in names]
    more = f" and {len(names) - 3} more" * (len(names) > 3)
    return ", ".join(names[:3]) + more


# ---- the command line ---------------------------------------------------------------------------


def _options(
    args: argparse.Namespace,
) -> tuple[Options, int, float | None, float | None]:
    """The options as values, with limit, eps and epsilon; _Usage for those that cannot be read."""
    _check_paths(args)
    groups = {}
    for name, text in _pairs(args.groups, "--groups").items():
        if not text.isdecimal() or int(text) < 1:
            raise _Usage(f"--groups {name}={text}: a number of groups is 1 or more")
        groups[name] = int(text)
    kinds = _pairs(args.kind, "--kind")
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise _Usage(f"--kind {name}={kind}: choose from {', '.join(KINDS)}")
    if args.normalise and (args.target == "plain" or args.source not in (None, "plain")):
        raise _Usage("--normalise is for a plain file: use it with --from plain")
    options = Options(
        _dims(args.dim), kinds, groups, _pairs(args.rename, "--rename"), exclude=args.exclude,
        names=args.normalise or None, dtype=_dtype(args.dtype),
    )
    numbers = _bytes(args.limit), _eps("eps", args.eps), _eps("epsilon", args.epsilon)
    return options, *numbers


def _check_paths(args: argparse.Namespace) -> None:
    if Path(args.output).suffix.lower() not in WRITABLE:
        raise _Usage(f"{args.output}: the file to write is .npz or .safetensors")
    for path in filter(None, (args.input, args.like)):
        if not Path(path).is_dir():
            try:
                suffix_of(Path(path))
            except ValueError as error:
                raise _Usage(error) from None
        if not Path(path).exists():
            raise _Usage(absent(path))
    given = {"IN": args.input, "--like": args.like}
    for name, path in given.items():
        if path and _same(path, args.output) and not args.force:
            raise _Usage(f"OUT is {name}, {path}; give another, or --force to replace it")
    for name, path in (given | {"OUT": args.output}).items():
        if path and args.json not in (None, "-") and _same(path, args.json):
            raise _Usage(f"--json {args.json}: the report would replace {name}")
    output = Path(args.output)
    try:
        if output.is_file():
            claim(output, None, force=args.force or _is_minwns(output))
        if args.json not in (None, "-"):
            claim(Path(args.json), r'\{\s*"input": "', force=args.force)
    except OSError as error:
        raise _Usage(error) from None


def _is_minwns(path: Path) -> bool:
    """Whether minwn wrote a file, by its stamp at the beginning or at the end."""
    with path.open("rb") as file:
        head = file.read(2**16)
        file.seek(max(path.stat().st_size - 2**16, 0))
        return b'"minwn_version"' in head + file.read()


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other) or (
        os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
    )


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise _Usage(f"--limit {text}: give a number of bytes, such as 8G")
    return int(Fraction(match[1]) * UNITS[match[2].upper()])


def _dtype(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        floating = is_floating(dtype_of(text))
    except (TypeError, ValueError):
        floating = False
    if not floating:
        raise _Usage(f"--dtype {text}: choose from float64, float32, float16, bfloat16")
    return text


def _eps(name: str, text: str | None) -> float | None:
    """A number that h can use, where one is given."""
    try:
        return None if text is None else forms.typed(text, name=name)
    except ValueError as error:
        raise _Usage(error) from None


def _pairs(options: list[str], flag: str) -> dict[str, str]:
    """{NAME: VALUE} of options NAME=VALUE."""
    pairs = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name in pairs:
            raise _Usage(f"{flag} {option}: write NAME=VALUE, each name once")
        pairs[name] = value
    return pairs


def _dims(options: list[str]) -> Any:
    """The dim for all, or {NAME: DIM}, and the usual one for the others."""
    if len(options) == 1 and "=" not in options[0]:
        return _dim(options[0])
    given = {name: _dim(text) for name, text in _pairs(options, "--dim").items()}
    return given | {"*": given.get("*", "usual")} if given else "usual"


def _dim(text: str) -> Any:
    if text == "none":
        return None
    if text in ("output", "infer"):
        return text
    try:
        axes = tuple(int(axis) for axis in text.split(","))
    except ValueError:
        raise _Usage(f"--dim {text}: write an axis, 0,1 for several, none, or output") from None
    return axes if len(axes) > 1 else axes[0]


# ---- what is printed ----------------------------------------------------------------------------

_FLAGS = {"source": "--from", "exclude": "--except", "dim": "--dim", "names": "--normalise",
          "rename": "--rename", "drop": "--drop", "kind": "--kind"}


def _as_options(message: str) -> str:
    """A message with the arguments of Python in it, as those of the command line."""
    message = re.sub(r"\b(kind|dim)=\{'([^']*)': '?([^'}]*)'?\}", r"--\1 \2=\3", message)
    message = re.sub(
        r"\b(source|exclude|dim|drop)='([^']*)'", lambda m: f"{_FLAGS[m[1]]} {m[2]}", message
    )
    message = re.sub(r"^(exclude|names|rename|dim|kind): ", lambda m: f"{_FLAGS[m[1]]}: ", message)
    return message.replace("with `only` or `drop`", "with --only or --drop").replace(
        "leave epsilon out", "leave --epsilon out"
    )


def _text(report: dict[str, Any], width: int | None = None) -> str:
    """The report in lines; those longer than the width are cut at the arrow, or wrapped."""
    lines, same = [], []
    for parameter in report["parameters"]:
        sides = [
            ", ".join(f"{key} {tuple(shape)}" for key, shape in parameter[side].items())
            for side in ("from", "to")
        ]
        if parameter["action"] == "carried" and sides[0] == sides[1]:
            same += list(parameter["from"])
        else:
            line = f"  {sides[0]}  ->  {sides[1] or 'dropped'}"
            fits = width is None or len(line) <= width
            lines.append(line if fits else line.replace("  ->", "\n    ->"))
    if same:
        lines.append(f"  carried as they are, {len(same)}: {_some(same)}")
    if report["dropped"]:
        lines.append(f"  not read, {len(report['dropped'])}: {_some(report['dropped'])}")
    notes = [f"  {note}" for note in report["notes"]]
    lines += [textwrap.fill(x, width, subsequent_indent="    ") if width else x for x in notes]
    pairs = sum(len(p["to"]) == 2 for p in report["parameters"])
    actions = [p["action"] for p in report["parameters"]]
    total = sum(bool(p["to"]) for p in report["parameters"])
    plain = report["to"] == "plain"
    what = f"{total} parameter{'s' * (total != 1)}"
    kinds = f"{actions.count('folded')} folded" if plain else f"{pairs} of them normalised"
    made = f", {actions.count('split')} of them split" * ("split" in actions)
    lines.append(f"{report['output']}: {what}, {kinds}{made}")
    return "\n".join(lines)
