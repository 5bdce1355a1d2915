"""SVHN from tiny files in the true format."""

import hashlib

import numpy as np
import pytest
import scipy.io

from pullback._torchvision import datasets
from pullback.data import svhn
from pullback.errors import UserError


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A folder with two small .mat files, made the published ones; and their images by split."""
    rng = np.random.default_rng(0)
    folder, images, known = tmp_path / "set", {}, {}
    folder.mkdir()
    for split, n in (("train", 5), ("test", 3)):
        images[split] = rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)
        path = folder / f"{split}_32x32.mat"
        labels = np.arange(n, dtype=np.uint8)[:, None] + 10 - n + 1  # up to 10, which stands for the digit 0
        scipy.io.savemat(path, {"X": images[split].transpose(2, 3, 1, 0), "y": labels})
        known[split] = ["http://unused", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", known)
    return folder, images


def test_images_and_labels(tmp_path, published):
    folder, images = published
    svhn.download(str(folder), tmp_path / "raw")
    dataset = svhn.read(tmp_path / "raw")
    for name, expected in images.items():
        split = dataset.splits[name]
        assert np.array_equal(np.stack([split.decode(index) for index in range(len(expected))]), expected)
    assert dataset.splits["train"].labels.tolist() == [6, 7, 8, 9, 0]
    assert dataset.classes == list("0123456789")


def test_wrong_digest(tmp_path, published):
    folder, _ = published
    (folder / "train_32x32.mat").write_bytes(b"other")
    with pytest.raises(UserError, match=r"train_32x32.mat has the md5"):
        svhn.download(str(folder), tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())
