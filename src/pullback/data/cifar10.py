"""CIFAR-10: 50,000 + 10,000 colour photographs of 32x32 pixels in ten classes.

Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

import tarfile
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pullback.data import _download
from pullback.data._images import Dataset, Split
from pullback.errors import UserError

SHAPE = (3, 32)


def download(source: str | None, raw: Path) -> None:
    """Puts the published archive into `raw`; it is pickled, so nothing but the published bytes is accepted."""
    from pullback._torchvision import datasets

    published = datasets.CIFAR10
    origin = _download.address(source, published.filename) if source else published.url
    _download.fetch(origin, raw / published.filename, published.tgz_md5)


def read(raw: Path) -> Dataset:
    from pullback._torchvision import datasets

    published = datasets.CIFAR10
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, on reading pickles of its first version
        try:
            with tarfile.open(raw / published.filename) as archive:
                archive.extractall(folder, filter="data")
        except OSError as error:
            raise UserError(
                f"{raw / published.filename} could not be unpacked in {folder} ({error}); make room there"
            ) from error
        train, test = published(folder, train=True), published(folder, train=False)
    return Dataset({"train": _split("train", train), "test": _split("test", test)}, train.classes)


def _split(name: str, images: Any) -> Split:
    return Split.of_arrays(name, images.data.transpose(0, 3, 1, 2), np.array(images.targets))
