"""The report in words: for the terminal, or in Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ..doctor import blas_line, device_line
from ..terminal import columns
from .work import library

__all__ = ["amount", "markdown", "number", "text"]

TITLES = {
    "step": "training step of weight-normalised networks",
    "conv": "convolution, forward and both backward passes",
    "conv_kinds": "convolution of other kinds",
    "weight_norm": "weight normalisation alone, forward and backward",
    "gradcheck": "checking a gradient",
    "memory": "peak memory of a training step",
    "import": "import",
    "epoch": "an epoch on the digits",
    "scaling": "how cost grows: the exponent, over the largest sizes",
}
HEAD = ["ours", "takes", "against", "takes", "result", "quartiles", "target", ""]
NAMES = {"numpy": "NumPy by hand", "torch": "PyTorch", "jax": "JAX jit", "mygrad": "MyGrad"}
SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
    "B": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")),
}


def amount(x: float, unit: str) -> str:
    """0.0123, "s" -> "12.3 ms" """
    scale, name = next((s for s in SCALES[unit] if abs(x) >= s[0]), SCALES[unit][-1])
    digits = 0 if x / scale >= 100 else 1 if x / scale >= 10 else 2
    return f"{x / scale:.{digits}f} {name}"


def number(x: float) -> str:
    """Two digits after the point, or for small ones in all."""
    return f"{x:.2f}" if x >= 0.1 else f"{x:.2g}"


def _word(met: bool | None) -> str:
    return {True: "met", False: "MISSED", None: ""}[met]


def _row(work: dict[str, Any], c: dict[str, Any]) -> list[str]:
    """One comparison: the cells of HEAD."""
    unit, peers = work["unit"], work["peers"]
    takes = [amount(peers[name]["median"], unit) if name else "" for name in (c["ours"], c["peer"])]
    show = (lambda x: amount(x, unit)) if c["kind"] == "value" else number
    sign = ">=" if c["kind"] == "share" else "<="
    against = f"share of {c['peer']}" if c["kind"] == "share" else c["peer"]
    return [
        c["ours"], takes[0], against, takes[1], show(c["median"]),
        f"{show(c['low'])} to {show(c['high'])}",
        "" if c["target"] is None else f"{sign} {show(c['target'])}", _word(c["met"]),
    ]


def _scaling(sweep: dict[str, Any]) -> Iterable[list[str]]:
    sizes = f"{sweep['sizes'][0]} to {sweep['sizes'][-1]}"
    for kind, unit in (("seconds", "s"), ("bytes", "B")):
        first, last = (amount(sweep[kind][k], unit) for k in (0, -1))
        s = sweep["slopes"][kind]
        name = {"seconds": "time", "bytes": "memory"}[kind]
        yield [
            f"{sweep['what']}, {sizes}", name, f"{first} to {last}", f"{s['slope']:.2f}",
            "" if s["by hand"] is None else f"by hand {s['by hand']:.2f}",
            "" if s["target"] is None else f"<= {s['target']:.2f}", _word(s["met"]),
        ]


def _means(report: dict[str, Any], group: str) -> Iterable[str]:
    for m in report["means"]:
        if m["what"].startswith(f"{group},"):
            yield (
                f"geometric mean over {m['what']}, to {m['peer']}: {m['mean']:.2f}"
                f"   target <= {m['target']:.2f}   {_word(m['met'])}"
            )


def _grouped(report: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    for group, works in itertools.groupby(report["works"], key=lambda work: work["group"]):
        yield group, list(works)


def _glance(report: dict[str, Any]) -> list[list[str]]:
    """A row for each group: the least and the largest ratio for each library, and the targets."""
    found: dict[str, dict[str, list[float]]] = {}
    judged: dict[str, list[bool]] = {}
    for group, works in _grouped(report):
        for c in (c for work in works for c in work["comparisons"]):
            judged.setdefault(group, []).extend([] if c["met"] is None else [c["met"]])
            if c["kind"] == "ratio":
                ratios = found.setdefault(group, {})
                ratios.setdefault(library(c["peer"]), []).append(c["median"])
    names = list(dict.fromkeys(name for ratios in found.values() for name in ratios))
    rows = [
        [group, *(_span(ratios.get(name, [])) for name in names), _held(judged[group])]
        for group, ratios in found.items()
    ]
    head = ["minwn's cost over", *(NAMES.get(name, name) for name in names), "targets met"]
    return [head, *rows] if rows else []


def _span(ratios: list[float]) -> str:
    low, high = (number(pick(ratios)) if ratios else "" for pick in (min, max))
    return low if low == high else f"{low} to {high}"


def _held(judged: list[bool]) -> str:
    return f"{sum(judged)} of {len(judged)}" if judged else ""


def text(report: dict[str, Any]) -> str:
    """Tables for the terminal: a heading for each group and each work, a line a comparison."""
    glance = _glance(report)
    lines = [columns(glance, indent=""), ""] if glance else []
    for group, works in _grouped(report):
        lines.append(f"{TITLES[group]}")
        rows = [_row(work, c) for work in works for c in work["comparisons"]]
        body = iter(columns([HEAD, *rows], indent="    ").splitlines())
        lines.append(next(body))
        for work in works:
            lines.append(f"  {work['what']}   ({work['name']}, rounds: {work['rounds']})")
            lines += itertools.islice(body, len(work["comparisons"]))
        lines += [f"  {line}" for line in _means(report, group)] + [""]
    if report["scaling"]:
        rows = [row for sweep in report["scaling"] for row in _scaling(sweep)]
        lines += [TITLES["scaling"], columns(rows), ""]
    return "\n".join([*lines, *_left_out(report), *_verdict(report), _machine(report)])


def markdown(report: dict[str, Any]) -> str:
    """The same tables for a page."""
    glance = _glance(report)
    rows = [[f"{TITLES[group]} (`{group}`)", *cells] for group, *cells in glance[1:]]
    lines = ["### At a glance", "", *_table(glance[0], rows), ""] if glance else []
    for group, works in _grouped(report):
        rows = [
            [work["what"], *_row(work, c), str(work["rounds"])]
            for work in works
            for c in work["comparisons"]
        ]
        lines += [f"### {group}: {TITLES[group]}", "", *_table(["work", *HEAD, "rounds"], rows), ""]
        lines += [f"{line.strip()}\n" for line in _means(report, group)]
    if report["scaling"]:
        head = ["what grows", "cost", "from and to", "exponent", "in NumPy", "target", ""]
        rows = [row for sweep in report["scaling"] for row in _scaling(sweep)]
        lines += [f"### scaling: {TITLES['scaling']}", "", *_table(head, rows), ""]
    return "\n".join(
        [*lines, "  \n".join([*_left_out(report), *_verdict(report), _machine(report)])]
    )


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---" if k == 0 else "---:" for k in range(len(head))]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def _left_out(report: dict[str, Any]) -> list[str]:
    """The peers that are installed and did not take part, with the reason."""
    return [
        f"left out: {work['name']}, {peer}: {why}"
        for work in report["works"]
        for peer, why in work["left_out"].items()
    ]


def _verdict(report: dict[str, Any]) -> list[str]:
    """How many targets are met, and which are not."""
    judged = [
        (work["name"], c["ours"], c["peer"], c["met"])
        for work in report["works"]
        for c in work["comparisons"]
    ]
    judged += [("mean of " + m["what"], "minwn", m["peer"], m["met"]) for m in report["means"]]
    judged += [
        (sweep["name"], kind, "", s["met"])
        for sweep in report["scaling"]
        for kind, s in sweep["slopes"].items()
    ]
    held = [row for row in judged if row[-1] is not None]
    missed = [row for row in held if not row[-1]]
    lines = [f"{len(held) - len(missed)} of {len(held)} targets met"] if held else []
    return lines + [
        f"missed: {name}, {ours}{f' against {peer}' if peer else ''}"
        for name, ours, peer, _ in missed
    ]


def _machine(report: dict[str, Any]) -> str:
    m = report["machine"]
    parts = [
        f"minwn {m['minwn']}, Python {m['python']}, {m['system']}",
        *([device_line(m["device"])] if m["device"] else []),
        f"{m['processor']}, {m['processors']} processors, load {m['load']} at the end",
        ", ".join(f"{name} {version}" for name, version in m["libraries"].items()),
        f"matrix products of NumPy: {blas_line(m['blas'])}",
        "threads: " + ", ".join(f"{name} {count}" for name, count in m["threads"].items()),
        f"medians over interleaved rounds, {report['seconds']:.0f} s in all",
    ]
    hint = m["blas"]["hint"]
    return "; ".join(parts) + (f"\nhint: {hint}" if hint else "")
