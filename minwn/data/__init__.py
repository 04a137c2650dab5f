"""Real data, offline: 1797 handwritten digits of 8 x 8 pixels.

The test part of "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak 1998,
UCI Machine Learning Repository, doi:10.24432/C50P49, under CC BY 4.0; see NOTICE in this folder.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from importlib import resources

import numpy

from ..validation import instance, whole

__all__ = ["digits", "split"]

COUNT, SIDE, LEVELS = 1797, 8, 16
# Of the bytes of the images, then of the labels:
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def digits() -> tuple[numpy.ndarray, numpy.ndarray]:
    """(images, labels) in the original order.

    images: (1797, 1, 8, 8), float32, k/16 for k = 0 ... 16   labels: (1797,), int64, 0 ... 9
    Raises RuntimeError where the file is missing or is not the one that was shipped.

    >>> from minwn.data import digits
    >>> images, labels = digits()
    >>> images.shape, labels[:5]
    ((1797, 1, 8, 8), array([0, 1, 2, 3, 4]))
    """
    file = resources.files(__name__).joinpath("digits.npz")
    try:
        with numpy.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RuntimeError(f"cannot read {file}: {error}; install minwn again") from error
    found = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
    if images.shape != (COUNT, SIDE, SIDE) or labels.shape != (COUNT,) or found != SHA256:
        raise RuntimeError(
            f"{file} holds images {images.shape} and labels {labels.shape} with the digest "
            f"{found[:12]}..., not the {COUNT} digits with {SHA256[:12]}...; install minwn again"
        )
    pixels = images.reshape(COUNT, 1, SIDE, SIDE).astype("float32") / LEVELS  # exact
    return pixels, labels.astype("int64")


def split(labels: numpy.ndarray, every: int = 5) -> tuple[numpy.ndarray, numpy.ndarray]:
    """(train, test), two arrays of positions: of each label, every fifth image is for the test.

    No random numbers, so it is the same everywhere: 1442 and 355 for the digits. Writers are in
    both parts; so the test measures reading of the same writers' other digits, not of new writers'.
    Raises ValueError for every < 2, or labels that are not one row of whole numbers.
    """
    every = whole("every", every, least=2)
    instance("labels", labels, numpy.ndarray, "an array of whole numbers (n,)")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"labels {labels.dtype} {labels.shape}; expected whole numbers (n,)")
    chosen = numpy.zeros(len(labels), dtype=bool)
    for label in numpy.unique(labels):
        chosen[numpy.flatnonzero(labels == label)[every - 1 :: every]] = True
    return numpy.flatnonzero(~chosen), numpy.flatnonzero(chosen)
