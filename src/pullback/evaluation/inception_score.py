"""Does a classifier see one clear class in each image, and all classes over the set?

    IS = exp( mean KL( p(class | image) || p(class) ) ) = exp( H(class) - mean H(class | image) )

with natural logarithms, from 1 to the number of classes (Salimans 2016, arXiv:1606.03498). The published score is the
mean over 10 splits. Images are shuffled first, since splits of a set that is sorted by class hold few classes each. It
is the Inception score only with the logits of Inception; with one's own classifier call it the classifier score. It
looks at no real image. Agrees with torch-fidelity and torchmetrics on the same order of images to 13 digits.
"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.special import entr, log_softmax, stdtrit

from pullback import config
from pullback.errors import UserError
from pullback.evaluation._features import warn_collapsed
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate, LeftOut, leave_out
from pullback.neighbors import as_rows

BETTER: dict[str, Literal["lower", "higher"]] = {"inception_score": "higher"}


class Params(config.Params):
    splits: Annotated[int, Field(ge=2)] = 10  # parts of the set, each scored by itself; 10 is what papers use


def scores(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Estimate]:
    """`inception_score` of the fake images; nothing where the feature map has no logits."""
    if fake.logits is None:
        return {}
    return {"inception_score": inception_score(fake.logits, splits=params.splits, seed=seed)}


def left_out(real: Set, fake: Set, params: Params, seed: int) -> dict[str, LeftOut]:
    """What a comparison needs of `inception_score`, of all images at once: splits would add their own chance."""
    if fake.logits is None:
        return {}
    score = leave_out(
        lambda _, probabilities: _score(probabilities), np.zeros((3, 0)), _probabilities(fake.logits), seed
    )
    return {"inception_score": score}


def inception_score(logits: ArrayLike, *, splits: int = 10, seed: int = 0) -> Estimate:
    """The mean score over `splits` parts of the shuffled logits (n, classes).

    The interval is Student's for the mean of the parts: it covers the expected score of n / splits images, which is a
    little below that of many. The "plus or minus" of papers is instead `split_scores(...).std()`.

    Warns:
        UserWarning: all rows are equal.

    Raises:
        UserError: splits outside 2 ... n, wrong shape or type, NaN or infinity.
    """
    parts = split_scores(logits, splits=splits, seed=seed)
    value, error = parts.mean(), parts.std(ddof=1) / np.sqrt(splits)
    half = stdtrit(splits - 1, 0.975) * error
    return Estimate(float(value), float(value - half), float(value + half), 0, len(np.asarray(logits)))


def split_scores(logits: ArrayLike, *, splits: int = 10, seed: int = 0) -> NDArray[np.float64]:
    """The score (splits,) of each part; raises `UserError` as `inception_score` does."""
    rows = as_rows(logits, "logits")
    n = len(rows)
    if not 2 <= splits <= n:
        raise UserError(
            f"splits must be from 2 to {n}, the number of images, not {splits}; change it or give more images"
        )
    warn_collapsed(rows, "logits")
    probabilities = _probabilities(rows[np.random.default_rng(seed).permutation(n)])
    return np.array([_score(probabilities[i * n // splits : (i + 1) * n // splits]) for i in range(splits)])


def _probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    return np.exp(log_softmax(as_rows(logits, "logits"), axis=1))


def _score(probabilities: NDArray[np.float64]) -> float:
    return float(np.exp(entr(probabilities.mean(axis=0)).sum() - entr(probabilities).sum(axis=1).mean()))
