"""How does a folder, a zip or an array, made by any program, become a set of images or of features?

Images are decoded only as they are asked for, so that a set may be larger than the memory.
"""

import textwrap
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.data._decode import EXTENSIONS, BrokenImage, decode, has_colour, is_image, to_channels
from pullback.data._images import square
from pullback.errors import UserError, refused
from pullback.evaluation._set import Set

KINDS = "a folder or zip of images, or an .npy or .npz"


class Images:
    """n images of one size: `len`, `shape` (c, h, w), and slices as uint8 (b, c, h, w)."""

    def __init__(self, path: Path, channels: int | None = None, size: int | None = None, least: int = 2) -> None:
        """Opens a folder or zip of image files, or an .npy or .npz of uint8 (n, c, h, w), (n, h, w, c) or (n, h, w).

        `channels`, 1 or 3, is what grey and colours are brought to; None = 3 if any image has colours. `size` is that
        of the squares that images of any size become, as `prepare` makes them; None = all are of one size, and keep it.

        Raises:
            UserError: no such path; no images in it (and how many other files); another type or shape; fewer than
                `least` images; values 0 and 1. While reading: a file that cannot be decoded, or of another size.
        """
        self.path, self._size = path, size
        self._images = _Array(path) if path.suffix in (".npy", ".npz") else _Files(path, of_one_size=not size)
        if len(self._images) < least:
            raise UserError(f"{path} holds {len(self._images)} image, but a set needs at least {least}; give more")
        height, width = (size, size) if size else self._images[0].shape[1:]
        self.shape = (channels or self._images.channels(), height, width)
        if self[:256].max() == 1:
            raise UserError(f"{path} holds the values 0 and 1, but images are 0 to 255; multiply them by 255")

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        images = map(self._images.__getitem__, range(len(self))[rows])
        return np.stack([self._fitted(to_channels(image, self.shape[0])) for image in images])

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return square(image[None], self._size)[0] if self._size else image

    def name(self, i: int) -> str:
        """By what a person knows image i: the name of its file, or its row."""
        return self._images.name(i)

    def digest(self) -> str:
        """32 hex digits of the content: of all files in the order of their names, or of the array."""
        content = blake2b(repr((len(self), self.shape)).encode(), digest_size=16)
        for part in self._images.content():
            content.update(part)
        return content.hexdigest()


class _Array:
    """Image i, (c, h, w), of an array file."""

    def __init__(self, path: Path) -> None:
        (array,) = _arrays(path, "images")
        if array.dtype != np.uint8:
            raise UserError(
                f"{path} holds {array.dtype}, but images are uint8 from 0 to 255; scale, round and convert them"
            )
        if array.ndim == 3:
            array = array[:, None]
        if array.ndim != 4 or not array.size or not {array.shape[1], array.shape[3]} & {1, 3}:
            raise UserError(
                f"{path} holds an array of shape {array.shape}, but images are (n, c, h, w), (n, h, w, c) or (n, h, w) "
                "with 1 or 3 channels; reshape it"
            )
        self._array = array if array.shape[1] in (1, 3) else np.moveaxis(array, 3, 1)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, i: int) -> NDArray[np.uint8]:
        return np.asarray(self._array[i])

    def channels(self) -> int:
        return self._array.shape[1]

    def name(self, i: int) -> str:
        return str(i)

    def content(self) -> Iterator[bytes]:
        return (image.tobytes() for image in self._array)


class _Files:
    """Image i, (1 or 3, h, w), of the files in a folder or zip, by the order of their names."""

    def __init__(self, path: Path, of_one_size: bool) -> None:
        self._path, self._archive = path, None if path.is_dir() else _archive(path)
        self._of_one_size = of_one_size
        entries = (
            [entry.filename for entry in self._archive.infolist() if not entry.is_dir()]
            if self._archive
            else [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        )
        self._names = sorted(filter(is_image, set(entries)))
        if not self._names:
            raise UserError(
                f"{path} holds no images: none of its {len(entries)} files ends in {', '.join(EXTENSIONS)}; "
                f"name {KINDS}"
            )

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, i: int) -> NDArray[np.uint8]:
        name = self._names[i]
        try:
            image = decode(partial(self._open, name))
        except BrokenImage as error:
            raise UserError(f"{self._path}: {name} cannot be decoded ({error}); mend it or take it out") from error
        if i == 0:
            self._size = image.shape[1:]
        if self._of_one_size and image.shape[1:] != self._size:
            (h, w), (height, width) = image.shape[1:], self._size
            raise UserError(
                f"{self._path}: {name} is {w} x {h} pixels but {self._names[0]} is {width} x {height}; "
                "bring all images to one size"
            )
        return image

    def channels(self) -> int:
        return 3 if any(has_colour(partial(self._open, name)) for name in self._names) else 1

    def name(self, i: int) -> str:
        return self._names[i]

    def content(self) -> Iterator[bytes]:
        for name in self._names:
            try:
                with self._open(name) as file:
                    yield file.read()
            except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
                raise UserError(f"{self._path}: {name} cannot be read ({error}); mend it or take it out") from error

    def _open(self, name: str) -> Any:
        return self._archive.open(name) if self._archive else (self._path / name).open("rb")


def given(path: Path) -> Set:
    """The features (n, d) and, where there are any, logits (n, classes) of an .npz with these names, or of an .npy.

    Raises:
        UserError: no such file, another kind of file, no features (n, d) in it, or another number of logits.
    """
    if path.suffix not in (".npy", ".npz"):
        raise UserError(f"{path} is no .npy or .npz of features; give one, or choose another feature map")
    features, logits = _arrays(path, "features", "logits")
    if features.ndim != 2:
        raise UserError(
            f"{path} holds an array of shape {features.shape}, but features are (n, d); choose a feature map for images"
        )
    if logits is not None and logits.shape[:1] != features.shape[:1]:
        raise UserError(
            f"{path} has features of shape {features.shape} and logits of shape {logits.shape}; give one row of each "
            "per image"
        )
    return Set(features, logits)


def _arrays(path: Path, *names: str) -> list[Any]:
    """The arrays of these names in an .npz, None where one is missing; the first is its only array, or an .npy's."""
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return [loaded] + [None] * (len(names) - 1)
        with loaded:
            own = [name if name in loaded else None for name in names]
            if own[0] is None and len(loaded.files) == 1:
                own[0] = loaded.files[0]
            found = [None if name is None else loaded[name] for name in own]
    except FileNotFoundError as error:
        raise refused(path, "read", error) from error
    except Exception as error:  # a damaged file may raise anything
        raise UserError(f"{path} is no whole array file ({error}); write it again with numpy.save") from error
    if not isinstance(found[0], np.ndarray):
        held = textwrap.shorten(", ".join(loaded.files), 80) or "nothing"
        raise UserError(f"{path} holds {held}, but no array {names[0]!r}; name the array so")
    return found


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise UserError(f"{path} is no zip ({error}); name {KINDS}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name {KINDS}") from error
