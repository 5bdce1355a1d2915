"""How is a trained model kept? One safetensors file per part, with what is needed to build it again in the header."""

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

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
        UserError: no parts there, or they are not of the model that their header names, or of another version of it.
    """
    paths = sorted(Path(folder).glob("*.safetensors"))
    if not paths:
        raise UserError(f"{folder} holds no model (no .safetensors file); run `dvc repro` to train it")
    description = files.read_header(paths[0])
    module = plugins.load("models", description["name"])
    try:
        params = module.Params.model_validate(description["params"])
        model: Model = module.build(params, tuple(description["shape"]), description["classes"])
    except ValidationError as error:
        raise _other_version(paths[0], [".".join(map(str, each["loc"])) for each in error.errors()]) from error
    except KeyError as error:
        raise _other_version(paths[0], list(error.args)) from error
    for name, part in model.parts.items():
        weights = files.read_tensors(Path(folder) / f"{name}.safetensors")
        try:
            part.load_state_dict(weights)
        except RuntimeError as error:
            raise UserError(f"{folder}/{name}.safetensors does not fit its header {json.dumps(description)}") from error
        part.to(device).eval().requires_grad_(False)
    return model


def _other_version(path: Path, keys: list[str]) -> UserError:
    return UserError(f"{path} was made by another version, which differs in {', '.join(keys)}; train the model again")
