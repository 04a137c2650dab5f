"""What Keras wrote, .h5, .weights.h5 and .keras: read by h5py, without Keras and without its code.

A layer has its name in the model, and its variables have Flax's names, because the layouts are
the same: kernel, bias; scale, bias, mean, var; embedding. A transposed convolution is of the kind
"transpose_kernel", which the metadata says. A depthwise kernel (*k, i, m) becomes (*k, 1, i m), the
kernel of i groups.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from .plain import FileError, Selection, leaves

__all__ = ["SUFFIXES", "read_keras"]

SUFFIXES = (".h5", ".hdf5", ".keras")
_WEIGHTS = "model.weights.h5"  # in a .keras, which is a zip
# A file of weights numbers the variables: their names, by the kind of layer in the group's name.
_NUMBERED = {
    "dense": ("kernel", "bias"), "embedding": ("embedding",), "einsum_dense": ("kernel", "bias"),
    "batch_normalization": ("scale", "bias", "mean", "var"),
    "layer_normalization": ("scale", "bias"), "group_normalization": ("scale", "bias"),
    **{f"{kind}{n}d{more}": ("kernel", "bias")
       for kind in ("conv", "depthwise_conv") for n in (1, 2, 3) for more in ("", "_transpose")},
}
_FLAX = {"gamma": "scale", "beta": "bias", "moving_mean": "mean", "moving_variance": "var",
         "embeddings": "embedding"}


def read_keras(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """({name: array}, metadata) of a file that Keras wrote.

    Raises ImportError without h5py, and FileError for a file that is damaged or too large.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"a {path.suffix} file needs h5py: pip install h5py") from error
    source: Any = file
    if path.suffix.lower() == ".keras":
        source = io.BytesIO(_member(file, selection.limit))
    try:
        with h5py.File(source, "r") as archive:
            return _state(h5py, archive, selection)
    except (FileError, MemoryError):
        raise
    except Exception as error:  # of the library below h5py
        raise FileError(f"damaged, or no HDF5: {str(error)[:100]}") from None


def _member(file: IO[bytes], limit: int) -> bytes:
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(file) as archive:
            member = archive.getinfo(_WEIGHTS)
            if member.file_size > limit + 2**24:
                raise FileError(f"it has {member.file_size} bytes, over the limit of {limit}")
            return archive.read(member)
    except KeyError:
        raise FileError(f"there is no {_WEIGHTS} in it") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError) as error:
        raise FileError(f"damaged, or not of Keras: {error}") from None


def _state(
    h5py: Any, archive: Any, selection: Selection
) -> tuple[dict[str, Any], dict[str, str]]:
    datasets: list[tuple[str, Any]] = []
    kinds, depthwise, classes = {}, set(), _classes(archive)

    def visit(path: str, x: Any) -> None:
        if not isinstance(x, h5py.Dataset):
            return
        name, kind = _name(archive, path)
        layer, _, last = name.rpartition(".")
        found = classes.get(layer.rpartition(".")[2], "")
        if kind.endswith("_transpose") or found.endswith("Transpose"):
            kinds[f"{layer}.weight"] = "transpose_kernel"
        of_depthwise = kind.startswith("depthwise") or found.startswith("Depthwise")
        if last == "kernel" and of_depthwise:
            depthwise.add(x.name)
        datasets.append((name, x))

    def refused(x: Any) -> str | None:
        if x.is_virtual or x.external:
            raise FileError(f"{x.name!r} lies in another file")
        return "an empty array" if x.shape is None else None

    def array(x: Any) -> Any:
        found = np.asarray(x[()], x.dtype.newbyteorder("="), order="C")
        merged = x.name in depthwise and found.ndim > 2
        return found.reshape(*found.shape[:-2], 1, -1) if merged else found

    archive.visititems(visit)  # which follows no link to another file
    state = selection.gather(datasets, array, refused=refused)
    return state, {"kinds": json.dumps(kinds)} if kinds else {}


def _classes(archive: Any) -> dict[str, str]:
    """{name of a layer: its class} of a .h5 with the model's description."""
    try:
        said = dict(leaves(json.loads(archive.attrs.get("model_config", "{}"))))
    except (ValueError, TypeError, RecursionError):
        return {}
    return {
        str(said.get(f"{key.removesuffix('class_name')}config.name")): str(x)
        for key, x in said.items() if key.endswith("class_name")
    }


def _name(archive: Any, path: str) -> tuple[str, str]:
    """The name of a variable, its layer's own and what Flax calls it, and the kind of its layer."""
    levels = path.split("/")
    if "vars" in levels[:-1]:  # layers/conv1d/vars/0, and the layer's own name as an attribute
        names, here, own = [], "", None
        for level in levels[:-2]:
            here = f"{here}/{level}"
            own = archive[here].get("vars")
            own = None if own is None else own.attrs.get("name")
            if level not in ("layers", "vars"):
                names.append(own if isinstance(own, str) and own else level)
        # By its class as a rule; of a layer in a wrapper only the name tells it.
        kinds = [re.sub(r"_\d+$", "", x) for x in (levels[-3] if len(levels) > 2 else "", str(own))]
        kind = next((kind for kind in kinds if kind in _NUMBERED), "")
        numbered, last = _NUMBERED.get(kind, ()), levels[-1]
        if last.isdecimal() and int(last) < len(numbered):
            last = numbered[int(last)]
        return ".".join([*names, last]), kind
    if levels[0] == "model_weights":
        levels = levels[1:]
    layer, rest = levels[0], levels[1:]  # c/sequential/c/kernel:0, of the first files of Keras
    if layer in rest[:-1]:
        rest = rest[len(rest) - rest[::-1].index(layer):]
    last = rest[-1].partition(":")[0] if rest else ""
    return ".".join([layer, *rest[:-1], _FLAX.get(last, last)] if rest else [layer]), ""
