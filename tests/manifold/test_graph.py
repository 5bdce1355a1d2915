import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist, squareform

from pullback.errors import UserError
from pullback.manifold.graph import components, geodesic_distances, knn_graph, similarity, sweep


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


def test_the_sweep_picks_a_k_whose_geodesics_are_right_and_warns_of_a_short_circuit(swiss_roll):
    x, strip = swiss_roll(1500)
    swept = sweep(x, range(4, 21))
    truth = cdist(strip[:50], strip).ravel()

    def correlation(k: int) -> float:
        return float(np.corrcoef(geodesic_distances(x, k, landmarks=range(50)).ravel(), truth)[0, 1])

    assert correlation(swept.k) > 0.999
    first, *_ = swept.short_circuits
    assert correlation(first) < 0.97
    assert all(correlation(k) > 0.99 for k in range(6, first))
    assert f"at k = {first} an edge cuts across a fold or a gap" in swept.reason


def test_the_sweep_finds_no_fold_in_a_plane():
    swept = sweep(np.random.default_rng(0).random((400, 2)), range(4, 13))
    assert swept.short_circuits == []
    assert (swept.k, swept.reason) == (
        12,
        "the graph is in one piece, and no edge cuts across a fold or a gap up to the largest k tried, 12",
    )


def test_the_sweep_reports_islands(islands):
    x, _ = islands
    swept = sweep(x, range(4, 13))
    assert {step.components for step in swept.steps} == {3}
    assert swept.reason.startswith("the graph falls into 3 components")


def test_two_points_are_compared_along_the_data_and_straight():
    angle = np.linspace(0, np.pi, 50)
    half_circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = similarity(half_circle, knn_graph(half_circle, 2), 0, 49)
    assert (found.path[0], found.path[-1]) == (0, 49)
    assert (np.diff(found.path) > 0).all()
    assert found.geodesic == pytest.approx(np.pi, rel=1e-3)
    assert found.euclidean == pytest.approx(2)
    assert found.correlation == pytest.approx(-1)


def test_points_of_different_islands_have_no_path(islands):
    x, _ = islands
    found = similarity(x, knn_graph(x, 5), 0, 119)
    assert found.geodesic == np.inf
    assert found.path.size == 0
    constant = np.vstack([x, np.ones(4)])
    assert similarity(constant, knn_graph(constant, 5), 0, 120).correlation == 0


def test_bad_input_is_refused():
    x = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(UserError, match="10"):
        knn_graph(x, 10)
    graph = knn_graph(x, 3)
    for i, j in [(0, -1), (10, 0)]:
        with pytest.raises(UserError, match="give numbers from 0 to 9"):
            similarity(x, graph, i, j)
    with pytest.raises(UserError, match="no point 12 among 10"):
        geodesic_distances(x, 3, landmarks=[0, 12])
    x[3, 1] = np.nan
    with pytest.raises(UserError, match="NaN"):
        similarity(x, graph, 3, 4)
    with pytest.raises(UserError, match="NaN"):
        geodesic_distances(x, 3)
    with pytest.raises(UserError, match="at least one k"):
        sweep(x, [])
