import numpy as np
import pytest
import torch

from pullback.errors import UserError
from pullback.sampling import manifold


def test_draws_stay_on_a_circle_of_codes_and_reach_all_of_it(sample, coder, numbered):
    angle = np.random.default_rng(0).random(600) * 2 * np.pi
    codes = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    drawn = sample(manifold, coder(codes), numbered, np.full(600, -1), [-1] * 5000)
    np.testing.assert_allclose(np.hypot(*drawn.T), 1, atol=0.03)  # where the prior has its mass inside
    assert np.bincount((np.arctan2(*drawn.T) / np.pi * 6 + 6).astype(int), minlength=12).min() > 250


def test_the_covariance_is_that_of_the_points_and_of_their_edges():
    rng = np.random.default_rng(0)
    points, neighbours = rng.normal(size=(6, 2)), rng.integers(0, 6, (6, 3))
    edges = points[neighbours] - points[:, None]
    expected = np.cov(points.T, ddof=0) + np.einsum("nki,nkj->ij", edges, edges) / 18
    given = torch.from_numpy(points), torch.from_numpy(neighbours)
    drawn = manifold.stepped(*given, 200_000, torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(drawn.mean(0), points.mean(0), atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.04)


def test_each_class_has_a_graph_of_its_own(sample, coder, numbered):
    labels = np.arange(600) % 3
    codes = np.random.default_rng(0).normal(size=(600, 2)) * 0.1 + labels[:, None] * 5.0
    drawn = sample(manifold, coder(codes, classes=3), numbered, labels, [2, 0, 1, 2] * 50)
    np.testing.assert_allclose(drawn.reshape(50, 4, 2).mean((0, 2)), [10, 0, 5, 10], atol=0.1)


def test_what_it_cannot_walk_on_is_told(coder, numbered):
    codes = np.random.default_rng(0).normal(size=(600, 2))
    with pytest.raises(UserError, match="neighbors is 10, but there are only 8 images of a class; lower it"):
        manifold.sampler(coder(codes), numbered[:8], np.full(8, -1), manifold.Params(), 0)
    with pytest.raises(UserError, match="this model has no encoder"):
        manifold.sampler(coder(None), numbered, np.full(600, -1), manifold.Params(), 0)
