"""The claims of the five comparisons notice data that do not bear them out."""

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
        numbers = np.array(data[last], dtype=float)
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


FAULTS = []


@pytest.mark.parametrize("stem", STEMS)
def test_all_claims_hold_for_the_data_kept(stem):
    told = figure.load(stem).claims(kept(stem))
    assert len(told) >= 4
    assert [sentence for sentence, holds in told if not holds] == []


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
