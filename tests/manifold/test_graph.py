import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist, squareform

from pullback.errors import UserError
from pullback.manifold.graph import components, geodesic_distances, knn_graph


def test_graph_is_symmetric_and_holds_the_distances():
    x = np.random.default_rng(0).normal(size=(60, 5))
    graph = knn_graph(x, 4).toarray()
    joined = graph > 0
    assert (graph == graph.T).all()
    assert (joined.sum(axis=1) >= 4).all()
    np.testing.assert_allclose(graph[joined], cdist(x, x)[joined], rtol=1e-12)


def test_duplicates_stay_joined():
    line = np.array([[0.0, 0], [0, 0], [1, 0], [1, 0], [2, 0]])
    assert components(knn_graph(line, 2))[0] == 1
    np.testing.assert_allclose(geodesic_distances(line, 2), squareform(pdist(line)), atol=1e-12)


def test_three_islands_are_three_components_and_stay_apart(islands):
    x, island = islands
    count, labels = components(knn_graph(x, 5))
    assert count == 3
    assert len({*zip(labels, island, strict=True)}) == 3
    np.testing.assert_array_equal(np.isfinite(geodesic_distances(x, 5)), island[:, None] == island)


def test_geodesics_of_a_swiss_roll_are_distances_on_the_flat_strip(swiss_roll):
    x, strip = swiss_roll(1500)
    geodesics = geodesic_distances(x, 8, landmarks=range(50))
    assert geodesics.shape == (50, 1500)
    assert np.corrcoef(geodesics.ravel(), cdist(strip[:50], strip).ravel())[0, 1] > 0.999


def test_bad_input_is_refused():
    x = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(UserError, match="10"):
        knn_graph(x, 10)
    x[3, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        geodesic_distances(x, 3)
