"""The tests of whole layers: a table of problems, each in a few integers and dyadic numbers.

`K-0012/conv2d/float32` is row 12 of PROBLEMS, of that kind, in that dtype. The arrays are those of
the letter K in `cases.layers`. Rows are added at the end only: a name means the same numbers for
ever. No sum on the way has more than 24 digits, so that float32 rounds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..cases.layers import Plan
from ..layer_spec import LayerSpec, make_layer_spec
from ..layers.run import Prepared, case_of, prepare
from ..reference.cross_check import OracleFault
from ..reference.layer_loops import by_loops, fractions
from ..reference.truth import expected
from .text import hexes

__all__ = ["FLAGS", "LAYER_DTYPES", "PROBLEMS", "make_layer", "names_of_layers", "prepared"]

LAYER_DTYPES = ("float32", "float64")
_NAME = re.compile(r"K-(?P<number>[0-9]{4})/(?P<kind>[a-z0-9_]+)/(?P<dtype>float(32|64))")

# What goes wrong where a test has this flag.
FLAGS: dict[str, tuple[str, str]] = {
    "remainder": ("LAYER", "the stride leaves a remainder of x, which no window reads: x_bar = 0"),
    "overlap": ("LAYER", "windows share entries: what they have there is added, not assigned"),
    "oblong": ("LAYER", "kernel and array are not square: exchanged axes show"),
    "square": ("LAYER", "sizes and channels are equal, and no shape shows exchanged axes"),
    "dilation": ("LAYER", "taps are apart, in y and in every gradient"),
    "groups": ("LAYER", "outputs see the channels of their group only"),
    "one-sided": ("LAYER", "padding before and after differ: its side shows"),
    "output padding": ("LAYER", "y has output_padding more entries at its ends"),
    "no bias": ("LAYER", "there is no b"),
}


def _row(
    kind: str, n: int, c: int, o: int, size: Any = (), kernel: Any = (), /, **options: Any
) -> tuple[str, Plan, dict[str, Any]]:
    return kind, Plan(n, c, o, size, kernel), options


PLAIN: dict[str, Any] = {"normalised": False}
FLAX: dict[str, Any] = {"layout": "flax"}
BARE: dict[str, Any] = {"bias": False}
# kind, samples, channels, outputs, size of x, kernel
PROBLEMS: tuple[tuple[str, Plan, dict[str, Any]], ...] = (
    _row("linear", 2, 4, 3, **PLAIN),
    _row("linear", 3, 5, 2),
    _row("linear", 2, 4, 4, **BARE),
    _row("linear", 2, 7, 3, **FLAX),
    _row("linear", 2, 3, 5, **PLAIN, **FLAX),
    _row("conv1d", 2, 2, 3, (5,), (3,), **PLAIN),
    _row("conv1d", 2, 2, 3, (7,), (2,), stride=2),
    _row("conv1d", 1, 2, 2, (6,), (3,), padding=1, **BARE),
    _row("conv1d", 2, 2, 2, (7,), (2,), dilation=3, padding=2),
    _row("conv1d", 1, 4, 6, (6,), (3,), groups=2, stride=2, padding=1),
    _row("conv1d", 2, 3, 3, (5,), (2,), groups=3, **PLAIN),
    _row("conv1d", 2, 2, 2, (5,), (4,), padding=((1, 2),)),
    _row("conv1d", 2, 2, 3, (6,), (2,), stride=2, padding=1, **FLAX),
    _row("conv2d", 2, 2, 3, (4, 3), (3, 2), **PLAIN),
    _row("conv2d", 1, 2, 2, (5, 6), (2, 3), stride=(1, 2)),
    _row("conv2d", 1, 2, 2, (5, 5), (3, 3), padding=1, stride=2),
    _row("conv2d", 2, 2, 2, (3, 3), (2, 2)),
    _row("conv2d", 1, 2, 3, (5, 4), (2, 2), dilation=(2, 1), padding=(1, 0), **BARE),
    _row("conv2d", 1, 4, 4, (4, 5), (2, 3), groups=2, padding=(0, 1), stride=(2, 1)),
    _row("conv2d", 1, 3, 6, (4, 4), (2, 2), groups=3, stride=2, **PLAIN),
    _row("conv2d", 1, 2, 2, (4, 3), (2, 2), padding=((0, 1), (1, 0))),
    _row("conv2d", 1, 2, 2, (6, 5), (2, 2), dilation=2, stride=2, padding=1),
    _row("conv2d", 2, 3, 2, (3, 4), (1, 1), stride=(1, 2)),
    _row("conv2d", 1, 2, 3, (4, 5), (3, 2), padding=((1, 1), (0, 1)), **FLAX),
    _row("conv2d", 1, 4, 2, (5, 4), (2, 2), groups=2, stride=2, **PLAIN, **FLAX),
    _row(
        "conv3d", 1, 2, 2, (3, 4, 3), (2, 3, 2), padding=((0, 0), (1, 0), (0, 1)),
        dilation=(1, 1, 2),
    ),
    _row("conv3d", 1, 1, 2, (3, 3, 4), (2, 2, 2), stride=(1, 2, 3), padding=(0, 1, 1), **PLAIN),
    _row("conv3d", 1, 2, 4, (3, 2, 3), (2, 1, 2), groups=2, dilation=(2, 1, 1), **BARE),
    _row("conv3d", 1, 2, 2, (2, 3, 3), (1, 2, 2), padding=(0, 0, 1), stride=(1, 1, 2), **FLAX),
    _row("conv_transpose1d", 2, 2, 3, (4,), (3,), **PLAIN),
    _row("conv_transpose1d", 2, 2, 3, (3,), (3,), stride=2, padding=1, output_padding=1),
    _row("conv_transpose1d", 1, 4, 4, (4,), (2,), groups=2, dilation=2, stride=2),
    _row("conv_transpose1d", 2, 3, 2, (3,), (2,), stride=3, **BARE),
    _row("conv_transpose1d", 2, 2, 3, (4,), (3,), stride=2, **FLAX),
    _row("conv_transpose2d", 1, 2, 3, (3, 2), (3, 2), **PLAIN),
    _row("conv_transpose2d", 1, 2, 2, (2, 3), (2, 3), stride=(1, 2), padding=(0, 1)),
    _row("conv_transpose2d", 2, 2, 2, (2, 2), (2, 2)),
    _row(
        "conv_transpose2d", 1, 2, 3, (2, 3), (3, 2), stride=(2, 3), padding=(1, 0),
        output_padding=(1, 2),
    ),
    _row("conv_transpose2d", 1, 4, 2, (2, 2), (2, 3), groups=2, stride=2, padding=(0, 1)),
    _row("conv_transpose2d", 1, 3, 3, (2, 3), (2, 2), groups=3, dilation=(2, 1), **PLAIN),
    _row("conv_transpose2d", 1, 2, 2, (2, 3), (2, 2), dilation=2, **BARE),
    _row("conv_transpose2d", 1, 2, 3, (3, 2), (2, 3), stride=(2, 1), padding=(0, 1), **FLAX),
    _row("conv_transpose3d", 1, 2, 2, (2, 2, 1), (2, 1, 2), stride=(1, 2, 2)),
    _row("conv_transpose3d", 1, 1, 2, (2, 2, 2), (2, 3, 2), padding=(0, 1, 0), **PLAIN),
    _row(
        "conv_transpose3d", 1, 2, 4, (1, 2, 2), (2, 2, 1), groups=2, stride=(2, 2, 1),
        output_padding=(1, 0, 0), **BARE,
    ),
    _row("conv_transpose3d", 1, 2, 2, (2, 1, 2), (1, 2, 2), stride=(2, 1, 1), **FLAX),
)


def names_of_layers(dtype: str) -> Iterator[str]:
    """The names of the tests of a dtype, in order; none for those that round."""
    for number, (kind, *_) in enumerate(PROBLEMS if dtype in LAYER_DTYPES else ()):
        yield f"K-{number:04d}/{kind}/{dtype}"


def prepared(name: str) -> tuple[LayerSpec, Plan, bool, Prepared]:
    """The spec of a test, its plan, whether it has a bias, and its arrays with their truth.

    Raises ValueError for a name that is none.
    """
    match = _NAME.fullmatch(name)
    number = int(match["number"]) if match else len(PROBLEMS)
    if match is None or number >= len(PROBLEMS) or PROBLEMS[number][0] != match["kind"]:
        raise ValueError(f"{name!r} is no name of a layer's test, such as K-0000/linear/float32")
    kind, plan, options = PROBLEMS[number]
    bias = options.get("bias", True)
    options = {key: x for key, x in options.items() if key != "bias"}
    spec = make_layer_spec(kind=kind, dtype=match["dtype"], **options)
    case = case_of(spec, "K", number, plan)
    if not bias:
        case = replace(case, b=np.zeros_like(case.b))
    return spec, plan, bias, prepare(spec, case)


def make_layer(name: str, *, certify: str = "decimal") -> dict[str, Any]:
    """A test: its inputs and answers, proved by two routes.

    y, x_bar, w_bar, b_bar: by matrix products, and by loops of fractions. w, v_bar, g_bar: see
    `oracle.expected`.
    Raises OracleFault where the routes disagree, ValueError for a name that is none.
    """
    spec, plan, bias, p = prepared(name)
    case = p.case
    answers = {key: x for key, x in p.expected.items() if bias or key != "b_bar"}
    arrays = {"x": case.x, "w": p.terms.w, "b": case.b, "y_bar": case.y_bar}
    if case.v is not None and case.g is not None:
        made = expected(case.v, case.g, spec.view(answers["w_bar"]), certify=certify)
        for key, x in made._asdict().items():
            _agree(name, key, answers.get(key, x) if key != "w" else spec.view(p.terms.w), x)
        answers |= {"w": p.terms.w, "v_bar": spec.handed(made.v_bar), "g_bar": made.g_bar}
        arrays |= {"v": spec.handed(case.v), "g": case.g}
    ours = ("v", "g", "v_bar", "g_bar")  # in the declared layout, as the view is
    theirs = {k: x if k in ours else spec.theirs(k, x) for k, x in (arrays | answers).items()}
    if certify:
        _cross_check(name, spec, case.layer.windows.before, theirs, bias)
    inputs = ["x", *(["v", "g"] if spec.normalised else ["w"]), *["b"] * bias, "y_bar"]
    outputs = ["y", *["w"] * spec.normalised, "x_bar", "w_bar", "v_bar", "g_bar", "b_bar"]
    return {
        "id": name,
        "comment": spec.settings,
        "flags": list(_flags(spec, plan, bias)),
        "kind": spec.kind,
        "layout": spec.layout,
        "stride": list(spec.stride),
        "padding": [list(pair) for pair in spec.pads(plan.size, plan.kernel)],
        "dilation": list(spec.dilation),
        "groups": spec.groups,
        "output_padding": list(spec.output_padding),
        "shapes": {key: list(theirs[key].shape) for key in ("x", "w", "y")},
        "inputs": {key: hexes(theirs[key]) for key in inputs},
        "expected": {key: hexes(theirs[key]) for key in outputs if key in answers},
    }


def _cross_check(
    name: str, spec: LayerSpec, before: tuple[int, ...], arrays: dict[str, Any], bias: bool
) -> None:
    exact = (fractions(arrays[key]) for key in ("x", "w", "b", "y_bar"))
    found = by_loops(
        *exact, layout=spec.layout, transposed=spec.transposed, stride=spec.stride,
        dilation=spec.dilation, before=before, groups=spec.groups,
    )
    for key, x in found.items():
        if bias or key != "b_bar":
            _agree(name, key, arrays[key], x)


def _agree(name: str, key: str, x: Any, y: Any) -> None:
    if x.shape != y.shape or not (x == y).all():
        raise OracleFault(f"{name}: two routes to {key} disagree")


def _flags(spec: LayerSpec, plan: Plan, bias: bool) -> Iterator[str]:
    pads, (_, c, o, size, kernel) = spec.pads(plan.size, plan.kernel), plan
    layer = spec.layer(size, kernel)
    each = zip(layer.windows.out if layer else (), kernel, spec.stride, spec.dilation, strict=True)
    shared = [{*range(s, s * n, s)} & {*range(d, d * k, d)} for n, k, s, d in each]
    found = {
        "remainder": any(spec.remainder(size, kernel)),
        "overlap": any(shared),
        "oblong": len({*kernel}) > 1 or len({*size}) > 1,
        "square": c == o and len({*kernel}) < 2 and len({*size}) < 2,
        "dilation": any(d > 1 for d in spec.dilation),
        "groups": spec.groups > 1,
        "one-sided": any(a != b for a, b in pads),
        "output padding": any(spec.output_padding),
        "no bias": not bias,
    }
    return (flag for flag, there in found.items() if there)
