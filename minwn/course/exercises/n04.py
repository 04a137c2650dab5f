"""Exercises of notebook 4: convolution is a matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...byhand import conv
from ...ops.window import window_count
from ...oracle.mistakes.layer_terms import LayerTerms
from ...oracle.reference.layer import Layer
from ..catalogue import layer_errors
from ..exercise import Exercise
from ..judges import Formula, choice, function, number

__all__ = ["EXERCISES"]

Numbers = dict[str, Any]


def options(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """kernel, stride, padding, dilation: an ignored option changes the answer."""
    stride = int(rng.integers(2, 4))
    return 3, stride, int(rng.integers(1, 3)), 5 - stride


def geometry(rng: np.random.Generator) -> tuple[int, ...]:
    return (
        int(rng.integers(14, 40)), int(rng.integers(2, 6)), int(rng.integers(2, 4)),
        int(rng.integers(1, 4)), int(rng.integers(2, 4)),
    )


def row(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.normal(size=13), *options(rng)


def taps(rng: np.random.Generator) -> tuple[Any, ...]:
    _, *rest = options(rng)
    return rng.normal(size=3), 13, *rest


def returned(rng: np.random.Generator) -> tuple[Any, ...]:
    w, size, *rest = taps(rng)
    return rng.normal(size=_count(size, len(w), *rest)), w, size, *rest


def pair(rng: np.random.Generator) -> tuple[Any, ...]:
    """Two maps that are not each other's transpose, so that the gap is not 0."""
    a, b = rng.normal(size=(3, 5)), rng.normal(size=(5, 3))
    return (lambda x: a @ x), (lambda y: b @ y), rng.normal(size=5), rng.normal(size=3)


def grouped(rng: np.random.Generator) -> tuple[Any, ...]:
    """Four channels in, six out, two groups."""
    _, *rest = options(rng)
    return rng.normal(size=(4, 13)), rng.normal(size=(6, 2, 3)), *rest, 2


# ---- references and common errors ----------------------------------------------------------------


