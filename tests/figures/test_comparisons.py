"""The five comparisons of parameterisations: quick runs, and faults planted in the full data.

What the full data say is not run again here; test_house.py holds it against the claims.
"""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from minwn import figure

STEMS = ("learning_rates", "cnn", "vae", "draw", "dqn")


def kept(stem):
    """The full data that lie beside the script."""
    path = figure.folder() / f"{stem}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert not record["quick"]
    return record["data"]


def scaled(factor, *path, entries=...):
    """A fault: the numbers at a path of the data, or some entries of them, times a factor."""

    def plant(data):
        *way, last = path
        for key in way:
            data = data[key]
        numbers = data[last]
        if isinstance(numbers, dict):
            for key in numbers:
                scaled(factor, key)(numbers)
            return
        numbers = np.array(numbers, dtype=float)
        numbers[entries] = numbers[entries] * factor
        data[last] = numbers.tolist()

    return plant


def alike(target, source, *path):
    """A fault: one way's runs are another's."""

    def plant(data):
        for key in path:
            data = data[key]
        data[target] = copy.deepcopy(data[source])

    return plant


SHORT = "WN, v of the paper"
FAULTS = [
    ("learning_rates", scaled(1.01, "first", "plain"), "before the first step"),
    ("learning_rates", scaled(1.2, "loss", "SGD", "WN, v = w", entries=(0, 0)), "v = w"),
    ("learning_rates", scaled(1.2, "loss", "Adam", "WN, v = w", entries=(2, 4)), "v = w"),
    ("learning_rates", alike(SHORT, "plain", "loss", "SGD"), "less than 0.9 times"),
    ("learning_rates", scaled(4, "stretch"), "the rate times"),
    ("learning_rates", scaled(2, "loss", "Adam", SHORT, entries=(0, 3)), "and up to"),
    ("learning_rates", scaled(200, "loss", "SGD", SHORT, entries=(0, 3)), "law fails"),
    ("learning_rates", scaled(2, "loss", "Adam", SHORT, entries=(2, 7)), "law fails"),
    ("learning_rates", scaled(2, "loss", "SGD", "batch norm", entries=(1, 4)), "at every rate"),
    ("learning_rates", scaled(3, "loss", "Adam", "batch norm", entries=(1, 6)), "at every rate"),
    ("learning_rates", scaled(0.1, "loss", "SGD", SHORT), "at the best rate"),
    ("learning_rates", scaled(0.001, "loss", "SGD", SHORT), "fails at rate 0.3"),
    ("learning_rates", alike(SHORT, "plain", "loss", "SGD"), "fails at rate 0.3"),
    ("learning_rates", alike("batch norm", "plain", "loss", "SGD"), "batch norm learns"),
    ("learning_rates", alike("plain", "batch norm", "loss", "Adam"), "Adam: at rate 1"),
    ("cnn", scaled(1.01, "first", "WN"), "before the first step"),
    ("cnn", alike("WN", "plain", "training error"), "less training error than plain and mean"),
    ("cnn", alike("batch norm", "WN", "training error"), "less than WN"),
    ("cnn", alike("mean-only BN", "WN", "training error"), "more than 1.4 times"),
    ("cnn", alike("plain, rate × 3", "plain", "training error"), "after 3 epochs, in every run"),
    ("cnn", alike("plain, rate × 3", "plain", "training error"), "and over the last 5 epochs"),
    ("cnn", scaled(3, "wrong", "WN"), "the test medians"),
    ("vae", scaled(1.01, "bound", "plain", entries=(0, 0)), "before the first step"),
    ("vae", alike("WN, v of the paper", "plain", "bound"), "ahead of plain after 21 epochs"),
    ("vae", alike("WN, v of the paper", "plain", "bound"), "0.1 nat at the end"),
    ("vae", scaled(1.02, "bound", "WN, v = w", entries=(1, 9)), "WN with v = w"),
    ("vae", alike("plain, rate × 4", "plain", "bound"), "at no epoch 0.1 nat below"),
    ("vae", alike("plain, rate × 4", "plain", "bound"), "and ends above it"),
    ("vae", scaled(0.9, "marginal bound"), "mean of each pixel"),
    ("draw", scaled(1.01, "bound", "plain, N(0, 0.01²)", entries=(0, 0)), "plain and WN with v"),
    ("draw", scaled(1.01, "bound", "plain, unit rows", entries=(0, 0)), "and so have the four"),
    ("draw", alike("plain, N(0, 0.01²)", "plain, unit rows", "bound"), "stop within 0.1 nat"),
    ("draw", alike("WN, same v, g = 1", "plain, unit rows", "bound"), "with the same v and g = 1"),
    ("draw", alike("WN, v = w", "WN, same v, g = 1", "bound"), "WN with v = w ends within"),
    ("draw", alike("plain, unit rows", "WN, v = w", "bound"), "rows of length 1 make up"),
    ("draw", scaled(1.01, "bound", "WN, v = w, unit rows", entries=(1, 9)), "of those at every"),
    ("draw", alike("plain, unit rows, rate × 3", "plain, unit rows", "bound"), "at 3 times"),
    ("dqn", scaled(0.9, "return", "plain", "0.0005"), "of five games"),
    ("dqn", scaled(0.5, "chance"), "at random wins"),
    ("dqn", alike("WN, v of the paper", "plain", "return"), "short v is ahead"),
    ("dqn", alike("WN, v = w", "WN, v of the paper", "return"), "and WN with v = w is not"),
    ("dqn", scaled(0, "return", "plain"), "at the best rate"),
    ("dqn", alike("batch norm", "plain", "return"), "batch norm ends"),
]


@pytest.mark.slow
@pytest.mark.parametrize("stem", STEMS)
def test_a_quick_run_draws_and_bears_out_what_does_not_depend_on_its_length(stem):
    pytest.importorskip("matplotlib", reason="figures are drawn with matplotlib")
    made = figure.produce(stem, quick=True, seeds=1)
    assert made.claims
    assert [sentence for sentence, holds in made.claims if not holds] == []
    assert "<path" in made.svg


@pytest.mark.parametrize(
    ("stem", "fault", "noticed"), FAULTS, ids=[f"{stem}-{said}" for stem, _, said in FAULTS]
)
def test_a_fault_in_the_data_fails_the_claim_about_it(stem, fault, noticed):
    data = kept(stem)
    fault(data)
    told = figure.load(stem).claims(data)
    failed = [sentence for sentence, holds in told if not holds]
    assert any(noticed in sentence for sentence in failed), failed
    assert len(failed) < len(told)


@pytest.mark.parametrize("stem", STEMS)
def test_every_claim_has_a_fault_that_fails_it(stem):
    noticed = [said for of, _, said in FAULTS if of == stem]
    for sentence, _ in figure.load(stem).claims(kept(stem)):
        assert any(said in sentence for said in noticed), sentence
