"""Which draws does the discriminator itself take for real? Only those are kept.

Discriminator rejection sampling (Azadi et al. 2019, arXiv:1810.06758). With L(x) = log p_data(x) / p_generated(x) and
its largest value M, keeping x with probability exp(L - M) would give draws of the data. But M is huge; the paper keeps
x with probability

    sigmoid(F),    F(x) = L - M - log(1 - exp(L - M - epsilon)) - gamma

where gamma, the `percentile` of F over draws, decides how many are kept: at 100, or where that is above 0, as few as
exactness asks. The logit D of a trained discriminator is not L, least of all with the hinge loss: L = a D + b is fitted
by logistic regression of training images against as many draws (Turner et al. 2019, arXiv:1811.11357, calibrate so
too). What it costs is variety, and draws thrown away.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from pullback import config
from pullback.errors import UserError
from pullback.models._model import Model, to_model_range
from pullback.sampling._sampler import Sampler
from pullback.threads import one_thread

CALIBRATED, AT_ONCE = 2_000, 250  # images on each side of the regression, and how many of them at once
EPSILON = 1e-6
ROUNDS = 100  # after which a latent is kept though it was rejected as often


class Params(config.Params):
    percentile: Annotated[float, Field(ge=0, le=100)] = 80.0
    """The higher, the fewer draws are kept, and the nearer they come to the data; 100 = as exactness asks."""


@dataclass(frozen=True)
class Acceptance:
    """How probably an image is kept, given the discriminator's logit of it: L = slope D + intercept, M and gamma."""

    slope: float
    intercept: float
    most: float
    gamma: float = 0.0

    def score(self, logits: Tensor) -> Tensor:
        """F (n,) of logits float64 (n,)."""
        below = (self.slope * logits + self.intercept - self.most).clamp(max=0.0)
        return below - torch.log1p(-torch.exp(below - EPSILON)) - self.gamma

    def __call__(self, logits: Tensor) -> Tensor:
        """The probability (n,) to be kept, of logits float64 (n,)."""
        return torch.sigmoid(self.score(logits))


def fitted(real: Tensor, generated: Tensor, percentile: float) -> Acceptance:
    """From the logits float64 (n,) of real and of as many generated images."""
    from sklearn.linear_model import LogisticRegression

    logits = torch.cat([real, generated]).numpy()[:, None]
    with one_thread():
        line = LogisticRegression(C=np.inf).fit(logits, np.arange(len(logits)) < len(real))
    slope, intercept = float(line.coef_[0, 0]), float(line.intercept_[0])
    without_gamma = Acceptance(slope, intercept, float((slope * generated + intercept).max()))
    return replace(
        without_gamma, gamma=min(0.0, float(np.percentile(without_gamma.score(generated).numpy(), percentile)))
    )


@torch.no_grad()
def sampler(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], params: Params, seed: int) -> Sampler:
    """Draws from N(0, I) until the discriminator keeps one for each label.

    Raises:
        UserError: the model has no discriminator.
    """

    def judged(images: Tensor, labels: Tensor) -> Tensor:
        logits = model.discriminate(images.to(model.device), labels.to(model.device))
        if logits is None:
            raise UserError("rejection asks the discriminator, but this model has none; choose prior")
        return logits.double().cpu()

    def tried(labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A latent for each label, and the logits of its image."""
        latents = torch.randn(len(labels), model.latent_dim, generator=generator)
        return latents, judged(model.generate(latents.to(model.device), labels.to(model.device)), labels)

    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:CALIBRATED])
    generator = torch.Generator().manual_seed(seed)
    of_real, of_generated = [], []
    for part in np.array_split(rows, math.ceil(len(rows) / AT_ONCE)):
        some = torch.from_numpy(labels[part])
        of_real.append(judged(to_model_range(torch.from_numpy(images[part])), some))
        of_generated.append(tried(some, generator)[1])
    keep = fitted(torch.cat(of_real), torch.cat(of_generated), params.percentile)

    @torch.no_grad()
    def draw(wanted: Tensor, generator: torch.Generator) -> Tensor:
        latents = torch.empty(len(wanted), model.latent_dim)
        left = torch.arange(len(wanted))
        for _ in range(ROUNDS):
            latents[left], logits = tried(wanted[left], generator)
            left = left[torch.rand(len(left), generator=generator) >= keep(logits)]
            if not len(left):
                break
        return latents

    return draw
