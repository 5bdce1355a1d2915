import pytest
import torch
from scipy.stats import truncnorm

from pullback.models import gan
from pullback.sampling import truncation


def test_latents_are_the_truncated_normal_and_seeded():
    model = gan.build(gan.Params(architecture="mlp", width=4, latent_dim=5), (1, 8, 8))
    sampler = truncation.sampler(model, None, None, truncation.Params(threshold=0.7), 0)
    labels = torch.full((20_000,), -1)
    latents = sampler(labels, torch.Generator().manual_seed(3))
    assert latents.shape == (20_000, 5)
    assert latents.abs().max() <= 0.7
    assert latents.std().item() == pytest.approx(truncnorm(-0.7, 0.7).std(), rel=0.01)
    assert latents.mean().item() == pytest.approx(0, abs=0.01)
    assert torch.equal(sampler(labels, torch.Generator().manual_seed(3)), latents)
