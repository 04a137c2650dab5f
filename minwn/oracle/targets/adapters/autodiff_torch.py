"""The derivatives of a function of tensors by PyTorch's own autodiff, as functions of arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from .adapter import Roles

__all__ = ["derivatives", "holder", "one_thread"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, on every machine; and small arrays do not wait for idle threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def holder(weight: Any) -> Any:
    """A layer that has a weight, and answers with it."""
    import torch

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(weight)

        def forward(self) -> Any:
            return self.weight

    return Layer()


def derivatives(weight: Callable[[Any, Any], Any]) -> Roles:
    """forward, backward, jvp and double_backward of weight(v, g) -> w, in the arrays' dtype."""
    import torch

    def tensors(*arrays: Any, grad: bool = False) -> list[Any]:
        # Through float64, for torch does not read NumPy's bfloat16; no number is changed.
        in_float64 = [torch.from_numpy(numpy.array(x, dtype="float64")) for x in arrays]
        dtypes = [getattr(torch, str(x.dtype)) for x in arrays]
        return [
            x.to(dtype).requires_grad_(grad) for x, dtype in zip(in_float64, dtypes, strict=True)
        ]

    def array(x: Any, like: Any) -> numpy.ndarray:
        same = x.dtype == getattr(torch, str(like.dtype))
        found = x.detach().double().numpy()
        return found.astype(like.dtype if same else "float64")  # the check has to see another

    def forward(v: Any, g: Any) -> Any:
        with torch.no_grad():
            return array(weight(*tensors(v, g)), v)

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        (cotangent,), inputs = tensors(w_bar), tensors(v, g, grad=True)
        found = torch.autograd.grad(weight(*inputs), inputs, cotangent)
        return tuple(array(x, v) for x in found)

    def jvp(v: Any, g: Any, v_dot: Any, g_dot: Any) -> Any:
        forward_ad = torch.autograd.forward_ad
        with forward_ad.dual_level():
            duals = map(forward_ad.make_dual, tensors(v, g), tensors(v_dot, g_dot))
            return array(forward_ad.unpack_dual(weight(*duals)).tangent, v)

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        w_bar, *inputs = every = tensors(w_bar, v, g, grad=True)
        first = torch.autograd.grad(weight(*inputs), inputs, w_bar, create_graph=True)
        found = torch.autograd.grad(first, every, tensors(v_bar_bar, g_bar_bar))
        return tuple(array(x, v_bar_bar) for x in found)

    return {"forward": forward, "backward": backward, "jvp": jvp,
            "double_backward": double_backward}
