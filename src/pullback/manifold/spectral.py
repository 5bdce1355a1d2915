"""Which map keeps neighbours together, whatever happens to long distances?

Laplacian eigenmaps (Belkin & Niyogi 2003): L f = lambda D f on the neighbour graph W with weights 1, D its degrees and
L = D - W; the map is the two eigenvectors after the constant one. We take the largest eigenvalues 1 - lambda of
D^-1/2 W D^-1/2 by Lanczos iteration: same vectors, and no factorisation, which fills in on high-dimensional data.
Agrees with scikit-learn's SpectralEmbedding(affinity="precomputed") of W up to sign and scale.
"""

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

from pullback import config
from pullback.manifold._embedding import Embedding, checked, fix_signs, largest_component
from pullback.manifold.graph import knn_graph
from pullback.threads import one_thread


class Params(config.Params):
    neighbors: Annotated[int, Field(ge=2)] = 10
    """Edges that each point adds to the graph."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps the largest component of the neighbour graph of features (n, d); `seed` starts the eigensolver.

    Raises:
        UserError: neighbors >= n, a graph without a component of 4 points, or features that `checked` refuses.
    """
    graph = knn_graph(checked(features), params.neighbors)
    inside, scores = largest_component(graph)
    coordinates = np.full((graph.shape[0], 2), np.nan)
    coordinates[inside] = _eigenmap(graph[inside][:, inside], seed)
    return Embedding(coordinates, scores)


def _eigenmap(graph: csr_array, seed: int) -> NDArray[np.float64]:
    weights = (graph > 0).astype(np.float64)
    scales = weights.sum(axis=1) ** -0.5
    start = np.random.default_rng(seed).uniform(-1, 1, len(scales))
    with one_thread():
        _, vectors = eigsh(diags_array(scales) @ weights @ diags_array(scales), k=3, which="LA", v0=start)
    return fix_signs(scales[:, None] * vectors[:, 1::-1])  # eigsh sorts upwards: the constant one is the last