def _count(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    return window_count(size, kernel, stride, dilation, (padding, padding))


def _windows(
    x: np.ndarray, kernel: int, stride: int, padding: int, dilation: int, *, step: int = 0,
    pad: Any = None,
) -> np.ndarray:
    """step: between the entries of a window, instead of the dilation. pad: before, after."""
    out = _count(len(x), kernel, stride, padding, dilation)
    wide = np.pad(x, (padding, padding) if pad is None else pad)
    starts = [(step or dilation) * k for k in range(kernel)]
    return np.stack([wide[a : a + stride * (out - 1) + 1 : stride] for a in starts])


def _matrix(w: np.ndarray, size: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    how = len(w), stride, padding, dilation
    return np.stack([w @ _windows(e, *how) for e in np.eye(size)], axis=1)


def _back(
    y_bar: np.ndarray, w: np.ndarray, size: int, stride: int, padding: int, dilation: int
) -> np.ndarray:
    how = {"stride": stride, "padding": padding, "dilation": dilation}
    return conv.vjp(y_bar[None, None], np.zeros((1, 1, size)), w[None, None], **how)[0][0, 0]


def _scattered(add: bool = True, shift: bool = True) -> Callable[..., np.ndarray]:
    """add: to earlier entries, or overwrite them. shift: by the padding, or cut off the end."""

    def back(
        y_bar: np.ndarray, w: np.ndarray, size: int, stride: int, padding: int, dilation: int
    ) -> np.ndarray:
        wide = np.zeros(size + 2 * padding)
        for k in range(len(w)):
            for p in range(len(y_bar)):
                q = stride * p + dilation * k
                wide[q] = w[k] * y_bar[p] + (wide[q] if add else 0)
        first = padding if shift else 0
        return wide[first : first + size]

    return back


def _gap(forward: Any, backward: Any, x: np.ndarray, y_bar: np.ndarray) -> float:
    return float(abs(forward(x) @ y_bar - x @ backward(y_bar)))


def _conv(
    x: np.ndarray, w: np.ndarray, stride: int, padding: int, dilation: int, groups: int,
    *, reads: Any = None, only_first: bool = False,
) -> np.ndarray:
    """reads: the channels that a group reads, if not its own. only_first: the first of them."""
    few, each = w.shape[1], len(w) // groups
    found = []
    for i in range(groups):
        channels = x[i * few : (i + 1) * few] if reads is None else x[reads(i, few, groups)]
        columns = [
            _windows(c * (k == 0 or not only_first), w.shape[2], stride, padding, dilation)
            for k, c in enumerate(channels)
        ]
        found.append(w[i * each : (i + 1) * each].reshape(each, -1) @ np.concatenate(columns))
    return np.concatenate(found)


def _with(f: Callable[..., Any], **changed: Any) -> Callable[..., Any]:
    return lambda *arguments: f(*arguments, **changed)


def _flipped(x: Any, w: Any, *rest: Any) -> Any:
    return _back(x, w[::-1], *rest)


def _terms(
    y_bar: np.ndarray, w: np.ndarray, size: int, stride: int, padding: int, dilation: int
) -> LayerTerms:
    """Of 4.7, as a layer of one sample and one channel."""
    layer = Layer.of(
        (size,), (len(w),), stride=(stride,), dilation=(dilation,), pads=((padding, padding),)
    )
    assert layer is not None  # `returned` draws sizes with several windows
    return LayerTerms(layer, np.zeros((1, 1, size)), w[None, None], None, y_bar[None, None])


def numbers(rng: np.random.Generator) -> Numbers:
    """Of 4.T1: large enough to tell the usual slips apart."""
    return {
        "size": int(rng.integers(50, 80)),
        "kernel": int(rng.integers(3, 6)),
        "stride": int(rng.integers(2, 4)),
        "padding": int(rng.integers(3, 9)),
        "dilation": int(rng.integers(4, 8)),
    }


COUNTS = (
    (
        lambda size, kernel, stride, padding, dilation: (
            _count(size, kernel, stride, padding, dilation) - 1
        ),
        "you count the steps between windows; the first window has no step before it",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (size + 2 * padding - kernel) // stride + 1,
        "a window of these entries is wider than the kernel: the dilation is missing",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            (size + 2 * padding - dilation * kernel) // stride + 1
        ),
        "you have as many gaps as entries; between 3 entries there are 2 gaps",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            (size + padding - dilation * (kernel - 1) - 1) // stride + 1
        ),
        "the padding is counted once; there is some on both sides",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            (size - dilation * (kernel - 1) - 1) // stride + 1
        ),
        "the padding is missing",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            size + 2 * padding - dilation * (kernel - 1)
        ),
        "that would be with stride 1",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1
        ),
        "this is one too many: do you round up? A window that does not fit is left out",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1
        ),
        "a part of a window is no window; divide with //",
    ),
    (
        lambda size, kernel, stride, padding, dilation: size - kernel + 1,
        "that would be with stride and dilation 1, and without padding",
    ),
    (
        lambda size, kernel, stride, padding, dilation: size // stride,
        "you count the strides that fit into x; a window covers more than one place",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (
            (size + 2 * padding - dilation * kernel) // stride
        ),
        "between 3 entries there are 2 gaps, and the first window counts as well",
    ),
    (
        lambda size, kernel, stride, padding, dilation: (size + 2 * padding) // stride,
        "you count the strides that fit; take off what the first window covers, and add that "
        "window",
    ),
)
# of count, with what must come out
COUNTED = (
    ((5, 3, 1, 0, 1), "windows start at 0, 1 and 2: there are 3"),
    ((5, 3, 2, 0, 1), "windows start at 0 and 2: there are 2"),
    ((6, 3, 2, 0, 1), "windows start at 0 and 2, and one at 4 would stick out: there are 2"),
    ((5, 3, 1, 1, 1), "with a zero on each side there are 7 places, and 5 windows"),
    ((5, 3, 1, 0, 2), "one window with gaps covers all 5 places: there is 1"),
)
X5 = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
W2 = np.array([1.0, 10.0])


