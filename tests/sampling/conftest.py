"""A model whose codes are given, and the images that carry their row."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pullback.models._model import Model

IMAGES = np.zeros((600, 1, 8, 8), np.uint8)


class Coder(Model):
    """Two latents; `codes` (600, 2) are those of the images, which carry their row in two pixels."""

    updates, averaged, draws_from = {}, [], "part"

    def __init__(self, codes: np.ndarray | None, classes: int = 0) -> None:
        self.latent_dim, self.classes, self.codes, self.deviation = 2, classes, codes, 0.0
        self.parts = {"part": nn.Linear(1, 1)}

    def loss(self, *_):
        raise NotImplementedError

    def optimizer(self, *_):
        raise NotImplementedError

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def posterior(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        if self.codes is None:
            return None
        pixels = ((images[:, 0, 0, :2] + 1) * 127.5).round().long()
        mean = torch.from_numpy(self.codes[pixels[:, 0] * 256 + pixels[:, 1]]).float()
        return mean, torch.full_like(mean, self.deviation)


@pytest.fixture
def numbered() -> np.ndarray:
    images = IMAGES.copy()
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(600), 256)
    return images


@pytest.fixture
def coder() -> type[Coder]:
    return Coder
