"""How does one image become another? Along a straight line, or along the shortest path over the images of a decoder.

A path z_1 … z_T through the latent space draws a curve of images f(z_1) … f(z_T), f being the decoder. How long it is,
the metric measures that f pulls back from the images, J^T J with J its Jacobian. The shortest curve, at constant speed,
is the geodesic; its points minimise the energy

    E(z) = sum_t |f(z_{t+1}) - f(z_t)|^2

between fixed ends (Shao et al. 2018, arXiv:1711.08014; Arvanitidis et al. 2018, arXiv:1710.11379). Arvanitidis et al.
add the decoder's uncertainty, which grows away from the data and keeps geodesics there. Here f is the mean image alone,
so a geodesic may take a short cut where no data lie: its realism must be measured, not presumed.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.models._model import Model, draw, to_model_range, to_pixels

PAIRS, STEPS = 6, 9  # paths of each kind, and images on each of them, ends included
FINER = 4  # parts of a geodesic between two images: with one, it leaps over what lies between and seems too short
ITERATIONS = 100  # of L-BFGS, at most; three times as many made geodesics of the digits 0 to 3 % shorter


def straight(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Points (steps, *s) at equal distances from `a` to `b`, both of shape (*s) and among the points bit by bit."""
    shares = torch.linspace(0, 1, steps, device=a.device)
    return torch.lerp(a, b, shares.view(-1, *[1] * a.dim()))


def geodesic(
    decode: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, steps: int, iterations: int = ITERATIONS
) -> Tensor:
    """Latents (steps, d), steps at least 3, of the discrete geodesic from `a` to `b` (d,), which it holds bit by bit.

    `decode` turns latents (steps, d) into images (steps, …) and can be differentiated. L-BFGS starts from the straight
    line and accepts no rise, so the path nears a local minimum, and its energy is at most that of the line.
    """
    between = straight(a, b, steps)[1:-1].clone().requires_grad_()
    optimizer = torch.optim.LBFGS([between], max_iter=iterations, line_search_fn="strong_wolfe")

    def path() -> Tensor:
        return torch.cat([a[None], between, b[None]])

    def descend() -> Tensor:
        optimizer.zero_grad()
        value = energy(decode(path()))
        value.backward()
        return value

    optimizer.step(descend)
    return path().detach()


def energy(points: Tensor) -> Tensor:
    """The sum of the squared steps between points (steps, …)."""
    return points.flatten(1).diff(dim=0).square().sum()


def strips(
    model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.uint8]]]:
    """Paths between pairs of images uint8 (n, c, h, w) with labels int64 (n,); fewer than `PAIRS` where few images fit.

    Between images: `pixels` goes straight from one to the other, without the model; `straight` and `geodesic` connect
    their codes. A model without an encoder has the latter two, between draws of N(0, I). Both ends have one class where
    the model is conditional, as there is no path from one label to another, and different classes otherwise.

    Returns:
        The class (pairs,) that the model was asked for along each path, -1 if it is not conditional; and the paths
        uint8 (pairs, steps, c, h, w) by kind, none if there is no pair.
    """
    pairs = choose(labels, seed, within=bool(model.classes))
    asked = labels[pairs[:, 0]] if model.classes else np.full(len(pairs), -1)
    if not len(pairs):
        return asked, {}
    ends = to_model_range(torch.from_numpy(images[pairs]).to(model.device))
    kinds = torch.from_numpy(asked).to(model.device)
    with torch.no_grad():
        codes = model.encode(ends.flatten(0, 1), kinds.repeat_interleave(2))
    drawn = torch.randn(len(pairs), 2, model.latent_dim, generator=torch.Generator().manual_seed(seed)).to(model.device)
    latents = drawn if codes is None else codes.view(drawn.shape)

    found = defaultdict(list)
    for (first, last), (a, b), kind in zip(ends, latents, kinds, strict=True):
        if codes is not None:
            found["pixels"].append(to_pixels(straight(first, last, STEPS)).cpu().numpy())
        for way in ("straight", "geodesic"):
            found[way].append(walk(model, a, b, kind, STEPS, way))
    return asked, {kind: np.stack(paths) for kind, paths in found.items()}


def walk(model: Model, a: Tensor, b: Tensor, kind: Tensor, steps: int, way: str) -> NDArray[np.uint8]:
    """Images uint8 (steps, c, h, w) of the class `kind` () from `a` to `b` (d,), on the `way` straight or geodesic."""
    if way == "straight":
        return draw(model, straight(a, b, steps), kind.expand(steps))
    fine = FINER * (steps - 1) + 1
    shortest = geodesic(partial(model.generate, labels=kind.expand(fine)), a, b, fine)[::FINER]
    return draw(model, shortest, kind.expand(steps))


def choose(labels: NDArray[np.int64], seed: int, *, within: bool) -> NDArray[np.int64]:
    """Rows (≤ PAIRS, 2) of different images: of one class, or of two where there are as many."""
    within = within or len(np.unique(labels)) < 2
    order, pairs = np.random.default_rng(seed).permutation(len(labels)), []
    for i in range(PAIRS):
        first, *others = np.roll(order, -2 * i)
        fits = [other for other in others if (labels[other] == labels[first]) == within]
        pairs += [(first, fits[0])] if fits else []
    return np.array(pairs, np.int64).reshape(-1, 2)
