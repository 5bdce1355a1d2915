"""How many generated images look real, and how much of the real variety is generated?

A ball about each image reaches to its k-th nearest neighbour in the same set, itself not counted. The balls of the real
images stand for the real manifold, those of the fake images for the fake one:

    precision  share of fake images in some real ball          recall    share of real images in some fake ball
    density    real balls about a fake image, mean, over k     coverage  share of real balls that hold a fake image

Precision and recall: k = 3, distance <= radius (Kynkaanniemi 2019, arXiv:1904.06991). Density and coverage: k = 5,
distance < radius (Naeem 2020, arXiv:2002.09797), so that the density of a set against itself is exactly 1. Agrees with
the package prdc in every digit, wherever rounding there does not decide a tie.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from pullback import config
from pullback.evaluation._estimate import Estimate, normal, wilson
from pullback.evaluation._features import pair
from pullback.evaluation._set import Set
from pullback.neighbors import Distances, knn

BETTER: dict[str, Literal["lower", "higher"]] = {
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
}


class Params(config.Params):
    k: Annotated[int, Field(ge=1)] = 3  # the neighbour to which the balls of precision and recall reach
    density_k: Annotated[int, Field(ge=1)] = 5  # the neighbour to which those of density and coverage reach


class PrecisionRecall(NamedTuple):
    precision: Estimate
    recall: Estimate


class DensityCoverage(NamedTuple):
    density: Estimate
    coverage: Estimate


def scores(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Estimate]:
    """`precision`, `recall`, `density` and `coverage`, from one pass over the distances."""
    return _scores(real.features, fake.features, params.k, params.density_k)


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 3) -> PrecisionRecall:
    """Precision and recall of features (n, d) and (m, d).

    The intervals are Wilson's for the m fake and the n real images that are judged. They take the balls as given: that
    these move with another draw of their set is not in them. So for draws of both sets they are too narrow: at n = 300
    they covered the mean over draws in 75 ... 92 %, as did those of density and coverage.

    Raises:
        UserError: k outside 1 ... min(n, m) - 1, or as `_features.pair` does.
    """
    return PrecisionRecall(**_scores(real, fake, k, None))


def density_coverage(real: ArrayLike, fake: ArrayLike, k: int = 5) -> DensityCoverage:
    """Density and coverage of features (n, d) and (m, d).

    The interval of the density is normal, from the spread over the fake images; that of the coverage Wilson's for the n
    real balls. Both take the balls as given, as those of `precision_recall` do.

    Raises:
        UserError: k outside 1 ... n - 1, or as `_features.pair` does.
    """
    return DensityCoverage(**_scores(real, fake, None, k))


def _scores(real: ArrayLike, fake: ArrayLike, k: int | None, density_k: int | None) -> dict[str, Estimate]:
    """Precision and recall if k is given, density and coverage if density_k is; together they share the distances."""
    real, fake = pair(real, fake)
    n, m = len(real), len(fake)
    radii = knn(real, max(k or 0, density_k or 0))[0]
    fake_radii = knn(fake, k)[0][:, -1] if k else np.empty(0)
    precise, recalled = np.zeros(m, bool), np.zeros(n, bool)
    balls, covered = np.zeros(m), np.zeros(n, bool)
    for block in Distances(real, fake).blocks():
        if k:
            precise |= block.within(radii[block.rows, k - 1, None]).any(axis=0)
            recalled[block.rows] = block.within(fake_radii[None]).any(axis=1)
        if density_k:
            inside = block.within(radii[block.rows, density_k - 1, None], strict=True)
            balls += inside.sum(axis=0)
            covered[block.rows] = inside.any(axis=1)
    result: dict[str, Estimate] = {}
    if k:
        result |= {"precision": _share(precise, n, m), "recall": _share(recalled, n, m)}
    if density_k:
        error = balls.std(ddof=1) / density_k / np.sqrt(m)
        density = float(balls.mean() / density_k)
        result |= {
            "density": Estimate(density, *normal(density, float(error)), n, m),
            "coverage": _share(covered, n, m),
        }
    return result


def _share(hits: NDArray[np.bool_], n: int, m: int) -> Estimate:
    share = float(hits.mean())
    return Estimate(share, *wilson(share, len(hits)), n, m)
