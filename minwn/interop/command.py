"""`minwn convert IN OUT --from torch --to flax`: a file of one framework as a file of another."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from .. import forms
from .convert import convert, parameters
from .files import read, write
from .layout import KINDS
from .metadata import about, framework, lengths, number
from .names import FRAMEWORKS, flatten, locate

__all__ = ["arguments", "main"]

EXAMPLES = """examples:
  minwn convert model.safetensors model.npz --from torch --to minwn
  minwn convert vocoder.safetensors flax.safetensors --from torch --to flax \\
      --kind 'ups.*=conv_transpose' --rename ups.0=ConvTranspose_0
"""


class _Usage(ValueError):
    """An option that cannot be read."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `minwn convert` to a parser."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("input", metavar="IN", help="a .npz or .safetensors file")
    parser.add_argument("output", metavar="OUT", help="the file to write, of either kind")
    parser.add_argument(
        "--from", dest="source", choices=FRAMEWORKS, help="default: by the metadata of the file"
    )
    parser.add_argument("--to", dest="target", choices=FRAMEWORKS, required=True)
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument(
        "--dim", **several, metavar="[NAME=]DIM",
        help="the axis that keeps norms, from 0 in minwn's layout; or 0,1, 'none', 'output'; "
        "default: by the shape of g",
    )
    parser.add_argument(
        "--kind", **several, metavar="NAME=KIND", help=f"kind of a layer: {', '.join(KINDS)}"
    )
    parser.add_argument("--groups", **several, metavar="NAME=N", help="of a transposed convolution")
    parser.add_argument(
        "--rename", **several, metavar="OLD=NEW", help="replace the beginning of names, first"
    )
    parser.add_argument(
        "--like", metavar="FILE", help="a file with the names that the target must have"
    )
    parser.add_argument("--eps", help="of minwn's WeightNorm, for form='inside'; default: plain")
    parser.add_argument("--epsilon", help="Flax's epsilon (default 1e-12)")
    parser.add_argument("--json", metavar="PATH", help="write a report here; '-' prints it")


def main(args: argparse.Namespace) -> int:
    """Run `minwn convert`; 1 where the file cannot be converted, 2 for a wrong command line."""
    try:
        report = _convert(args)
        if args.json not in (None, "-"):
            Path(args.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except _Usage as error:
        print(f"minwn convert: {error}", file=sys.stderr)
        return 2
    except (ValueError, KeyError, IndexError, TypeError, ImportError, OSError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f"minwn convert: {message}", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if args.json == "-" else _text(report))
    return 0


def _convert(args: argparse.Namespace) -> dict[str, Any]:
    for path in filter(None, (args.input, args.output, args.like)):
        if Path(path).suffix not in (".npz", ".safetensors"):
            raise _Usage(f"{path}: the files are .npz or .safetensors; nothing else is read")
        if path != args.output and not Path(path).is_file():
            raise _Usage(f"{path}: there is no such file")
    groups = {}
    for name, text in _pairs(args.groups, "--groups").items():
        if not text.isdecimal() or int(text) < 1:
            raise _Usage(f"--groups {name}={text}: a number of groups is 1 or more")
        groups[name] = int(text)
    kinds = _pairs(args.kind, "--kind")
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise _Usage(f"--kind {name}={kind}: choose from {', '.join(KINDS)}")
    dim, rename = _dims(args.dim), _pairs(args.rename, "--rename")
    requested, epsilon = _eps("eps", args.eps), _eps("epsilon", args.epsilon)

    state, metadata = read(args.input)
    source = framework(metadata, args.source)
    if source is None:
        raise _Usage(f"{args.input} does not say what it is from; add --from")
    epsilon = number(metadata, "epsilon", 1e-12) if epsilon is None else epsilon
    names, old = parameters(state, source, rename), locate(state, source)
    form, eps = _lengths(requested, {p: lengths(metadata).get(old[q][0]) for p, q in names.items()})
    found = convert(
        state,
        source,
        args.target,
        dim=dim,
        kind=kinds,
        groups=groups,
        rename=rename,
        like=read(args.like)[0] if args.like else None,
        epsilon=epsilon,
        form=form,
        eps=eps,
    )
    arrays = flatten(found, args.target)
    new = locate(arrays, args.target)
    known = {
        keys[0]: (form.get(p, "plain"), eps.get(p, 0.0))
        for p, keys in new.items()
        if len(keys) == 2
    }
    write(args.output, arrays, about(args.target, epsilon, known))
    return {
        "input": args.input,
        "output": args.output,
        "parameters": [
            {
                "from": {key: list(state[key].shape) for key in old[was]},
                "to": {key: list(arrays[key].shape) for key in new.get(now, ())},
            }
            for now, was in names.items()
        ],
    }


def _lengths(
    requested: float | None, saved: dict[str, tuple[str, float] | None]
) -> tuple[dict[str, str], dict[str, float]]:
    """The form and the eps of minwn's WeightNorm, by parameter: requested, or else saved."""
    known = {p: x if requested is None else ("inside", requested) for p, x in saved.items()}
    found = {p: x for p, x in known.items() if x is not None}
    return {p: form for p, (form, _) in found.items()}, {p: eps for p, (_, eps) in found.items()}


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
    """The dim for all, or {NAME: DIM}."""
    if len(options) == 1 and "=" not in options[0]:
        return _dim(options[0])
    return {name: _dim(text) for name, text in _pairs(options, "--dim").items()}


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


def _text(report: dict[str, Any]) -> str:
    lines = []
    for parameter in report["parameters"]:
        sides = [
            ", ".join(f"{key} {tuple(shape)}" for key, shape in parameter[side].items())
            for side in ("from", "to")
        ]
        lines.append(f"  {sides[0]}  ->  {sides[1] or 'nothing'}")
    pairs = sum(len(p["to"]) == 2 for p in report["parameters"])
    lines.append(f"{report['output']}: {len(lines)} parameters, {pairs} of them normalised")
    return "\n".join(lines)
