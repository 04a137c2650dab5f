"""Golden vectors: inputs and right answers as JSON, for any language; see FORMAT.md.

    for vector in vectors.load(dtype="float32", group="generic"):
        w = forward(vector.v, vector.g)
        assert vector.excess("w", w) <= 1, vector.id
    for vector in vectors.load_layers(dtype="float32"):
        y = layer(vector.kind, vector.inputs, **vector.options)
        assert vector.right("y", y), vector.id

Each number is correctly rounded, by exact integers, and certified by differences with 80 digits;
with it, the largest error that rounding allows. `minwn vectors export` writes the files again,
`minwn vectors verify` proves them. DATA is the folder of those that come with minwn, DTYPES and
GROUPS name what is in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from ...validation import door, instance
from ...validation import path as path_of
from ..reference.error_bounds import excess
from .content import DTYPES, GROUPS, find, here
from .files import DATA, export, read, texts
from .text import values
from .verify import Verification, verify

__all__ = [
    "DATA", "DTYPES", "GROUPS", "LayerVector", "Vector", "Verification", "export", "load",
    "load_layers", "texts", "verify",
]


@dataclass(frozen=True, eq=False)
class Vector:
    """One test. The inputs are arrays of the dtype, not to be written to.

    A, B: the tangents of v and g, or the cotangents of v_bar and g_bar; None where the test has no
    second order
    expected, allowed: by output, float64: in the shape of v or of g, or, where there are places,
    those entries of a ravelled array; infinite where nothing is right or wrong
    result: "valid", "acceptable" or "undefined", as in FORMAT.md
    """

    id: str
    group: str
    dtype: str
    flags: tuple[str, ...]
    result: str
    exact: bool
    axes: tuple[int, ...] | None
    form: str
    eps: float
    v: numpy.ndarray
    g: numpy.ndarray
    w_bar: numpy.ndarray
    A: numpy.ndarray | None
    B: numpy.ndarray | None
    places: tuple[int, ...] | None
    expected: Mapping[str, numpy.ndarray]
    allowed: Mapping[str, numpy.ndarray]

    @door
    def excess(self, output: str, got: Any) -> float:
        """The largest |got - expected| / allowed of an output; right up to 1.

        Raises ValueError for an output of the wrong shape, KeyError for one that is not there.
        """
        got = numpy.asarray(got)
        shape = self.g.shape if output in ("g_bar", "by_g") else self.v.shape
        if got.shape != shape:
            raise ValueError(f"{self.id}: {output} has shape {got.shape}; it must be {shape}")
        if self.places is not None and shape == self.v.shape:
            got = got.ravel()[list(self.places)]
        return excess(got, self.expected[output], self.allowed[output])


@dataclass(frozen=True, eq=False)
class LayerVector:
    """One test of a whole layer, in which nothing is rounded.

    options: layout, stride, padding (pairs), dilation, groups, output_padding; as in `check_layer`
    inputs: x, v and g, or w, b where there is one, y_bar: arrays of the dtype, not to be written to
    expected: y, w where it is normalised, x_bar, w_bar, v_bar, g_bar, b_bar, in float64
    """

    id: str
    dtype: str
    flags: tuple[str, ...]
    kind: str
    options: Mapping[str, Any]
    inputs: Mapping[str, numpy.ndarray]
    expected: Mapping[str, numpy.ndarray]

    @door
    def right(self, output: str, got: Any) -> bool:
        """Whether an output is what it must be. g and g_bar may have axes of size 1.

        Raises ValueError for an output of the wrong shape, KeyError for one that is not there.
        """
        got, expected = numpy.asarray(got), self.expected[output]
        flat = output == "g_bar" and got.size == expected.size
        if got.shape != expected.shape and not flat:
            raise ValueError(
                f"{self.id}: {output} has shape {got.shape}; it must be {expected.shape}"
            )
        return bool((got.reshape(expected.shape) == expected).all())


def load(
    path: str | Path = DATA, *, dtype: str | None = None, group: str | None = None
) -> list[Vector]:
    """The tests of a folder, by default of those that come with minwn, without the withdrawn ones.

    Those of group "layers" are of another kind: `load_layers` gives them.
    dtype, group: only these. bfloat16 needs ml_dtypes, and is left out without it.
    Raises ValueError for a dtype or group that the folder has not, ImportError for bfloat16 alone.

    >>> from minwn.oracle import vectors
    >>> test = vectors.load(dtype="float64", group="generic")[0]
    >>> w = byhand.weight_norm.forward(test.v, test.g, eps=test.eps, form=test.form)
    >>> test.excess("w", w) <= 1
    True
    """
    return [_vector(test, file) for file, test in _tests(path, dtype, group, layers=False)]


def load_layers(path: str | Path = DATA, *, dtype: str | None = None) -> list[LayerVector]:
    """The tests of whole layers in a folder; otherwise as `load`.

    >>> from minwn.oracle import vectors
    >>> test = vectors.load_layers(dtype="float32")[0]
    >>> x, w, b = (test.inputs[name] for name in ("x", "w", "b"))
    >>> test.kind, test.right("y", x @ w.T + b)
    ('linear', True)
    """
    return [_layer_vector(test, file) for file, test in _tests(path, dtype, "layers", layers=True)]


def _tests(
    path: str | Path, dtype: str | None, group: str | None, *, layers: bool
) -> Iterator[tuple[Any, Any]]:
    """(file, test) of those that are asked for and not withdrawn."""
    folder = path_of("path", path)
    index = read(folder / "index.json")
    withdrawn = {erratum["id"] for erratum in index["errata"]}
    paths = [Path(entry["path"]) for entry in index["files"]]
    paths = [p for p in paths if (p.stem == "layers") == layers]
    for key, value in (("dtype", dtype), ("group", group)):
        if value is not None:
            instance(key, value, str, "text, or None for all")
    wanted = [p for p in paths if dtype in (None, p.parent.name) and group in (None, p.stem)]
    if not wanted:
        known = ", ".join(map(Path.as_posix, paths)) or "no such files"
        hint = "; load_layers has those of layers" if group == "layers" and not layers else ""
        raise ValueError(
            f"{folder} has no dtype={dtype!r} with group={group!r}; it has {known}{hint}"
        )
    if dtype is None:
        wanted = [p for p in wanted if here(p.parent.name)]
    for p in wanted:
        file = read(folder / p)
        yield from ((file, test) for test in file["tests"] if test["id"] not in withdrawn)


def _layer_vector(test: Mapping[str, Any], file: Mapping[str, Any]) -> LayerVector:
    shapes = dict(test["shapes"])
    shapes |= {"v": shapes["w"], "x_bar": shapes["x"], "y_bar": shapes["y"]}
    shapes |= {"w_bar": shapes["w"], "v_bar": shapes["w"]}

    def arrays(part: str, dtype: Any) -> dict[str, numpy.ndarray]:
        found = {key: values(x).astype(dtype) for key, x in test[part].items()}
        found = {key: x.reshape(shapes.get(key, -1)) for key, x in found.items()}
        for x in found.values():
            x.setflags(write=False)
        return found

    options = {
        key: tuple(map(tuple, x)) if key == "padding" else tuple(x) if isinstance(x, list) else x
        for key, x in test.items()
        if key in ("layout", "stride", "padding", "dilation", "groups", "output_padding")
    }
    return LayerVector(
        id=test["id"], dtype=file["dtype"], flags=tuple(test["flags"]), kind=test["kind"],
        options=options, inputs=arrays("inputs", file["dtype"]),
        expected=arrays("expected", "float64"),
    )


def _vector(test: Mapping[str, Any], file: Mapping[str, Any]) -> Vector:
    shapes = {"g": test["g_shape"], "B": test["g_shape"], "g_bar": test["g_shape"]}
    shapes["by_g"] = test["g_shape"]
    places = test.get("places")

    def shaped(key: str, x: numpy.ndarray) -> numpy.ndarray:
        whole = shapes.get(key, test["shape"])
        x = x.reshape(whole if math.prod(whole) == x.size else -1)
        x.setflags(write=False)
        return x

    case = find(test["id"])[0]
    inputs = {
        key: shaped(key, values(x).astype(case.v.dtype)) if places is None else getattr(case, key)
        for key, x in test["inputs"].items()
    }
    expected = {key: shaped(key, values(x)) for key, x in test["expected"].items()}
    if "w_dot" in expected:
        expected["by_w_bar"] = expected["w_dot"]
    allowed = {
        key: shaped(key, numpy.array([math.inf if y is None else y for y in x], dtype="float64"))
        for key, x in test["allowed"].items()
    }
    return Vector(
        id=test["id"], group=file["group"], dtype=file["dtype"], flags=tuple(test["flags"]),
        result=test["result"], exact=test["exact"],
        axes=None if test["axis"] is None else tuple(test["axis"]), form=test["form"],
        eps=float.fromhex(test["eps"]), places=None if places is None else tuple(places),
        expected=expected, allowed=allowed,
        **{key: inputs.get(key) for key in ("v", "g", "w_bar", "A", "B")},  # type: ignore[arg-type]
    )
