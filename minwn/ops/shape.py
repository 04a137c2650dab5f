"""Moving entries about without changing them. Adjoint pairs are neighbours, and each is the
other's pullback: sum_to | broadcast_to, getitem | put_at, pad | crop, concatenate | split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any, overload

from .. import backend
from ..backend import Array, Axis, Shape, accumulator, namespace
from ..graph import Primitive, R, Recorded, primitive, raw
from ..validation import choice, door, shown, whole

__all__ = [
    "broadcast_to", "cast", "concatenate", "crop", "flip", "getitem", "move", "pad", "put_at",
    "reshape", "split", "stack", "sum_to", "transpose",
]


def add_up(x: Array, axis: Axis, keepdims: bool, count: int | None = None) -> Array:
    """The sum over axis of an array, divided by count where there is one.

    16-bit numbers are summed and divided in float32, and rounded once.
    """
    wide = accumulator(x.dtype)
    if wide == x.dtype:
        z = x.sum(axis=axis, keepdims=keepdims)
        return z if count is None else z / count
    z = x.sum(axis=axis, keepdims=keepdims, dtype=wide)
    return (z if count is None else z / count).astype(x.dtype)


def channels_are_last(x: Any) -> bool:
    """Whether x, an array (n, c, ...), has its channels next to each other in memory."""
    if getattr(x, "strides", None) is None or x.ndim < 3 or x.shape[1] == 1:
        return False
    step: int = x.strides[1]
    itemsize: int = x.dtype.itemsize
    return step == itemsize


def beside_channels(x: Array, make: Callable[..., Array], shape: Shape, dtype: Any) -> Array:
    """make(shape, dtype=dtype), a new array (n, c, ...), its channels last in memory as those of x.

    An operation on two arrays takes several times as long where their orders differ.
    """
    if channels_are_last(x):
        return namespace(x).moveaxis(make((shape[0], *shape[2:], shape[1]), dtype=dtype), -1, 1)
    return make(shape, dtype=dtype)


@primitive(widen=False)
def sum_to(x: Array, *, shape: Shape) -> Array:
    """Sum x over the axes along which `shape` would broadcast to x.shape.

    Raises ValueError where it would not.
    """
    extra = x.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[extra:], strict=True)):
        raise ValueError(f"sum_to: {shape} does not broadcast to {x.shape}")
    grown = [extra + a for a, n in enumerate(shape) if n != x.shape[extra + a]]
    axes = (*range(extra), *grown)
    return add_up(x, axes, True).reshape(shape) if axes else x


@primitive(widen=False)
def broadcast_to(x: Array, *, shape: Shape) -> Array:
    """x repeated to `shape` by the rules of broadcasting."""
    z = namespace(x).empty(shape, dtype=x.dtype)
    z[...] = x  # for small arrays several times as fast as numpy.broadcast_to, and not read-only
    return z


@sum_to.pullback
def _(z_bar, z, x, *, shape):
    return (broadcast_to(z_bar, shape=x.shape),)


@broadcast_to.pullback
def _(z_bar, z, x, *, shape):
    return (sum_to(z_bar, shape=x.shape),)


@primitive(widen=False)
def reshape(x: Array, *, shape: Shape) -> Array:
    """The entries of x, in C order, in another shape; one length may be -1."""
    if any(n < -1 for n in shape):  # which NumPy takes for -1
        raise ValueError(f"reshape: {shape=} has a length below -1; one may be -1")
    return x.reshape(shape)


@reshape.pullback
def _(z_bar, z, x, *, shape):
    x_bar = z_bar.reshape(x.shape)
    if channels_are_last(x) and not channels_are_last(x_bar):
        bare, x_bar = x_bar, beside_channels(x, namespace(x).empty, x.shape, x_bar.dtype)
        x_bar[...] = bare
    return (x_bar,)


@primitive(widen=False)
def transpose(x: Array, *, axes: Shape | None = None) -> Array:
    """z[..., i_k, ...] with axis k of z being axis axes[k] of x; None reverses the axes."""
    return x.transpose(axes)


@transpose.pullback
def _(z_bar, z, x, *, axes=None):
    if axes is None:
        return (z_bar.transpose(),)
    back = [0] * x.ndim
    for k, a in enumerate(axes):
        back[a] = k
    return (transpose(z_bar, axes=tuple(back)),)


@primitive(widen=False)
def flip(x: Array, *, axis: Axis = None) -> Array:
    """x with the order of its entries reversed along axis."""
    return namespace(x).flip(x, axis=axis)


@flip.pullback
def _(z_bar, z, x, *, axis=None):
    return (flip(z_bar, axis=axis),)


@primitive(widen=False)
def getitem(x: Array, *, index: Any) -> Array:
    """z = x[index], for any index that NumPy understands."""
    return x[_plain(index)]


@primitive
def put_at(x: Array, *, index: Any, shape: Shape) -> Array:
    """z = 0 of `shape`, then z[index] += x; an entry addressed twice receives both.

    Raises ValueError where x is not of the shape of z[index].

    >>> ops.put_at(np.array([1.0, 2.0]), index=np.array([0, 0]), shape=(3,))
    array([3., 0., 0.])
    """
    z = namespace(x).zeros_like(x, shape=shape)
    index = _plain(index)
    if x.shape != z[index].shape:
        raise ValueError(f"put_at: {shown(x)}, where z[index] has the shape {z[index].shape}")
    if all(isinstance(i, slice | int | type(None) | type(...)) for i in _items(index)):
        z[index] = x  # slices and integers address nothing twice
    else:
        backend.add_at(z, index, x)
    return z


@getitem.pullback
def _(z_bar, z, x, *, index):
    return (put_at(z_bar, index=index, shape=x.shape),)


@put_at.pullback
def _(z_bar, z, x, *, index, shape):
    return (getitem(z_bar, index=index),)


def _items(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _plain(index: Any) -> Any:
    """The index with the arrays of Tensors in place of the Tensors."""
    if isinstance(index, tuple):
        return tuple(raw(i) for i in index)
    return raw(index)


Widths = Sequence[tuple[int, int]]
PADDING = ("zeros", "reflect", "replicate", "circular")


@primitive(widen=False)
def pad(x: Array, *, widths: Widths, mode: str = "zeros") -> Array:
    """x with widths[a] = (before, after) entries around axis a.

    mode: "zeros"; "reflect", x mirrored at its end entries; "replicate", the end entries; or
    "circular", x again; as in PyTorch. Raises ValueError where x has too few entries.

    >>> ops.pad(np.array([1, 2, 3]), widths=[(2, 1)], mode="reflect")
    array([3, 2, 1, 2, 3, 2])
    """
    _check_widths("pad", x, widths)
    z = framed(x, widths)
    for place, source in _copied(z.shape, widths, mode):
        z[place] = z[source]
    return z


@primitive(widen=False)
def crop(x: Array, *, widths: Widths, mode: str = "zeros") -> Array:
    """x without the first and last widths[a] = (before, after) entries of axis a; where the mode is
    not "zeros", each of these is first added to the entry that `pad` copies to its place."""
    _check_widths("crop", x, widths)
    if any(sum(pair) > n for n, pair in zip(x.shape, widths, strict=True)):
        raise ValueError(f"crop: widths {list(widths)} are more than there is in shape {x.shape}")
    z = x if mode == "zeros" else x.astype(accumulator(x.dtype))
    for place, source in _copied(x.shape, widths, mode):
        z[source] += z[place]
    return z[inside(x.shape, widths)].astype(x.dtype, copy=False)


@pad.pullback
def _(z_bar, z, x, *, widths, mode="zeros"):
    return (crop(z_bar, widths=widths, mode=mode),)


@crop.pullback
def _(z_bar, z, x, *, widths, mode="zeros"):
    return (pad(z_bar, widths=widths, mode=mode),)


def _copied(shape: Shape, widths: Widths, mode: str) -> Iterator[tuple[Any, Any]]:
    """(a row of the padding, the row it is a copy of), axis by axis of the padded shape."""
    if choice("mode", mode, PADDING) == "zeros":
        return
    for axis, (padded, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        n, rows = padded - before - after, (slice(None),) * axis
        most = {"reflect": n - 1, "circular": n, "replicate": padded if n else 0}[mode]
        if max(before, after) > max(most, 0):
            raise ValueError(
                f"mode={mode!r} pads an axis of length {n} by at most {max(most, 0)} entries, not "
                f"by {(before, after)}"
            )
        for q in (*range(-before, 0), *range(n, n + after)):
            if mode == "circular":
                source = q % n
            elif mode == "replicate":
                source = 0 if q < 0 else n - 1
            else:
                source = -q if q < 0 else 2 * (n - 1) - q
            yield (*rows, before + q), (*rows, before + source)


def framed(x: Array, widths: Widths, value: float = 0.0) -> Array:
    """x with widths[a] = (before, after) times the value around axis a: a new array."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    xp = namespace(x)
    z = xp.full_like(x, value, shape=shape) if value else xp.zeros_like(x, shape=shape)
    z[inside(shape, widths)] = x
    return z


