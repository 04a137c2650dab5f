"""Code as people write it is read, right code passes, and no reading hides a mistake."""

import functools

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.targets.reading import Unreadable
from minwn.oracle.targets.target import TargetError

from .wild_functions import FUNCTIONS
from .wild_layers import JAX, KERAS, LAYERS, TORCH


@pytest.fixture
def judged(tmp_path):
    """The report on a text."""

    def judged(text, options=None, **hints):
        path = tmp_path / "theirs.py"
        path.write_text(text)
        return oracle.read(str(path), **hints).check(**(options or {}))

    return judged


def mistakes(table):
    return [(name, i) for name, (_, wrong) in table.items() for i in range(len(wrong))]


def with_mistake(table, name, i):
    text, wrong = table[name]
    old, new = wrong[i]
    assert old in text, (name, i)
    return text.replace(old, new)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_function_passes(judged, name):
    report = judged(FUNCTIONS[name][0])
    assert report.verdict == "PASS", report
    assert report.notes[0].startswith("read as ")


@pytest.mark.parametrize(("name", "i"), mistakes(FUNCTIONS))
def test_a_wrong_function_fails(judged, name, i):
    report = judged(with_mistake(FUNCTIONS, name, i))
    assert report.verdict == "FAIL", report
    assert report.diagnosis


@pytest.mark.parametrize("name", LAYERS)
def test_a_right_layer_passes(judged, name):
    report = judged(LAYERS[name][0])
    assert report.verdict == "PASS", report
    assert report.notes[0].startswith("read as ")


@pytest.mark.parametrize(("name", "i"), mistakes(LAYERS))
def test_a_wrong_layer_fails(judged, name, i):
    report = judged(with_mistake(LAYERS, name, i))
    assert report.verdict == "FAIL", report
    assert report.diagnosis


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", TORCH)
def test_what_is_written_with_torch(judged, name):
    pytest.importorskip("torch")
    assert judged(TORCH[name][0]).verdict == "PASS"
    for _, i in mistakes({name: TORCH[name]}):
        assert judged(with_mistake(TORCH, name, i)).verdict == "FAIL"


@pytest.mark.slow
def test_torchs_own_weight_norm_is_not_asked_for_no_entries(judged):
    pytest.importorskip("torch")
    text = "import torch\n\ndef weight_norm(v, g):\n    return torch._weight_norm(v, g, 0)\n"
    report = judged(text)  # in this process, which it would end
    assert [d.id for d in report.diagnosis] == ["second_frozen_norm"]
    assert any("torch._weight_norm of no entries" in note for note in report.notes)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
def test_nor_are_functions_of_numpy_that_call_torch(judged):
    pytest.importorskip("torch")
    report = judged("""import numpy as np
import torch

def forward(v, g):
    return torch._weight_norm(torch.from_numpy(v), torch.from_numpy(g), 0).numpy()

def backward(w_bar, v, g):
    v, g = (torch.from_numpy(np.array(x)).requires_grad_() for x in (v, g))
    w = torch._weight_norm(v, g, 0)
    return tuple(x.numpy() for x in torch.autograd.grad(w, (v, g), torch.from_numpy(w_bar)))
""")
    assert report.verdict == "PASS", report
    assert any("torch._weight_norm of no entries" in note for note in report.notes)


GLOBAL = """import numpy as np

kept = {}

def forward(v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    kept.update(v=v, g=g, n=n)
    return g * v / n

def backward(dw):
    v, g, n = kept["v"], kept["g"], kept["n"]
    dg = (dw * v).sum(axis=1, keepdims=True) / n
    return g / n * (dw - dg * v / n), dg
"""


def test_forward_is_called_before_a_backward_that_needs_what_it_has_kept_in_a_global(judged):
    assert judged(GLOBAL).verdict == "PASS"
    wrong = judged(GLOBAL.replace("(dw - dg", "(dw + dg"))
    assert [d.id for d in wrong.diagnosis] == ["proj_sign"]
    once = GLOBAL.replace("    kept.update", "    if not kept:\n        kept.update")
    assert judged(once).verdict == "FAIL"


@pytest.mark.slow
@pytest.mark.parametrize("name", JAX)
def test_what_is_written_with_jax(judged, name):
    pytest.importorskip("flax")
    pytest.importorskip("equinox")
    report = judged(JAX[name][0])
    assert (report.verdict, report.dtype) == ("PASS", "float32")
    few = {"options": {"groups": ("generic",)}}  # each shape is compiled, twice, in 0.1 s
    for _, i in mistakes({name: JAX[name]}):
        assert judged(with_mistake(JAX, name, i), **few).verdict == "FAIL"


