"""Wrong layers: a right one of `layer_implementations` with one line changed.

(function, what it says, what it says instead, the kind and options, names that are right)
"""

from __future__ import annotations

import inspect

from . import layer_implementations as right

CONV = {"kind": "conv2d", "stride": 2, "padding": 1}
BARE = {"kind": "conv2d", "stride": 2}
DENSE = {"kind": "conv2d", "padding": 1}
TRANSPOSED = {"kind": "conv_transpose2d", "stride": 2, "padding": 1}
LINEAR = {"kind": "linear"}

AT = "i * stride : i * stride + kh, j * stride : j * stride + kw"
SUM = "y_bar.sum(axis=(0, 2, 3))"
CROP = "[:, :, pad : pad + h, pad : pad + width]"
PAD = "np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))"
STEP = "x_bar, w_bar, b_bar = backward(y_bar, x, w, **options)"

WRONG = [
    # windows
    ("loops_backward", "xp_bar[at] += w[k] * sent", "xp_bar[at] = w[k] * sent", CONV,
     {"windows_assigned"}),
    ("columns_backward", "np.add.at(xp_bar, (slice(None), k, i, j), back)",
     "xp_bar[:, k, i, j] += back", CONV, {"windows_assigned"}),
    ("taps_backward", "xp_bar[at] +=", "xp_bar[at] =", CONV, {"windows_assigned"}),
    ("transposed_forward", "j * stride + kw] += sent", "j * stride + kw] = sent", TRANSPOSED,
     {"windows_assigned"}),
    ("loops_forward", AT, "i : i + kh, j : j + kw", CONV, {"stride_forgotten"}),
    ("loops_backward", AT, "i : i + kh, j : j + kw", CONV, {"stride_forgotten"}),
    ("loops_backward", AT, "i : i + kh, j * stride : j * stride + kw", BARE, {"stride_forgotten"}),
    ("transposed_backward", AT, "i : i + kh, j : j + kw", TRANSPOSED, {"stride_forgotten"}),
    ("loops_forward", "(h + 2 * pad - kh) // stride", "-(-(h + 2 * pad - kh) // stride)", BARE,
     {"unknown", "wrong_shape", "raises"}),
    # padding
    ("taps_backward", CROP, "[:, :, :h, :width]", CONV, {"padding_forgotten"}),
    ("views_backward", CROP, "", CONV, {"padding_forgotten"}),
    ("views_forward", "(pad, pad), (pad, pad)))", "(pad, pad), (pad, pad)), mode='edge')", CONV,
     {"padding_not_zeros"}),
    ("taps_forward", PAD, "np.pad(x, ((0, 0), (0, 0), (2 * pad, 0), (2 * pad, 0)))", DENSE,
     {"padding_on_one_side"}),
    ("loops_forward", "xp[:, :, pad : pad + h, pad : pad + width] = x",
     "xp[:, :, :h, :width] = x", CONV, {"padding_forgotten"}),
    ("transposed_forward", "full[:, :, pad : end[0], pad : end[1]]",
     "full[:, :, 2 * pad :, 2 * pad :]", TRANSPOSED, {"padding_on_one_side"}),
    ("transposed_forward", "full[:, :, pad : end[0], pad : end[1]]",
     "full[:, :, : end[0] - pad, : end[1] - pad]", TRANSPOSED, {"padding_on_one_side"}),
    ("transposed_backward", "np.pad(y_bar, ((0, 0), (0, 0), (pad, pad), (pad, pad)))",
     "np.pad(y_bar, ((0, 0), (0, 0), (2 * pad, 0), (2 * pad, 0)))", TRANSPOSED,
     {"padding_on_one_side"}),
    ("transposed_forward", "full[:, :, pad : end[0], pad : end[1]]", "full", TRANSPOSED,
     {"padding_forgotten"}),
    # square images
    # A window of width 1 that reaches beyond x is stretched over the kernel, by NumPy.
    ("loops_forward", "(width + 2 * pad - kw)", "(h + 2 * pad - kh)", CONV,
     {"wrong_shape", "raises"}),
    ("loops_backward", "range(y_bar.shape[3])", "range(y_bar.shape[2])", CONV,
     {"square_assumed", "raises"}),
    # the kernel
    ("views_backward", "w[:, :, ::-1, ::-1]", "w", CONV, {"kernel_flipped"}),
    ("views_forward", "windows, w)", "windows, w[:, :, ::-1, ::-1])", CONV, {"kernel_flipped"}),
    ("views_backward", "w[:, :, ::-1, ::-1]", "w[:, :, ::-1]", CONV,
     {"kernel_flipped_along_one_axis"}),
    ("taps_backward", "y_bar, w[:, :, i, j])", "y_bar, w[:, :, -1 - i, -1 - j])", CONV,
     {"kernel_flipped"}),
    # axes
    ("columns_forward", "y.reshape(len(w), ho, wo, len(x)).transpose(3, 0, 1, 2)",
     "y.reshape(len(x), len(w), ho, wo)", CONV, {"reshaped_for_transposed"}),
    ("columns_backward", "y_bar.transpose(1, 2, 3, 0).reshape(len(w), -1)",
     "y_bar.reshape(len(w), -1)", CONV, {"reshaped_for_transposed", "unknown"}),
    ("columns_forward", "cols = xp[:, k, i, j].transpose(1, 2, 0)",
     "cols = xp[:, k, i, j].transpose(1, 0, 2)", CONV, {"reshaped_for_transposed", "unknown"}),
    ("columns_forward", "y = w.reshape(len(w), -1) @ cols",
     "y = w.transpose(0, 2, 3, 1).reshape(len(w), -1) @ cols", CONV, {"taps_and_channels_mixed"}),
    ("columns_backward", "w_bar = (rows @ cols.T).reshape(w.shape)",
     "w_bar = (rows @ cols.T).reshape(len(w), *w.shape[2:], -1).transpose(0, 3, 1, 2)", CONV,
     {"taps_and_channels_mixed"}),
    ("linear_backward", "y_bar.T @ x,", "(x.T @ y_bar).reshape(w.shape),", LINEAR,
     {"reshaped_for_transposed"}),
    ("columns_backward", "w_bar = (rows @ cols.T).reshape(w.shape)",
     "w_bar = (cols @ rows.T).reshape(w.shape)", CONV, {"reshaped_for_transposed"}),
    # clipped
    ("loops_backward", "w_bar, y_bar.sum", "np.clip(w_bar, -50, 50), y_bar.sum", CONV, {"clipped"}),
    ("linear_forward", "x @ w.T", "x @ np.clip(w, -1, 1).T", LINEAR, {"clipped"}),
    ("linear_backward", "y_bar @ w,", "np.clip(y_bar @ w, -100, 100),", LINEAR, {"clipped"}),
    # activations
    ("linear_forward", "return x @ w.T + b", "y = x @ w.T + b; return np.where(y > 0, y, 0.01 * y)",
     LINEAR, {"activation_inside"}),
    ("linear_forward", "return x @ w.T + b", "return np.logaddexp(0, x @ w.T + b)", LINEAR,
     {"activation_inside"}),
    ("linear_forward", "return x @ w.T + b", "y = x @ w.T + b; return y / (1 + np.exp(-y))", LINEAR,
     {"activation_inside"}),
    ("linear_backward", "y_bar @ w,", "y_bar @ w * (x > 0),", LINEAR, {"activation_before"}),
    ("linear_backward", "y_bar @ w,", "y_bar @ w * (1 - x * x),", LINEAR, {"activation_before"}),
    # scales and channels
    ("linear_forward", "x @ w.T", "x @ w.T / np.sqrt(w.shape[1])", LINEAR, {"weight_scaled"}),
    ("taps_backward", "y_bar, w[:, :, i, j])", "y_bar, w[:, :, i, j] / w[0, 0].size)", CONV,
     {"weight_scaled"}),
    ("linear_forward", "x @ w.T", "x[:, :1] @ w[:, :1].T", LINEAR, {"one_input_channel"}),
    ("with_norm", "forward(x, normalised(v, g)[0], b,",
     "forward(x, normalised(v, g)[0], g.ravel() * b,", CONV, {"bias_gained"}),
    ("linear_forward", "+ b", "+ 2 * b", LINEAR, {"constant_factor"}),
    ("linear_backward", "y_bar.sum(axis=0)", "y_bar.sum(axis=0) * 0.5", LINEAR,
     {"constant_factor"}),
    # steps
    ("with_norm", "*pulled(w_bar, v, g, n), b_bar",
     "*(p - 0.1 * q for p, q in zip((v, g, b), (*pulled(w_bar, v, g, n), b_bar)))", CONV,
     {"stepped"}),
    # the bias
    ("loops_forward", " + b[k]", "", CONV, {"bias_forgotten"}),
    ("loops_forward", "+ b[k]", "- b[k]", CONV, {"bias_subtracted"}),
    ("loops_backward", SUM, "y_bar.sum()", CONV, {"b_bar_scalar"}),
    ("loops_backward", SUM, "y_bar.sum(axis=0)", CONV, {"b_bar_not_over_positions"}),
    ("loops_backward", SUM, "y_bar.sum(axis=(2, 3))", CONV, {"b_bar_not_over_samples"}),
    ("loops_backward", SUM, "y_bar.sum(axis=(1, 2, 3))", CONV, {"b_bar_over_other_axes"}),
    ("loops_backward", SUM, "y_bar.mean(axis=(0, 2, 3))", CONV, {"b_bar_mean"}),
    ("loops_backward", SUM, "y_bar.sum(axis=0).mean(axis=(1, 2))", CONV, {"b_bar_mean"}),
    ("linear_backward", "y_bar.sum(axis=0)", "y_bar.mean(axis=0)", LINEAR, {"mean_over_batch"}),
    # sums over samples and positions
    ("loops_backward", f"w_bar, {SUM}", f"w_bar / len(x), {SUM} / len(x)", CONV,
     {"mean_over_batch"}),
    ("linear_backward", "y_bar.T @ x, y_bar.sum(axis=0)",
     "y_bar.T @ x / len(x), y_bar.sum(axis=0) / len(x)", LINEAR, {"mean_over_batch"}),
    ("taps_backward", f"{CROP}, w_bar", f"{CROP} / len(x), w_bar", CONV,
     {"x_bar_mean_over_batch"}),
    ("loops_backward", "w_bar[k] += (xp[at] * sent).sum(axis=0)",
     "w_bar[k] = (xp[at] * sent).sum(axis=0)", CONV, {"last_window"}),
    ("loops_backward", "(xp[at] * sent).sum(axis=0)", "(xp[at] * sent)[-1]", CONV,
     {"one_sample"}),
    ("taps_backward", '"nohw,nchw->oc", y_bar, xp[at])',
     '"nohw,nchw->oc", y_bar, xp[at]) / y_bar[0, 0].size', CONV, {"w_bar_mean"}),
    ("taps_backward", "ho, wo = y_bar.shape[2:]",
     "y_bar = np.ones_like(y_bar); ho, wo = y_bar.shape[2:]", CONV, {"ones_for_y_bar"}),
    ("linear_backward", "y_bar @ w,", "2 * y_bar @ w,", LINEAR, {"constant_factor"}),
    ("linear_backward", "y_bar @ w,", "-y_bar @ w,", LINEAR, {"w_negated"}),
    # the weight
    ("with_norm", "backward(y_bar, x, w, **options)", "backward(y_bar, x, v, **options)", CONV,
     {"v_for_w"}),
    ("with_norm", "backward(y_bar, x, w, **options)", "backward(y_bar, x, v / n, **options)", CONV,
     {"w_no_g"}),
    ("with_norm", "x, normalised(v, g)[0], b", "x, v, b", CONV, {"v_for_w", "w_is_v"}),
    ("with_norm", "return x_bar, *pulled(w_bar, v, g, n)",
     "return x_bar, *pulled(w_bar + 0.01 * w, v, g, n)", LINEAR, {"weight_decay", "unknown"}),
    ("with_norm", "return x_bar, *pulled(w_bar, v, g, n)",
     "v_bar, g_bar = pulled(w_bar, v, g, n); v_bar = v_bar + 0.01 * v; return x_bar, v_bar, g_bar",
     CONV, {"weight_decay"}),
    ("with_norm", STEP, f"{STEP}; x_bar = backward(y_bar, x, normalised(*(p - 0.1 * q for p, q in "
     "zip((v, g), pulled(w_bar, v, g, n))))[0], **options)[0]", CONV, {"stepped_before_x_bar"}),
    ("with_norm", STEP, f"{STEP}; x_bar = backward(y_bar, x, normalised(*(p - 2**30 * q for p, q "
     "in zip((v, g), pulled(w_bar, v, g, n))))[0], **options)[0]", CONV, {"stepped_before_x_bar"}),
    ("normalised", "(v * v)", "(v * v)[..., :-1]", LINEAR,
     {"norm_but_last", "norm_but_last_in_formula"}),
    ("normalised", "(v * v)", "(v * v)[:, :1]", CONV,
     {"norm_of_first", "norm_of_first_in_formula"}),
    ("pulled", "- g_bar * v / n)", "- g_bar.sum() * v / n)", CONV, {"proj_all_slices"}),
    ("normalised", "(v * v).sum(axis=axes, keepdims=True)",
     "(v * v).sum(axis=axes, keepdims=True) + 1e-6", CONV, {"eps_inside"}),
    ("normalised", "np.sqrt((v * v).sum(axis=axes, keepdims=True))",
     "np.sqrt((v * v).sum(axis=axes, keepdims=True)) + 1e-8", CONV, {"eps_outside"}),
    ("normalised", "axes = tuple(a for a in range(v.ndim) if g.shape[a] == 1)",
     "axes = tuple(range(2, v.ndim))", CONV, {"norm_of_taps", "unknown", "wrong_shape"}),
    ("pulled", "(w_bar - g_bar * v / n)", "w_bar", CONV, {"no_projection"}),
    ("pulled", "keepdims=True) / n", "keepdims=True)", CONV, {"g_bar_no_norm", "proj_n1"}),
    ("pulled", "return g / n *", "return", LINEAR, {"missing_g_over_n"}),
]


def planted(name, old, new):
    """The namespace of the right implementations with one function changed."""
    source = inspect.getsource(right)
    where = source.index(f"def {name}(")
    end = source.find("\n\n\n", where)
    body = source[where:end]
    assert old in body, (name, old)
    changed = source[:where] + body.replace(old, new) + source[end:]
    namespace = {"__name__": "wrong_layers.planted"}
    exec(compile(changed, f"{name}: {new}", "exec"), namespace)
    return namespace


def wrong_layer(name, old, new, options):
    """(forward, backward) of v and g."""
    space = planted(name, old, new)
    style = name.rpartition("_")[0]
    if style not in (*right.STYLES, "transposed", "linear"):
        kind = options["kind"]
        style = "linear" if kind == "linear" else "transposed" if "trans" in kind else "taps"
    how = {} if style == "linear" else {
        "stride": options.get("stride", 1), "pad": options.get("padding", 0)
    }
    return space["with_norm"](space[f"{style}_forward"], space[f"{style}_backward"], **how)
