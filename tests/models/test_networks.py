import pytest
import torch
from torch import nn

from pullback.models._networks import decoder, encoder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 13, 28, 32, 64, 100, 128])
@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_every_size_fits(architecture, size, channels):
    shape = (channels, size, size)
    images = decoder(architecture, 5, shape, 2)(torch.zeros(2, 5))
    assert images.shape == (2, *shape)
    for spectral in (False, True):
        assert encoder(architecture, shape, 2, 3, spectral=spectral)(images).shape == (2, 3)


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_spectral_normalisation_brings_every_largest_singular_value_to_one(architecture):
    torch.manual_seed(0)
    network = encoder(architecture, (1, 16, 16), 4, 1, spectral=True)
    for _ in range(50):
        network(torch.randn(2, 1, 16, 16))
    network.eval()
    layers = [layer for layer in network if isinstance(layer, nn.Linear | nn.Conv2d)]
    assert len(layers) >= 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)


def test_the_dial_widens_every_layer():
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    for architecture in ("mlp", "conv"):
        narrow, wide = (count(decoder(architecture, 8, (1, 16, 16), width)) for width in (8, 16))
        assert 1.5 * narrow < wide < 4.5 * narrow


def test_padding_repeats_the_border_and_cropping_cuts_the_middle():
    network = encoder("conv", (1, 13, 13), 2, 1, spectral=False)
    padded = network[0](torch.arange(13.0).expand(1, 1, 13, 13))
    assert padded[0, 0, 0].tolist() == [*range(13), 12]
    cropped = decoder("conv", 2, (1, 13, 13), 2)[-1](torch.arange(14.0).expand(1, 1, 14, 14))
    assert cropped[0, 0, 0].tolist() == [*range(13)]
