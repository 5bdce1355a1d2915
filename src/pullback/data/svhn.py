"""SVHN: 73,257 + 26,032 colour photographs of house numbers, cropped to one digit, 32x32 pixels.

Source: Netzer et al. 2011, "Reading digits in natural images with unsupervised feature learning".
"""

from pathlib import Path

from pullback.data import _download
from pullback.data._images import Dataset, Split

SHAPE = (3, 32)


def download(source: str | None, raw: Path) -> None:
    """Puts the two published .mat files into `raw`."""
    from pullback._torchvision import datasets

    for split in ("train", "test"):
        url, name, md5 = datasets.SVHN.split_list[split]
        _download.fetch(_download.address(source, name) if source else url, raw / name, md5)


def read(raw: Path) -> Dataset:
    from pullback._torchvision import datasets

    published = {split: datasets.SVHN(raw, split) for split in ("train", "test")}
    splits = {split: Split.of_arrays(split, images.data, images.labels) for split, images in published.items()}
    return Dataset(splits, [str(digit) for digit in range(10)])
