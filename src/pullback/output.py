"""How do images reach the disk for people and other programs? As a file each, as one array, or as one picture.

Which one the name says: a folder, an .npy, or a .png with all images in a grid. Folders and arrays are written while
the images are made, so that a million of them need no more memory than a batch. All of it is there in the end, or
nothing.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pullback import files
from pullback.errors import UserError, refused
from pullback.pictures import enlarged, grid
from pullback.progress import bar

MOST = 2_500  # images in a picture; more of them, of 128 pixels, many programs refuse to open


def check(out: Path, count: int) -> None:
    """Whether `count` images can go to `out`, which is worth knowing before they are made.

    Raises:
        UserError: it is another kind of file or a folder that is not empty, or they are too many for a picture.
    """
    if out.suffix not in (".png", ".npy") and (out.suffix or out.is_file()) and not out.is_dir():
        raise UserError(f"{out} must be a folder, or end in .npy (an array) or .png (all images in one picture)")
    if out.is_dir() and any(out.iterdir()):
        raise UserError(
            f"{out} is a folder with something in it, which would be mixed up with the images; name a new one"
        )
    if out.suffix == ".png" and count > MOST:
        raise UserError(
            f"{out} cannot show {count} images, since {MOST} are the most for one picture; ask for fewer, or name a "
            "folder or an .npy"
        )


def write(
    out: Path, batches: Iterator[NDArray[np.uint8]], count: int, names: Iterable[str], columns: int | None = None
) -> None:
    """Writes `count` images, at least one, to `out`, which `check` has accepted.

    Args:
        batches: uint8 (m, …, c, h, w), which are rows (…, c, h, w) of an array, and m x … images elsewhere.
        names: of the images in a folder, without .png.
        columns: of the picture; None makes it as square as possible.

    Raises:
        UserError: the file system refuses.
    """
    with bar(out.name, count) as show:
        told = _told(batches, show)
        if out.suffix == ".npy":
            _write_array(out, told)
        elif out.suffix == ".png":
            _write_picture(out, np.concatenate([_images(batch) for batch in told]), columns)
        else:
            _write_folder(out, (image for batch in told for image in _images(batch)), names)


def numbers(count: int) -> Iterator[str]:
    """0 to `count` - 1, which sort as text: 007 where there are up to 1,000."""
    return (str(i).zfill(len(str(count - 1))) for i in range(count))


def _images(batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(m, …, c, h, w) as (m x …, c, h, w)."""
    return batch.reshape(-1, *batch.shape[-3:])


def _told(batches: Iterator[NDArray[np.uint8]], show: Callable[[int, str], None]) -> Iterator[NDArray[np.uint8]]:
    done = 0
    for batch in batches:
        yield batch
        done += len(_images(batch))
        show(done, "images")


def _write_array(out: Path, batches: Iterator[NDArray[np.uint8]]) -> None:
    first = next(batches)
    with files.ArrayWriter(out, first.shape[1:], np.uint8) as writer:
        for batch in chain([first], batches):
            writer.append(batch)


def _write_picture(out: Path, images: NDArray[np.uint8], columns: int | None) -> None:
    with files.replacing(out) as file:
        Image.fromarray(enlarged(grid(images, columns), 512)).save(file, "PNG")


def _write_folder(out: Path, images: Iterator[NDArray[np.uint8]], names: Iterable[str]) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            whole = Path(temporary) / "whole"
            whole.mkdir()
            for image, name in zip(images, names, strict=True):
                Image.fromarray(grid(image[None])).save(whole / f"{name}.png")
            whole.replace(out)
    except OSError as error:
        raise refused(out, "written", error) from error
