"""What of CuPy minwn may use: every name, and every keyword. The stand-in offers no more, and a
test holds the list against CuPy itself, which knows its own names where there is no GPU."""

from __future__ import annotations

# name -> keywords, beside those that are given by their place
UFUNCS = dict.fromkeys(
    (
        "abs", "add", "cos", "divide", "exp", "expm1", "frexp", "hypot", "isfinite", "isnan",
        "ldexp", "log", "logaddexp", "maximum", "minimum", "multiply", "sin", "sqrt",
        "subtract", "tanh",
    ),
    "out dtype",
)
FUNCTIONS = {
    "arange": "dtype",
    "argsort": "axis kind",
    "argwhere": "",
    "array": "dtype copy",
    "asarray": "dtype",
    "ascontiguousarray": "dtype",
    "broadcast_to": "",
    "concatenate": "axis",
    "copyto": "",
    "einsum": "optimize",
    "empty": "dtype",
    "empty_like": "dtype shape",
    "eye": "dtype",
    "flatnonzero": "",
    "flip": "axis",
    "from_dlpack": "",
    "full_like": "dtype shape",
    "matmul": "out",
    "moveaxis": "",
    "ones": "dtype",
    "ones_like": "dtype shape",
    "tensordot": "axes",
    "where": "",
    "zeros": "dtype",
    "zeros_like": "dtype shape",
}
METHODS = {
    "all": "axis keepdims",
    "any": "axis keepdims",
    "argmax": "axis",
    "argmin": "axis",
    "astype": "copy",
    "copy": "order",
    "cumsum": "axis dtype",
    "get": "",
    "item": "",
    "max": "axis keepdims",
    "mean": "axis dtype keepdims",
    "min": "axis keepdims",
    "prod": "axis dtype keepdims",
    "repeat": "axis",
    "reshape": "",
    "round": "",
    "squeeze": "axis",
    "sum": "axis dtype keepdims",
    "swapaxes": "",
    "transpose": "",
}
ATTRIBUTES = (
    "T", "data", "device", "dtype", "flags", "imag", "itemsize", "nbytes", "ndim", "real", "shape",
    "size", "strides",
)
DTYPES = ("bool_", "float16", "float32", "float64", "int32", "int64")
CUDA = {
    "Device": "compute_capability id mem_info synchronize use",
    "Event": "record synchronize",
    "get_elapsed_time": "",
}
RUNTIME = ("driverGetVersion", "getDeviceCount", "getDeviceProperties", "runtimeGetVersion")
