"""The rungs, in the order in which they are climbed: each takes a trial and adds what it found."""

from __future__ import annotations

from collections.abc import Callable

from ..report import Rung
from ..run import Trial
from .adjoint import adjoint
from .against_reference import dyadic, forward, gradients
from .complex_step import complex_step
from .differences import differences
from .hygiene import hygiene
from .laws import lawful
from .products import product, second_order
from .taylor import taylor
from .threads import several_threads

__all__ = ["LADDER"]

LADDER: dict[str, Callable[[Trial], Rung | None]] = {
    "hygiene": hygiene,
    "dyadic": dyadic,
    "forward": forward,
    "gradients": gradients,
    "laws": lawful,
    "differences": differences,
    "complex": complex_step,
    "taylor": taylor,
    "adjoint": adjoint,
    "product": product,
    "second order": second_order,
    "threads": several_threads,
}
