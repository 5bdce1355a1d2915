import pytest
import torch

from pullback.models import gan
from pullback.sampling import prior


def test_latents_are_standard_normal_and_seeded():
    model = gan.build(gan.Params(architecture="mlp", width=4, latent_dim=5), (1, 8, 8))
    sampler = prior.sampler(model, None, None, None, 0)
    labels = torch.full((40_000,), -1)
    latents = sampler(labels, torch.Generator().manual_seed(3))
    assert latents.shape == (40_000, 5)
    assert latents.dtype == torch.float32
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert latents.pow(power).mean().item() == pytest.approx(moment, abs=0.08)
    torch.testing.assert_close(latents.T.cov(), torch.eye(5), atol=0.03, rtol=0)
    assert torch.equal(sampler(labels, torch.Generator().manual_seed(3)), latents)
    assert not torch.equal(sampler(labels, torch.Generator().manual_seed(4)), latents)
