"""How does one get images out of a model that the pipeline has trained?"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import config, files, plugins
from pullback.errors import UserError
from pullback.models._model import Model, draw, labels_like
from pullback.pictures import enlarged, grid
from pullback.sampling._sampler import Sampler
from pullback.training import checkpoint

BATCH = 256  # images


def batches(
    model: Model, sampler: Sampler, labels: NDArray[np.int64], seed: int, device: torch.device
) -> Iterator[NDArray[np.uint8]]:
    """An image for each label (n,) as uint8 (≤ 256, c, h, w), the same ones for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    for start in range(0, len(labels), BATCH):
        some = torch.from_numpy(labels[start : start + BATCH])
        yield draw(model, sampler(some, generator).to(device), some.to(device))


def labels_in_turn(asked: Sequence[int], n: int, name: str, classes: int) -> NDArray[np.int64]:
    """`n` labels that go through `asked` again and again.

    Raises:
        UserError: models.NAME takes no labels, or not these.
    """
    if not classes:
        raise UserError(
            f"models.{name} has no classes: it was trained without labels; leave --labels out, or set "
            f"models.{name}.conditional: true and train it on data with labels"
        )
    for label in asked:
        if not 0 <= label < classes:
            raise UserError(
                f"--labels has {label}, but models.{name} knows the classes 0 to {classes - 1}; choose among these"
            )
    return np.resize(np.array(asked, np.int64), n)


def generate_to(out: Path, name: str, method: str | None, n: int, seed: int, asked: Sequence[int] = ()) -> str:
    """Writes `n` images of models/NAME, drawn by `method`, to `out`: a grid (.png) or an array (.npy).

    Their labels are those of `asked` in turn; if none are, each class has its share of the training set. Without a
    `method` it is the first that params.yaml lists for the model; returns its name.

    Raises:
        UserError: no such model, method or label, or another kind of file.
    """
    params = config.read()
    methods = params.sample.methods.get(name, {})
    method = method or next(iter(methods), "prior")
    if method not in methods:
        raise UserError(f"sample.methods.{name} has no {method!r}; it has {', '.join(methods) or 'nothing'}")
    if out.suffix not in (".png", ".npy"):
        raise UserError(f"{out} must end in .png (a grid) or .npy (an array)")
    model = checkpoint.load(Path("models") / name)
    train_labels = files.read_array(Path("data/images/train/labels.npy"))
    if asked:
        labels = labels_in_turn(asked, n, name, model.classes)
    else:
        labels = labels_like(train_labels, n, seed, model.classes)
    train = files.read_array(Path("data/images/train/images.npy"), mmap=True)
    sampler = plugins.load("sampling", method).sampler(model, train, train_labels, methods[method], params.seed)
    images = batches(model, sampler, labels, seed, torch.device("cpu"))
    if out.suffix == ".npy":
        with files.ArrayWriter(out, train.shape[1:], np.uint8) as writer:
            for batch in images:
                writer.append(batch)
    else:
        from PIL import Image

        with files.replacing(out) as file:
            Image.fromarray(enlarged(grid(np.concatenate(list(images))), 512)).save(file, "PNG")
    return method
