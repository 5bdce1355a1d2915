"""On which device, and in which precision, do networks run?

Lightning Fabric finds the accelerator; the same code then runs on a CPU or a GPU. Kernels are chosen so that the same
machine gives the same bits twice.
"""

import logging
import os

import torch
from lightning_fabric import Fabric


def fabric(accelerator: str, precision: str) -> Fabric:
    """A launched Fabric on one device.

    `precision` "auto" is bfloat16 autocast on a CUDA device that has it, and float32 elsewhere: bfloat16 changes
    results, so a CPU that has it uses it only when told to.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    torch.use_deterministic_algorithms(True)
    if precision == "auto":
        on_cuda = accelerator in ("auto", "cuda") and torch.cuda.is_available()
        precision = "bf16-mixed" if on_cuda and torch.cuda.is_bf16_supported() else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets on every start
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric
