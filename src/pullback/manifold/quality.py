"""How far may a map be trusted?

Trustworthiness falls when points that are neighbours in the map are none in the data, continuity when neighbours in the
data are torn apart in the map (Venna & Kaski 2001). With r(i, j) the rank of j among the neighbours of i in the data,
and U_k(i) those of the k nearest of i in the map that are not among its k nearest in the data,

    trustworthiness = 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j in U_k(i)} (r(i, j) - k);

continuity is the same with the roles exchanged. Both lie in [0, 1] and are scikit-learn's. Long distances are judged by
the rank correlation of Shepard's diagram: distances along the data against those in the map.

Callers pass embedded points only (`Embedding.embedded`): NaN coordinates are refused.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_labels, as_rows, check_count, knn


def trustworthiness(x: ArrayLike, coordinates: ArrayLike, k: int) -> float:
    """Of the map from x (n, d) to coordinates (n, m), in [0, 1].

    Raises:
        UserError: NaN, unequal n, k < 1 or k >= n / 2.
    """
    from sklearn.manifold import trustworthiness as by_sklearn

    return float(by_sklearn(*_checked(x, coordinates, k), n_neighbors=k))


def continuity(x: ArrayLike, coordinates: ArrayLike, k: int) -> float:
    """Of the map from x (n, d) to coordinates (n, m), in [0, 1]; raises `UserError` as `trustworthiness` does."""
    rows, places = _checked(x, coordinates, k)
    return trustworthiness(places, rows, k)


def _checked(x: ArrayLike, coordinates: ArrayLike, k: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, places = as_rows(x), as_rows(coordinates, "coordinates")
    if len(rows) != len(places):
        raise UserError(f"x has {len(rows)} rows and coordinates {len(places)}; give each point its place")
    check_count("k", k, 1, (len(rows) - 1) // 2, f"{len(rows)} points")
    return rows, places


def neighborhood_hit(coordinates: ArrayLike, labels: ArrayLike, k: int) -> float:
    """The mean share of a point's k nearest in coordinates (n, m) with the point's own label (Paulovich 2008).

    Callers leave out points without a label.

    Raises:
        UserError: NaN, another number of labels than of points, k < 1 or k >= n.
    """
    places = as_rows(coordinates, "coordinates")
    names = as_labels(labels, len(places))
    return float((names[knn(places, k)[1]] == names[:, None]).mean())


def shepard_correlation(geodesics: ArrayLike, coordinates: ArrayLike, landmarks: ArrayLike) -> float | None:
    """Spearman's correlation, -1 to 1, of geodesic distances (l, n) from l points with their distances in the map.

    Pairs of points that no path joins do not count. None where there are fewer than two different distances.

    Args:
        geodesics: as `graph.geodesic_distances` gives them for `landmarks`.
        coordinates: (n, m).
        landmarks: int64 (l,), rows of `coordinates`.

    Raises:
        UserError: NaN coordinates, or geodesics of another shape.
    """
    from scipy.spatial.distance import cdist
    from scipy.stats import spearmanr

    lengths, places, rows = np.asarray(geodesics), as_rows(coordinates, "coordinates"), np.asarray(landmarks)
    if lengths.shape != (*rows.shape, len(places)):
        raise UserError(
            f"geodesics must be from {rows.size} landmarks to {len(places)} points, not {lengths.shape}; mend it"
        )
    mapped = cdist(places[rows], places)
    counted = np.isfinite(lengths) & (lengths > 0)
    along, across = lengths[counted], mapped[counted]
    if not len(along) or np.ptp(along) == 0 or np.ptp(across) == 0:
        return None
    return float(spearmanr(along, across).statistic)
