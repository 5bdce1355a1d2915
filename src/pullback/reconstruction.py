"""What is left of an image after encoding and decoding? What `pullback reconstruct` shows.

A conditional model has to be told the class of an image. Where nobody does, it is the class by which the model rebuilds
the image best, that is, with the smallest squared error.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pullback.generation import BATCH, labels_in_turn
from pullback.models._model import Model, draw
from pullback.sets import Images
from pullback.translation import encoded


def reconstructed(model: Model, name: str, images: Images, asked: Sequence[int] = ()) -> Iterator[NDArray[np.uint8]]:
    """Each of `images` and what is left of it, uint8 (≤ 256, 2, c, h, w), read while they are asked for.

    The images are of the classes `asked` in turn; if none are, of those that the model `name` rebuilds best.

    Raises:
        UserError: the model has no encoder or does not know these classes, or an image cannot be decoded.
    """
    labels = labels_in_turn(asked, len(images), name, model.classes) if asked else None
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        kinds = best_labels(model, some) if labels is None else labels[start : start + BATCH]
        yield np.stack([some, rebuilt(model, some, kinds)], axis=1)


def best_labels(model: Model, *sets: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The classes int64 (n,) by which images i of all sets (n, c, h, w) are rebuilt best; -1 of a model without."""
    n = len(sets[0])
    if not model.classes:
        return np.full(n, -1)
    errors = np.zeros((model.classes, n))
    for kind in range(model.classes):
        for images in sets:
            difference = rebuilt(model, images, np.full(n, kind)).astype(np.float32) - images
            errors[kind] += np.square(difference).sum((1, 2, 3))
    return errors.argmin(0)


def rebuilt(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """What is left of images uint8 (n, c, h, w) with labels int64 (n,); raises `UserError` without an encoder."""
    return draw(model, encoded(model, images, labels), torch.from_numpy(labels).to(model.device))
