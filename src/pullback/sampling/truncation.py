"""Typical images rather than all kinds? Latents near the middle of the prior, where a generator has learned most.

Each number of a latent is drawn from N(0, 1) between -threshold and threshold (Brock et al. 2019, "Large scale GAN
training", arXiv:1809.11096, section 3.1): the smaller the threshold, the better the single image, and the less variety.
"""

from typing import Any

import torch
from torch import Tensor

from pullback import config
from pullback.config import Positive
from pullback.models._model import Model
from pullback.sampling._sampler import Sampler

LEARNS = False  # from the training images


class Params(config.Params):
    threshold: Positive = 1.0
    """No number of a latent lies farther from 0; lower = more typical images of less variety."""


def sampler(model: Model, images: Any, labels: Any, params: Params, seed: int) -> Sampler:
    """Draws from N(0, I) cut off at +-`params.threshold`; nothing is learned from `images`."""

    def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
        latents = torch.empty(len(labels), model.latent_dim)
        limit = params.threshold
        return torch.nn.init.trunc_normal_(latents, a=-limit, b=limit, generator=generator)

    return draw
