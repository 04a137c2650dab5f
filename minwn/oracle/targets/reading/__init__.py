"""Any code as functions that can be judged, and how it was read.

names          the usual names, as tables
calling        arguments by what they stand for; the arrays among answers
sources        functions, or an object with state, as one thing to ask
arrangement    shapes of g, axes, logarithms
probes         questions to code whose names decide too little, and what each proves
functions      the functions of a file that belong together
classes        objects with state: constructors filled in, gradients found
engines        arrays of PyTorch and JAX, and their autodiff
frameworks     modules of PyTorch, Flax, Equinox and Keras
weight_norm    from a source to forward(v, g) and backward(w_bar, v, g)
layout         orders of axes and taps, where the norms of a layer are
options        the options of a layer as its object has them
layer          from a source to a whole layer in torch's layout, with its options
adapter        the text of a file that calls what cannot be read
reader         from a target to a reading
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....lazy import attributes
from .found import CONTRACT, Found, Unreadable

__all__ = ["CONTRACT", "Found", "Unreadable", "understood"]

if TYPE_CHECKING:
    from .reader import understood
else:
    __getattr__, __dir__ = attributes(__name__, {"understood": "reader"})