@pytest.mark.slow
@pytest.mark.parametrize("name", KERAS)
def test_what_is_written_with_keras(judged, name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    pytest.importorskip("keras")
    assert judged(KERAS[name][0]).verdict == "PASS"
    for _, i in mistakes({name: KERAS[name]}):
        assert judged(with_mistake(KERAS, name, i)).verdict == "FAIL"


# ---- how it was read ----------------------------------------------------------------------------

STATED = {
    "reversed_answers": "read as forward(g, v) and backward(g, v, w_bar); g as (o, 1); a norm for "
    "each index of axis 0; answers (g_bar, v_bar)",
    "flat_gain": "g as (o,); a norm for each index of axis 0",
    "cache_columns": "weightnorm_bwd(w_bar, cache); gain as (o,); a norm for each index of "
    "the last axis",
    "v_bar_alone": "answers v_bar alone",
    "log_gain": "log_g as (o, 1), the logarithm of the gain",
    "whole_with_a_number": "one norm of the whole",
    "transposed_convolution": "g as (1, o, 1); a norm for each index of axis 1",
    "w_and_the_norm": "backward(w_bar, v, g, n)",
    "one_function_for_each": "grad_g(w_bar, v, g) and grad_v(w_bar, v, g)",
}


@pytest.mark.parametrize("name", STATED)
def test_the_report_states_how_it_was_read(judged, name):
    assert STATED[name] in judged(FUNCTIONS[name][0]).notes[0]


def test_a_layer_states_where_its_options_and_gradients_are(judged):
    report = judged(LAYERS["fixed_three_by_three"][0])
    assert "conv2d" in report.notes[0]
    assert "stride 1, padding 1" in report.notes[0]
    assert "w_bar from what backward returns[1]" in report.notes[1]


def test_a_layer_that_takes_options_is_judged_with_several(judged):
    report = judged(LAYERS["a_configurable_convolution"][0])
    assert sum("judged as well with" in note for note in report.notes) == 4  # one: even kernels


def test_a_backward_that_raises_for_unequal_strides_is_no_pass(judged):
    text = LAYERS["tuples_of_functions"][0]
    text = text.replace("    kh, kw = ", "    assert sh == sw\n    kh, kw = ", 1)
    report = judged(text)
    assert report.verdict == "REFUSED"
    assert "stride (2, 3)" in report.layer


GROUPS = """import numpy as np

def conv1d_forward(x, w, b):
    win = np.lib.stride_tricks.sliding_window_view(x, w.shape[2], axis=2)
    parts = zip(np.split(win, 3, axis=1), np.split(w, 3), strict=True)
    y = np.concatenate([np.einsum("nclk,ock->nol", a, part) for a, part in parts], axis=1)
    return y + b[:, None]
"""


@pytest.mark.parametrize("wrong", ["", "x", "w", "b"])
def test_one_function_for_each_gradient_of_a_layer(judged, wrong):
    text = """
def forward(x, w, b):
    return x @ w + b

def grad_x(dout, x, w, b):
    return dout @ w.T

def grad_w(dout, x, w, b):
    return x.T @ dout

def grad_b(dout, x, w, b):
    return dout.sum(axis=0)
"""
    report = judged(text.replace(f"def grad_{wrong}(dout, x, w, b):\n    return ",
                                 f"def grad_{wrong}(dout, x, w, b):\n    return 2 * "))
    assert report.verdict == ("FAIL" if wrong else "PASS"), report
    assert [d.outputs for d in report.diagnosis] == [(f"{wrong}_bar",)] * bool(wrong)
    said = "x_bar from what grad_x returns, w_bar from what grad_w returns, b_bar from"
    assert any(said in note for note in report.notes)


def test_any_number_of_groups_may_be_declared(judged):
    assert judged(GROUPS, groups=3).ok
    report = judged(GROUPS.replace("np.split(w, 3)", "[w[: len(w) // 3]] * 3"), groups=3)
    assert [d.id for d in report.diagnosis] == ["first_group_for_all"]


def test_what_takes_several_samples_is_never_asked_for_one_at_a_time(judged):
    text = LAYERS["columns_are_samples"][0]
    assert "each is asked alone" not in judged(text).notes[0]
    summed = "np.sum(dZ, axis=1, keepdims=True)"
    assert summed in text
    report = judged(text.replace(summed, "dZ"))  # right for one sample, and wrong for two
    assert report.verdict == "FAIL", report
    assert "each is asked alone" in judged(LAYERS["one_image_at_a_time"][0]).notes[0]


IN_PLACE = """import numpy as np

def fwd(v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    v /= n
    v *= g
    return v

def bwd(v, g, dw):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    dg = (dw * v).sum(axis=1, keepdims=True) / n
    return g / n * (dw - dg * v / n), dg
"""


def test_the_numbers_of_functions_that_work_in_place_are_judged(judged):
    faults = ["mutates_input", "aliases_input"]
    assert [d.id for d in judged(IN_PLACE).diagnosis] == faults
    wrong = IN_PLACE.replace("(dw - dg * v / n)", "dw")
    assert [d.id for d in judged(wrong).diagnosis] == [*faults, "no_projection"]


def test_a_layer_that_works_in_place_is_judged(judged):
    text = """def forward(x, w, b):
    x = x @ w.T
    x += b
    return x

def backward(x, w, b, dout):
    db = dout.sum(0)
    dw = dout.T @ x
    dout *= 2
    return dout @ w / 2, dw, db
"""
    assert [d.id for d in judged(text).diagnosis] == ["mutates_input"]
    wrong = judged(text.replace("dout.sum(0)", "dout.sum()"))
    assert [d.id for d in wrong.diagnosis] == ["mutates_input", "b_bar_scalar"]


# ---- what may be permuted, and what never -------------------------------------------------------


def test_slots_with_a_name_are_never_permuted(judged):
    named = FUNCTIONS["answers_as_a_dict"][0]
    assert not judged(named.replace('"g": grad_g, "v"', '"v": grad_g, "g"')).ok
    attributes = LAYERS["weight_norm_with_state"][0]
    swapped = attributes.replace('grads["g"]', 'grads["?"]').replace('grads["v"]', 'grads["g"]')
    assert not judged(swapped.replace('grads["?"]', 'grads["v"]')).ok


def test_what_a_context_returns_has_the_order_of_its_inputs(judged):
    pytest.importorskip("torch")
    text = """import torch

class Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, v, g):
        n = v.norm(dim=1, keepdim=True)
        ctx.save_for_backward(v, g, n)
        return g * v / n

    @staticmethod
    def backward(ctx, w_bar):
        v, g, n = ctx.saved_tensors
        g_bar = (w_bar * v).sum(1, keepdim=True) / n
        return g / n * (w_bar - g_bar * v / n), g_bar
"""
    assert judged(text).ok
    line = "return g / n * (w_bar - g_bar * v / n), g_bar"
    with pytest.raises(Unreadable, match="invalid gradient"):
        judged(text.replace(line, "return g_bar, g / n * (w_bar - g_bar * v / n)"))


def test_a_gain_that_is_called_g_is_no_logarithm(judged):
    text = FUNCTIONS["log_gain"][0]
    for name in ("g", "gain"):
        assert judged(text.replace("log_g_bar", "bar").replace("log_g", name)).verdict == "FAIL"
    assert judged(text.replace("log_g_bar", "bar").replace("log_g", "theta_g")).verdict != "FAIL"


def test_an_eps_is_never_fitted(judged):
    text = FUNCTIONS["contract"][0].replace("keepdims=True))", "keepdims=True) + 1e-3)")
    report = judged(text)
    assert (report.verdict, report.diagnosis[0].id) == ("FAIL", "eps_inside")
    assert judged(text + "\nFORM, EPS = 'inside', 1e-3\n").ok


def test_an_eps_of_the_code_declares_no_form(judged):
    text = FUNCTIONS["contract"][0].replace("keepdims=True))", "keepdims=True) + EPS)")
    report = judged(text + "\nEPS = 1e-3\n")
    assert (report.verdict, report.diagnosis[0].id) == ("FAIL", "eps_inside")
    assert judged(text + "\nEPS = 1e-3\n", form="inside").ok
    with pytest.raises(TargetError, match=r"form='plain' has no eps, got eps=0\.001"):
        judged(FUNCTIONS["contract"][0] + "\nEPS = 1e-3\n")  # nothing reads it: a declaration


KEEPS = """import numpy as np

class WeightNorm:
    def __init__(self, v, g):
        self.v, self.g, self.cache = v, g, None

    def forward(self):
        n = np.sqrt((self.v**2).sum(axis=1, keepdims=True))
        self.cache = (self.v, self.g, n)
        return self.g * self.v / n

    def backward(self, w_bar):
        v, g, n = self.cache
        g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
        return g / n * (w_bar - g_bar * v / n), g_bar
"""
SQRT = "n = np.sqrt((self.v**2).sum(axis=1, keepdims=True))"


@pytest.mark.parametrize(("old", "new"), [
    ("        self.cache = (", "        self.cache = self.cache or ("),
    (SQRT, f"if self.cache is None:\n            {SQRT}\n        else:\n"
           "            n = self.cache[2]"),
], ids=["for_backward", "in_forward"])
def test_what_an_object_keeps_from_its_first_call_is_found(judged, old, new):
    assert judged(KEEPS).ok
    assert old in KEEPS
    wrong = KEEPS.replace(old, new)
    assert judged(wrong).diagnosis[0].id == "stale_state"
    assert judged(wrong + "\n    def update(self):\n        self.cache = None\n").ok


KEEPS_LAYER = """import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b, self.Wt = np.ones((n_out, n_in)), np.zeros(n_out), None

    def forward(self, x):
        self.x, self.Wt = x, self.W.T
        return x @ self.Wt + self.b

    def backward(self, dout):
        self.dW, self.db = dout.T @ self.x, dout.sum(axis=0)
        return dout @ self.Wt.T
"""


def test_a_weight_that_a_layer_keeps_from_its_first_call_is_no_pass(judged):
    assert judged(KEEPS_LAYER).ok
    wrong = KEEPS_LAYER.replace("self.x, self.Wt = x, self.W.T", (
        "self.x = x\n        if self.Wt is None:\n            self.Wt = self.W.T.copy()"))
    assert judged(wrong).verdict == "FAIL"


def test_an_input_that_a_layer_keeps_from_its_first_call_is_no_pass(judged):
    line = "self.x, self.Wt = x, self.W.T"
    wrong = KEEPS_LAYER.replace(line, "self.Wt = self.W.T\n        if not hasattr(self, 'x'):\n"
                                      "            self.x = x")
    assert wrong != KEEPS_LAYER
    assert judged(wrong).verdict == "FAIL"


def test_what_is_right_for_square_images_alone_is_read_with_them(judged):
    text = LAYERS["a_stride_that_is_called_s"][0]
    sizes = "(h + 2*self.p - f) // self.s + 1, (w + 2*self.p - f2) // self.s + 1"
    wrong = text.replace(f"ho, wo = {sizes}", "ho = wo = (h + 2*self.p - f) // self.s + 1")
    assert "square_assumed" in [d.id for d in judged(wrong).diagnosis]
    line = "m, h, w, c = a_in.shape"
    report = judged(text.replace(line, f"{line}\n        assert h == w"))
    assert report.verdict == "PASS"
    assert any(name == "forward" for name, _ in report.skipped)


SAME = """import numpy as np

class Conv2d:
    def __init__(self, n_in, n_out, kernel_size):
        self.k, self.before = kernel_size, (kernel_size - 1) // 2
        self.w, self.b = np.ones((n_out, n_in, kernel_size, kernel_size)), np.zeros(n_out)

    def forward(self, x):
        around = (self.before, self.k - 1 - self.before)
        x = np.pad(x, ((0, 0), (0, 0), around, around))
        self.wins = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))
        return np.einsum("nchwkl,ockl->nohw", self.wins, self.w) + self.b[:, None, None]

    def backward(self, dout):
        self.dw = np.einsum("nohw,nchwkl->ockl", dout, self.wins)
        self.db = dout.sum((0, 2, 3))
        n, c, h, w, k = self.wins.shape[:5]
        dx = np.zeros((n, c, h + k - 1, w + k - 1))
        for i in range(k):
            for j in range(k):
                dx[:, :, i:i + h, j:j + w] += np.einsum("nohw,oc->nchw", dout, self.w[:, :, i, j])
        at = self.before
        return dx[:, :, at:at + h, at:at + w]
"""


def test_a_layer_is_judged_with_an_even_kernel_as_well(judged):
    right = judged(SAME)
    assert right.verdict == "PASS"
    assert any("kernel (2, 2)" in note for note in right.notes)
    wrong = judged(SAME.replace("at = self.before", "at = k // 2"))
    assert "padding_other_side" in [d.id for d in wrong.diagnosis]
    odd = SAME.replace("        at =", "        assert self.k % 2\n        at =")
    assert not judged(odd).ok
    odd = SAME.replace("        self.w,", "        assert kernel_size % 2\n        self.w,")
    assert judged(odd).verdict == "PASS"  # it says so itself


POINTWISE = """import numpy as np

def conv1x1_forward(x, w, b):
    return np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0]) + b[:, None, None]

def conv1x1_backward(dy, x, w, b):
    dw = np.einsum("nohw,nchw->oc", dy, x).reshape(*w.shape[:2], 1, 1)
    return np.einsum("nohw,oc->nchw", dy, w[:, :, 0, 0]), dw, dy.sum((0, 2, 3))
"""


@pytest.mark.parametrize("read", ["w[:, :, 0, 0]", "w.reshape(w.shape[:2])"])
def test_a_layer_of_kernels_of_size_one_is_judged_with_these(judged, read):
    text = POINTWISE.replace("w[:, :, 0, 0]", read)
    right = judged(text)
    assert right.verdict == "PASS", str(right)
    assert any("kernel 1" in note for note in right.notes)
    wrong = judged(text.replace('"nohw,oc->nchw", dy', '"nohw,oc->nchw", 2 * dy'))
    assert [d.id for d in wrong.diagnosis] == ["constant_factor"]


def test_one_tap_is_not_fitted_to_a_kernel_that_is_flipped(judged):
    text = SAME.replace("self.w)", "self.w[:, :, ::-1, ::-1])")
    assert text != SAME
    report = judged(text)
    assert report.verdict == "FAIL", str(report)
    assert not any("kernel 1" in note for note in report.notes)


def test_the_side_of_a_padding_is_never_fitted(judged):
    text = LAYERS["fixed_three_by_three"][0].replace("(1, 1), (1, 1)", "(2, 0), (2, 0)")
    text = text.replace("1:-1, 1:-1], d_f", "2:, 2:], d_f")
    report = judged(text)
    assert not report.ok
    assert "--padding" in report.diagnosis[0].fix
    assert judged(text, padding=((2, 0), (2, 0))).ok


AMBIGUOUS = """import numpy as np

def weight_norm(v, g):
    return g * v / np.linalg.norm(v, axis=0, keepdims=True)
"""


def test_w_alone_does_not_tell_the_axis(judged):
    with pytest.raises(Unreadable, match="cannot be called as it was read") as error:
        judged(AMBIGUOUS)
    assert "AXIS = -1" in str(error.value)
    assert judged(AMBIGUOUS, axis=-1).ok
    assert judged(AMBIGUOUS.replace("(v, g)", "(kernel, g)").replace("v,", "kernel,").replace(
        " v ", " kernel ")).ok
    report = judged(AMBIGUOUS.replace("    return", "    # v: (o, i)\n    return"))
    assert (report.verdict, report.axis) == ("FAIL", 0)


def test_a_shape_of_g_bar_tells_the_axis(judged):
    text = FUNCTIONS["contract"][0].replace("axis=1", "axis=0")
    assert judged(text).axis == -1
    half = FUNCTIONS["contract"][0].replace("axis=1", "axis=0", 1)  # the forward alone
    report = judged(half)
    assert (report.verdict, report.axis) == ("FAIL", 0)


WHOLE = """import numpy as np

def forward(kernel, scale):
    return kernel / np.sqrt(np.sum(kernel**2)) * scale

def backward(grad, kernel, scale):
    norm = np.sqrt(np.sum(kernel**2))
    d_scale = np.sum(grad * kernel / norm, axis=(0, 1, 2))
    return scale / norm * grad - np.sum(grad * kernel * scale) / norm**3 * kernel, d_scale
"""


def test_one_norm_of_the_whole_in_one_rank_is_no_pass(judged):
    with pytest.raises(Unreadable) as error:  # in rank 4, d_scale is that of a norm for each output
        judged(WHOLE.replace("kernel", "v"))
    assert "AXIS = None" in str(error.value)
    assert judged(WHOLE, axis=None).ok
    report = judged(WHOLE)  # a kernel of Keras has its outputs last
    assert (report.verdict, report.axis) == ("FAIL", -1)
    assert judged(WHOLE.replace(", axis=(0, 1, 2)", "")).ok


FOUR_AXES = """import numpy as np

def forward(v, g):
    # v: (H, W, I, O)
    return v / np.sqrt(np.sum(v**2, axis=(0, 1, 2))) * g

def backward(grad, v, g):
    norm = np.sqrt(np.sum(v**2, axis=(0, 1, 2)))
    dg = np.sum(grad * v / norm, axis=(0, 1, 2))
    return g / norm * (grad - dg * v / norm), dg
"""


@pytest.mark.parametrize("said", ["(H, W, I, O)", "HWIO"])
def test_a_text_tells_the_rank(judged, said):
    text = FOUR_AXES.replace("(H, W, I, O)", said)
    assert judged(text).ok
    report = judged(text.replace("(0, 1, 2)", "(0, 1)"))  # right in rank 3
    assert report.verdict == "FAIL"


def test_a_backward_that_cannot_be_called_is_no_pass(judged):
    text = FUNCTIONS["contract"][0].replace("(w_bar, v, g):", "(w_bar, v, g, mode, more, rest):")
    with pytest.raises(Unreadable):
        judged(text)


@pytest.mark.parametrize("line", ["FORM = 'nope'", "EPS = -1", "AXIS = 1.5", "DTYPE = 'float8'"])
def test_a_setting_that_no_check_takes_is_an_error_of_the_target(judged, line):
    with pytest.raises(TargetError, match=r"theirs\.py"):
        judged(f"{FUNCTIONS['contract'][0]}\n{line}\n")


def test_several_dtypes_may_be_declared(tmp_path):
    path = tmp_path / "theirs.py"
    path.write_text(FUNCTIONS["contract"][0] + "\nDTYPE = 'float32', 'float64'\n")
    assert oracle.read(str(path)).settings["dtype"] == ("float32", "float64")


def test_what_else_is_in_a_file_is_said(judged):
    notes = judged(LAYERS["beside_other_layers"][0]).notes
    assert "not judged: conv_forward, relu_forward; name one, as FILE:name" in notes
    assert "no backward was found: w alone is judged" in judged(FUNCTIONS["forward_only"][0]).notes


def test_a_weight_that_backward_leaves_as_it_is_has_no_gradient(judged):
    text = LAYERS["stepping_in_backward"][0]
    assert not judged(text.replace("self.bias -= ", "unused = ")).ok


# ---- objects ------------------------------------------------------------------------------------


def forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)


