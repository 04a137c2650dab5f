"""The metadata of a file: {key: text}."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from .names import FRAMEWORKS
from .plain import FileError

__all__ = ["about", "below", "framework", "lengths", "number", "texts"]


def about(
    framework: str, epsilon: float, lengths: Mapping[str, Any],
    kinds: Mapping[str, str] | None = None, names: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The metadata of a state: its framework, and the form and eps of each norm.

    epsilon: Flax's. lengths: {name of g: (form, eps)} in minwn. kinds: {parameter: kind of its
    layer}, kept where the shape does not show it. names: {parameter: its name where it came from},
    where this framework calls it otherwise.
    """
    seen = ("linear", "conv", "other", "norm")
    hidden = {p: kind for p, kind in (kinds or {}).items() if kind not in seen}
    metadata = {"framework": framework, "format": FRAMEWORKS[framework].tag or "minwn"}
    if framework == "flax":
        metadata["epsilon"] = repr(float(epsilon))
    if framework == "minwn":
        metadata["weight_norm"] = json.dumps(dict(lengths))
    for key, found in (("kinds", hidden), ("names", dict(names or {}))):
        if found:
            metadata[key] = json.dumps(found, sort_keys=True)
    return metadata


def framework(metadata: Mapping[str, str], requested: str | None) -> str | None:
    """The framework of a file, by its metadata or as requested; FileError where they differ."""
    name = metadata.get("framework", requested)
    if requested not in (None, name):
        raise FileError(f"the file says that it is for {name!r}, not {requested!r}; leave that out")
    if name is not None and name not in FRAMEWORKS:
        raise FileError(f"the file says that it is for {name!r}, which is unknown")
    return name


def lengths(metadata: Mapping[str, str]) -> dict[str, tuple[str, float]]:
    """{name of g: (form, eps)}, as `about` wrote it."""
    return _said(metadata, "weight_norm", lambda x: (str(x[0]), float(x[1])))


def texts(metadata: Mapping[str, str], key: str) -> dict[str, str]:
    """{parameter: text}, as `about` wrote it for "kinds" and "names"."""
    return {p: x for p, x in _said(metadata, key, lambda x: x).items() if isinstance(x, str)}


def _said(metadata: Mapping[str, str], key: str, value: Callable[[Any], Any]) -> dict[str, Any]:
    try:
        return {p: value(x) for p, x in json.loads(metadata.get(key, "{}")).items()}
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise FileError(f"what the file says of its {key} is damaged") from None


def below(
    metadata: Mapping[str, str], name: Callable[[str], str | None]
) -> dict[str, str]:
    """What the metadata says of the parameters that have a `name`, under that name."""
    found = dict(metadata)
    with contextlib.suppress(FileError, KeyError):  # damaged; that is said where it is used
        names = {p: new for p, x in texts(found, "names").items() if (new := name(x))}
        given: dict[str, dict[str, Any]] = {
            "weight_norm": {**lengths(found)}, "kinds": {**texts(found, "kinds")},
            "names": {**names},
        }
        for key in given.keys() & found:
            kept = {new: x for p, x in given[key].items() if (new := name(p))}
            found[key] = json.dumps(kept, sort_keys=True)
    return found


def number(
    metadata: Mapping[str, str], key: str, requested: float | None, default: float
) -> float:
    """The number of a file, or as requested; FileError where they differ, and for other text."""
    try:
        found = float(metadata.get(key, default if requested is None else requested))
    except ValueError:
        raise FileError(f"the file says {key}={metadata[key]!r}, which is no number") from None
    if requested not in (None, found):
        raise FileError(f"the file says {key}={found!r}, not {requested!r}; leave {key} out")
    return found
