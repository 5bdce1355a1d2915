import sys

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold import umap
from pullback.manifold.quality import trustworthiness

pytest.importorskip("umap", reason="umap-learn is not installed (pip install umap-learn)")


def test_neighbours_stay_neighbours_and_new_points_are_placed(swiss_roll):
    x, _ = swiss_roll(400)
    embedding = umap.fit(x[:350], umap.Params(neighbors=10), 0)
    assert trustworthiness(x[:350], embedding.coordinates, 10) > 0.95
    assert embedding.transform is not None
    placed = np.vstack([embedding.coordinates, embedding.transform(x[350:])])
    assert trustworthiness(x, placed, 10) > 0.93


def test_neighbors_must_suit_the_points():
    x = np.random.default_rng(0).normal(size=(15, 3))
    with pytest.raises(UserError, match="neighbors is 15, but must be below the 15 points"):
        umap.fit(x, umap.Params(), 0)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match="pip install umap-learn"):
        umap.fit(np.eye(5), umap.Params(), 0)
