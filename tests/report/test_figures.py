import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pullback.report._figures import INK, chart, color, columns, picture


def opened(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def test_picture_enlarges_pixels_to_squares_with_transparent_gaps():
    images = np.array([10, 200], np.uint8)[:, None, None, None] * np.ones((2, 1, 8, 8), np.uint8)
    figure = picture("two", images, "two images")
    pixels = opened(figure.png)
    scale = pixels.shape[0] // 8
    assert pixels.shape == (8 * scale, 17 * scale, 2)
    assert (pixels[:, : 8 * scale] == [10, 255]).all()
    assert (pixels[:, 8 * scale : 9 * scale, 1] == 0).all()
    assert (pixels[:, 9 * scale :] == [200, 255]).all()
    assert base64.b64encode(figure.png).decode() in figure.html


def test_picture_keeps_colours():
    images = np.zeros((1, 3, 28, 28), np.uint8)
    images[:, 0] = 255
    pixels = opened(picture("red", images, "red").png)
    assert {tuple(pixel) for pixel in pixels.reshape(-1, 4)} == {(255, 0, 0, 255), (0, 0, 0, 0)}


@pytest.mark.parametrize(("size", "across"), [(8, 8), (64, 8), (100, 5), (128, 4)])
def test_fewer_large_images_stand_in_a_row(size, across):
    assert columns(size) == across


def test_chart_is_neutral_to_the_theme_and_repeatable():
    def draw(axes):
        axes.plot([0, 1], [0, 1])
        axes.set_title("growth")

    first, second = (chart("line", draw, 'a "rising" line') for _ in range(2))
    assert first == second
    assert INK not in first.html
    assert "currentColor" in first.html
    assert "growth" in first.html
    assert 'aria-label="a &#34;rising&#34; line"' in first.html
    assert not re.search(r"<metadata|<style|<!DOCTYPE|width=\"[\d.]+pt", first.html)
    assert b"Software" not in first.png


def test_real_is_grey_and_the_others_differ():
    sources = ["real", "gan prior", "vae prior", "vae gmm"]
    assert len({color(source, sources) for source in sources}) == 4


def test_more_images_than_columns_become_smaller():
    images = np.zeros((18, 1, 8, 8), np.uint8)
    assert "--part:100%" in picture("rows", images, "two rows", rows=2).html
    assert "--part:37.5%" in picture("row", images[:3], "three").html
