"""Which weights to draw samples with? An exponential moving average of those that training visits.

After a batch of b images, with a half-life of H images and s images seen so far:

    average <- average + (1 - 2^(-b / min(H, r s))) (weights - average)

The ramp r s keeps the average young in short runs (Karras et al. 2020, appendix B, and their code, with r = 0.05).
"""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

RAMP = 0.05


class Ema:
    """The moving average of the weights of some parts, and of their batch statistics.

    Those that a part holds itself are of its last few batches, and would shift all images drawn with the average.
    """

    def __init__(self, parts: Mapping[str, nn.Module], averaged: Sequence[str], halflife_images: int) -> None:
        self._sources = {name: parts[name] for name in averaged}
        self.modules = {name: copy.deepcopy(part).eval() for name, part in self._sources.items()}
        self._halflife_images = halflife_images

    @torch.no_grad()
    def update(self, batch_size: int, seen_images: int) -> None:
        halflife = max(min(self._halflife_images, RAMP * seen_images), 1e-8)
        weight = 1 - 0.5 ** (batch_size / halflife)
        for name, average in self.modules.items():
            source = self._sources[name]
            torch._foreach_lerp_(_numbers(average), _numbers(source), weight)


def _numbers(part: nn.Module) -> list[Tensor]:
    return [*part.parameters(), *(each for each in part.buffers() if each.is_floating_point())]
