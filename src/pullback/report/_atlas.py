"""How do many small images get into a page as one picture, from which its script paints any one of them?"""

import io
import math
from base64 import b64encode

import numpy as np

from pullback.report._results import Images


def atlas(images: Images, *, lossless: bool) -> str:
    """Images (n, c, h, w) row by row, `across(n)` in each, as a data URI.

    No gaps: with sides of 32 pixels no block of the lossy compression holds pixels of two images.
    """
    from PIL import Image

    n, c, h, w = images.shape
    columns = across(n)
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, c, h, w), np.uint8)
    cells[:n] = images
    sheet = cells.reshape(rows, columns, c, h, w).transpose(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    file = io.BytesIO()
    Image.fromarray(sheet.squeeze(axis=2) if c == 1 else sheet).save(file, "webp", lossless=lossless, quality=70)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}"


def across(n: int) -> int:
    return math.ceil(math.sqrt(n))
