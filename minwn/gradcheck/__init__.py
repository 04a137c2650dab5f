"""Is this gradient the gradient of this function? Asked of the function itself, by measuring it.

For random signed cotangents u, every argument x of f, and every entry of it or a few random
directions t, the analytic derivative and a numerical one (see `numerical`) must agree:

    | <x_bar, t> - <u, J t> |  <=  rtol S + 100 E + F,        S = sum_j |u_j (J t)_j|

E is the measurement's own estimate of its error; F is what rounding in f can do to it, and what
rounding is seen to do to x_bar (where it is a small sum of large terms); and rtol, u^0.56 or
1.2e-9 in float64, is what rounding in a correct gradient may cost. Every term has the units of the
derivative, so the rule is the same at 1e-150 and 1e150. Five verdicts:

    pass                 the two agree, and an error of a 30th of S would have been seen
    fail                 they do not, or a gradient has the wrong shape or dtype, or f is not a
                         function: its inputs change, or two calls differ
    not differentiable   f has a kink here (relu at 0, a tie of a maximum): move the point
    undefined            f is not finite here, or on one side of here
    unresolved           no step gives a derivative precise enough to judge by

A report is true only if it passes: unresolved is not a pass. A pass says how small an error it
would have seen, as a share of S; and where S is too small for that next to the S of other entries,
as a share of theirs. A gradient of zero passes where f does not move by more than its rounding.

Where f computes in a shorter dtype than float64, and takes float64, it is measured in that. Before
anything is called wrong it is measured again with other steps (see `measure`), and with the noise
of f, which tells a function that computes more coarsely than its dtype, or is ill-conditioned, from
one that has kinks. Outputs of very different sizes get cotangents of very different sizes. Where
the rows of x, or other slices, do not depend on each other, which is found out and verified, an
entry of each is measured at a time (see `slices`).

A pass means that the gradient belongs to f. Whether f is what it claims to be, no gradient check
can know. The checker imports no operation; it has no opinion about any of them.
"""

import sys
import types
from typing import Any

from .check import blame, gradcheck
from .products import TaylorReport, adjoint_test, taylor_test
from .report import Comparison, GradcheckError, GradcheckReport

__all__ = [
    "Comparison", "GradcheckError", "GradcheckReport", "TaylorReport",
    "adjoint_test", "blame", "gradcheck", "taylor_test",
]


class _Callable(types.ModuleType):
    """The module as a function: minwn.gradcheck(f, inputs) is minwn.gradcheck.gradcheck(...)."""

    def __call__(self, *args: Any, **kwargs: Any) -> GradcheckReport:
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
