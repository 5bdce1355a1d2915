import math

import pytest
import torch
from torch import tensor
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from pullback.models import vae
from pullback.models._model import Batch


def batch(progress: float = 1.0, images: torch.Tensor | None = None) -> Batch:
    generator = torch.Generator().manual_seed(0)
    if images is None:
        images = torch.rand(6, 1, 8, 8, generator=generator) * 2 - 1
    return Batch(images, torch.full((len(images),), -1), progress, generator)


def build(**params: object) -> vae.Vae:
    torch.manual_seed(0)
    return vae.build(vae.Params(**{"width": 4, "latent_dim": 3, **params}), (1, 8, 8))


def test_divergence_of_the_prior_from_itself_is_zero():
    assert vae.kl_divergence(torch.zeros(4, 7), torch.zeros(4, 7)).tolist() == [0] * 4


def test_divergence_by_hand():
    # Of N((1, 0), diag (4, 1)): (1 + 4 - 1 - ln 4) / 2, and 0 for the second dimension.
    divergence = vae.kl_divergence(tensor([[1.0, 0.0]]), tensor([[math.log(4), 0.0]]))
    assert divergence.item() == pytest.approx((4 - math.log(4)) / 2)


def test_divergence_agrees_with_torch():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 5, 7)
    posterior = Independent(Normal(mean, torch.exp(log_variance / 2)), 1)
    prior = Independent(Normal(torch.zeros(5, 7), torch.ones(5, 7)), 1)
    torch.testing.assert_close(vae.kl_divergence(mean, log_variance), kl_divergence(posterior, prior))


def test_bernoulli_likelihood_by_hand():
    # Probabilities 1/2 and 3/4 of white pixels whose levels are 1 and 1/4.
    images, logits = tensor([[[[1.0, -0.5]]]]), tensor([[[[0.0, math.log(3)]]]])
    expected = -math.log(1 / 2) - math.log(3 / 4) / 4 - 3 * math.log(1 / 4) / 4
    assert build(likelihood="bernoulli")._negative_log_likelihood(images, logits).item() == pytest.approx(expected)


def test_bernoulli_likelihood_of_black_and_white_images_agrees_with_torch():
    torch.manual_seed(0)
    white, logits = torch.rand(4, 1, 8, 8).round(), torch.randn(4, 1, 8, 8)
    expected = -Bernoulli(logits=logits).log_prob(white).sum((1, 2, 3))
    torch.testing.assert_close(build(likelihood="bernoulli")._negative_log_likelihood(2 * white - 1, logits), expected)


def test_gaussian_likelihood_agrees_with_torch():
    torch.manual_seed(0)
    images, decoded = torch.rand(4, 1, 8, 8) * 2 - 1, torch.randn(4, 1, 8, 8)
    expected = -Normal(decoded.tanh(), 0.3).log_prob(images).sum((1, 2, 3))
    model = build(likelihood="gaussian", sigma=0.3)
    torch.testing.assert_close(model._negative_log_likelihood(images, decoded), expected)


@pytest.mark.parametrize(
    ("warmup", "progress", "weight"), [(0.2, 0.05, 0.25), (0.2, 0.2, 1), (0.2, 0.9, 1), (1.0, 0.5, 0.5), (0, 0.01, 1)]
)
def test_the_weight_of_the_divergence_rises_during_the_warm_up(warmup, progress, weight):
    value, logged = build(beta=4.0, warmup=warmup).loss("autoencoder", batch(progress))
    expected = logged["reconstruction"] + 4 * weight * logged["kl"]
    assert value.item() == pytest.approx(expected.item())
    assert logged["kl"] > 0


def test_losses_are_summed_over_pixels():
    """At logits of 0 every pixel costs ln 2, whatever it shows."""
    model = build(likelihood="bernoulli", beta=0.0)
    model.parts["decoder"] = lambda latents: torch.zeros(len(latents), 1, 8, 8)
    assert model.loss("autoencoder", batch())[0].item() == pytest.approx(64 * math.log(2))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_images_stay_in_range(likelihood, architecture):
    images = build(likelihood=likelihood, architecture=architecture).generate(1000 * torch.randn(6, 3))
    assert images.shape == (6, 1, 8, 8)
    assert images.abs().max() <= 1


def test_the_mean_image_of_the_bernoulli_likelihood():
    model = build(likelihood="bernoulli")
    model.parts["decoder"] = lambda latents: torch.full((len(latents), 1, 8, 8), math.log(3))
    assert model.generate(torch.zeros(2, 3)).unique().item() == pytest.approx(2 * 0.75 - 1)


def test_codes_are_the_means():
    model = build()
    model.parts["encoder"] = lambda images: torch.tensor([[1.0, 2, 3, -1, -2, -3]]).repeat(len(images), 1)
    assert model.encode(batch().images).tolist() == [[1, 2, 3]] * 6


def test_the_update_reaches_both_parts():
    model = build()
    model.loss("autoencoder", batch())[0].backward()
    for part in model.parts.values():
        assert all(parameter.grad is not None for parameter in part.parameters())
