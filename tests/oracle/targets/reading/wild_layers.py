"""Layers as people write them: {name: (text, mistakes)}; a mistake is (what is there, what not).

The text is right as it is; with any one of its mistakes it is wrong.
"""

NP = "import numpy as np\n\n"

LAYERS = {
    "affine_with_a_cache": (NP + """
def affine_forward(x, w, b):
    out = x.dot(w) + b
    return out, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db
""", [("db = np.sum(dout, axis=0)", "db = np.mean(dout, axis=0)"),
      ("dw = x.T.dot(dout)", "dw = x.T.dot(dout) / len(x)")]),
    "convolution_with_a_dict": (NP + """
def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    Ho, Wo = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            win = xp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
            out[:, :, i, j] = np.tensordot(win, w, ([1, 2, 3], [1, 2, 3])) + b
    return out, (x, w, b, conv_param)

def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            s = np.s_[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
            dw += np.tensordot(dout[:, :, i, j], xp[s], (0, 0))
            dxp[s] += np.tensordot(dout[:, :, i, j], w, (1, 0))
    return dxp[:, :, pad:pad + H, pad:pad + W], dw, db
""", [("dxp[s] +=", "dxp[s] ="), ("dout.sum(axis=(0, 2, 3))", "dout.sum(axis=(2, 3))[0]")]),
    "channels_last": (NP + """
def conv_forward(A_prev, W, b, hparameters):
    stride, pad = hparameters["stride"], hparameters["pad"]
    m, H, Wd, _ = A_prev.shape
    f, f2, _, n_C = W.shape
    A = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    nH, nW = (H - f + 2 * pad) // stride + 1, (Wd - f2 + 2 * pad) // stride + 1
    Z = np.zeros((m, nH, nW, n_C))
    for h in range(nH):
        for w in range(nW):
            part = A[:, h * stride:h * stride + f, w * stride:w * stride + f2, :]
            Z[:, h, w, :] = np.tensordot(part, W, 3) + b[0, 0, 0]
    return Z, (A_prev, W, b, hparameters)

def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    f, f2, _, n_C = W.shape
    A = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    dA, dW, db = np.zeros_like(A), np.zeros_like(W), np.zeros_like(b)
    for h in range(dZ.shape[1]):
        for w in range(dZ.shape[2]):
            s = np.s_[:, h * stride:h * stride + f, w * stride:w * stride + f2, :]
            dA[s] += np.tensordot(dZ[:, h, w], W, (1, 3))
            dW += np.tensordot(A[s], dZ[:, h, w], (0, 0))
            db += dZ[:, h, w].sum(0)
    dA_prev = dA[:, pad:pad + A_prev.shape[1], pad:pad + A_prev.shape[2]]
    return dA_prev, dW, db
""", [("db += dZ", "db = dZ"), ("dW += np", "dW = np")]),
    "stepping_in_backward": (NP + """
class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient, learning_rate):
        weights_gradient = np.dot(output_gradient, self.input.T)
        input_gradient = np.dot(self.weights.T, output_gradient)
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * np.sum(output_gradient, axis=1, keepdims=True)
        return input_gradient
""", [("np.sum(output_gradient, axis=1, keepdims=True)", "output_gradient[:, :1]"),
      ("        input_gradient = np.dot(self.weights.T, output_gradient)\n"
       "        self.weights -= learning_rate * weights_gradient\n",
       "        self.weights -= learning_rate * weights_gradient\n"
       "        input_gradient = np.dot(self.weights.T, output_gradient)\n")]),
    "all_in_attributes": (NP + """
class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
""", [("np.sum(dvalues, axis=0, keepdims=True)", "dvalues[-1:]"),
      ("np.dot(self.inputs.T, dvalues)", "np.dot(self.inputs.T, dvalues) / len(dvalues)")]),
    "params_and_grads": (NP + """
class Linear:
    def __init__(self, in_features, out_features):
        self.params = {"W": np.random.randn(in_features, out_features), "b": np.zeros(out_features)}
        self.grads = {}

    def forward(self, X):
        self.cache = X
        return X @ self.params["W"] + self.params["b"]

    def backward(self, dLdy):
        self.grads["W"] = self.cache.T @ dLdy
        self.grads["b"] = dLdy.sum(axis=0)
        return dLdy @ self.params["W"].T
""", [('self.grads["b"] = dLdy.sum(axis=0)', 'self.grads["b"] = dLdy.mean(axis=0)'),
      ("return dLdy @ self.params", "return 2 * dLdy @ self.params")]),
    "a_configurable_convolution": (NP + """
class Conv2d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.stride, self.padding, self.k = stride, padding, kernel_size
        self.weight = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.bias = np.zeros(out_channels)

    def windows(self, x):
        s, k = self.stride, self.k
        for i in range((x.shape[2] - k) // s + 1):
            for j in range((x.shape[3] - k) // s + 1):
                yield i, j, np.s_[:, :, i * s:i * s + k, j * s:j * s + k]

    def forward(self, x):
        p = self.padding
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        s, k = self.stride, self.k
        size = [(n - k) // s + 1 for n in self.x.shape[2:]]
        y = np.zeros((len(x), len(self.weight), *size))
        for i, j, at in self.windows(self.x):
            y[:, :, i, j] = np.einsum("nchw,ochw->no", self.x[at], self.weight) + self.bias
        return y

    def backward(self, grad):
        dx, self.dweight = np.zeros_like(self.x), np.zeros_like(self.weight)
        for i, j, at in self.windows(self.x):
            dx[at] += np.einsum("no,ochw->nchw", grad[:, :, i, j], self.weight)
            self.dweight += np.einsum("no,nchw->ochw", grad[:, :, i, j], self.x[at])
        self.dbias = grad.sum((0, 2, 3))
        p = self.padding
        return dx[:, :, p:-p, p:-p] if p else dx
""", [("self.dbias = grad.sum((0, 2, 3))", "self.dbias = grad.sum(0).mean((1, 2))"),
      ("grad[:, :, i, j], self.weight)", "grad[:, :, i, j], self.weight[:, :, ::-1, ::-1])")]),
    "weight_norm_conv1d": (NP + """
def conv1d_forward(x, v, g, b, stride=1):
    n = np.sqrt((v ** 2).sum(axis=(1, 2)))
    w = (g / n)[:, None, None] * v
    k = v.shape[2]
    t = (x.shape[2] - k) // stride + 1
    cols = np.stack([x[:, :, stride * i:stride * i + k] for i in range(t)], 3)  # n c k t
    return np.einsum("nckt,ock->not", cols, w) + b[:, None], (x.shape, cols, v, g, n, w, stride)

def conv1d_backward(dy, cache):
    shape, cols, v, g, n, w, stride = cache
    dw = np.einsum("not,nckt->ock", dy, cols)
    dg = (dw * v).sum((1, 2)) / n
    dv = (g / n)[:, None, None] * (dw - (dg / n)[:, None, None] * v)
    dcols = np.einsum("not,ock->nckt", dy, w)
    dx, k = np.zeros(shape), v.shape[2]
    for i in range(dy.shape[2]):
        dx[:, :, stride * i:stride * i + k] += dcols[..., i]
    return dx, dv, dg, dy.sum((0, 2))
""", [('("not,ock->nckt", dy, w)', '("not,ock->nckt", dy, v)'),
      ("(dg / n)[:, None, None] * v", "dg[:, None, None] * v")]),
    "weight_norm_with_state": (NP + """
class WeightNormDense:
    def __init__(self, n_in, n_out):
        self.v = np.random.randn(n_in, n_out)
        self.g = np.ones(n_out)
        self.b = np.zeros(n_out)
        self.grads = {}

    def __call__(self, x):
        self.x = x
        self.norm = np.linalg.norm(self.v, axis=0)
        return self.g * (x @ self.v) / self.norm + self.b

    def backward(self, dout):
        dw = self.x.T @ dout
        self.grads["g"] = (dw * self.v).sum(0) / self.norm
        self.grads["v"] = self.g / self.norm * (dw - self.grads["g"] * self.v / self.norm)
        self.grads["b"] = dout.sum(0)
        return dout @ (self.g * self.v / self.norm).T
""", [('self.grads["g"] * self.v / self.norm)', 'self.grads["g"] * self.v)'),
      ("return dout @ (self.g * self.v / self.norm).T", "return dout @ self.v.T")]),
    "columns_are_samples": (NP + """
def linear_forward(A, W, b):
    Z = np.dot(W, A) + b
    return Z, (A, W, b)

def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T)
    db = np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db
""", [("dW = np.dot(dZ, A_prev.T)", "dW = np.dot(dZ, A_prev.T) / dZ.shape[1]"),
      ("np.sum(dZ, axis=1, keepdims=True)", "np.mean(dZ, axis=1, keepdims=True)")]),
    "small_parameters": (NP + """
class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, np.zeros_like(data)

class Linear:
    def __init__(self, n, m):
        self.weight = Parameter(np.random.randn(n, m))
        self.bias = Parameter(np.zeros(m))

    def forward(self, x):
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, grad_output):
        self.weight.grad = self.weight.grad + self.x.T @ grad_output
        self.bias.grad = self.bias.grad + grad_output.sum(0)
        return grad_output @ self.weight.data.T
""", [("self.bias.grad + grad_output.sum(0)", "self.bias.grad + grad_output.max(0)"),
      ("return grad_output @ self.weight.data.T", "return grad_output @ self.weight.grad.T")]),
    "transposed_convolution": (NP + """
class ConvTranspose1d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=2):
        self.stride = stride
        self.weight = np.random.randn(in_channels, out_channels, kernel_size)
        self.bias = np.zeros(out_channels)

    def forward(self, x):
        self.x = x
        k, s = self.weight.shape[2], self.stride
        y = np.zeros((len(x), self.weight.shape[1], (x.shape[2] - 1) * s + k))
        for t in range(x.shape[2]):
            y[:, :, t * s:t * s + k] += np.einsum("nc,cok->nok", x[:, :, t], self.weight)
        return y + self.bias[:, None]

    def backward(self, dy):
        k, s = self.weight.shape[2], self.stride
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.weight)
        for t in range(self.x.shape[2]):
            part = dy[:, :, t * s:t * s + k]
            dx[:, :, t] = np.einsum("nok,cok->nc", part, self.weight)
            self.dW += np.einsum("nok,nc->cok", part, self.x[:, :, t])
        self.db = dy.sum((0, 2))
        return dx
""", [("self.dW += np", "self.dW = np"), ("self.db = dy.sum((0, 2))", "self.db = dy[-1].sum(1)")]),
    "fixed_three_by_three": (NP + """
class Conv3x3:
    def __init__(self):
        self.filters = np.random.randn(8, 3, 3, 3)
        self.b = np.zeros(8)

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        h, w = x.shape[2:]
        y = np.zeros((len(x), 8, h, w))
        for i in range(h):
            for j in range(w):
                y[:, :, i, j] = np.tensordot(
                    self.x[:, :, i:i + 3, j:j + 3], self.filters, ([1, 2, 3], [1, 2, 3])) + self.b
        return y

    def backward(self, d_out):
        dx, d_filters = np.zeros_like(self.x), np.zeros_like(self.filters)
        for i in range(d_out.shape[2]):
            for j in range(d_out.shape[3]):
                d_filters += np.tensordot(d_out[:, :, i, j], self.x[:, :, i:i + 3, j:j + 3], (0, 0))
                dx[:, :, i:i + 3, j:j + 3] += np.tensordot(
                    d_out[:, :, i, j], self.filters, (1, 0))
        return dx[:, :, 1:-1, 1:-1], d_filters, d_out.sum((0, 2, 3))
""", [("dx[:, :, 1:-1, 1:-1], d_f", "dx[:, :, 2:, 2:], d_f"),
      ("d_filters += np", "d_filters = np")]),
    "grouped": (NP + """
class GroupedConv1d:
    def __init__(self, in_channels, out_channels, kernel_size, groups=2):
        self.groups = groups
        self.w = np.random.randn(out_channels, in_channels // groups, kernel_size)

    def split(self, x):
        return np.split(x, self.groups, axis=1)

    def forward(self, x):
        self.x, k = x, self.w.shape[2]
        out = []
        for part, w in zip(self.split(x), np.split(self.w, self.groups)):
            cols = np.stack([part[:, :, i:i + k] for i in range(x.shape[2] - k + 1)], 3)
            out.append(np.einsum("nckt,ock->not", cols, w))
        return np.concatenate(out, 1)

    def backward(self, dout):
        k, dx, dw = self.w.shape[2], [], []
        for part, w, d in zip(self.split(self.x), np.split(self.w, self.groups), self.split(dout)):
            cols = np.stack([part[:, :, i:i + k] for i in range(part.shape[2] - k + 1)], 3)
            dw.append(np.einsum("not,nckt->ock", d, cols))
            each = np.zeros_like(part)
            for i in range(d.shape[2]):
                each[:, :, i:i + k] += np.einsum("no,ock->nck", d[:, :, i], w)
            dx.append(each)
        self.dw = np.concatenate(dw)
        return np.concatenate(dx, 1)
""", [("np.concatenate(dx, 1)", "np.concatenate(dx[::-1], 1)"),
      ("np.concatenate(dw)", "np.concatenate(dw[::-1])")]),
    "forward_of_a_layer": (NP + """
def linear(x, weight_v, weight_g, bias):
    w = weight_v * (weight_g / np.linalg.norm(weight_v, axis=1, keepdims=True))
    return x @ w.T + bias
""", [("+ bias", "- bias"), ("axis=1, keepdims=True", "keepdims=True")]),
    "one_function_for_each": (NP + """
def forward(x, W, b):
    return x @ W.T + b

def backward(x, W, b, dy):
    return {"x": dy @ W, "W": dy.T @ x, "b": dy.sum(axis=0)}
""", [("dy.sum(axis=0)", "dy.sum(axis=0) / len(dy)"), ('"W": dy.T @ x', '"W": dy.T @ (x + 1)')]),
    "untied_biases": (NP + """
def correlate(x, k):
    h, w = x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1
    return np.array([[(x[i:i + k.shape[0], j:j + k.shape[1]] * k).sum() for j in range(w)]
                     for i in range(h)])

class Convolutional:
    def __init__(self, input_shape, kernel_size, depth):
        c, h, w = input_shape
        self.input_shape = input_shape
        self.output_shape = depth, h - kernel_size + 1, w - kernel_size + 1
        self.kernels = np.random.randn(depth, c, kernel_size, kernel_size)
        self.biases = np.random.randn(*self.output_shape)

    def forward(self, input):
        self.input, self.output = input, np.copy(self.biases)
        for i, kernels in enumerate(self.kernels):
            for x, k in zip(input, kernels):
                self.output[i] += correlate(x, k)
        return self.output

    def backward(self, output_gradient, learning_rate):
        kernels_gradient = np.zeros_like(self.kernels)
        input_gradient = np.zeros(self.input_shape)
        k = self.kernels.shape[2] - 1
        for i, dy in enumerate(output_gradient):
            for j, x in enumerate(self.input):
                kernels_gradient[i, j] = correlate(x, dy)
                input_gradient[j] += correlate(np.pad(dy, k), self.kernels[i, j, ::-1, ::-1])
        self.kernels -= learning_rate * kernels_gradient
        self.biases -= learning_rate * output_gradient
        return input_gradient
""", [("self.kernels[i, j, ::-1, ::-1]", "self.kernels[i, j]"),
      ("learning_rate * output_gradient", "learning_rate * output_gradient.mean()")]),
    "an_image_without_channels": (NP + """
class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def regions(self, image):
        for i in range(image.shape[0] - 2):
            for j in range(image.shape[1] - 2):
                yield image[i:i + 3, j:j + 3], i, j

    def forward(self, image):
        self.last = image
        out = np.zeros((image.shape[0] - 2, image.shape[1] - 2, self.num_filters))
        for region, i, j in self.regions(image):
            out[i, j] = np.sum(region * self.filters, axis=(1, 2))
        return out

    def backprop(self, d_L_d_out, learn_rate):
        d_filters = np.zeros(self.filters.shape)
        for region, i, j in self.regions(self.last):
            for f in range(self.num_filters):
                d_filters[f] += d_L_d_out[i, j, f] * region
        self.filters -= learn_rate * d_filters
""", [("d_filters[f] += ", "d_filters[f] = "), ("* region", "* region[::-1]")]),
    "functions_of_one_channel": (NP + """
def conv_forward(image, kernels):
    n, kh, kw = kernels.shape
    windows = np.lib.stride_tricks.sliding_window_view(image, (kh, kw))
    return np.einsum("hwij,nij->nhw", windows, kernels)

def conv_backward(dout, image, kernels):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernels.shape[1:])
    dx = np.zeros_like(image)
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            h, w = kernels.shape[1:]
            dx[i:i + h, j:j + w] += np.einsum("n,nij->ij", dout[:, i, j], kernels)
    return dx, np.einsum("nhw,hwij->nij", dout, windows)
""", [("dx[i:i + h, j:j + w] += ", "dx[i:i + h, j:j + w] = "),
      ('"hwij,nij->nhw", windows', '"hwij,nij->nhw", windows[..., ::-1, :]')]),
    "among_activations": (NP + """
class Layer:
    def forward(self, x):
        raise NotImplementedError

    def backward(self, grad):
        raise NotImplementedError

class ReLU(Layer):
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad):
        return grad * self.mask

class FullyConnected(Layer):
    def __init__(self, in_dim, out_dim, lr=0.01):
        self.W = np.random.randn(in_dim, out_dim) * 0.1
        self.b = np.zeros((1, out_dim))
        self.lr = lr

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        dx = grad @ self.W.T
        self.W -= self.lr * (self.x.T @ grad)
        self.b -= self.lr * grad.sum(axis=0, keepdims=True)
        return dx
""", [("self.lr * (self.x.T @ grad)", "self.lr * (self.x.T @ grad) / len(grad)"),
      ("grad.sum(axis=0, keepdims=True)", "grad.mean(axis=0, keepdims=True)")]),
    "grads_in_a_dict_beside_x": (NP + """
def forward(X, W, b):
    return X @ W + b, {"X": X, "W": W}

def backward(dY, cache):
    X, W = cache["X"], cache["W"]
    return dY @ W.T, {"W": X.T @ dY, "b": dY.sum(0)}
""", [("dY.sum(0)", "dY.sum()"), ("X.T @ dY", "X.T @ dY + W")]),
    "weight_norm_conv2d": (NP + """
class WNConv2d:
    def __init__(self, c_in, c_out, k, stride=1, pad=0):
        self.stride, self.pad = stride, pad
        self.weight_v = np.random.randn(c_out, c_in, k, k)
        self.weight_g = np.ones((c_out, 1, 1, 1))
        self.bias = np.zeros(c_out)

    def forward(self, x):
        p, s = self.pad, self.stride
        self.norm = np.sqrt((self.weight_v ** 2).sum((1, 2, 3), keepdims=True))
        self.w = self.weight_g * self.weight_v / self.norm
        self.xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        k = self.w.shape[2]
        h, w = (self.xp.shape[2] - k) // s + 1, (self.xp.shape[3] - k) // s + 1
        y = np.empty((len(x), len(self.w), h, w))
        for i in range(h):
            for j in range(w):
                part = self.xp[:, :, i*s:i*s+k, j*s:j*s+k].reshape(len(x), -1)
                y[:, :, i, j] = part @ self.w.reshape(len(self.w), -1).T + self.bias
        return y

    def backward(self, dy):
        p, s, k = self.pad, self.stride, self.w.shape[2]
        dxp, dw = np.zeros_like(self.xp), np.zeros_like(self.w)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                part = self.xp[:, :, i*s:i*s+k, j*s:j*s+k]
                dw += np.einsum("no,nchw->ochw", dy[:, :, i, j], part)
                dxp[:, :, i*s:i*s+k, j*s:j*s+k] += np.einsum(
                    "no,ochw->nchw", dy[:, :, i, j], self.w)
        self.grad_weight_g = (dw * self.weight_v).sum((1, 2, 3), keepdims=True) / self.norm
        self.grad_weight_v = self.weight_g / self.norm * (
            dw - self.grad_weight_g * self.weight_v / self.norm)
        self.grad_bias = dy.sum((0, 2, 3))
        return dxp[:, :, p:dxp.shape[2] - p, p:dxp.shape[3] - p]
""", [("self.weight_v / self.norm)\n        self.grad_b", "self.weight_v)\n        self.grad_b"),
      ("dy[:, :, i, j], self.w)", "dy[:, :, i, j], self.weight_v)")]),
    "batch_last_of_all": (NP + """
class Affine:
    def __init__(self, n_x, n_y):
        self.parameters = {"W": np.random.randn(n_y, n_x), "b": np.zeros((n_y, 1))}

    def forward(self, A_prev):
        self.cache = A_prev
        return self.parameters["W"] @ A_prev + self.parameters["b"]

    def backward(self, dZ):
        A_prev = self.cache
        self.gradients = {"dW": dZ @ A_prev.T, "db": dZ.sum(axis=1, keepdims=True)}
        return self.parameters["W"].T @ dZ
""", [('"dW": dZ @ A_prev.T', '"dW": dZ @ A_prev.T / A_prev.shape[1]'),
      ("dZ.sum(axis=1, keepdims=True)", "dZ.sum(axis=0)[None].T[:len(dZ)] * 0 + dZ.mean()")]),
    "a_keyword_for_training": (NP + """
class Linear:
    def __init__(self, in_features, out_features, bias=True):
        self.weight = np.random.randn(out_features, in_features)
        self.bias = np.zeros(out_features) if bias else None

    def forward(self, x, training=True):
        if training:
            self.saved = x
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def backward(self, grad_output):
        self.weight_grad = grad_output.T @ self.saved
        if self.bias is not None:
            self.bias_grad = grad_output.sum(axis=0)
        return grad_output @ self.weight
""", [("grad_output.sum(axis=0)", "grad_output[0]"), ("return grad_output @ self.weight",
       "return grad_output @ abs(self.weight)")]),
    "dilated_with_attributes": (NP + """
class CausalConv1d:
    def __init__(self):
        self.kernel = np.random.randn(6, 4, 3)
        self.dilation = 2

    def forward(self, x):
        self.x, d = x, self.dilation
        n = x.shape[2] - 2 * d
        y = 0
        for k in range(3):
            y = y + np.einsum("nct,oc->not", x[:, :, k * d:k * d + n], self.kernel[:, :, k])
        return y

    def backward(self, dout):
        d, n = self.dilation, dout.shape[2]
        dx, dk = np.zeros_like(self.x), np.zeros_like(self.kernel)
        for k in range(3):
            dx[:, :, k * d:k * d + n] += np.einsum("not,oc->nct", dout, self.kernel[:, :, k])
            dk[:, :, k] = np.einsum("not,nct->oc", dout, self.x[:, :, k * d:k * d + n])
        self.d_kernel = dk
        return dx
""", [('dk[:, :, k] = np.einsum("not,nct->oc", dout, self.x[:, :, k * d:k * d + n])',
       'dk[:, :, k] = np.einsum("not,nct->oc", dout, self.x[:, :, k:k + n])'),
      ("dx[:, :, k * d:k * d + n] +=", "dx[:, :, k * d:k * d + n] =")]),
    "a_dict_of_parameters": (NP + """
def init(n_in, n_out):
    return {"v": np.random.randn(n_out, n_in), "g": np.ones(n_out), "b": np.zeros(n_out)}

def forward(params, x):
    n = np.linalg.norm(params["v"], axis=1)
    w = (params["g"] / n)[:, None] * params["v"]
    return x @ w.T + params["b"], (x, n, w)

def backward(params, cache, dout):
    x, n, w = cache
    dw = dout.T @ x
    dg = (dw * params["v"]).sum(1) / n
    dv = (params["g"] / n)[:, None] * (dw - (dg / n)[:, None] * params["v"])
    return dout @ w, {"g": dg, "v": dv, "b": dout.sum(0)}
""", [("(dg / n)[:, None]", "dg[:, None]"), ("return dout @ w,", "return dout @ params['v'],")]),
    "filters_with_channels_last": (NP + """
class Conv2D:
    def __init__(self, num_filters, filter_size, input_channels, stride=1, padding="valid"):
        self.filters = np.random.randn(filter_size, filter_size, input_channels, num_filters)
        self.biases = np.zeros(num_filters)
        self.stride = stride

    def windows(self, shape):
        k, s = self.filters.shape[0], self.stride
        for i in range((shape[1] - k) // s + 1):
            for j in range((shape[2] - k) // s + 1):
                yield i, j, np.s_[:, i * s:i * s + k, j * s:j * s + k]

    def forward(self, inputs):
        self.inputs = inputs
        k, s = self.filters.shape[0], self.stride
        size = [(n - k) // s + 1 for n in inputs.shape[1:3]]
        out = np.zeros((len(inputs), *size, self.filters.shape[-1]))
        for i, j, at in self.windows(inputs.shape):
            out[:, i, j] = np.tensordot(inputs[at], self.filters, 3) + self.biases
        return out

    def backward(self, d_out, learning_rate):
        dx, df = np.zeros_like(self.inputs), np.zeros_like(self.filters)
        for i, j, at in self.windows(self.inputs.shape):
            df += np.tensordot(self.inputs[at], d_out[:, i, j], (0, 0))
            dx[at] += np.tensordot(d_out[:, i, j], self.filters, (1, 3))
        self.filters -= learning_rate * df
        self.biases -= learning_rate * d_out.sum((0, 1, 2))
        return dx
""", [("dx[at] +=", "dx[at] ="), ("d_out.sum((0, 1, 2))", "d_out.sum((1, 2))[-1]")]),
    "beside_other_layers": (NP + """
def relu_forward(x):
    return np.maximum(0, x), x

def relu_backward(dout, cache):
    return dout * (cache > 0)

def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    dx = (dout @ w.T).reshape(x.shape)
    return dx, x.reshape(len(x), -1).T @ dout, dout.sum(0)

def conv_forward(x, w, b, conv_param):
    raise NotImplementedError

def conv_backward(dout, cache):
    raise NotImplementedError
""", [("dout.sum(0)", "dout.sum(0) / len(dout)"), ("dout @ w.T", "dout @ abs(w.T)")]),
    "arguments_of_its_base": (NP + """
class Base:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

class Linear(Base):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = 0

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.W.T
""", [
      ("self.x.T @ dout",
       "self.x.T @ dout / len(dout)"),
      ("dout.sum(0)",
       "dout.sum()"),
    ]),
    "a_bias_as_the_last_row": (NP + """
class Dense:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in + 1, n_out)

    def forward(self, x):
        self.x = np.hstack([x, np.ones((len(x), 1))])
        return self.x @ self.W

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W[:-1].T
""", [
      ("self.dW = self.x.T @ dout",
       "self.dW = self.x.T @ dout / len(dout)"),
      ("np.ones((len(x), 1))",
       "-np.ones((len(x), 1))"),
      ("return dout @ self.W[:-1].T",
       "return dout @ self.W.T"),
      ("return dout @ self.W[:-1].T",
       "return dout @ self.W[1:].T"),
    ]),
    "a_bias_as_the_last_row_of_functions": (NP + """
def forward(x, W):
    xb = np.hstack([x, np.ones((len(x), 1))])
    return xb @ W, (xb, W)

def backward(dout, cache):
    xb, W = cache
    return dout @ W[:-1].T, xb.T @ dout
""", [
      ("xb.T @ dout",
       "xb.T @ dout + 0.01 * W"),
      ("W[:-1].T",
       "abs(W[:-1].T)"),
    ]),
    "one_image_at_a_time": (NP + """
class Conv:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)
        self.k = kernel_size

    def forward(self, x):
        c, h, w = x.shape
        k = self.k
        self.x = x
        y = np.zeros((len(self.W), h - k + 1, w - k + 1))
        for i in range(h - k + 1):
            for j in range(w - k + 1):
                y[:, i, j] = np.tensordot(self.W, x[:, i:i + k, j:j + k], 3) + self.b
        return y

    def backward(self, dy):
        k = self.k
        self.dW, dx = np.zeros_like(self.W), np.zeros_like(self.x)
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                self.dW += dy[:, i, j][:, None, None, None] * self.x[:, i:i + k, j:j + k]
                dx[:, i:i + k, j:j + k] += np.tensordot(dy[:, i, j], self.W, 1)
        self.db = dy.sum((1, 2))
        return dx
""", [
      ("dx[:, i:i + k, j:j + k] +=",
       "dx[:, i:i + k, j:j + k] ="),
      ("self.db = dy.sum((1, 2))",
       "self.db = dy.mean((1, 2))"),
      ("self.dW += dy",
       "self.dW = dy"),
    ]),
    "one_vector_at_a_time": (NP + """
def forward(x, W, b):
    assert x.ndim == 1
    return W @ x + b

def backward(dy, x, W, b):
    return W.T @ dy, np.outer(dy, x), dy
""", [
      ("np.outer(dy, x)",
       "np.outer(dy, dy @ W)"),
      ("W.T @ dy",
       "W.T @ abs(dy)"),
    ]),
    "one_column_at_a_time": (NP + """
class Layer:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_out, n_in)
        self.b = np.zeros((n_out, 1))

    def forward(self, x):
        self.x = x.reshape(-1, 1)
        return self.W @ self.x + self.b

    def backward(self, grad):
        self.dW = grad @ self.x.T
        self.db = grad
        return self.W.T @ grad
""", [
      ("self.db = grad",
       "self.db = 2 * grad"),
      ("return self.W.T @ grad",
       "return self.W.T @ self.b"),
    ]),
    "a_stride_that_is_called_s": (NP + """
class Conv:
    def __init__(self, n_filters, f, n_channels, s=2, p=0):
        self.W = np.random.randn(n_filters, f, f, n_channels)
        self.b = np.zeros(n_filters)
        self.s, self.p = s, p

    def forward(self, a_in):
        self.a_in = a_in
        m, h, w, c = a_in.shape
        n, f, f2, _ = self.W.shape
        pad = np.pad(a_in, ((0, 0), (self.p, self.p), (self.p, self.p), (0, 0)))
        ho, wo = (h + 2*self.p - f) // self.s + 1, (w + 2*self.p - f2) // self.s + 1
        z = np.empty((m, ho, wo, n))
        for i in range(ho):
            for j in range(wo):
                win = pad[:, i*self.s:i*self.s+f, j*self.s:j*self.s+f2, :]
                z[:, i, j, :] = np.tensordot(win, self.W, axes=([1, 2, 3], [1, 2, 3])) + self.b
        return z

    def backward(self, dz):
        n, f, f2, _ = self.W.shape
        pad = np.pad(self.a_in, ((0, 0), (self.p, self.p), (self.p, self.p), (0, 0)))
        dpad = np.zeros_like(pad)
        self.dW = np.zeros_like(self.W)
        for i in range(dz.shape[1]):
            for j in range(dz.shape[2]):
                sl = np.s_[:, i*self.s:i*self.s+f, j*self.s:j*self.s+f2, :]
                self.dW += np.tensordot(dz[:, i, j], pad[sl], axes=(0, 0))
                dpad[sl] += np.tensordot(dz[:, i, j], self.W, axes=(1, 0))
        self.db = dz.sum(axis=(0, 1, 2))
        h, w = self.a_in.shape[1:3]
        return dpad[:, self.p:self.p+h, self.p:self.p+w]
""", [
      ("dz.sum(axis=(0, 1, 2))", "dz.mean(axis=(0, 1, 2))"),
      ("sl = np.s_[:, i*self.s:i*self.s+f, j*self.s:j*self.s+f2, :]",
       "sl = np.s_[:, i:i+f, j:j+f2, :]"),
      ("dpad[sl] +=", "dpad[sl] ="),
    ]),
    "one_kernel_for_each_channel": (NP + """
class DepthwiseConv2d:
    def __init__(self, channels, kernel_size, stride=1):
        self.weight = np.random.randn(channels, 1, kernel_size, kernel_size)
        self.bias = np.zeros(channels)
        self.stride, self.groups = stride, channels

    def forward(self, x):
        self.x = x
        k, s = self.weight.shape[2], self.stride
        ho, wo = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
        y = np.zeros((len(x), x.shape[1], ho, wo))
        for i in range(ho):
            for j in range(wo):
                y[:, :, i, j] = (x[:, :, i*s:i*s+k, j*s:j*s+k] * self.weight[:, 0]).sum((2, 3))
        return y + self.bias[None, :, None, None]

    def backward(self, dy):
        k, s = self.weight.shape[2], self.stride
        dx, dw = np.zeros_like(self.x), np.zeros_like(self.weight)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                d = dy[:, :, i, j][:, :, None, None]
                dx[:, :, i*s:i*s+k, j*s:j*s+k] += d * self.weight[:, 0]
                dw[:, 0] += (d * self.x[:, :, i*s:i*s+k, j*s:j*s+k]).sum(0)
        self.dweight, self.dbias = dw, dy.sum((0, 2, 3))
        return dx
""", [
      ("*s+k] += d * self.weight[:, 0]", "*s+k] = d * self.weight[:, 0]"),
      ("dw[:, 0] +=", "dw[:, 0] ="),
    ]),
    "tuples_for_a_constructor": (NP + """
class Conv3D:
    def __init__(self, in_channels=2, out_channels=3, kernel_size=(2, 3, 2), stride=(1, 2, 1)):
        self.kernel_size, self.stride = kernel_size, stride
        self.W = np.random.randn(out_channels, in_channels, *kernel_size)
        self.b = np.zeros(out_channels)

    def windows(self, p):
        return tuple(slice(i * s, i * s + k) for i, s, k in zip(p, self.stride, self.kernel_size))

    def forward(self, x):
        self.x = x
        size = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], self.kernel_size, self.stride)]
        out = np.empty((len(x), len(self.W), *size))
        for p in np.ndindex(*size):
            patch = x[(..., *self.windows(p))]
            out[(..., *p)] = np.einsum("ncdhw,ocdhw->no", patch, self.W) + self.b
        return out

    def backward(self, dout):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for p in np.ndindex(*dout.shape[2:]):
            there, d = (..., *self.windows(p)), dout[(..., *p)]
            dx[there] += np.einsum("no,ocdhw->ncdhw", d, self.W)
            self.dW += np.einsum("no,ncdhw->ocdhw", d, self.x[there])
        self.db = dout.sum(axis=(0, 2, 3, 4))
        return dx
""", [("dx[there] +=", "dx[there] ="), ("dout.sum", "dout.mean"),
      ("            there, d",
       "            self.stride = (min(self.stride),) * 3\n            there, d")]),
    "a_forward_of_a_usual_name": (NP + """
def conv2d(x, w, b):
    win = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", win, w) + b[:, None, None]
""", [("nchwij,ocij", "nchwij,ocji"), ("+ b[", "- b[")]),
    "depthwise": (NP + """
def depthwise_conv2d_forward(x, w, b, stride=1, pad=1):
    \"\"\"x (N, C, H, W), w (C, 1, k, k): each channel has a filter of its own\"\"\"
    kh, kw = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = (xp.shape[2] - kh) // stride + 1, (xp.shape[3] - kw) // stride + 1
    out = np.zeros((*x.shape[:2], oh, ow))
    for i in range(oh):
        for j in range(ow):
            window = xp[:, :, i*stride:i*stride+kh, j*stride:j*stride+kw]
            out[:, :, i, j] = (window * w[:, 0]).sum(axis=(2, 3)) + b
    return out, (x, xp, w, stride, pad)

def depthwise_conv2d_backward(dout, cache):
    x, xp, w, stride, pad = cache
    kh, kw = w.shape[2:]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            d = dout[:, :, i, j][:, :, None, None]
            there = np.s_[:, :, i*stride:i*stride+kh, j*stride:j*stride+kw]
            dxp[there] += d * w[:, 0]
            dw[:, 0] += (d * xp[there]).sum(axis=0)
    return dxp[:, :, pad:pad+x.shape[2], pad:pad+x.shape[3]], dw, dout.sum(axis=(0, 2, 3))
""", [("d * w[:, 0]", "d * w[0, 0]"), ("dw[:, 0] +=", "dw[:, 0] =")]),
    "tuples_of_functions": (NP + """
def conv2d_forward(x, w, b, stride=(1, 1), padding=(0, 0)):
    (ph, pw), (sh, sw) = padding, stride
    xp = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    win = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::sh, ::sw]
    y = np.einsum("nchwij,ocij->nohw", win, w) + b.reshape(1, -1, 1, 1)
    return y, (xp, w, win, stride, padding)

def conv2d_backward(dout, cache):
    xp, w, win, (sh, sw), (ph, pw) = cache
    kh, kw = w.shape[2:]
    dw = np.einsum("nchwij,nohw->ocij", win, dout)
    dx = np.zeros_like(xp)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            sent = np.einsum("no,ocij->ncij", dout[:, :, i, j], w)
            dx[:, :, i*sh:i*sh+kh, j*sw:j*sw+kw] += sent
    height, width = dx.shape[2:]
    return dx[:, :, ph:height-ph, pw:width-pw], dw, dout.sum((0, 2, 3))
""", [("ph:height-ph, pw:width-pw", "pw:height-pw, ph:width-ph"),
      ("j*sw:j*sw+kw", "j*sh:j*sh+kw")]),
}

