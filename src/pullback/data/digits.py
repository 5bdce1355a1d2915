"""The 1,797 handwritten digits of 8x8 pixels that scikit-learn brings along; they need no network.

Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI; the test part of that set.
"""

from pathlib import Path

import numpy as np

from pullback import files
from pullback.data._images import Dataset, Split
from pullback.errors import UserError

SHAPE = (1, 8)


def download(source: str | None, raw: Path) -> None:
    """Writes the digits as arrays; their 17 grey levels are spread over 0..255."""
    from sklearn.datasets import load_digits

    if source is not None:
        raise UserError(f"data.source is {source!r}, but digits come with scikit-learn; set data.source to null")
    digits = load_digits()
    files.write_array(raw / "images.npy", np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None])
    files.write_array(raw / "labels.npy", digits.target.astype(np.int64))


def read(raw: Path) -> Dataset:
    images, labels = files.read_array(raw / "images.npy", mmap=True), files.read_array(raw / "labels.npy")
    return Dataset({"all": Split.of_arrays("digits", images, labels)}, [str(digit) for digit in range(10)])
