"""How many generated images look real, and how much of the real variety is generated?

A ball about each image reaches to its k-th nearest neighbour in the same set, itself not counted. The balls of the real
images stand for the real manifold, those of the fake images for the fake one:

    precision  share of fake images in some real ball          recall    share of real images in some fake ball
    density    real balls about a fake image, mean, over k     coverage  share of real balls that hold a fake image

Precision and recall: k = 3, distance <= radius (Kynkaanniemi 2019, arXiv:1904.06991). Density and coverage: k = 5,
distance < radius (Naeem 2020, arXiv:2002.09797), so that the density of a set against itself is exactly 1. All four
agree with scikit-learn's neighbours in every digit, ties included; precision and recall with torch-fidelity too, given
float64; and all with the package prdc where no distances tie, since it takes < for precision and recall as well.
"""

from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from pullback import config
from pullback.errors import UserError
from pullback.evaluation._classes import by_class, class_count, seen
from pullback.evaluation._features import pair
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate, LeftOut, normal, wilson
from pullback.neighbors import Distances, knn

BETTER: dict[str, Literal["lower", "higher"]] = {
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
}
_HALVES = 20


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


def findings(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Any]:
    """`realism`: its median over the fake images (null if infinite), and the numbers of the 8 `most` and the 8 `least`
    realistic ones, the extreme ones first.

    `classes`, where the real images have labels: what `_classes.by_class` counts of the hits behind `recall` and, if
    the class of the fake images is known too, or seen by the feature map, of those behind `precision`. The balls are
    those of all images, so that the counts add up to the scores, and few images of a class need no balls of their own.
    """
    values = realism(real.features, fake.features, params.k)
    order, median = np.argsort(values, kind="stable"), float(np.median(values))
    return {
        "realism": {
            "median": median if np.isfinite(median) else None,
            "most": fake.numbered(order[::-1][:8]),
            "least": fake.numbered(order[:8]),
        }
    } | _by_class(real, fake, params.k)


def _by_class(real: Set, fake: Set, k: int) -> dict[str, Any]:
    classes = class_count(real, fake.train)
    if real.labels is None or not classes:
        return {}
    x, y = pair(real.features, fake.features)
    hits = _hits(x, y, _radii(x, k)[0], _radii(y, k)[0], None)
    counts = {"recall": by_class(hits.recalled, real.labels, classes)}
    labels = seen(fake, classes) if fake.labels is None else fake.labels
    if labels is not None:
        counts["precision"] = by_class(hits.precise, labels, classes)
    return {"classes": counts}


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


def realism(real: ArrayLike, fake: ArrayLike, k: int = 3) -> NDArray[np.float64]:
    """How real each of the fake features (m, d) looks: float64 (m,), at least 0 (Kynkaanniemi 2019, equation 3).

        max over the real balls of radius / distance to their centre

    of the balls to the k-th neighbour whose radius is at most the median, as those in sparse places hold anything. It
    is 1 or more in such a ball, and infinite for a copy of its centre, where the authors' program, which adds 1e-5 to
    the distances, has a large number. Agrees with scikit-learn's neighbours and prdc's radii to 12 digits.

    Raises:
        UserError: k outside 1 ... n - 1, or as `_features.pair` does.
    """
    real, fake = pair(real, fake)
    radii = knn(real, k)[0][:, -1]
    kept = radii <= np.median(radii)
    real, radii = real[kept], radii[kept]
    pairs, result = Distances(fake, real), np.zeros(len(fake))
    for block in pairs.blocks():
        i, j = block.deepest(radii)
        distances = pairs.exact(i + block.rows.start, j)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(distances == 0, np.inf, radii[j] / distances)
        np.maximum.at(result, i + block.rows.start, ratios)
    return result


