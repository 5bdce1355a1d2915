import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold.predict import LAYERS, accuracy, followed

EACH = pytest.mark.parametrize("layer", LAYERS)


@EACH
def test_classes_that_lie_apart_are_predicted_and_unrelated_ones_are_not(layer):
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 40)
    apart = np.array([[0, 0], [10, 0], [0, 10]])[classes] + rng.normal(size=(120, 2))
    assert accuracy(apart, classes, layer).value == 1
    chance = accuracy(rng.normal(size=(1200, 2)), np.repeat([0, 1, 2], 400), layer)
    assert chance.value == pytest.approx(1 / 3, abs=0.05)


@EACH
def test_a_point_does_not_predict_itself(layer):
    """Each class has its own places, but at every place stands one point only."""
    x = np.arange(40.0)[:, None] * 10
    assert accuracy(np.hstack([x, x]), np.arange(40) % 2, layer).value < 0.8


@EACH
def test_generated_points_are_judged_by_what_was_asked_for(layer):
    rng = np.random.default_rng(0)
    classes = np.repeat([3, 7], 30)
    real = 10.0 * (classes == 7)[:, None] + rng.normal(size=(60, 2))
    generated = np.array([[0.0, 0], [0, 0], [10, 10], [10, 10]])
    assert followed(real, classes, generated, [3, 7, 7, 7], layer).value == 0.75


def test_the_interval_is_wilsons():
    classes = np.repeat([0, 1], 50)
    right = accuracy(classes[:, None] * [1.0, 2.0], classes, "knn")
    assert (right.value, right.high) == (1, 1)
    assert right.low == pytest.approx(100 / (100 + 1.959964**2))


def test_bad_input_is_refused():
    x = np.random.default_rng(0).normal(size=(20, 2))
    y, hole = np.repeat([0, 1], 10), np.where(np.arange(20)[:, None] == 7, np.nan, x)
    for work, message in (
        (lambda: accuracy(x, np.zeros(20, int), "knn"), "all 20 points are of one class"),
        (lambda: accuracy(x, np.repeat([0, 1], [16, 4]), "knn"), "class 1 has 4 points"),
        (lambda: accuracy(x, y, "svm"), "layer is 'svm', but must be one of knn, logistic"),
        (lambda: accuracy(x, y[1:], "knn"), r"labels must be one for each of the 20 points, not of shape \(19,\)"),
        (lambda: accuracy(x, y[:, None], "knn"), r"not of shape \(20, 1\)"),
        (lambda: accuracy(x, y + 0.5, "knn"), "labels holds NaN or fractions"),
        (lambda: accuracy(hole, y, "logistic"), "coordinates holds 2 NaN .* in row 7 of 20"),
        (lambda: followed(x, y[1:], x, y, "knn"), "labels must be one for each"),
        (lambda: followed(x, y, x, y[1:], "knn"), "asked must be one for each"),
        (lambda: followed(x, y, x[:, :1], y, "knn"), "generated has 1 columns, but the other points have 2"),
        (lambda: followed(x, y, hole, y, "knn"), "generated holds 2 NaN"),
        (lambda: followed(x, y, x, y, "svm"), "layer is 'svm'"),
    ):
        with pytest.raises(UserError, match=message):
            work()
