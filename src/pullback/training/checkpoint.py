"""How is a trained model kept? One safetensors file per part, with what is needed to build it again in the header."""

import json
from pathlib import Path
from typing import Any

import torch

from pullback import files, plugins
from pullback.errors import UserError
from pullback.models._model import Model


def save(folder: Path, model: Model, description: dict[str, Any]) -> None:
    """Writes `folder/PART.safetensors` for every part.

    `description` is what `load` needs: `name` (the plug-in), `params` (its block), `shape` (c, h, w), and `classes` (0
    for a model that takes no labels).
    """
    for name, part in model.parts.items():
        files.write_tensors(folder / f"{name}.safetensors", part.state_dict(), description)


def load(folder: Path, device: torch.device | str = "cpu") -> Model:
    """The model saved in `folder`, ready to sample from; no code in the files is run.

    Raises:
        UserError: no parts there, or they are not of the model that their header names.
    """
    paths = sorted(Path(folder).glob("*.safetensors"))
    if not paths:
        raise UserError(f"{folder} holds no model (no .safetensors file); run `dvc repro` to train it")
    description = files.read_header(paths[0])
    module = plugins.load("models", description["name"])
    params = module.Params.model_validate(description["params"])
    model: Model = module.build(params, tuple(description["shape"]), description["classes"])
    for name, part in model.parts.items():
        weights = files.read_tensors(Path(folder) / f"{name}.safetensors")
        try:
            part.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(f"{folder}/{name}.safetensors does not fit its header {json.dumps(description)}") from error
        part.to(device).eval().requires_grad_(False)
    return model
