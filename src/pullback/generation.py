"""How does one get images out of a model that the pipeline has trained?"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import config, files, plugins
from pullback.errors import UserError
from pullback.models._model import Model, draw
from pullback.pictures import enlarged, grid
from pullback.sampling._sampler import Sampler
from pullback.training import checkpoint

BATCH = 256  # images


def batches(model: Model, sampler: Sampler, n: int, seed: int, device: torch.device) -> Iterator[NDArray[np.uint8]]:
    """`n` images as uint8 (≤ 256, c, h, w), the same ones for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, n, BATCH):
        yield draw(model, sampler(min(BATCH, n - start), generator).to(device))


def generate_to(out: Path, name: str, method: str, n: int, seed: int) -> None:
    """Writes `n` images of models/NAME, drawn by `method`, to `out`: a grid (.png) or an array (.npy).

    Raises:
        UserError: no such model or method, or another kind of file.
    """
    params = config.read()
    methods = params.sample.methods.get(name, {})
    if method not in methods:
        raise UserError(f"sample.methods.{name} has no {method!r}; it has {', '.join(methods) or 'nothing'}")
    if out.suffix not in (".png", ".npy"):
        raise UserError(f"{out} must end in .png (a grid) or .npy (an array)")
    model = checkpoint.load(Path("models") / name)
    train = files.read_array(Path("data/images/train/images.npy"), mmap=True)
    sampler = plugins.load("sampling", method).sampler(model, train, methods[method], params.seed)
    images = batches(model, sampler, n, seed, torch.device("cpu"))
    if out.suffix == ".npy":
        with files.ArrayWriter(out, train.shape[1:], np.uint8) as writer:
            for batch in images:
                writer.append(batch)
    else:
        from PIL import Image

        with files.replacing(out) as file:
            Image.fromarray(enlarged(grid(np.concatenate(list(images))), 512)).save(file, "PNG")
