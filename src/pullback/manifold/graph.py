"""Which points are neighbours, and how far apart are two points along the data?

The graph joins each point with its k nearest; the length of the shortest path approximates the geodesic distance
(Tenenbaum, de Silva & Langford 2000). Too small a k leaves several components, and points in different components are
infinitely far apart: nothing is joined silently. Too large a k short-circuits folds, and one wrong edge is enough.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from pullback.neighbors import knn


def knn_graph(x: ArrayLike, k: int) -> csr_array:
    """The symmetric graph (n, n) that joins two points where one is among the other's k nearest; weights are distances.

    Raises:
        UserError: NaN in `x` (n, d), or k >= n.
    """
    distances, indices = knn(x, k)
    n = len(indices)
    lengths = np.maximum(distances, np.finfo(np.float64).tiny)  # duplicates: a sparse matrix keeps no edge of length 0
    graph = csr_array((lengths.ravel(), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    return graph.maximum(graph.T)


def components(graph: csr_array) -> tuple[int, NDArray[np.int64]]:
    """The number of connected components, and each point's component, (n,)."""
    count, labels = connected_components(graph, directed=False)
    return count, labels.astype(np.int64)


def geodesic_distances(x: ArrayLike, k: int, landmarks: ArrayLike | None = None) -> NDArray[np.float64]:
    """Lengths of the shortest paths from `landmarks` (m indices; None: all points) to all points, (m, n).

    Infinite between components; raises `UserError` as `knn_graph` does.
    """
    return dijkstra(knn_graph(x, k), indices=landmarks)
