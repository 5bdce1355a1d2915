"""Which networks turn a latent vector into an image, and an image into a vector?

`decoder` is the generator of the GAN and the decoder of the VAE, `encoder` the encoder of the VAE, `critic` the
discriminator of the GAN. All exist as `mlp` (dense), `conv` (after DCGAN, Radford et al. 2016) and `resnet` (after
SNGAN, Miyato et al. 2018), for square images from 8 to 128 pixels with 1 or 3 channels, and grow with one dial,
`width`.

With `classes` the networks are conditional: decoder and encoder through the scales and shifts of their normalisation,
the critic by projection (Miyato and Koyama 2018).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from pullback.errors import UserError
from pullback.models._layers import BatchNorm, Chain, Crop, Labelled, Pad

Shape = tuple[int, int, int]
SMALLEST, LARGEST = 8, 128  # pixels


def decoder(architecture: str, latent_dim: int, shape: Shape, width: int, classes: int = 0) -> Chain:
    """A network from latents (n, latent_dim) and labels (n,) to (n, *shape), without a last activation.

    Raises:
        UserError: no architecture makes images of this shape; like `encoder` and `critic`.
    """
    if architecture == "mlp":
        _check(shape)
        layers: list[nn.Module] = []
        for before, after in pairwise([latent_dim, 8 * width, 16 * width]):
            layers += [nn.Linear(before, after), BatchNorm(after, classes), nn.ReLU()]
        return Chain(*layers, nn.Linear(16 * width, math.prod(shape)), nn.Unflatten(1, shape))
    channels, base = _pyramid(shape, width)
    layers = [nn.Linear(latent_dim, channels[-1] * base * base), nn.Unflatten(1, (channels[-1], base, base))]
    for before, after in pairwise(reversed(channels)):
        if architecture == "resnet":
            layers += [Residual(before, after, up=True, classes=classes)]
        else:
            layers += [BatchNorm(before, classes), nn.ReLU()]
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
    layers += [BatchNorm(channels[0], classes), nn.ReLU()]
    return Chain(*layers, nn.Conv2d(channels[0], shape[0], 3, padding=1), Crop(shape[-1]))


def encoder(architecture: str, shape: Shape, width: int, outputs: int, classes: int = 0) -> Chain:
    """A batch-normalised network from images (n, *shape) and labels (n,) to (n, outputs)."""
    layers, size = _trunk(architecture, shape, width, classes, normalised=True)
    return Chain(*layers, nn.Linear(size, outputs))


def critic(architecture: str, shape: Shape, width: int, classes: int = 0, *, spectral: bool) -> nn.Module:
    """A network from images (n, *shape) and labels (n,) to logits (n, 1), without batch normalisation.

    `spectral` bounds the Lipschitz constant of every layer by spectral normalisation (Miyato et al. 2018).
    """
    layers, size = _trunk(architecture, shape, width, classes, normalised=False)
    network = Critic(Chain(*layers), size, classes)
    if spectral:
        for layer in list(network.modules()):
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding):
                spectral_norm(layer)
    return network


class Critic(Labelled):
    """D(x, y) = w . f(x) + v_y . f(x) + b: the projection discriminator (Miyato and Koyama 2018, equation 3)."""

    def __init__(self, trunk: Chain, size: int, classes: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.linear = nn.Linear(size, 1)
        self.embedding = nn.Embedding(classes, size) if classes else None

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.trunk(x)
        logits: Tensor = self.linear(features)
        if self.embedding is not None:
            assert labels is not None, "a conditional network needs labels"
            logits = logits + (self.embedding(labels) * features).sum(1, keepdim=True)
        return logits


class Residual(Labelled):
    """shortcut(x) + conv(relu(norm(conv(relu(norm(x)))))), with a change of size by 2 (Miyato et al. 2018).

    The shortcut is a 1 x 1 convolution, relu is leaky with `slope`.
    """

    def __init__(
        self, before: int, after: int, *, up: bool, classes: int = 0, normalised: bool = True, slope: float = 0.0
    ) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2) if up else nn.Identity()
        self.down = nn.Identity() if up else nn.AvgPool2d(2)
        self.norms = nn.ModuleList(BatchNorm(c, classes) if normalised else nn.Identity() for c in (before, after))
        self.first, self.second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)
        self.activation = nn.LeakyReLU(slope)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        inner = self.first(self.up(self._activated(0, x, labels)))
        inner = self.second(self._activated(1, inner, labels))
        # A 1 x 1 convolution and a change of size may swap: the smaller image is the cheaper one.
        return self.up(self.shortcut(self.down(x))) + self.down(inner)

    def _activated(self, i: int, x: Tensor, labels: Tensor | None) -> Tensor:
        norm = self.norms[i]
        return self.activation(norm(x, labels) if isinstance(norm, Labelled) else x)


def _trunk(
    architecture: str, shape: Shape, width: int, classes: int, *, normalised: bool
) -> tuple[Sequence[nn.Module], int]:
    """Layers from images to features (n, size), and that size."""

    def norm(channels: int) -> list[nn.Module]:
        return [BatchNorm(channels, classes)] if normalised else []

    if architecture == "mlp":
        _check(shape)
        sizes = [math.prod(shape), 16 * width, 8 * width]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), *norm(after), nn.LeakyReLU(0.2)]
        return layers, sizes[-1]
    channels, base = _pyramid(shape, width)
    layers = [Pad(base * 2 ** (len(channels) - 1)), nn.Conv2d(shape[0], channels[0], 3, padding=1)]
    if architecture == "conv":
        layers += [nn.LeakyReLU(0.2)]
    for before, after in pairwise(channels):
        if architecture == "resnet":
            layers += [Residual(before, after, up=False, classes=classes, normalised=normalised, slope=0.2)]
        else:
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), *norm(after), nn.LeakyReLU(0.2)]
    if architecture == "resnet":
        layers += [*norm(channels[-1]), nn.LeakyReLU(0.2)]
    return [*layers, nn.Flatten()], channels[-1] * base * base


def _pyramid(shape: Shape, width: int) -> tuple[list[int], int]:
    """Channels at each resolution from full size down, doubling up to four times `width`, and the lowest resolution.

    The size is halved until 4 to 8 pixels remain; sizes that do not halve evenly are padded up to the next that does.
    """
    _check(shape)
    halvings = max(1, int(math.log2(shape[-1] / 4)))
    return [width * min(2**level, 4) for level in range(halvings + 1)], math.ceil(shape[-1] / 2**halvings)


def _check(shape: Shape) -> None:
    channels, height, width = shape
    if channels not in (1, 3) or height != width or not SMALLEST <= height <= LARGEST:
        raise UserError(
            f"no architecture makes images of {channels} x {height} x {width} (c, h, w); all make square ones from "
            f"{SMALLEST} to {LARGEST} pixels with 1 or 3 channels: set data.size and data.channels"
        )
