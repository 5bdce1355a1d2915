"""The bundled digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pullback.data import digits
from pullback.errors import UserError


def test_digits_are_scikit_learns_in_256_grey_levels(tmp_path):
    digits.download(None, tmp_path)
    dataset = digits.read(tmp_path)
    everything, original = dataset.splits["all"], load_digits()
    pixels = np.stack([everything.decode(index) for index in range(1797)])
    assert pixels.shape == (1797, *digits.SHAPE[:1], 8, 8)
    assert abs(pixels[:, 0] / 255 - original.images / 16).max() <= 0.5 / 255 + 1e-12
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert np.array_equal(everything.labels, original.target)
    assert dataset.classes == list("0123456789")


def test_digits_have_no_source(tmp_path):
    with pytest.raises(UserError, match=r"set data\.source to null"):
        digits.download("somewhere", tmp_path)
    assert not list(tmp_path.iterdir())
