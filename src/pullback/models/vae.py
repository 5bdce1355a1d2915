"""How is an image explained by a latent code? By a variational autoencoder (Kingma and Welling 2014).

An encoder and a decoder share a code near N(0, I). The loss is the negative evidence lower bound, in nats per image,
with a weight beta on the divergence (Higgins et al. 2017) that is warmed up from 0:

    -E_q(z|x)[log p(x|z)] + beta KL(q(z|x) || N(0, I)),    q(z|x) = N(mu(x), diag exp(v(x)))

Both terms are summed over pixels and latents and averaged over the batch; a mean over pixels would weigh the divergence
by the number of pixels (Rybkin et al. 2021).
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pullback.config import NonNegative, Positive, Share
from pullback.models._model import Batch, Model, ModelParams
from pullback.models._networks import Shape, decoder, encoder


class Params(ModelParams):
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    sigma: Positive = 0.25
    beta: NonNegative = 1.0
    warmup: Share = 0.1
    latent_dim: Annotated[int, Field(ge=2, le=512)] = 16


class Vae(Model):
    updates = {"autoencoder": ["encoder", "decoder"]}
    averaged = ["encoder", "decoder"]
    draws_from = "decoder"

    def __init__(self, params: Params, shape: Shape) -> None:
        self.params = params
        self.latent_dim = params.latent_dim
        self.parts = {
            "encoder": encoder(params.architecture, shape, params.width, 2 * params.latent_dim, spectral=False),
            "decoder": decoder(params.architecture, params.latent_dim, shape, params.width),
        }

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        mean, log_variance = self.parts["encoder"](batch.images).float().chunk(2, dim=1)
        latents = mean + torch.exp(log_variance / 2) * batch.noise(*mean.shape)
        decoded = self.parts["decoder"](latents).float()
        reconstruction = self._negative_log_likelihood(batch.images, decoded).mean()
        divergence = kl_divergence(mean, log_variance).mean()
        beta = self.params.beta * min(1.0, batch.progress / self.params.warmup if self.params.warmup else 1.0)
        value = reconstruction + beta * divergence
        return value, {"loss": value, "reconstruction": reconstruction, "kl": divergence}

    def _negative_log_likelihood(self, images: Tensor, decoded: Tensor) -> Tensor:
        """-log p(x|z) (n,), in nats. Bernoulli takes grey levels in [0, 1] as probabilities, as is the custom."""
        if self.params.likelihood == "bernoulli":
            levels = (images + 1) / 2
            pixels = nn.functional.binary_cross_entropy_with_logits(decoded, levels, reduction="none")
        else:
            scaled = (images - torch.tanh(decoded)) / self.params.sigma
            pixels = scaled**2 / 2 + math.log(self.params.sigma * math.sqrt(2 * math.pi))
        return pixels.flatten(1).sum(1)

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.params.learning_rate, foreach=True)

    def generate(self, latents: Tensor) -> Tensor:
        """The mean image of p(x|z)."""
        decoded = self.parts["decoder"](latents)
        # 2 sigmoid(a) - 1 = tanh(a / 2): the Bernoulli mean, moved from [0, 1] to [-1, 1].
        return torch.tanh(decoded / 2 if self.params.likelihood == "bernoulli" else decoded)

    def encode(self, images: Tensor) -> Tensor:
        return self.parts["encoder"](images).chunk(2, dim=1)[0]


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) (n,), in nats: Kingma and Welling 2014, appendix B."""
    return (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2


def build(params: Params, shape: Shape) -> Vae:
    """An untrained VAE for images of `shape` (c, h, w); draws its weights from torch's global generator."""
    return Vae(params, shape)
