"""figures/_bound.py, and the two autoencoders that climb it."""

from __future__ import annotations

import numpy as np
import pytest

from minwn import Tensor, figure, gradcheck, nn

bound = figure.load(figure.folder() / "_bound.py")
vae, draw = figure.load("vae"), figure.load("draw")


def test_the_divergence_is_zero_for_the_prior_and_positive_elsewhere(rng):
    assert bound.divergence(Tensor(np.zeros((2, 3))), np.zeros((2, 3))).data.tolist() == [0, 0]
    found = bound.divergence(Tensor(rng.normal(size=(500, 1))), rng.normal(size=(500, 1))).data
    assert found.shape == (500,)
    assert found.min() > 0


def test_the_divergence_is_the_integral_that_defines_it():
    mean, log_variance = 0.7, -0.9
    z, step = np.linspace(-12, 12, 20001, retstep=True)
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi))
    log_p = -0.5 * (z**2 + np.log(2 * np.pi))
    found = bound.divergence(Tensor(np.full((1, 1), mean)), np.full((1, 1), log_variance))
    # The trapezoidal rule for a smooth function that vanishes at both ends: rounding only.
    integral = (np.exp(log_q) * (log_q - log_p)).sum() * step
    assert found.item() == pytest.approx(integral, rel=1e-12)


def test_the_sample_has_the_mean_and_the_variance_asked_for(rng):
    z = bound.sample(Tensor(np.full(200_000, 0.7)), np.log(np.full(200_000, 0.3)),
                     rng.normal(size=200_000)).data
    # Six standard errors: sqrt(0.3 / n), and 0.3 sqrt(2 / n).
    assert z.mean() == pytest.approx(0.7, abs=0.008)
    assert z.var() == pytest.approx(0.3, abs=0.006)


def test_the_marginal_bound_is_that_of_pixel_means_and_beats_coins():
    train, test = bound.pixels()
    assert (len(train), len(test)) == (1442, 355)
    found = bound.marginal_bound()
    assert -28 < found < -26
    p = np.clip(train.mean(axis=0, dtype=float), 1e-3, 1 - 1e-3)
    fit = bound.fit(Tensor(np.tile(np.log(p / (1 - p)), (355, 1))), test.astype(float)).data
    assert fit.mean() == pytest.approx(found, rel=1e-12)
    assert found > 64 * np.log(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["autoencoder", "draw"])
def test_the_gradient_of_the_bound_by_images_and_by_a_first_weight(kind, rng):
    x = rng.uniform(size=(3, 64))
    if kind == "autoencoder":
        module, net, noise = vae, vae.Autoencoder(rng), rng.normal(size=(3, vae.CODE))
        net = net.to("float64")
        w = net.encoder[0].weight
    else:
        module, net, noise = draw, draw.Draw(rng), rng.normal(size=(draw.TURNS, 3, draw.CODE))
        net = net.to("float64")
        w = net.encoder.weight_hh

    def f(x, value):
        return module.bound(nn.substitute(net, {w: value}), x, noise)

    gradcheck(f, [x, w.data], mode="random", rng=rng)


@pytest.mark.parametrize("rows", ["short", "unit"])
def test_draw_s_ways_differ_in_rows_and_gains_as_they_say(rows):
    made = {
        how: draw.started(rows, how, np.random.default_rng(0))[0]
        for how in ("plain", "matched", "unit gain")
    }
    w = made["plain"].write.weight.data
    length = np.linalg.norm(w, axis=1)
    assert length == pytest.approx(1 if rows == "unit" else 0.01 * 64**0.5, rel=0.4)
    np.testing.assert_array_equal(made["matched"].write.weight_v.data, w)
    np.testing.assert_allclose(made["matched"].write.weight.data, w, rtol=1e-6)
    gains = np.linalg.norm(made["unit gain"].write.weight_v.data, axis=1)
    assert gains == pytest.approx(length)
    assert (made["unit gain"].write.weight_g.data == 1).all()
    assert made["plain"].encoder.bias_ih.data.reshape(4, -1).mean(axis=1).tolist() == [0, 1, 0, 0]


def test_a_blind_code_costs_draw_nothing(rng):
    """With all weights zero the posterior is the prior, and each pixel a fair coin."""
    net = draw.Draw(rng)
    for parameter in net.parameters():
        parameter.data = np.zeros_like(parameter.data)
    x = rng.uniform(size=(4, 64)).astype("float32")
    noise = rng.normal(size=(draw.TURNS, 4, draw.CODE)).astype("float32")
    found = draw.bound(net, x, noise).data
    assert found == pytest.approx(64 * np.log(0.5), rel=1e-6)
