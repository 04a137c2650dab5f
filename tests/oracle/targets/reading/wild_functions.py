"""Functions as people write them: {name: (text, mistakes)}; a mistake is (what is there, what not).

The text is right as it is; with any one of its mistakes it is wrong.
"""

NP = "import numpy as np\n\n"

FUNCTIONS = {
    "contract": (NP + """
def forward(v, g):
    return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))

def backward(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return g / n * (w_bar - g_bar * v / n), g_bar
""", [("g / n * (w_bar - g_bar * v / n), g_bar", "g / n * w_bar, g_bar"),
      ("keepdims=True) / n\n", "keepdims=True)\n")]),
    "flat_gain": (NP + """
def weight_norm(v, g):
    norm = np.linalg.norm(v, axis=1)
    return v * (g / norm)[:, None]

def weight_norm_backward(dw, v, g):
    norm = np.linalg.norm(v, axis=1)
    dg = np.einsum("oi,oi->o", dw, v) / norm
    dv = (g / norm)[:, None] * dw - (g * dg / norm**2)[:, None] * v
    return dv, dg
""", [("(g * dg / norm**2)", "(g * dg / norm)"), ("/ norm\n    dv", "\n    dv"),
      ("dw - (g", "dw + (g")]),
    "cache_of_three": (NP + """
def wn_forward(v, g):
    n = np.sqrt(np.sum(v**2, axis=1, keepdims=True))
    return g * v / n, (v, g, n)

def wn_backward(dout, cache):
    v, g, n = cache
    dg = np.sum(dout * v, axis=1, keepdims=True) / n
    dv = g / n * dout - g * dg / n**2 * v
    return dv, dg
""", [("g * dg / n**2 * v", "dg / n**2 * v"), ("dg = np.sum(dout * v", "dg = np.sum(dout")]),
    "cache_columns": (NP + '''
def weightnorm_fwd(gain, kernel):
    """kernel: (n_in, n_out), gain: (n_out,)"""
    length = np.linalg.norm(kernel, axis=0)
    return kernel * (gain / length), (gain, kernel, length)

def weightnorm_bwd(dw, cache):
    gain, kernel, length = cache
    dgain = (dw * kernel).sum(0) / length
    return dgain, gain / length * (dw - dgain / length * kernel)
''', [("(dw - dgain / length * kernel)", "(dw - dgain * kernel)"), ("gain / length * (dw", "(dw")]),
    "reversed_answers": (NP + """
def forward(g, v):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def backward(g, v, dw):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    dv = g * (dw / n - dg * v / n**2)
    return dg, dv
""", [("dg * v / n**2", "dg * v / n"), ("dg = (dw * v)", "dg = (dw + v)")]),
    "answers_as_a_dict": (NP + """
def forward(v, g):
    return {"w": g[:, None] * v / np.linalg.norm(v, axis=1)[:, None]}

def backward(grad_w, v, g):
    n = np.linalg.norm(v, axis=1)
    grad_g = (grad_w * v).sum(1) / n
    u = v / n[:, None]
    return {"g": grad_g, "v": (g / n)[:, None] * (grad_w - grad_g[:, None] * u)}
""", [("grad_g[:, None] * u", "2 * grad_g[:, None] * u"),
      ("(g / n)[:, None] * (g", "g[:, None] * (g")]),
    "gradients_by_name": (NP + """
def forward(v, scale):
    return scale * v / np.sqrt(np.sum(np.square(v), axis=1, keepdims=True))

def backward(v, scale, grad_output):
    norm = np.sqrt(np.sum(np.square(v), axis=1, keepdims=True))
    unit = v / norm
    along = np.sum(grad_output * unit, axis=1, keepdims=True)
    return dict(scale=along, v=scale / norm * (grad_output - along * unit))
""", [("- along * unit", "- along"), ("dict(scale=along", "dict(scale=along * norm")]),
    "v_bar_alone": (NP + """
def weight_norm(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def weight_norm_grad(w_bar, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    u = v / n
    return g / n * (w_bar - u * (u * w_bar).sum(axis=1, keepdims=True))
""", [("u * (u * w_bar)", "u * (w_bar)"), ("g / n *", "g *")]),
    "forward_only": (NP + """
def weight_norm(v, g):
    return v * (g / np.sqrt((v ** 2).sum(1)))[:, np.newaxis]
""", [("np.sqrt((v ** 2).sum(1))", "(v ** 2).sum(1)"), ("v ** 2", "abs(v)")]),
    "w_and_the_norm": (NP + """
def forward(v, g):
    n = np.sqrt((v * v).sum(1, keepdims=True))
    w = g * v / n
    return w, n

def backward(dw, v, g, n):
    dg = (dw * v).sum(1, keepdims=True) / n
    dv = (g / n) * (dw - dg * v / n)
    return dv, dg
""", [("dw - dg * v / n", "dw - dg * v"), ("/ n\n    dv", "* n\n    dv")]),
    "nameless": (NP + """
def fwd(a, b):
    return b * a / np.linalg.norm(a, axis=1, keepdims=True)

def bwd(p, q, r):
    n = np.linalg.norm(q, axis=1, keepdims=True)
    t = (p * q).sum(1, keepdims=True) / n
    return r * (p - t * q / n) / n, t
""", [("t * q / n) / n", "t * q / n)"), ("(p - t * q / n)", "p")]),
    "nameless_reversed": (NP + """
def f(a, b):
    return a * b / np.linalg.norm(b, axis=1, keepdims=True)

def b(q, r, p):
    n = np.linalg.norm(r, axis=1, keepdims=True)
    t = (p * r).sum(1, keepdims=True) / n
    return t, q * (p - t * r / n) / n
""", [("t * r / n) / n", "t * r / n) / n**2"), ("return t, q * ", "return t, ")]),
    "kernels_of_rank_four": (NP + """
def forward(weight_v, weight_g):
    o, i, kh, kw = weight_v.shape
    flat = weight_v.reshape(o, -1)
    n = np.linalg.norm(flat, axis=1)
    return (weight_g / n).reshape(o, 1, 1, 1) * weight_v

def backward(grad_weight, weight_v, weight_g):
    o, i, kh, kw = weight_v.shape
    v, G = weight_v.reshape(o, -1), grad_weight.reshape(o, -1)
    n = np.linalg.norm(v, axis=1)
    d = (v * G).sum(1)
    grad_v = (weight_g / n)[:, None] * (G - (d / n**2)[:, None] * v)
    return grad_v.reshape(weight_v.shape), d / n
""", [("(d / n**2)", "(d / n)"), ("d / n\n", "d\n")]),
    "hwio": (NP + """
def weightnorm_forward(v, g):
    # HWIO, as in TensorFlow
    n = np.sqrt((v ** 2).sum(axis=(0, 1, 2)))
    return v * (g / n), (v, g, n)

def weightnorm_backward(dout, cache):
    v, g, n = cache
    assert v.ndim == 4
    dg = (dout * v).sum(axis=(0, 1, 2)) / n
    return g / n * (dout - dg / n * v), dg
""", [("dg / n * v)", "dg * v)"), ("axis=(0, 1, 2)) / n", "axis=(0, 1, 2)) / n**2")]),
    "whole_with_a_number": (NP + """
def forward(v, g: float):
    return g * v / np.linalg.norm(v)

def backward(w_bar, v, g: float):
    n = np.linalg.norm(v)
    g_bar = np.vdot(w_bar, v) / n
    return g / n * (w_bar - g_bar / n * v), float(g_bar)
""", [("g_bar / n * v", "g_bar * v"), ("np.vdot(w_bar, v) / n", "np.vdot(w_bar, v)")]),
    "gain_of_one_entry": (NP + """
def forward(v, g):
    assert g.shape == (1,)
    return g[0] * v / np.sqrt(np.sum(v * v))

def backward(w_bar, v, g):
    n = np.sqrt(np.sum(v * v))
    g_bar = np.sum(w_bar * v) / n
    return g[0] / n * (w_bar - g_bar / n * v), np.array([g_bar])
""", [("g[0] / n * (w", "g[0] * (w"), ("- g_bar / n * v", "- g_bar * v")]),
    "log_gain": (NP + """
def forward(v, log_g):
    return np.exp(log_g) * v / np.linalg.norm(v, axis=1, keepdims=True)

def backward(w_bar, v, log_g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    w = np.exp(log_g) * v / n
    log_g_bar = (w_bar * w).sum(1, keepdims=True)
    return np.exp(log_g) / n * w_bar - log_g_bar * v / n**2, log_g_bar
""", [("- log_g_bar * v / n**2", "- log_g_bar * v / n"),
      ("(w_bar * w).sum(1, keepdims=True)", "(w_bar * v / n).sum(1, keepdims=True)")]),
    "log_gain_flat": (NP + """
def weight_norm(v, s):
    n = np.sqrt((v * v).sum(1))
    return (np.exp(s) / n)[:, None] * v

def weight_norm_vjp(dw, v, s):
    n = np.sqrt((v * v).sum(1))
    ds = np.exp(s) * (dw * v).sum(1) / n
    dv = (np.exp(s) / n)[:, None] * dw - (ds / n**2)[:, None] * v
    return dv, ds
""", [("(ds / n**2)", "(ds / n)"), ("ds = np.exp(s) *", "ds =")]),
    "one_function_for_each": (NP + """
def forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def grad_g(w_bar, v, g):
    return (w_bar * v).sum(1, keepdims=True) / np.linalg.norm(v, axis=1, keepdims=True)

def grad_v(w_bar, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    return g / n * (w_bar - grad_g(w_bar, v, g) * v / n)
""", [("grad_g(w_bar, v, g) * v / n", "grad_g(w_bar, v, g) * v"), ("g / n * (w", "1 / n * (w")]),
    "with_a_context": (NP + """
def forward(ctx, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    ctx.save_for_backward(v, g, n)
    return g * v / n

def backward(ctx, grad_output):
    v, g, n = ctx.saved_tensors
    grad_g = (grad_output * v).sum(1, keepdims=True) / n
    return g / n * (grad_output - grad_g * v / n), grad_g
""", [("grad_g * v / n)", "grad_g * v)"), ("return g / n *", "return g *")]),
    "a_named_tuple": ("""from typing import NamedTuple
import numpy as np

class Grads(NamedTuple):
    dg: np.ndarray
    dv: np.ndarray

def weight_norm_forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def weight_norm_backward(dw, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    return Grads(dg=dg, dv=g / n * (dw - dg * v / n))
""", [("dg * v / n))", "dg * v))"), ("keepdims=True) / n\n", "keepdims=True)\n")]),
    "parameters_as_a_dict": (NP + """
def forward(params):
    v, g = params["v"], params["g"]
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def backward(dw, params):
    v, g = params["v"], params["g"]
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    return {"v": g / n * (dw - dg * v / n), "g": dg}
""", [("dg * v / n)", "dg * v)"), ('return {"v": g / n', 'return {"v": 1 / n')]),
    "transposed_convolution": (NP + """
def forward(v, g):
    # (c, o, k), as a transposed convolution has its kernel
    c, o, k = v.shape
    n = np.sqrt((v**2).sum(axis=(0, 2), keepdims=True))
    return g * v / n

def backward(w_bar, v, g):
    c, o, k = v.shape
    n = np.sqrt((v**2).sum(axis=(0, 2), keepdims=True))
    g_bar = (w_bar * v).sum(axis=(0, 2), keepdims=True) / n
    return g / n * (w_bar - g_bar * v / n), g_bar
""", [("g_bar * v / n)", "g_bar * v)"), ("return g / n", "return 1 / n")]),
    "backward_alone": (NP + """
def weight_norm_backward(grad_out, v, g):
    n = np.linalg.norm(v, axis=1)
    dg = (grad_out * v).sum(1) / n
    return (g / n)[:, None] * (grad_out - (dg / n)[:, None] * v), dg
""", [("(dg / n)[:, None] * v", "dg[:, None] * v"),
      ("(g / n)[:, None] * (g", "(1 / n)[:, None] * (g")]),
    "with_an_option": (NP + """
def weight_norm(v, g, axis=1):
    return g * v / np.linalg.norm(v, axis=axis, keepdims=True)

def weight_norm_backward(dw, v, g, axis=1):
    n = np.linalg.norm(v, axis=axis, keepdims=True)
    dg = (dw * v).sum(axis=axis, keepdims=True) / n
    return g / n * (dw - dg * v / n), dg
""", [("dg * v / n)", "dg * v)"), ("return g / n", "return 1 / n")]),
    "among_helpers": (NP + """
def norm_of(v):
    return np.sqrt(np.sum(v * v, axis=1, keepdims=True))

def check_shapes(v, g):
    assert g.shape == (len(v), 1)

def weight_norm_forward(v, g):
    check_shapes(v, g)
    return g * v / norm_of(v)

def project(x, u):
    return x - (x * u).sum(1, keepdims=True) * u

def weight_norm_backward(dout, v, g):
    n = norm_of(v)
    return g / n * project(dout, v / n), (dout * v / n).sum(1, keepdims=True)
""", [("return x - (", "return x + ("), ("g / n * project", "g * project")]),
    "a_lambda": (NP + """
norm = lambda v: np.sqrt((v * v).sum(1, keepdims=True))
forward = lambda v, g: g * v / norm(v)
backward = lambda dw, v, g: (
    g / norm(v) * (dw - (dw * v).sum(1, keepdims=True) * v / norm(v)**2),
    (dw * v).sum(1, keepdims=True) / norm(v))
""", [("* v / norm(v)**2", "* v / norm(v)"), ("g / norm(v) * (dw", "g * (dw")]),
    "cache_as_a_dict": (NP + """
def forward(v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    w = g * v / n
    return w, {"v": v, "g": g, "n": n}

def backward(dw, cache):
    v, g, n = cache["v"], cache["g"], cache["n"]
    dg = (dw * v).sum(1, keepdims=True) / n
    return {"dv": g / n * (dw - dg * v / n), "dg": dg}
""", [("dg * v / n)", "dg * v)"), ('{"dv": g / n', '{"dv": g')]),
    "a_pullback": (NP + """
def weight_norm(v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)

    def pullback(w_bar):
        g_bar = (w_bar * v).sum(1, keepdims=True) / n
        return g / n * (w_bar - g_bar * v / n), g_bar

    return g * v / n, pullback
""", [("g_bar * v / n)", "g_bar * v)"), ("return g / n * (", "return (")]),
    "with_a_required_dim": (NP + """
def _norm_except(v, dim):
    return np.sqrt((v**2).sum(axis=tuple(i for i in range(v.ndim) if i != dim), keepdims=True))

def weight_norm(v, g, dim):
    return v * (g / _norm_except(v, dim))

def weight_norm_backward(grad_w, v, g, dim):
    n = _norm_except(v, dim)
    grad_g = (grad_w * v / n).sum(
        axis=tuple(i for i in range(v.ndim) if i != dim), keepdims=True)
    return g / n * grad_w - g * grad_g / n**2 * v, grad_g
""", [("grad_g / n**2 * v", "grad_g / n * v"), ("return g / n * grad_w", "return grad_w / n")]),
    "unit_vectors": (NP + """
def normalize(v):
    return v / np.linalg.norm(v, axis=-1, keepdims=True)

def effective_weight(v, g):
    return g * normalize(v)

def effective_weight_grad(dw, v, g):
    u = normalize(v)
    dg = np.sum(dw * u, axis=-1, keepdims=True)
    dv = g * (dw - dg * u) / np.linalg.norm(v, axis=-1, keepdims=True)
    return dv, dg
""", [("(dw - dg * u) /", "(dw - dg * v) /"), ("dw * u, axis", "dw * v, axis")]),
    "one_row_at_a_time": (NP + """
def forward(v, g):
    w = np.empty_like(v)
    for i in range(v.shape[0]):
        w[i] = g[i] * v[i] / np.sqrt(np.dot(v[i], v[i]))
    return w

def backward(dout, v, g):
    dv, dg = np.zeros_like(v), np.zeros_like(g)
    for i in range(v.shape[0]):
        n = np.sqrt(np.dot(v[i], v[i]))
        dg[i] = np.dot(dout[i], v[i]) / n
        dv[i] = g[i] / n * (dout[i] - dg[i] * v[i] / n)
    return dv, dg
""", [("dg[i] * v[i] / n)", "dg[0] * v[i] / n)"), ("/ n\n        dv", "\n        dv")]),
    "a_class_of_static_methods": (NP + """
class WeightNorm:
    @staticmethod
    def forward(v, g):
        return g[:, None] * v / np.linalg.norm(v, axis=1)[:, None]

    @staticmethod
    def backward(grad, v, g):
        n = np.linalg.norm(v, axis=1)
        dg = (grad * v).sum(axis=1) / n
        return (g / n)[:, None] * (grad - (dg / n)[:, None] * v), dg
""", [("(dg / n)[:, None]", "(dg * n)[:, None]"), ("(g / n)[:, None] * (grad", "(grad")]),
    "attributes_of_a_parameter": (NP + """
class WeightNormalizedParameter:
    def __init__(self, shape):
        self.v = np.random.randn(*shape)
        self.g = np.ones(shape[0])

    def weight(self):
        self.norm = np.linalg.norm(self.v, axis=1)
        return self.v * (self.g / self.norm)[:, None]

    def backward(self, dw):
        grad_g = (dw * self.v).sum(1) / self.norm
        grad_v = (self.g / self.norm)[:, None] * (dw - (grad_g / self.norm)[:, None] * self.v)
        return {"grad_v": grad_v, "grad_g": grad_g}
""", [("(grad_g / self.norm)[:, None]", "grad_g[:, None]"), ("(self.g / self.norm)[:, None] * (dw",
      "(1 / self.norm)[:, None] * (dw")]),
    "sums_by_letters": (NP + """
def weight_norm(v, g):
    # v: (out, in), g: (out,)
    norm = np.sqrt(np.einsum("ij,ij->i", v, v))
    return np.einsum("i,ij->ij", g / norm, v)
def dweight_norm(dw, v, g):
    norm = np.sqrt(np.einsum("ij,ij->i", v, v))
    dg = np.einsum("ij,ij->i", dw, v) / norm
    dv = np.einsum("i,ij->ij", g / norm, dw)
    dv = dv - np.einsum("i,ij->ij", g * dg / norm**2, v)
    return {"dv": dv, "dg": dg}
""", [("g * dg / norm**2", "dg / norm**2"), ("dw, v) / norm", "dw, v)")]),
    "a_backward_by_its_arguments": (NP + """
def weight_norm(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)

def compute_gradients(dw, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    dg = (dw * v).sum(1, keepdims=True) / n
    return g / n * (dw - dg * v / n), dg
""", [("dw - dg * v / n", "dw"), ("dg * v / n)", "dg * v)")]),
    "axes_of_a_kernel_of_rank_3": (NP + """
def compute_kernel(v, g):
    return v / np.sqrt(np.sum(v**2, axis=(0, 1), keepdims=True)) * g

def compute_gradients(v, g, grad_kernel):
    norm = np.sqrt(np.sum(v**2, axis=(0, 1), keepdims=True))
    grad_g = np.sum(grad_kernel * v / norm, axis=(0, 1))
    grad_v = g / norm * grad_kernel - g * grad_g / norm**2 * v
    return grad_v, grad_g
""", [("g * grad_g / norm", "g * np.sum(grad_kernel * v / norm) / norm"),
      ("g / norm * grad_kernel", "np.max(g) / norm * grad_kernel")]),
    "a_list_of_rows": (NP + """
def forward(v, g):
    return np.array([g_i * v_i / np.linalg.norm(v_i) for v_i, g_i in zip(v, g)])

def backward(dw, v, g):
    dv, dg = np.zeros_like(v), np.zeros_like(g)
    for i in range(v.shape[0]):
        n = np.linalg.norm(v[i])
        M = np.eye(v.shape[1]) - np.outer(v[i], v[i]) / n**2
        dv[i] = g[i] / n * M @ dw[i]
        dg[i] = dw[i] @ v[i] / n
    return dv, dg
""", [("/ n**2", "/ n"), ("g[i] / n * M", "M / n")]),
}
