"""What do the pixels alone tell? Themselves as features: float32 (n, c h w) in [-1, 1], no logits."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.config import Params as Params
from pullback.features._map import Embedded, FeatureMap, digest


def build(*_: Any) -> None:
    """Nothing to train."""


def scores(*_: Any) -> dict[str, float]:
    """Nothing to test."""
    return {}


def load(folder: Path, device: Any) -> FeatureMap:
    """The map; `folder` and `device` are not used."""
    return FeatureMap("pixels", digest(b"pixels"), "none", None, _embed)


def _embed(images: NDArray[np.uint8]) -> Embedded:
    return images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1, None
