"""Along how many directions do the data really vary?

With r_j the distance to the j-th neighbour, log ratios on a d-dimensional manifold of locally even density are
exponential with rate d, so that d is their number over their sum:

- TwoNN (Facco 2017): log(r_2 / r_1) of every point. Of the largest tenth we use only that they are the largest, as the
  paper does; where it fits a line, we take the likelihood of this censored sample, which comes with an interval.
- maximum likelihood (Levina & Bickel 2004): log(r_k / r_j) for all j < k, with the correction of MacKay & Ghahramani
  (2005): the mean over points is taken of 1/d.

Duplicates are dropped first. Curvature, noise and edges bias both: a large k hides noise, a small one curvature.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_rows, check_count, knn


class Estimate(NamedTuple):
    """A dimension and its 95 % interval, which knows of sampling error alone, not of bias."""

    value: float
    low: float
    high: float


def two_nn(x: ArrayLike) -> Estimate:
    """The dimension of x (n, d) at the scale of nearest neighbours.

    Raises:
        UserError: NaN, or fewer than 3 distinct points.
    """
    first, second = knn(_distinct(x), 2)[0].T
    logs = np.sort(np.log(second / first))
    kept = int(np.ceil(0.9 * len(logs)))
    return _estimate(logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1], kept)


def maximum_likelihood(x: ArrayLike, k: int) -> Estimate:
    """The dimension of x (n, d) at the scale of k >= 2 neighbours.

    Raises:
        UserError: NaN, fewer than 3 distinct points, or k outside 2 ... their number - 1.
    """
    rows = _distinct(x)
    check_count("k", k, 2, len(rows) - 1, f"{len(rows)} distinct points")
    distances, _ = knn(rows, k)
    logs = np.log(distances[:, -1:] / distances[:, :-1])
    return _estimate(logs.sum(), logs.size)


def _distinct(x: ArrayLike) -> NDArray[np.float64]:
    rows = as_rows(x)
    distinct = np.unique(rows, axis=0)
    if len(distinct) < 3:
        raise UserError(
            f"there are {len(distinct)} distinct points among {len(rows)}, but a dimension needs 3; give more"
        )
    return distinct


def _estimate(total: float, count: int) -> Estimate:
    """The rate d of `count` exponential variables that add up to `total`, unbiased.

    If they were independent, 2 d total ~ chi2(2 count) would give the interval. But nearby points share neighbours: on
    flat tori of 1 to 8 dimensions the spread was 1.2 to 1.4 times as wide, whatever n and k: every second one counts.
    """
    from scipy.stats import chi2

    if not total > 0:
        raise UserError(
            "all points have equal distances to their neighbours, from which no dimension follows; give others"
        )
    low, high = chi2.ppf([0.025, 0.975], count) / total
    return Estimate(float((count - 1) / total), float(low), float(high))
