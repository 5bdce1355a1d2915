"""Does a map know the classes, and do generated images follow the class that was asked for?

An embedding plus a prediction layer: k nearest neighbours (k = 5) or logistic regression on the coordinates of labelled
real images predict the class. Real images are judged by stratified cross-validation, generated ones by a layer that has
learned from all real ones. In a map of all sources together the coordinates have seen every image, but no label.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_labels, as_rows
from pullback.threads import one_thread

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

LAYERS = ["knn", "logistic"]
NEIGHBORS, FOLDS = 5, 5


class Accuracy(NamedTuple):
    """A share of right answers and its 95 % interval (Wilson 1927)."""

    value: float
    low: float
    high: float


def accuracy(coordinates: ArrayLike, labels: ArrayLike, layer: str, seed: int = 0) -> Accuracy:
    """How often `layer`, "knn" or "logistic", predicts the labels (n,) of left-out points of coordinates (n, m).

    Raises:
        UserError: NaN, another number of labels than of points, fewer than 2 classes, a class with fewer than 5
            points, or another layer.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x, classes = _checked(coordinates, labels)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    with one_thread():
        return _share(cross_val_predict(_untrained(layer), x, classes, cv=folds) == classes)


def followed(coordinates: ArrayLike, labels: ArrayLike, generated: ArrayLike, asked: ArrayLike, layer: str) -> Accuracy:
    """How often `layer`, taught by labelled points, predicts the class `asked` (k,) for `generated` points (k, m).

    Raises:
        UserError: as `accuracy` does, also of `generated` and `asked`, or unequal m.
    """
    x, classes = _checked(coordinates, labels)
    places = as_rows(generated, "generated", x.shape[1])
    wanted = as_labels(asked, len(places), "asked")
    with one_thread():
        return _share(_untrained(layer).fit(x, classes).predict(places) == wanted)


def _untrained(layer: str) -> "ClassifierMixin":
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if layer not in LAYERS:
        raise UserError(f"layer is {layer!r}, but must be one of {', '.join(LAYERS)}; choose one")
    if layer == "knn":
        return KNeighborsClassifier(NEIGHBORS, algorithm="brute")
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _checked(coordinates: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x = as_rows(coordinates, "coordinates")
    classes = as_labels(labels, len(x))
    names, counts = np.unique(classes, return_counts=True)
    if len(names) < 2:
        raise UserError(f"all {len(classes)} points are of one class, so there is nothing to predict; give two or more")
    if counts.min() < FOLDS:
        raise UserError(
            f"class {names[counts.argmin()]} has {counts.min()} points, but each of {FOLDS} folds needs one; give more"
        )
    return x, classes


def _share(right: NDArray[np.bool_]) -> Accuracy:
    from scipy.stats import binomtest

    low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Accuracy(float(right.mean()), float(low), float(high))
