import math

import pytest
import torch
from torch import tensor
from torch.distributions import Independent, Normal
from torch.distributions import kl_divergence as torchs_divergence

from pullback.models._bounds import (
    active_units,
    free_bits,
    importance_weighted,
    kl_divergence,
    log_prior_by_posterior,
)


def posterior(n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    mean, log_variance = torch.randn(2, n, 7, generator=torch.Generator().manual_seed(0))
    return mean, log_variance


def test_divergence_of_the_prior_from_itself_is_zero():
    assert kl_divergence(torch.zeros(4, 7), torch.zeros(4, 7)).tolist() == [[0] * 7] * 4


def test_divergence_by_hand():
    # Of N((1, 0), diag (4, 1)): (1 + 4 - 1 - ln 4) / 2, and 0 for the second dimension.
    divergence = kl_divergence(tensor([[1.0, 0.0]]), tensor([[math.log(4), 0.0]]))
    assert divergence[0].tolist() == pytest.approx([(4 - math.log(4)) / 2, 0])


def test_divergence_agrees_with_torch():
    mean, log_variance = posterior()
    expected = torchs_divergence(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mean, log_variance), expected)


def test_free_bits_by_hand():
    divergences = tensor([0.1, 0.5, 2.0], requires_grad=True)
    assert free_bits(divergences, 0.0).item() == pytest.approx(2.6)
    value = free_bits(divergences, 0.25)
    assert value.item() == pytest.approx(0.25 + 0.5 + 2)
    value.backward()
    assert divergences.grad.tolist() == [0, 1, 1]  # the first is not pushed


def test_prior_by_posterior_agrees_with_torch():
    mean, log_variance = posterior()
    noise = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    latents = mean + torch.exp(log_variance / 2) * noise
    prior = Independent(Normal(torch.zeros(5, 7), torch.ones(5, 7)), 1)
    own = Independent(Normal(mean, torch.exp(log_variance / 2)), 1)
    expected = prior.log_prob(latents) - own.log_prob(latents)
    torch.testing.assert_close(log_prior_by_posterior(latents, noise, log_variance), expected, atol=1e-4, rtol=1e-4)


def test_importance_weights_by_hand():
    # Of weights 1 and 3 the mean is 2; of one alone it is that; a thousand nats below nothing is lost.
    log_weights = tensor([[0.0, -1000.0], [math.log(3), -1000.0]])
    assert importance_weighted(log_weights).tolist() == pytest.approx([math.log(2), -1000])
    assert importance_weighted(log_weights[1:]).tolist() == log_weights[1].tolist()


def test_active_units_by_hand():
    # Variances 0.04, 0.0025 and 0; the last dimension is far from 0, but the same for all.
    mean = tensor([[0.2, 0.05, 3.0], [-0.2, -0.05, 3.0]])
    assert active_units(mean.mean(0), mean.square().mean(0)) == 1
