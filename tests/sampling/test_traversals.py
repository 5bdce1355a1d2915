"""Lines through the latent space of decoders whose answer to each number is known."""

import numpy as np
import torch
from torch import Tensor, nn
from untrained import Untrained

from pullback.models._model import to_pixels
from pullback.sampling.traversals import ROWS, STEPS, traversals


class Weighted(Untrained):
    """Pixel i is number i of the latent, weighted; the pixel after the last one is the class."""

    def __init__(self, weights: list[float], classes: int = 0) -> None:
        super().__init__()
        self.weights, self.latent_dim, self.classes = torch.tensor(weights), len(weights), classes

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        kinds = (labels[:, None] + 1) / 10 if self.classes else torch.zeros(len(latents), 1)
        pixels = torch.cat([latents * self.weights, kinds], 1)
        return nn.functional.pad(pixels, (0, 64 - pixels.shape[1])).view(-1, 1, 8, 8)


def test_one_number_at_a_time_goes_from_minus_to_plus_two_and_a_half():
    lines = traversals(Weighted([0.1, 0.2]))
    assert lines.shape == (2, STEPS, 1, 8, 8)
    assert lines.dtype == np.uint8
    for line, (moved, still, weight) in zip(lines, [(1, 0, 0.2), (0, 1, 0.1)], strict=True):
        assert (line[:, 0, 0, moved] == to_pixels(weight * torch.linspace(-2.5, 2.5, STEPS)).numpy()).all()
        assert (line[:, 0, 0, still] == 128).all()


def test_the_numbers_that_change_the_image_most_come_first_and_no_more_than_fit():
    weights = [0.02 * i for i in (3, 0, 11, 7, 1, 9, 2, 5, 4, 8)]
    lines = traversals(Weighted(weights))
    assert len(lines) == ROWS < len(weights)
    moved = [int(line[0, 0].ravel()[:10].argmin()) for line in lines]
    assert moved == [2, 5, 9, 3, 7, 8, 0, 6]


def test_each_row_asks_a_conditional_model_for_the_next_class():
    lines = traversals(Weighted([0.1, 0.4, 0.3, 0.2], classes=3))
    kinds = to_pixels(torch.tensor([0.1, 0.2, 0.3, 0.1])).numpy()
    assert (lines[..., 0, 0, 4] == kinds[:, None]).all()
    assert [int(line[0, 0, 0, :4].argmin()) for line in lines] == [1, 2, 3, 0]  # the order is not that of the classes
