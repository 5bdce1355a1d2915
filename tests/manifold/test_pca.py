import numpy as np
from sklearn.decomposition import PCA

from pullback.manifold import pca


def test_agrees_with_scikit_learn():
    x = np.random.default_rng(0).normal(size=(80, 6)) * [6, 5, 4, 3, 2, 1] + 100
    ours, theirs = pca.fit(x, pca.Params(), 0), PCA(2).fit(x)
    np.testing.assert_allclose(np.abs(ours.coordinates), np.abs(theirs.transform(x)), atol=1e-10)
    np.testing.assert_allclose(list(ours.scores.values()), theirs.explained_variance_ratio_)


def test_new_points_land_on_the_map():
    x = np.random.default_rng(0).normal(size=(30, 4))
    embedding = pca.fit(x, pca.Params(), 0)
    assert embedding.transform is not None
    np.testing.assert_allclose(embedding.transform(x[5:8]), embedding.coordinates[5:8], atol=1e-12)
    np.testing.assert_allclose(embedding.transform(x.mean(axis=0)[None]), 0, atol=1e-12)