EXERCISES = (
    Exercise(
        "4.1",
        "how many windows fit",
        choice("4", {
            "3": "There are 4: with the padding there are 10 places, and windows start at "
            "0, 2, 4 and 6.",
            "5": "There are 4: one that starts at place 8 of the 10 would need a place 10.",
            "8": "There are 4: with stride 1 there would be 8.",
        }),
        explanation="With the padding there are 10 places, and windows start at 0, 2, 4 and 6.",
        choices=("3", "4", "5", "8"),
    ),
    Exercise(
        "4.2",
        "the number of windows",
        function(
            _count, geometry, "your count", common_errors=COUNTS, points=24, examples=COUNTED
        ),
        (
            "first, how many places does one window cover, from its first entry to its last?",
            "then, how many places are left over on the right of the first window? The padding "
            "counts, on both sides",
            "each stride that fits into what is left over is one more window: divide with //, and "
            "do not forget the first window",
        ),
        explanation="The first window, and one more for each stride that fits.",
        reveals="4.1",
    ),
    Exercise(
        "4.3",
        "every window as a column",
        function(
            _windows, row, "your matrix of windows",
            common_errors=(
                (
                    _with(_windows, step=1),
                    "inside your windows the entries are neighbours: the dilation is missing",
                ),
                (
                    lambda x, kernel, stride, padding, dilation: _windows(
                        x, kernel, stride, padding, dilation, pad=(0, 2 * padding)
                    ),
                    "your first window starts at x[0]; it should start in the padding before it",
                ),
                (
                    lambda x, kernel, stride, padding, dilation: _windows(
                        x, kernel, stride, padding, dilation, pad=(2 * padding, 0)
                    ),
                    "your first window starts 2 padding places before x[0]; the padding is on "
                    "both sides",
                ),
                (
                    lambda x, *how: _windows(x, *how)[::-1],
                    "your windows are read from right to left",
                ),
                (
                    lambda x, kernel, stride, padding, dilation: _windows(
                        np.pad(x, padding, mode="edge"), kernel, stride, 0, dilation
                    ),
                    "your padding repeats the first and the last entry; it should be 0",
                ),
            ),
            examples=(
                ((X5, 2, 1, 0, 1), "its columns are (1, 2), (2, 3), (3, 4) and (4, 5)"),
                ((X5, 2, 2, 0, 1), "its columns are (1, 2) and (3, 4)"),
                ((X5, 2, 1, 0, 3), "its columns are (1, 4) and (2, 5)"),
                ((X5[:2], 2, 1, 1, 1), "its columns are (0, 1), (1, 2) and (2, 0)"),
            ),
        ),
        (
            "np.pad(x, padding) puts zeros on both sides; then no index is negative",
            "row k holds what entry k of the kernel meets: it starts at dilation k and goes on in "
            "steps of the stride",
            "a slice start : stop : stride does it; the stop is where exactly `out` entries are "
            "taken, so use count",
        ),
        explanation="A convolution is now a product of matrices: w @ windows.",
    ),
    Exercise(
        "4.4",
        "the numbers in a large matrix",
        choice("3", {
            "1000": "It is 3: each row holds the same three weights, one place further on.",
            "2998": "It is 3: there are 2998 places that are not 0, but they hold the same three "
            "weights again and again.",
            "1000000": "It is 3: nearly all places are 0, and the others hold the same three "
            "weights again and again.",
        }),
        explanation="Each row holds the same three weights, one place further on; all the rest is "
        "0.",
        choices=("3", "1000", "2998", "1000000"),
    ),
    Exercise(
        "4.5",
        "the matrix of a convolution",
        function(
            _matrix, taps, "your matrix",
            common_errors=(
                (
                    lambda w, *how: _matrix(w[::-1], *how),
                    "the weights in your rows run backwards",
                ),
                (
                    lambda w, size, stride, padding, dilation: _matrix(
                        w, size + padding, stride, 0, dilation
                    )[: _count(size, len(w), stride, padding, dilation), :size],
                    "your first row starts at x[0]; the padding comes before it",
                ),
                (
                    lambda w, size, stride, padding, dilation: _matrix(
                        w, size + 2 * padding, stride, 0, dilation
                    ),
                    "your matrix still has the columns of the padding; cut them off on both sides",
                ),
                (
                    lambda w, *how: (_matrix(w, *how) != 0).astype(float),
                    "your matrix has the right places, but ones in them; put the weights there",
                ),
            ),
            examples=(
                ((W2, 3, 1, 0, 1), "its rows are (1, 10, 0) and (0, 1, 10)"),
                ((W2, 4, 2, 0, 1), "its rows are (1, 10, 0, 0) and (0, 0, 1, 10)"),
                ((W2, 3, 1, 0, 2), "its only row is (1, 0, 10)"),
                ((W2, 2, 1, 1, 1), "its rows are (10, 0), (1, 10) and (0, 1)"),
            ),
        ),
        (
            "you have conv, which does what the matrix does; what is a matrix times a vector that "
            "is 1 in one place and 0 elsewhere?",
            "it is a column of the matrix: the rows of np.eye(size) are those vectors",
            "np.stack(..., axis=1) puts columns side by side",
        ),
        explanation="Column q of a matrix is what it makes of the q-th unit vector.",
        reveals="4.4",
    ),
    Exercise(
        "4.6",
        "the gradient of what was not read",
        choice("zero", {
            "copied": "It is zero: what no window reads changes no output, and so not the loss.",
            "averaged": "It is zero: what no window reads changes no output, whatever its "
            "neighbours do.",
        }),
        explanation="What no window reads changes no output, and so not the loss.",
        choices=("zero", "copied", "averaged"),
    ),
    Exercise(
        "4.7",
        "the input gradient, without the matrix",
        function(
            _back, returned, "your x_bar",
            common_errors=(
                (
                    _scattered(add=False),
                    "where windows overlap, your later one overwrites the earlier; what comes back "
                    "is added",
                ),
                (
                    _scattered(shift=False),
                    "your x_bar is shifted by the padding: its first entries belong to the zeros "
                    "that were put before x",
                ),
                (_flipped, "the weights run backwards: send y_bar[p] back by way of the same w[k]"),
                (
                    lambda y_bar, w, size, *how: _back(y_bar, np.ones_like(w), size, *how),
                    "you add up y_bar itself; on its way each is multiplied by a weight",
                ),
                (
                    lambda y_bar, w, size, stride, padding, dilation: _back(
                        y_bar, w, size + 2 * padding, stride, 0, dilation
                    ),
                    "your x_bar still has the padding; cut it off on both sides",
                ),
                *layer_errors(_terms, "x_bar", lambda x_bar: x_bar[0, 0]),
            ),
            examples=(
                (
                    (np.array([1.0, 2.0]), W2, 3, 1, 0, 1),
                    "1 goes to (1, 10, 0) and 2 goes to (0, 2, 20), so it must be (1, 12, 20)",
                ),
                (
                    (np.array([1.0, 2.0]), W2, 4, 2, 0, 1),
                    "1 goes to (1, 10, 0, 0) and 2 goes to (0, 0, 2, 20)",
                ),
                ((np.array([3.0]), W2, 3, 1, 0, 2), "3 goes to (3, 0, 30)"),
                (
                    (np.array([1.0, 2.0, 3.0]), W2, 2, 1, 1, 1),
                    "with the padding it is (1, 12, 23, 30), and without it (12, 23)",
                ),
            ),
        ),
        (
            "y[p] was made from w[k] x[q]: so y_bar[p] sends w[k] y_bar[p] back to place q",
            "make an array of zeros that is as long as x with its padding, and cut the padding "
            "off at the end",
            "for each k, the places of all p at once are the slice that you used in exercise 4.3; "
            "add to it with +=",
        ),
        explanation="It is what the transpose of the matrix does, without the matrix.",
        reveals="4.6",
    ),
    Exercise(
        "4.8",
        "the gap of an adjoint test",
        function(
            _gap, pair, "your gap",
            common_errors=(
                (
                    lambda f, b, x, y_bar: f(x) @ y_bar - x @ b(y_bar),
                    "your gap has a sign; take its size",
                ),
                (
                    lambda f, b, x, y_bar: x @ b(y_bar) - f(x) @ y_bar,
                    "your gap has a sign; take its size",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x).sum() - b(y_bar).sum()),
                    "you compare two sums; each side is a dot product with an array of its own "
                    "length",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x) @ y_bar),
                    "this is one side only; there are two to compare",
                ),
                (
                    lambda f, b, x, y_bar: abs(x @ b(y_bar)),
                    "this is one side only; there are two to compare",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x) @ y_bar + x @ b(y_bar)),
                    "you add the two sides; their difference is asked for",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x) @ y_bar) - abs(x @ b(y_bar)),
                    "you take the size of each side first; take it of their difference",
                ),
                (
                    lambda f, b, x, y_bar: _gap(f, b, x, y_bar) / abs(f(x) @ y_bar),
                    "your gap is divided by a side; here it is not relative",
                ),
                (
                    lambda f, b, x, y_bar: _gap(f, b, x, y_bar) / abs(x @ b(y_bar)),
                    "your gap is divided by a side; here it is not relative",
                ),
                (
                    lambda f, b, x, y_bar: abs(np.mean(f(x) * y_bar) - np.mean(x * b(y_bar))),
                    "you take means; a dot product is a sum",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x) - y_bar).sum(),
                    "backward does not come into it; each side uses one of the two functions",
                ),
                (
                    lambda f, b, x, y_bar: abs(f(x) @ f(x) - b(y_bar) @ b(y_bar)),
                    "y_bar and x do not come into the dot products: f(x) meets y_bar, and x meets "
                    "backward(y_bar)",
                ),
            ),
            examples=((
                (
                    Formula("2 x", lambda x: 2 * x), Formula("3 x", lambda y: 3 * y),
                    np.array([1.0]), np.array([7.0]),
                ),
                "one side is 2 times 7, the other 1 times 21, so the gap is 7",
            ),),
        ),
        (
            "one side is a dot product of two arrays as long as y, the other of two as long as x",
            "forward(x) is as long as y_bar; backward(y_bar) is as long as x",
            "the gap is the size of the difference of the two numbers: abs",
        ),
        explanation="Two numbers, two calls, and no matrix.",
    ),
    Exercise(
        "4.9",
        "a wrong transpose, tested with ones",
        choice("passes", {
            "fails": "It passes: with ones all around, only the sum of the weights counts, and "
            "the order does not change it.",
        }),
        explanation="With ones all around only the sum of the weights counts, and not their order.",
        choices=("passes", "fails"),
    ),
    Exercise(
        "4.10",
        "channels and groups",
        function(
            _conv, grouped, "your y",
            common_errors=(
                (
                    _with(_conv, reads=lambda i, few, groups: slice(i, None, groups)),
                    "your groups take every second channel; a group takes neighbours",
                ),
                (
                    _with(_conv, reads=lambda i, few, groups: slice(0, few)),
                    "all of your groups read the channels of the first",
                ),
                (
                    _with(_conv, reads=lambda i, few, groups: slice(-few, None)),
                    "all of your groups read the channels of the last",
                ),
                (
                    lambda x, w, *how: _conv(x, w, *how)[[0, 3, 1, 4, 2, 5]],
                    "your outputs are in a wrong order: first come all of the first group",
                ),
                (
                    lambda x, w, *how: _conv(x, w, *how) / w.shape[1],
                    "you take a mean over the channels; it should be their sum",
                ),
                (
                    _with(_conv, only_first=True),
                    "you use the first channel of each group alone; all of them are summed",
                ),
                (
                    lambda x, w, s, p, d, groups: _conv(x, np.concatenate([w, w], 1), s, p, d, 1),
                    "all channels reach all outputs: groups do not count in it",
                ),
            ),
            examples=(
                (
                    (np.array([[1.0, 2.0], [10.0, 20.0]]), np.ones((1, 2, 1)), 1, 0, 1, 1),
                    "one output that sums both channels must be [[11, 22]]",
                ),
                (
                    (
                        np.array([[1.0, 2.0], [10.0, 20.0]]), np.array([[[1.0]], [[3.0]]]),
                        1, 0, 1, 2,
                    ),
                    "the first output reads the first channel, the second 3 times the second: "
                    "[[1, 2], [30, 60]]",
                ),
            ),
        ),
        (
            "with one group: put the windows of all channels below one another, and make each "
            "output's weights one long row",
            "np.concatenate([windows(c, ...) for c in x]) is (c kernel, out), and "
            "w.reshape(len(w), -1) is (o, c kernel)",
            "with groups, do that for each group by itself: its channels of x are "
            "few = w.shape[1] neighbours, its outputs len(w) // groups neighbours",
        ),
        explanation="Groups are a matrix in blocks, with zeros between them.",
    ),
    Exercise(
        "4.T1",
        "the number of outputs, on paper",
        number(
            lambda x: _count(**x), "your number of outputs", digits=4,
            common_errors=tuple((lambda x, f=f: f(**x), text) for f, text in COUNTS),
            example="for size = 6, kernel = 3, stride = 2, padding = 1, dilation = 2 it would be "
            "2: of 8 places a window covers 5, and windows start at 0 and 2",
        ),
        (
            "as in exercise 4.2, with these numbers",
            "one window covers dilation (kernel - 1) + 1 places",
            "size and two paddings, less one window: how many strides fit?",
        ),
        variant=numbers,
    ),
    Exercise(
        "4.T2",
        "the shape of a transposed convolution",
        choice("(16, 8)", {
            "(8, 16)": "this is the shape of A itself; what does its transpose take, and give?",
            "(3, 8)": "this is the shape of the windows; the matrix has a column for each input",
            "(16, 16)": "A is not square here, and so its transpose is not",
        }),
        (
            "A takes x and gives y: how many columns, and how many rows has it?",
            "the transpose takes y_bar and gives x_bar",
            "x_bar is as long as x, y_bar as long as y",
        ),
        explanation="It takes 8 numbers and gives 16: a transposed convolution makes a signal "
        "longer.",
        choices=("(8, 16)", "(16, 8)", "(3, 8)", "(16, 16)"),
    ),
    Exercise(
        "4.T3",
        "what an adjoint test says",
        choice("B is the transpose of A", {
            "A is right": "the test compares A with B; if both use a wrong stride, it passes",
            "A and B are right": "the test compares A with B; if both use a wrong stride, it "
            "passes",
            "nothing": "random arrays leave no room for chance: a wrong B would have been seen",
        }),
        (
            "which two things does the test compare, and with what third thing does it not?",
            "suppose that A ignores the padding, and B is the transpose of that; what is the gap?",
            "the test knows two functions and nothing of what they are for",
        ),
        explanation="Whether A is the convolution that you want is another question, for a slow "
        "and plain program, such as your matrix.",
        choices=("A is right", "B is the transpose of A", "A and B are right", "nothing"),
    ),
)
