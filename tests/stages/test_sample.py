"""How the stage tells the pace of a sampling method."""

import runpy
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from untrained import Untrained

ROOT = Path(__file__).parents[2]


class Flat(Untrained):
    latent_dim, classes = 2, 0

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.zeros(len(latents), 1, 8, 8)


def test_the_pace_is_of_whole_batches_after_the_first(monkeypatch):
    pace = runpy.run_path(str(ROOT / "stages/sample.py"))["pace"]
    clock = iter([10.0, 10.2, 10.4, 10.6])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    drawn = []

    def sampler(labels: Tensor, generator: torch.Generator) -> Tensor:
        drawn.append(len(labels))
        return torch.zeros(len(labels), 2)

    assert pace(Flat(), sampler, np.full(300, -1), torch.device("cpu")) == pytest.approx(2 * 256 / 0.6)
    assert drawn == [256] * 3
