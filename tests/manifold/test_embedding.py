"""What holds for every map."""

from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold import isomap, pca, spectral, tsne, umap
from pullback.manifold._embedding import fix_signs

NO_UMAP = pytest.mark.skipif(not find_spec("umap"), reason="umap-learn is not installed (pip install umap-learn)")
MAPS = [pca, isomap, spectral, tsne, pytest.param(umap, marks=NO_UMAP)]


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(150, 6)).astype(np.float32)


@pytest.mark.parametrize("method", MAPS)
def test_a_map_is_the_same_for_the_same_seed(method: ModuleType, features: np.ndarray):
    first, second = (method.fit(features, method.Params(), 7) for _ in range(2))
    assert first.coordinates.shape == (150, 2)
    assert first.coordinates.dtype == np.float64
    assert first.coordinates.tobytes() == second.coordinates.tobytes()
    assert first.scores == second.scores
    assert first.embedded.all()


@pytest.mark.parametrize("method", MAPS)
def test_features_that_no_map_can_show_are_refused(method: ModuleType, features: np.ndarray):
    broken = features.copy()
    broken[3, 1] = np.nan
    for bad, message in (
        (broken, "NaN"),
        (np.ones((50, 3)), "equal"),
        (features[:2], "3 points"),
        (features[:, :1], "2 f"),
    ):
        with pytest.raises(UserError, match=message):
            method.fit(bad, method.Params(), 0)


@pytest.mark.parametrize("method", [pca, isomap, tsne, pytest.param(umap, marks=NO_UMAP)])
def test_new_points_that_no_map_can_place_are_refused(method: ModuleType, features: np.ndarray):
    transform = method.fit(features, method.Params(), 0).transform
    for bad, message in (
        (features[:3, :2], "new has 2 columns, but the other points have 6"),
        (np.where(features[:5] == features[3, 1], np.nan, features[:5]), "new holds 1 NaN .* in row 3 of 5"),
        (features[0], r"new must be numbers of shape \(n, d\)"),
        ([["a"] * 6], "new must be numbers"),
    ):
        with pytest.raises(UserError, match=message):
            transform(bad)


@pytest.mark.parametrize("method", [isomap, spectral])
def test_only_the_largest_island_is_mapped_and_the_scores_say_so(method: ModuleType, islands):
    x, island = islands
    embedding = method.fit(x, method.Params(neighbors=5), 0)
    np.testing.assert_array_equal(embedding.embedded, island == 0)
    assert np.isnan(embedding.coordinates[island > 0]).all()
    assert embedding.scores == {"components": 3, "embedded_share": 0.5}


@pytest.mark.parametrize("method", [isomap, spectral])
def test_neighbors_must_suit_the_points(method: ModuleType, features: np.ndarray):
    with pytest.raises(UserError, match="10"):
        method.fit(features[:10], method.Params(neighbors=10), 0)
    triples = np.arange(12.0)[:, None] // 3 * 100 + np.random.default_rng(0).normal(size=(12, 2))
    with pytest.raises(UserError, match="4 components of at most 3 points"):
        method.fit(triples, method.Params(neighbors=2), 0)


def test_the_largest_entry_of_each_column_becomes_positive():
    vectors = np.array([[1.0, -1.0], [-3.0, 2.0], [2.0, 0.5]])
    np.testing.assert_array_equal(fix_signs(vectors), vectors * [-1, 1])
