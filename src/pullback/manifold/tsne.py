"""Which map shows who is whose close neighbour?

t-SNE (van der Maaten & Hinton 2008), started from PCA (Kobak & Berens 2019), by openTSNE, whose Barnes-Hut gradient
(van der Maaten 2014) is faster than scikit-learn's and which can place new points. Distances between clusters and the
clusters' sizes mean little in such a map.
"""

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
    perplexity: Annotated[float, Field(ge=2, allow_inf_nan=False)] = 30.0
    """The effective number of neighbours of a point; must be below a third of the number of points."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps features (n, d); the score is the Kullback-Leibler divergence that is left, in nats.

    New points are drawn to their neighbours among the n points, which stay where they are (Poličar et al. 2019).

    Raises:
        UserError: perplexity >= n / 3, or features that `checked` refuses.
    """
    from openTSNE import TSNE

    x = checked(features)
    if 3 * params.perplexity >= len(x):
        raise UserError(
            f"perplexity is {params.perplexity:g}, but must be below a third of the {len(x)} points; "
            f"set it below {len(x) / 3:.3g} or map more points"
        )
    with one_thread():
        fitted = TSNE(
            perplexity=params.perplexity,
            initialization="pca",
            neighbors="exact",
            negative_gradient_method="bh",
            n_jobs=1,  # several add up in any order
            random_state=seed,
        ).fit(x)

    def transform(new: ArrayLike) -> NDArray[np.float64]:
        rows = as_rows(new, "new", x.shape[1])
        with one_thread():
            return np.asarray(fitted.transform(rows))

    return Embedding(np.array(fitted), {"kl_divergence": float(fitted.kl_divergence)}, transform)
