"""How does a model learn? Batches from a shuffled set, the model's updates in turn, an average of the weights.

The loop knows the contract of `models/_model.py` and nothing of GANs or VAEs. Everything random follows from the seed
and the number of the step, so the same seed on the same machine gives the same weights to the last bit, also when the
training is killed and goes on from a checkpoint. Between two logged points it never waits for the device, but for a
grid of samples.

Several processes (Lightning Fabric) share every batch: each works on its part, with the noise that one process alone
would have given to these images, and the gradients are averaged. Only the first process logs and writes.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pullback.errors import UserError
from pullback.models._model import Batch, Model, ModelParams, draw, to_model_range
from pullback.training.batches import batches, order
from pullback.training.ema import Ema
from pullback.training.state import State, Weights, weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric

GRID = 64  # images in a sample grid


class DivergedError(UserError):
    """A loss or a weight is no longer a number. `model` holds those of the last logged step that were."""

    def __init__(self, message: str, seen_images: int, model: Model) -> None:
        super().__init__(message)
        self.seen_images, self.model = seen_images, model


class Stopped(Exception):
    """The training was asked to stop, and wrote its checkpoint if it has one; the message says where it stands."""


@dataclass(frozen=True)
class Listener:
    """Who hears of a training, in the first process alone.

    Attributes:
        log: (images seen, scalars) every `log_every` steps.
        show: (images seen, generated images uint8 (64, c, h, w)) every `grid_every` images.
        score: (images seen, model) -> scores, by name, every `evaluate_every` images, in every process; None = never.
        stop: whether the training shall write a checkpoint and stop.
    """

    log: Callable[[int, dict[str, float]], None] = lambda seen_images, scalars: None
    show: Callable[[int, NDArray[np.uint8]], None] = lambda seen_images, images: None
    score: Callable[[int, Model], dict[str, float]] | None = None
    stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class Trained:
    """What a training ends with.

    Attributes:
        model: with the averaged weights that scored best, or the last ones where nothing scored.
        last: with the last averaged weights.
        curve: the logged points, each with its `seen_images`.
        scores: the scored points.
        seen_images: images shown until `model` was reached.
    """

    model: Model
    last: Model
    curve: list[dict[str, float]]
    scores: list[dict[str, float]]
    seen_images: int


def train(
    model: Model,
    params: ModelParams,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    fabric: "Fabric",
    seed: int,
    log_every: int,
    grid_every: int = 2**62,
    evaluate_every: int = 2**62,
    select: str = "fid",
    listener: Listener = Listener(),
    compiled: bool = False,
    data_on_device: bool | Literal["auto"] = "auto",
    checkpoint: Path | None = None,
    checkpoint_seconds: float = math.inf,
    description: Any = None,
) -> Trained:
    """Trains `model` on `params.budget_images` images, or goes on from `checkpoint` where that exists.

    `model` itself is left with its last weights.

    Args:
        images: uint8 (n, c, h, w), in memory or memory-mapped.
        labels: int64 (n,), -1 for none.
        fabric: launched; its precision and its processes are used.
        log_every: steps between two logged points.
        grid_every: images between two grids of samples.
        evaluate_every: images between two scores of the averaged weights.
        select: the score whose lowest value names the best weights.
        compiled: whether torch.compile translates the parts.
        data_on_device: as `keep` of `batches`.
        checkpoint: a file, written every `checkpoint_seconds` at the next logged point, when asked to stop, and at the
            end, from where a later call has nothing more to do.
        description: JSON, what the training depends on; a checkpoint of another one is refused.

    Raises:
        UserError: the batch is larger than the set, or cannot be shared equally; as `State.restore` does.
        DivergedError: a loss or a weight is NaN or infinite; this is looked for at every logged point.
        Stopped: `listener.stop` said so.
    """
    _check(params.batch_size, len(images), fabric.world_size)
    training = _Training(model, params, fabric, seed, select)
    state = training.state
    if checkpoint and checkpoint.exists():
        training.restore(checkpoint, description)
    if compiled:
        for part in model.parts.values():
            part.compile()
    used = state.seen_images // params.batch_size
    rows = order(len(images), params.batch_size, seed, used, training.share)
    source = batches(images, labels, rows, fabric.device, data_on_device)
    saved = time.monotonic()

    while state.seen_images < params.budget_images:
        before = state.seen_images
        scalars = training.step(source)
        over = state.seen_images >= params.budget_images
        score_due = listener.score is not None and (over or _passed(evaluate_every, before, state.seen_images))
        log_due = over or score_due or state.step % log_every == 0
        if log_due:
            training.log(scalars, listener)
        if score_due:
            training.score(listener)
        if over or _passed(grid_every, before, state.seen_images):
            training.show(listener)
        # Processes that share a batch must stop at the same step, which they agree on where they wait anyway.
        stopping = (log_due or fabric.world_size == 1) and fabric.broadcast(listener.stop())
        if checkpoint and (stopping or over or (log_due and time.monotonic() - saved >= checkpoint_seconds)):
            training.save(checkpoint, description)
            saved = time.monotonic()
        if stopping and not over:
            raise Stopped(f"stopped after {state.seen_images} of {params.budget_images} images")
    return training.result()


class _Training:
    """A model, its optimisers and its averages, step by step."""

    def __init__(self, model: Model, params: ModelParams, fabric: "Fabric", seed: int, select: str) -> None:
        self.model, self.params, self.fabric, self.seed, self.select = model, params, fabric, seed, select
        self.share = (fabric.global_rank, fabric.world_size)
        for part in model.parts.values():
            part.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = {
            update: [weight for name in parts for weight in model.parts[name].parameters()]
            for update, parts in model.updates.items()
        }
        self.optimizers = {update: model.optimizer(each) for update, each in self.parameters.items()}
        ema = Ema(model.parts, model.averaged, params.ema_halflife_images)
        self.state = State(model, self.optimizers, ema)
        self.averaged = _with_parts(model, ema.modules)
        self.good = copy.deepcopy(weights(self.averaged.parts))
        self.noise = torch.Generator(fabric.device)

    def step(self, source: Iterator[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """All updates of one training step; returns what they log."""
        state, before = self.state, self.state.seen_images
        progress = before / self.params.budget_images
        self.noise.manual_seed(_seed_of(self.seed, state.step))
        scalars: dict[str, Tensor] = {}
        done: set[str] = set()
        for update in self.model.schedule:
            if not done or update in done:
                pixels, labels = next(source)
                images = to_model_range(pixels).contiguous(memory_format=torch.channels_last)
                batch = Batch(images, labels, state.step, progress, self.noise, self.share)
                state.seen_images += self.params.batch_size
            done.add(update)
            scalars |= self._update(update, batch)
        state.step += 1
        state.ema.update(state.seen_images - before, state.seen_images)
        return scalars

    def _update(self, update: str, batch: Batch) -> dict[str, Tensor]:
        for name, part in self.model.parts.items():
            part.requires_grad_(name in self.model.updates[update])
        optimizer = self.optimizers[update]
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * _rate(self.params.decay, batch.progress)
        optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            loss, logged = self.model.loss(update, batch)
        loss.backward()
        self._average_gradients(self.parameters[update])
        optimizer.step()
        return logged

    def _average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """By hand: DDP's wrapper knows neither two networks in one loss nor gradients of gradients."""
        if self.fabric.world_size > 1:
            gradients = [weight.grad for weight in parameters if weight.grad is not None]
            mean = self._mean(torch.cat([each.flatten() for each in gradients]))
            for each, values in zip(gradients, mean.split([each.numel() for each in gradients]), strict=True):
                each.copy_(values.view_as(each))  # in the layout that it has, channels_last for one

    def _mean(self, tensor: Tensor) -> Tensor:
        """The mean over the processes."""
        mean = self.fabric.all_reduce(tensor, reduce_op="mean")
        assert isinstance(mean, Tensor)
        return mean

    def log(self, scalars: dict[str, Tensor], listener: Listener) -> None:
        """Fetches the scalars of a step, which waits for the device, and looks whether they are numbers."""
        stacked = torch.stack([value.detach().float() for value in scalars.values()])
        values = dict(zip(scalars, self._mean(stacked).tolist(), strict=True))
        self._check_finite(values)
        self.good = copy.deepcopy(weights(self.averaged.parts))
        self.state.curve.append({"seen_images": self.state.seen_images, **values})
        if self.fabric.is_global_zero:
            listener.log(self.state.seen_images, values)

    def score(self, listener: Listener) -> None:
        """Scores the averaged weights, which `log` has just copied, and keeps the copy if none was better."""
        assert listener.score is not None
        state = self.state
        scores = listener.score(state.seen_images, self.averaged)
        if scores[self.select] < min((point[self.select] for point in state.scores), default=math.inf):
            state.best = self.good
        state.scores.append({"seen_images": state.seen_images, **scores})

    def show(self, listener: Listener) -> None:
        if self.fabric.is_global_zero:
            latents = torch.randn(GRID, self.model.latent_dim, generator=torch.Generator().manual_seed(self.seed))
            labels = torch.arange(GRID) % max(1, self.model.classes)
            on = self.fabric.device
            listener.show(self.state.seen_images, draw(self.averaged, latents.to(on), labels.to(on)))

    def restore(self, checkpoint: Path, description: Any) -> None:
        self.state.restore(checkpoint, description)
        self.good = copy.deepcopy(weights(self.averaged.parts))

    def save(self, checkpoint: Path, description: Any) -> None:
        self._check_finite({})
        if self.fabric.is_global_zero:
            self.state.save(checkpoint, description)

    def result(self) -> Trained:
        state = self.state
        best = min(state.scores, key=lambda point: point[self.select]) if state.scores else state.curve[-1]
        return Trained(
            self._with(state.best or weights(self.averaged.parts)),
            self._with(weights(self.averaged.parts)),
            state.curve,
            state.scores,
            int(best["seen_images"]),
        )

    def _with(self, kept: Weights) -> Model:
        """A copy of the averaged model with other weights."""
        parts = copy.deepcopy(self.averaged.parts)
        for name, part in parts.items():
            part.load_state_dict(kept[name])
            part.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # as files and exports want it
        return _with_parts(self.model, parts)

    def _check_finite(self, values: dict[str, float]) -> None:
        bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        for name, part in self.averaged.parts.items():  # a finite loss may have had an infinite gradient
            if not torch.stack([each.isfinite().all() for each in part.parameters()]).all():
                bad.append(f"the {name} has weights that are no numbers")
        if bad:
            at = f"step {self.state.step} ({self.state.seen_images} images)"
            message = f"{bad[0]} by {at}; try a tenth of the learning rate"
            raise DivergedError(message, self.state.seen_images, self._with(self.good))


def _passed(every: int, before: int, after: int) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return before // every < after // every


def _rate(decay: float, progress: float) -> float:
    """The learning rate's share of its peak: falls to 0 in a line over the last share `decay` of the budget."""
    return min(1.0, (1 - progress) / decay) if decay else 1.0


def _seed_of(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> 1)


def _check(batch_size: int, n: int, processes: int) -> None:
    if batch_size > n:
        raise UserError(f"batch_size {batch_size} exceeds the {n} training images; lower it")
    if batch_size % processes:
        raise UserError(
            f"batch_size {batch_size} cannot be shared equally by {processes} processes; change one of them"
        )


def _with_parts(model: Model, parts: dict[str, nn.Module]) -> Model:
    """The same model with some of its parts exchanged."""
    view = copy.copy(model)
    view.parts = {**model.parts, **parts}
    return view
