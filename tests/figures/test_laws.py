"""The figures of laws and of numbers: a quick run bears out each claim, and planted faults do not.

`FAULTS` changes data as a wrong experiment would; each claim is refuted by one of them at least.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from minwn import figure
from minwn.byhand import weight_norm

pytest.importorskip("matplotlib", reason="figures are drawn with matplotlib")

pytestmark = pytest.mark.slow  # each runs an experiment


@functools.cache
def quick(name: str) -> figure.Made:
    return figure.produce(name, quick=True)


# ---- planted faults -----------------------------------------------------------------------------


def times(factor: float) -> Callable[[Any], Any]:
    return lambda x: (np.array(x, dtype=float) * factor).tolist()


def plus(term: float) -> Callable[[Any], Any]:
    return lambda x: (np.array(x, dtype=float) + term).tolist()


def set_to(value: Any) -> Callable[[Any], Any]:
    return lambda x: np.full(np.shape(x), value).tolist()


def last(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f on the last entry of each run."""
    return lambda runs: [[*run[:-1], f(run[-1])] for run in runs]


# figure -> (path in the data, what is done to what is there, the claims it must refute)
FAULTS: dict[str, list[tuple[tuple[Any, ...], Callable[[Any], Any], set[int]]]] = {
    "geometry": [
        (("across",), plus(1e-12), {0}),
        (("length",), plus(1e-12), {1}),
        (("split",), plus(1e-12), {2}),
        (("path",), lambda p: p[::-1], {3}),
    ],
    "norm_growth": [
        (("network", "SGD", "ratio"), last(times(1.001)), {0}),
        (("network", "SGD", "shorter"), lambda x: [*x[:-1], 1e-3], {1}),
        (("network", "momentum 0.9", "ratio"), last(set_to(1.0)), {2}),
        (("network", "Adam", "ratio"), last(set_to(1.0)), {3}),
        (("network", "Adam", "shorter"), set_to(0.0), {4}),
        (("model", "η = 1"), last(times(1.01)), {5}),
        (("model", "η = 0.1, momentum 0.9"), last(times(0.9)), {6}),
    ],
    "effective_rate": [
        (("rates", "0.1"), last(times(1.1)), {0}),
        (("rates", "5"), last(times(0.9)), {0}),
        (("loss", "rate × scale²"), last(times(1.001)), {1}),
        (("loss", "one rate"), last(times(0.1)), {2}),
    ],
    "equilibrium": [
        (("norm", "SGD"), times(1.03), {0}),
        (("angle", "SGD"), times(0.97), {1}),
        (("norm", "momentum 0.9"), times(1.2), {2}),
        (("angle", "momentum 0.9"), times(1.4), {3}),
    ],
    "decay_is_rate": [
        (("apart",), set_to(1e-6), {0}),
        (("unlike",), set_to(1e-12), {1}),
        (("norm rate",), times(1.001), {2}),
    ],
    "minimum_norm": [
        (("factor",), plus(0.01), {0}),
        (("plain",), times(0.9), {1, 2}),
        (("factor",), plus(0.15), {0, 2, 3}),
    ],
    "forward_scale": [
        (("plain", "g = 1"), last(times(2)), {0}),
        (("plain", "g = √2"), last(times(0.3)), {1}),
        (("residual", "branch gain 1"), last(times(4)), {2}),
        (("residual", "branch gain 1 / √B"), last(times(1.1)), {3}),
    ],
    "data_init": [
        (("before", 0, "std"), set_to(1.0), {0}),
        (("after", 0, "low"), times(0.999), {1}),
        (("after", 0, "high"), times(1.001), {1}),
        (("after", -1, "mean"), plus(1e-6), {2}),
        (("other", 0, "std"), times(1.3), {3}),
    ],
    "mean_only_noise": [
        (("gaussian", "mean-only"), plus(0.2), {0}),
        (("gaussian", "batch norm"), times(1.5), {1}),
        (("gaussian", "batch norm"), plus(0.4), {1, 2}),
        (("digits", "mean-only"), plus(0.5), {3}),
        (("digits", "batch norm"), times(0.3), {4}),
    ],
    "checker_detection": [
        (("missed", 0, 0, -1), lambda names: [*names, "no_projection"], {0}),
        (("accused",), plus(1), {1}),
        (("missed", 0, 1, -1), lambda names: [], {2}),
        (("missed", 0, 3, -1), lambda names: [], {3}),
        (("missed", 0, 5, -1), lambda names: [], {4}),
        (("missed", 0, 4, -1), lambda names: ["no_projection"], {5}),
        (("missed", 0, 0, 0), lambda names: [], {6}),
    ],
    "step_size": [
        (("error", "central, float64"), plus(1e-8), {0}),
        (("error", "forward, float64"), times(1e-4), {1}),
        (("error", "forward, float32"), times(1e-4), {2}),
        (("error", "central, float64"), last(set_to(0.0)), {3}),
        (("error", "complex step"), plus(1e-12), {4}),
        (("error", "complex, through |z|"), times(0.1), {5}),
    ],
    "eps_placement": [
        (("short", "inside: √(n² + δ²)"), plus(1e-4), {0}),
        (("radial", "outside: n + δ"), times(1.05), {1, 3}),
        (("short", "maximum: max(n, δ)"), plus(1e-4), {2}),
        (("radial", "inside: √(n² + δ²)"), times(1.05), {0, 3}),
        (("radial", "maximum: max(n, δ)"), plus(1e-12), {4}),
    ],
    "range": [
        (("float64", "scaled"), last(set_to(1.0)), {0}),
        (("float64", "as written"), plus(1e-8), {1}),
        (("float64", "as written"), last(set_to(1e-16)), {2}),
        (("float32", "scaled"), times(20), {3}),
        (("float32", "as written"), plus(1e-4), {4}),
        (("float32", "as written"), last(set_to(1e-7)), {5}),
    ],
}


