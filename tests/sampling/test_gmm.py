import numpy as np
import pytest

from pullback.errors import UserError
from pullback.sampling import gmm


def test_one_component_has_the_mean_and_the_covariance_of_the_codes(sample, coder, numbered):
    mixing = np.array([[1.0, 0.0], [1.5, 0.5]])
    codes = np.random.default_rng(0).normal(size=(600, 2)) @ mixing.T + [3, -2]
    drawn = sample(gmm, coder(codes), numbered, np.full(600, -1), [-1] * 20_000, components=1)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.1)


def test_the_deviations_of_the_codes_count(sample, coder, numbered):
    model = coder(np.zeros((600, 2)))
    model.deviation = 3.0
    drawn = sample(gmm, model, numbered, np.full(600, -1), [-1] * 20_000, components=1)
    np.testing.assert_allclose(drawn.std(0), 3, atol=0.3)


def test_two_far_clusters_are_told_by_bic_and_drawn_in_their_shares(sample, coder, numbered):
    codes = np.random.default_rng(0).normal(size=(600, 2)) * 0.1 + np.where(np.arange(600) < 150, 10, -10)[:, None]
    drawn = sample(gmm, coder(codes), numbered, np.full(600, -1), [-1] * 4000)
    assert (np.abs(np.abs(drawn) - 10) < 1).all()  # none between the clusters, where the prior would draw
    assert (drawn[:, 0] > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert 0 < (drawn[:100, 0] > 0).mean() < 1  # not sorted by cluster


def test_each_class_has_a_mixture_of_its_own(sample, coder, numbered):
    labels = np.arange(600) % 3
    codes = np.random.default_rng(0).normal(size=(600, 2)) * 0.1 + labels[:, None] * 5.0
    drawn = sample(gmm, coder(codes, classes=3), numbered, labels, [2, 0, 1, 2] * 50)
    np.testing.assert_allclose(drawn.reshape(50, 4, 2).mean((0, 2)), [10, 0, 5, 10], atol=0.1)


@pytest.mark.parametrize(("n", "components", "least"), [(2, None, 3), (4, 5, 5)])
def test_too_few_images_are_told(coder, numbered, n, components, least):
    codes = np.random.default_rng(0).normal(size=(600, 2))
    with pytest.raises(UserError, match=f"components: a mixture needs {least} images, but is fitted to {n}; choose"):
        gmm.sampler(coder(codes), numbered[:n], np.full(n, -1), gmm.Params(components=components), 0)


def test_a_model_without_an_encoder_is_told(coder, numbered):
    with pytest.raises(UserError, match=r"this model has no encoder, so .* choose prior"):
        gmm.sampler(coder(None), numbered, np.full(600, -1), gmm.Params(), 0)
