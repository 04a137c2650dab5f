"""Error over tolerance: the one number by which a check decides."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["ratio"]


def ratio(error: Any, tolerance: Any) -> Any:
    """|error| / tolerance, entry by entry; above 1 a check has failed.

    error, tolerance >= 0: numbers, or arrays that broadcast.   -> float64, a number for two numbers

    An error of 0 is within any tolerance, so 0 / 0 is 0. An error that is NaN is infinitely large,
    and so is any other than 0 where the tolerance is 0 or NaN, or where both are infinite.
    """
    error, tolerance = (
        numpy.abs(numpy.asarray(error, "float64")),
        numpy.asarray(tolerance, "float64"),
    )
    with numpy.errstate(all="ignore"):
        found = numpy.where(error == 0, 0.0, error / tolerance)
    return numpy.where(numpy.isnan(found), numpy.inf, found)[()]
