import numpy as np
import pytest

from pullback.errors import UserError
from pullback.features._map import FeatureMap

IMAGES = np.arange(5, dtype=np.uint8).repeat(4).reshape(5, 1, 2, 2)


class Means:
    """Embeds each image as its mean, and keeps the sizes of the batches."""

    def __init__(self, logits: bool) -> None:
        self.logits, self.batches = logits, []

    def __call__(self, images: np.ndarray) -> tuple:
        self.batches.append(len(images))
        means = images.reshape(len(images), -1).mean(1, keepdims=True, dtype=np.float32)
        return means, -means if self.logits else None


def of(embed: Means, shape: tuple[int, int, int] | None = None) -> FeatureMap:
    return FeatureMap("means", "0" * 16, "none", shape, embed, batch=4)


def test_any_number_of_images_is_cut_into_batches():
    embed = Means(logits=True)
    features, logits = of(embed)(IMAGES)
    np.testing.assert_array_equal(features, np.arange(5)[:, None])
    np.testing.assert_array_equal(logits, -np.arange(5)[:, None])
    of(embed)(IMAGES, 2)
    assert embed.batches == [4, 1, 2, 2, 1]


def test_a_map_without_logits_has_none():
    assert of(Means(logits=False))(IMAGES)[1] is None


@pytest.mark.parametrize(
    ("images", "told"),
    [
        (IMAGES[0], r"images of shape \(1, 2, 2\) are not \(n, c, h, w\); give .* images\[:, None\]"),
        (IMAGES[:0], r"shape \(0, 1, 2, 2\) holds no image; give at least one"),
        (np.zeros((1, 1, 0, 2), np.uint8), r"shape \(1, 1, 0, 2\) holds no image"),
        (np.zeros((5, 8, 8, 3), np.uint8), r"have 8 channels, not 1 or 3; .* np\.moveaxis\(images, -1, 1\)"),
        (np.linspace(-1, 1, 12, dtype=np.float32).reshape(1, 3, 2, 2), r"are float32 from -1 to 1, not uint8 from 0"),
        (IMAGES.astype(np.int64), r"are int64 from 0 to 4, not uint8 .* by np\.rint\(images\)\.astype\(np\.uint8\)"),
        (IMAGES.repeat(2, axis=3), r"'means' takes .* shape \(1, 2, 2\) \(c, h, w\), not \(1, 2, 4\); .*'inception'"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(images, told):
    with pytest.raises(UserError, match=told):
        of(Means(logits=True), shape=(1, 2, 2))(images)


@pytest.mark.parametrize("floats", [IMAGES / 127.5 - 1, IMAGES / 255, IMAGES.astype(float)])
def test_the_conversion_told_gives_the_images_back(floats):
    with pytest.raises(UserError, match=r"for instance by np\.rint\(.*\)\.astype\(np\.uint8\)$") as error:
        of(Means(logits=True))(floats)
    told = str(error.value).split("for instance by ")[1]
    np.testing.assert_array_equal(eval(told, {"np": np, "images": floats}), IMAGES)
