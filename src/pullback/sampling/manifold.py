"""Where between the codes of real images? A random step away from one of them, along the manifold on which they lie.

The edges of the k-NN graph of the codes, from a code c to its neighbours c_1 ... c_k, span the manifold's tangent at
c. A draw takes a random code and goes along all of its edges at once, each by a random share:

    z = c + (1 / sqrt(k)) sum_j e_j (c_j - c),    e_j ~ N(0, 1)

so that z has the covariance of the edges about c, like a draw of manifold Parzen windows (Vincent & Bengio 2003)
without their isotropic noise. It never leaves the surroundings of real codes, as draws of the prior do, and assumes no
number of Gaussians. Points between two neighbours, a smaller step, are images too typical: on the digits, means of four
draws, their recall was 0.66 against 0.86, and with C_T = -4.5 against -1.0 they came close to copies of training
images.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback import config
from pullback.config import Count
from pullback.errors import UserError
from pullback.models._model import Model
from pullback.neighbors import knn
from pullback.sampling._codes import by_class
from pullback.sampling._sampler import Sampler


class Params(config.Params):
    neighbors: Count = 10


def sampler(model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], params: Params, seed: int) -> Sampler:
    """Draws a step away from the codes of training images; of a conditional model, along one graph per class.

    Raises:
        UserError: the model has no encoder, or a class has no more images than `params.neighbors`.
    """
    return by_class(model, images, labels, seed, lambda codes: partial(stepped, *_graph(codes, params.neighbors)))


def _graph(points: NDArray[np.float64], k: int) -> tuple[Tensor, Tensor]:
    if k >= len(points):
        raise UserError(f"neighbors is {k}, but there are only {len(points)} images of a class; lower it")
    return torch.from_numpy(points).float(), torch.from_numpy(knn(points, k)[1])


def stepped(points: Tensor, neighbours: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n points, each a step away from a random one of `points` (m, d), whose nearest are `neighbours` (m, k)."""
    at = torch.randint(len(points), (n,), generator=generator)
    edges = points[neighbours[at]] - points[at][:, None]
    shares = torch.randn(*edges.shape[:2], 1, generator=generator)
    return points[at] + (shares * edges).sum(1) / neighbours.shape[1] ** 0.5
