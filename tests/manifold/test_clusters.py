import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from pullback.errors import UserError
from pullback.manifold.clusters import agreement, hdbscan, kmeans

CENTERS = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20]])


@pytest.fixture
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, sources and modes: 30 real points in each of 4 modes, of which the GAN never makes the last."""
    sources = np.repeat(["gan", "real", "vae"], [60, 120, 40])
    modes = np.concatenate([np.arange(60) % 3, np.arange(120) % 4, np.arange(40) % 4])
    return CENTERS[modes] + np.random.default_rng(0).normal(size=(220, 3)), sources, modes


def test_kmeans_and_hdbscan_find_the_planted_modes(planted):
    features, sources, modes = planted
    for clusters in (kmeans(features, sources, 4, seed=0), hdbscan(features, sources, 10)):
        cluster_of_mode = [int(np.bincount(clusters.labels[modes == mode] + 1).argmax()) - 1 for mode in range(4)]
        placed = clusters.labels >= 0
        np.testing.assert_array_equal(clusters.labels[placed], np.take(cluster_of_mode, modes)[placed])
        assert placed.mean() > 0.8
        np.testing.assert_allclose(clusters.centers[cluster_of_mode], CENTERS, atol=0.9)
        assert clusters.shares["gan"][cluster_of_mode[3]] == 0


def test_the_shares_of_kmeans_are_those_of_the_modes(planted):
    features, sources, modes = planted
    clusters = kmeans(features, sources, 4, seed=0)
    cluster_of_mode = [clusters.labels[modes == mode][0] for mode in range(4)]
    for source, expected in (("real", [1 / 4] * 4), ("gan", [1 / 3, 1 / 3, 1 / 3, 0]), ("vae", [1 / 4] * 4)):
        np.testing.assert_allclose(clusters.shares[source][cluster_of_mode], expected)


def test_hdbscan_leaves_out_what_lies_between_and_may_find_nothing(planted):
    features, sources, _ = planted
    stray = np.flatnonzero(sources == "real")[0]
    features[stray] = [50, 50, 50]
    clusters = hdbscan(features, sources, 10)
    assert clusters.labels[stray] == -1
    assert clusters.shares["real"].sum() < 1
    even = np.random.default_rng(0).random((220, 3))
    nothing = hdbscan(even, sources, 60)
    assert (nothing.labels == -1).all()
    assert nothing.centers.shape == (0, 3)
    assert nothing.examples.shape == (0,)


def test_the_example_of_a_cluster_is_its_real_point_nearest_to_the_centre(planted):
    features, sources, _ = planted
    clusters = kmeans(features, sources, 4, seed=0)
    assert (sources[clusters.examples] == "real").all()
    for cluster, example in enumerate(clusters.examples):
        members = np.flatnonzero((clusters.labels == cluster) & (sources == "real"))
        distances = np.linalg.norm(features[members] - clusters.centers[cluster], axis=1)
        assert example == members[distances.argmin()]


def test_generated_points_do_not_move_the_clusters(planted):
    features, sources, _ = planted
    shifted = features + 50 * (sources == "gan")[:, None]
    for find in (lambda x: kmeans(x, sources, 4, seed=3), lambda x: hdbscan(x, sources, 10)):
        first, second = (find(x) for x in (features, shifted))
        assert first.centers.tobytes() == second.centers.tobytes()


def test_agreement_is_that_of_scikit_learn(planted):
    features, _, modes = planted
    rng = np.random.default_rng(0)
    found = np.where(rng.random(220) < 0.2, rng.integers(0, 4, 220), modes)
    assert agreement(features, modes, modes)[:2] == (1, pytest.approx(1))
    assert agreement(features, found, modes) == (
        pytest.approx(adjusted_rand_score(modes, found)),
        pytest.approx(normalized_mutual_info_score(modes, found)),
        pytest.approx(silhouette_score(features, found)),
    )
    assert agreement(features, np.zeros(220, int), modes).silhouette is None


def test_bad_input_is_refused(planted):
    features, sources, modes = planted
    hole = np.where(np.arange(220)[:, None] == 7, np.nan, features)
    for work, message in (
        (lambda: kmeans(features, sources, 121, 0), "k must be from 1 to 120 where there are 120 distinct real points"),
        (lambda: kmeans(np.ones_like(features), sources, 2, 0), "k must be from 1 to 1"),
        (lambda: kmeans(features, sources, 0, 0), "k must be from 1 to 120 .*, not 0"),
        (lambda: kmeans(features, sources, 4.0, 0), r"k must be a whole number, not 4\.0"),
        (lambda: kmeans(features, ["gan"] * 220, 4, 0), "0 distinct real points are too few for any k"),
        (lambda: kmeans(features, sources[1:], 4, 0), r"sources must be one for each of the 220 points.*\(219,\)"),
        (lambda: kmeans(hole, sources, 4, 0), "in row 7 of 220"),
        (lambda: hdbscan(features, sources, 121), "least must be from 2 to 120 where there are 120 real points"),
        (lambda: hdbscan(features, sources, 1), "least must be from 2 to 120 .*, not 1"),
        (lambda: hdbscan(features, sources[1:], 10), "sources must be one for each"),
        (lambda: hdbscan(hole, sources, 10), "in row 7 of 220"),
        (lambda: agreement(features, modes, np.zeros(220)), "all 220 points are of one class"),
        (lambda: agreement(features, modes[1:], modes), "clusters must be one for each of the 220 points"),
        (lambda: agreement(features, modes, modes[1:]), "classes must be one for each of the 220 points"),
    ):
        with pytest.raises(UserError, match=message):
            work()
