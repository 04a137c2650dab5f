"""A convolution by some of its ways, whatever the others would take; by the formula for none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from minwn.kernels import conv as fast
from minwn.kernels.conv_windows import Problem


@contextlib.contextmanager
def ways(keep: Callable[[fast.Way], fast.Way | None]) -> Iterator[None]:
    """The table with each row as `keep` answers it; without those for which it answers None."""
    rows = fast.WAYS
    fast.WAYS = tuple(row for row in map(keep, rows) if row is not None)
    fast._plan.cache_clear()
    try:
        yield
    finally:
        fast.WAYS = rows
        fast._plan.cache_clear()


def without(*names: str) -> contextlib.AbstractContextManager[None]:
    return ways(lambda row: None if row.name in names else row)


def by_formula() -> contextlib.AbstractContextManager[None]:
    return ways(lambda row: None)


def problem(x, w, y, *, groups=1, stride, dilation, padding) -> Problem:
    """What the arrays and options make."""
    options = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    return fast._plan("conv", x.dtype, x.shape, w.shape, y.shape, **options)[0]


def names(product: str, p: Problem) -> list[str]:
    """Those that serve, in their order."""
    return [way.name for way in fast.ways(product, p)]