def backward(dw, g, v):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    return dg, g / n * (dw - dg * v / n)


class Layer:
    def __init__(self):
        self.W, self.b = np.ones((5, 3)), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        return dout @ self.W.T, self.x.T @ dout, dout.sum(0)


@pytest.mark.parametrize(
    "target",
    [
        (forward, backward), {"wn_forward": forward, "wn_backward": backward}, forward, Layer,
        Layer(),
    ],
)
def test_objects_of_python_are_read_as_well(target):
    report = oracle.read(target).check()
    assert report.ok, report


def test_a_reading_has_what_check_takes():
    reading = oracle.read((forward, backward), axis=0)
    assert (reading.kind, set(reading.functions)) == ("weight_norm", {"forward", "backward"})
    assert oracle.check(**reading.functions, **reading.settings).ok
    layer = oracle.read(Layer)
    assert (layer.kind, layer.settings["kind"]) == ("layer", "linear")
    assert oracle.check_layer(**layer.functions, **layer.settings).ok


@pytest.mark.parametrize(("forward", "backward"), [
    ("feedForward", "backProp"), ("f_prop", "back_prop"), ("Forward", "BackPropagation"),
])
def test_methods_are_known_however_their_words_are_joined(judged, forward, backward):
    text = KEEPS_LAYER.replace("def forward", f"def {forward}")
    text = text.replace("def backward", f"def {backward}")
    assert judged(text).verdict == "PASS"
    assert judged(text.replace("dout.sum(axis=0)", "dout[0]")).verdict == "FAIL"


