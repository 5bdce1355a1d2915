from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pullback.errors import UserError
from pullback.models import gan, vae
from pullback.models._model import Batch, Model, ModelParams, draw, to_model_range
from pullback.training.loop import DivergedError, Listener, Trained, train


class Picture(nn.Module):
    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.zeros(shape))


class MeanImage(Model):
    """The smallest model: one picture, drawn whatever the latents; `spoil` changes the loss of a step.

    `seen` holds all batches. That it trains shows that a model needs nothing beyond the contract.
    """

    updates = {"picture": ["picture"]}
    draws_from = "picture"
    averaged = ["picture"]

    def __init__(
        self, shape: tuple[int, int, int], spoil: Callable[[int, Tensor, Tensor], Tensor] | None = None
    ) -> None:
        self.latent_dim, self.classes = 2, 0
        self.parts = {"picture": Picture(shape)}
        self.spoil = spoil
        self.seen: list[Batch] = []

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        self.seen.append(batch)
        pixels = self.parts["picture"].pixels
        loss = (batch.images - pixels).square().mean()
        if self.spoil:
            loss = self.spoil(len(self.seen), loss, pixels)
        return loss, {"loss": loss}

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1)

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.parts["picture"].pixels.expand(len(latents), -1, -1, -1)


@dataclass
class Told:
    """What the loop said."""

    scalars: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    grids: list[tuple[int, np.ndarray]] = field(default_factory=list)


def run(cpu, model, params, images, labels=None, seed=0, log_every=1, **others) -> tuple[Trained, Told]:
    told = Told()
    trained = train(
        model,
        params,
        images,
        np.full(len(images), -1) if labels is None else labels,
        fabric=cpu,
        seed=seed,
        log_every=log_every,
        listener=Listener(
            log=lambda seen_images, scalars: told.scalars.append((seen_images, scalars)),
            show=lambda seen_images, grid: told.grids.append((seen_images, grid)),
            score=others.pop("score", None),
            stop=others.pop("stop", lambda: False),
        ),
        **others,
    )
    return trained, told


def params(steps: int, batch_size: int = 2, **others: object) -> ModelParams:
    return ModelParams(**{"budget_images": steps * batch_size, "batch_size": batch_size, "decay": 0.0} | others)


def grey(n: int, level: int = 180) -> np.ndarray:
    return np.full((n, 1, 2, 2), level, np.uint8)


def test_a_third_model_needs_the_contract_alone(cpu):
    trained, told = run(cpu, MeanImage((1, 2, 2)), params(60), grey(8), log_every=20)
    np.testing.assert_array_equal(draw(trained.model, torch.zeros(3, 2)), grey(3))
    assert [seen_images for seen_images, _ in told.scalars] == [40, 80, 120]
    assert told.scalars[-1][1]["loss"] < 1e-6


def test_curves_and_grids_come_when_due_and_at_the_end(cpu):
    _, told = run(cpu, MeanImage((1, 2, 2)), params(25), grey(8), log_every=10, grid_every=20)
    assert [seen_images for seen_images, _ in told.scalars] == [20, 40, 50]
    assert [seen_images for seen_images, _ in told.grids] == [20, 40, 50]
    assert all(grid.shape == (64, 1, 2, 2) and grid.dtype == np.uint8 for _, grid in told.grids)


def test_the_budget_is_rounded_up_to_whole_batches(cpu):
    model = MeanImage((1, 2, 2))
    _, told = run(cpu, model, ModelParams(budget_images=7, batch_size=4), grey(8))
    assert told.scalars[-1][0] == 8
    assert [batch.progress for batch in model.seen] == [0, 4 / 7]


