"""Every mistake of the catalogue, through every way of writing it down: none of them passes.

A style is the text of a file around `w(v, g)` and `core(w_bar, v, g) -> (v_bar, g_bar)`, which take
g of shape (o, 1); the core is right, or has one mistake.
"""

import pytest

from minwn import oracle
from tests.oracle import implementations

RIGHT = (implementations.RIGHT_V, implementations.RIGHT_G)
FAULTS = {f"v_bar {id}": (text, RIGHT[1]) for id, text in implementations.V_BAR.items()}
FAULTS |= {f"g_bar {id}": (RIGHT[0], text) for id, text in implementations.G_BAR.items()}
FEW = ("v_bar no_projection", "v_bar missing_g", "v_bar passed_through", "v_bar proj_n1",
       "v_bar v_bar_negated", "g_bar g_bar_no_norm", "g_bar g_bar_uses_sum")

HEAD = """import numpy as np
from tests.oracle import implementations

core = implementations.wrong({v_bar!r}, {g_bar!r})

def norm(v):
    return np.sqrt((v * v).sum(1, keepdims=True))

"""
W = "    return g * v / norm(v)\n"
STYLES = {
    "flat": """
def forward(v, g):
    return g[:, None] * v / norm(v)
def backward(w_bar, v, g):
    assert g.ndim == 1
    v_bar, g_bar = core(w_bar, v, g[:, None])
    return v_bar, g_bar[:, 0]
""",
    "cache": """
def wn_forward(v, g):
    return g * v / norm(v), (v, g)
def wn_backward(dout, cache):
    return core(dout, *cache)
""",
    "reversed": """
def forward(g, v):
""" + W + """
def backward(g, v, dw):
    dv, dg = core(dw, v, g)
    return dg, dv
""",
    "dict": """
def forward(v, g):
""" + W + """
def backward(grad_w, v, g):
    dv, dg = core(grad_w, v, g)
    return {"g": dg, "v": dv}
""",
    "nameless": """
def f(p, q):
    return q * p / norm(p)
def f_backward(r, p, q):
    return core(r, p, q)
""",
    "nameless_reversed": """
def f(q, p):
    return q * p / norm(p)
def f_backward(q, p, r):
    one, two = core(r, p, q)
    return two, one
""",
    "one_for_each": """
def forward(v, g):
""" + W + """
def grad_v(w_bar, v, g):
    return core(w_bar, v, g)[0]
def grad_g(w_bar, v, g):
    return core(w_bar, v, g)[1]
""",
    "log_gain": """
def forward(v, log_g):
    return np.exp(log_g) * v / norm(v)
def backward(w_bar, v, log_g):
    v_bar, g_bar = core(w_bar, v, np.exp(log_g))
    return v_bar, np.exp(log_g) * g_bar
""",
    "inputs_first": """
def forward(v, g):
    return v * (g / norm(v.T)[:, 0])
def backward(w_bar, v, g):
    v_bar, g_bar = core(w_bar.T, v.T, g[:, None])
    return v_bar.T, g_bar[:, 0]
""",
    "kernels": """
def forward(v, g):
    o, i, k = v.shape
    return g * v / norm(v.reshape(o, -1))[..., None]
def backward(w_bar, v, g):
    o, i, k = v.shape
    v_bar, g_bar = core(w_bar.reshape(o, -1), v.reshape(o, -1), g.reshape(o, 1))
    return v_bar.reshape(v.shape), g_bar[..., None]
""",
    "number": """
def forward(v, g):
    return float(g) * v / np.sqrt((v * v).sum())
def backward(w_bar, v, g):
    v_bar, g_bar = core(w_bar.reshape(1, -1), v.reshape(1, -1), np.array([[float(g)]]))
    return v_bar.reshape(v.shape), float(g_bar[0, 0])
""",
    "attributes": """
class Norm:
    def __init__(self, v, g):
        self.v, self.g = v, g
    def forward(self):
        return self.g * self.v / norm(self.v)
    def backward(self, dw):
        self.dv, self.dg = core(dw, self.v, self.g)
""",
    "grads": """
class Norm:
    def __init__(self, n_in, n_out):
        self.params = {"v": np.ones((n_out, n_in)), "g": np.ones((n_out, 1))}
        self.grads = {}
    def forward(self):
        return self.params["g"] * self.params["v"] / norm(self.params["v"])
    def backward(self, dw):
        self.grads["v"], self.grads["g"] = core(dw, self.params["v"], self.params["g"])
""",
    "kept_by_an_object": """
class Norm:
    def forward(self, v, g):
        self.cache = v, g
""" + W.replace("    ", "        ") + """
    def backward(self, grad_output):
        return core(grad_output, *self.cache)
""",
    "stepping": """
class Dense:
    def __init__(self, n_in, n_out):
        self.v, self.g = np.ones((n_out, n_in)), np.ones((n_out, 1))
    def forward(self, x):
        self.x = x
        return x @ (self.g * self.v / norm(self.v)).T
    def backward(self, dy, lr):
        dx = dy @ (self.g * self.v / norm(self.v))
        dv, dg = core(dy.T @ self.x, self.v, self.g)
        self.v -= lr * dv
        self.g -= lr * dg
        return dx
""",
    "layer": """
def forward(x, v, g, b):
    return x @ (g * v / norm(v)).T + b, (x, v, g)
def backward(dout, cache):
    x, v, g = cache
    dv, dg = core(dout.T @ x, v, g)
    return dout @ (g * v / norm(v)), dv, dg, dout.sum(0)
""",
    "context": """
def forward(ctx, v, g):
    ctx.save_for_backward(v, g)
""" + W + """
def backward(ctx, grad_output):
    return core(grad_output, *ctx.saved_tensors)
""",
    "alone": """
def weight_norm_backward(dw, v, g):
    return core(dw, v, g)
""",
}


