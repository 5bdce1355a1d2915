"""Does a generator copy its training images?

Three answers, each from the distances to the nearest training image:

    authenticity  share of generated images that are farther from their nearest training image than that one is from
                  its own nearest training image (Alaa 2022, arXiv:2102.08921): 0 for copies; for fresh draws of
                  Gaussians 0.38 in 2 dimensions and 0.79 in 64, so compare it with that of held-out images
    C_T           are generated images nearer to the training set than held-out images are? Per cell, the Mann-Whitney
                  statistic U (pairs in which the generated image is the farther one, ties half) in standard units,
                      Z_U = (U - n m / 2) / sqrt(n m (n + m + 1) / 12),
                  then their mean, weighted by the held-out images of the cells (Meehan, Chaudhuri and Dasgupta 2020,
                  arXiv:2004.05675): about 0 for fresh draws, far below 0 for copies, far above 0 for unlike images
    near copies   which images they are: see `near_copies`

Higher is less copying for both scores, but no praise: images that are far from all real ones have the highest. They are
read beside precision. Authenticity agrees with scikit-learn's neighbours in every digit, Z_U with SciPy's Mann-Whitney
test to 12, and with the authors' program but for the continuity correction that it adds, 1/2 on U.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from pullback import config
from pullback.errors import UserError
from pullback.evaluation._features import alike
from pullback.evaluation._kmeans import cell_of, centres, distinct
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate, normal, wilson
from pullback.neighbors import knn

BETTER: dict[str, Literal["lower", "higher"]] = {"authenticity": "higher", "c_t": "higher"}
_FEWEST = 20  # held-out and generated images that a cell needs, as in the paper
_NEIGHBOURS = 5  # k of the spacing of near-copies: a training image that stands up to 5 times still has one


class Params(config.Params):
    # cells of the training set for C_T; null = one per 50 images, at most 50
    cells: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True)
class DataCopying:
    """C_T and what it is the mean of.

    z_u: float64 (cells,), NaN in cells with too few images.
    weights: float64 (cells,), the share of each cell in C_T; sums to 1.
    """

    c_t: Estimate
    z_u: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Nearest:
    """The k training images nearest to each of m images.

    indices: int64 (m, k), into the training set, nearest first.
    distances: float64 (m, k).
    ratios: float64 (m,), the first distance over that from there to the k-th nearest training image; 0 for a copy.
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    ratios: NDArray[np.float64]


def scores(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Estimate]:
    """`authenticity` and `c_t`, with `real` held out from training; nothing where `fake.train` is unknown."""
    if fake.train is None:
        return {}
    copying = data_copying(fake.train.features, real.features, fake.features, params.cells, seed=seed)
    return {"authenticity": authenticity(fake.train.features, fake.features), "c_t": copying.c_t}


def findings(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Any]:
    """Which generated images lie nearest to which training images; nothing where `fake.train` is unknown.

    cells: into how many cells C_T divides the training set.
    nearest: the 8 rows [fake number, train number, ratio] of smallest ratio, copies or not.
    near_copies: all such rows that `near_copies` names, nearest first; or a `note` on why it cannot.
    """
    if (known := fake.train) is None:
        return {}
    train, heldout, made = alike(train=known.features, heldout=real.features, fake=fake.features)
    seen = _nearest(train, made, _NEIGHBOURS)

    def rows(of: NDArray[np.int64]) -> list[list[Any]]:
        numbers = fake.numbered(of), known.numbered(seen.indices[of, 0])
        return [list(row) for row in zip(*numbers, seen.ratios[of].tolist(), strict=True)]

    order = np.argsort(seen.ratios, kind="stable")
    found = {
        "cells": params.cells or _cells(train, heldout, made),
        "nearest": rows(order[np.isfinite(seen.ratios[order])][:8]),
    }
    try:
        return {**found, "near_copies": rows(_too_near(seen.ratios, _nearest(train, heldout, _NEIGHBOURS).ratios))}
    except UserError as error:
        return {**found, "note": str(error)}


def authenticity(train: ArrayLike, fake: ArrayLike) -> Estimate:
    """The share of features (m, d) that are farther from their nearest of (n, d) than that is from its own nearest.

    `n_real` counts the training images. The interval is Wilson's for the m fake images, the training set as given.
    Equal distances are not farther, so a copy of an image that stands twice in the training set is still a copy.

    Raises:
        UserError: as `_features.alike` does.
    """
    nearest = nearest_training(train, fake, 1)
    share = float((nearest.ratios > 1).mean())
    return Estimate(share, *wilson(share, len(nearest.ratios)), len(np.asarray(train)), len(nearest.ratios))


