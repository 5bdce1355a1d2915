"""Which latents were the models trained for? Those of the prior, N(0, I)."""

from typing import Any

import torch
from torch import Tensor

from pullback.models._model import Model
from pullback.sampling._sampler import Sampler

LEARNS = False  # from the training images


def sampler(model: Model, images: Any, labels: Any, params: Any, seed: int) -> Sampler:
    """Draws from N(0, I); nothing is learned from `images`."""

    def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(len(labels), model.latent_dim, generator=generator)

    return draw