class Called:
    def __init__(self, f):
        self.f = f

    def __call__(self, *arrays):
        return self.f(*arrays)


def test_objects_that_can_be_called_are_functions_as_well(tmp_path):
    def contract(w_bar, v, g):  # positions say all where nothing has a name
        return backward(w_bar, g, v)[::-1]

    for pair in (
        (functools.partial(forward), functools.partial(backward)), (None, backward),
        (Called(forward), Called(contract)), (None, Called(contract)),
    ):
        report = oracle.read(pair, axis=0).check()
        assert report.ok, report
    (tmp_path / "theirs.py").write_text(FUNCTIONS["contract"][0])
    assert oracle.read(tmp_path / "theirs.py").check().ok


def test_what_is_no_function_is_an_error_that_says_so():
    for target in ((None, None), (forward, 3), {1: forward}, (forward,) * 3):
        with pytest.raises(TypeError, match="target="):
            oracle.read(target)


# In a file: objects that can be called, next to weight norm or as weight norm.
OBJECTS = {
    "beside": """
class Relu:
    def __call__(self, x):
        return np.maximum(x, 0)

relu = Relu()

def forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)
""",
    "an instance": """
class Norm:
    def __call__(self, v, g):
        return g * v / np.linalg.norm(v, axis=1, keepdims=True)

weight_norm = Norm()
""",
    "a partial": """
from functools import partial

def normalised(v, g, axis):
    return g * v / np.linalg.norm(v, axis=axis, keepdims=True)

forward = partial(normalised, axis=1)
""",
    "beside a class": """
class Scale:
    def __call__(self, x):
        return 2 * x

scale = Scale()

class Linear:
    def __init__(self):
        self.W, self.b = np.ones((5, 3)), np.zeros(3)

    def forward(self, x):
        return x @ self.W + self.b
""",
}


