"""Checks an installed library, with its own length and axis by default.

A missing feature is not a mistake. A forward product or second order that fails for a plain matrix
is left out, and the report has the library's message in a note.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .. import forms
from .cases import Case, cases
from .check import check
from .report import Report
from .spec import RANKS, make_spec, ranks_of

if TYPE_CHECKING:
    from .targets.adapters.adapter import Adapter, Roles

__all__ = ["LATER", "check_adapter"]

LATER = {"jvp": "forward mode", "double_backward": "second order"}


def check_adapter(
    adapter: Adapter,
    *,
    axis: Any = ...,
    form: str | None = None,
    eps: float | None = None,
    dtype: str = "float64",
    ranks: Iterable[int] | None = None,
    **options: Any,
) -> Report:
    """The report of `check`. options: those of `check`.

    axis, form, eps: the library's own where they are left out; None is one norm of the whole.
    ranks: of v; by default all from 1 to 5, because the libraries support them all.
    Raises ValueError where it is not installed, or does not compute that spec, and
    as `check` does.
    """
    axis = adapter.axes[0] if axis is ... else axis
    form, eps = adapter.length(form, eps)
    ranks = RANKS if ranks is None else tuple(ranks_of(ranks))
    forms.form_of(form)
    forms.check("inside", eps)
    given = {key: x for key, x in options.items() if x is not None}
    reason = adapter.missing() or adapter.declines(axis, form, eps, dtype)
    if reason:
        raise ValueError(f"{adapter.name}: {reason}")
    make_spec(axis=axis, form=form, eps=eps, dtype=dtype, ranks=ranks, groups=options.get("groups"))
    with adapter.within(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations
        roles = adapter.functions(axis, form, eps)
        notes = _without(roles, next(cases(dtype, ["generic"], axis=axis, quick=True)))
        report = check(
            **roles, axis=axis, form=form, eps=eps, dtype=dtype, name=adapter.name,
            ranks=ranks, **{"accumulate": adapter.accumulate.get(dtype)} | given,
        )
    return dataclasses.replace(report, notes=[*notes, *report.notes])


def _without(roles: Roles, case: Case) -> list[str]:
    """Leave out the later roles that fail for a plain case; the messages."""
    arrays = {
        "jvp": (case.v, case.g, case.v_dot, case.g_dot),
        "double_backward": (case.A, case.B, case.w_bar, case.v, case.g),
    }
    notes = []
    for role, what in LATER.items():
        if role not in roles:
            continue
        try:
            roles[role](*(x.copy() for x in arrays[role]))
        except Exception as error:
            del roles[role]
            message = str(error).strip().partition("\n")[0]
            notes.append(f"no {what}: {type(error).__name__}: {message[:160]}")
    return notes
