"""One space of three sources whose geometry is known."""

import numpy as np
import pytest

from pullback import study
from pullback.errors import UserError
from pullback.manifold.tsne import Params
from pullback.study import Points

CORNERS = 30.0 * np.eye(3, 4)


@pytest.fixture
def points() -> Points:
    """40 real images of each of 3 classes; the GAN makes the first two alone, the VAE every image the same."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(120) % 3, np.arange(60) % 2, np.full(30, 2)])
    sources = np.repeat(["real", "gan prior", "vae prior"], [120, 60, 30])
    features = CORNERS[labels] + rng.normal(size=(210, 4)) * (sources != "vae prior")[:, None]
    return Points(features.astype(np.float32), labels, sources)


def test_sources_keep_their_order(points):
    assert points.names == ["real", "gan prior", "vae prior"]


def test_a_source_of_equal_images_has_no_dimension(points):
    found = study.dimensions(points, 10)
    assert found["vae prior"] is None
    assert found["real"]["two_nn"]["low"] < 4 < found["real"]["two_nn"]["high"]


def test_what_a_source_never_makes_is_missing_with_a_p_value(points):
    for clusters in study.clusterings(points, 3, 10, 0).values():
        assert study.judged_clusters(points, clusters, tested=False)["modes"] == {}
        found = study.judged_clusters(points, clusters, tested=True)
        assert found["clusters"] == 3
        (missing,) = found["modes"]["gan prior"]["missing"]
        assert missing["fake_share"] == 0
        assert missing["p_value"] < 1e-4
        assert missing["cluster"] == clusters.labels[2]
        assert len(found["modes"]["vae prior"]["missing"]) == 2
        assert [each["cluster"] for each in found["modes"]["vae prior"]["over_produced"]] == [clusters.labels[2]]
        assert found["agreement"]["ari"] > 0.95


@pytest.mark.parametrize(("k", "least", "key"), [(121, 10, "clusters"), (3, 121, "min_cluster_size")])
def test_the_key_at_fault_is_named(points, k, least, key):
    with pytest.raises(UserError, match=rf"^manifold\.{key}: "):
        study.clusterings(points, k, least, 0)


def test_clusters_of_one_class_or_of_none_agree_with_nothing(points):
    clusters = study.clusterings(points, 3, 10, 0)["kmeans"]
    for labels in (np.zeros(210, np.int64), np.full(210, -1)):
        assert (
            study.judged_clusters(Points(points.features, labels, points.sources), clusters, tested=True)["agreement"]
            is None
        )


def test_a_map_is_judged_for_all_and_for_each_source_by_what_it_has_placed(points):
    coordinates = points.features[:, :2].astype(np.float64)
    coordinates[points.labels == 2] = np.nan
    found = study.judged_map(points, coordinates, study.geodesics(points, 5, 0), 5)
    assert 0.85 < found["all"]["trustworthiness"] < 1
    assert found["sources"]["real"]["neighborhood_hit"] == 1
    assert found["sources"]["vae prior"] is None


def test_prediction_layers_know_the_classes_and_what_was_asked_for(points):
    moved = np.where(points.sources == "vae prior", 0, points.labels)  # the VAE was asked for class 0
    found = study.predictions(Points(points.features, moved, points.sources), points.features, 0)
    for layer in ("knn", "logistic"):
        values = {source: each["value"] for source, each in found[layer].items()}
        assert values == {"real": 1, "gan prior": 1, "vae prior": 0}


def test_nothing_is_predicted_without_labels_or_with_one_class(points):
    for labels in (np.full(210, -1), np.zeros(210, np.int64)):
        assert study.predictions(Points(points.features, labels, points.sources), points.features, 0) == {}


def test_the_nearest_of_each_kind_are_named_without_the_point_itself(points):
    rows, distances = study.nearest(points)
    assert rows.shape == distances.shape == (210, 2, 5)
    assert (points.sources[rows[:, 0]] == "real").all()
    assert (points.sources[rows[:, 1]] != "real").all()
    assert not (rows == np.arange(210)[:, None, None]).any()
    assert (np.diff(distances) >= 0).all()
    x = points.features.astype(np.float64)
    np.testing.assert_allclose(distances, np.linalg.norm(x[rows] - x[:, None, None], axis=-1), rtol=1e-6)


def test_shortest_paths_go_over_real_points_from_end_to_end(points):
    found = study.graph_of_real(points, 0)
    assert found["sweep"]["reason"].startswith("the graph falls into 3 components")
    assert found["sweep"]["short_circuits"] == []
    assert len(found["shortest_paths"]) == 4
    for path in found["shortest_paths"]:
        assert (points.sources[path["path"]] == "real").all()
        ends = points.features[path["path"][0]] - points.features[path["path"][-1]]
        assert path["euclidean"] == pytest.approx(np.linalg.norm(ends.astype(np.float64)))
        assert path["geodesic"] >= path["euclidean"] - 1e-9


def test_maps_name_the_key_at_fault(points):
    with pytest.raises(UserError, match=r"^manifold\.maps\.tsne: perplexity"):
        study.maps(points, {"tsne": Params(perplexity=80.0)}, 5, 0)


def test_the_realism_of_paths_is_by_real_images(points):
    line = np.linspace(CORNERS[0], CORNERS[1], 5).astype(np.float32)[None]
    still = np.repeat(CORNERS[:1], 5, axis=0).astype(np.float32)[None]
    images = np.zeros((1, 5, 1, 2, 2), np.uint8)
    found = study.judged_paths({"a": images, "b": images}, {"a": line, "b": still}, points.features[:120])
    assert found["a"]["feature_length"] == pytest.approx(1)
    assert found["a"]["realism"] < 0.5 < 0.7 < found["b"]["realism"]
    assert study.judged_paths({}, {}, points.features) == {}


def test_the_plotted_rows_hold_every_source_of_every_map_but_no_point_without_a_place(points):
    placed = np.arange(420.0).reshape(210, 2)
    partly = np.where(np.arange(210)[:, None] < 100, np.nan, placed)
    rows = study.plotted(points, {"pca": placed, "isomap": partly})
    counts = {name: sum(row["map"] == name for row in rows) for name in ("pca", "isomap")}
    assert counts == {"pca": 210, "isomap": 110}
    assert rows[120] == {"map": "pca", "source": "gan prior", "x": 240.0, "y": 241.0}


def test_many_points_are_thinned_evenly():
    points = Points(
        np.zeros((1000, 2), np.float32), np.zeros(1000, np.int64), np.repeat(["real", "gan prior"], [900, 100])
    )
    rows = study.plotted(points, {"pca": np.stack([np.arange(1000.0)] * 2, axis=1)})
    assert [row["x"] for row in rows] == [*range(0, 900, 3), *range(900, 1000)]
