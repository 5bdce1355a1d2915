"""How the stage tells the pace of a sampling method."""

import runpy
import timeit
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from untrained import Untrained

ROOT = Path(__file__).parents[2]


class Flat(Untrained):
    latent_dim, classes = 2, 0

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros(len(latents), 1, 8, 8)


def test_the_pace_is_that_of_the_fastest_batch(monkeypatch):
    drawn = []

    def sampler(labels: Tensor, generator: torch.Generator) -> Tensor:
        drawn.append(len(labels))
        return torch.zeros(len(labels), 2)

    def repeat(draw: Callable[[], object], *, number: int, repeat: int) -> list[float]:
        for _ in range(number * repeat):
            draw()
        return [9.0, 0.5, *[0.7] * (repeat - 2)]

    monkeypatch.setattr(timeit, "repeat", repeat)
    pace = runpy.run_path(str(ROOT / "stages/sample.py"))["pace"]
    assert pace(Flat(), sampler, np.full(300, -1), torch.device("cpu")) == 512
    assert drawn == [256] * 5
