"""The usual names of arguments, answers, attributes, functions and options, as tables.

Names are compared in small letters and without underscores: `weight_g`, `Weight_G` and `weightG`
are one name. A name that is in no table decides nothing: then `probes` do.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "about_weight_norm", "cotangent", "grads", "is_cache", "is_context", "is_upstream", "kind",
    "may_be_log", "option", "params", "plain", "role", "stem", "wanted_axis", "wanted_rank",
]

# The arrays of a weight norm, w = g v / ||v||, and of a layer, y = layer(x, w) + b.
ARRAYS = {
    "v": "v weight_v v_weight kernel_v direction raw_weight weight_direction",
    "g": "g gain gains scale scales weight_g g_weight kernel_g gamma magnitude m_scale",
    "log_g": "log_g log_gain log_scale log_s s_log log_magnitude s",
    "b": "b bias biases weight_b b_vec bias_vector",
    "x": "x input inputs inp a_prev prev_a x_in data images activations in_data layer_input a",
    "w": "w weight weights kernel kernels filter filters wt mat w_mat weight_matrix theta",
    "y": "y z out output outputs y_out result res o out_data",
}
GAINS = "g gain gains weight_g log_g log_gain"  # a log is never tried for the first four

# A cotangent: the name of an array with one of these before or after it.
BEFORE = ("dlossd", "dld", "grad", "gradient", "gradof", "gradientof", "delta", "d")
AFTER = ("gradients", "gradient", "grads", "grad", "bar", "cotangent", "ct", "adjoint", "delta")
UPSTREAM = (  # cotangents of the result, whatever the result is called
    "dout douts d_out grad grads grad_output grad_outputs grad_out output_grad output_gradient "
    "gradient upstream upstream_grad delta error err cotangent ct da dz dy dl_dy dl_dz dl_dout "
    "out_grad output_error next_grad grad_next dnext incoming dloss g_out gy y_bar w_bar eta_out"
)
CACHES = "cache caches saved state residuals memory tape store saved_tensors aux residual memo"
CONTEXTS = "ctx context"
PARAMS = "params param parameters weights_dict variables theta_dict"
GRADS = "grads grad gradients gradient dparams d_params grad_params"
RATES = ("lr", "learning_rate")  # attributes that are set where backward steps
RENEW = (  # methods after which an object may keep other things than before
    "update", "update_params", "update_weights", "step", "reset", "refresh", "recompute",
    "invalidate",
)
PARAM_VALUES = ("data", "value", "array", "val", "values")  # of a small class Parameter

# Functions and methods, by the words in their names.
FORWARD = ("forward", "fwd", "apply", "call", "f", "fprop")
BACKWARD = (
    "backward", "backwards", "bwd", "back", "backprop", "bprop", "vjp", "grad", "grads", "gradient",
    "gradients", "pullback", "b", "backpropagate", "adjoint",
)
DIRECTIONS = ("forward", "fwd", "backward", "bwd")  # also in the middle: conv_forward_naive
FORWARD_METHODS = (
    "forward", "__call__", "fwd", "call", "forward_pass", "forward_propagation", "fprop", "apply",
    "feedforward", "feed_forward", "forward_prop", "compute_weight", "get_weight", "weight",
    "compute", "normalize", "normalise",
)
BACKWARD_METHODS = (
    "backward", "backprop", "bwd", "backward_pass", "backward_propagation", "bprop", "grad",
    "gradient", "gradients", "vjp", "back_propagation", "backpropagate", "back", "backward_prop",
)
WEIGHT_NORM = ("weight", "weightnorm", "wn", "wnorm", "reparam", "reparameterize", "reparametrize")
KINDS = {  # a word of a name, and the layer it stands for; "conv" alone has the rank of its weight
    "linear": "linear", "affine": "linear", "dense": "linear", "fc": "linear",
    "fullyconnected": "linear", "conv1d": "conv1d", "conv2d": "conv2d", "conv3d": "conv3d",
    "conv": "conv", "convolution": "conv", "convolutional": "conv",
    "convtranspose1d": "conv_transpose1d", "convtranspose2d": "conv_transpose2d",
    "convtranspose3d": "conv_transpose3d", "convtranspose": "conv_transpose",
    "deconv": "conv_transpose", "transposedconv": "conv_transpose", "tconv": "conv_transpose",
    "deconvolution": "conv_transpose", "upconv": "conv_transpose",
    "convtransposed": "conv_transpose", "transposedconvolution": "conv_transpose",
    "transposeconv": "conv_transpose", "conv1dtranspose": "conv_transpose1d",
    "conv2dtranspose": "conv_transpose2d", "conv3dtranspose": "conv_transpose3d",
}

# Arguments of constructors and functions, and attributes, that are no arrays.
OPTIONS = {
    "inputs": "in_features n_in input_size in_dim in_channels c_in channels_in input_dim fan_in i "
              "nin in_size d_in input_channels n_inputs num_inputs in_ch cin c channels n_input ic "
              "input_features in_units n_features num_channels n_channels input_depth nx",
    "outputs": "out_features n_out output_size out_dim out_channels c_out units n_filters o oc ny "
               "num_filters filters features nout d_out n_outputs out_ch cout output_channels "
               "num_kernels n_neurons neurons output_dim fan_out out_size channels_out n_output "
               "num_outputs n_units out_units n_kernels num_output depth n_f nf hidden",
    "kernel": "kernel_size k ksize filter_size f kernel kernel_shape size filter_shape ks window "
              "kernel_dim field k_size filter_dim",
    "kernel_height": "kh kernel_height filter_height hh fh k_h",
    "kernel_width": "kw kernel_width filter_width ww fw k_w",
    "stride": "stride strides s step hstride",
    "padding": "padding pad p pads zero_padding pad_size",
    "dilation": "dilation dilations dilate dilation_rate d kernel_dilation",
    "groups": "groups n_groups group num_groups feature_group_count",
    "output_padding": "output_padding out_pad outpad out_padding",
    "bias": "bias use_bias has_bias with_bias",
    "lr": "lr learning_rate eta alpha step_size learn_rate",
    "seed": "seed rng random_state key rngs generator",
    "shape": "shape weight_shape w_shape v_shape kernel_dims",
    "input_shape": "input_shape in_shape x_shape shape_in",
    "bundle": "conv_param conv_params hparameters hparams options opts param config layer_param",
    "axis": "axis dim axes dims feature_axes",
}
_OUT = r"(o|out|n_out|c_out|out_features|out_channels|cout|units|features|fan_out|d_out)"
AXES_SAID = {  # what a comment, a docstring or a name may say of the axis of outputs
    0: rf"\(\s*{_OUT}\s*,\s*[^\s)]|\bOIHW\b|\bOIW\b|\bout, in\b",
    -1: rf",\s*{_OUT}\s*\)|\bHWIO\b|\bWIO\b|\bkernel\b|\bin, out\b",
    None: r"\bscalar\b|\bg: float\b|\bwhole\b",
}


def plain(name: str) -> str:
    """A name in small letters, without underscores."""
    return name.lower().replace("_", "")


def _table(rows: dict[str, str]) -> dict[str, str]:
    """{name: the first row that has it}."""
    found: dict[str, str] = {}
    for key, text in rows.items():
        for name in text.split():
            found.setdefault(plain(name), key)
    return found


_ROLE, _OPTION = _table(ARRAYS), _table(OPTIONS)
_SETS = {
    key: {plain(name) for name in text.split()}
    for key, text in {
        "upstream": UPSTREAM, "cache": CACHES, "context": CONTEXTS, "params": PARAMS,
        "gains": GAINS, "grads": GRADS,
    }.items()
}


def role(name: str) -> str | None:
    """The array that an argument, attribute or key stands for: "v", "g", "w", ..., or None."""
    return _ROLE.get(plain(name))


def option(name: str) -> str | None:
    """The option that an argument or attribute stands for: "stride", "inputs", ..., or None."""
    return _OPTION.get(plain(name))


def cotangent(name: str) -> str | None:
    """The array whose gradient a name stands for: "v" for dv, grad_v, v_bar, dL_dv, or None."""
    name = plain(name)
    for affix in BEFORE:
        if name.startswith(affix) and name[len(affix):] in _ROLE:
            return _ROLE[name[len(affix):]]
    for affix in AFTER:
        if name.endswith(affix) and name[: -len(affix)] in _ROLE:
            return _ROLE[name[: -len(affix)]]
    return None


def is_upstream(name: str) -> bool:
    """Whether an argument of backward is the cotangent of the result, by its name alone."""
    return plain(name) in _SETS["upstream"]


def is_cache(name: str) -> bool:
    """Whether an argument of this name is what forward keeps for backward."""
    return plain(name) in _SETS["cache"]


def is_context(name: str) -> bool:
    """Whether an argument of this name is a context, such as PyTorch's ctx."""
    return plain(name) in _SETS["context"]


