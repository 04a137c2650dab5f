"""Which of two measurements is believed: a case for each quality and for each rule."""

import numpy as np
import pytest

from minwn.gradcheck.measure import NEW_STANDS, RULES, Quality, deciding, quality
from minwn.gradcheck.numerical import Measured

U = 2.0**-53
RTOL = U**0.56


def measured(value=1.0, estimate=0.0, floor=0.0, scale=1.0):
    """One derivative, (1, 1), as it might have been measured."""
    return Measured(*(np.array([[float(x)]]) for x in (value, estimate, floor, scale, scale, 0)))


SHARP = {"estimate": 1e-12, "floor": 1e-11}
QUALITIES = {
    "f is not finite": (measured(np.nan, np.nan, np.inf, np.nan), Quality.LOST),
    "steps too long": (measured(estimate=1e-3, floor=1e-12), Quality.COARSE),
    "rounding": (measured(estimate=1e-9, floor=1e-3), Quality.NOISY),
    "neither": (measured(**SHARP), Quality.SHARP),
    "f does not move": (measured(value=0.0, floor=1e-12, scale=0.0), Quality.NOISY),
}


@pytest.mark.parametrize("case", QUALITIES)
def test_quality(case):
    found, expected = QUALITIES[case]
    assert quality(found, U)[0, 0] == expected


LOST = measured(np.nan, np.nan, np.inf, np.nan)
COARSE = {"estimate": 1e-3}
# old, new, the analytic derivative: for each rule, in the order of the table
DECISIONS = [
    (measured(2.0, **COARSE), measured(1.0, **SHARP), 1.0),  # only the new one confirms
    (measured(1.0, **SHARP), measured(2.0, **SHARP), 1.0),  # only the old one
    (measured(**SHARP), measured(estimate=1e-13), 1.0),  # the new one is the more precise
    (measured(**SHARP), measured(1.0, **COARSE), 1.0),  # the old one alone is sharp
    (measured(**COARSE), measured(**SHARP), 1.0),  # the new one alone is
    (LOST, measured(**COARSE), 1.0),
    (measured(**COARSE), LOST, 1.0),
    (measured(estimate=1e-2), measured(0.0, floor=1e-12, scale=0.0), 1.0),  # f is flat here
    (measured(1e-6, 1e-7, 0.0, 1e-6), measured(estimate=1e-3), 1.0),  # all is small, steps too long
    (measured(floor=1e-3), measured(floor=1e-2), 1.0),
]


def test_every_rule_has_a_case():
    assert len(DECISIONS) == len(RULES)


@pytest.mark.parametrize("number", range(len(RULES)), ids=lambda n: str(RULES[n]))
def test_rule(number):
    old, new, analytic = DECISIONS[number]
    found = deciding(old, new, np.array([[analytic]]), RTOL, U)
    assert found[0, 0] == number
    assert NEW_STANDS[found][0, 0] == RULES[number].new_stands


def test_a_blunt_second_opinion_overrules_nothing():
    """It agrees with the sharp one, and confirms only because it allows so much more."""
    old, new = measured(1.0, **SHARP), measured(1.0 + 1e-9, floor=1e-5)
    found = deciding(old, new, np.array([[1.0 + 1e-7]]), RTOL, U)
    assert not NEW_STANDS[found][0, 0]
