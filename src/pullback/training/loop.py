"""How does a model learn? Batches from a shuffled set, the model's updates in turn, an average of the weights.

The loop knows the contract of `models/_model.py` and nothing of GANs or VAEs. Everything random comes from generators
that are seeded here, so the same seed on the same machine gives the same weights to the last bit.
"""

import copy
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.errors import UserError
from pullback.models._model import Batch, Model, ModelParams, draw, to_model_range
from pullback.training.ema import Ema

if TYPE_CHECKING:
    from lightning_fabric import Fabric

GRID = 64  # images in a sample grid


class DivergedError(UserError):
    """A loss or a weight is no longer a number. `model` holds those of the last logged step that were."""

    def __init__(self, message: str, model: Model) -> None:
        super().__init__(message)
        self.model = model


def train(
    model: Model,
    params: ModelParams,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    fabric: "Fabric",
    seed: int,
    log_every: int,
    grid_every: int,
    log: Callable[[int, dict[str, float]], None],
    show: Callable[[int, NDArray[np.uint8]], None],
) -> Model:
    """Trains `model` on `params.budget_images` images and returns a copy with averaged weights.

    `model` itself is left with its last weights and its parts wrapped by Fabric.

    Args:
        images: uint8 (n, c, h, w), in memory or memory-mapped.
        labels: int64 (n,), -1 for none.
        log_every: steps between two calls of `log(seen_images, scalars)`.
        grid_every: images between two calls of `show(seen_images, generated uint8 (64, c, h, w))`.

    Raises:
        UserError: the batch is larger than the set.
        DivergedError: a loss or a weight is NaN or infinite; this is looked for when `log` is due.
    """
    if params.batch_size > len(images):
        raise UserError(f"batch_size {params.batch_size} exceeds the {len(images)} training images; lower it")
    generator = torch.Generator(fabric.device).manual_seed(seed)
    for name, part in model.parts.items():
        model.parts[name] = fabric.setup_module(part)
    optimizers = {update: _optimizer(model, parts, fabric) for update, parts in model.updates.items()}
    ema = Ema(_unwrapped(model).parts, model.averaged, params.ema_halflife_images)
    averaged = _unwrapped(_with_parts(model, ema.modules))
    last_good = _with_parts(averaged, copy.deepcopy(averaged.parts))
    grid_latents = torch.randn(GRID, model.latent_dim, generator=torch.Generator().manual_seed(seed)).to(fabric.device)

    steps = math.ceil(params.budget_images / params.batch_size)
    order = _order(len(images), params.batch_size, seed)
    next_grid = 0
    for step in range(1, steps + 1):
        rows = next(order)
        batch = Batch(
            images=to_model_range(torch.from_numpy(images[rows]).to(fabric.device)),
            labels=torch.from_numpy(labels[rows]).to(fabric.device),
            progress=step / steps,
            generator=generator,
        )
        scalars: dict[str, Tensor] = {}
        for update, parts in model.updates.items():
            for name, part in model.parts.items():
                part.requires_grad_(name in parts)
            optimizers[update].zero_grad(set_to_none=True)
            loss, logged = model.loss(update, batch)
            fabric.backward(loss)
            optimizers[update].step()
            scalars |= logged
        seen_images = step * params.batch_size
        ema.update(params.batch_size, seen_images)

        if step % log_every == 0 or step == steps:
            values = {name: value.item() for name, value in scalars.items()}
            _check_finite(values, averaged, step, seen_images, last_good)
            for name, part in averaged.parts.items():
                last_good.parts[name].load_state_dict(part.state_dict())
            log(seen_images, values)
        if seen_images >= next_grid or step == steps:
            show(seen_images, draw(averaged, grid_latents))
            next_grid += grid_every
    return averaged


def _order(n: int, batch_size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Rows of one batch after another, shuffled anew in every epoch; an incomplete last batch is left out."""
    rng = np.random.default_rng(seed)
    while True:
        rows = rng.permutation(n)
        for start in range(0, n - batch_size + 1, batch_size):
            yield rows[start : start + batch_size]


def _optimizer(model: Model, parts: Any, fabric: "Fabric") -> torch.optim.Optimizer:
    parameters = [parameter for name in parts for parameter in model.parts[name].parameters()]
    optimizer: Any = fabric.setup_optimizers(model.optimizer(parameters))
    return optimizer


def _with_parts(model: Model, parts: dict[str, torch.nn.Module]) -> Model:
    """The same model with some of its parts exchanged."""
    view = copy.copy(model)
    view.parts = {**model.parts, **parts}
    return view


def _unwrapped(model: Model) -> Model:
    return _with_parts(model, {name: getattr(part, "module", part) for name, part in model.parts.items()})


def _check_finite(values: dict[str, float], model: Model, step: int, seen_images: int, last_good: Model) -> None:
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    for name, part in model.parts.items():  # a finite loss may have had an infinite gradient
        if not all(weights.isfinite().all() for weights in part.parameters()):
            bad.append(f"the {name} has weights that are no numbers")
    if bad:
        message = f"{bad[0]} by step {step} ({seen_images} images); try a tenth of the learning rate"
        raise DivergedError(message, last_good)
