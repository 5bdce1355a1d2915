"""How does a generator learn from a critic alone? As a generative adversarial network (Goodfellow et al. 2014).

The discriminator learns to tell real images from generated ones, the generator to deceive it; the equations stand in
`_losses.py`. One step updates the discriminator `discriminator_steps` times, then the generator, each on fresh noise.

What keeps the discriminator from running away: spectral normalisation (Miyato et al. 2018); R1 and R2, the mean squared
gradients of its logits by real and by generated images (Mescheder et al. 2018), taken every `penalty_every` steps and
weighted by as much (Karras et al. 2020); the gradient penalty of WGAN-GP (Gulrajani et al. 2017); and random changes of
all images that it sees (`_augment.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from pullback.config import Count, NonNegative, Positive
from pullback.models._augment import CHANGES
from pullback.models._losses import LOSSES, gradient_penalty, zero_centred_penalty
from pullback.models._model import Batch, Model, ModelParams
from pullback.models._networks import Shape, critic, decoder

WINDOW, PINNED = 20, 0.99  # points of the curve, and the accuracy above which the discriminator has won


class Params(ModelParams):
    loss: Literal["minimax", "non_saturating", "hinge", "least_squares", "wgan_gp", "relativistic"] = "hinge"
    spectral_norm: bool = True
    r1: bool = False
    r2: bool = False
    gamma: Positive | None = None
    penalty_every: Count = 16
    gradient_penalty: NonNegative | None = None
    augment: list[Literal["color", "translation", "cutout"]] = []
    discriminator_steps: Count = 1
    learning_rate: Positive = 2e-3
    ema_halflife_images: Count = 10_000


class Gan(Model):
    updates = {"discriminator": ["discriminator"], "generator": ["generator"]}
    averaged = ["generator"]
    draws_from = "generator"

    def __init__(self, params: Params, shape: Shape, classes: int) -> None:
        self.params, self.latent_dim, self.classes = params, params.latent_dim, classes
        self.parts = {
            "generator": decoder(params.architecture, params.latent_dim, shape, params.width, classes),
            "discriminator": critic(params.architecture, shape, params.width, classes, spectral=params.spectral_norm),
        }
        # Karras et al. 2020, "Training generative adversarial networks with limited data", their code's heuristic.
        self.gamma = params.gamma or 0.0002 * shape[-2] * shape[-1] / params.batch_size
        default = 10.0 if params.loss == "wgan_gp" else 0.0  # Gulrajani et al. 2017
        self.gradient_penalty = default if params.gradient_penalty is None else params.gradient_penalty

    @property
    def schedule(self) -> Sequence[str]:
        return ["discriminator"] * self.params.discriminator_steps + ["generator"]

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        latents = batch.noise(len(batch.images), self.latent_dim)
        if update == "generator":
            return self._generator_loss(batch, self.generate(latents, batch.labels))
        with torch.no_grad():
            generated = self.generate(latents, batch.labels).to(batch.images.dtype)
        return self._discriminator_loss(batch, generated)

    def _generator_loss(self, batch: Batch, generated: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss = LOSSES[self.params.loss]
        logits = self._judged(batch, generated)
        if loss.relativistic:
            logits = logits - self._judged(batch, batch.images)
        value = loss.generator(logits)
        return value, {"generator_loss": value}

    def _discriminator_loss(self, batch: Batch, generated: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        both = torch.cat([batch.images, generated])
        real, fake = self._judged(batch, both).chunk(2)
        value = LOSSES[self.params.loss].discriminator(real, fake)
        # Of pairs, not against 0, which means nothing to least_squares, wgan_gp and relativistic.
        accuracy = (real > fake).float().mean()
        logged = {"discriminator_loss": value, "discriminator_accuracy": accuracy}
        for penalty in self._penalties(batch, generated):
            value = value + penalty
        return value, logged

    def _penalties(self, batch: Batch, generated: Tensor) -> list[Tensor]:
        penalties = []
        if batch.step % self.params.penalty_every == 0:
            weight = self.gamma * self.params.penalty_every
            for wanted, images in ((self.params.r1, batch.images), (self.params.r2, generated)):
                if wanted:
                    penalties.append(weight * zero_centred_penalty(self._gradients(batch, images)))
        if self.gradient_penalty:
            share = batch.uniform(len(generated), 1, 1, 1)
            between = share * batch.images + (1 - share) * generated
            penalties.append(self.gradient_penalty * gradient_penalty(self._gradients(batch, between)))
        return penalties

    def _gradients(self, batch: Batch, images: Tensor) -> Tensor:
        """The gradients of the logits by the images, of which a loss may be made."""
        images = images.detach().requires_grad_()
        with torch.enable_grad(), torch.compiler.set_stance("force_eager"):  # compiled code has no second derivative
            logits = self._judged(batch, images)
            (gradients,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return gradients

    def _judged(self, batch: Batch, images: Tensor) -> Tensor:
        """The discriminator's logits of changed images; of two batches' images, where they are twice as many."""
        for change in self.params.augment:
            images = CHANGES[change](images, batch.uniform)
        return self.discriminate(images, batch.labels.repeat(len(images) // len(batch.labels)))

    def diagnose(self, history: Sequence[Mapping[str, float]]) -> dict[str, str]:
        recent = [point["discriminator_accuracy"] for point in history if "discriminator_accuracy" in point][-WINDOW:]
        if len(recent) < WINDOW or min(recent) < PINNED:
            return {}
        return {
            "discriminator_collapse": f"the discriminator told at least {min(recent):.0%} of the images apart at the "
            f"last {WINDOW} points, so the generator learns nothing; try augment: [translation], a lower "
            f"learning_rate, or r1: true with a gamma well above {self.gamma:.2g}, the one that follows from the size"
        }

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self.params.learning_rate, betas=(0.0, 0.9), fused=True)

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.tanh(self.parts["generator"](latents, labels))

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        logits: Tensor = self.parts["discriminator"](images, labels)
        return logits.float().flatten()


def build(params: Params, shape: Shape, classes: int = 0) -> Gan:
    """An untrained GAN for images of `shape` (c, h, w); draws its weights from torch's global generator.

    `classes` other than 0 makes it conditional on that many.
    """
    return Gan(params, shape, classes)
