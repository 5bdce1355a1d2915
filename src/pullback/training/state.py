"""What must a training remember, to go on after a kill as if nothing had happened?

Weights, averages, optimisers, curves, the best weights so far, the global generators, and the number of steps: the
order of the images and the noise of every step follow from that number and the seed. All of it stands in one
safetensors file, which is replaced as a whole.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pullback import files
from pullback.errors import UserError
from pullback.models._model import Model
from pullback.training.ema import Ema

NUMBERS = ("step", "seen_images", "curve", "scores")

Weights = dict[str, dict[str, Tensor]]
"""Parts by name, each a state dict."""


@dataclass
class State:
    """A training after `step` steps.

    Attributes:
        seen_images: images shown so far.
        curve: the logged points, each with its `seen_images`.
        scores: the points at which the averaged weights were scored.
        best: the weights with the best score.
    """

    model: Model
    optimizers: Mapping[str, torch.optim.Optimizer]
    ema: Ema
    step: int = 0
    seen_images: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    best: Weights = field(default_factory=dict)

    def save(self, path: Path, description: Any) -> None:
        """Writes all of it to `path`; `description` (JSON) says which training this is."""
        trees = {
            "parts": weights(self.model.parts),
            "averages": weights(self.ema.modules),
            "best": self.best,
            "optimizers": {name: _optimizer_state(each) for name, each in self.optimizers.items()},
            "random": {"torch": _generators()},
        }
        tensors = {
            f"{kind}/{name}/{key}": tensor
            for kind, tree in trees.items()
            for name, leaves in tree.items()
            for key, tensor in leaves.items()
        }
        numbers = {name: getattr(self, name) for name in NUMBERS}
        files.write_tensors(
            path, tensors, {"description": description, "numbers": numbers, "generators": _plain_generators()}
        )

    def restore(self, path: Path, description: Any) -> None:
        """Takes over what `save` wrote.

        Raises:
            UserError: the file is of a training with another description; the keys that differ are named.
        """
        header = files.read_header(path)
        differing = sorted(set(_differences(header["description"], description)))
        if differing:
            raise UserError(
                f"{path} is a checkpoint of another training, which differs in {', '.join(differing)}; delete it, or "
                "set these as they were"
            )
        trees: dict[str, Weights] = {}
        for path_in_tree, tensor in files.read_tensors(path).items():
            kind, name, key = path_in_tree.split("/", 2)
            trees.setdefault(kind, {}).setdefault(name, {})[key] = tensor
        for kind, modules in (("parts", self.model.parts), ("averages", self.ema.modules)):
            for name, module in modules.items():
                module.load_state_dict(trees[kind][name])
        for name, optimizer in self.optimizers.items():
            _restore_optimizer(optimizer, trees["optimizers"][name])
        _restore_generators(trees["random"]["torch"])
        _restore_plain_generators(header["generators"])
        self.best = trees.get("best", {})
        for name in NUMBERS:
            setattr(self, name, header["numbers"][name])


def weights(parts: Mapping[str, nn.Module]) -> Weights:
    """The state of each part, as it is: it goes on changing with the part."""
    return {name: part.state_dict() for name, part in parts.items()}


def _optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Key "3/exp_avg": that of the fourth parameter. Learning rates and the like follow from the configuration."""
    state = optimizer.state_dict()["state"]
    return {f"{index}/{key}": torch.as_tensor(each) for index, values in state.items() for key, each in values.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    content = optimizer.state_dict()
    for path, tensor in tensors.items():
        index, key = path.split("/")
        content["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(content)
    for weight, values in optimizer.state.items():  # in the weight's own memory layout, which fused kernels rely on
        values |= {
            key: torch.empty_like(weight).copy_(value)
            for key, value in values.items()
            if value.shape == weight.shape and value.dim() > 0
        }


def _generators() -> dict[str, Tensor]:
    """torch's own generators, for models that use them."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _restore_generators(states: dict[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def _plain_generators() -> dict[str, Any]:
    """Python's and NumPy's, as JSON."""
    name, words, *rest = np.random.get_state()
    return {"python": random.getstate(), "numpy": [name, np.asarray(words).tolist(), *rest]}


def _restore_plain_generators(states: dict[str, Any]) -> None:
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(tuple(states["numpy"]))


def _differences(old: Any, new: Any, key: str = "") -> Iterator[str]:
    """The keys, joined by dots, at which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            yield from _differences(old.get(name), new.get(name), f"{key}.{name}" if key else name)
    elif old != new:
        yield key
