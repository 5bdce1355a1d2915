"""How does a generator learn from a critic alone? As a generative adversarial network (Goodfellow et al. 2014).

The discriminator learns to tell real images from generated ones, the generator to deceive it; the equations stand in
`_losses.py`. One step updates the discriminator, then the generator, each on fresh noise. The discriminator is
spectrally normalised unless `spectral_norm` is off (Miyato et al. 2018).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from pullback.models import _losses
from pullback.models._model import Batch, Model, ModelParams
from pullback.models._networks import Shape, decoder, encoder


class Params(ModelParams):
    loss: Literal["minimax", "hinge"] = "hinge"
    spectral_norm: bool = True


class Gan(Model):
    updates = {"discriminator": ["discriminator"], "generator": ["generator"]}
    averaged = ["generator"]
    draws_from = "generator"

    def __init__(self, params: Params, shape: Shape) -> None:
        self.params = params
        self.latent_dim = params.latent_dim
        self.parts = {
            "generator": decoder(params.architecture, params.latent_dim, shape, params.width),
            "discriminator": encoder(params.architecture, shape, params.width, 1, spectral=params.spectral_norm),
        }

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = _losses.LOSSES[self.params.loss]
        discriminator = self.parts["discriminator"]
        latents = batch.noise(len(batch.images), self.latent_dim)
        if update == "generator":
            value = loss.generator(discriminator(self.generate(latents)))
            return value, {"generator_loss": value}
        with torch.no_grad():
            generated = self.generate(latents)
        real, fake = discriminator(batch.images), discriminator(generated)
        value = loss.discriminator(real, fake)
        accuracy = ((real > 0).float().mean() + (fake < 0).float().mean()) / 2
        return value, {"discriminator_loss": value, "discriminator_accuracy": accuracy}

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.params.learning_rate, betas=(0.0, 0.9), foreach=True)

    def generate(self, latents: Tensor) -> Tensor:
        return torch.tanh(self.parts["generator"](latents))


def build(params: Params, shape: Shape) -> Gan:
    """An untrained GAN for images of `shape` (c, h, w); draws its weights from torch's global generator."""
    return Gan(params, shape)