def inside(shape: Shape, widths: Widths) -> tuple[slice, ...]:
    """Where the entries lie that `framed` puts into an array of this shape."""
    return tuple(slice(b, n - a) for n, (b, a) in zip(shape, widths, strict=True))


def _check_widths(name: str, x: Array, widths: Widths) -> None:
    if len(widths) != x.ndim or any(w < 0 for pair in widths for w in pair):
        raise ValueError(
            f"{name}: widths {list(widths)} for shape {x.shape}; "
            f"give one pair (before, after) of numbers >= 0 for each axis"
        )


@primitive(widen=False)
def _concatenate(*xs: Array, axis: int) -> Array:
    return namespace(*xs).concatenate(xs, axis=axis)


@_concatenate.pullback
def _(z_bar, z, *xs, axis):
    return tuple(split(z_bar, [x.shape[axis] for x in xs], axis=axis))


@overload
def concatenate(arrays: Sequence[Recorded[R]], axis: int = 0) -> R: ...
@overload
def concatenate(arrays: Sequence[Any], axis: int = 0) -> Any: ...
@door
def concatenate(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays one after the other along an axis they have."""
    if isinstance(arrays, tuple | list) and not arrays:
        raise ValueError("concatenate: nothing to join; pass at least one array")
    return _concatenate(*arrays, axis=whole("axis", axis, None))


@overload
def split(x: Recorded[R], lengths: int | Sequence[int], axis: int = 0) -> list[R]: ...
@overload
def split(x: Any, lengths: int | Sequence[int], axis: int = 0) -> list[Any]: ...
@door
def split(x: Any, lengths: int | Sequence[int], axis: int = 0) -> list[Any]:
    """x cut along axis into pieces of the given lengths, or into that many equal pieces.

    Raises ValueError where the lengths do not add up to that axis.
    """
    axis = whole("axis", axis, None)
    total = x.shape[axis]
    if isinstance(lengths, int | Integral):
        pieces = int(lengths)
        if pieces < 1 or total % pieces:
            raise ValueError(f"split: axis of length {total} into {pieces} equal pieces")
        lengths = [total // pieces] * pieces
    if sum(lengths) != total or any(n < 0 for n in lengths):
        raise ValueError(f"split: lengths {list(lengths)} for an axis of length {total}")
    before = (slice(None),) * (axis % x.ndim)
    ends = [sum(lengths[: k + 1]) for k in range(len(lengths))]
    return [
        getitem(x, index=(*before, slice(end - n, end)))
        for n, end in zip(lengths, ends, strict=True)
    ]


@overload
def stack(arrays: Sequence[Recorded[R]], axis: int = 0) -> R: ...
@overload
def stack(arrays: Sequence[Any], axis: int = 0) -> Any: ...
@door
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """The arrays, all of one shape, side by side along a new axis."""
    if isinstance(arrays, tuple | list) and not arrays:
        raise ValueError("stack: nothing to stack; pass at least one array")
    first = raw(arrays[0])
    axis = whole("axis", axis, None)
    if not -first.ndim - 1 <= axis <= first.ndim:
        raise IndexError(
            f"stack: axis={axis} for arrays of shape {first.shape}; choose from "
            f"{-first.ndim - 1} to {first.ndim}"
        )
    at = axis % (first.ndim + 1)
    shape = (*first.shape[:at], 1, *first.shape[at:])
    for x in arrays:
        if x.shape != first.shape:
            raise ValueError(f"stack: shapes {first.shape} and {x.shape} differ")
    return concatenate([reshape(x, shape=shape) for x in arrays], axis=at)


@primitive(widen=False)
def cast(x: Array, *, dtype: Any) -> Array:
    """x rounded to another dtype."""
    return x.astype(backend.dtype_of(dtype))


Primitive.cast = cast


@cast.pullback
def _(z_bar, z, x, *, dtype):
    # Rounded to an integer, x is constant between the jumps.
    return (cast(z_bar, dtype=x.dtype) if backend.is_floating(z.dtype) else None,)


@primitive(widen=False)
def move(x: Array, *, device: str) -> Array:
    """x on another device."""
    return backend.move(x, device)  # type: ignore[no-any-return]


@move.pullback
def _(z_bar, z, x, *, device):
    return (move(z_bar, device=backend.device(raw(x))),)
