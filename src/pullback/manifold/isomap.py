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
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from pullback import config
from pullback.manifold._embedding import Embedding, checked, embed_largest_component, fix_signs
from pullback.manifold.graph import knn_graph
from pullback.threads import one_thread


class Params(config.Params):
    neighbors: Annotated[int, Field(ge=2)] = 10
    """Edges that each point adds to the graph."""
    landmarks: Annotated[int, Field(ge=3)] = 500
    """Points drawn as landmarks; where there are no more points than that, the map is exact."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps the largest component of the neighbour graph of features (n, d); `seed` draws the landmarks.

    Raises:
        UserError: neighbors >= n, a graph without a component of 4 points, or features that `checked` refuses.
    """
    graph = knn_graph(checked(features), params.neighbors)
    return embed_largest_component(graph, lambda part: _landmark_mds(part, params.landmarks, seed))


def _landmark_mds(graph: csr_array, count: int, seed: int) -> NDArray[np.float64]:
    landmarks = np.random.default_rng(seed).permutation(graph.shape[0])[:count]
    squares = dijkstra(graph, indices=landmarks) ** 2
    among = squares[:, landmarks]
    means = among.mean(axis=1, keepdims=True)
    centred = (means + means.T - means.mean() - among) / 2
    with one_thread():
        values, vectors = eigh(centred, subset_by_index=[len(landmarks) - 2, len(landmarks) - 1])
    # Points on one line have no second axis: its eigenvalue is rounding, and its coordinate shall be 0.
    scales = np.where(values > 1e-12 * values[-1], values, np.inf) ** -0.5
    return fix_signs((means - squares).T @ (vectors * scales)[:, ::-1] / 2)
