"""On which device, and in which precision, do networks run?

Lightning Fabric finds the accelerator; the same code then runs on a CPU or a GPU. Kernels are chosen so that the same
machine gives the same bits twice.
"""

import logging
import os
from typing import TYPE_CHECKING

import torch

from pullback.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def device(accelerator: str) -> torch.device:
    """The device that `fabric` would take, for networks that only answer; Fabric itself takes a second to import.

    Raises:
        UserError: this machine lacks the accelerator.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    torch.use_deterministic_algorithms(True)
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator == "auto":
        return torch.device(next(name for name, here in present.items() if here))
    if not present[accelerator]:
        raise UserError(f"the accelerator {accelerator!r} is not on this machine; choose auto or cpu")
    return torch.device(accelerator)


def fabric(accelerator: str, precision: str) -> "Fabric":
    """A launched Fabric on one device.

    `precision` "auto" is bfloat16 autocast on a CUDA device that has it, and float32 elsewhere: bfloat16 changes
    results, so a CPU that has it uses it only when told to.

    Raises:
        UserError: this machine lacks the accelerator.
    """
    from lightning_fabric import Fabric

    on = device(accelerator).type
    if precision == "auto":
        precision = "bf16-mixed" if on == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets on every start
    launched = Fabric(accelerator=on, devices=1, precision=precision)  # type: ignore[arg-type]
    launched.launch()
    return launched
