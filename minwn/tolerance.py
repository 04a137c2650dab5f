"""Error over tolerance: the one number by which a check decides."""

from __future__ import annotations

from typing import Any

import numpy

__all__ = ["ratio", "scaled_error"]


@numpy.errstate(all="ignore")
def ratio(error: Any, tolerance: Any) -> Any:
    """|error| / tolerance, entry by entry; above 1 a check has failed.

    error, tolerance >= 0: numbers, or arrays that broadcast.   -> float64, a number for two numbers

    An error of 0 is within any tolerance, so 0 / 0 is 0. An error that is NaN is infinitely large,
    and so is any other than 0 where the tolerance is 0 or NaN, or where both are infinite.
    """
    error = numpy.asarray(error, "float64")
    found = numpy.abs(error / numpy.asarray(tolerance, "float64"))
    if numpy.isnan(found.max(initial=0.0)):
        defined = numpy.where(error == 0, 0.0, numpy.inf)
        found = numpy.where(numpy.isnan(found), defined, found)
    return found[()]


@numpy.errstate(all="ignore")
def scaled_error(got: Any, expected: Any, tolerance: Any) -> Any:
    """ratio(got - expected, tolerance), where the same infinity on both sides is no error."""
    got, expected = numpy.asarray(got, "float64"), numpy.asarray(expected, "float64")
    found = numpy.abs((got - expected) / numpy.asarray(tolerance, "float64"))
    if not found.max(initial=0.0) < numpy.inf:
        found = ratio(numpy.where(got == expected, 0.0, got - expected), tolerance)
    return found
