"""Every peer of a work does the same work. How long it takes is never a test."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from minwn.bench import conv, epoch, gradcheck, step, weight_norm
from minwn.bench.work import library
from minwn.bench.works import WORKS


def needs(peer):
    if importlib.util.find_spec(library(peer)) is None:
        pytest.skip(f"the library of {peer!r} is not installed")


def others(peers):
    return [name for name in peers if library(name) != "minwn"]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sgd", "adam"])
@pytest.mark.parametrize("peer", others(step.PEERS))
def test_every_peer_takes_the_same_training_steps(peer, rule):
    needs(peer)
    size = (6, 5, 4, 3), 7, rule
    ours, theirs = step.PEERS["minwn"](*size), step.PEERS[peer](*size)
    losses = np.array([[ours(), theirs()] for _ in range(20)])
    # float32 in two orders of operations, twenty steps on: 1e-5 relative, about 100 roundings.
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert losses[-1, 0] < losses[0, 0]


def small(s):
    """The same kind of convolution of few, smaller images."""
    return replace(s, n=2, size=tuple({1: 11, 2: 6}[len(s.size)] + k for k in range(len(s.size))))


KINDS = {
    work.name: (work.peers["minwn"].args[0], others(work.peers)) for work in conv.WORKS + conv.KINDS
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "peer"), [(work, peer) for work, (_, peers) in KINDS.items() for peer in peers]
)
def test_every_peer_computes_the_same_convolution(work, peer):
    needs(peer)
    s = small(KINDS[work][0])
    ours = conv.with_minwn(s)()
    build = {"torch": conv.with_torch, "numpy by hand": conv.with_numpy, "jax jit": conv.with_jax}
    theirs = build[peer](s)()
    # y, x_bar, w_bar: sums of float32 products in two orders, random walks of roundings: of a
    # unit each and over at most 4 thousand, 1e-5 of the largest entry is some 100 of them.
    for own, other in zip(ours, theirs, strict=True):
        assert own.shape == tuple(other.shape)
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-5 * abs(own).max())


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 5), (4, 3, 2, 2)])
@pytest.mark.parametrize("peer", others(weight_norm.PEERS))
def test_every_peer_computes_the_same_weight(peer, shape):
    needs(peer)
    ours, theirs = weight_norm.PEERS["minwn"](shape)(), weight_norm.PEERS[peer](shape)()
    for own, other in zip(ours, theirs, strict=True):
        # Of a dozen numbers of size 1: a few roundings of the largest.
        np.testing.assert_allclose(own, other, rtol=0, atol=1e-6 * abs(own).max())


@pytest.mark.slow
@pytest.mark.parametrize("peer", list(gradcheck.peers((3, 4))))
def test_every_judge_sees_a_gradient_that_is_wrong_by_a_hundredth(peer):
    needs(peer)
    assert gradcheck.peers((3, 4))[peer]()()
    assert not gradcheck.peers((3, 4), 1.01)[peer]()()


@pytest.mark.slow
def test_the_epoch_is_the_same_in_torch():
    pytest.importorskip("torch", reason="the peer is PyTorch")
    ours, theirs = np.array(epoch.with_minwn()()), np.array(epoch.with_torch()())
    assert ours.shape == theirs.shape == (45,)
    # Adam divides by |gradient| at first, so roundings grow by each step; the first ten losses
    # agree to a thousandth, though they have fallen a good part of the way.
    np.testing.assert_allclose(ours[:10], theirs[:10], rtol=1e-3)
    assert ours[-5:].mean() < ours[:5].mean() / 2


def test_works_have_names_of_their_own_and_peers_on_both_sides():
    names = [work.name for work in WORKS]
    assert len(set(names)) == len(names)
    for work in WORKS:
        sides = {library(peer) == "minwn" for peer in work.peers}
        assert sides == {True, False}
        known = {*work.peers, *map(library, work.peers)}
        assert {*work.targets, *work.limits} <= known
