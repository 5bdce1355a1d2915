"""Where do the codes of real images lie? Not quite where the prior says: a mixture of Gaussians is fitted to them.

A VAE's decoder learns from draws of q(z|x) for training images x, which together only resemble the prior N(0, I); draws
of the prior that fall where no codes lie decode to images like none. Fitting the density of the codes after training is
the cheap remedy (Ghosh et al. 2020, "From variational to deterministic autoencoders", arXiv:1903.12436, section 4). It
is fitted to one draw of each image: the means alone lie closer together, and the images made of them are less diverse.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback import config
from pullback.config import Count
from pullback.errors import UserError
from pullback.models._model import Model, to_model_range
from pullback.sampling._sampler import Sampler
from pullback.threads import one_thread

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

MOST, ENCODED = 20_000, 500  # training images whose codes are fitted, and how many of them are encoded at once
CANDIDATES = (1, 2, 5, 10)  # numbers of components


class Params(config.Params):
    components: Count | None = None


def sampler(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], params: Params, seed: int) -> Sampler:
    """Draws from a mixture of Gaussians with full covariances; of a conditional model, one mixture per class.

    The number of components is `params.components`, or the one of 1, 2, 5 and 10 with the lowest BIC (Schwarz 1978).

    Raises:
        UserError: the model has no encoder, or a class has fewer images than a mixture needs.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:MOST])
    codes = _codes(model, images, labels, rows, seed)
    kinds = labels[rows] if model.classes else np.zeros(len(rows), np.int64)
    mixtures = [_fit(codes[kinds == kind], params.components, seed) for kind in range(max(1, model.classes))]

    def draw(wanted: Tensor, generator: torch.Generator) -> Tensor:
        latents = torch.empty(len(wanted), model.latent_dim)
        kinds = wanted if model.classes else torch.zeros_like(wanted)
        for kind, mixture in enumerate(mixtures):
            mine = kinds == kind
            latents[mine] = _draw(mixture, int(mine.sum()), generator)
        return latents

    return draw


@torch.no_grad()
def _codes(
    model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], rows: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """A draw (n, latent_dim) from the posterior of each of some images."""
    device = next(model.parts[model.draws_from].parameters()).device
    codes, generator = [], torch.Generator().manual_seed(seed)
    for start in range(0, len(rows), ENCODED):
        some = rows[start : start + ENCODED]
        batch = to_model_range(torch.from_numpy(images[some]).to(device))
        found = model.posterior(batch, torch.from_numpy(labels[some]).to(device))
        if found is None:
            raise UserError("gmm fits the codes of images, but this model has no encoder; choose prior")
        mean, deviation = (each.cpu().double() for each in found)
        codes.append((mean + deviation * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)).numpy())
    return np.concatenate(codes)


def _fit(codes: NDArray[np.float64], components: int | None, seed: int) -> "GaussianMixture":
    from sklearn.mixture import GaussianMixture

    n, d = codes.shape
    least = max(2, components or d + 1)
    if n < least:
        raise UserError(f"components: a mixture needs {least} images, but is fitted to {n}; choose prior")
    tried = [components] if components else [k for k in CANDIDATES if k * (d + 1) <= n]
    with one_thread():
        mixtures = [GaussianMixture(k, reg_covar=1e-4, random_state=seed).fit(codes) for k in tried]
        return min(mixtures, key=lambda mixture: mixture.bic(codes))


def _draw(mixture: "GaussianMixture", n: int, generator: torch.Generator) -> Tensor:
    """n latents; scikit-learn's own draws would come sorted by component."""
    if n == 0:
        return torch.empty(0, mixture.means_.shape[1])
    chosen = torch.multinomial(torch.from_numpy(mixture.weights_), n, replacement=True, generator=generator)
    noise = torch.randn(n, mixture.means_.shape[1], 1, generator=generator, dtype=torch.float64)
    roots = torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))
    return (torch.from_numpy(mixture.means_)[chosen] + (roots[chosen] @ noise)[..., 0]).float()
