"""What a file says about its arrays, as {key: text}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .names import FRAMEWORKS
from .plain import FileError

__all__ = ["about", "framework", "lengths", "number"]


def about(framework: str, epsilon: float, lengths: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a state: whose names it has, and the lengths that the arrays do not show.

    epsilon: Flax's. lengths: {name of g: (form, eps)} in minwn.
    """
    said = {"framework": framework, "format": FRAMEWORKS[framework].tag or "minwn"}
    if framework == "flax":
        said["epsilon"] = repr(float(epsilon))
    if framework == "minwn":
        said["weight_norm"] = json.dumps(dict(lengths))
    return said


def framework(said: Mapping[str, str], asked: str | None) -> str | None:
    """The framework that a file is for: what is asked, or what it says itself; not two things."""
    told = said.get("framework", asked)
    if asked not in (None, told):
        raise FileError(f"the file says that it is for {told!r}, not {asked!r}; leave that out")
    if told is not None and told not in FRAMEWORKS:
        raise FileError(f"the file says that it is for {told!r}, which is unknown")
    return told


def lengths(said: Mapping[str, str]) -> dict[str, tuple[str, float]]:
    """{name of g: (form, eps)}, as `about` was told."""
    try:
        found = json.loads(said.get("weight_norm", "{}"))
        return {p: (str(form), float(eps)) for p, (form, eps) in found.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise FileError("what the file says of its weight norms is damaged") from None


def number(said: Mapping[str, str], key: str, default: float) -> float:
    try:
        return float(said.get(key, default))
    except ValueError:
        raise FileError(f"the file says {key}={said[key]!r}, which is no number") from None
