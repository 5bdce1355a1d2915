"""How do many small images get into a page as one picture, from which its script paints any one of them?"""

import math

import numpy as np

from pullback.report._figures import data_uri, image_file
from pullback.report._results import Images


def atlas(images: Images, *, lossless: bool) -> str:
    """Images (n, c, h, w) row by row, `across(n)` in each, as a data URI.

    No gaps: with sides of 32 pixels no block of the lossy compression holds pixels of two images.
    """
    n, c, h, w = images.shape
    columns = across(n)
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, c, h, w), np.uint8)
    cells[:n] = images
    sheet = cells.reshape(rows, columns, c, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    pixels = sheet.squeeze(axis=2) if c == 1 else sheet
    return data_uri("webp", image_file(pixels, "webp", lossless=lossless, quality=70))


def across(n: int) -> int:
    return math.ceil(math.sqrt(n))
