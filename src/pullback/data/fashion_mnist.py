"""Fashion-MNIST: 60,000 + 10,000 pictures of clothes, 28x28 pixels, grey.

Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms".
"""

from pathlib import Path

from pullback.data import _idx
from pullback.data._images import Dataset

SHAPE = (1, 28)


def download(source: str | None, raw: Path) -> None:
    from pullback._torchvision import datasets

    _idx.download(datasets.FashionMNIST, source, raw)


def read(raw: Path) -> Dataset:
    from pullback._torchvision import datasets

    return _idx.read(raw, datasets.FashionMNIST.classes)
