import numpy as np
from sklearn.manifold import SpectralEmbedding

from pullback.manifold import spectral
from pullback.manifold.graph import knn_graph


def test_agrees_with_scikit_learn():
    x = np.random.default_rng(0).normal(size=(150, 5))
    ours = spectral.fit(x, spectral.Params(neighbors=8), 0).coordinates
    affinity = (knn_graph(x, 8) > 0).astype(float).toarray()
    theirs = SpectralEmbedding(affinity="precomputed", random_state=0).fit_transform(affinity)
    np.testing.assert_allclose(np.abs(ours) / np.abs(ours).max(0), np.abs(theirs) / np.abs(theirs).max(0), atol=1e-6)


def test_a_circle_stays_a_circle():
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    x = np.stack([np.cos(angle), np.sin(angle), np.zeros(100)], axis=1)
    radii = np.hypot(*spectral.fit(x, spectral.Params(neighbors=2), 0).coordinates.T)
    np.testing.assert_allclose(radii, radii.mean(), rtol=1e-6)
