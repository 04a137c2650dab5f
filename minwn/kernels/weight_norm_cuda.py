"""Weight normalisation on a GPU: which kernel of `weight_norm.cu` serves which arrays, and how.

v is seen as (A, K, B), its slices v[:, k, :]. Where A = 1 and a row fits into the registers of a
block, one kernel does it all. Other slices are summed in parts. Everything is decided from shapes,
dtypes and addresses on the host; no number is fetched from the device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .. import forms
from ..backend import Array, Shape, compiled, namespace, on_device_of
from .slices import rows_of

__all__ = ["double_vjp", "forward", "serves", "vjp"]

TYPES = {"float16": "__half", "bfloat16": "__nv_bfloat16", "float32": "float", "float64": "double"}
FORWARD, VJP, DOUBLE_VJP = range(3)

VECTOR = 16  # bytes that a thread loads in one instruction, at the most
THREADS = 512  # of a row, at the most: they may use 128 registers each
# The share of each input that a thread can hold, for forward, vjp, double_vjp: vectors, and
# numbers, which compilers like to keep as floats even where 16 bits came.
HELD, NUMBERS = (16, 8, 4), (64, 32, 16)
LONG = 128  # a slice whose runs are shorter is summed by columns
LINES = 64  # of a part, in columns
RUN = 2048  # vectors of a part, in runs


def serves(library: str, alike: bool, v: Shape, g: Shape, dtype: Any) -> bool:
    """The rule: CuPy arrays of one real floating dtype, and the axes that keep a norm together."""
    if library != "cupy" or not alike or dtype.name not in TYPES or not 0 < math.prod(v) < 2**32:
        return False
    return _slices(v, g) is not None


def forward(v: Array, g: Array, eps: float, form: str) -> Array:
    """w"""
    w: Array = _run(FORWARD, (v,), g, None, eps, form)[0]
    return w


def vjp(w_bar: Array, v: Array, g: Array, eps: float, form: str) -> tuple[Array, Array]:
    """(v_bar, g_bar)"""
    v_bar, _, g_bar = _run(VJP, (v, w_bar), g, None, eps, form)
    return v_bar, g_bar


def double_vjp(
    A: Array, B: Array, w_bar: Array, v: Array, g: Array, eps: float, form: str
) -> tuple[Array, Array, Array]:
    """(by_w_bar, by_v, by_g)"""
    return _run(DOUBLE_VJP, (v, w_bar, A), g, B, eps, form)


@functools.lru_cache(maxsize=4096)
def _slices(v: Shape, g: Shape) -> tuple[int, int, int] | None:
    """(A, K, B), or None where the axes of g that keep a norm do not lie side by side."""
    rows_of(v, g)  # or its error
    kept = [a for a, n in enumerate(g) if n != 1]
    if not kept:
        return 1, 1, math.prod(v)
    first, last = kept[0], kept[-1] + 1
    if g[first:last] != v[first:last]:
        return None
    return math.prod(v[:first]), math.prod(v[first:last]), math.prod(v[last:])


class Plan(NamedTuple):
    """How slices of one shape are taken. width: the numbers that a thread loads at once."""

    rows: bool
    columns: bool
    width: int
    held: int  # vectors of a thread
    grid: tuple[int, ...]
    block: tuple[int, ...]
    run: int  # vectors of a run, or of a line of columns
    part: int  # vectors of a run, or lines, that a part has


@functools.lru_cache(maxsize=4096)
def _plan(op: int, A: int, K: int, B: int, itemsize: int, aligned: int) -> Plan:
    """aligned: the power of two that the addresses are multiples of."""

    def width(n: int) -> int:
        """Numbers in a vector, if vectors are not to cross the ends of runs of n."""
        return min(VECTOR // itemsize, max(aligned // itemsize, 1), n & -n)

    if A == 1:
        wide = width(B)
        vectors, most = B // wide, min(HELD[op], NUMBERS[op] // wide)
        held = min(_power(-(-vectors // 32)) if vectors <= 128 else 4, most)
        threads = min(_power(-(-vectors // held), least=32), THREADS)
        held = max(held, _power(-(-vectors // threads)))
        if held <= most:
            rows = 4 if threads == 32 else 1
            return Plan(True, False, wide, held, (-(-K // rows),), (threads, rows), vectors, 0)
    columns = A > 1 and B < LONG
    wide = width(K * B if columns else B)
    if columns:
        run, every, part, block = K * B // wide, A, LINES, (32, 8)
    else:
        run, every, part, block = B // wide, A * (B // wide), RUN, (256, 1)
    part = max(part, -(-every // 65535))  # the most parts that a grid can have
    grid = (-(-run // 32) if columns else K, -(-every // part))
    return Plan(False, columns, wide, 0, grid, block, run, part)


def _power(n: int, least: int = 1) -> int:
    """The smallest power of two that is >= n and >= least."""
    return max(least, 1 << (n - 1).bit_length())


@functools.cache
def _kernel(name: str, *parameters: Any) -> Callable[..., None]:
    words = ", ".join(str(p).lower() if isinstance(p, bool) else str(p) for p in parameters)
    return compiled(_source(), f"{name}<{words}>")


@functools.cache
def _source() -> str:
    return (Path(__file__).parent / "weight_norm.cu").read_text(encoding="utf-8")


def _run(
    op: int, inputs: tuple[Array, ...], g: Array, B: Array | None, eps: float, form: str
) -> tuple[Any, Any, Any]:
    """(an output of v's shape, for double_vjp another, for all but forward one of g's shape)"""
    with on_device_of(inputs[0]):  # a kernel that finds addresses of another device does not stop
        return _launch(op, inputs, g, B, eps, form)


def _launch(
    op: int, inputs: tuple[Array, ...], g: Array, B: Array | None, eps: float, form: str
) -> tuple[Any, Any, Any]:
    xp, v = namespace(*inputs, g, B), inputs[0]
    shape, dtype = v.shape, v.dtype
    slices = _slices(shape, g.shape)
    assert slices is not None
    given = [xp.ascontiguousarray(x) for x in inputs]
    gains = [None if x is None else xp.ascontiguousarray(x) for x in (g, B)]
    out = [xp.empty(shape, dtype=dtype) if k < (op == DOUBLE_VJP) + 1 else None for k in range(2)]
    by_g = None if op == FORWARD else xp.empty(g.shape, dtype=dtype)
    every: tuple[Any, ...] = (*given, *out)
    addresses = [x.data.ptr for x in every if x is not None]
    aligned = functools.reduce(math.gcd, addresses, VECTOR)
    plan = _plan(op, *slices, dtype.itemsize, aligned)
    length = _length(eps, form, v.size // slices[1])
    arrays = (*given, *(None,) * (3 - len(given)))
    if plan.rows:
        rows = _kernel("rows", op, TYPES[dtype.name], plan.width, plan.held)
        rows(
            plan.grid, plan.block,
            (*out, by_g, *arrays, *gains, slices[1], slices[2], *length),
        )
    else:
        _in_parts(op, plan, slices, arrays, gains, out, by_g, length)
    return out[0], out[1], by_g


def _in_parts(
    op: int, plan: Plan, slices: tuple[int, int, int], arrays: Any, gains: Any, out: Any, by_g: Any,
    length: Any,
) -> None:
    """Sums of parts, coefficients of slices, and once more for those that must be scaled."""
    v = arrays[0]
    xp, type_, (A, K, B) = namespace(v), TYPES[v.dtype.name], slices
    wide = xp.float64 if v.dtype.itemsize == 8 else xp.float32
    width, parts = B if plan.columns else 1, plan.grid[1]
    products = (1, 2, 4)[op]
    partial = xp.empty((products + 1, parts, K * width), dtype=wide)
    coefficients, exponents = xp.empty((K, 5), dtype=wide), xp.empty(K, dtype=xp.int32)
    sums = _kernel("sums", op, type_, plan.width, plan.columns)
    finish = _kernel("finish", op, type_)
    threads = 32 if parts * width <= 1024 else 512
    block = (threads, 4 if threads == 32 else 1)
    walk = (A, K, B, plan.run, plan.part)
    for second in (0, 1):
        sums(plan.grid, plan.block, (partial, exponents if second else None, *arrays, *walk))
        finish(
            (-(-K // block[1]),), block,
            (coefficients, exponents, by_g, partial, *gains, K, parts, width, second, *length),
        )
    apply = _kernel("apply", op, type_, plan.width, plan.columns)
    apply(plan.grid, plan.block, (*out, coefficients, exponents, *arrays, *walk))


def _length(eps: float, form: str, count: int) -> tuple[int, float, float]:
    """The form's number, eps or its root where it is compared with a norm, and the count's root."""
    floor = math.sqrt(eps) if form in ("inside", "max_q") else float(eps)
    return forms.NAMES.index(form), floor, math.sqrt(count)
