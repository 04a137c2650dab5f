"""How far apart two honest evaluations of weight normalisation may be, at one Problem.

The counts and sizes are those of `oracle.reference.error_bounds`, with its proof: |computed - true|
<= C u S / (1 - C u). Those of the functions of `byhand.weight_norm` are its counts without
autodiff, whose second order has six times as many. 16-bit numbers are computed in float32 and
rounded once: u16 S is added, and half the smallest number. Where two evaluations are
compared, both bounds are added.
"""

from __future__ import annotations

import numpy

from ..backend import accumulator, quiet, unit_roundoff
from ..oracle.reference.error_bounds import counts, gamma, sizes
from .points import Problem

__all__ = ["U64", "Bounds", "gamma"]

U64 = 2.0**-53


class Bounds:
    """How far the answers for one Problem may be from the truth, and which can be judged."""

    def __init__(self, p: Problem) -> None:
        with quiet():
            self.S, *_ = sizes(p.v, p.g, p.w_bar, p.A, p.B, **p.how)
        self.C = counts(p.m, p.form, autodiff=False)
        self.C_composed = counts(p.m, p.form)
        self.u = unit_roundoff(accumulator(p.v.dtype))
        self.narrow = unit_roundoff(p.v.dtype) if p.v.dtype.itemsize == 2 else 0.0
        info = numpy.finfo(p.v.dtype)
        # Where S is in this range, no term that counts overflows or loses digits to underflow.
        # 16-bit numbers are computed in a wider range, and `least` is what rounding them loses.
        self.low = 0.0 if self.narrow else float(info.smallest_normal) / self.u
        self.high = float(info.max) * (0.5 if self.narrow else self.u)
        self.least = float(info.smallest_subnormal) / 2 if self.narrow else 0.0

    def judged(self, name: str) -> bool:
        """Whether the answer is within the range of the dtype."""
        S = self.S[name]
        with quiet():
            return bool(((self.low < S) & (self.high > S)).all())

    def __getitem__(self, name: str) -> numpy.ndarray:
        """Of an answer of the functions of `byhand.weight_norm`."""
        part = gamma(self.C[name], self.u) * (1 + self.narrow) + self.narrow
        return part * self.S[name] + self.least

    def composed(self, name: str) -> numpy.ndarray:
        return gamma(self.C_composed[name], U64) * self.S[name]
