"""Which networks turn a latent vector into an image, and an image into a vector?

One pair serves every model: `decoder` is the generator of the GAN and the decoder of the VAE; `encoder` is the
discriminator of the one and the encoder of the other. Both exist as `mlp` (dense) and `conv` (after DCGAN, Radford et
al. 2016), for images from 8 to 128 pixels with 1 or 3 channels, and grow with one dial, `width`.
"""

import math
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Shape = tuple[int, int, int]


def decoder(architecture: str, latent_dim: int, shape: Shape, width: int) -> nn.Module:
    """A network from (n, latent_dim) to (n, *shape), without a last activation; batch-normalised."""
    if architecture == "mlp":
        return nn.Sequential(
            _dense(latent_dim, 8 * width), _dense(8 * width, 16 * width), nn.Linear(16 * width, math.prod(shape)),
            nn.Unflatten(1, shape),
        )  # fmt: skip
    channels, base = _pyramid(shape, width)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, channels[-1] * base * base),
        nn.Unflatten(1, (channels[-1], base, base)),
    ]
    for above, below in zip(channels[:0:-1], channels[-2::-1], strict=True):
        layers += [nn.BatchNorm2d(above), nn.ReLU(), nn.ConvTranspose2d(above, below, 4, stride=2, padding=1)]
    layers += [nn.BatchNorm2d(channels[0]), nn.ReLU(), nn.Conv2d(channels[0], shape[0], 3, padding=1), _Crop(shape[-1])]
    return nn.Sequential(*layers)


def encoder(architecture: str, shape: Shape, width: int, outputs: int, *, spectral: bool) -> nn.Module:
    """A network from (n, *shape) to (n, outputs).

    `spectral` bounds the Lipschitz constant of every layer by spectral normalisation (Miyato et al. 2018), as a
    discriminator wants it; otherwise the layers are batch-normalised.
    """
    if architecture == "mlp":
        sizes = [math.prod(shape), 16 * width, 8 * width]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), _norm(nn.BatchNorm1d(after), spectral), nn.LeakyReLU(0.2)]
        layers += [nn.Linear(sizes[-1], outputs)]
    else:
        channels, base = _pyramid(shape, width)
        layers = [
            _Pad(base * 2 ** (len(channels) - 1)),
            nn.Conv2d(shape[0], channels[0], 3, padding=1),
            nn.LeakyReLU(0.2),
        ]
        for above, below in pairwise(channels):
            layers += [nn.Conv2d(above, below, 4, stride=2, padding=1)]
            layers += [_norm(nn.BatchNorm2d(below), spectral), nn.LeakyReLU(0.2)]
        layers += [nn.Flatten(), nn.Linear(channels[-1] * base * base, outputs)]
    if spectral:
        layers = [spectral_norm(layer) if isinstance(layer, nn.Linear | nn.Conv2d) else layer for layer in layers]
    return nn.Sequential(*layers)


def _dense(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU())


def _norm(norm: nn.Module, spectral: bool) -> nn.Module:
    return nn.Identity() if spectral else norm


def _pyramid(shape: Shape, width: int) -> tuple[list[int], int]:
    """Channels at each resolution from full size down, doubling up to four times `width`, and the lowest resolution.

    The size is halved until 4 to 8 pixels remain; sizes that do not halve evenly are padded up to the next that does.
    """
    halvings = max(1, int(math.log2(shape[-1] / 4)))
    return [width * min(2**level, 4) for level in range(halvings + 1)], math.ceil(shape[-1] / 2**halvings)


class _Crop(nn.Module):
    """Cuts the middle `size` x `size` out of an image."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        start = (x.shape[-1] - self.size) // 2
        return x[..., start : start + self.size, start : start + self.size]


class _Pad(nn.Module):
    """Repeats the border of an image until it is `size` x `size`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        missing = self.size - x.shape[-1]
        before, after = missing // 2, missing - missing // 2
        return nn.functional.pad(x, (before, after, before, after), mode="replicate") if missing else x
