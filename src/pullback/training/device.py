"""On which device, and in which precision, do networks run?

Lightning Fabric finds the accelerator; the same code then runs on a CPU or a GPU. Kernels are chosen so that the same
machine gives the same bits twice.
"""

import logging
import os
from typing import TYPE_CHECKING, Literal

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


def count(kind: str, devices: int | Literal["auto"]) -> int:
    """How many devices of a kind ("cpu", "cuda", "mps") `devices` are; on a CPU they are processes, "auto" is one.

    Raises:
        UserError: this machine has fewer.
    """
    most = torch.cuda.device_count() if kind == "cuda" else 1
    if devices == "auto":
        return most
    if kind != "cpu" and devices > most:
        raise UserError(f"devices is {devices}, but this machine has {most} of the kind {kind}; lower it or set auto")
    return devices


def fabric(
    accelerator: str,
    precision: str,
    devices: int | Literal["auto"] = 1,
    nodes: int = 1,
    strategy: Literal["auto", "ddp"] = "auto",
) -> "Fabric":
    """A launched Fabric. With several devices it starts this script once more for each, unless torchrun or SLURM did.

    `precision` "auto" is bfloat16 autocast on a CUDA device that has it, and float32 elsewhere: bfloat16 changes
    results, so a CPU that has it uses it only when told to.

    Raises:
        UserError: this machine lacks the accelerator, the devices or the precision, or another number of processes was
            started.
    """
    from lightning_fabric import Fabric

    on = device(accelerator).type
    each = count(on, devices)
    _check_start(each * nodes, nodes)
    if precision == "auto":
        precision = "bf16-mixed" if on == "cuda" and has_bfloat16(on) else "32-true"
    if precision == "bf16-mixed" and not has_bfloat16(on):
        raise UserError(f"train.precision is bf16-mixed, but this {on} has no bfloat16 arithmetic; set 32-true or auto")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets on every start
    launched = Fabric(
        accelerator=on,
        devices=each,
        num_nodes=nodes,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
    )
    launched.launch()
    return launched


def _check_start(world: int, nodes: int) -> None:
    """Whether as many processes were started as are asked for, where torchrun or SLURM starts them."""
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    started = int(os.environ["WORLD_SIZE"] if by_torchrun else os.environ.get("SLURM_STEP_NUM_TASKS", 1))
    if (by_torchrun or started > 1) and started != world:
        raise UserError(f"{started} processes were started, but train.devices x nodes is {world}; make them equal")
    if nodes > 1 and started == 1:
        raise UserError(f"train.nodes is {nodes}: start the training on all of them by torchrun or srun, see README.md")


def has_bfloat16(kind: str) -> bool:
    """Whether a kind of device computes in bfloat16, and does not only emulate it."""
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and any("bf16" in name and here for name, here in torch.cpu.get_capabilities().items())
