"""Which flat map keeps the distances along the data?

Classical multidimensional scaling of geodesic distances (Isomap; Tenenbaum, de Silva & Langford 2000). With D_lj the
geodesic distance from landmark l to point j, mu_l the mean of D_l.^2 over the landmarks, and lambda_i, v_i the leading
eigenpairs of the landmarks' doubly centred -D^2/2, coordinate i of point j is

    -v_i . (D_.j^2 - mu) / (2 sqrt(lambda_i))                       (landmark MDS; de Silva & Tenenbaum 2004)

With all points as landmarks this is exact Isomap, and agrees with scikit-learn's to rounding.
"""

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.linalg import eigh
from scipy.sparse.csgraph import dijkstra

from pullback import config
from pullback.manifold._embedding import Embedding, checked, fix_signs, largest_component
from pullback.manifold.graph import knn_graph
from pullback.neighbors import as_rows, knn
from pullback.threads import one_thread


class Params(config.Params):
    neighbors: Annotated[int, Field(ge=2)] = 10
    """Edges that each point adds to the graph."""
    landmarks: Annotated[int, Field(ge=3)] = 400
    """Points drawn as landmarks; where there are no more points than that, the map is exact."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps the largest component of the neighbour graph of features (n, d); `seed` draws the landmarks.

    A new point is joined to its nearest among the n points, and placed like these; NaN if that leads to none of the
    mapped ones.

    Raises:
        UserError: neighbors >= n, a graph without a component of 4 points, or features that `checked` refuses.
    """
    x = checked(features)
    graph = knn_graph(x, params.neighbors)
    inside, scores = largest_component(graph)
    landmarks = inside[np.random.default_rng(seed).permutation(len(inside))[: params.landmarks]]
    geodesics = dijkstra(graph, indices=landmarks)
    means, axes = _landmark_mds(geodesics[:, landmarks] ** 2)

    def place(distances: NDArray[np.float64]) -> NDArray[np.float64]:
        reached = np.isfinite(distances).all(axis=0)
        coordinates = np.full((distances.shape[1], 2), np.nan)
        coordinates[reached] = (means - distances[:, reached] ** 2).T @ axes / 2
        return coordinates

    def transform(new: ArrayLike) -> NDArray[np.float64]:
        lengths, joined = knn(as_rows(new, "new", x.shape[1]), params.neighbors, x)
        distances = np.full((len(landmarks), len(lengths)), np.inf)
        for length, neighbour in zip(lengths.T, joined.T, strict=True):
            np.minimum(distances, geodesics[:, neighbour] + length, out=distances)
        return place(distances)

    return Embedding(place(geodesics), scores, transform)


def _landmark_mds(squares: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """mu (m, 1) and v_i / sqrt(lambda_i) (m, 2), signs fixed, from the landmarks' squared distances (m, m)."""
    means = squares.mean(axis=1, keepdims=True)
    centred = (means + means.T - means.mean() - squares) / 2
    last = len(squares) - 1
    with one_thread():
        values, vectors = eigh(centred, subset_by_index=[last - 1, last])
    # Points on one line have no second axis: its eigenvalue is rounding, and its coordinate shall be 0.
    scales = np.where(values > 1e-12 * values[-1], values, np.inf) ** -0.5
    return means, (fix_signs(vectors) * scales)[:, ::-1]
