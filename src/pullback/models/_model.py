"""What is a generative model, to everything that trains, saves and samples one?

A model is a set of named `parts` (networks), the `updates` that make up one training step, a loss for each update, and
a way from latent vectors to images. Whoever trains it needs to know nothing else, so a new model is one new file here:
a `Params` class, a subclass of `Model`, and the entry point `build(params, shape, classes)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pullback.config import Count, Params, Positive, Share
from pullback.errors import UserError

JUDGED, ENCODED = 250, 500  # images at once


class ModelParams(Params):
    """What every model is told: its networks, and how long and in which portions it learns."""

    architecture: Literal["mlp", "conv", "resnet"] = "conv"
    width: Annotated[int, Field(ge=4, le=512)] = 32
    latent_dim: Annotated[int, Field(ge=2, le=512)] = 32
    conditional: bool | None = None
    budget_images: Count = 150_000
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Positive = 1e-3
    decay: Share = 1.0
    ema_halflife_images: Count = 5_000


@dataclass(frozen=True)
class Batch:
    """What one update learns from.

    Attributes:
        images: float32 (n, c, h, w) in [-1, 1].
        labels: int64 (n,), -1 for none.
        step: how many training steps came before.
        progress: the share of the budget spent, 0 to 1.
        random: where its random numbers come from.
        part: this process holds every `part[1]`-th image of a batch that processes share, from `part[0]` on.
    """

    images: Tensor
    labels: Tensor
    step: int
    progress: float
    random: torch.Generator
    part: tuple[int, int] = (0, 1)

    def noise(self, *shape: int) -> Tensor:
        """Standard normal numbers of `shape`, whose first length is that of the batch, on the images' device."""
        return self._drawn(torch.randn, shape)

    def uniform(self, *shape: int) -> Tensor:
        """As `noise`, uniform in [0, 1)."""
        return self._drawn(torch.rand, shape)

    def _drawn(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        """This process's share of numbers that do not depend on how many processes there are."""
        rank, processes = self.part
        whole = (shape[0] * processes, *shape[1:])
        return draw(whole, generator=self.random, device=self.images.device)[rank::processes]


class Model(ABC):
    """A generative model of images (c, h, w)."""

    updates: Mapping[str, Sequence[str]]
    """The kinds of optimiser steps: a name -> the parts whose weights it changes."""

    averaged: ClassVar[Sequence[str]]
    """The parts whose weights are averaged over training (EMA)."""

    draws_from: ClassVar[str]
    """The part that `generate` uses."""

    parts: dict[str, nn.Module]
    latent_dim: int
    classes: int
    """How many classes `labels` may name; 0 = the model is not conditional and looks at no labels."""

    @property
    def device(self) -> torch.device:
        """Where the part lies that `generate` uses."""
        return next(self.parts[self.draws_from].parameters()).device

    @property
    def schedule(self) -> Sequence[str]:
        """The updates of one training step, in order; one that comes again is given a new batch."""
        return list(self.updates)

    @abstractmethod
    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar that `update` descends, and scalars worth logging."""

    @abstractmethod
    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of one update, at its highest learning rate."""

    @abstractmethod
    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images float32 (n, c, h, w) in [-1, 1] from latents float32 (n, latent_dim).

        `labels` int64 (n,) are those of a conditional model.
        """

    def posterior(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        """Means and standard deviations (n, latent_dim) of the latents from which `generate` rebuilds `images`.

        None for a model without an encoder.
        """
        return None

    def encode(self, images: Tensor, labels: Tensor | None = None) -> Tensor | None:
        """The means of `posterior`."""
        found = self.posterior(images, labels)
        return found[0] if found else None

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor | None:
        """Logits (n,) of `images`, the higher the more they look like real ones; None without a discriminator."""
        return None

    def judge(self, images: Tensor, labels: Tensor, random: torch.Generator) -> dict[str, float]:
        """What the model itself can say of held-out images, such as a likelihood; by name."""
        return {}

    def diagnose(self, history: Sequence[Mapping[str, float]]) -> dict[str, str]:
        """Illnesses of this kind of model that its curves show, each with what to try; by name.

        `history` holds what was logged so far, one mapping per point; a point need not have every key.
        """
        return {}


def to_model_range(images: Tensor) -> Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_pixels(images: Tensor) -> Tensor:
    """float32 in [-1, 1] -> uint8 in [0, 255], rounded."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def count_classes(conditional: bool | None, labels: NDArray[np.int64]) -> int:
    """How many classes a model learns of, given the labels int64 (n,) of its images; 0 = none.

    Raises:
        UserError: `conditional` is true, and some image has no label.
    """
    missing = int((labels < 0).sum())
    if conditional and missing:
        raise UserError(
            f"conditional is true, but {missing} of {len(labels)} images have no label; set it to null, or sort all "
            "images into one sub-folder per class"
        )
    return 0 if missing or conditional is False else int(labels.max()) + 1


def labels_like(train: NDArray[np.int64], n: int, seed: int, classes: int) -> NDArray[np.int64]:
    """`n` labels in a random order, each class having the share that it has in `train`; -1 where classes are 0."""
    if not classes:
        return np.full(n, -1)
    spread = np.sort(train)[np.arange(n) * len(train) // n]
    return np.random.default_rng(seed).permutation(spread)


class ImagesFromLatents(nn.Module):
    """A model's way from latents to images as one module, for export.

    Takes float32 (n, latent_dim); for a conditional model (n, latent_dim + 1), the last column being the labels.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.parts[model.draws_from]
        self.latent_dim, self.classes = model.latent_dim, model.classes
        self._generate = model.generate

    def forward(self, latents: Tensor) -> Tensor:
        labels = latents[:, self.latent_dim].long() if self.classes else None
        return self._generate(latents[:, : self.latent_dim], labels)


@torch.no_grad()
def draw(model: Model, latents: Tensor, labels: Tensor | None = None) -> NDArray[np.uint8]:
    """Images uint8 (n, c, h, w) from latents float32 (n, latent_dim), and labels int64 (n,) if it is conditional."""
    return to_pixels(model.generate(latents, labels)).cpu().numpy()


@torch.no_grad()
def posteriors(
    model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Iterator[tuple[Tensor, Tensor] | None]:
    """What `Model.posterior` says of images uint8 (n, c, h, w) with labels int64 (n,), of up to 500 at a time."""
    for start in range(0, len(images), ENCODED):
        some = slice(start, start + ENCODED)
        batch = to_model_range(torch.from_numpy(np.array(images[some])).to(model.device))
        yield model.posterior(batch, torch.from_numpy(labels[some]).to(model.device))


@torch.no_grad()
def judged(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int) -> dict[str, float]:
    """What the model says of held-out images uint8 (n, c, h, w), the mean over them all; see `Model.judge`."""
    device = model.device
    random = torch.Generator(device).manual_seed(seed)
    sums: dict[str, float] = {}
    for start in range(0, len(images), JUDGED):
        some = to_model_range(torch.from_numpy(np.array(images[start : start + JUDGED])).to(device))
        answers = model.judge(some, torch.from_numpy(labels[start : start + JUDGED]).to(device), random)
        for name, value in answers.items():
            sums[name] = sums.get(name, 0.0) + value * len(some)
    return {name: value / len(images) for name, value in sums.items()}