def params(name: str) -> bool:
    """Whether it is a dict of parameters."""
    return plain(name) in _SETS["params"]


def grads(name: str) -> bool:
    """Whether it is a dict of gradients."""
    return plain(name) in _SETS["grads"]


def may_be_log(name: str) -> bool:
    """Whether the gain of that name may be a logarithm: not where it is called g or gain."""
    return role(name) == "log_g" or plain(name) not in _SETS["gains"]


def words(name: str) -> list[str]:
    """The words of a name: ["weight", "norm", "backward"] for weight_norm_backward."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return [word.lower() for word in split.split("_") if word]


def stem(name: str) -> tuple[str, str]:
    """(what a function is called but for its direction, "forward", "backward" or "")."""
    found = words(name)
    for which, known in (("backward", BACKWARD), ("forward", FORWARD)):
        inner = [word for word in found[1:-1] if word in DIRECTIONS]
        for word in [*found[-1:], *found[:1], *inner]:
            if word in known:
                rest = list(found)
                rest.remove(word)
                return "_".join(rest), which
    return "_".join(found), ""


def about_weight_norm(name: str) -> bool:
    """Whether a name says weight norm."""
    return any(word in WEIGHT_NORM for word in words(name)) or "weightnorm" in plain(name)


def kind(name: str) -> str | None:
    """The kind of layer that a name says: "linear", "conv2d", "conv" of any rank, or None."""
    whole = plain(name)
    for word in sorted(KINDS, key=len, reverse=True):
        if word in (whole if len(word) > 3 else words(name)):
            return KINDS[word]
    return None


def wanted_axis(text: str) -> Any:
    """The axis of outputs that a text names: 0, -1, or None for one norm of the whole.

    ... (Ellipsis) where it names none, or several.
    """
    found = [axis for axis, pattern in AXES_SAID.items() if re.search(pattern, text)]
    return found[0] if len(found) == 1 else ...


def wanted_rank(text: str) -> int | None:
    """4 where a text says that v is a kernel of two axes of space, and None otherwise."""
    tuples = re.findall(r"\(\s*" + r"\s*,\s*".join([r"(\w+)"] * 4) + r"\s*\)", text.lower())
    said = any({"h", "kh"} & {*t} and {"w", "kw"} & {*t} for t in tuples)
    return 4 if said or re.search(r"\b(OIHW|HWIO)\b", text) else None
