"""The derivatives as functions: grad, vjp and jvp."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Literal, overload

from . import backend, ops
from .graph import Value, ends, is_recording, raw
from .small import one_like
from .tensors import Argument, Tensor, fitting, like, owned, tensor, walk_from
from .validation import door, flag, function, several, shown

__all__ = ["grad", "jvp", "vjp"]


@overload
def grad(
    output: Tensor, inputs: Tensor, cotangent: Any = None, *, retain_graph: bool = False,
    create_graph: bool = False, allow_unused: Literal[False] = False,
) -> Tensor: ...
@overload
def grad(
    output: Tensor, inputs: Sequence[Tensor], cotangent: Any = None, *, retain_graph: bool = False,
    create_graph: bool = False, allow_unused: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    output: Callable[..., Any], inputs: Any = None, cotangent: Any = None, *,
    allow_unused: bool = False,
) -> Callable[..., Any]: ...
@overload
def grad(
    output: Any, inputs: Any, cotangent: Any = None, *, retain_graph: bool = False,
    create_graph: bool = False, allow_unused: bool = False,
) -> Any: ...
@door
def grad(
    output: Any,
    inputs: Any = None,
    cotangent: Any = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """The gradients of `output` with respect to `inputs`, without touching any `.grad`.

        w_bar, b_bar = grad(loss, [w, b])
        f_prime = grad(f)                      # a function: the gradient in f's first argument
        by_second = grad(f, 1, y_bar)          # in its second, where f returns more than one number

    inputs: one Tensor, giving one gradient, or a sequence, giving a tuple; for a function the
    numbers of its arguments
    cotangent: of the output's shape, 1 by default
    create_graph: whether the gradients can be differentiated again. A function needs neither flag
    of the graph: its gradient is recorded where it depends on a Tensor that requires gradients
    Raises RuntimeError where the output does not depend on an input, unless `allow_unused`, when
    that gradient is None. A function has a gradient of zeros there, or None with `allow_unused`.

    >>> grad(lambda w: (w * w).sum())(np.array([3.0, 4.0]))
    tensor([6., 8.])
    """
    flag("allow_unused", allow_unused)
    if callable(output) and not isinstance(output, Tensor):
        return _gradient_of(output, 0 if inputs is None else inputs, cotangent, allow_unused)
    if inputs is None:
        raise TypeError("grad: pass the Tensors to differentiate with respect to as well")
    single = isinstance(inputs, Value)
    wanted = [inputs] if single else several("inputs", inputs, "a Tensor, or a list of them")
    for i, x in enumerate(wanted):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise TypeError(f"grad: input {i} is not a Tensor that requires gradients")
    bars = walk_from(output, cotangent, wanted, retain_graph, create_graph)
    for i, x in enumerate(wanted):
        if x not in bars and not allow_unused:
            raise RuntimeError(
                f"grad: the output does not depend on input {i}, of shape {x.shape}; "
                f"pass allow_unused=True to get None for it"
            )
    start = one_like(output._data) if cotangent is None else cotangent
    own = iter(owned((bars[x] for x in wanted if x in bars), start))
    found = tuple(next(own) if x in bars else None for x in wanted)
    return found[0] if single else found


def _recording(*values: Any) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in values)


def _inputs(values: Sequence[Any]) -> list[Tensor]:
    """Tensors to differentiate by: new leaves, or new names for Tensors already in a graph.

    Without a new name, an x that f uses as argument and also by closure would be counted
    twice in the derivative by the argument.
    """
    return [
        ops.reshape(x, shape=x.shape) if _recording(x) else Argument(raw(tensor(x)), True)
        for x in values
    ]


def _apply(f: Callable[..., Any], inputs: Sequence[Any], named: Sequence[Any]) -> Any:
    """y = f(*inputs), and whether y also depends on Tensors that f closes over.

    Then the derivatives of f depend on that as well, and have to be recorded. A number or an array
    is a constant.
    """
    if not is_recording():
        raise RuntimeError(
            "nothing to differentiate: under no_grad nothing is recorded; differentiate the "
            "function outside of it"
        )
    y = f(*inputs)
    if isinstance(y, int | float) and named:
        y = tensor(y, dtype=named[0].dtype)
    elif isinstance(y, int | float) or backend.is_array(y):
        y = tensor(y)
    if not isinstance(y, Tensor):
        raise TypeError(
            f"the function to differentiate returned a {type(y).__name__}, no Tensor; "
            f"return one Tensor, or a constant number or array"
        )
    if not backend.is_floating(y.dtype):
        y = y.detach()  # whole numbers are constant between their jumps
    own = {id(x) for x in named}
    return y, y.requires_grad and any(id(x) not in own for x in ends(y))


def _pulled(y: Tensor, inputs: Sequence[Tensor], y_bar: Any, **options: Any) -> Sequence[Any]:
    """The cotangents of the inputs, None where y does not depend on one."""
    if y.requires_grad:
        bars: Sequence[Any] = grad(y, inputs, y_bar, allow_unused=True, **options)
        return bars
    fitting(y_bar, y)
    return [None] * len(inputs)


def _gradient_of(
    f: Callable[..., Any], argnums: Any, y_bar: Any, allow_unused: bool
) -> Callable[..., Any]:
    single = isinstance(argnums, Integral)
    many = isinstance(argnums, tuple | list) and all(isinstance(i, Integral) for i in argnums)
    if not single and not many:
        raise TypeError(
            f"grad: argnums={shown(argnums)} of a function; give the number of an argument, or a "
            f"tuple of numbers, and call what grad returns: grad(f, 0)(x)"
        )
    numbers: list[int] = [argnums] if single else list(argnums)

    def gradient(*args: Any, **options: Any) -> Any:
        if any(not -len(args) <= i < len(args) for i in numbers):
            raise TypeError(f"grad: argnums {argnums} of a call with {len(args)} arguments")
        inputs, full = _inputs([args[i] for i in numbers]), list(args)
        for i, x in zip(numbers, inputs, strict=True):
            full[i] = x
        y, more = _apply(functools.partial(f, **options), full, inputs)
        if y_bar is None and y.size != 1:
            raise ValueError(
                f"grad: the function returned shape {y.shape}, which has many gradients; pass its "
                f"cotangent, an array of that shape, as in grad(f, {argnums}, y_bar), or use vjp"
            )
        found = _pulled(y, inputs, y_bar, create_graph=more or _recording(y_bar))
        if not allow_unused:
            found = _filled(found, inputs)
        return found[0] if single else tuple(found)

    return gradient


def vjp(f: Callable[..., Tensor], *primals: Any) -> tuple[Tensor, Callable[..., Any]]:
    """f(*primals), and the function that pulls a cotangent of it back to all of them.

        y, pullback = vjp(f, x1, x2)
        x1_bar, x2_bar = pullback(y_bar)       # J^T y_bar, as often as wanted

    Zeros where f does not depend on an argument. Raises TypeError where f returns anything but one
    Tensor, or a constant number or array; ValueError for a y_bar that does not fit.

    >>> y, pullback = vjp(lambda x: x**2, np.array([1.0, 3.0]))
    >>> pullback(np.array([1.0, 0.5]))
    (tensor([2., 3.]),)
    """
    inputs = _inputs(primals)
    y, more = _apply(function("f", f), inputs, inputs)

    def pullback(y_bar: Any = None) -> tuple[Tensor, ...]:
        create = more or _recording(y_bar)
        bars = _pulled(y, inputs, y_bar, retain_graph=True, create_graph=create)
        return _filled(bars, inputs)

    return y if more else y.detach(), pullback


def jvp(
    f: Callable[..., Tensor], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """f(*primals), and its derivative along the tangents: the forward product J x_dot.

    By two backward passes: u -> J^T u is linear, and its own pullback is x_dot -> J x_dot.
    Zeros where f does not depend on its arguments. Raises TypeError and ValueError for tangents
    that do not fit, and for what f returns as `vjp` does.

    >>> jvp(lambda x: x**2, [np.array([1.0, 3.0])], [np.array([1.0, 0.5])])
    (tensor([1., 9.]), tensor([2., 3.]))
    """
    if any(isinstance(xs, Value) or backend.is_array(xs) for xs in (primals, tangents)):
        raise TypeError("jvp: pass the primals and the tangents as two lists, even of one each")
    primals = several("primals", primals, "a list of arrays or Tensors")
    tangents = several("tangents", tangents, "a list of arrays or Tensors, one for each primal")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(tangents)} tangents for {len(primals)} primals")
    inputs = _inputs(primals)
    tangents = [like(x_dot, x) for x_dot, x in zip(tangents, inputs, strict=True)]
    for x, x_dot in zip(inputs, tangents, strict=True):
        if x_dot.shape != x.shape or x_dot.dtype != x.dtype:
            raise ValueError(
                f"jvp: tangent {x_dot.dtype} {x_dot.shape} for a primal {x.dtype} {x.shape}"
            )
    (y, more), u_bar = _apply(function("f", f), inputs, inputs), None
    if not y.requires_grad:
        return y.detach(), _zeros(y)
    u = Tensor(_zeros(y)._data, True)
    bars = grad(y, inputs, u, create_graph=True, allow_unused=True)
    create = more or _recording(*tangents)
    for bar, x_dot in zip(bars, tangents, strict=True):
        if bar is not None and bar.requires_grad:
            part = grad(bar, u, x_dot, retain_graph=True, create_graph=create)
            u_bar = part if u_bar is None else u_bar + part
    return y if create else y.detach(), _zeros(y) if u_bar is None else u_bar


def _filled(bars: Sequence[Any], inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple(_zeros(x) if b is None else b for x, b in zip(inputs, bars, strict=True))


def _zeros(x: Tensor) -> Tensor:
    return Tensor(backend.zeros_like(x._data))
