"""Point sets whose geometry is known."""

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def swiss_roll() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Of n and a seed: a rolled-up strip (n, 3), and its points on the flat strip (n, 2), arc length and height."""

    def roll(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        angle, height = 1.5 * np.pi * (1 + 2 * rng.random(n)), 21 * rng.random(n)
        arc = (angle * np.hypot(1, angle) + np.arcsinh(angle)) / 2
        return np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1), np.stack([arc, height], axis=1)

    return roll


@pytest.fixture
def islands() -> tuple[np.ndarray, np.ndarray]:
    """Three far-apart groups of 60, 40 and 20 points in 4 dimensions (120, 4), and each point's group."""
    island = np.repeat([0, 1, 2], [60, 40, 20])
    return np.random.default_rng(0).normal(size=(120, 4)) + 100 * island[:, None], island
