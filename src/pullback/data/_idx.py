"""What do the sets in MNIST's format share?

Four files, each an array in IDX format: two zero bytes, the type (8 = uint8), the number of dimensions, each dimension
as a big-endian 32-bit integer, then the values (LeCun, http://yann.lecun.com/exdb/mnist). Addresses and digests are
torchvision's. The files may come gzipped or not; in data/raw they lie unpacked, to be memory-mapped.
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback import files
from pullback.data import _download
from pullback.data._images import Dataset, Split
from pullback.download import Refused
from pullback.errors import UserError


def download(published: Any, source: str | None, raw: Path, md5: Mapping[str, str] | None = None) -> None:
    """Puts the four files into `raw`, verified.

    Args:
        published: torchvision's class, with `mirrors` and `resources` (name and md5 of each gzipped file).
        source: folder or web address to use instead of the mirrors.
        md5: digests of the unpacked files; where they are published, the packing does not matter.
    """
    for packed, packed_md5 in published.resources:
        name = packed.removesuffix(".gz")
        get = partial(_content, name, None, md5[name]) if md5 else partial(_content, name, packed_md5, None)
        files.write_bytes(raw / name, _download.in_turn([source] if source else published.mirrors, get))


def _content(name: str, packed_md5: str | None, md5: str | None, place: str) -> bytes:
    """The unpacked content of the file `name`, which lies at `place` gzipped or not."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            origin = _download.address(place, f"{name}.gz")
            _download.fetch(origin, path, packed_md5)
            files.write_bytes(path, _unpacked(origin, path.read_bytes()))
        except Refused:
            origin = _download.address(place, name)
            _download.fetch(origin, path)
        _download.verify(origin, path, md5)
        content = path.read_bytes()
    array(origin, np.frombuffer(content, dtype=np.uint8))
    return content


def _unpacked(origin: str, content: bytes) -> bytes:
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{origin} is no whole gzip file ({error}); {_download.REMEDY}") from error


def array(origin: str, content: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The array in the bytes of an IDX file, without a copy.

    Raises:
        UserError: the header is not that of a uint8 array, or its dimensions do not match the length.
    """
    try:
        if bytes(content[:3]) != b"\0\0\x08":
            raise ValueError("another header")
        start = 4 + 4 * int(content[3])
        return content[start:].reshape(content[4:start].view(">u4").tolist())
    except (IndexError, ValueError) as error:
        raise UserError(f"{origin} is no whole IDX file of uint8 ({error}); {_download.REMEDY}") from error


def read(raw: Path, classes: Sequence[str]) -> Dataset:
    """The published split, memory-mapped."""
    return Dataset({"train": _split(raw, "train", "train"), "test": _split(raw, "test", "t10k")}, classes)


def _split(raw: Path, split: str, prefix: str) -> Split:
    images, labels = (
        array(str(path), np.memmap(path, np.uint8, mode="r"))
        for path in (raw / f"{prefix}-images-idx3-ubyte", raw / f"{prefix}-labels-idx1-ubyte")
    )
    if len(images) != len(labels):
        raise UserError(f"{raw} holds {len(images)} {split} images, but {len(labels)} labels; {_download.REMEDY}")
    return Split.of_arrays(split, images[:, None], labels)
