"""The derivatives as functions: grad, vjp and jvp."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import backend, ops
from .graph import Value, ends, raw
from .tensors import Tensor, like, owned, tensor, walk_from

__all__ = ["grad", "jvp", "vjp"]


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

    inputs: one Tensor, giving one gradient, or a sequence, giving a tuple. cotangent: of the
    output's shape, 1 by default. With `create_graph` the gradients can be differentiated again.
    Raises RuntimeError where the output does not depend on an input, unless `allow_unused`, when
    that gradient is None.
    """
    if callable(output) and not isinstance(output, Tensor):
        return _gradient_of(output, 0 if inputs is None else inputs)
    if inputs is None:
        raise TypeError("grad: pass the Tensors to differentiate with respect to as well")
    single = isinstance(inputs, Value)
    wanted: list[Any] = [inputs] if single else list(inputs)
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
    own = iter(owned((bars[x] for x in wanted if x in bars), cotangent))
    found = tuple(next(own) if x in bars else None for x in wanted)
    return found[0] if single else found


def _recording(*values: Any) -> bool:
    return any(isinstance(x, Tensor) and x.requires_grad for x in values)


def _inputs(values: Sequence[Any]) -> list[Tensor]:
    """Tensors to differentiate by: new leaves, or new names for what is in a graph already.

    Without a name of its own, an x that f uses as argument and also by closure would be counted
    twice in the derivative by the argument.
    """
    return [
        ops.reshape(x, shape=x.shape) if _recording(x) else Tensor(raw(tensor(x)), True)
        for x in values
    ]


def _apply(f: Callable[..., Any], inputs: Sequence[Any], named: Sequence[Any]) -> Any:
    """y = f(*inputs), and whether y depends on more than the named ones: on what f closes over.

    Then the derivatives of f depend on that as well, and have to be recorded.
    """
    y = f(*inputs)
    if not isinstance(y, Tensor):
        raise TypeError(f"the function to differentiate returned a {type(y).__name__}, no Tensor")
    own = {id(x) for x in named}
    return y, any(id(x) not in own for x in ends(y))


def _gradient_of(f: Callable[..., Any], argnums: int | Sequence[int]) -> Callable[..., Any]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)

    def gradient(*args: Any) -> Any:
        if any(not -len(args) <= i < len(args) for i in numbers):
            raise TypeError(f"grad: argnums {argnums} of a call with {len(args)} arguments")
        inputs, full = _inputs([args[i] for i in numbers]), list(args)
        for i, x in zip(numbers, inputs, strict=True):
            full[i] = x
        y, more = _apply(f, full, inputs)
        found = grad(y, inputs, create_graph=more)
        return found[0] if isinstance(argnums, int) else found

    return gradient


def vjp(f: Callable[..., Tensor], *primals: Any) -> tuple[Tensor, Callable[..., Any]]:
    """f(*primals), and the function that pulls a cotangent of it back to all of them.

    y, pullback = vjp(f, x1, x2)
    x1_bar, x2_bar = pullback(y_bar)       # J^T y_bar, as often as wanted
    """
    inputs = _inputs(primals)
    y, more = _apply(f, inputs, inputs)

    def pullback(y_bar: Any = None) -> tuple[Tensor, ...]:
        create = more or _recording(y_bar)
        options = {"retain_graph": True, "create_graph": create, "allow_unused": True}
        bars = grad(y, inputs, y_bar, **options)
        return tuple(_zeros(x) if b is None else b for x, b in zip(inputs, bars, strict=True))

    return y if more else y.detach(), pullback


def jvp(
    f: Callable[..., Tensor], primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """f(*primals), and its derivative along the tangents: the forward product J x_dot.

    By two backward passes: u -> J^T u is linear, and its own pullback is x_dot -> J x_dot.
    """
    if any(isinstance(xs, Value) or backend.is_array(xs) for xs in (primals, tangents)):
        raise TypeError("jvp: pass the primals and the tangents as two lists, even of one each")
    if len(primals) != len(tangents):
        raise ValueError(f"jvp: {len(tangents)} tangents for {len(primals)} primals")
    inputs = _inputs(primals)
    tangents = [like(x_dot, x) for x_dot, x in zip(tangents, inputs, strict=True)]
    for x, x_dot in zip(inputs, tangents, strict=True):
        if x_dot.shape != x.shape or x_dot.dtype != x.dtype:
            raise ValueError(
                f"jvp: tangent {x_dot.dtype} {x_dot.shape} for a primal {x.dtype} {x.shape}"
            )
    (y, more), u_bar = _apply(f, inputs, inputs), None
    u = Tensor(_zeros(y)._data, True)
    bars = grad(y, inputs, u, create_graph=True, allow_unused=True)
    create = more or _recording(*tangents)
    for bar, x_dot in zip(bars, tangents, strict=True):
        if bar is not None and bar.requires_grad:
            part = grad(bar, u, x_dot, retain_graph=True, create_graph=create)
            u_bar = part if u_bar is None else u_bar + part
    return y if create else y.detach(), _zeros(y) if u_bar is None else u_bar


def _zeros(x: Tensor) -> Tensor:
    return Tensor(backend.zeros_like(x._data))
