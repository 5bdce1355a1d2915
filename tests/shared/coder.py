"""A model whose codes of images can be told by looking at them."""

import numpy as np
import torch
from torch import Tensor, nn
from untrained import Untrained


class Coder(Untrained):
    """Two pixels of an image are its code; a conditional model adds the class, in tenths, to the first one."""

    latent_dim = 2

    def __init__(self, classes: int = 0, encodes: bool = True) -> None:
        super().__init__()
        self.classes, self.encodes = classes, encodes

    def _offset(self, labels: Tensor) -> Tensor:
        return torch.stack([labels / 10, torch.zeros(len(labels))], 1) if self.classes else torch.zeros(len(labels), 2)

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return nn.functional.pad(latents + self._offset(labels), (0, 62)).view(-1, 1, 8, 8)

    def posterior(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        code = images.flatten(1)[:, :2] - self._offset(labels)
        return (code, torch.ones_like(code)) if self.encodes else None


def of_codes(*codes: tuple[float, float]) -> np.ndarray:
    """Images uint8 (n, 1, 8, 8) whose first two pixels, in [-1, 1], are these."""
    images = np.full((len(codes), 1, 8, 8), 50, np.uint8)
    images[:, 0, 0, :2] = np.rint((np.array(codes) + 1) * 127.5)
    return images


def first(images: np.ndarray) -> np.ndarray:
    """The first two pixels of images (…, 1, 8, 8) in [-1, 1]."""
    return images[..., 0, 0, :2] / 127.5 - 1
