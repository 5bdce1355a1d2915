from pathlib import Path

import numpy as np

from pullback.features import pixels


def test_features_are_the_pixels_between_minus_one_and_one():
    images = np.array([[[[0, 255]], [[51, 204]]]], np.uint8)
    features, logits = pixels.load(Path("nowhere"), "cpu")(images)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, [[-1, 1, -0.6, 0.6]], atol=1e-7)
    assert logits is None


def test_there_is_nothing_to_train_or_test(tmp_path):
    pixels.build(np.zeros((2, 1, 8, 8), np.uint8), np.array([-1, -1]), 0, pixels.Params(), 0, "cpu", tmp_path)
    assert not list(tmp_path.iterdir())
    assert pixels.scores(None, None, None) == {}
