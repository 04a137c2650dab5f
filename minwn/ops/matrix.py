"""Products. Everything here is linear in each input, so every pullback is again such a product."""

from __future__ import annotations

import string
from collections import Counter
from typing import Any, overload

from ..backend import Array, namespace
from ..graph import R, Recorded, primitive, raw
from ..validation import door
from .shape import broadcast_to, sum_to

__all__ = ["einsum", "matmul"]


@primitive
def matmul(x: Array, y: Array) -> Array:
    """z = x @ y with NumPy's rules: a 1-D x is a row, a 1-D y a column, leading axes broadcast.

    x: (..., n, k)   y: (..., k, m)   z: (..., n, m)
    """
    return x @ y


@matmul.pullback
def _(z_bar, z, x, y):
    row, column = x.ndim == 1, y.ndim == 1
    x2 = x.reshape((1, *x.shape)) if row else x
    y2 = y.reshape((*y.shape, 1)) if column else y
    lead = z.shape[: len(z.shape) - (not row) - (not column)]
    z_bar = z_bar.reshape((*lead, x2.shape[-2], y2.shape[-1]))

    def by_x() -> Any:  # (..., n, m), (..., k, m) -> (..., n, k)
        return sum_to(z_bar @ y2.swapaxes(-1, -2), shape=x2.shape).reshape(x.shape)

    def by_y() -> Any:  # (..., n, k), (..., n, m) -> (..., k, m)
        return sum_to(x2.swapaxes(-1, -2) @ z_bar, shape=y2.shape).reshape(y.shape)

    return by_x, by_y


@primitive
def _einsum(*xs: Array, inputs: tuple[str, ...], output: str) -> Array:
    return namespace(*xs).einsum(f"{','.join(inputs)}->{output}", *xs)


@_einsum.pullback
def _(z_bar, z, *xs, inputs, output):
    return tuple(lambda k=k: _einsum_bar(k, z_bar, xs, inputs, output) for k in range(len(xs)))


def _einsum_bar(k: int, z_bar: Any, xs: Any, inputs: tuple[str, ...], output: str) -> Any:
    """The cotangent of operand k: the output and the other operands, contracted to its letters."""
    x, letters = xs[k], inputs[k]
    others = [z_bar, *xs[:k], *xs[k + 1 :]]
    names = [output, *inputs[:k], *inputs[k + 1 :]]
    # A letter twice in one operand took its diagonal: the identity matrix puts it back there.
    target = ""
    for letter, n in zip(letters, x.shape, strict=True):
        if letter in target:
            fresh = next(c for c in string.ascii_letters if c not in "".join([*names, *target]))
            others.append(namespace(raw(z_bar)).eye(n, dtype=x.dtype))
            names.append(letter + fresh)
            letter = fresh
        target += letter
    # A letter in no other operand (or there of length 1) was summed over alone: its cotangent is
    # the same all along it. A letter of length 1 in x that was stretched by another is summed.
    long = {
        c
        for s, y in zip(names, others, strict=True)
        for c, n in zip(s, y.shape, strict=True)
        if n != 1
    }
    kept = tuple(n if c in long else 1 for c, n in zip(target, x.shape, strict=True))
    output = "".join(c for c, n in zip(target, kept, strict=True) if n != 1)
    bar = _einsum(*others, inputs=tuple(names), output=output)
    return broadcast_to(bar.reshape(kept), shape=x.shape)


@overload
def einsum(subscripts: str, x: Recorded[R], /, *others: Any) -> R: ...
@overload
def einsum(subscripts: str, *operands: Any) -> Any: ...
@door
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's summation, as in NumPy: einsum("ij,jk->ik", x, y), with "..." and without "->".

    Raises ValueError where the number of operands or of axes does not match the subscripts.

    >>> ops.einsum("ij,ij->i", tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]]))
    tensor([11.], dtype=float32)
    """
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(
            f"einsum: {len(inputs)} subscripts in {subscripts!r}, {len(operands)} arrays"
        )
    if not arrow:
        once = sorted(c for c, n in Counter(left.replace(".", "")).items() if n == 1 and c != ",")
        output = ("..." if "..." in left else "") + "".join(once)
    depth = max(
        (x.ndim - len(s) + 3 for s, x in zip(inputs, operands, strict=True) if "..." in s),
        default=0,
    )
    spare = [c for c in string.ascii_letters if c not in subscripts][:depth]
    expanded = []
    for s, x in zip(inputs, operands, strict=True):
        s = s.replace("...", "".join(spare[depth - max(x.ndim - len(s) + 3, 0) :]))
        if len(s) != x.ndim:
            raise ValueError(f"einsum: subscripts {s!r} for an array of shape {x.shape}")
        expanded.append(s)
    output = output.replace("...", "".join(spare))
    return _einsum(*operands, inputs=tuple(expanded), output=output)
