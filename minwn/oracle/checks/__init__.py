"""The checks, in the order in which they are made: each takes a run and adds what it found."""

from __future__ import annotations

from collections.abc import Callable

from ..report import CheckResult
from ..run import Run
from .adjoint import adjoint
from .against_reference import dyadic, forward, gradients
from .complex_step import complex_step
from .differences import differences
from .hygiene import hygiene
from .laws import laws
from .products import product, second_order
from .taylor import taylor
from .threads import several_threads

__all__ = ["ALL_CHECKS"]

ALL_CHECKS: dict[str, Callable[[Run], CheckResult | None]] = {
    "hygiene": hygiene,
    "dyadic": dyadic,
    "forward": forward,
    "gradients": gradients,
    "laws": laws,
    "differences": differences,
    "complex": complex_step,
    "taylor": taylor,
    "adjoint": adjoint,
    "product": product,
    "second order": second_order,
    "threads": several_threads,
}