def planted() -> Iterator[Any]:
    for name, faults in FAULTS.items():
        for path, change, refuted in faults:
            yield pytest.param(name, path, change, refuted, id=f"{name}-{'/'.join(map(str, path))}")


@pytest.mark.parametrize("name", FAULTS)
def test_a_quick_run_bears_out_every_claim(name):
    assert [said for said, holds in quick(name).claims if not holds] == []


@pytest.mark.parametrize(("name", "path", "change", "refuted"), list(planted()))
def test_a_planted_fault_refutes_its_claims(name, path, change, refuted):
    data = copy.deepcopy(quick(name).record["data"])
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = change(at[path[-1]])
    told = figure.load(name).claims(data)
    assert refuted <= {i for i, (_, holds) in enumerate(told) if not holds}


@pytest.mark.parametrize("name", FAULTS)
def test_every_claim_can_be_refuted(name):
    assert set().union(*(refuted for *_, refuted in FAULTS[name])) == set(
        range(len(quick(name).claims))
    )


class Unprojected:
    """Weight normalisation with the derivative through the norm forgotten."""

    forward = staticmethod(weight_norm.forward)

    @staticmethod
    def vjp(w_bar, v, g, **options):
        v_bar, g_bar = weight_norm.vjp(w_bar, v, g, **options)
        n = np.linalg.norm(v, axis=1, keepdims=True)
        return v_bar + g / n * g_bar * v / n, g_bar


@pytest.mark.parametrize(
    ("name", "refuted"), [("geometry", {0, 2}), ("minimum_norm", {0}), ("equilibrium", {0})]
)
def test_without_the_projection_the_laws_do_not_hold(name, refuted):
    """The fault is planted in the library, and the figure's own experiment is run."""
    module = figure.load(name)
    module.weight_norm = Unprojected
    told = figure.produce(module, quick=True, seeds=1).claims
    assert refuted <= {i for i, (_, holds) in enumerate(told) if not holds}


def test_the_description_counts_the_places_of_eps_that_are_drawn():
    module = figure.load("eps_placement")
    count = {3: "Three", 4: "Four"}[len(module.FORMS)]
    assert module.DESCRIPTION.startswith(f"{count} places for a small number")
