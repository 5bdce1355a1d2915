"""How sure is a score, and is one set better than another? The ways to a 95 % interval that metrics share."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pullback.errors import UserError

Statistic = Callable[[NDArray[Any], NDArray[Any]], float]
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


@dataclass(frozen=True)
class LeftOut:
    """A score, and for each of some random groups of rows of either set: the score less that without the group.

    of_real, of_fake: float64 (groups,); groups - 1 times the variance is what the draw of that set adds to the squared
        error, as it is where the groups part the set.
    """

    value: float
    of_real: NDArray[np.float64]
    of_fake: NDArray[np.float64]


def remainders(n: int, seed: int, groups: int = 20) -> list[NDArray[np.int64]]:
    """The rows that are left of n, ascending, without each of `groups` random groups; the same for the same n and seed.

    Raises:
        UserError: n is below 3.
    """
    if n < 3:
        raise UserError(f"an interval needs at least 3 images on both sides, not {n}; give more")
    chunks = np.array_split(np.random.default_rng(seed).permutation(n), min(groups, n))
    return [np.delete(np.arange(n), chunk) for chunk in chunks]


def leave_out(statistic: Statistic, real: NDArray[Any], fake: NDArray[Any], seed: int, groups: int = 20) -> LeftOut:
    """`statistic(real, fake)` with and without groups of rows (n, ...) and (m, ...); it is called 2 G + 1 times.

    Raises:
        UserError: a set has fewer than 3 rows.
    """
    value = statistic(real, fake)
    return LeftOut(
        value,
        value - np.array([statistic(real[rest], fake) for rest in remainders(len(real), seed, groups)]),
        value - np.array([statistic(real, fake[rest]) for rest in remainders(len(fake), seed, groups)]),
    )


def jackknife(
    statistic: Statistic, real: NDArray[Any], fake: NDArray[Any], seed: int, groups: int = 20
) -> tuple[float, float]:
    """`statistic(real, fake)` without its bias of order 1 / n, and the standard error of that (Shao and Tu 1995, 2.3).

    With t the statistic and t_g that without the g-th of G random groups of rows of one set,

        value = t + (G - 1) (t - mean t_g),    error^2 = (G - 1) / G sum (t_g - mean t_g)^2

    summed over both sets. The statistic must be smooth in the moments of the sets.

    Raises:
        UserError: a set has fewer than 3 rows.
    """
    parts = leave_out(statistic, real, fake, seed, groups)
    return _jackknife(parts.value, parts.of_real, parts.of_fake)


def _jackknife(value: float, *parts: NDArray[np.float64]) -> tuple[float, float]:
    """The formulas above of t and the t - t_g of each set."""
    value += sum((len(part) - 1) * part.mean() for part in parts)
    return float(value), sqrt(sum((len(part) - 1) * part.var() for part in parts))


@dataclass(frozen=True)
class Comparison:
    """The score of one set less that of another, its 95 % interval, and what that says of the first set."""

    difference: float
    low: float
    high: float
    verdict: Literal["better", "worse", "not distinguishable"]


def compare(
    statistic: Statistic,
    real: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    better: Literal["lower", "higher"],
    seed: int = 0,
) -> Comparison:
    """Is the set `a` (m, d) better than `b` (l, d), both against the same real rows (n, d)?

    The difference is `statistic(real, a) - statistic(real, b)`, its interval that of `jackknife`.

    Raises:
        UserError: as `statistic` and `jackknife` do.
    """
    return paired(*(leave_out(statistic, real, each, seed) for each in (a, b)), better=better)


def paired(a: LeftOut, b: LeftOut, *, better: Literal["lower", "higher"]) -> Comparison:
    """Is the first of two sets better, whose scores were taken against the same real rows in the same groups?

    Rows of `real` leave both scores at once, so what their draw adds to both does not count. The verdict is "not
    distinguishable" where the interval holds 0. Between equal populations that is so in about 95 % of the draws.
    """
    difference, error = _jackknife(a.value - b.value, a.of_real - b.of_real, a.of_fake, -b.of_fake)
    low, high = normal(difference, error)
    if low <= 0 <= high:
        return Comparison(difference, low, high, "not distinguishable")
    return Comparison(difference, low, high, "better" if (difference < 0) == (better == "lower") else "worse")
