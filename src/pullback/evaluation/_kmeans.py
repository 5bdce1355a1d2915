"""Into which kinds do images fall? Cells about the k-means centres of one set of features."""

import numpy as np
from numpy.typing import NDArray

from pullback.errors import UserError
from pullback.neighbors import knn
from pullback.threads import one_thread


def centres(rows: NDArray[np.float64], k: int, seed: int, name: str) -> NDArray[np.float64]:
    """The k centres (k, d) of the rows (n, d); `name` is what the caller's user calls k.

    Raises:
        UserError: k below 1 or above the number of distinct rows.
    """
    from sklearn.cluster import KMeans

    most = distinct(rows)
    if not 1 <= k <= most:
        raise UserError(
            f"{name} must be from 1 to {most}, the number of distinct images, not {k}; lower it or give more images"
        )
    with one_thread():
        return KMeans(k, random_state=seed).fit(rows).cluster_centers_


def distinct(rows: NDArray[np.float64]) -> int:
    """How many of the rows differ."""
    return len(np.unique(rows, axis=0))


def cell_of(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """The index (n,) of the centre nearest to each row; the first of equally near ones."""
    return knn(rows, 1, centres)[1][:, 0]
