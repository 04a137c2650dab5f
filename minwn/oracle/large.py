"""A case of a large shape, judged by blocks of slices.

The truth of a block, its bounds and the comparison need some thirty arrays of its size, so that a
block at a time takes little more memory than what is given and answered. A block that is right is
then forgotten, but for how it did.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .cases import Case, of_shape
from .diagnosis import Observation
from .reference.slices import Slices
from .run import Run
from .spec import prepare
from .targets.implementation import NAMES

__all__ = ["judge_large"]

BLOCK = 2**15  # entries
ROWS = 32  # kept of a block that is wrong, and of the first few such blocks only
WRONG = 8


def judge_large(run: Run) -> None:
    """The cases of the given shape, one after the other, where they are large."""
    spec = run.spec
    if spec.large:
        for case in of_shape(spec.shape or (), spec.dtype, axis=spec.axis):
            _judge(run, case)


def _judge(run: Run, case: Case) -> None:
    slices, got = Slices(case.v.shape, case.g.shape), _answers(run, case)
    if not got:
        return
    v, w_bar = slices.split(case.v), slices.split(case.w_bar)
    g = case.g.reshape(-1, 1)
    rows = {
        output: x.reshape(-1, 1) if output == "g_bar" else slices.split(x.reshape(case.v.shape))
        for output, x in got.items()
    }
    step, wrong = max(BLOCK // max(slices.m, 1), 1), 0
    for start in range(0, slices.rows, step):
        part = slice(start, start + step)
        block = replace(
            case, v=v[part], g=g[part], w_bar=w_bar[part], A=v[part], B=g[part], axes=(0,)
        )
        (prepared,) = prepare(run.spec, [block])
        seen = run.file(prepared, {output: x[part] for output, x in rows.items()})
        kept = run.observations if prepared.in_range else run.out_of_range
        kept[-1] = _short(seen, start, seen.fails and wrong < WRONG)
        wrong += seen.fails


def _answers(run: Run, case: Case) -> dict[str, np.ndarray]:
    """By output, those that have the right number of entries."""
    found: dict[str, np.ndarray] = {}
    for what in ("forward", "backward"):
        if run.implementation.has(what):
            run.asked += 1
            where = f"{case.id} {case.v.shape}: "
            try:
                answers = run.ask(what, where, *case.given(what), keep=False, order="C")
            except Exception as error:
                run.failed(what, where, error)
                continue
            for output, x in zip(NAMES[what], answers, strict=True):
                want = case.g.shape if output == "g_bar" else case.v.shape
                if x.shape != want:
                    text = f"{case.id}: {output} has shape {x.shape}, not {want}"
                    run.fault("wrong_shape", output, text)
                if x.size == math.prod(want):
                    found[output] = x
    return found


def _short(o: Observation, start: int, wrong: bool) -> Observation:
    """Of a block that is wrong, the slices from the first wrong one on; else the worst entries."""
    sizes = {output: x.size for output, x in o.got.items()}
    if not wrong:
        answers: list[dict[str, np.ndarray]] = [{}, {}, {}]
        for output in o.got:
            at = np.unravel_index(int(np.argmax(o.ratio(output))), o.got[output].shape)
            for x, into in zip((o.got, o.expected, o.allowed), answers, strict=True):
                into[output] = np.array(x[output][at]).reshape(1, 1)
        v, g, w_bar = (np.array(x[:1, :1]) for x in (o.v, o.g, o.w_bar))
        got, expected, allowed = answers
        part = slice(start, start + len(o.v))
    else:
        worst = [o.ratio(output).max(axis=1, initial=0.0) for output in o.got]
        first = int(np.argmax(np.max(worst, axis=0, initial=0.0) > 1))
        part, cut = slice(start + first, start + first + ROWS), slice(first, first + ROWS)
        v, g, w_bar = (np.array(x[cut]) for x in (o.v, o.g, o.w_bar))
        got, expected, allowed = (
            {output: np.array(x[cut]) for output, x in named.items()}
            for named in (o.got, o.expected, o.allowed)
        )
    return replace(
        o, id=f"{o.id}[{part.start}:{part.stop}]", v=v, g=g, w_bar=w_bar, got=got,
        expected=expected, allowed=allowed, sizes=sizes,
    )
