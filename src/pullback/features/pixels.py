"""What do the pixels alone tell? Themselves as features: float32 (n, c h w) in [-1, 1], no logits."""

from pathlib import Path
from typing import Any

import numpy as np

from pullback.config import Params as Params
from pullback.features._map import Embed


def build(*_: Any) -> None:
    """Nothing to train."""


def scores(*_: Any) -> dict[str, float]:
    """Nothing to test."""
    return {}


def load(folder: Path, device: Any) -> Embed:
    """The map; `folder` and `device` are not used."""
    return lambda images: (images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1, None)
