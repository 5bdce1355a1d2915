"""What is a way of sampling, to the stage that draws images?

A method is one file here with the entry point `sampler(model, images, labels, params, seed) -> Sampler`, given a
trained model and the training images uint8 (n, c, h, w) with their labels int64 (n,), which it may use to learn where
the latents lie; and a `Params` class where it has parameters. With `LEARNS = False` in the file it does not look at
these images, and may be given None for them.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Sampler = Callable[[Tensor, torch.Generator], Tensor]
"""(labels int64 (n,), -1 for none, generator on the CPU) -> latents float32 (n, latent_dim), one for each label."""
