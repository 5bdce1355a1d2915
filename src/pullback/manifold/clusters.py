"""Which kinds of real images are there, and how many images of each source are of each kind?

Clusters are found among the REAL features, so that a model cannot move them; every image of every source then falls to
one of them. k-means (to the nearest centre) finds as many kinds as it is asked for; HDBSCAN (Campello, Moulavi & Sander
2013) finds as many as there are dense regions, and leaves out what lies between them. Both are scikit-learn's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from pullback.errors import UserError
from pullback.neighbors import as_labels, as_rows, check_count, knn
from pullback.threads import one_thread


@dataclass(frozen=True)
class Clusters:
    """k clusters of n points.

    labels: int64 (n,), the cluster of each point; -1 = none (HDBSCAN).
    centers: float64 (k, d).
    shares: float64 (k,) per source, the part of its points in each cluster; sums to 1, less what is in none.
    examples: int64 (k,), the real point of each cluster that is nearest to its centre.
    """

    labels: NDArray[np.int64]
    centers: NDArray[np.float64]
    shares: dict[str, NDArray[np.float64]]
    examples: NDArray[np.int64]


def kmeans(features: ArrayLike, sources: Sequence[str] | NDArray[np.str_], k: int, seed: int) -> Clusters:
    """Clusters features (n, d) by the k centres of the points whose source, of n, is "real".

    Raises:
        UserError: NaN, another number of sources, or k outside 1 ... number of distinct real points.
    """
    from sklearn.cluster import KMeans

    x, source, real = _checked(features, sources)
    distinct = len(np.unique(x[real], axis=0))
    check_count("k", k, 1, distinct, f"{distinct} distinct real points")
    with one_thread():
        centers = KMeans(k, n_init=10, random_state=seed).fit(x[real]).cluster_centers_
    return _clusters(x, source, cdist(x, centers).argmin(axis=1), centers)


def hdbscan(features: ArrayLike, sources: Sequence[str] | NDArray[np.str_], least: int) -> Clusters:
    """Clusters features (n, d) by the dense regions, of at least `least` points, of those whose source is "real".

    Other points fall to the cluster of the nearest real point, so that shares of sources are no draws of one chance: do
    not test them. There may be no cluster at all.

    Raises:
        UserError: NaN, another number of sources, or `least` outside 2 ... number of real points.
    """
    from sklearn.cluster import HDBSCAN

    x, source, real = _checked(features, sources)
    check_count("least", least, 2, real.sum(), f"{real.sum()} real points")
    with one_thread():
        found = HDBSCAN(least, copy=True).fit(x[real]).labels_.astype(np.int64)
    labels = found[knn(x, 1, x[real])[1][:, 0]]
    labels[real] = found
    kinds = range(found.max() + 1)
    centers = np.array([x[real][found == kind].mean(axis=0) for kind in kinds]).reshape(len(kinds), x.shape[1])
    return _clusters(x, source, labels, centers)


def _checked(
    features: ArrayLike, sources: Sequence[str] | NDArray[np.str_]
) -> tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.bool_]]:
    """The features (n, d), their sources (n,), and which of them are real, (n,)."""
    x = as_rows(features, "features")
    source = as_labels(sources, len(x), "sources")
    return x, source, source == "real"


def _clusters(
    x: NDArray[np.float64], source: NDArray[np.str_], labels: NDArray[np.int64], centers: NDArray[np.float64]
) -> Clusters:
    member = labels[:, None] == np.arange(len(centers))
    shares = {name: member[source == name].mean(axis=0) for name in np.unique(source).tolist()}
    near = np.where(member & (source == "real")[:, None], cdist(x, centers), np.inf)
    return Clusters(labels, centers, shares, near.argmin(axis=0))


class Agreement(NamedTuple):
    """How clusters and classes agree.

    ari, nmi: adjusted Rand index (0 for chance, 1 for the same) and normalised mutual information (0 to 1).
    silhouette: -1 to 1, of the points' own clusters against the nearest others; None where there are fewer than two.
    """

    ari: float
    nmi: float
    silhouette: float | None


def agreement(x: ArrayLike, clusters: ArrayLike, classes: ArrayLike) -> Agreement:
    """That of `clusters` (n,) of features x (n, d) with `classes` (n,); points in no cluster, -1, count as one more.

    Raises:
        UserError: NaN, another number of clusters or classes than of points, or all points of one class.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

    rows = as_rows(x)
    kinds, truth = as_labels(clusters, len(rows), "clusters"), as_labels(classes, len(rows), "classes")
    if len(np.unique(truth)) < 2:
        raise UserError(f"all {len(truth)} points are of one class, with which no clusters can agree; give two or more")
    inside = kinds >= 0
    several = 2 <= len(np.unique(kinds[inside])) < inside.sum()
    return Agreement(
        float(adjusted_rand_score(truth, kinds)),
        float(normalized_mutual_info_score(truth, kinds)),
        float(silhouette_score(rows[inside], kinds[inside])) if several else None,
    )