@pytest.mark.parametrize("n", [12, 14])
def test_every_epoch_shows_each_image_once_with_its_label(cpu, n):
    images = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2), np.uint8)
    model = MeanImage((1, 2, 2))
    run(cpu, model, params(9, batch_size=4), images, labels=np.arange(n))
    epochs = np.stack([batch.labels.numpy() for batch in model.seen]).reshape(3, 12)  # of 14, two are left out
    assert all(len(set(epoch)) == 12 for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    for batch in model.seen:
        assert torch.equal(batch.images, to_model_range(torch.from_numpy(images[batch.labels.numpy()])))


@pytest.mark.parametrize("module", [gan, vae])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(cpu, module):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    settings = module.Params(width=4, latent_dim=3, budget_images=40, batch_size=8)

    def weights(seed: int) -> list[bytes]:
        torch.manual_seed(0)  # the same weights at the start
        trained, _ = run(cpu, module.build(settings, (1, 8, 8)), settings, images, seed=seed)
        return [each.numpy().tobytes() for part in trained.model.parts.values() for each in part.state_dict().values()]

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


def test_the_state_of_the_global_generator_does_not_matter(cpu):
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    settings = vae.Params(width=4, latent_dim=3, budget_images=40, batch_size=8)
    drawn = []
    for state in (1, 2):
        torch.manual_seed(0)
        model = vae.build(settings, (1, 8, 8))
        torch.manual_seed(state)
        drawn.append(draw(run(cpu, model, settings, images)[0].model, torch.ones(4, 3)))
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(("moving", "still"), [("generator", "discriminator"), ("discriminator", "generator")])
def test_an_update_changes_its_own_parts_only(cpu, monkeypatch, moving, still):
    monkeypatch.setattr(gan.Gan, "updates", {moving: [moving]})
    monkeypatch.setattr(gan.Gan, "schedule", [moving])
    settings = gan.Params(width=4, latent_dim=3, budget_images=16, batch_size=8, spectral_norm=False)
    model = gan.build(settings, (1, 8, 8))
    before = {name: [each.clone() for each in part.parameters()] for name, part in model.parts.items()}
    run(cpu, model, settings, np.zeros((8, 1, 8, 8), np.uint8))
    pairs = {name: list(zip(before[name], model.parts[name].parameters(), strict=True)) for name in before}
    assert all(torch.equal(old, new) for old, new in pairs[still])
    assert not all(torch.equal(old, new) for old, new in pairs[moving])


def test_more_images_in_a_batch_than_there_are(cpu):
    with pytest.raises(UserError, match="batch_size 9 exceeds the 8 training images; lower it"):
        run(cpu, MeanImage((1, 2, 2)), params(5, batch_size=9), grey(8))


def test_a_batch_that_processes_cannot_share_equally():
    with pytest.raises(UserError, match=r"^batch_size 9 cannot be shared equally by 2 processes; change one of them$"):
        run(SimpleNamespace(world_size=2), MeanImage((1, 2, 2)), params(5, batch_size=9), grey(20))


def test_the_best_weights_are_delivered_and_the_last_ones_kept(cpu):
    """Scores come when due and at the end; of the three the middle one is best."""
    marks = {20: 3.0, 40: 1.0, 60: 2.0}
    heard = []

    def score(seen_images: int, model: Model) -> dict[str, float]:
        heard.append((seen_images, draw(model, torch.zeros(1, 2))))
        return {"fid": -marks[seen_images], "kid": marks[seen_images]}

    images = np.random.default_rng(0).integers(0, 256, (8, 1, 2, 2), dtype=np.uint8)
    trained, told = run(
        cpu, MeanImage((1, 2, 2)), params(30), images, log_every=100, evaluate_every=20, score=score, select="kid"
    )
    assert [seen_images for seen_images, _ in heard] == [seen_images for seen_images, _ in told.scalars] == [20, 40, 60]
    assert trained.seen_images == 40
    np.testing.assert_array_equal(draw(trained.model, torch.zeros(1, 2)), heard[1][1])
    np.testing.assert_array_equal(draw(trained.last, torch.zeros(1, 2)), heard[2][1])
    assert not np.array_equal(heard[1][1], heard[2][1])
    assert trained.scores[1] == {"seen_images": 40, "fid": -1.0, "kid": 1.0}


def test_without_scores_the_last_weights_are_delivered(cpu):
    trained, _ = run(cpu, MeanImage((1, 2, 2)), params(5), grey(8))
    assert trained.seen_images == 10
    assert not trained.scores
    assert torch.equal(trained.model.parts["picture"].pixels, trained.last.parts["picture"].pixels)


def not_a_number(loss: Tensor, pixels: Tensor) -> Tensor:
    return loss * float("nan")


def infinite_gradient(loss: Tensor, pixels: Tensor) -> Tensor:
    return loss + (pixels.sum() * 0).sqrt()


@pytest.mark.parametrize(("log_every", "told_at", "good"), [(1, 4, 3), (2, 4, 2)])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [(not_a_number, "loss is nan"), (infinite_gradient, "the picture has weights that are no numbers")],
)
def test_divergence_is_told_and_the_last_good_weights_are_kept(cpu, spoil, message, log_every, told_at, good):
    model = MeanImage((1, 2, 2), lambda step, loss, pixels: spoil(loss, pixels) if step == 4 else loss)
    with pytest.raises(DivergedError, match=rf"^{message} by step {told_at} \({2 * told_at} images\); try") as caught:
        run(cpu, model, params(10), grey(8), log_every=log_every)
    expected, _ = run(cpu, MeanImage((1, 2, 2)), params(good), grey(8))
    assert torch.equal(caught.value.model.parts["picture"].pixels, expected.model.parts["picture"].pixels)


