"""What does a map of the data consist of, and where are the points that it cannot place?

Every map (`pca.py`, `isomap.py`, `spectral.py`, `tsne.py`) is a file with `class Params` and
`fit(features, params, seed) -> Embedding`. A neighbour graph does not tell how far apart two of its components are, so
maps of a graph neither join components nor draw them side by side: the largest is embedded, all other points get NaN
coordinates, and the scores `components` and `embedded_share` say so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from pullback.errors import UserError
from pullback.manifold.graph import components
from pullback.neighbors import as_rows


@dataclass(frozen=True)
class Embedding:
    """Points in the plane.

    coordinates: float64 (n, 2), NaN for points that are not embedded.
    scores: what the method itself knows of the map's quality.
    transform: features (m, d) to coordinates (m, 2), for methods that can place new points; raises `UserError` for
        another d than the mapped features have, and what else `as_rows` refuses.
    """

    coordinates: NDArray[np.float64]
    scores: dict[str, float]
    transform: Callable[[ArrayLike], NDArray[np.float64]] | None = None

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """Which points have coordinates, (n,)."""
        return ~np.isnan(self.coordinates[:, 0])


def checked(features: ArrayLike) -> NDArray[np.float64]:
    """`features` (n, d) in float64.

    Raises:
        UserError: NaN or infinity, fewer than 3 points or 2 features, or all points equal.
    """
    x = as_rows(features, "features")
    if x.shape[0] < 3 or x.shape[1] < 2:
        raise UserError(f"features have shape {x.shape}, but a map needs at least 3 points and 2 features; give more")
    if (x == x[0]).all():
        raise UserError(f"all {len(x)} feature vectors are equal, so there is nothing to map; check the feature map")
    return x


def fix_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns (n, m), each multiplied by 1 or -1 so that its entry of largest magnitude is positive."""
    peaks = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return vectors * np.where(peaks < 0, -1.0, 1.0)


def largest_component(graph: csr_array) -> tuple[NDArray[np.int64], dict[str, float]]:
    """The points (m,) of the largest component of `graph`, and the scores `components` and `embedded_share`.

    Raises:
        UserError: it has fewer than 4 points.
    """
    count, labels = components(graph)
    inside = np.flatnonzero(labels == np.bincount(labels).argmax())
    if len(inside) < 4:
        raise UserError(
            f"the neighbour graph falls into {count} components of at most {len(inside)} points, but a map needs 4; "
            "raise neighbors"
        )
    return inside, {"components": count, "embedded_share": len(inside) / len(labels)}
