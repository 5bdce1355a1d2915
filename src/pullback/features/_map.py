"""What is a feature map, to everything that embeds images?

A feature map is one file here with a `Params` class and three functions:

- `build(images, labels, classes, params, seed, device, folder)`: trains the map on uint8 images (n, c, h, w) and int64
  labels (n,) of that many classes, or verifies given weights, and writes it into `folder`;
- `load(folder, device) -> FeatureMap`: the map, ready to use;
- `scores(feature_map, images, labels) -> dict`: how good it is on held-out images, by name.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullback.errors import UserError

Embedded = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Features float32 (n, d), and logits float32 (n, classes) or None."""


@dataclass(frozen=True)
class FeatureMap:
    """A feature map that is ready to use."""

    name: str
    digest: str
    """16 hex digits of what decides its features: weights and settings."""
    resize: str
    """How images come to the size that it takes: "none", "tensorflow" (as the published FID does) or "clean"."""
    shape: tuple[int, int, int] | None
    """The only (c, h, w) that it takes; None = any."""
    embed: Callable[[NDArray[np.uint8]], Embedded]
    """Embeds one batch."""
    batch: int = 256

    @property
    def identity(self) -> dict[str, str]:
        """What must stand beside every number that rests on the features."""
        return {"name": self.name, "digest": self.digest, "resize": self.resize}

    def __call__(self, images: NDArray[np.uint8], batch: int | None = None) -> Embedded:
        """Features and logits of uint8 images (n, c, h, w), `batch` of them at a time, on which they do not depend.

        Raises:
            UserError: the images are none, not uint8, not of one or three channels, or not of the map's own shape.
        """
        _check(images)
        if self.shape and images.shape[1:] != self.shape:
            raise UserError(
                f"the feature map {self.name!r} takes images of shape {self.shape} (c, h, w), not {images.shape[1:]}; "
                "convert them, or use 'inception', which takes any size"
            )
        batch = batch or self.batch
        parts = [self.embed(images[start : start + batch]) for start in range(0, len(images), batch)]
        logits = [part[1] for part in parts if part[1] is not None]
        return np.concatenate([part[0] for part in parts]), np.concatenate(logits) if logits else None


def digest(content: bytes) -> str:
    """16 hex digits of a SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def _check(images: NDArray[np.uint8]) -> None:
    if images.ndim != 4:
        raise UserError(
            f"images of shape {images.shape} are not (n, c, h, w); give grey ones (n, h, w) as images[:, None]"
        )
    if images.size == 0:
        raise UserError(f"an array of shape {images.shape} holds no image; give at least one")
    if images.shape[1] not in (1, 3):
        raise UserError(
            f"images of shape {images.shape} have {images.shape[1]} channels, not 1 or 3; "
            "where the colours stand last, give np.moveaxis(images, -1, 1)"
        )
    if images.dtype != np.uint8:
        low, high = images.min(), images.max()
        levels = "(images + 1) * 127.5" if low < 0 else "images * 255.0" if high <= 1 else "images"
        raise UserError(
            f"images are {images.dtype} from {low:.4g} to {high:.4g}, not uint8 from 0 to 255; "
            f"convert them, for instance by np.rint({levels}).astype(np.uint8)"
        )
