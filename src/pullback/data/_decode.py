"""How does the content of one image file, of any origin, become pixels?"""

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
MAX_BYTES = 2**28  # of one file: a packed entry may swell without bounds


class BrokenImage(Exception):
    """An image that cannot be decoded; the message says why."""


def is_image(name: str) -> bool:
    """Whether a file is an image by its extension; hidden files and those of macOS are none."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    return name.lower().endswith(EXTENSIONS) and not hidden


def decode(open_file: Callable[[], IO[bytes]]) -> NDArray[np.uint8]:
    """The pixels (1 or 3, h, w) in a file, turned upright; transparent parts are white, 16 bits are scaled to 8.

    Raises:
        BrokenImage: the file is empty, too large, cut off, of another format, or has pixels of unknown range.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with open_file() as file:
                content = file.read(MAX_BYTES + 1)
            if not content:
                raise BrokenImage("the file is empty")
            if len(content) > MAX_BYTES:
                raise BrokenImage(f"the file is larger than {MAX_BYTES >> 20} MiB")
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                return _pixels(ImageOps.exif_transpose(image))
        except BrokenImage:
            raise
        except UnidentifiedImageError as error:
            raise BrokenImage(f"the content is no {', '.join(FORMATS)} image") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BrokenImage(f"more than {Image.MAX_IMAGE_PIXELS} pixels, perhaps a decompression bomb") from error
        except Exception as error:  # a broken file may raise anything
            raise BrokenImage(str(error) or type(error).__name__) from error


def has_colour(open_file: Callable[[], IO[bytes]]) -> bool:
    """Whether `decode` would find three channels, by the header alone; False for what it would not decode."""
    try:
        with open_file() as file, Image.open(file, formats=FORMATS) as image:
            return image.has_transparency_data or not _grey(image)
    except Exception:
        return False


def _grey(image: Image.Image) -> bool:
    return image.mode in ("1", "L") or image.mode.startswith("I")


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise BrokenImage("floating-point pixels have no known range")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise BrokenImage("the pixels exceed 16 bits")
        return np.rint(values / 257).astype(np.uint8)[None]
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if _grey(image):
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def to_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """The image (1 or 3, h, w) as (channels, h, w): grey is repeated, colours become the luma of Pillow's mode "L"."""
    if len(image) == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=0)
    red, green, blue = image.astype(np.uint32)
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16  # ITU-R 601-2 in 16-bit fixed point
    return luma.astype(np.uint8)[None]