def data_copying(
    train: ArrayLike, heldout: ArrayLike, fake: ArrayLike, cells: int | None = None, *, seed: int = 0
) -> DataCopying:
    """C_T of fake features (m, d) by held-out ones (n, d), in k-means cells of the training set; `n_real` is n.

    `cells` is one per 50 images of the smaller of the two sets, at most 50, if not given. A cell counts where both sets
    have 20 images; distances are to the training images of the same cell. If no cell counts, since all fake images lie
    where few others do, the whole space is one cell. The interval stands for the chance in the Z_U, of variance 1 each
    where both sets are alike: for fresh draws it holds 0 in 95 % of draws.

    Raises:
        UserError: cells outside 1 ... number of distinct training images, or as `_features.alike` does.
    """
    train, heldout, fake = alike(train=train, heldout=heldout, fake=fake)
    cells = _cells(train, heldout, fake) if cells is None else cells
    middle = centres(train, cells, seed, "cells")
    labels = [cell_of(rows, middle) for rows in (train, heldout, fake)]
    n, m = (np.bincount(each, minlength=cells) for each in labels[1:])
    counted = np.minimum(n, m) >= (_FEWEST if cells > 1 else 1)
    if not counted.any():
        return data_copying(train, heldout, fake, 1)
    z_u = np.full(cells, np.nan)
    for cell in np.flatnonzero(counted):
        z_u[cell] = _z_u(*(rows[each == cell] for rows, each in zip((train, heldout, fake), labels, strict=True)))
    weights = counted * n / n[counted].sum()
    c_t, error = float(weights @ np.nan_to_num(z_u)), float(np.sqrt(np.square(weights).sum()))
    return DataCopying(Estimate(c_t, *normal(c_t, error), len(heldout), len(fake)), z_u, weights)


def _cells(train: NDArray[np.float64], heldout: NDArray[np.float64], fake: NDArray[np.float64]) -> int:
    return min(50, max(1, min(len(heldout), len(fake)) // 50), distinct(train))


def _z_u(train: NDArray[np.float64], heldout: NDArray[np.float64], fake: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    n, m = len(heldout), len(fake)
    ranks = rankdata(np.concatenate([knn(rows, 1, train)[0][:, 0] for rows in (heldout, fake)]))
    u = ranks[n:].sum() - m * (m + 1) / 2
    return float((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))


def nearest_training(train: ArrayLike, fake: ArrayLike, k: int = _NEIGHBOURS) -> Nearest:
    """The k nearest of the training features (n, d) to each of the fake ones (m, d), and how near in local units.

    Raises:
        UserError: k outside 1 ... n - 1, or as `_features.alike` does.
    """
    train, fake = alike(train=train, fake=fake)
    return _nearest(train, fake, k)


def _nearest(train: NDArray[np.float64], fake: NDArray[np.float64], k: int) -> Nearest:
    if not 1 <= k < len(train):
        raise UserError(
            f"k must be from 1 to {len(train) - 1} where there are {len(train)} training images, not {k}; lower k or "
            "give more images"
        )
    distances, indices = knn(fake, k, train)
    used, where = np.unique(indices[:, 0], return_inverse=True)
    spacings = knn(train[used], k + 1, train)[0][where, -1]  # the first of the k + 1 is the image itself
    near = distances[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(near == 0, 0.0, near / spacings)  # infinite beside an image that stands k + 1 times
    return Nearest(indices, distances, ratios)


def near_copies(train: ArrayLike, heldout: ArrayLike, fake: ArrayLike) -> NDArray[np.int64]:
    """The rows of fake features (m, d) that are copies or near-copies of training images (n, d), nearest first.

    The rule: a row is named if, were it one of m held-out images, fewer than 0.05 among these would be expected to come
    as near to a training image, in the ratio of `nearest_training` with k = 5. The expectation comes from the ratios r
    of the held-out images themselves. Below their tenth percentile q, over the t images there, the law of small balls
    says that log(q / r) is exponential; hence

        P(ratio <= r) = 0.1 (1 + log(q / r) / sum of the t logarithms)^-t,

    the chance of a new such value when its scale is known from t others only. Held-out images that are copies
    themselves do not count.

    Measured with 60 near-copies among 1,000 images, a fifth of the usual distance to the nearest image away: all 60 are
    named in 16 and in 64 dimensions, 17 in 5 dimensions, where others come as near by chance.

    A set without copies has no image named in 95 % of draws where one law holds for the whole tail: Gaussian, t with 5
    degrees of freedom, lognormal, sparse. It fails where the density has a peak without bound, which too few images
    reach to show in the tail: of Gaussians in 64 dimensions times an exponential factor per row, 2 in 3 sets without
    copies had 1 to 5 images named, nearly always beside a single training image. So look twice at a short list that
    holds only one.

    Raises:
        UserError: fewer than 20 held-out images differ from all training images, fewer than 6 training images, or as
            `_features.alike` does.
    """
    train, heldout, fake = alike(train=train, heldout=heldout, fake=fake)
    return _too_near(*(_nearest(train, rows, _NEIGHBOURS).ratios for rows in (fake, heldout)))


def _too_near(ratios: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of the ratios (m,) of fake images `near_copies` names by those of held-out ones, smallest first."""
    control = np.sort(control[control > 0])
    if len(control) < 20:
        raise UserError(
            f"{len(control)} held-out images differ from all training images, but at least 20 must; give more"
        )
    order = np.argsort(ratios, kind="stable")
    t = len(control) // 10
    with np.errstate(divide="ignore", invalid="ignore"):  # copies are infinitely near; all of `control` may be equal
        logs, excess = np.log(control[t] / control[:t]), np.log(control[t] / ratios[order]).clip(min=0)
        expected = len(ratios) * t / len(control) * (1 + excess / logs.sum()) ** -t
    return order[expected < 0.05]