def test_all_parts_of_a_diverged_model_are_good(cpu, monkeypatch):
    """Those that are not averaged, too."""
    settings = gan.Params(width=4, latent_dim=3, budget_images=80, batch_size=8, learning_rate=1e30)
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    with pytest.raises(DivergedError) as caught:
        run(cpu, gan.build(settings, (1, 8, 8)), settings, images)
    for part in caught.value.model.parts.values():
        assert all(weights.isfinite().all() for weights in part.parameters())


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_vae_rebuilds_two_kinds_of_images_better_than_their_mean(cpu, likelihood):
    rng = np.random.default_rng(0)
    images = np.zeros((64, 1, 8, 8), np.uint8)
    images[::2, :, :4] = images[1::2, :, 4:] = 220  # the upper or the lower half is bright
    images += rng.integers(0, 30, images.shape, dtype=np.uint8)
    settings = vae.Params(
        width=4, latent_dim=2, likelihood=likelihood, budget_images=3200, batch_size=16, ema_halflife_images=200
    )
    torch.manual_seed(0)
    trained, _ = run(cpu, vae.build(settings, (1, 8, 8)), settings, images, log_every=100)
    with torch.no_grad():
        codes = trained.model.encode(to_model_range(torch.from_numpy(images)))
    error = np.square(draw(trained.model, codes) - images.astype(float)).mean()
    assert error < 0.05 * images.var(axis=0).mean()


@pytest.mark.parametrize("loss", ["hinge", "minimax"])
def test_a_gan_learns_the_one_grey_of_its_images(cpu, loss):
    settings = gan.Params(
        width=4, latent_dim=2, loss=loss, budget_images=4000, batch_size=16, ema_halflife_images=300, learning_rate=2e-3
    )
    torch.manual_seed(0)
    images = np.full((32, 1, 8, 8), 180, np.uint8)
    trained, _ = run(cpu, gan.build(settings, (1, 8, 8)), settings, images, log_every=100)
    drawn = draw(trained.model, torch.randn(64, 2, generator=torch.Generator().manual_seed(1)))
    assert abs(drawn.mean() - 180) < 4
    assert drawn.std() < 12


def test_images_and_weights_lie_in_memory_as_convolutions_want_them(cpu, monkeypatch):
    seen = []
    loss = gan.Gan.loss

    def watched(self: gan.Gan, update: str, batch: Batch):
        weight = next(w for w in self.parts["discriminator"].state_dict().values() if w.shape[1:] == (4, 4, 4))
        seen.append((batch.images.stride(), weight.stride()))
        return loss(self, update, batch)

    monkeypatch.setattr(gan.Gan, "loss", watched)
    settings = gan.Params(width=4, latent_dim=3, budget_images=8, batch_size=8, spectral_norm=False)
    images = np.zeros((8, 3, 8, 8), np.uint8)
    run(cpu, gan.build(settings, (3, 8, 8)), settings, images)
    assert set(seen) == {((192, 1, 24, 3), (64, 1, 16, 4))}  # channels_last


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch looks at it while it traces
@pytest.mark.parametrize("module", [gan, vae])
def test_compiled_parts_learn_the_same(cpu, monkeypatch, module):
    """Traced, and run without a compiler; with penalties, whose second derivatives no compiled code has."""
    plain = nn.Module.compile
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: (compiled.append(self), plain(self, backend="eager")))
    settings = module.Params(
        width=4, latent_dim=3, budget_images=24, batch_size=8,
        **({"r1": True, "penalty_every": 1} if module is gan else {}),
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (20, 1, 8, 8), dtype=np.uint8)
    curves = []
    for wanted in (False, True):
        torch.manual_seed(0)
        model = module.build(settings, (1, 8, 8))
        curves.append(run(cpu, model, settings, images, compiled=wanted)[0].curve)
    assert len(compiled) == 2
    for one, other in zip(*curves, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
