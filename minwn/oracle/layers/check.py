"""The judge of whole layers: y = x through w = g v / ||v|| plus b, and its gradients.

    hygiene      shapes and dtypes, inputs left alone, no shared memory, the same answer twice
    integers     cases in which nothing is rounded
    output       y against the truth
    cotangents   x_bar, v_bar and g_bar or w_bar, and b_bar against the truth
    layer laws   linearity, adjointness, samples that do not meet, windows that move with x
    own forward  the gradients against differences of the layer's own y
    threads      the same bits from several threads at once, where it is asked

Each is a function of `layers.checks`; the truth and the bounds are those of `reference.layer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ... import validation
from ..checks.memory import late
from ..layer_spec import make_layer_spec
from ..report import Report
from .checks import LAYER_CHECKS
from .run import LayerRun, settled
from .verdict import LAYER_IDS, layer_verdict

__all__ = ["check_layer"]

Function = Callable[..., Any]


def check_layer(
    forward: Function | None,
    backward: Function | None = None,
    *,
    kind: str,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    output_padding: Any = 0,
    layout: str = "torch",
    axis: Any = "output",
    normalised: bool = True,
    form: str = "plain",
    eps: float = 0.0,
    dtype: Any = "float64",
    name: str | None = None,
    accept: Iterable[str] = (),
    quick: bool = True,
    shape: tuple[int, ...] | None = None,
    kernel: Any = None,
    channels: tuple[int, int] | None = None,
    threads: int = 0,
) -> Report:
    """Judge a linear, convolution or transposed convolution layer, given as functions of arrays.

    forward(x, v, g, b) -> y
    backward(y_bar, x, v, g, b) -> (x_bar, v_bar, g_bar, b_bar)

    and with normalised=False

    forward(x, w, b) -> y
    backward(y_bar, x, w, b) -> (x_bar, w_bar, b_bar)

    A layer without bias takes no b. An answer that is None is not judged.

    kind: "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d" to "conv_transpose3d"
    stride, dilation, output_padding: a number, or one for each axis
    padding: a number, one for each axis, pairs (before, after), or "same"
    layout: "torch" has x (n, c, *size), weight (o, c/groups, *kernel), transposed
    (c, o/groups, *kernel), linear (o, i). "flax" has x (n, *size, c), weight
    (*kernel, c/groups, o), transposed (*kernel, c, o) with the taps of torch's in reversed order
    and no groups, linear (i, o)
    axis: "output", or as in `check`, of the weight in its layout: the axes that keep a norm each
    normalised: whether the weight is g v / h; else it is w
    form, eps, dtype, accept, quick: as in `check`
    shape: of x, where two more cases are judged
    kernel, channels: the sizes of the kernel, and (c, o), where the layer has no others
    threads: how many threads also call the functions at once; 0 for none

    g is handed over with v's rank, and flat, (o,), where that fails; for a grouped transposed layer
    always flat. A layer that always raises is REFUSED, and one that sometimes does FAILs. But it
    may refuse sizes on purpose: a stride with a remainder, a kernel or x that is not square, by a
    ValueError, NotImplementedError or assert of its own. Then it is judged on the others, and
    `skipped` says so.

    Raises ValueError for options that do not fit, IndexError for an axis that the weight has not,
    TypeError for other dtypes than float16, bfloat16, float32 and float64.
    """
    start = time.perf_counter()
    for key, f in (("forward", forward), ("backward", backward)):
        if f is not None:
            validation.function(key, f, "a function of arrays")
    if name is not None:
        validation.instance("name", name, str, "text")
    accepted = set(validation.names("accept", accept, LAYER_IDS, one="id", empty=True))
    spec = make_layer_spec(
        kind=kind, stride=stride, padding=padding, dilation=dilation, groups=groups,
        output_padding=output_padding, layout=layout, axis=axis, normalised=normalised, form=form,
        eps=eps, dtype=dtype, quick=quick, shape=shape, kernel=kernel, channels=channels,
    )
    threads = validation.whole("threads", threads, 0)
    with np.errstate(all="ignore"):
        functions, notes = settled(forward, backward, spec)
        run = LayerRun(functions, spec, notes=notes, threads=threads)
        run.gather()
        if run.answered:
            for check in LAYER_CHECKS.values():
                result = check(run)
                if result is not None:
                    run.checks.append(result)
            late(run, lambda name: LAYER_CHECKS[name](run.fresh()))
        return layer_verdict(run, name, accepted, start)
