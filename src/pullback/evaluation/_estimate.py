"""How sure is a score? A value with its 95 % interval, and the ways to an interval that metrics share."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback.errors import UserError

Z = 1.959963984540054  # two-sided 95 % of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A score, its 95 % interval, and the numbers of images behind it (0 for a set that the score does not look at)."""

    value: float
    low: float
    high: float
    n_real: int
    n_fake: int


def normal(value: float, error: float) -> tuple[float, float]:
    """The interval about a value whose standard error is known."""
    return value - Z * error, value + Z * error


def wilson(share: float, n: int) -> tuple[float, float]:
    """The interval of a share among n independent cases; neither empty nor outside [0, 1] at 0 and 1 (Wilson 1927)."""
    centre = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def jackknife(
    statistic: Callable[[NDArray[Any], NDArray[Any]], float],
    real: NDArray[Any],
    fake: NDArray[Any],
    seed: int,
    groups: int = 20,
) -> tuple[float, float]:
    """`statistic(real, fake)` without its bias of order 1 / n, and the standard error of that (Shao and Tu 1995, 2.3).

    With t the statistic and t_g that without the g-th of G random groups of rows of one set,

        value = t + (G - 1) (t - mean t_g),    error^2 = (G - 1) / G sum (t_g - mean t_g)^2

    summed over both sets. The statistic must be smooth in the moments of the sets, and is called 2 G + 1 times.

    Raises:
        UserError: a set has fewer than 3 rows.
    """
    if min(len(real), len(fake)) < 3:
        raise UserError(
            f"an interval needs at least 3 images on both sides, not {min(len(real), len(fake))}; give more"
        )
    rng = np.random.default_rng(seed)
    whole = value = statistic(real, fake)
    variance = 0.0
    for rows, of_rest in (real, lambda rest: statistic(rest, fake)), (fake, lambda rest: statistic(real, rest)):
        parts = np.array_split(rng.permutation(len(rows)), min(groups, len(rows)))
        without = np.array([of_rest(np.delete(rows, part, axis=0)) for part in parts])
        value += (len(parts) - 1) * float(whole - without.mean())
        variance += (len(parts) - 1) * float(without.var())
    return value, sqrt(variance)
