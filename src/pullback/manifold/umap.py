"""Which map shows neighbourhoods, and more of how they lie to each other than t-SNE does?

UMAP (McInnes, Healy & Melville 2018, arXiv:1802.03426) by the package umap-learn, an optional extra, started from PCA.
"""

import warnings
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from pullback import config
from pullback.errors import UserError
from pullback.manifold._embedding import Embedding, checked
from pullback.neighbors import as_rows
from pullback.threads import one_thread


class Params(config.Params):
    neighbors: Annotated[int, Field(ge=2)] = 15
    """Points whose neighbourhood the map keeps; must be below the number of points."""
    min_dist: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """How closely the map may pack points."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps features (n, d); new points can be placed.

    Raises:
        UserError: umap-learn is not installed, neighbors >= n, or features that `checked` refuses.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=ImportWarning):  # it misses Tensorflow, which we do not
            from umap import UMAP
    except ImportError as error:
        raise UserError(
            "umap needs the package umap-learn, which is not installed; pip install umap-learn, or leave it out"
        ) from error

    x = checked(features)
    if params.neighbors >= len(x):
        raise UserError(f"neighbors is {params.neighbors}, but must be below the {len(x)} points; lower it")
    with one_thread():
        fitted = UMAP(
            n_neighbors=params.neighbors, min_dist=params.min_dist, init="pca", random_state=seed, n_jobs=1
        ).fit(x)

    def transform(new: ArrayLike) -> NDArray[np.float64]:
        rows = as_rows(new, "new", x.shape[1]).astype(np.float32)
        with one_thread():
            return fitted.transform(rows).astype(np.float64)

    return Embedding(fitted.embedding_.astype(np.float64), {}, transform)
