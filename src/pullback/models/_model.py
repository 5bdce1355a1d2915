"""What is a generative model, to everything that trains, saves and samples one?

A model is a set of named `parts` (networks), the `updates` that make up one training step, a loss for each update, and
a way from latent vectors to images. Whoever trains it needs to know nothing else, so a new model is one new file here:
a `Params` class, a subclass of `Model`, and the entry point `build(params, shape)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pullback.config import Count, Params, Positive


class ModelParams(Params):
    """What every model is told: its networks, and how long and in which portions it learns."""

    architecture: Literal["mlp", "conv"] = "conv"
    width: Annotated[int, Field(ge=4, le=512)] = 32
    latent_dim: Annotated[int, Field(ge=2, le=512)] = 32
    budget_images: Count = 350_000
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Positive = 1e-3
    ema_halflife_images: Count = 5_000


@dataclass(frozen=True)
class Batch:
    """Images float32 (n, c, h, w) in [-1, 1], labels int64 (n,), the share of the budget spent, a source of noise."""

    images: Tensor
    labels: Tensor
    progress: float
    generator: torch.Generator

    def noise(self, *shape: int) -> Tensor:
        """Standard normal numbers of `shape` on the images' device."""
        return torch.randn(shape, generator=self.generator, device=self.images.device)


class Model(ABC):
    """A generative model of images (c, h, w)."""

    updates: ClassVar[Mapping[str, Sequence[str]]]
    """The optimiser steps of one training step, in order: a name -> the parts whose weights it changes."""

    averaged: ClassVar[Sequence[str]]
    """The parts whose weights are averaged over training (EMA)."""

    draws_from: ClassVar[str]
    """The part that `generate` uses."""

    parts: dict[str, nn.Module]
    latent_dim: int

    @abstractmethod
    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar that `update` descends, and scalars worth logging."""

    @abstractmethod
    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of one update."""

    @abstractmethod
    def generate(self, latents: Tensor) -> Tensor:
        """Images float32 (n, c, h, w) in [-1, 1] from latents float32 (n, latent_dim)."""

    def encode(self, images: Tensor) -> Tensor | None:
        """The latents (n, latent_dim) from which `generate` rebuilds `images`; None for a model without an encoder."""
        return None


def to_model_range(images: Tensor) -> Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """float32 in [-1, 1] -> uint8 in [0, 255], rounded."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


class ImagesFromLatents(nn.Module):
    """A model's way from latents to images as one module, for export."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.parts[model.draws_from]
        self._generate = model.generate

    def forward(self, latents: Tensor) -> Tensor:
        return self._generate(latents)


@torch.no_grad()
def draw(model: Model, latents: Tensor) -> NDArray[np.uint8]:
    """Images uint8 (n, c, h, w) from latents float32 (n, latent_dim)."""
    return to_pixels(model.generate(latents)).cpu().numpy()
