"""Which weights does a model's name mean? Those of the last training, of a folder, or of a version in the registry."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pullback import config, files
from pullback.errors import UserError
from pullback.models._model import Model
from pullback.tracking.registry import fetch
from pullback.training import checkpoint
from pullback.training.device import device


@dataclass(frozen=True)
class Loaded:
    """A trained model, ready to sample from.

    model: on the device that `train.accelerator` of params.yaml names.
    name: of its plug-in, such as "vae".
    shape: (c, h, w) of its images.
    origin: in words, where the weights are from.
    """

    model: Model
    name: str
    shape: tuple[int, int, int]
    origin: str


def load(model: str, alias: str | None = None) -> Loaded:
    """The model of models/MODEL, or of the folder `model` if there is a slash in it.

    With an `alias`, or the number of a version, it is that of pullback-MODEL in MLflow's registry.

    Raises:
        UserError: there is no such model or version, or its files are not whole.
    """
    if not alias:
        folder = folder_of(model)
        return _loaded(folder, str(folder))
    registered = f"pullback-{model}"
    with tempfile.TemporaryDirectory() as temporary:
        version, weights = fetch(registered, alias, Path(temporary))
        return _loaded(weights, f"version {version} of {registered}")


def folder_of(model: str) -> Path:
    """models/MODEL, or the folder `model` if there is a slash in it.

    Raises:
        UserError: nothing is there, and no model of the pipeline has that name.
    """
    if "/" in model:
        return Path(model)
    folder = Path("models", model)
    if not folder.is_dir() and model not in (models := config.read().train.models):
        raise UserError(f"there is no model {model!r}; choose among {', '.join(models)}, or name a folder of weights")
    return folder


def _loaded(folder: Path, origin: str) -> Loaded:
    part = next(folder.glob("*.safetensors"), None)
    header = files.read_header(part) if part else {}
    if part and "name" not in header:
        raise UserError(f"{folder} holds weights of another kind; name the folder of a model, such as models/gan")
    model = checkpoint.load(folder, device(config.read().train.accelerator))
    return Loaded(model, header["name"], tuple(header["shape"]), origin)
