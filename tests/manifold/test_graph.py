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


@pytest.mark.parametrize("seed", range(20))
def test_the_sweep_picks_the_k_whose_geodesics_are_right_and_names_those_that_cut_across_a_fold(swiss_roll, seed):
    x, strip = swiss_roll(500 + 50 * seed, seed)
    swept = sweep(x, range(4, 17))
    truth = cdist(strip[:30], strip).ravel()

    def correlation(k: int) -> float:
        return float(np.corrcoef(geodesic_distances(x, k, landmarks=range(30)).ravel(), truth)[0, 1])

    assert correlation(swept.k) > 0.99
    assert all(correlation(k) < 0.99 for k in swept.short_circuits)


def on_sphere(rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(300, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


UNFOLDED = {
    "gaussian, 2 dimensions": lambda rng: rng.normal(size=(300, 2)),
    "gaussian, 16 dimensions": lambda rng: rng.normal(size=(300, 16)),
    "gaussian, 64 dimensions": lambda rng: rng.normal(size=(300, 64)),
    "square": lambda rng: rng.random((300, 2)),
    "sphere": on_sphere,
}


@pytest.mark.parametrize("draw", UNFOLDED.values(), ids=UNFOLDED)
def test_the_sweep_finds_no_fold_where_none_is(draw):
    found = [sweep(draw(np.random.default_rng(seed)), range(4, 13)) for seed in range(20)]
    assert [swept.short_circuits for swept in found] == [[]] * 20
    assert {swept.k for swept in found} == {12}


def test_the_sweep_says_how_far_the_distances_along_the_data_are_settled():
    rng = np.random.default_rng(0)
    seen = "the graph is in one piece, and no edge is seen to cut across a fold or a gap up to the largest k tried, 8"
    assert sweep(np.linspace([0.0], [1.0], 100), range(4, 9)).reason == seen
    sparse = sweep(rng.normal(size=(300, 16)), range(4, 9)).reason
    assert sparse == f"{seen}; but up to k = 8 the distances along the data change with k, as in a sparse sample"


def test_an_edge_that_closes_a_ring_is_a_detour_of_the_whole_ring():
    angle = np.arange(60) * 2 * np.pi / 62.5  # from the last point to the first it is 3.5 steps
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    swept = sweep(ring, [2, 3, 4])
    assert [step.short_circuit for step in swept.steps] == [False, False, True]
    assert swept.k == 3
    around, across = geodesic_distances(ring, 3)[0, -1], np.linalg.norm(ring[0] - ring[-1])
    assert swept.steps[-1].detour == pytest.approx(around / across)
    assert "at k = 4 an edge cuts across a fold or a gap that the path before went around, 17 times" in swept.reason


def test_the_sweep_takes_duplicates_but_not_only_duplicates():
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert [step.components for step in sweep(np.repeat(points, 6, axis=0), [4, 6]).steps] == [5, 1]
    with pytest.raises(UserError, match="each of the 30 points has 9 or more equal ones"):
        sweep(np.ones((30, 3)), range(4, 10))


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
