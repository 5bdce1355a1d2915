import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from sklearn.manifold import Isomap

from pullback.manifold import isomap


def test_a_flat_grid_keeps_its_distances():
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(5.0)), axis=-1).reshape(-1, 2)
    tilted = grid @ np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))[0].T
    for landmarks in (40, 12):
        embedding = isomap.fit(tilted, isomap.Params(neighbors=39, landmarks=landmarks), 0)
        np.testing.assert_allclose(pdist(embedding.coordinates), pdist(grid), atol=1e-9)


@pytest.mark.parametrize("landmarks", [1000, 200])
def test_a_swiss_roll_is_unrolled(landmarks: int, swiss_roll):
    x, strip = swiss_roll(1000)
    embedding = isomap.fit(x, isomap.Params(neighbors=8, landmarks=landmarks), 0)
    assert procrustes(strip, embedding.coordinates)[2] < 0.003


def test_agrees_with_scikit_learn_where_all_points_are_landmarks():
    x = np.random.default_rng(0).normal(size=(120, 5))
    ours = isomap.fit(x, isomap.Params(neighbors=6, landmarks=120), 0).coordinates
    theirs = Isomap(n_neighbors=6, eigen_solver="dense").fit_transform(x)
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-8)


def test_new_points_land_where_the_strip_would_have_them(swiss_roll):
    x, strip = swiss_roll(1200)
    embedding = isomap.fit(x[:1000], isomap.Params(neighbors=8, landmarks=200), 0)
    assert embedding.transform is not None
    placed = np.vstack([embedding.coordinates, embedding.transform(x[1000:])])
    assert procrustes(strip, placed)[2] < 0.003
    np.testing.assert_allclose(embedding.transform(x[:5]), embedding.coordinates[:5], atol=1e-9)


def test_new_points_of_another_island_have_no_place(islands):
    x, island = islands
    embedding = isomap.fit(x, isomap.Params(neighbors=5), 0)
    assert embedding.transform is not None
    placed = embedding.transform(x + 0.01)
    np.testing.assert_array_equal(np.isnan(placed[:, 0]), island > 0)


def test_points_on_a_line_have_no_second_coordinate():
    line = np.linspace(0, 1, 20)[:, None] * [1.0, 2.0, 2.0]
    coordinates = isomap.fit(line, isomap.Params(neighbors=2), 0).coordinates
    np.testing.assert_allclose(np.ptp(coordinates, axis=0), [3, 0], atol=1e-9)