def written(style, v_bar, g_bar):
    """The text of a style around a core: a function of the three arrays and no other."""
    return with_core(HEAD + STYLES[style], v_bar, g_bar)


def with_core(text, v_bar, g_bar):
    return text.replace("{v_bar!r}", repr(v_bar)).replace("{g_bar!r}", repr(g_bar))


@pytest.fixture
def verdict(tmp_path):
    def verdict(text):
        path = tmp_path / "theirs.py"
        path.write_text(text)
        return oracle.read(str(path)).check().verdict

    return verdict


@pytest.mark.parametrize("style", STYLES)
def test_a_right_core_passes_in_every_style(verdict, style):
    assert verdict(written(style, *RIGHT)) == "PASS"


@pytest.mark.parametrize("style", STYLES)
def test_a_wrong_core_fails_in_every_style(verdict, style):
    passed = [id for id in FEW if verdict(written(style, *FAULTS[id])) != "FAIL"]
    assert not passed


# What is right in a style: e^s has no sign, and one norm of the whole no second slice.
NO_FAULTS = {
    "log_gain": {"v_bar factor_abs_g", "g_bar g_bar_times_sign_g"},
    "number": {
        "v_bar v_bar_averaged", "v_bar proj_all_slices",  # one slice is all slices
        "g_bar g_bar_scalar_sum", "g_bar g_bar_averaged",
        "g_bar g_bar_rolled", "g_bar g_bar_rolled_back", "g_bar g_bar_reversed",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_no_mistake_of_the_catalogue_passes_in_any_style(verdict, style):
    passed = {id for id in FAULTS if verdict(written(style, *FAULTS[id])) != "FAIL"}
    assert passed == NO_FAULTS.get(style, set())


# A variable's name in a return statement says nothing of what is answered: shapes do.
VARIABLES = ["x", "b", "w", "y", "s", "g", "dx", "db", "out", "a", "grad_input", "weight"]
STYLE_OF_VARIABLES = """
def forward(v, g):
""" + W + """
def backward(w_bar, v, g):
    {v_bar}, {g_bar} = core(w_bar, v, g)
    return {answers}
"""
LAYER_OF_VARIABLES = """
def forward(x, v, g, b):
    return x @ (g * v / norm(v)).T + b, (x, v, g)
def backward(dout, cache):
    x, v, g = cache
    x_bar, b_bar = dout @ (g * v / norm(v)), dout.sum(0)
    {v_bar}, g_bar = core(dout.T @ x, v, g)
    return x_bar, {v_bar}, g_bar, b_bar
"""


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("style", ["v_bar first", "v_bar last", "g_bar"])
def test_a_variable_s_name_leaves_no_answer_unjudged(verdict, name, style):
    v_bar, g_bar = ("first", name) if style == "g_bar" else (name, "second")
    answers = f"{g_bar}, {v_bar}" if style == "v_bar last" else f"{v_bar}, {g_bar}"
    text = HEAD + STYLE_OF_VARIABLES.format(v_bar=v_bar, g_bar=g_bar, answers=answers)
    assert verdict(with_core(text, *RIGHT)) == "PASS"
    for id in ("v_bar no_projection", "v_bar v_bar_negated", "g_bar g_bar_no_norm",
               "g_bar g_bar_scalar_sum"):
        assert verdict(with_core(text, *FAULTS[id])) == "FAIL", id


@pytest.mark.parametrize("name", ["w", "y", "s", "db", "out", "a"])
def test_a_variable_s_name_leaves_no_answer_of_a_layer_unjudged(verdict, name):
    text = HEAD + LAYER_OF_VARIABLES.format(v_bar=name)
    assert verdict(with_core(text, *RIGHT)) == "PASS"
    assert verdict(with_core(text, *FAULTS["v_bar no_projection"])) == "FAIL"


def test_a_slot_s_name_does_and_the_statement_says_so(tmp_path):
    text = HEAD + STYLES["dict"].replace('"v": dv', '"x": dv')
    (tmp_path / "theirs.py").write_text(with_core(text, *RIGHT))
    reading = oracle.read(str(tmp_path / "theirs.py"))
    assert "v_bar: none is answered, none is judged" in reading.statement
