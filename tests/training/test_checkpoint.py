from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pullback import files, plugins
from pullback.errors import UserError
from pullback.models._layers import BatchNorm
from pullback.models._model import Model, draw
from pullback.training import checkpoint


def saved(folder: Path, name: str, **settings: Any) -> tuple[Model, dict[str, Any]]:
    """A model whose batch statistics are not those of the start, its checkpoint in `folder`, and its description."""
    module = plugins.load("models", name)
    params = module.Params(**{"width": 4, "latent_dim": 3, **settings})
    torch.manual_seed(0)
    model = module.build(params, (1, 8, 8))
    for part in model.parts.values():
        for layer in part.modules():
            if isinstance(layer, BatchNorm):
                layer.running_mean.uniform_()
                layer.running_var.uniform_(0.5, 2)
        part.eval()
    description = {"name": name, "params": params.model_dump(), "shape": [1, 8, 8], "classes": 0}
    checkpoint.save(folder, model, description)
    return model, description


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_a_loaded_model_is_the_saved_one(tmp_path, name):
    model, _ = saved(tmp_path, name)
    torch.manual_seed(7)  # loading draws weights and throws them away
    loaded = checkpoint.load(tmp_path)
    np.testing.assert_array_equal(draw(loaded, torch.ones(4, 3)), draw(model, torch.ones(4, 3)))
    for part, weights in model.parts.items():
        images = torch.ones(2, 3) if part in ("generator", "decoder") else torch.ones(2, 1, 8, 8)
        assert torch.equal(loaded.parts[part](images), weights(images))
        assert not loaded.parts[part].training
        assert not any(parameter.requires_grad for parameter in loaded.parts[part].parameters())


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_the_header_of_every_part_holds_the_configuration(tmp_path, name):
    model, description = saved(tmp_path, name)
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == sorted(f"{part}.safetensors" for part in model.parts)
    assert all(files.read_header(path) == description for path in paths)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        saved(tmp_path / folder, "gan")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_an_empty_or_missing_folder_is_told(tmp_path):
    for folder in (tmp_path, tmp_path / "nosuch"):
        with pytest.raises(UserError, match=f"^{folder} holds no model .*dvc repro"):
            checkpoint.load(folder)


def test_a_missing_part_is_told(tmp_path):
    saved(tmp_path, "gan")
    (tmp_path / "generator.safetensors").unlink()
    with pytest.raises(UserError, match=r"generator\.safetensors does not exist"):
        checkpoint.load(tmp_path)


def test_weights_of_another_size_are_told(tmp_path):
    saved(tmp_path / "wide", "gan", width=8)
    saved(tmp_path, "gan")
    (tmp_path / "wide/generator.safetensors").replace(tmp_path / "generator.safetensors")
    with pytest.raises(UserError, match=r"generator\.safetensors does not fit its header"):
        checkpoint.load(tmp_path)


def test_a_file_of_another_program_is_told(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "generator.safetensors")
    with pytest.raises(UserError, match=r"generator\.safetensors is not a whole safetensors file of this program"):
        checkpoint.load(tmp_path)


def test_a_model_that_no_longer_exists_is_told(tmp_path):
    files.write_tensors(
        tmp_path / "flow.safetensors", {}, {"name": "flow", "params": {}, "shape": [1, 8, 8], "classes": 0}
    )
    with pytest.raises(UserError, match="'flow' is not one of gan, vae"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "key"), [({"params": {"widht": 4}}, "widht"), ({"classes": None}, "classes")], ids=["params", "header"]
)
def test_a_model_of_another_version_is_told(tmp_path, change, key):
    _, description = saved(tmp_path, "gan")
    other = {name: value for name, value in (description | change).items() if value is not None}
    files.write_tensors(tmp_path / "discriminator.safetensors", {}, other)
    message = rf"discriminator\.safetensors was made by another version, which differs in {key}; train the model again"
    with pytest.raises(UserError, match=message):
        checkpoint.load(tmp_path)
