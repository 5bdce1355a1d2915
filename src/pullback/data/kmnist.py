"""Kuzushiji-MNIST: 60,000 + 10,000 cursive Japanese characters of 28x28 pixels.

Source: Clanuwat et al. 2018, "Deep learning for classical Japanese literature".
"""

from pathlib import Path

from pullback.data import _idx
from pullback.data._images import Dataset

SHAPE = (1, 28)


def download(source: str | None, raw: Path) -> None:
    from pullback._torchvision import datasets

    _idx.download(datasets.KMNIST, source, raw)


def read(raw: Path) -> Dataset:
    from pullback._torchvision import datasets

    return _idx.read(raw, datasets.KMNIST.classes)
