"""Which images does a training step see, and how do they reach the device?

Every epoch shows each image once, in an order that follows from the seed and the number of the epoch alone, so that a
training can go on from any step. A set that fits stays on the device as uint8, and batches are picked there; of any
other the rows of the next batches are read while the device works.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.errors import UserError

AHEAD = 2  # batches that are read in advance
SHARE = 0.25  # of the free memory of the device, up to which a set is kept there, by each process

Rows = Iterator[NDArray[np.int64]]


def batches(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    rows: Rows,
    device: torch.device,
    keep: bool | Literal["auto"] = "auto",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images uint8 (b, c, h, w) and labels int64 (b,) on the device, for each array of `rows` (b,).

    Args:
        images: uint8 (n, c, h, w), in memory or memory-mapped.
        labels: int64 (n,).
        keep: whether the whole set stays on the device; "auto" does so if it takes at most a quarter of what is free.
    """
    if images.nbytes <= SHARE * _free(device) if keep == "auto" else keep:
        kept, kept_labels = torch.from_numpy(_whole(images)).to(device), torch.from_numpy(labels).to(device)
        for each in rows:
            index = torch.from_numpy(each)
            index = (index.pin_memory() if device.type == "cuda" else index).to(device, non_blocking=True)
            yield kept[index], kept_labels[index]
    else:
        for pixels, classes in _prefetched(images, labels, rows, pin=device.type == "cuda"):
            yield pixels.to(device, non_blocking=True), classes.to(device, non_blocking=True)


def order(n: int, batch_size: int, seed: int, start: int = 0, part: tuple[int, int] = (0, 1)) -> Rows:
    """The rows of one batch after another from batch number `start` on; an epoch's incomplete last one is left out.

    `part` (i, k): every k-th row of each batch from the i-th on, for one of k processes that share it.
    """
    per_epoch, epoch = n // batch_size, -1
    for i in count(start):
        if i // per_epoch != epoch:
            epoch = i // per_epoch
            rows = np.random.default_rng([seed, epoch]).permutation(n)
        first = i % per_epoch * batch_size
        yield rows[first : first + batch_size][part[0] :: part[1]]


def _free(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def _prefetched(
    images: NDArray[np.uint8], labels: NDArray[np.int64], rows: Rows, *, pin: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    def read(each: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        pair = torch.from_numpy(_picked(images, each)), torch.from_numpy(labels[each])
        return (pair[0].pin_memory(), pair[1].pin_memory()) if pin else pair

    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(read, each) for each in islice(rows, AHEAD)]
        while coming:
            batch = coming.pop(0).result()
            coming += [reader.submit(read, each) for each in islice(rows, 1)]
            yield batch


# A memory map counts every page that was touched as memory of this process, so its file is read in the plain way.


def _whole(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not _is_file(images):
        return np.array(images) if isinstance(images, np.memmap) else images
    return np.fromfile(str(images.filename), np.uint8, images.size, offset=images.offset).reshape(images.shape)


def _picked(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    if not _is_file(images):
        return images[rows]
    picked = np.empty((len(rows), *images.shape[1:]), np.uint8)
    with Path(str(images.filename)).open("rb", buffering=0) as file:
        for row, image in zip(rows, picked, strict=True):
            file.seek(images.offset + int(row) * image.nbytes)
            if file.readinto(memoryview(image).cast("B")) != image.nbytes:
                raise UserError(f"{images.filename} ends before its image {row}; run `dvc repro` to make it again")
    return picked


def _is_file(images: NDArray[np.uint8]) -> "TypeGuard[np.memmap[Any, Any]]":
    """Whether it is a mapped file as a whole: a slice keeps the file's name and the offset of the whole."""
    return isinstance(images, np.memmap) and not isinstance(images.base, np.ndarray)
