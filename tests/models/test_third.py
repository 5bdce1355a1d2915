"""Is a model one file? A third one is laid into the folder of models; nothing else is told of it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from ruamel.yaml import YAML

import pullback.models
from pullback import config, generation, plugins
from pullback.errors import UserError
from pullback.models._model import labels_like
from pullback.sampling import prior
from pullback.training import checkpoint
from pullback.training.loop import train

FILE = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(autouse=True)
def third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of models seems to hold third.py too."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "third.py", folder)
    monkeypatch.setattr(pullback.models, "__path__", [*pullback.models.__path__, str(folder)])
    yield
    if sys.modules.pop("pullback.models.third", None):
        del pullback.models.third


def params_with(block: dict[str, object]) -> dict[str, object]:
    params = YAML(typ="safe").load(FILE)
    params["models"]["third"] = block
    params["train"]["models"].append("third")
    params["sample"]["methods"]["third"] = {"prior": {}}
    return params


def test_its_name_is_known():
    assert plugins.names("models") == ["gan", "third", "vae"]


def test_its_block_is_read():
    parsed = config.parse(params_with({"noise": 0.2, "learning_rate": 0.5}))
    assert type(parsed.models["third"]) is plugins.load("models", "third").Params
    assert parsed.models["third"].model_dump()["noise"] == 0.2
    assert "third.prior.fid" in config.directions(parsed)


def test_a_wrong_key_in_its_block_is_refused():
    with pytest.raises(UserError, match=r"models\.third\.nois is no key; did you mean 'noise'\?"):
        config.parse(params_with({"nois": 0.2}))
    with pytest.raises(UserError, match=r"models\.third\.noise: should be greater than 0, not -1"):
        config.parse(params_with({"noise": -1.0}))


@pytest.mark.parametrize("classes", [0, 2])
def test_it_learns_is_kept_and_drawn_from(tmp_path, classes):
    """Black images of class 0, white ones of class 1."""
    module = plugins.load("models", "third")
    settings = {"learning_rate": 0.5, "budget_images": 800, "batch_size": 8, "latent_dim": 2, "noise": 0.01}
    params, shape = module.Params(**settings), (1, 8, 8)
    labels = np.arange(32) % 2
    images = np.where(labels[:, None, None, None] == 1, 255, 0).astype(np.uint8) * np.ones(shape, np.uint8)
    fabric = Fabric(accelerator="cpu", devices=1)
    model = module.build(params, shape, classes)
    trained = train(model, params, images, labels, fabric=fabric, seed=0, log_every=10)
    assert trained.curve[-1]["loss"] == pytest.approx(0 if classes else 1, abs=0.1)

    description = {"name": "third", "params": params.model_dump(), "shape": list(shape), "classes": classes}
    checkpoint.save(tmp_path / "kept", trained.model, description)
    loaded = checkpoint.load(tmp_path / "kept")
    wanted = labels_like(labels, 300, 0, classes)
    sampler = prior.sampler(loaded, images, labels, None, 0)
    drawn = np.concatenate(list(generation.batches(loaded, sampler, wanted, 0, torch.device("cpu"))))
    assert (drawn.shape, drawn.dtype) == ((300, *shape), np.uint8)
    levels = [drawn[wanted == label].mean() for label in (0, 1)] if classes else [drawn.mean()]
    assert levels == pytest.approx([0, 255] if classes else [127.5], abs=40)
