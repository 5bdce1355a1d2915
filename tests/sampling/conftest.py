"""A model whose codes are given, and the images that carry their row."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor
from untrained import Untrained

from pullback.models._model import Model

IMAGES = np.zeros((600, 1, 8, 8), np.uint8)


class Coder(Untrained):
    """Two latents; `codes` (600, 2) are those of the images, which carry their row in two pixels."""

    latent_dim = 2

    def __init__(self, codes: np.ndarray | None, classes: int = 0) -> None:
        super().__init__()
        self.classes, self.codes, self.deviation = classes, codes, 0.0

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


@pytest.fixture
def sample() -> Callable[..., np.ndarray]:
    """Latents of a sampling method, one per label asked for, which the seed settles."""

    def latents(
        method: ModuleType, model: Model, images: np.ndarray, labels: np.ndarray, wanted: list[int], **params: object
    ) -> np.ndarray:
        draw = method.sampler(model, images, labels, method.Params(**params), 0)
        drawn = draw(torch.tensor(wanted), torch.Generator().manual_seed(1))
        assert drawn.dtype == torch.float32
        assert torch.equal(drawn, draw(torch.tensor(wanted), torch.Generator().manual_seed(1)))
        return drawn.numpy()

    return latents
