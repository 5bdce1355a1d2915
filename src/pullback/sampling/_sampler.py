"""What is a way of sampling, to the stage that draws images?

A method is one file here with the entry point `sampler(model, images, params, seed) -> Sampler`, given a trained model
and the training images uint8 (n, c, h, w), which it may use to learn where the latents lie; and a `Params` class where
it has parameters.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Sampler = Callable[[int, torch.Generator], Tensor]
"""(n, generator on the CPU) -> latents float32 (n, latent_dim), from which the model generates."""
