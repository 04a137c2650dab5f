"""A library's function before it is run: its spec, and how it is called.

The spec is that of the library's own documentation. It is not adjusted to make a check pass: cases
that the documentation does not cover are skipped with the reason, and not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from .... import __version__
from ....doctor import version_of
from ...spec import DTYPES

__all__ = ["DTYPES", "Adapter", "Axis", "Roles"]

Axis = int | tuple[int, ...] | None
Roles = dict[str, Any]  # functions: forward, backward, jvp, double_backward, as `check` has them


@dataclass(frozen=True)
class Adapter:
    """One way of one library to compute w = g v / h(v).

    name: the family and, after a dot, which one of it
    runs: the function, in the words of the library's documentation
    distribution: the package that pip installs
    functions: (axis, form, eps) -> functions of NumPy arrays; imports the library
    axes: those to be checked, counted as NumPy counts; the first is the library's default
    lengths: the lengths by which v may be divided, as (form, eps) of `byhand.weight_norm`; the
    first is the library's default. free_eps: any other eps is understood, too
    accumulate: the dtype of the sums, for those dtypes where it is wider
    within: the settings of the library while it is judged, put back afterwards
    """

    name: str
    runs: str
    distribution: str
    functions: Callable[[Axis, str, float], Roles]
    axes: tuple[Axis, ...] = (0,)
    lengths: tuple[tuple[str, float], ...] = (("plain", 0.0),)
    free_eps: bool = False
    dtypes: tuple[str, ...] = DTYPES
    accumulate: dict[str, str] = field(default_factory=dict)
    within: Callable[[], AbstractContextManager[Any]] = nullcontext

    @property
    def family(self) -> str:
        """The library: the name up to its first dot."""
        return self.name.partition(".")[0]

    @property
    def version(self) -> str | None:
        """The version that pip installed, or None."""
        if self.distribution == "minwn":  # it runs from a folder, too, which pip knows nothing of
            return __version__
        return version_of(self.distribution)

    def missing(self) -> str | None:
        """The reason why it cannot be run here, with a remedy, or None."""
        if self.version is not None:
            return None
        return f"{self.distribution} is not installed: pip install {self.distribution}"

    def length(self, form: str | None = None, eps: float | None = None) -> tuple[str, float]:
        """The (form, eps), with the defaults of any that are left out."""
        form = self.lengths[0][0] if form is None else form
        return form, dict(self.lengths).get(form, 0.0) if eps is None else eps

    def declines(self, axis: Axis, form: str, eps: float, dtype: str) -> str | None:
        """Why it does not compute this, or None."""
        forms = [known for known, _ in self.lengths]
        if axis not in self.axes:
            return f"axis {axis}; it is checked for {', '.join(map(str, self.axes))}"
        if form not in forms or (not self.free_eps and (form, eps) not in self.lengths):
            known = ", ".join(f"{form} with eps {eps:g}" for form, eps in self.lengths)
            return f"{form} with eps {eps:g}; it computes {known}"
        if dtype not in self.dtypes:
            return f"{dtype}; it knows {', '.join(self.dtypes)}"
        return None