@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS)
def test_objects_that_can_be_called_are_read_in_files(judged, text):
    report = judged(f"import numpy as np\n{text}")
    assert report.ok, report
    assert report.notes[0].startswith("read as"), report


# Arguments of backward that are called w: the cotangent where there is no other, else w itself.
CALLED_W = {
    "(w, v, g)": "d = w", "(v, g, w)": "d = w", "(dw, v, g, w)": "d = dw",
    "(w_bar, w, v, g)": "d = w_bar",
}


@pytest.mark.parametrize("arguments", CALLED_W)
def test_what_is_called_w_in_a_backward(judged, arguments):
    report = judged(f"""import numpy as np

def forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def backward{arguments}:
    {CALLED_W[arguments]}
    n = np.linalg.norm(v, axis=1, keepdims=True)
    g_bar = (d * v).sum(1, keepdims=True) / n
    return g / n * (d - g_bar * v / n), g_bar
""")
    assert report.ok, report


@pytest.mark.parametrize("name", ["d", "s", "p"])  # dilation, stride and padding elsewhere
def test_the_letter_of_an_option_is_the_upstream_where_there_is_no_other(judged, name):
    report = judged(f"""import numpy as np

class Linear:
    def __init__(self):
        self.W, self.b = np.ones((5, 3)), np.zeros(3)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, {name}):
        self.dW, self.db = self.x.T @ {name}, {name}.sum(0)
        return {name} @ self.W.T
""")
    assert report.ok, report


