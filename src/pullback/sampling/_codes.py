"""Where in latent space do the training images lie, according to the model's encoder?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.errors import UserError
from pullback.models._model import Model, posteriors
from pullback.sampling._sampler import Sampler

Draw = Callable[[int, torch.Generator], Tensor]
"""(n, generator on the CPU) -> latents float32 (n, latent_dim)."""

MOST = 20_000  # training images that are encoded


class Codes(NamedTuple):
    """Of n training images.

    latents: float64 (n, latent_dim), a draw of each image's posterior.
    kinds: int64 (n,), the class of each for a conditional model, else 0.
    """

    latents: NDArray[np.float64]
    kinds: NDArray[np.int64]


def codes(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int) -> Codes:
    """Those of at most 20,000 of `images` uint8 (n, c, h, w), with their labels int64 (n,); `seed` chooses and draws.

    Draws rather than means: the means alone lie closer together, and the images made of them are less diverse.

    Raises:
        UserError: the model has no encoder.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:MOST])
    drawn, generator = [], torch.Generator().manual_seed(seed)
    for found in posteriors(model, images[rows], labels[rows]):
        if found is None:
            raise UserError("this model has no encoder, so its training images have no codes; choose prior")
        mean, deviation = (each.cpu().double() for each in found)
        drawn.append((mean + deviation * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)).numpy())
    return Codes(np.concatenate(drawn), labels[rows] if model.classes else np.zeros(len(rows), np.int64))


def by_class(
    model: Model,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seed: int,
    learn: Callable[[NDArray[np.float64]], Draw],
) -> Sampler:
    """A sampler that draws by what `learn` makes of the codes (n, d) of each class, or of all codes without classes.

    Raises:
        UserError: the model has no encoder, or as `learn` does.
    """
    latents, kinds = codes(model, images, labels, seed)
    learned = [learn(latents[kinds == kind]) for kind in range(max(1, model.classes))]

    def draw(wanted: Tensor, generator: torch.Generator) -> Tensor:
        result = torch.empty(len(wanted), model.latent_dim)
        for kind, draw_some in enumerate(learned):
            mine = wanted == kind if model.classes else torch.ones_like(wanted, dtype=torch.bool)
            result[mine] = draw_some(int(mine.sum()), generator)
        return result

    return draw