def left_out(real: Set, fake: Set, params: Params, seed: int) -> dict[str, LeftOut]:
    """What a comparison needs of the four scores; the balls of the set that loses images are those of the rest.

    The groups that leave are random halves: scores that hang on nearest neighbours are not smooth in the rows, and for
    these only a jackknife by large groups is consistent (Shao and Wu 1989, Annals of Statistics 17, 1176-1197).
    Measured at n = 200 and 300, the error is 1.1 to 1.5 times the true one, 3 times for a coverage near 1; by
    twentieths it is 1.4 to 2.4 times. The value is not corrected: the bias is not of the order 1 / n, and the same for
    two sets of as many images.
    """
    x, y = pair(real.features, fake.features)
    ks, half = (params.k, params.density_k), min(len(x), len(y)) // 2
    if max(ks) >= half:
        raise UserError(f"k is {max(ks)}, but halves of {half} images must hold more; give {2 * max(ks) + 2} or more")
    of_x, of_y = _radii(x, *ks), _radii(y, params.k)

    def values(x: NDArray[Any], of_x: list[NDArray[Any]], y: NDArray[Any], of_y: list[NDArray[Any]]) -> NDArray[Any]:
        hits = _hits(x, y, of_x[0], of_y[0], of_x[1])
        return np.array([hits.precise.mean(), hits.recalled.mean(), hits.balls.mean() / ks[1], hits.covered.mean()])

    of_real = _centred([values(x[half], _radii(x[half], *ks), y, of_y) for half in _halves(len(x), seed)])
    of_fake = _centred([values(x, of_x, y[half], _radii(y[half], params.k)) for half in _halves(len(y), seed)])
    whole = values(x, of_x, y, of_y)
    return {name: LeftOut(*parts) for name, *parts in zip(BETTER, whole.tolist(), of_real, of_fake, strict=True)}


def _halves(n: int, seed: int) -> list[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.permutation(n)[: n // 2]) for _ in range(_HALVES)]


def _centred(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Values (halves, s) -> (s, halves), about 0; the error that `intervals` takes from them is their deviation."""
    rows = np.transpose(values)
    return (rows.mean(axis=1, keepdims=True) - rows) * np.sqrt(_HALVES) / (_HALVES - 1)


class _Hits(NamedTuple):
    """Which of m fake images lie in a real ball, which of n real ones in a fake ball; then for density and coverage how
    many real balls hold each fake image, and which real balls hold one."""

    precise: NDArray[np.bool_]
    recalled: NDArray[np.bool_]
    balls: NDArray[np.int64]
    covered: NDArray[np.bool_]


def _hits(
    real: NDArray[np.float64],
    fake: NDArray[np.float64],
    radii: NDArray[np.float64] | None,
    fake_radii: NDArray[np.float64] | None,
    density_radii: NDArray[np.float64] | None,
) -> _Hits:
    """By the radii of the balls for precision, for recall and for density; nothing where they are not given."""
    n, m = len(real), len(fake)
    hits = _Hits(np.zeros(m, bool), np.zeros(n, bool), np.zeros(m, int), np.zeros(n, bool))
    for block in Distances(real, fake).blocks():
        if radii is not None:
            hits.precise[block.within(radii[block.rows, None]).any(axis=0)] = True
        if fake_radii is not None:
            hits.recalled[block.rows] = block.within(fake_radii[None]).any(axis=1)
        if density_radii is not None:
            inside = block.within(density_radii[block.rows, None], strict=True)
            hits.balls[:] += inside.sum(axis=0)
            hits.covered[block.rows] = inside.any(axis=1)
    return hits


def _radii(rows: NDArray[np.float64], *ks: int) -> list[NDArray[np.float64]]:
    """The distances (n,) of each row to the k-th nearest other row, for each k."""
    distances = knn(rows, max(ks))[0]
    return [distances[:, k - 1] for k in ks]


def _scores(real: ArrayLike, fake: ArrayLike, k: int | None, density_k: int | None) -> dict[str, Estimate]:
    """Precision and recall if k is given, density and coverage if density_k is; together they share the distances."""
    real, fake = pair(real, fake)
    n, m = len(real), len(fake)
    ks = [each for each in (k, density_k) if each is not None]
    radii = dict(zip(ks, _radii(real, *ks), strict=True))
    fake_radii = None if k is None else _radii(fake, k)[0]
    hits = _hits(real, fake, radii[k] if k else None, fake_radii, radii[density_k] if density_k else None)
    result: dict[str, Estimate] = {}
    if k is not None:
        result |= {"precision": _share(hits.precise, n, m), "recall": _share(hits.recalled, n, m)}
    if density_k is not None:
        error = hits.balls.std(ddof=1) / density_k / np.sqrt(m)
        density = float(hits.balls.mean() / density_k)
        result |= {
            "density": Estimate(density, *normal(density, float(error)), n, m),
            "coverage": _share(hits.covered, n, m),
        }
    return result


def _share(hits: NDArray[np.bool_], n: int, m: int) -> Estimate:
    share = float(hits.mean())
    return Estimate(share, *wilson(share, len(hits)), n, m)
