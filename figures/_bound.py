"""The lower bound of log p(x) that variational autoencoders climb, for pixels in [0, 1].

log p(x)  >=  E log p(x | z) - KL(q(z | x) || N(0, 1)),      z by one sample of q
"""

from __future__ import annotations

import numpy as np

from minwn import data as digits
from minwn import nn, ops


def fit(logits, x):
    """log p(x | z) of each row, each pixel a Bernoulli variable.   (n, k), (n, k) -> (n,)"""
    return -nn.bce_with_logits(logits, x, "none").sum(axis=1)


def divergence(mean, log_variance):
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each row.   (n, k), (n, k) -> (n,)"""
    return 0.5 * (mean * mean + ops.exp(log_variance) - log_variance - 1.0).sum(axis=1)


def sample(mean, log_variance, noise):
    """z ~ N(mean, exp(log_variance)), for noise ~ N(0, 1)"""
    return mean + ops.exp(0.5 * log_variance) * noise


def pixels():
    """(images to learn from, images for the test), each (n, 64)"""
    images, labels = digits.digits()
    return tuple(images[rows].reshape(len(rows), -1) for rows in digits.split(labels))


def marginal_bound():
    """What a code that says nothing gives at best: each pixel by its mean, on the test images."""
    train, test = pixels()
    p = np.clip(train.mean(axis=0, dtype=float), 1e-3, 1 - 1e-3)
    return float((test * np.log(p) + (1 - test) * np.log1p(-p)).sum(axis=1).mean())
