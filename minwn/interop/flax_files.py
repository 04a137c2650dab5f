"""What Flax and Orbax wrote: .msgpack, and the folder of a checkpoint."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .plain import FileError, Selection, leaves

__all__ = ["read_msgpack", "read_orbax"]

_SIGNS = ("_CHECKPOINT_METADATA", "commit_success.txt")  # of a step with several items
_PATH = re.compile(r"\('((?:[^']|', ?')*)',?\)")  # ('kernel',), the key of a scale in nnx


def read_msgpack(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """({name: array}, {}) of a .msgpack file of at most `size` bytes that Flax wrote.

    Raises ImportError without Flax, and FileError for a file that is damaged or too large.
    """
    try:
        from flax import serialization
    except ImportError as error:
        raise ImportError("a .msgpack file needs Flax: pip install flax") from error
    if size > selection.limit + 2**24:
        raise FileError(f"it has {size} bytes, over the limit of {selection.limit}")
    try:
        tree = serialization.msgpack_restore(file.read())
    except Exception as error:  # of msgpack, and of NumPy for what is no array
        raise FileError(f"damaged, or not of Flax: {str(error)[:100]}") from None
    if not isinstance(tree, Mapping):
        raise FileError(f"it holds a {type(tree).__name__} and no names")
    return selection.gather(_named_leaves(tree), _array), {}


def read_orbax(path: Path, selection: Selection) -> tuple[dict[str, Any], dict]:
    """The arrays in a folder of Orbax, of one step; a single item adds no level to the names."""
    items = _items(path)
    state: dict[str, Any] = {}
    for name, folder in items:
        state |= _restored(folder, f"{name}." if len(items) > 1 else "", selection)
    return state, {}


def _items(path: Path) -> list[tuple[str, Path]]:
    below = sorted(x for x in path.iterdir() if x.is_dir()) if path.is_dir() else []
    items = [(x.name, x) for x in below if (x / "_METADATA").is_file()]
    if (path / "_METADATA").is_file():
        return [("", path)]
    if items and any((path / sign).is_file() for sign in _SIGNS):
        return items
    steps = [x.name for x in below if x.name.isdecimal() and _items(x)]
    if steps:
        latest = path / max(steps, key=int)
        raise FileError(f"a folder of the steps {', '.join(steps)}; give one, such as {latest}")
    raise FileError("a folder, and not one of Orbax; give a file")


def _restored(path: Path, prefix: str, selection: Selection) -> dict[str, Any]:
    try:
        import orbax.checkpoint as orbax
        from jax import tree
    except ImportError as error:
        raise ImportError("a folder of Orbax needs it: pip install orbax-checkpoint") from error
    with _silence(), orbax.PyTreeCheckpointer() as checkpointer:
        try:
            described = checkpointer.metadata(path.absolute())
            described = getattr(described, "item_metadata", described)
            described = getattr(described, "tree", described)
            wanted = set()
            for name, x in _named_leaves(described, prefix):
                new = selection.peek(name)
                if new is not None:
                    wanted.add(id(x))
                    if hasattr(x, "shape") and hasattr(x, "dtype") and x.dtype is not None:
                        selection.take(new, tuple(x.shape), np.dtype(x.dtype).itemsize)
            plain = orbax.RestoreArgs(restore_type=np.ndarray)
            restored = checkpointer.restore(
                path.absolute(), restore_args=tree.map(lambda _: plain, described),
                item=tree.map(lambda x: x if id(x) in wanted else orbax.PLACEHOLDER, described),
            )
        except FileError:
            raise
        except Exception as error:  # of Orbax, TensorStore and JAX
            raise FileError(f"damaged, or not of Orbax: {str(error)[:100]}") from None
    return selection.gather(_named_leaves(restored, prefix), _array, counted=True)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Hide what Orbax logs about a folder of another version."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _named_leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    return ((_named(name), x) for name, x in leaves(tree, prefix))


def _array(x: Any) -> Any:
    return np.array(x, order="C")


def _named(name: str) -> str:
    """The name in dots; Orbax writes the path of a scale of nnx as a tuple."""
    return _PATH.sub(lambda match: match[1].replace("', '", "."), name)
