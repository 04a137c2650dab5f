"""The lengths h by which a direction v may be divided: their names, and which eps each takes.

    n = ||v||, over a slice of m entries        y = dh/dv, 0 where eps is the larger of two

The table holds names and printed formulas. The arithmetic is in `byhand.lengths` and
`kernels`, where weight normalisation is computed, and, separately, in `oracle.reference`, where it
is judged.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .validation import did_you_mean, shown

__all__ = ["FORMS", "NAMES", "Form", "check", "form_of", "typed", "unknown"]


@dataclass(frozen=True)
class Form:
    """One length, as it is printed: h, and its slope y.

    takes_eps: whether h has an eps, a finite number >= 0; without, eps is 0
    used_by: libraries that divide by it
    """

    name: str
    h: str
    y: str
    used_by: str
    takes_eps: bool = True

    def at_zero(self, eps: float) -> bool:
        """Whether v = 0 can be divided by h."""
        return self.takes_eps and eps > 0


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("plain", "n", "v/n", "the paper, PyTorch, R torch, Equinox", takes_eps=False),
        Form("inside", "sqrt(n^2 + eps)", "v/h", "Flax, nnabla, Flux"),
        Form("outside", "n + eps", "v/n", "flax.optim"),
        Form("rms", "n/sqrt(m) + eps", "v/(n sqrt(m))", "EDM2"),
        Form("max_q", "sqrt(max(n^2, eps))", "v/n or 0", "TensorFlow"),
        Form("max_n", "max(n, eps)", "v/n or 0", "Paddle"),
    )
}
NAMES = tuple(FORMS)


def form_of(name: Any, eps: Any = 0.0) -> Form:
    """The form of that name. Raises ValueError for an unknown one, or an eps that it cannot use."""
    check(name, eps)
    return FORMS[name]


def check(form: Any, eps: Any, *, name: str = "eps") -> float:
    """eps as a Python number, which a form can use.

    name: of the argument, where it is not called eps
    Raises ValueError for an unknown form, or an eps that it cannot use.
    """
    found = FORMS.get(form) if isinstance(form, str) else None
    if found is None:
        raise unknown(form)
    if not ((type(eps) is float and 0.0 <= eps < math.inf) or _fits(eps)):
        where = "" if name == "eps" else f"{name}: "
        raise ValueError(f"{where}eps={shown(eps)}; choose a finite number >= 0")
    if eps and not found.takes_eps:
        raise ValueError(f"form={form!r} has no eps, got eps={eps}; choose form='inside', or eps=0")
    return float(eps)


def typed(text: str, *, name: str = "eps") -> float:
    """An eps as it is typed, which some form can use. Raises ValueError as `check` does."""
    eps: Any = text
    with contextlib.suppress(ValueError):
        eps = float(text)
    return check("inside", eps, name=name)


def _fits(eps: Any) -> bool:
    try:
        return isinstance(eps, Real) and not isinstance(eps, bool) and 0 <= float(eps) < math.inf
    except OverflowError:
        return False


def unknown(form: Any) -> ValueError:
    """The error for an unknown form."""
    text = f"form={shown(form)}; choose from {', '.join(NAMES)}"
    return ValueError(text + (did_you_mean(form, NAMES) if isinstance(form, str) else ""))
