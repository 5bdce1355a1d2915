"""Along which straight directions do the features vary most?

x - mean = U S V^T; the map is (x - mean) V of the first two columns. Agrees with scikit-learn's PCA to rounding.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import svd

from pullback import config
from pullback.manifold._embedding import Embedding, checked, fix_signs
from pullback.neighbors import as_rows
from pullback.threads import one_thread


class Params(config.Params):
    """PCA has no parameters."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps features (n, d); the scores are the shares of the variance along the two axes. `seed` is not used.

    Raises:
        UserError: features that `checked` refuses.
    """
    x = checked(features)
    mean = x.mean(axis=0)
    with one_thread():
        _, scales, directions = svd(x - mean, full_matrices=False)
    axes = fix_signs(directions[:2].T)
    ratios = scales**2 / (scales**2).sum()
    scores = {f"explained_variance_ratio_{i + 1}": float(ratios[i]) for i in range(2)}
    transform = partial(_project, mean, axes)
    return Embedding(transform(x), scores, transform)


def _project(mean: NDArray[np.float64], axes: NDArray[np.float64], new: ArrayLike) -> NDArray[np.float64]:
    return (as_rows(new, "new", len(mean)) - mean) @ axes
