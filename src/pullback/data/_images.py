"""How do images of any shape and origin become one clean array per split?

Each image is decoded once, brought to c channels, cropped to its central square, resized with antialiasing and written
at once, so that a set of any size passes through a small memory. On the way two kinds of images are dropped and listed
in the summary: those that cannot be decoded, and exact duplicates, that is, equal pixels after resizing. (Barz and
Denzler 2020, "Do we train on test data?", found near copies of 3 % of CIFAR-10's test images among those for training.)
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import files
from pullback.data._decode import BrokenImage, to_channels
from pullback.errors import UserError


@dataclass(frozen=True)
class Split:
    """Images that a source can decode one at a time.

    Attributes:
        names: what to call image i in a message: its file name, or "train/17".
        labels: (n,) class of each image; -1 = none.
        decode: image i as uint8 (c, h, w), c 1 or 3, any h and w; raises `BrokenImage`.
    """

    names: Sequence[str]
    labels: NDArray[np.int64]
    decode: Callable[[int], NDArray[np.uint8]]

    @classmethod
    def of_arrays(cls, name: str, images: NDArray[np.uint8], labels: NDArray[Any]) -> "Split":
        """The split `name` of images (n, c, h, w), possibly memory-mapped, and labels (n,)."""
        names = [f"{name}/{index}" for index in range(len(images))]
        return cls(names, np.asarray(labels, dtype=np.int64), images.__getitem__)


@dataclass(frozen=True)
class Dataset:
    """What a source offers: its published splits "train" and "test", or "all"; and the name of each label."""

    splits: Mapping[str, Split]
    classes: Sequence[str]


class _Image(NamedTuple):
    split: str
    name: str
    label: int
    pixels: NDArray[np.uint8]  # (c, h, w)


def prepare(
    dataset: Dataset, folder: Path, *, channels: int, size: int, test_fraction: float, max_broken: float, seed: int
) -> dict[str, Any]:
    """Writes FOLDER/{train,test}/images.npy, uint8 (n, channels, size, size), and labels.npy, int64 (n,).

    A published split is kept, and its test images are written first: of a pair that spans both splits the training
    image is dropped, so that the test set stays comparable with other work. Images without a split are divided by
    `stratified`. Of equal images the first is kept.

    Returns:
        The counts per split and class, and what was dropped and why; JSON-able.

    Raises:
        UserError: more than the share `max_broken` of the images is broken, or a split is left empty; nothing is
            written.
    """
    broken: list[dict[str, str]] = []
    duplicates: list[dict[str, str]] = []
    first: dict[bytes, tuple[str, str]] = {}
    content = blake2b(digest_size=16)
    labels: dict[str, list[int]] = {"train": [], "test": []}
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(
                files.ArrayWriter(folder / split / "images.npy", (channels, size, size), np.uint8)
            )
            for split in labels
        }
        for batch in _batches(_decoded(dataset.splits, channels, test_fraction, seed, broken)):
            pixels = square(np.stack([image.pixels for image in batch]), size)
            for (split, name, label, _), row in zip(batch, pixels, strict=True):
                digest = blake2b(row.tobytes(), digest_size=16).digest()
                if digest in first:
                    of_split, of = first[digest]
                    duplicates.append({"name": name, "split": split, "of": of, "of_split": of_split})
                else:
                    first[digest] = split, name
                    content.update(f"{split} {label} ".encode() + digest)
                    writers[split].append(row[None])
                    labels[split].append(label)
        _check(broken, sum(len(split.names) for split in dataset.splits.values()), max_broken, labels)
        for split, values in labels.items():
            files.write_array(folder / split / "labels.npy", np.array(values, dtype=np.int64))
    return {
        "digest": content.hexdigest(),
        "size": size,
        "channels": channels,
        "classes": list(dataset.classes),
        "images": {split: len(values) for split, values in labels.items()},
        "per_class": {split: _per_class(values, dataset.classes) for split, values in labels.items()},
        "dropped": {
            "broken": len(broken),
            "duplicates": len(duplicates),
            "leaked": sum(pair["split"] != pair["of_split"] for pair in duplicates),
        },
        "broken": broken,
        "duplicates": duplicates,
    }


def _decoded(
    splits: Mapping[str, Split], channels: int, test_fraction: float, seed: int, broken: list[dict[str, str]]
) -> Iterator[_Image]:
    """Every image that can be decoded, in the order in which duplicates are judged; the others join `broken`."""
    for destination, split, index in _order(splits, test_fraction, seed):
        name = split.names[index]
        try:
            pixels = to_channels(split.decode(index), channels)
        except BrokenImage as error:
            broken.append({"name": name, "reason": str(error)})
        else:
            yield _Image(destination, name, int(split.labels[index]), pixels)


def _order(splits: Mapping[str, Split], test_fraction: float, seed: int) -> Iterator[tuple[str, Split, int]]:
    if "all" in splits:
        everything = splits["all"]
        for index, is_test in enumerate(stratified(everything.labels, test_fraction, seed)):
            yield ("test" if is_test else "train"), everything, index
    else:
        for name in ("test", "train"):
            for index in range(len(splits[name].names)):
                yield name, splits[name], index


def _batches(images: Iterator[_Image]) -> Iterator[list[_Image]]:
    """Runs of images of one shape, at most 256 images or 16 MiB long, since photographs are large."""
    for shape, run in groupby(images, key=lambda image: image.pixels.shape):
        length = min(256, max(1, 2**24 // math.prod(shape)))
        while batch := list(islice(run, length)):
            yield batch


def stratified(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which images are for testing: (n,); round(fraction * n) of all, and of each class its share to within one image.

    Every (1/fraction)-th image is taken from a list sorted by class and shuffled within each class.
    """
    order = np.lexsort((np.random.default_rng(seed).random(len(labels)), labels))
    taken = np.floor(fraction * np.arange(len(labels) + 1) + 0.5)
    test = np.zeros(len(labels), dtype=bool)
    test[order] = np.diff(taken) > 0
    return test


def square(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The central squares of images (n, c, h, w) as (n, c, size, size), by antialiased bicubic interpolation."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    central = images[:, :, top : top + side, left : left + side]
    pixels = torch.from_numpy(central.astype(np.float32))
    resized = torch.nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    return resized.numpy().clip(0, 255).round().astype(np.uint8)


def _check(broken: list[dict[str, str]], total: int, max_broken: float, labels: Mapping[str, list[int]]) -> None:
    if len(broken) > max_broken * total:
        some = ", ".join(f"{image['name']} ({image['reason']})" for image in broken[:3])
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise UserError(
            f"{len(broken)} of {total} images are broken, more than the share data.max_broken = {max_broken:g}: "
            f"{some}{more}; mend or remove them, or raise data.max_broken"
        )
    for split, values in labels.items():
        if not values:
            raise UserError(
                f"no {split} image is left of {total} images, of which {len(broken)} are broken; "
                "give more images, or change data.test_fraction"
            )


def _per_class(labels: list[int], classes: Sequence[str]) -> dict[str, int]:
    counts = Counter(labels)
    return {name: counts[label] for label, name in enumerate(classes)}