@pytest.mark.parametrize(
    ("target", "hints", "kind", "says"),
    [
        ((forward, backward), {"axes": 1}, TypeError, "no hint 'axes'; did you mean 'axis'"),
        ((forward, backward), {"stride": 2}, TargetError, "weight norm alone, which has no stride"),
        ((forward, backward), {"kind": "linear"}, TargetError, "alone, which has no kind"),
        (Layer, {"kind": "conv"}, TargetError, "kind='conv'; choose from linear, conv1d"),
        (Layer, {"kind": 3}, TargetError, "kind=3; choose from linear"),
        (Layer, {"padding": 1}, TargetError, "read as linear, which has no padding"),
        (Layer, {"groups": 0}, TargetError, "read as linear, which has no groups"),
    ],
)
def test_no_hint_is_left_out_without_a_word(target, hints, kind, says):
    with pytest.raises(kind, match=says):
        oracle.read(target, **hints)


def test_a_kind_in_a_file_counts_for_layers_alone(judged):
    norm = FUNCTIONS["contract"][0]
    assert judged(f"KIND = 'my own'\n{norm}").ok
    with pytest.raises(TargetError, match="kind='my own'; choose from linear"):
        judged("KIND = 'my own'\n\ndef affine(x, w, b):\n    return x @ w + b\n")


def test_a_hint_of_what_is_usual_does_no_harm():
    assert oracle.read(Layer, kind="linear", stride=1, padding=(0,), groups=1).check().ok
