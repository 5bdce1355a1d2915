import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pullback.errors import UserError
from pullback.manifold.graph import geodesic_distances
from pullback.manifold.quality import continuity, neighborhood_hit, shepard_correlation, trustworthiness


def by_definition(x: np.ndarray, y: np.ndarray, k: int) -> float:
    """1 - 2 / (n k (2n - 3k - 1)) sum over the k nearest of y that are not so in x of (their rank in x - k)."""
    n, (ranks, near) = len(x), (cdist(each, each).argsort(axis=1).argsort(axis=1) for each in (x, y))
    strangers = (near >= 1) & (near <= k) & (ranks > k)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * (ranks - k)[strangers].sum()


@pytest.mark.parametrize("k", [1, 5, 12])
def test_both_are_what_their_paper_defines(k: int):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    coordinates = x[:, :2] + 0.3 * rng.normal(size=(60, 2))
    assert trustworthiness(x, coordinates, k) == pytest.approx(by_definition(x, coordinates, k))
    assert continuity(x, coordinates, k) == pytest.approx(by_definition(coordinates, x, k))


def test_a_map_without_change_is_perfect():
    x = np.random.default_rng(0).normal(size=(40, 2))
    assert trustworthiness(x, 3 * x + 1, 5) == continuity(x, 3 * x + 1, 5) == 1


def test_folding_costs_trust_and_tearing_costs_continuity():
    line = np.arange(60.0)[:, None]
    folded, torn = np.abs(line - 29.6), np.where(line < 30, line, line + 1000)[:, ::-1] * np.where(line % 2, 1, 3)
    assert trustworthiness(line, folded, 4) < 0.9 < continuity(line, folded, 4)
    assert continuity(line, torn, 4) < 0.9


def test_neighborhood_hit_counts_neighbours_with_the_same_label():
    line = np.array([[0.0], [1.0], [2.1], [10.0], [11.0], [12.1]])
    assert neighborhood_hit(line, [0, 0, 0, 1, 1, 1], 2) == 1
    assert neighborhood_hit(line, [0, 0, 1, 1, 1, 1], 2) == pytest.approx((1 / 2 + 1 / 2 + 0 + 3) / 6)


def test_shepard_correlation_is_1_where_the_map_is_the_strip_and_lower_where_it_is_rolled_up(swiss_roll):
    x, strip = swiss_roll(800)
    landmarks = np.arange(20)
    geodesics = geodesic_distances(x, 7, landmarks)
    assert shepard_correlation(geodesics, strip, landmarks) > 0.99
    assert shepard_correlation(geodesics, x[:, [0, 2]], landmarks) < 0.6


def test_shepard_correlation_leaves_out_pairs_without_a_path(islands):
    x, _ = islands
    landmarks = np.array([0, 119])
    geodesics = geodesic_distances(x, 5, landmarks)
    joined = np.isfinite(geodesics)
    moved = x + 1000 * (np.arange(120) >= 100)[:, None]
    assert not joined.all()
    assert shepard_correlation(geodesics, x, landmarks) == shepard_correlation(geodesics, moved, landmarks)


def test_equal_distances_have_no_shepard_correlation():
    x = np.random.default_rng(0).normal(size=(20, 2))
    geodesics = geodesic_distances(x, 19, [0, 1])
    assert shepard_correlation(geodesics, np.zeros((20, 2)), [0, 1]) is None
    assert shepard_correlation(np.full((2, 20), np.inf), x, [0, 1]) is None


def test_bad_input_is_refused():
    x = np.random.default_rng(0).normal(size=(20, 3))
    places, hole = x[:, :2], np.where(np.arange(20)[:, None] == 4, np.nan, x[:, :2])
    for measure in (trustworthiness, continuity):
        for args, message in (
            ((x, places, 10), "k must be from 1 to 9 where there are 20 points, not 10"),
            ((x, places, 0), "k must be from 1 to 9 .*, not 0"),
            ((x, places, 2.5), r"k must be a whole number, not 2\.5"),
            ((x[:2], places[:2], 1), "2 points are too few for any k"),
            ((x, places[1:], 5), "x has 20 rows and coordinates 19"),
            ((x, hole, 5), "coordinates holds 2 NaN .* in row 4 of 20"),
        ):
            with pytest.raises(UserError, match=message):
                measure(*args)
    for args, message in (
        ((places, np.zeros(19), 5), "labels must be one for each of the 20 points"),
        ((places, np.zeros((20, 1)), 5), r"labels must be one .* \(20, 1\)"),
        ((places, np.where(np.arange(20) == 3, np.nan, 1), 5), "labels holds NaN or fractions"),
        ((places, np.zeros(20), 20), "k must be from 1 to 19"),
        ((hole, np.zeros(20), 5), "coordinates holds 2 NaN"),
    ):
        with pytest.raises(UserError, match=message):
            neighborhood_hit(*args)
    for shape in ((2, 19), (3, 20), (20,)):
        with pytest.raises(UserError, match="geodesics must be from 2 landmarks to 20 points, not "):
            shepard_correlation(np.ones(shape), places, [0, 1])
