from collections.abc import Callable

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold.dimension import Estimate, maximum_likelihood, two_nn


def maximum_likelihood_10(x: np.ndarray) -> Estimate:
    return maximum_likelihood(x, 10)


ESTIMATORS = pytest.mark.parametrize("dimension", [two_nn, maximum_likelihood_10])


@ESTIMATORS
def test_a_plane_in_ten_dimensions_has_two(dimension: Callable[[np.ndarray], Estimate]):
    rng = np.random.default_rng(0)
    plane = rng.random((1000, 2)) @ np.linalg.qr(rng.normal(size=(10, 2)))[0].T + 5
    assert dimension(plane).value == pytest.approx(2, abs=0.15)


@ESTIMATORS
def test_duplicates_do_not_count(dimension: Callable[[np.ndarray], Estimate]):
    x = np.random.default_rng(0).normal(size=(100, 3))
    assert dimension(np.repeat(x, 2, axis=0)) == dimension(x)


@ESTIMATORS
def test_the_interval_holds_the_truth_about_19_times_in_20(dimension: Callable[[np.ndarray], Estimate]):
    """On a torus, which is flat and has no edge."""
    rng = np.random.default_rng(0)
    tori = (np.exp(2j * np.pi * rng.random((300, 2))).view(np.float64) for _ in range(60))
    assert sum(low <= 2 <= high for _, low, high in map(dimension, tori)) >= 54


def test_two_nn_agrees_with_the_line_of_the_paper():
    x = np.random.default_rng(0).random((1000, 3))
    distances = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)
    logs = np.sort(np.log(distances[:, 2] / distances[:, 1]))[:900]
    slope = logs @ -np.log(1 - np.arange(1, 901) / 1000) / (logs @ logs)
    assert two_nn(x).value == pytest.approx(slope, rel=0.03)


def test_bad_input_is_refused():
    x = np.random.default_rng(0).normal(size=(10, 3))
    hole = np.where(np.arange(10)[:, None] == 7, np.nan, x)
    for work, message in (
        (lambda: maximum_likelihood(x, 10), "k must be from 2 to 9 where there are 10 distinct points, not 10"),
        (lambda: maximum_likelihood(x, 1), "k must be from 2 to 9 .*, not 1"),
        (lambda: maximum_likelihood(x, 2.5), r"k must be a whole number, not 2\.5"),
        (lambda: maximum_likelihood(hole, 3), "the first in row 7 of 10"),
        (lambda: two_nn(hole), "the first in row 7 of 10"),
        (lambda: two_nn(np.ones((10, 3))), "there are 1 distinct points among 10, but a dimension needs 3"),
        (lambda: two_nn([["a", "b"]]), "x must be numbers"),
        (lambda: two_nn([[1.0], [1.0, 2.0]]), "x holds rows of unequal lengths"),
        (lambda: two_nn(np.eye(10)), "equal distances"),
    ):
        with pytest.raises(UserError, match=message):
            work()
