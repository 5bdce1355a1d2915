from pathlib import Path

import numpy as np

from pullback.features import pixels

MAP = pixels.load(Path("nowhere"), "cpu")


def test_features_are_the_pixels_between_minus_one_and_one():
    images = np.array([[[[0, 255], [51, 204]]]], np.uint8)
    features, logits = MAP(images)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, [[-1, 1, -0.6, 0.6]], atol=1e-7)
    assert logits is None


def test_there_is_nothing_to_train_or_test(tmp_path):
    pixels.build(np.zeros((2, 1, 8, 8), np.uint8), np.array([-1, -1]), 0, pixels.Params(), 0, "cpu", tmp_path)
    assert not list(tmp_path.iterdir())
    assert pixels.scores(None, None, None) == {}


def test_features_do_not_depend_on_the_batch():
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 5), np.uint8)
    np.testing.assert_array_equal(MAP(images, 2)[0], MAP(images)[0])


def test_any_size_fits_and_the_name_decides_the_digest():
    assert MAP.shape is None
    assert (MAP.name, MAP.resize) == ("pixels", "none")
    assert MAP.digest == "6ec9c2b0eb140107"
