import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold import tsne
from pullback.manifold.quality import neighborhood_hit


def test_islands_are_kept_apart(islands):
    x, island = islands
    embedding = tsne.fit(x, tsne.Params(perplexity=10), 0)
    assert neighborhood_hit(embedding.coordinates, island, 5) == 1
    assert embedding.scores["kl_divergence"] > 0


def test_perplexity_must_be_below_a_third_of_the_points():
    x = np.random.default_rng(0).normal(size=(90, 3))
    with pytest.raises(UserError, match=r"perplexity is 30, .* third of the 90 points"):
        tsne.fit(x, tsne.Params(), 0)
