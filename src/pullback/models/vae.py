"""How is an image explained by a latent code? By a variational autoencoder (Kingma and Welling 2014).

An encoder and a decoder share a code near N(0, I). The loss is the negative evidence lower bound (ELBO), in nats per
image, with a weight beta on the divergence (Higgins et al. 2017) that is warmed up from 0:

    -E_q(z|x)[log p(x|z)] + beta KL(q(z|x) || N(0, I)),    q(z|x) = N(mu(x), diag exp(v(x)))

The expectation is taken by one draw. What p(x|z) is stands in `_likelihoods.py`; the divergence, its free bits and the
tighter bound by which held-out images are judged, in `_bounds.py`. A `topology_weight` adds the loss of `_topology.py`,
which keeps near images near among the posterior means.

With the likelihood `sigma` every training batch has its own optimal sigma. Held-out images are judged by its running
value, as by those of batch normalisation: a buffer of the decoder, `log_sigma`, that follows with momentum 0.1, so that
averages and checkpoints carry it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from pullback.config import Count, NonNegative, Positive, Share
from pullback.models._bounds import active_units, free_bits, importance_weighted, kl_divergence, log_prior_by_posterior
from pullback.models._layers import across
from pullback.models._likelihoods import bernoulli, bits_per_dim, gaussian, optimal_log_sigma
from pullback.models._model import Batch, Model, ModelParams
from pullback.models._networks import Shape, decoder, encoder
from pullback.models._topology import topological_loss

WINDOW, FEWEST = 20, 0.1  # points of the curve, and the share of active dimensions below which the posterior collapsed


class Params(ModelParams):
    likelihood: Literal["bernoulli", "gaussian", "sigma"] = "bernoulli"
    sigma: Positive = 0.25
    architecture: Literal["mlp", "conv", "resnet"] = "mlp"
    beta: NonNegative = 0.2
    warmup: Share = 0.1
    free_bits: NonNegative = 0.0
    topology_weight: NonNegative = 0.0
    importance_samples: Count = 10
    latent_dim: Annotated[int, Field(ge=2, le=512)] = 16


class Vae(Model):
    updates = {"autoencoder": ["encoder", "decoder"]}
    averaged = ["encoder", "decoder"]
    draws_from = "decoder"

    def __init__(self, params: Params, shape: Shape, classes: int) -> None:
        self.params, self.latent_dim, self.classes = params, params.latent_dim, classes
        self.size = math.prod(shape)
        self.parts = {
            "encoder": encoder(params.architecture, shape, params.width, 2 * params.latent_dim, classes),
            "decoder": decoder(params.architecture, params.latent_dim, shape, params.width, classes),
        }
        if params.likelihood != "bernoulli":
            self.parts["decoder"].register_buffer("log_sigma", torch.tensor(math.log(params.sigma)))

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        mean, log_variance = self._posterior(batch.images, batch.labels)
        latents = mean + torch.exp(log_variance / 2) * batch.noise(*mean.shape)
        answers = self.parts["decoder"](latents, batch.labels).float()
        reconstruction = self._negative_log_likelihood(batch.images, answers).mean()
        divergences = across(kl_divergence(mean, log_variance).mean(0))
        value = reconstruction + self._beta(batch.progress) * free_bits(divergences, self.params.free_bits)
        logged = {}
        if self.params.topology_weight:
            logged["topology"] = topological_loss(batch.images, mean)
            value = value + self.params.topology_weight * logged["topology"]
        return value, {
            "loss": value,
            "reconstruction": reconstruction,
            "kl": divergences.sum(),
            "bits_per_dim": self._bits_per_dim(reconstruction + divergences.sum()),
            "reconstruction_bits_per_dim": self._bits_per_dim(reconstruction),
            "kl_bits_per_dim": bits_per_dim(divergences.sum(), self.size, density=False),
            "active_units": active_units(across(mean.mean(0)), across(mean.square().mean(0))),
            **logged,
        }

    def _beta(self, progress: float) -> float:
        """The weight of the divergence: rises in a line over the first share `warmup` of the budget."""
        return self.params.beta * (min(1.0, progress / self.params.warmup) if self.params.warmup else 1.0)

    def _posterior(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """mu and v (n, d) of q(z|x)."""
        mean, log_variance = self.parts["encoder"](images, labels).float().chunk(2, dim=1)
        return mean, log_variance

    def _negative_log_likelihood(self, images: Tensor, answers: Tensor) -> Tensor:
        """-log p(x|z) (n,); a decoder in training mode follows the batch's optimal sigma, if that is wanted."""
        if self.params.likelihood == "bernoulli":
            return bernoulli(images, answers)
        log_sigma = self.parts["decoder"].get_buffer("log_sigma")
        if self.params.likelihood == "sigma" and self.parts["decoder"].training:
            optimal = optimal_log_sigma(images, answers)
            log_sigma.lerp_(optimal.detach(), 0.1)
            log_sigma = optimal
        return gaussian(images, answers, log_sigma)

    def _bits_per_dim(self, nats: Tensor) -> Tensor:
        return bits_per_dim(nats, self.size, density=self.params.likelihood != "bernoulli")

    @torch.no_grad()
    def judge(self, images: Tensor, labels: Tensor, random: torch.Generator) -> dict[str, float]:
        """How probable held-out images are, on average over them.

        `elbo_nats` (one draw of the latents) and `iwae_nats` (`importance_samples` draws) are lower bounds of log p(x),
        `reconstruction_nats` and `kl_nats` the two terms of -ELBO, without beta and free bits. Of these only the bounds
        are better when higher; their `_bits_per_dim` are of -log p(x). `active_units` is counted in these images alone.
        Draws are decoded one after another, in the memory of one. The parts must be in evaluation mode.
        """
        mean, log_variance = self._posterior(images, labels)
        costs, log_weights = [], []
        for _ in range(self.params.importance_samples):
            noise = torch.randn(mean.shape, generator=random, device=random.device).to(mean.device)
            latents = mean + torch.exp(log_variance / 2) * noise
            answers = self.parts["decoder"](latents, labels).float()
            costs.append(self._negative_log_likelihood(images, answers))
            log_weights.append(log_prior_by_posterior(latents, noise, log_variance) - costs[-1])
        reconstruction, divergence = costs[0].mean(), kl_divergence(mean, log_variance).sum(1).mean()
        elbo, iwae = -reconstruction - divergence, importance_weighted(torch.stack(log_weights)).mean()
        found = {
            "elbo_nats": elbo,
            "iwae_nats": iwae,
            "elbo_bits_per_dim": self._bits_per_dim(-elbo),
            "iwae_bits_per_dim": self._bits_per_dim(-iwae),
            "reconstruction_nats": reconstruction,
            "reconstruction_bits_per_dim": self._bits_per_dim(reconstruction),
            "kl_nats": divergence,
            "kl_bits_per_dim": bits_per_dim(divergence, self.size, density=False),
            "active_units": active_units(mean.mean(0), mean.square().mean(0)),
        }
        return {name: float(value) for name, value in found.items()}

    def diagnose(self, history: Sequence[Mapping[str, float]]) -> dict[str, str]:
        recent = [point["active_units"] for point in history if "active_units" in point][-WINDOW:]
        if len(recent) < WINDOW or max(recent) >= FEWEST * self.latent_dim:
            return {}
        return {
            "posterior_collapse": f"at most {max(recent):.0f} of {self.latent_dim} latent dimensions were active in "
            f"the last {WINDOW} points, so codes say little of images; try a lower beta, a longer warmup, or "
            "free_bits: 0.1"
        }

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.params.learning_rate, fused=True)

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The mean image of p(x|z)."""
        answers = self.parts["decoder"](latents, labels)
        # 2 logistic(a) - 1 = tanh(a / 2): the Bernoulli mean, moved from [0, 1] to [-1, 1].
        return torch.tanh(answers / 2 if self.params.likelihood == "bernoulli" else answers)

    def posterior(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self._posterior(images, labels)
        return mean, torch.exp(log_variance / 2)


def build(params: Params, shape: Shape, classes: int = 0) -> Vae:
    """An untrained VAE for images of `shape` (c, h, w); draws its weights from torch's global generator.

    `classes` other than 0 makes it conditional on that many.
    """
    return Vae(params, shape, classes)
