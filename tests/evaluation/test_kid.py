import numpy as np
import pytest

from pullback import neighbors
from pullback.config import Params
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.kid import kernel_distance, scores


def normal(n, d=5, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def by_loops(x, y, itself=False):
    def kernel(a, b):
        return (a @ b / len(a) + 1) ** 3

    def within(rows):
        return np.mean([kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j or itself])

    return within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_agrees_with_a_double_loop():
    x, y = normal(13), normal(9, seed=1, shift=0.5)
    estimate = kernel_distance(x, y)
    assert estimate.value == pytest.approx(by_loops(x, y), rel=1e-12)
    assert (estimate.n_real, estimate.n_fake) == (13, 9)


def test_two_images_a_side_are_enough():
    x, y = normal(2), normal(2, seed=1)
    assert kernel_distance(x, y).value == pytest.approx(by_loops(x, y), rel=1e-12)


def test_the_error_is_that_of_a_jackknife():
    x, y = normal(40), normal(50, seed=1, shift=0.7)
    without_x = np.array([kernel_distance(np.delete(x, i, 0), y).value for i in range(40)])
    without_y = np.array([kernel_distance(x, np.delete(y, i, 0)).value for i in range(50)])
    error = np.sqrt(39 * without_x.var() + 49 * without_y.var())
    estimate = kernel_distance(x, y)
    assert (estimate.high - estimate.low) / 2 / 1.96 == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize("shift", [0, 0.4])
def test_it_is_unbiased_and_the_interval_covers(shift):
    """Draws with replacement from two populations of 30 points, between which the distance is known."""
    p, q = normal(30, seed=5), normal(30, seed=5, shift=shift)
    rng = np.random.default_rng(0)
    truth = 0 if shift == 0 else by_loops(p, q, itself=True)
    estimates = [kernel_distance(rng.choice(p, 80), rng.choice(q, 80)) for _ in range(200)]
    values = [estimate.value for estimate in estimates]
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / np.sqrt(200))
    assert 180 <= sum(estimate.low <= truth <= estimate.high for estimate in estimates) <= 199


def test_row_blocks_do_not_change_the_value(monkeypatch):
    x, y = normal(31), normal(17, seed=1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(neighbors, "_BLOCK", 40)
    assert kernel_distance(x, y).value == pytest.approx(whole.value, rel=1e-12)


def test_blocks_of_all_images_are_the_whole():
    x, y = normal(30), normal(30, seed=1, shift=1)
    blocks = kernel_distance(x, y, block_size=30, blocks=3)
    whole = kernel_distance(x, y)
    assert (blocks.value, blocks.low, blocks.high) == pytest.approx((whole.value, whole.low, whole.high), rel=1e-9)


def test_blocks_are_seeded_and_near_the_whole():
    x, y = normal(300), normal(300, seed=1, shift=1)
    one = kernel_distance(x, y, block_size=100, seed=4)
    assert one == kernel_distance(x, y, block_size=100, blocks=100, seed=4)
    assert one != kernel_distance(x, y, block_size=100, seed=5)
    assert one.low < kernel_distance(x, y).value < one.high


def test_scores_are_those_of_all_images():
    x, y = normal(20), normal(30, seed=1)
    assert scores(Set(x), Set(y), Params(), seed=0) == {"kid": kernel_distance(x, y)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_size": 1}, "block_size must be from 2 to 5"),
        ({"block_size": 6}, "block_size must be from 2 to 5, the size of the smaller set, not 6"),
        ({"block_size": 3, "blocks": 0}, "blocks must be at least 1, not 0"),
        ({"blocks": 3}, "blocks is 3 but block_size is not given"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(UserError, match=message):
        kernel_distance(normal(5), normal(7), **options)
