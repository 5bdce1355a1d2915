"""How does a discriminator learn from few images? It sees real and generated ones through the same random changes.

DiffAugment (Zhao et al. 2020, arXiv:2006.10738): the changes are differentiable, so the generator learns through them,
and does not reproduce them, as it would if real images alone were changed. Images are float32 (n, c, h, w) in [-1, 1];
`random(*shape)` gives uniform numbers in [0, 1), of which each image of the batch takes its own.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Uniform = Callable[..., Tensor]


def color(x: Tensor, random: Uniform) -> Tensor:
    """Brightness moved by up to 0.5, saturation scaled by 0 to 2 (of colours alone), contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = (random(len(x), 1, 1, 1).to(x.dtype) for _ in range(3))
    x = x + brightness - 0.5
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * saturation * 2
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (contrast + 0.5)


def translation(x: Tensor, random: Uniform) -> Tensor:
    """Moved by up to an eighth of the size either way, in whole pixels; black (-1) comes in at the border.

    Theirs is grey (0), which would draw a frame on black images.
    """
    size = x.shape[-1]
    most = int(size / 8 + 0.5)
    places = torch.arange(size, device=x.device)
    dy, dx = ((random(len(x), 1) * (2 * most + 1)).floor().long() - most for _ in range(2))
    # Row i of the result is row i + dy of x: a product with a matrix of zeros and ones, fast and deterministic.
    rows, columns = ((places + d)[:, :, None] == places for d in (dy, dx))
    return rows[:, None].to(x.dtype) @ (x + 1) @ columns[:, None].to(x.dtype).mT - 1


def cutout(x: Tensor, random: Uniform) -> Tensor:
    """A square of half the size, anywhere, set to grey (0)."""
    n, _, _, size = x.shape
    half = size // 2
    top, left = ((random(n, 1) * (size + 1 - half % 2)).floor().long() - half // 2 for _ in range(2))
    places = torch.arange(size, device=x.device)[None]
    rows, columns = ((places >= start) & (places < start + half) for start in (top, left))
    return x.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0.0)


CHANGES = {"color": color, "translation": translation, "cutout": cutout}
