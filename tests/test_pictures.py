import numpy as np

from pullback.pictures import THUMBNAIL, enlarged, grid, thumbnails


def test_images_stand_row_by_row_with_a_gap_between():
    images = np.array([1, 2, 3], np.uint8)[:, None, None, None] * np.ones((1, 2, 2), np.uint8)
    expected = [[1, 1, 0, 2, 2], [1, 1, 0, 2, 2], [0, 0, 0, 0, 0], [3, 3, 0, 0, 0], [3, 3, 0, 0, 0]]
    np.testing.assert_array_equal(grid(images), expected)


def test_the_number_of_columns_can_be_given():
    images = np.full((3, 1, 2, 2), 9, np.uint8)
    assert grid(images, columns=1).shape == (8, 2)
    assert grid(images, columns=3).shape == (2, 8)


def test_colours_stay_with_their_pixels():
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 5), dtype=np.uint8)
    picture = grid(images)
    assert picture.shape == (11, 11, 3)
    np.testing.assert_array_equal(picture[6:, :5], images[2].transpose(1, 2, 0))


def test_enlarging_repeats_pixels_up_to_the_least_width():
    picture = np.array([[1, 2, 3]], np.uint8)
    np.testing.assert_array_equal(enlarged(picture, 4), [[1, 1, 2, 2, 3, 3]] * 2)
    np.testing.assert_array_equal(enlarged(picture, 3), picture)


def test_small_images_are_their_own_thumbnails():
    images = np.zeros((2, 1, THUMBNAIL, THUMBNAIL), np.uint8)
    assert thumbnails(images) is images


def test_thumbnails_of_large_images_keep_their_colours():
    images = np.broadcast_to(np.array([[9, 90, 200], [7, 7, 7]], np.uint8)[..., None, None], (2, 3, 80, 80))
    expected = np.broadcast_to(images[..., :1, :1], (2, 3, THUMBNAIL, THUMBNAIL))
    np.testing.assert_array_equal(thumbnails(images), expected)
