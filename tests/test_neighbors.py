import tracemalloc

import numpy as np
import pytest

from pullback import neighbors
from pullback.errors import UserError
from pullback.neighbors import Distances, as_labels, knn


def brute_force(x, y, k, itself):
    distances = np.sqrt(np.square(x[:, None].astype(float) - y[None]).sum(axis=2))
    if itself:
        np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@pytest.mark.parametrize("offset", [0, 1000, 5000])
@pytest.mark.parametrize("k", [1, 7, 99])
def test_agrees_with_brute_force_at_any_offset(offset, k):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(100, 8)) + offset).astype(np.float32)
    y = (rng.normal(size=(140, 8)) + offset).astype(np.float32)
    for result, expected in ((knn(x, k), brute_force(x, x, k, True)), (knn(x, k, y), brute_force(x, y, k, False))):
        np.testing.assert_allclose(result[0], expected[0], rtol=1e-14)
        np.testing.assert_array_equal(result[1], expected[1])


def test_ties_are_ordered_by_index():
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), axis=-1).reshape(-1, 2)
    result, expected = knn(grid, 12), brute_force(grid, grid, 12, True)
    np.testing.assert_array_equal(result[0], expected[0])
    np.testing.assert_array_equal(result[1], expected[1])


def test_a_duplicate_is_a_neighbour_and_the_row_itself_is_not():
    distances, indices = knn(np.array([[0.0], [3.0], [0.0], [0.0]]), 2)
    np.testing.assert_array_equal(indices, [[2, 3], [0, 2], [0, 3], [0, 2]])
    np.testing.assert_array_equal(distances, [[0, 0], [3, 3], [0, 0], [0, 0]])


def test_constant_rows_have_distance_zero():
    distances, indices = knn(np.full((30, 3), 7.1), 4)
    assert not distances.any()
    np.testing.assert_array_equal(indices[0], [1, 2, 3, 4])


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_and_a_far_outlier(scale):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    x[7] *= 1e6
    np.testing.assert_array_equal(knn(x * scale, 5)[1], brute_force(x, x, 5, True)[1])


def test_block_size_does_not_change_a_bit(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(70, 6))
    whole = knn(x, 4, y), knn(x, 4)
    monkeypatch.setattr(neighbors, "_BLOCK", 150)
    for one, other in zip(whole, (knn(x, 4, y), knn(x, 4)), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("strict", [False, True])
def test_within_decides_ties_exactly(strict):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, size=(40, 3)) * 0.1  # many equal distances, none of them exact in binary
    distances = np.sqrt(np.square(x[:, None] - x[None]).sum(axis=2))
    radii = knn(x, 6)[0][:, -1]
    expected = distances < radii[:, None] if strict else distances <= radii[:, None]
    for block in Distances(x, x).blocks():
        np.testing.assert_array_equal(block.within(radii[block.rows, None], strict=strict), expected[block.rows])
        np.testing.assert_array_equal(block.within(radii[None], strict=strict), expected.T[block.rows])


def test_no_matrix_of_all_pairs_exists():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 4))
    tracemalloc.start()
    knn(x, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 6000 * 4 / 2


@pytest.mark.parametrize(
    ("x", "k", "y", "message"),
    [
        (np.zeros(3), 1, None, r"shape \(n, d\), not float64 of shape \(3,\)"),
        (np.zeros((0, 3)), 1, None, "shape"),
        (np.array([["a"]]), 1, None, "numbers"),
        (
            np.array([[0.0, 1], [np.nan, np.inf], [0, np.nan]]),
            1,
            None,
            "3 NaN or infinite values, the first in row 1 of 3",
        ),
        (np.zeros((4, 2)), 4, None, "k must be from 1 to 3 where there are 4 rows, not 4"),
        (np.zeros((4, 2)), 0, None, "k must be from 1 to 3"),
        (np.zeros((4, 2)), 6, np.zeros((5, 2)), "k must be from 1 to 5"),
        (np.zeros((4, 2)), 1, np.zeros((5, 3)), "y has 3 columns, but the other points have 2"),
        (np.zeros((4, 2)), 1.5, None, r"k must be a whole number, not 1\.5"),
        (np.zeros((1, 2)), 1, None, "1 rows are too few for any k"),
        ([[1.0], [1.0, 2.0]], 1, None, "x holds rows of unequal lengths"),
    ],
)
def test_bad_input(x, k, y, message):
    with pytest.raises(UserError, match=message):
        knn(x, k, y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], r"labels must be one for each of the 3 points, not of shape \(2,\)"),
        ([[1], [2], [3]], r"not of shape \(3, 1\)"),
        (1, r"not of shape \(\)"),
        ([1, [2], 3], "labels holds rows of unequal lengths"),
        ([1, np.nan, 2], "labels holds NaN or fractions"),
        ([1, 2.5, 2], "labels holds NaN or fractions"),
    ],
)
def test_labels_are_one_for_each_point(labels, message):
    with pytest.raises(UserError, match=message):
        as_labels(labels, 3)


def test_equal_rows_are_compared_once(monkeypatch):
    """A collapsed generator makes thousands of them: as many exact distances as there are pairs would take minutes."""
    rng = np.random.default_rng(0)
    x = rng.permutation(np.repeat(rng.normal(size=(3, 4)), 200, axis=0))
    y = np.concatenate([x[:50], rng.normal(size=(9, 4))])
    expected = brute_force(x, x, 5, True), brute_force(y, x, 5, False)
    pairs, exact = [], Distances.exact
    monkeypatch.setattr(Distances, "exact", lambda self, i, j: (pairs.append(len(i)), exact(self, i, j))[1])
    for result, truth in zip((knn(x, 5), knn(y, 5, x)), expected, strict=True):
        np.testing.assert_allclose(result[0], truth[0], rtol=1e-14)
        np.testing.assert_array_equal(result[1], truth[1])
    assert sum(pairs) <= 20 * (len(x) + len(y))


def test_equal_rows_need_no_subtraction(monkeypatch):
    x, compared = np.repeat(np.eye(2), [30, 10], axis=0), []
    pairs, blocks = Distances(x, x), neighbors.row_blocks
    monkeypatch.setattr(neighbors, "row_blocks", lambda n, width: (compared.append(n), blocks(n, width))[1])
    i, j = np.indices((40, 40)).reshape(2, -1)
    result = pairs.exact(i, j).reshape(40, 40)
    np.testing.assert_array_equal(result, np.sqrt(2) * (x[:, :1] != x[:, 0]))
    assert compared == [2 * 30 * 10]
