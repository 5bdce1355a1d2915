"""What would this image be in another class? Its code stays, and the class changes.

A conditional model encodes the image with its own label and decodes the code with another. The codes of a model that
takes no labels hold the class themselves; there it is changed by a semantic direction, the difference between the mean
codes of the two classes (Larsen et al. 2016, arXiv:1512.09300; White 2016, arXiv:1609.04468):

    z + mean_target - mean_source
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback import files
from pullback.data._decode import BrokenImage, decode, to_channels
from pullback.data._images import square
from pullback.errors import UserError
from pullback.models._model import Model, draw, posteriors
from pullback.pictures import enlarged, grid
from pullback.training import checkpoint
from pullback.weights import folder_of


def class_means(codes: Tensor, labels: NDArray[np.int64]) -> Tensor:
    """The mean (classes, d) of the codes (n, d) of each class, by labels (n,), -1 = none; NaN for a class without."""
    kinds = torch.from_numpy(labels)
    return torch.stack([codes[kinds == kind].mean(0) for kind in range(int(kinds.max()) + 1)])


def translate(
    model: Model,
    images: NDArray[np.uint8],
    source: NDArray[np.int64],
    targets: Sequence[int],
    means: Tensor | None = None,
) -> NDArray[np.uint8]:
    """Each image, its reconstruction, and what it becomes in each class of `targets`: uint8 (n, 2 + targets, c, h, w).

    Args:
        images: uint8 (n, c, h, w).
        source: int64 (n,), their classes.
        means: (classes, d) of `class_means`, for a model that is not conditional.

    Raises:
        UserError: the model has no encoder.
    """
    codes, versions = encoded(model, images, source), [images]
    for wanted in (source, *(np.full(len(images), target) for target in targets)):
        moved = codes if means is None else codes + means[wanted] - means[source]
        versions.append(draw(model, moved, torch.from_numpy(wanted)))
    return np.stack(versions, axis=1)


def encoded(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Tensor:
    """The codes (n, d) of images uint8 (n, c, h, w), each encoded with its label; raises `UserError` as `translate`."""
    found = [each[0] for each in posteriors(model, images, labels) if each]
    if not found:
        raise UserError("a model without an encoder cannot read images; choose one that has it, such as vae")
    return torch.cat(found)


def translate_to(path: Path, out: Path, name: str, source: int, targets: Sequence[int]) -> None:
    """Writes what images of the class `source` become in `targets` to `out`: rows of a .png, or an array (.npy).

    `path` is a picture, which is brought to the shape of the training images as these were, or an .npy of images. What
    stands in a row, and in the array uint8 (n, 2 + targets, c, h, w), is told in `translate`.

    Raises:
        UserError: no such file, class or model, a model without an encoder, or another kind of file.
    """
    if out.suffix not in (".png", ".npy"):
        raise UserError(f"{out} must end in .png (a row for each image) or .npy (an array)")
    model = checkpoint.load(folder_of(name))
    train = files.read_array(Path("data/images/train/images.npy"), mmap=True)
    labels = files.read_array(Path("data/images/train/labels.npy"))
    _check([source, *targets], labels)
    images = read(path, *train.shape[1:3])
    means = None if model.classes else class_means(encoded(model, train, labels), labels)
    versions = translate(model, images, np.full(len(images), source), targets, means)
    if out.suffix == ".npy":
        files.write_array(out, versions)
    else:
        from PIL import Image

        rows = grid(np.concatenate(versions), columns=versions.shape[1])
        with files.replacing(out) as file:
            Image.fromarray(enlarged(rows, 512)).save(file, "PNG")


def _check(asked: Sequence[int], labels: NDArray[np.int64]) -> None:
    known = np.unique(labels[labels >= 0])
    if not len(known):
        raise UserError(
            "the training images have no labels, so there are no classes to translate between; sort them "
            "into one sub-folder per class and train again"
        )
    for kind in asked:
        if kind not in known:
            raise UserError(
                f"no training image is of class {kind}; choose among the classes from {known[0]} to {known[-1]}"
            )


def read(path: Path, channels: int, size: int) -> NDArray[np.uint8]:
    """The images uint8 (n, channels, size, size) of a picture file or of an .npy, as `prepare` would have made them.

    Raises:
        UserError: no such file, no picture, or no array uint8 (n, c, h, w) with 1 or 3 channels.
    """
    if not path.is_file():
        raise UserError(f"{path} is no file; name a picture, or an .npy of images")
    if path.suffix == ".npy":
        images = files.read_array(path)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or not images.size:
            raise UserError(
                f"{path} holds {images.dtype} of shape {images.shape}, but images are uint8 (n, c, h, w) with 1 or 3 "
                "channels; convert them"
            )
    else:
        try:
            images = decode(lambda: path.open("rb"))[None]
        except BrokenImage as error:
            raise UserError(f"{path} cannot be decoded ({error}); name a picture, or an .npy of images") from error
    return square(np.stack([to_channels(image, channels) for image in images]), size)
