"""Layers as people write them, right ones and wrong ones, for the tests of `check_layer`.

All take (x, v, g, b) and (y_bar, x, v, g, b), unless they say otherwise, and share no code with
minwn: loops over windows, im2col with arrays of indices, shifted sums, einsum over strided views.
"""

from __future__ import annotations

import numpy as np

# ---- weight norm --------------------------------------------------------------------------------


def normalised(v, g):
    """(w, n), for g of v's rank with 1 along every axis but the outputs'"""
    axes = tuple(a for a in range(v.ndim) if g.shape[a] == 1)
    n = np.sqrt((v * v).sum(axis=axes, keepdims=True))
    return g * v / n, n


def pulled(w_bar, v, g, n):
    """(v_bar, g_bar)"""
    axes = tuple(a for a in range(v.ndim) if g.shape[a] == 1)
    g_bar = (w_bar * v).sum(axis=axes, keepdims=True) / n
    return g / n * (w_bar - g_bar * v / n), g_bar


# ---- convolutions of plain weights, in four styles ----------------------------------------------


def loops_forward(x, w, b, stride=1, pad=0):
    n, c, h, width = x.shape
    o, _, kh, kw = w.shape
    xp = np.zeros((n, c, h + 2 * pad, width + 2 * pad), x.dtype)
    xp[:, :, pad : pad + h, pad : pad + width] = x
    ho, wo = (h + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    y = np.zeros((n, o, ho, wo), x.dtype)
    for i in range(ho):
        for j in range(wo):
            window = xp[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            for k in range(o):
                y[:, k, i, j] = (window * w[k]).sum(axis=(1, 2, 3)) + b[k]
    return y


def loops_backward(y_bar, x, w, stride=1, pad=0):
    h, width = x.shape[2:]
    o, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    xp_bar, w_bar = np.zeros_like(xp), np.zeros_like(w)
    for i in range(y_bar.shape[2]):
        for j in range(y_bar.shape[3]):
            at = np.s_[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            for k in range(o):
                sent = y_bar[:, k, i, j][:, None, None, None]
                xp_bar[at] += w[k] * sent
                w_bar[k] += (xp[at] * sent).sum(axis=0)
    return xp_bar[:, :, pad : pad + h, pad : pad + width], w_bar, y_bar.sum(axis=(0, 2, 3))


def indices(shape, kh, kw, stride, pad):
    """The index arrays of im2col: (c kh kw, 1) or (c kh kw, positions)"""
    _, c, h, width = shape
    ho, wo = (h + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    i = np.tile(np.repeat(np.arange(kh), kw), c)[:, None] + stride * np.repeat(np.arange(ho), wo)
    j = np.tile(np.arange(kw), kh * c)[:, None] + stride * np.tile(np.arange(wo), ho)
    return np.repeat(np.arange(c), kh * kw)[:, None], i, j, ho, wo


def columns_forward(x, w, b, stride=1, pad=0):
    k, i, j, ho, wo = indices(x.shape, *w.shape[2:], stride, pad)
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = xp[:, k, i, j].transpose(1, 2, 0).reshape(w[0].size, -1)
    y = w.reshape(len(w), -1) @ cols + b[:, None]
    return y.reshape(len(w), ho, wo, len(x)).transpose(3, 0, 1, 2)


def columns_backward(y_bar, x, w, stride=1, pad=0):
    k, i, j, _, _ = indices(x.shape, *w.shape[2:], stride, pad)
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = xp[:, k, i, j].transpose(1, 2, 0).reshape(w[0].size, -1)
    rows = y_bar.transpose(1, 2, 3, 0).reshape(len(w), -1)
    w_bar = (rows @ cols.T).reshape(w.shape)
    back = (w.reshape(len(w), -1).T @ rows).reshape(w[0].size, -1, len(x)).transpose(2, 0, 1)
    xp_bar = np.zeros_like(xp)
    np.add.at(xp_bar, (slice(None), k, i, j), back)
    h, width = x.shape[2:]
    return xp_bar[:, :, pad : pad + h, pad : pad + width], w_bar, rows.sum(axis=1)


def views_forward(x, w, b, stride=1, pad=0):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, w) + b[:, None, None]


def views_backward(y_bar, x, w, stride=1, pad=0):
    """x_bar as a full correlation of y_bar, spread out, with the kernel turned over."""
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))
    w_bar = np.einsum("nohw,nchwij->ocij", y_bar, windows[:, :, ::stride, ::stride])
    kh, kw = w.shape[2:]
    wide = np.zeros((*y_bar.shape[:2], xp.shape[2] + kh - 1, xp.shape[3] + kw - 1), x.dtype)
    ho, wo = y_bar.shape[2:]
    wide[:, :, kh - 1 : kh - 1 + stride * ho : stride, kw - 1 : kw - 1 + stride * wo : stride] = (
        y_bar
    )
    windows = np.lib.stride_tricks.sliding_window_view(wide, (kh, kw), axis=(2, 3))
    xp_bar = np.einsum("nohwij,ocij->nchw", windows, w[:, :, ::-1, ::-1])
    h, width = x.shape[2:]
    return xp_bar[:, :, pad : pad + h, pad : pad + width], w_bar, y_bar.sum(axis=(0, 2, 3))


def taps_forward(x, w, b, stride=1, pad=0):
    n, _, h, width = x.shape
    o, _, kh, kw = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    ho, wo = (h + 2 * pad - kh) // stride + 1, (width + 2 * pad - kw) // stride + 1
    y = np.zeros((n, o, ho, wo), x.dtype) + b[:, None, None]
    for i in range(kh):
        for j in range(kw):
            part = xp[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride]
            y += np.einsum("nchw,oc->nohw", part[:, :, :ho, :wo], w[:, :, i, j])
    return y


def taps_backward(y_bar, x, w, stride=1, pad=0):
    h, width = x.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    xp_bar, w_bar = np.zeros_like(xp), np.zeros_like(w)
    ho, wo = y_bar.shape[2:]
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            at = np.s_[:, :, i : i + stride * ho : stride, j : j + stride * wo : stride]
            xp_bar[at] += np.einsum("nohw,oc->nchw", y_bar, w[:, :, i, j])
            w_bar[:, :, i, j] = np.einsum("nohw,nchw->oc", y_bar, xp[at])
    return xp_bar[:, :, pad : pad + h, pad : pad + width], w_bar, y_bar.sum(axis=(0, 2, 3))


STYLES = {
    "loops": (loops_forward, loops_backward), "columns": (columns_forward, columns_backward),
    "views": (views_forward, views_backward), "taps": (taps_forward, taps_backward),
}


def with_norm(forward, backward, **options):
    """(forward, backward) of v and g, from those of w."""

    def normal_forward(x, v, g, b):
        return forward(x, normalised(v, g)[0], b, **options)

    def normal_backward(y_bar, x, v, g, b):
        w, n = normalised(v, g)
        x_bar, w_bar, b_bar = backward(y_bar, x, w, **options)
        return x_bar, *pulled(w_bar, v, g, n), b_bar

    return normal_forward, normal_backward


def flat(forward, backward):
    """The same layer of a flat gain."""

    def flat_forward(x, v, g, b):
        (o,) = g.shape
        return forward(x, v, g.reshape(o, *[1] * (v.ndim - 1)), b)

    def flat_backward(y_bar, x, v, g, b):
        (o,) = g.shape
        x_bar, v_bar, g_bar, b_bar = backward(y_bar, x, v, g.reshape(o, *[1] * (v.ndim - 1)), b)
        return x_bar, v_bar, g_bar.reshape(o), b_bar

    return flat_forward, flat_backward


# ---- transposed and linear ----------------------------------------------------------------------


def transposed_forward(x, w, b, stride=1, pad=0):
    n, _, h, width = x.shape
    _, o, kh, kw = w.shape
    full = np.zeros((n, o, (h - 1) * stride + kh, (width - 1) * stride + kw), x.dtype)
    for i in range(h):
        for j in range(width):
            sent = np.einsum("nc,cokl->nokl", x[:, :, i, j], w)
            full[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += sent
    end = [size - pad for size in full.shape[2:]]
    return full[:, :, pad : end[0], pad : end[1]] + b[:, None, None]


def transposed_backward(y_bar, x, w, stride=1, pad=0):
    kh, kw = w.shape[2:]
    full = np.pad(y_bar, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    x_bar, w_bar = np.zeros_like(x), np.zeros_like(w)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = full[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            x_bar[:, :, i, j] = np.einsum("nokl,cokl->nc", window, w)
            w_bar += np.einsum("nc,nokl->cokl", x[:, :, i, j], window)
    return x_bar, w_bar, y_bar.sum(axis=(0, 2, 3))


def linear_forward(x, w, b):
    return x @ w.T + b


def linear_backward(y_bar, x, w):
    return y_bar @ w, y_bar.T @ x, y_bar.sum(axis=0)
