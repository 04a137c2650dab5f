"""Which axis keeps a norm each: minwn's numbering, and that of PyTorch and of R torch.

minwn      an axis from 0, or negative from the end; None for one norm of the whole
PyTorch    the same, except that -1 is the whole (not the last axis), as None is
R torch    an axis from 1, or from -2 on from the end; -1 and NULL are the whole; 0 is an error
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ..validation import shown, whole

__all__ = ["dim_from_r", "dim_from_torch", "dim_to_r", "dim_to_torch"]


def dim_from_torch(dim: int | None, ndim: int) -> int | None:
    """minwn's dim for the `dim` of PyTorch's weight_norm on a weight with `ndim` axes.

    Raises TypeError for anything but an integer, IndexError for an axis that the weight lacks.
    """
    ndim = whole("ndim", ndim, least=0)
    if dim is None or _integer(dim) == -1:
        return None
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"PyTorch's dim={dim} for a weight with {ndim} axes; it takes 0 to {ndim - 1}, "
            f"{-ndim} to -2 from the end, and None or -1 for one norm of the whole"
        )
    return dim % ndim


def dim_to_torch(dim: int | tuple[int, ...] | None, ndim: int) -> int | None:
    """PyTorch's dim for minwn's; never negative, so that no -1 can be misread.

    Raises TypeError and IndexError as above, ValueError for several axes.
    """
    ndim = whole("ndim", ndim, least=0)
    if dim is None:
        return None
    axes = dim if isinstance(dim, tuple) else (dim,)
    if len(axes) != 1:
        raise ValueError(f"dim={dim}: PyTorch and R keep one axis, or None for the whole")
    axis = _integer(axes[0])
    if not -ndim <= axis < ndim:
        raise IndexError(f"dim={axis} for a weight with {ndim} axes; choose {-ndim} to {ndim - 1}")
    return axis % ndim


def dim_from_r(dim: int | None, ndim: int) -> int | None:
    """minwn's dim for the `dim` of R torch's nn_utils_weight_norm; None stands for NULL.

    Raises TypeError for anything but an integer, IndexError for 0 and for an axis the weight lacks.
    """
    ndim = whole("ndim", ndim, least=0)
    if dim is None or _integer(dim) == -1:
        return None
    if dim == 0 or not -ndim <= dim <= ndim:
        raise IndexError(
            f"R's dim={dim} for a weight with {ndim} axes; R counts from 1: it takes 1 to {ndim}, "
            f"{-ndim} to -2 from the end, and NULL or -1 for one norm of the whole"
        )
    return dim - 1 if dim > 0 else dim + ndim


def dim_to_r(dim: int | tuple[int, ...] | None, ndim: int) -> int | None:
    """R torch's dim for minwn's, from 1; None, for NULL, is the whole. Raises as dim_to_torch."""
    axis = dim_to_torch(dim, ndim)
    return None if axis is None else axis + 1


def _integer(dim: Any) -> int:
    if isinstance(dim, bool) or not isinstance(dim, Integral):
        raise TypeError(f"dim={shown(dim)}; give an axis as a number, or None for the whole")
    return int(dim)
