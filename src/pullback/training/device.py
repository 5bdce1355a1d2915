"""On which device, and in which precision, do networks run?

Lightning Fabric finds the accelerator; the same code then runs on a CPU or a GPU. Kernels are chosen so that the same
machine gives the same bits twice.
"""

import logging
import os

import torch
from lightning_fabric import Fabric

from pullback.errors import UserError


def device(accelerator: str) -> torch.device:
    """The device of `fabric`, for networks that only answer."""
    return fabric(accelerator, "32-true").device


def fabric(accelerator: str, precision: str) -> Fabric:
    """A launched Fabric on one device.

    `precision` "auto" is bfloat16 autocast on a CUDA device that has it, and float32 elsewhere: bfloat16 changes
    results, so a CPU that has it uses it only when told to.

    Raises:
        UserError: this machine lacks the accelerator.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    torch.use_deterministic_algorithms(True)
    if precision == "auto":
        on_cuda = accelerator in ("auto", "cuda") and torch.cuda.is_available()
        precision = "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets on every start
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(accelerator, True):
        raise UserError(f"train.accelerator is {accelerator!r}, which this machine lacks; set it to auto or cpu")
    launched = Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]
    launched.launch()
    return launched
