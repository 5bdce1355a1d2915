import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold.clusters import kmeans, missed

CENTERS = np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0], [0, 0, 20]])


@pytest.fixture
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, sources and modes: 30 real points in each of 4 modes, of which the GAN never makes the last."""
    sources = np.repeat(["gan", "real", "vae"], [60, 120, 40])
    modes = np.concatenate([np.arange(60) % 3, np.arange(120) % 4, np.arange(40) % 4])
    return CENTERS[modes] + np.random.default_rng(0).normal(size=(220, 3)), sources, modes


def test_a_mode_that_one_source_never_makes_is_missed(planted):
    features, sources, modes = planted
    clusters = kmeans(features, sources, 4, seed=0)
    cluster_of_mode = [clusters.labels[modes == mode][0] for mode in range(4)]
    np.testing.assert_array_equal(clusters.labels, np.take(cluster_of_mode, modes))
    np.testing.assert_allclose(clusters.centers[cluster_of_mode], CENTERS, atol=0.6)
    for source, expected in (("real", [1 / 4] * 4), ("gan", [1 / 3, 1 / 3, 1 / 3, 0]), ("vae", [1 / 4] * 4)):
        np.testing.assert_allclose(clusters.shares[source][cluster_of_mode], expected)
    assert missed(clusters.shares) == {"gan": [cluster_of_mode[3]], "vae": []}


def test_the_example_of_a_cluster_is_its_real_point_nearest_to_the_centre(planted):
    features, sources, _ = planted
    clusters = kmeans(features, sources, 4, seed=0)
    assert (sources[clusters.examples] == "real").all()
    for cluster, example in enumerate(clusters.examples):
        members = np.flatnonzero((clusters.labels == cluster) & (sources == "real"))
        distances = np.linalg.norm(features[members] - clusters.centers[cluster], axis=1)
        assert example == members[distances.argmin()]


def test_generated_points_do_not_move_the_centres(planted):
    features, sources, _ = planted
    shifted = features + 50 * (sources == "gan")[:, None]
    first, second = (kmeans(x, sources, 4, seed=3) for x in (features, shifted))
    assert first.centers.tobytes() == second.centers.tobytes()


def test_missed_means_below_a_third_of_the_real_share():
    shares = {"real": np.array([0.6, 0.4]), "gan": np.array([0.9, 0.1]), "vae": np.array([0.8, 0.2])}
    assert missed(shares) == {"gan": [1], "vae": []}


def test_bad_input_is_refused(planted):
    features, sources, _ = planted
    for k, rows in ((121, features), (2, np.ones_like(features))):
        with pytest.raises(UserError, match="distinct real points"):
            kmeans(rows, sources, k, seed=0)
    features[0, 0] = np.nan
    with pytest.raises(UserError, match="NaN"):
        kmeans(features, sources, 4, seed=0)
