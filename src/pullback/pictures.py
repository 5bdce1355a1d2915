"""How do many small images become one picture? uint8 (n, c, h, w) in, uint8 (height, width) or (…, 3) out."""

import math

import numpy as np
from numpy.typing import NDArray

GAP = 1  # pixels of background between two images
THUMBNAIL = 32  # pixels of a side, at most


def grid(images: NDArray[np.uint8], columns: int | None = None) -> NDArray[np.uint8]:
    """The images row by row in a grid, as square as possible unless `columns` is given."""
    n, c, h, w = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    cells = np.zeros((rows * columns, c, h + GAP, w + GAP), np.uint8)
    cells[:n, :, :h, :w] = images
    picture = cells.reshape(rows, columns, c, h + GAP, w + GAP).transpose(0, 3, 1, 4, 2)
    picture = picture.reshape(rows * (h + GAP), columns * (w + GAP), c)[:-GAP, :-GAP]
    return picture[..., 0] if c == 1 else picture


def enlarged(picture: NDArray[np.uint8], least: int) -> NDArray[np.uint8]:
    """The picture with every pixel repeated, so that it is at least `least` pixels wide and still sharp."""
    factor = max(1, math.ceil(least / picture.shape[1]))
    return picture.repeat(factor, 0).repeat(factor, 1)


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, c, h, w) with sides of at most `THUMBNAIL` pixels."""
    from PIL import Image

    n, c, h, w = images.shape
    if h <= THUMBNAIL:
        return images
    small = (
        Image.fromarray(layer).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)  # antialiased, in Pillow
        for layer in images.reshape(n * c, h, w)
    )
    return np.stack([np.asarray(layer) for layer in small]).reshape(n, c, THUMBNAIL, THUMBNAIL)
