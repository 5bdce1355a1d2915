import numpy as np
import pytest
import torch

from pullback.models import gan, vae
from pullback.models._model import ImagesFromLatents, draw, to_model_range, to_pixels


def test_pixels_survive_the_way_to_the_model_and_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    inside = to_model_range(pixels)
    assert (inside[0], inside[-1]) == (-1, 1)
    assert torch.equal(to_pixels(inside), pixels)


def test_what_leaves_the_range_is_clipped():
    assert to_pixels(torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("module", [gan, vae])
def test_the_module_for_export_draws_what_the_model_draws(module):
    model = module.build(module.Params(architecture="mlp", width=4, latent_dim=3), (1, 8, 8))
    for part in model.parts.values():
        part.eval()
    latents = torch.randn(5, 3)
    exported = ImagesFromLatents(model)
    assert [name for name, _ in exported.named_children()] == ["network"]  # no encoder travels along
    np.testing.assert_array_equal(to_pixels(exported(latents).detach()).numpy(), draw(model, latents))
