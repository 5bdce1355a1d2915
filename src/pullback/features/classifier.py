"""Which features tell the images of this very data set apart? Those of a small classifier that the pipeline trains.

It needs no download, and is the right map for images far from photographs, such as grey digits. The features are what
its last hidden layer holds, d = 4 `width`. Scores in its space compare with each other, never with published ones,
which are measured in the space of Inception.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from pullback import config, files
from pullback.config import Count, Positive
from pullback.errors import UserError
from pullback.features._exact import exactly, levels
from pullback.features._map import FeatureMap, digest

PREDICT_BATCH = 256
CHECK_EVERY = 50  # steps; each look at the loss waits for the device


class Params(config.Params):
    width: Annotated[int, Field(ge=4, le=256)] = 16
    budget_images: Count = 60_000
    batch_size: Annotated[int, Field(ge=2)] = 64
    learning_rate: Positive = 4e-3
    shift: Annotated[float, Field(ge=0, le=0.25)] = 0.1


class Classifier(nn.Module):
    """Images float32 (n, c, h, w) in [-1, 1] -> features (n, 4 width) and logits (n, classes)."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_block(channels, width), nn.MaxPool2d(2, ceil_mode=True),
            *_block(width, 2 * width), nn.MaxPool2d(2, ceil_mode=True),
            *_block(2 * width, 4 * width), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Linear(4 * width, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return features, self.head(features)


def _block(before: int, after: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return layers


def build(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    params: Params,
    seed: int,
    device: torch.device,
    folder: Path,
) -> None:
    """Trains the classifier and writes it to `folder`.

    Raises:
        UserError: the images have no labels, or all the same one; or as `fit` does.
    """
    if labels.min() < 0 or classes < 2:
        raise UserError(
            "features.name is 'classifier', which needs images of at least two labelled classes; "
            "set features.name to 'pixels', or sort the images into one sub-folder per class"
        )
    model = fit(images, labels, classes, params, seed, device)
    header = {"shape": images.shape[1:], "classes": classes, "width": params.width}
    files.write_tensors(folder / "classifier.safetensors", model.state_dict(), header)


def fit(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    params: Params,
    seed: int,
    device: torch.device,
) -> Classifier:
    """A classifier of images uint8 (n, c, h, w) with labels (n,) in [0, classes), trained with AdamW on random shifts.

    Raises:
        UserError: the loss is no longer a number.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Classifier(images.shape[1], classes, params.width).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=1e-2)
    steps = math.ceil(params.budget_images / params.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.learning_rate, total_steps=steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(images), (params.batch_size,), generator=generator).numpy()
        batch = _shifted(_to_input(images[rows], device), params.shift, generator)
        loss = nn.functional.cross_entropy(model(batch)[1], torch.from_numpy(labels[rows]).to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if (step % CHECK_EVERY == 0 or step == steps) and not loss.isfinite():
            raise UserError(f"the loss is {loss.item()} at step {step}; try a tenth of learning_rate")
    return model.eval()


def predict(model: Classifier, images: NDArray[np.uint8], device: torch.device) -> NDArray[np.int64]:
    """The class (n,) that a trained classifier gives each of the images uint8 (n, c, h, w)."""
    batches = (images[start : start + PREDICT_BATCH] for start in range(0, len(images), PREDICT_BATCH))
    return np.concatenate([_embed(model, device, batch)[1].argmax(1) for batch in batches])


Predict = Callable[[NDArray[np.uint8]], NDArray[np.int64]]


def trainer(device: torch.device) -> Callable[[NDArray[np.uint8], NDArray[np.int64], int, int], Predict]:
    """The function (images, labels, budget in images, seed) -> `predict` of a classifier trained on these."""

    def train(images: NDArray[np.uint8], labels: NDArray[np.int64], budget_images: int, seed: int) -> Predict:
        params = Params(budget_images=budget_images)
        model = fit(images, labels, int(labels.max()) + 1, params, seed, device)
        return lambda others: predict(model, others, device)

    return train


def load(folder: Path, device: torch.device) -> FeatureMap:
    """The classifier that `build` wrote into `folder`; raises `UserError` if there is none."""
    path = Path(folder) / "classifier.safetensors"
    header = files.read_header(path)
    shape = tuple(header["shape"])
    model = Classifier(shape[0], header["classes"], header["width"]).to(device)
    model.load_state_dict(files.read_tensors(path))
    return FeatureMap("classifier", digest(path.read_bytes()), "none", shape, partial(_embed, model.eval(), device))


@exactly()
def _embed(
    model: Classifier, device: torch.device, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    features, logits = model(_to_input(images, device))
    return features.cpu().numpy(), logits.cpu().numpy()


def scores(feature_map: FeatureMap, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> dict[str, float]:
    """The share of held-out images whose largest logit is that of their label."""
    logits = feature_map(images)[1]
    assert logits is not None
    return {"test_accuracy": float((logits.argmax(1) == labels).mean())}


def _to_input(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    return levels(images, device) / 127.5 - 1


def _shifted(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Every image moved by up to `share` of its size in each direction, its border repeated."""
    reach = round(share * images.shape[-1])
    if reach == 0:
        return images
    n, _, h, w = images.shape
    padded = nn.functional.pad(images, (reach,) * 4, mode="replicate")
    down, right = torch.randint(2 * reach + 1, (2, n, 1), generator=generator).to(images.device)
    rows = down + torch.arange(h, device=images.device)
    columns = right + torch.arange(w, device=images.device)
    every = torch.arange(n, device=images.device)
    return padded[every[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
