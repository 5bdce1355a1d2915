"""Which kinds of real images does a model make too rarely?

k-means finds kinds among the REAL features, so that a model cannot move them; every image of every source then falls to
the nearest centre. A cluster is missed by a source whose share of images there is below a third of the real share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from pullback.errors import UserError
from pullback.neighbors import as_rows
from pullback.threads import one_thread


@dataclass(frozen=True)
class Clusters:
    """k clusters of n points.

    labels: int64 (n,), the cluster of each point.
    centers: float64 (k, d).
    shares: float64 (k,) per source, the part of its points in each cluster; sums to 1.
    examples: int64 (k,), the real point of each cluster that is nearest to its centre.
    """

    labels: NDArray[np.int64]
    centers: NDArray[np.float64]
    shares: dict[str, NDArray[np.float64]]
    examples: NDArray[np.int64]


def kmeans(features: ArrayLike, sources: Sequence[str] | NDArray[np.str_], k: int, seed: int) -> Clusters:
    """Clusters features (n, d) by the k centres of the points whose source, of n, is "real".

    Raises:
        UserError: NaN, or fewer than k distinct real points.
    """
    from sklearn.cluster import KMeans

    x, source = as_rows(features, "features"), np.asarray(sources)
    real = source == "real"
    distinct = len(np.unique(x[real], axis=0))
    if k > distinct:
        raise UserError(f"clusters is {k}, but there are only {distinct} distinct real points; lower it or add points")
    with one_thread():
        centers = KMeans(k, n_init=10, random_state=seed).fit(x[real]).cluster_centers_
    distances = cdist(x, centers)
    labels = distances.argmin(axis=1)
    member = labels[:, None] == np.arange(k)
    shares = {name: member[source == name].mean(axis=0) for name in np.unique(source).tolist()}
    examples = np.where(member & real[:, None], distances, np.inf).argmin(axis=0)
    return Clusters(labels, centers, shares, examples)


def missed(shares: dict[str, NDArray[np.float64]]) -> dict[str, list[int]]:
    """Per source, the clusters in which its share is below a third of the real share."""
    return {
        source: np.flatnonzero(3 * share < shares["real"]).tolist()
        for source, share in shares.items()
        if source != "real"
    }
