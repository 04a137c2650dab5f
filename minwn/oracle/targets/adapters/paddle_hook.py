"""paddle.nn.utils.weight_norm: a hook computes layer.weight of weight_g and weight_v at each call.

dim is NumPy's axis where it is not negative; -1 is one norm of the whole, as None is. The two
divide by another length each: by max(n, 1e-12), and for the whole by n + 1e-12. On a CPU there are
kernels for two dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy

from .adapter import Adapter, Axis, Roles

__all__ = ["HOOK", "WHOLE"]


def functions(axis: Axis, form: str, eps: float) -> Roles:
    import paddle

    class Layer(paddle.nn.Layer):
        def __init__(self, shape: Any, dtype: str) -> None:
            super().__init__()
            self.weight = self.create_parameter(shape, dtype=dtype)

        def forward(self) -> Any:
            return self.weight

    def tensor(x: Any, shape: Any = None) -> Any:
        # Through float64, for paddle does not read NumPy's bfloat16; no number is changed.
        in_float64 = numpy.array(x, dtype="float64").reshape(x.shape if shape is None else shape)
        return paddle.to_tensor(in_float64, place=paddle.CPUPlace()).astype(str(x.dtype))

    def array(x: Any, like: Any) -> numpy.ndarray:
        same = str(x.dtype) == f"paddle.{like.dtype}"
        return x.astype("float64").numpy().reshape(like.shape).astype(like.dtype if same else float)

    def weight(v: Any, g: Any) -> tuple[Any, list[Any]]:
        dim = v.ndim - 1 if axis == -1 else axis
        layer = paddle.nn.utils.weight_norm(Layer(v.shape, str(v.dtype)), dim=dim)
        for parameter, x in ((layer.weight_v, v), (layer.weight_g, g)):
            parameter.set_value(tensor(x, parameter.shape))
        return layer(), [layer.weight_v, layer.weight_g]

    def forward(v: Any, g: Any) -> Any:
        return array(weight(v, g)[0], v)

    def backward(w_bar: Any, v: Any, g: Any) -> Any:
        w, inputs = weight(v, g)
        found = paddle.grad([w], inputs, [tensor(w_bar)])
        return tuple(map(array, found, (v, g)))

    def double_backward(v_bar_bar: Any, g_bar_bar: Any, w_bar: Any, v: Any, g: Any) -> Any:
        (w, inputs), cotangent = weight(v, g), tensor(w_bar)
        cotangent.stop_gradient = False
        first = paddle.grad([w], inputs, [cotangent], create_graph=True)
        second = [tensor(v_bar_bar), tensor(g_bar_bar, inputs[1].shape)]
        found = paddle.grad(first, [cotangent, *inputs], second)
        return tuple(map(array, found, (w_bar, v, g)))

    return {"forward": forward, "backward": backward, "double_backward": double_backward}


DTYPES = ("float64", "float32")
HOOK = Adapter(
    name="paddle.hook", runs="paddle.nn.utils.weight_norm(layer)", distribution="paddlepaddle",
    functions=functions, axes=(0, -1), lengths=(("max_n", 1e-12),), dtypes=DTYPES,
)
WHOLE = Adapter(
    name="paddle.whole", runs="paddle.nn.utils.weight_norm(layer, dim=None)",
    distribution="paddlepaddle", functions=functions, axes=(None,), lengths=(("outside", 1e-12),),
    dtypes=DTYPES,
)
