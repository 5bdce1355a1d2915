"""Sampling from the prior: latents from N(0, I), turned into images. What both models are trained for."""

from typing import Any

import torch
from torch import Tensor

from pullback.models._model import Model
from pullback.sampling._sampler import Sampler


def sampler(model: Model, images: Any, params: Any, seed: int) -> Sampler:
    def draw(n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, model.latent_dim, generator=generator)

    return draw
