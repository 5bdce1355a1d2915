"""How do images become features? Batch by batch, on as many devices as there are.

Lightning Fabric starts one process per device. Each embeds whole batches, the same ones however many processes there
are, into files of its own, which are then put together in order; their moments are merged.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import files
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.moments import Moments
from pullback.features._map import FeatureMap
from pullback.progress import bar
from pullback.training.device import count, device

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Images(Protocol):
    """n images, of which slices are uint8 (b, c, h, w): an array, or one that reads them only then."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> NDArray[np.uint8]: ...


Open = Callable[[], Images]
Load = Callable[[torch.device], FeatureMap]


def embed_to(
    out: Path, images: Open, load: Load, *, title: str, accelerator: str = "auto", devices: int | Literal["auto"] = 1
) -> None:
    """Writes features.npy, logits.npy where the map has logits, and moments.safetensors of all images into `out`.

    `images` and `load` open the images and the feature map; with several devices they are pickled and called in each
    process. `devices` are processes where the accelerator is the CPU; "auto" is every GPU, and one process on a CPU.

    Raises:
        UserError: fewer GPUs than `devices`, or what the images or the feature map raise.
    """
    on = device(accelerator)
    world = count(on.type, devices)
    if world == 1:
        _embed(out, images, load, on, title, 0, 1)
        return
    from lightning_fabric import Fabric

    parts = [out / f"part-{rank}" for rank in range(world)]
    try:
        fabric = Fabric(accelerator=on.type, devices=world, strategy="ddp_spawn")
        fabric.launch(_embed_part, parts, images, load, title)  # type: ignore[arg-type] # it passes all on
        for part in parts:
            if (part / "error.txt").exists():
                raise UserError((part / "error.txt").read_text())
        _join(out, [part for part in parts if part.exists()])
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)


def embedded(images: NDArray[np.uint8], load: Load, *, title: str, accelerator: str = "auto") -> Set:
    """Images uint8 (n, c, h, w) with what `embed_to` writes of them, on one device."""
    with TemporaryDirectory() as folder:
        embed_to(Path(folder), lambda: images, load, title=title, accelerator=accelerator)
        return replace(read(Path(folder)), images=images)


def read(folder: Path) -> Set:
    """What `embed_to` wrote into a folder."""
    logits = folder / "logits.npy"
    return Set(
        features=files.read_array(folder / "features.npy"),
        logits=files.read_array(logits) if logits.exists() else None,
        moments=_read_moments(folder),
    )


def _embed_part(fabric: "Fabric", parts: list[Path], images: Open, load: Load, title: str) -> None:
    """One process of several; a mistake that the person can mend would reach the parent as a traceback."""
    part = parts[fabric.global_rank]
    try:
        device(fabric.device.type)  # chooses deterministic kernels
        _embed(part, images, load, fabric.device, title, fabric.global_rank, fabric.world_size)
    except UserError as error:
        files.write_text(part / "error.txt", str(error))
    except KeyboardInterrupt:  # every process gets it; the parent tells
        pass


def _embed(out: Path, images: Open, load: Load, on: torch.device, title: str, rank: int, world: int) -> None:
    """The batches of one of `world` processes; the first one shows how far it is, for all."""
    feature_map, opened, moments = load(on), images(), Moments()
    batches = list(_batches(len(opened), feature_map.batch, rank, world))
    writers: dict[str, files.ArrayWriter] = {}
    with ExitStack() as stack:
        show = stack.enter_context(bar(title, len(batches))) if rank == 0 else None
        for done, rows in enumerate(batches, 1):
            features, logits = feature_map(opened[rows])
            for name, array in {"features": features, "logits": logits}.items():
                if array is not None:
                    if name not in writers:
                        writer = files.ArrayWriter(out / f"{name}.npy", array.shape[1:], np.float32)
                        writers[name] = stack.enter_context(writer)
                    writers[name].append(array)
            moments.update(features)
            if show:
                show(done, "")
    if batches:
        _write_moments(out, moments)


def _batches(n: int, batch: int, rank: int, world: int) -> Iterator[slice]:
    """The share of one of `world` processes in the batches of n images."""
    count = -(-n // batch)
    for i in range(rank * count // world, (rank + 1) * count // world):
        yield slice(i * batch, min((i + 1) * batch, n))


def _join(out: Path, parts: list[Path]) -> None:
    for name in ("features.npy", "logits.npy"):
        arrays = [files.read_array(part / name, mmap=True) for part in parts if (part / name).exists()]
        if arrays:
            with files.ArrayWriter(out / name, arrays[0].shape[1:], np.float32) as writer:
                for array in arrays:
                    writer.append(array)
    moments = Moments()
    for part in parts:
        moments.merge(_read_moments(part))
    _write_moments(out, moments)


def _write_moments(folder: Path, moments: Moments) -> None:
    arrays = {"mean": torch.from_numpy(moments.mean), "scatter": torch.from_numpy(moments.scatter)}
    files.write_tensors(folder / "moments.safetensors", arrays, {"count": moments.count})


def _read_moments(folder: Path) -> Moments:
    path = folder / "moments.safetensors"
    arrays = files.read_tensors(path)
    return Moments(files.read_header(path)["count"], arrays["mean"].numpy(), arrays["scatter"].numpy())
