"""MNIST: 60,000 + 10,000 handwritten digits of 28x28 pixels.

Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
"""

from pathlib import Path

from pullback.data import _idx
from pullback.data._images import Dataset

SHAPE = (1, 28)
MD5 = {  # of the unpacked files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def download(source: str | None, raw: Path) -> None:
    from pullback._torchvision import datasets

    _idx.download(datasets.MNIST, source, raw, MD5)


def read(raw: Path) -> Dataset:
    return _idx.read(raw, [str(digit) for digit in range(10)])
