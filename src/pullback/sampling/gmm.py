"""Where do the codes of real images lie? Not quite where the prior says: a mixture of Gaussians is fitted to them.

A VAE's decoder learns from draws of q(z|x) for training images x, which together only resemble the prior N(0, I); draws
of the prior that fall where no codes lie decode to images like none. Fitting the density of the codes after training is
the cheap remedy (Ghosh et al. 2020, "From variational to deterministic autoencoders", arXiv:1903.12436, section 4).
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback import config
from pullback.config import Count
from pullback.errors import UserError
from pullback.models._model import Model
from pullback.sampling._codes import by_class
from pullback.sampling._sampler import Sampler
from pullback.threads import one_thread

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

CANDIDATES = (1, 2, 5, 10)  # numbers of components


class Params(config.Params):
    components: Count | None = None


def sampler(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], params: Params, seed: int) -> Sampler:
    """Draws from a mixture of Gaussians with full covariances; of a conditional model, one mixture per class.

    The number of components is `params.components`, or the one of 1, 2, 5 and 10 with the lowest BIC (Schwarz 1978).

    Raises:
        UserError: the model has no encoder, or a class has fewer images than a mixture needs.
    """
    return by_class(model, images, labels, seed, lambda codes: partial(_draw, _fit(codes, params.components, seed)))


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
