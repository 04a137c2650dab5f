"""The digits are the digits, whole and unchanged, and their licence travels with them."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest

from minwn import data


def test_the_digits():
    images, labels = data.digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.float32
    assert labels.shape == (1797,)
    assert labels.dtype == np.int64
    assert set(np.unique(images * 16)) == set(range(17))  # exact sixteenths
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_they_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="compares with another copy")
    theirs = datasets.load_digits()
    images, labels = data.digits()
    assert np.array_equal(images[:, 0] * 16, theirs.images)
    assert np.array_equal(labels, theirs.target)


def test_every_call_gives_arrays_of_its_own():
    images, labels = data.digits()
    images[:], labels[:] = 0, 0
    again, labels_again = data.digits()
    assert again.any()
    assert labels_again.any()


def test_the_split_is_the_same_everywhere_and_leaves_nothing_out():
    labels = data.digits()[1]
    train, test = data.split(labels)
    assert (len(train), len(test)) == (1442, 355)
    assert sorted([*train, *test]) == list(range(1797))
    assert np.bincount(labels[test]).tolist() == [35, 36, 35, 36, 36, 36, 36, 35, 34, 36]
    assert test[:5].tolist() == [33, 36, 37, 40, 44]


def test_every_fifth_of_each_label():
    labels = np.array([7, 7, 1, 7, 7, 7, 1, 1, 1, 1, 7])
    assert [x.tolist() for x in data.split(labels)] == [[0, 1, 2, 3, 4, 6, 7, 8, 10], [5, 9]]
    assert data.split(labels, every=2)[1].tolist() == [1, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("labels", "every", "words"),
    [
        (np.zeros(4, int), 1, "every=1"),
        (np.zeros(4, int), 2.0, "every=2.0"),
        (np.zeros((4, 1), int), 5, r"\(4, 1\)"),
        (np.zeros(4), 5, "float64"),
    ],
)
def test_bad_splits(labels, every, words):
    with pytest.raises(ValueError, match=words):
        data.split(labels, every)


@pytest.mark.parametrize("fault", ["missing", "cut", "pixel", "shape"])
def test_a_damaged_file_is_refused(fault, tmp_path, monkeypatch):
    original = resources.files("minwn.data").joinpath("digits.npz").read_bytes()
    file = tmp_path / "digits.npz"
    with np.load(resources.files("minwn.data").joinpath("digits.npz")) as arrays:
        images, labels = arrays["images"].copy(), arrays["labels"]
    if fault == "cut":
        file.write_bytes(original[: len(original) // 2])
    elif fault == "pixel":
        images[5, 3, 3] ^= 1
        np.savez_compressed(file, images=images, labels=labels)
    elif fault == "shape":
        np.savez_compressed(file, images=images.reshape(1797, 64), labels=labels)
    monkeypatch.setattr(data.resources, "files", lambda name: tmp_path)
    with pytest.raises(RuntimeError, match="install minwn again"):
        data.digits()


def test_source_and_licence_travel_with_the_file():
    notice = resources.files("minwn.data").joinpath("NOTICE").read_text(encoding="utf-8")
    for words in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "creativecommons.org"):
        assert words in notice
