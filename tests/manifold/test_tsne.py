import numpy as np
import pytest
from sklearn.manifold import TSNE

from pullback.errors import UserError
from pullback.manifold import tsne
from pullback.manifold.quality import neighborhood_hit, trustworthiness
from pullback.neighbors import knn


def test_islands_are_kept_apart(islands):
    x, island = islands
    embedding = tsne.fit(x, tsne.Params(perplexity=10), 0)
    assert neighborhood_hit(embedding.coordinates, island, 5) == 1
    assert embedding.scores["kl_divergence"] > 0


def test_agrees_with_scikit_learn(swiss_roll):
    x, _ = swiss_roll(400)
    ours, theirs = tsne.fit(x, tsne.Params(), 0), TSNE(perplexity=30, random_state=0).fit(x)
    assert ours.scores["kl_divergence"] == pytest.approx(theirs.kl_divergence_, rel=0.1)
    trust = [trustworthiness(x, each, 10) for each in (ours.coordinates, theirs.embedding_)]
    assert trust[0] > trust[1] - 0.005


def test_new_points_land_near_their_twins(islands):
    x, island = islands
    embedding = tsne.fit(x, tsne.Params(perplexity=10), 0)
    assert embedding.transform is not None
    placed = embedding.transform(x + 1e-3)
    assert (island[knn(placed, 1, embedding.coordinates)[1][:, 0]] == island).all()


def test_perplexity_must_be_below_a_third_of_the_points():
    x = np.random.default_rng(0).normal(size=(90, 3))
    with pytest.raises(UserError, match=r"perplexity is 30, .* third of the 90 points"):
        tsne.fit(x, tsne.Params(), 0)
