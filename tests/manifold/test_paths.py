import numpy as np
import pytest

from pullback.manifold.paths import COPY, judge, relative_length


def test_a_line_has_the_length_1_and_a_half_circle_that_of_pi_over_2():
    angles = np.linspace(0, np.pi, 2001)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    line = np.stack([np.linspace(-1, 1, 2001), np.zeros(2001)], 1)
    assert relative_length(line[None]) == pytest.approx(1)
    assert relative_length(circle[None]) == pytest.approx(np.pi / 2, rel=1e-5)
    assert relative_length(np.stack([line, circle])) == pytest.approx((2 + np.pi) / 4, rel=1e-5)


def test_grey_levels_do_not_overflow():
    images = np.array([0, 255, 10], np.uint8).reshape(1, 3, 1, 1, 1)
    assert relative_length(images) == pytest.approx((255 + 245) / 10)


def test_a_path_between_equal_ends_is_as_long_as_their_distance():
    assert relative_length(np.ones((2, 5, 3))) == 1


def test_realism_counts_between_the_ends():
    pixels = np.tile(np.arange(4, dtype=np.uint8)[:, None], (2, 1, 1))
    realism = np.array([[np.inf, 1.0, 0.5, 9.0], [np.inf, 2.0, 0.7, 9.0]])
    judged = judge(pixels, (pixels**2).astype(np.float32), realism)
    expected = {"pixel_length": 1, "feature_length": 1, "realism": 0.85, "least_realism": 0.6}
    assert judged == pytest.approx(expected)


def test_the_realism_of_a_copy_is_finite():
    pixels = np.tile(np.arange(3, dtype=np.uint8)[:, None], (1, 1, 1))
    assert judge(pixels, pixels.astype(np.float32), np.array([[1.0, np.inf, 1.0]]))["realism"] == COPY
