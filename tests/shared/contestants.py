"""What the pipeline leaves of a model, as retraining fetches it: images, features, samples and an untrained VAE."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from ruamel.yaml import YAML

from pullback import config, embedding, files, plugins
from pullback.generation import batches
from pullback.models._model import Model, labels_like
from pullback.training import checkpoint

ROOT = Path(__file__).parents[2]
CLASSES = [str(digit) for digit in range(10)]

KID = {"metric": "vae.prior.kid", "direction": "better"}


def params(*more_rules: dict[str, Any], **more: Any) -> config.Config:
    """Those of params.yaml, but of a VAE alone, with pixels as features; `train_start=…` sets train.start."""
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    content["features"]["name"] = "pixels"
    content["train"]["models"], content["retrain"]["gate"] = ["vae"], [KID, *more_rules]
    for key, value in more.items():
        block, _, name = key.partition("_")
        content[block][name] = value
    return config.parse(content)


def digits(first: int, last: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 1, 8, 8) and labels (n,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images[first:last, None] * 15.9375).astype(np.uint8), found.target[first:last].astype(np.int64)


def vae(folder: Path, seed: int, conditional: bool = True, width: int = 4) -> Model:
    """An untrained one, whose weights are in `folder`."""
    module = plugins.load("models", "vae")
    torch.manual_seed(seed)
    own = module.Params(width=width, latent_dim=2, conditional=conditional)
    classes = 10 if conditional else 0
    model = module.build(own, (1, 8, 8), classes)
    described = {"name": "vae", "params": own.model_dump(), "shape": [1, 8, 8], "classes": classes}
    checkpoint.save(folder, model, described)
    return checkpoint.load(folder)


def leave(
    folder: Path, train: tuple[int, int], test: tuple[int, int], seed: int = 0, classes: Sequence[str] = CLASSES
) -> None:
    """All of a pipeline on these digits; classes[i] is the name of the digit i."""
    images: dict[str, NDArray[np.uint8]] = {}
    labels: dict[str, NDArray[np.int64]] = {}
    for split, rows in (("train", train), ("test", test)):
        images[f"real/{split}"], labels[f"real/{split}"] = digits(*rows)
    model = vae(folder / "models/vae", seed)
    asked = labels_like(labels["real/train"], len(labels["real/test"]), 0, 10)
    learned = images["real/train"], labels["real/train"]
    sampler = plugins.load("sampling", "prior").sampler(model, *learned, None, 0)
    images["vae/prior"] = np.concatenate(list(batches(model, sampler, asked, 0, torch.device("cpu"))))
    labels["vae/prior"] = asked
    for name in images:
        write(folder, name, images[name], labels[name])
    files.write_json(folder / "metrics/prepare.json", {"classes": list(classes), "size": 8, "channels": 1})


def write(folder: Path, name: str, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """The images real/SPLIT or vae/METHOD and their features."""
    place = folder / "data" / name.replace("real/", "images/").replace("vae/", "samples/vae/")
    files.write_array(place / "images.npy", images)
    files.write_array(place / "labels.npy", labels)
    load = partial(plugins.load("features", "pixels").load, Path())
    embedding.embed_to(folder / "data/features" / name, lambda: images, load, title="", accelerator="cpu")