TORCH = {
    "torch_module": ("""import torch
import torch.nn as nn
import torch.nn.functional as F

class WNLinear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.weight_v = nn.Parameter(torch.randn(out_features, in_features))
        self.weight_g = nn.Parameter(torch.ones(out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))

    def forward(self, x):
        n = self.weight_v.norm(dim=1)
        return F.linear(x, (self.weight_g / n)[:, None] * self.weight_v, self.bias)
""", [("n = self.weight_v.norm(dim=1)", "n = self.weight_v.norm(dim=1).detach()"),
      ("n = self.weight_v.norm(dim=1)", "n = self.weight_v.norm(dim=0).mean()")]),
    "torch_library_norm": ("""import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

class Block(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = weight_norm(nn.Conv1d(in_channels, out_channels, kernel_size, padding=1))

    def forward(self, x):
        return self.conv(x)
""", [("return self.conv(x)", "return 2 * self.conv(x)"),
      ("return self.conv(x)", "return self.conv(x.flip(2))")]),
    "torch_function_of_a_layer": ("""import torch

class LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, bias):
        ctx.save_for_backward(input, weight)
        return input.mm(weight.t()) + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        return grad_output.mm(weight), grad_output.t().mm(input), grad_output.sum(0)
""", [("grad_output.sum(0)", "grad_output.mean(0)"),
      ("grad_output.t().mm(input)", "grad_output.t().mm(2 * input)")]),
    "torch_old_norm": ("""import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.lin = nn.utils.weight_norm(nn.Linear(in_features, out_features))

    def forward(self, x):
        return self.lin(x)
""", [("return self.lin(x)", "return self.lin(x) + x.sum()"),
      ("return self.lin(x)", "return -self.lin(x)")]),
    "torch_weight_alone": ("""import torch
from torch import nn
import torch.nn.functional as F

class WeightNorm(nn.Module):
    def __init__(self, out_features, in_features):
        super().__init__()
        self.v = nn.Parameter(torch.randn(out_features, in_features))
        self.g = nn.Parameter(torch.ones(out_features, 1))

    def forward(self):
        return self.g * F.normalize(self.v, dim=1)
""", [("self.g * F", "self.g ** 2 * F"), ("dim=1)", "dim=1, p=1)")]),
    "torch_functions": ("""import torch

def weight_norm(v, g):
    return g * v / torch.norm(v, dim=1, keepdim=True)

def weight_norm_backward(grad, v, g):
    n = torch.norm(v, dim=1, keepdim=True)
    grad_g = (grad * v).sum(1, keepdim=True) / n
    return g / n * (grad - grad_g * v / n), grad_g
""", [("grad_g * v / n)", "grad_g * v)"), ("return g / n", "return 1 / n")]),
}
TORCH["arguments_of_its_base"] = ("""import torch
from torch import nn
import torch.nn.functional as F

class WNConv2d(nn.Conv2d):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.g = nn.Parameter(self.weight.detach().flatten(1).norm(dim=1))

    def forward(self, x):
        w = self.weight * (self.g / self.weight.flatten(1).norm(dim=1))[:, None, None, None]
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)
""", [
    ("self.bias, self.stride", "self.bias, 1"),
    ("self.weight.flatten(1).norm(dim=1))[", "self.weight.norm())["),
])
TORCH["a_class_of_tensors"] = ("""import torch

class Dense:
    def __init__(self, in_features, out_features):
        self.v, self.g = torch.randn(out_features, in_features), torch.ones(out_features, 1)
        self.b, self.w = torch.zeros(out_features), None

    def forward(self, x):
        self.w = self.g * self.v / self.v.norm(dim=1, keepdim=True)
        return x @ self.w.T + self.b
""", [("        self.w = self.g", "        self.w = self.w if self.w is not None else self.g")])
TORCH["a_module_that_keeps_nothing"] = (TORCH["torch_module"][0], [
    ("n = self.weight_v.norm(dim=1)", """if not hasattr(self, "n"):
            self.n = self.weight_v.norm(dim=1)
        n = self.n"""),
    ("n = self.weight_v.norm(dim=1)", """n = getattr(self, "n", self.weight_v.detach().norm(dim=1))
        self.n = n"""),
    ("        return F", """        if getattr(self, "direction", None) is None:
            self.direction = self.weight_v / n[:, None]
            return F.linear(x, self.weight_g[:, None] * self.direction, self.bias)
        return F.linear(x, self.weight_g[:, None] * self.direction, self.bias)
        return F"""),
    ("    def forward(self, x):\n        n = self.weight_v.norm(dim=1)",
     """        self.n = self.weight_v.detach().norm(dim=1)

    def forward(self, x):
        n = self.n"""),
])
JAX = {
    "flax_linen": ("""from flax import linen as nn
import jax.numpy as jnp

class WNDense(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        scale = self.param("scale", nn.initializers.ones, (self.features,))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return x @ (kernel / jnp.linalg.norm(kernel, axis=0) * scale) + bias
""", [("jnp.linalg.norm(kernel, axis=0)", "jnp.linalg.norm(kernel)"), ("+ bias", "+ 2 * bias")]),
    "flax_transposed": ("""from flax import linen as nn
from jax import lax

class ConvTranspose(nn.Module):
    features: int
    kernel_size: int = 3
    stride: int = 2

    @nn.compact
    def __call__(self, x):
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return lax.conv_transpose(x, kernel, (self.stride,) * 2, "VALID") + bias
""", [("(x, kernel,", "(x, kernel[::-1, ::-1],"), ("+ bias", "+ 2 * bias")]),
    "flax_nnx": ("""from flax import nnx
import jax
import jax.numpy as jnp

class Dense(nnx.Module):
    def __init__(self, in_features, out_features, rngs):
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), (in_features, out_features)))
        self.bias = nnx.Param(jnp.zeros(out_features))

    def __call__(self, x):
        return x @ self.kernel[...] + self.bias[...]
""", [("+ self.bias", "- self.bias"), ("x @ self", "2 * x @ self")]),
    "equinox_linear": ("""import equinox as eqx
import jax
import jax.numpy as jnp

class Linear(eqx.Module):
    v: jax.Array
    g: jax.Array
    bias: jax.Array

    def __init__(self, in_size, out_size, key):
        self.v = jax.random.normal(key, (out_size, in_size))
        self.g = jnp.ones(out_size)
        self.bias = jnp.zeros(out_size)

    def __call__(self, x):
        return self.g / jnp.linalg.norm(self.v, axis=1) * (self.v @ x) + self.bias
""", [("jnp.linalg.norm(self.v, axis=1)", "jnp.sum(self.v**2, axis=1)"),
      ("self.g / jnp", "1 / jnp")]),
    "jax_functions": ("""import jax.numpy as jnp

def weight_norm(v, g):
    return g[:, None] * v / jnp.sqrt((v * v).sum(1, keepdims=True))
""", [("jnp.sqrt((v * v).sum(1, keepdims=True))", "(v * v).sum(1, keepdims=True)")]),
    "jax_conv2d": ("""import jax

def conv2d(x, kernel, bias, stride=1):
    y = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + bias
""", [("+ bias", "- bias"), ("x, kernel, (", "x, kernel[::-1], (")]),
    "jax_kernel_and_scale": ("""import jax.numpy as jnp

def weight_norm(v, scale):
    \"\"\"v (in, out), scale (out,)\"\"\"
    return v * (scale / jnp.linalg.norm(v, axis=0))
""", [("jnp.linalg.norm(v, axis=0)", "jnp.sum(v**2, axis=0)")]),
}

