"""How does a network embed images so that neither the batch nor the device shows in the features beyond 1e-5?"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@contextmanager
def exactly() -> Iterator[None]:
    """No gradients, and float32 throughout: by default NVIDIA's convolutions round their input to 10 bits (TF32)."""
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
    ):
        yield


def levels(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """uint8 images, memory-mapped or not, as float32 from 0 to 255 on the device."""
    return torch.from_numpy(np.array(images)).to(device).float()
