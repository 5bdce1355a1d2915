"""Which images does one get out of a model that the pipeline has trained? Those of a method, labels and a seed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import config, files, plugins
from pullback.errors import UserError
from pullback.models._model import Model, draw, labels_like
from pullback.sampling._sampler import Sampler

BATCH = 256  # images
TRAIN = Path("data/images/train")


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


class Generated(NamedTuple):
    """Images uint8 (≤ 256, c, h, w) at a time, the label of each int64 (n,), -1 = none, and the method's name."""

    images: Iterator[NDArray[np.uint8]]
    labels: NDArray[np.int64]
    method: str


def generated(model: Model, name: str, method: str | None, n: int, seed: int, asked: Sequence[int] = ()) -> Generated:
    """`n` images of the model `name`, drawn by `method` while they are asked for.

    Their labels are those of `asked` in turn; if none are, each class has its share of the training set. Without a
    `method` it is the first that params.yaml lists for the model.

    Raises:
        UserError: no such method or label, or the training images are not there, from which the method learns.
    """
    params = config.read()
    listed = params.sample.methods.get(name, {})
    methods = listed | {"prior": listed.get("prior")}  # which every model has
    method = method or next(iter(methods))
    if method not in methods:
        raise UserError(f"sample.methods.{name} has no {method!r}; it has {', '.join(methods)}")
    module = plugins.load("sampling", method)
    images = train_labels = None
    if getattr(module, "LEARNS", True):
        images, train_labels = (_train(part, "choose --method prior") for part in ("images", "labels"))
    labels = _labels(model, name, n, seed, asked)
    sampler = module.sampler(model, images, train_labels, methods[method], params.seed)
    return Generated(batches(model, sampler, labels, seed, model.device), labels, method)


def _labels(model: Model, name: str, n: int, seed: int, asked: Sequence[int]) -> NDArray[np.int64]:
    if asked:
        return labels_in_turn(asked, n, name, model.classes)
    if not model.classes:
        return np.full(n, -1)
    return labels_like(_train("labels", "name the classes with --labels"), n, seed, model.classes)


def _train(part: str, instead: str) -> NDArray[Any]:
    path = TRAIN / f"{part}.npy"
    if not path.is_file():
        raise UserError(f"{path} is needed but does not exist; run `dvc repro prepare` to make it, or {instead}")
    return files.read_array(path, mmap=part == "images")
