"""How does one image turn into another, or one draw into another? What `pullback interpolate` shows.

Of a conditional model all images of a path have one class. Where nobody names it, it is for images the class by which
the model rebuilds both best, and for draws each class in turn.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.errors import UserError
from pullback.generation import labels_in_turn
from pullback.models._model import Model
from pullback.reconstruction import best_labels
from pullback.sampling.interpolation import walk
from pullback.translation import encoded, read
from pullback.weights import Loaded

Ends = Iterable[tuple[Tensor, Tensor, int]]
"""Latents (d,) of the first and of the last image of each path, and its class, -1 = none."""


def between_draws(loaded: Loaded, n: int, seed: int, asked: Sequence[int] = ()) -> Ends:
    """From one draw of N(0, I) to another, `n` times, the same ones for the same seed; of the classes `asked` in turn.

    Raises:
        UserError: the model does not know these classes.
    """
    model = loaded.model
    kinds = asked or range(model.classes)
    labels = labels_in_turn(kinds, n, loaded.name, model.classes) if kinds else np.full(n, -1)
    generator = torch.Generator().manual_seed(seed)
    return ((*torch.randn(2, model.latent_dim, generator=generator).to(model.device), int(label)) for label in labels)


def between_images(loaded: Loaded, first: Path, last: Path, asked: Sequence[int] = ()) -> tuple[int, Ends]:
    """How many images `first` holds, and from each of them to the one of `last`, as the model knows both.

    Raises:
        UserError: these are no images or not as many, or the model has no encoder or does not know these classes.
    """
    model, (channels, _, size) = loaded.model, loaded.shape
    a, b = (read(each, channels, size) for each in (first, last))
    if len(a) != len(b):
        raise UserError(
            f"{first} holds {len(a)} images and {last} {len(b)}; give as many, since each is led to one other"
        )
    labels = labels_in_turn(asked, len(a), loaded.name, model.classes) if asked else best_labels(model, a, b)
    return len(a), zip(encoded(model, a, labels), encoded(model, b, labels), labels.tolist(), strict=True)


def paths(model: Model, ends: Ends, steps: int, way: str) -> Iterator[NDArray[np.uint8]]:
    """Images uint8 (1, steps, c, h, w) along each path, straight or geodesic (see `sampling/interpolation.py`)."""
    for first, last, label in ends:
        yield walk(model, first, last, torch.tensor(label, device=model.device), steps, way)[None]
