"""Which map shows who is whose close neighbour?

t-SNE (van der Maaten & Hinton 2008) by scikit-learn, started from PCA (Kobak & Berens 2019). Distances between clusters
and the clusters' sizes mean little in such a map.
"""

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from pullback import config
from pullback.errors import UserError
from pullback.manifold._embedding import Embedding, checked
from pullback.threads import one_thread


class Params(config.Params):
    perplexity: Annotated[float, Field(ge=2, allow_inf_nan=False)] = 30.0
    """The effective number of neighbours of a point; must be below a third of the number of points."""


def fit(features: ArrayLike, params: Params, seed: int) -> Embedding:
    """Maps features (n, d); the score is the Kullback-Leibler divergence that is left, in nats.

    Raises:
        UserError: perplexity >= n / 3, or features that `checked` refuses.
    """
    from sklearn.manifold import TSNE

    x = checked(features)
    if 3 * params.perplexity >= len(x):
        raise UserError(
            f"perplexity is {params.perplexity:g}, but must be below a third of the {len(x)} points; "
            f"set it below {len(x) / 3:.3g} or map more points"
        )
    with one_thread():
        tsne = TSNE(perplexity=params.perplexity, init="pca", random_state=seed).fit(x)
    return Embedding(tsne.embedding_.astype(np.float64), {"kl_divergence": float(tsne.kl_divergence_)})
