import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pullback.report._figures import GREY, INK, PALETTE, chart, color, columns, picture
from pullback.report._page import HERE

# What a colour-blind person sees of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.0.
SIGHT = {
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


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


def linear(colors: list[str]) -> np.ndarray:
    """(n, 3), the light of red, green and blue, 0 to 1, of hex colours (sRGB)."""
    values = np.array([[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in colors]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(colors: list[str], sight: str) -> np.ndarray:
    """Hex colours as they are seen, in CIELAB (D65)."""
    seen = np.clip(linear(colors) @ np.transpose(SIGHT[sight]), 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = seen @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def page_colors() -> list[str]:
    """Of the page in the light, in the dark, and on paper."""
    return [*re.findall(r"--page: (#\w{6})", (HERE / "style.css").read_text()), "#ffffff"]


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_sources_are_told_apart_by_everyone_on_every_page(sight):
    inks = lab([GREY, *PALETTE], sight)
    apart = np.linalg.norm(inks[:, None] - inks, axis=-1)
    assert apart[np.triu_indices(len(inks), 1)].min() > 20
    pages = page_colors()
    assert len(pages) == 3
    assert np.linalg.norm(inks[:, None] - lab(pages, sight), axis=-1).min() > 30


def contrast(*colors: str) -> float:
    """Of two colours, 1 to 21, as WCAG 2.2 defines it."""
    low, high = sorted(linear([*colors]) @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    """The colours of the page by name: in the light, in the dark, and on paper."""
    style = re.sub(r"#(\w)(\w)(\w);", r"#\1\1\2\2\3\3;", (HERE / "style.css").read_text())
    return [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{.*?\}", style, re.DOTALL)]


def test_contrast_is_1_to_21():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # a known pair


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark", "paper"])
@pytest.mark.parametrize("ground", ["page", "raised"])
def test_text_and_marks_are_seen_on_every_ground(theme, ground):
    text = {name: contrast(theme[name], theme[ground]) for name in ("text", "quiet", "accent")}
    marks = {ink: contrast(ink, theme[ground]) for ink in (GREY, *PALETTE)}
    assert {name: ratio for name, ratio in text.items() if ratio < 4.5} == {}
    assert {ink: ratio for ink, ratio in marks.items() if ratio < 3} == {}


def test_white_is_white_and_the_grey_that_everyone_sees_stays_grey():
    for sight in SIGHT:
        np.testing.assert_allclose(lab(["#ffffff", "#777777"], sight), [[100, 0, 0], [50, 0, 0]], atol=0.6)


def test_more_images_than_columns_become_smaller():
    images = np.zeros((18, 1, 8, 8), np.uint8)
    assert "--part:100%" in picture("rows", images, "two rows", rows=2).html
    assert "--part:37.5%" in picture("row", images[:3], "three").html