KERAS_HEAD = """import os
os.environ["KERAS_BACKEND"] = "jax"
import keras
from keras import ops

"""
KERAS = {
    "keras_dense": (KERAS_HEAD + """
class WNDense(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.v = self.add_weight(shape=(input_shape[-1], self.units), name="v")
        self.g = self.add_weight(shape=(self.units,), initializer="ones", name="g")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, x):
        w = self.v * (self.g / ops.sqrt(ops.sum(self.v * self.v, axis=0)))
        return ops.matmul(x, w) + self.bias
""", [("self.g / ops", "1 / ops"),
      ("ops.sum(self.v * self.v, axis=0)", "ops.sum(self.v * self.v)")]),
    "keras_conv2d": (KERAS_HEAD + """
class MyConv2D(keras.layers.Layer):
    def __init__(self, filters, kernel_size, strides=1):
        super().__init__()
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides

    def build(self, input_shape):
        k = self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,) * 2
        self.kernel = self.add_weight(shape=(*k, input_shape[-1], self.filters), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x):
        return ops.conv(x, self.kernel, strides=self.strides, padding="valid") + self.bias
""", [("+ self.bias", "- self.bias"), ("self.kernel, s", "self.kernel[::-1], s")]),
    "keras_conv2d_transpose": (KERAS_HEAD + """
class Conv2DTranspose(keras.layers.Layer):
    def __init__(self, filters, kernel_size, strides=2):
        super().__init__()
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides

    def build(self, input_shape):
        k = self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,) * 2
        self.kernel = self.add_weight(shape=(*k, self.filters, input_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x):
        return ops.conv_transpose(x, self.kernel, strides=self.strides, padding="valid") + self.bias
""", [("+ self.bias", "+ 2 * self.bias"),
      ("self.kernel, s", "self.kernel[::-1, ::-1], s")]),
}
