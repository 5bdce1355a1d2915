import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pullback.models import gan
from pullback.models._augment import CHANGES
from pullback.models._losses import LOSSES
from pullback.models._model import Batch

DISCRIMINATOR = "discriminator"


def batch(n: int = 8, step: int = 0, part: tuple[int, int] = (0, 1)) -> Batch:
    """Of three classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 1, 8, 8, generator=generator) * 2 - 1
    rank, processes = part
    return Batch(images[rank::processes], (torch.arange(n) % 3)[rank::processes], step, 0.5, generator, part)


def build(classes: int = 0, **params: Any) -> gan.Gan:
    torch.manual_seed(0)
    settings = {"architecture": "mlp", "width": 4, "latent_dim": 3, "batch_size": 8, **params}
    return gan.build(gan.Params(**settings), (1, 8, 8), classes)


class Judge(nn.Module):
    """A discriminator whose logits, and thus their gradients, are known; it keeps what it was shown."""

    def __init__(self, logits: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logits = logits
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.seen.append(images)
        return self.logits(images.flatten(1))[:, None]


def linear(slope: float = 0.5) -> Judge:
    """D(x) = w . x with |w|^2 = 64 slope^2."""
    return Judge(lambda x: slope * x.sum(1))


def quadratic() -> Judge:
    """D(x) = |x|^2 / 2, whose gradient is x."""
    return Judge(lambda x: x.square().sum(1) / 2)


class Painter(nn.Module):
    """A generator of images that are `level` all over."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(math.atanh(level)))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.logit.expand(len(latents), 1, 8, 8)


def penalty(model: gan.Gan, at: Batch) -> float:
    value, logged = model.loss(DISCRIMINATOR, at)
    return (value - logged["discriminator_loss"]).item()


def gradients(part: nn.Module) -> Iterator[Tensor | None]:
    return (parameter.grad for parameter in part.parameters())


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet"])
def test_images_stay_in_range(architecture, classes):
    images = build(classes, architecture=architecture).generate(1000 * torch.randn(6, 3), torch.arange(6) % 3)
    assert images.shape == (6, 1, 8, 8)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_is_made_of_the_logits_of_real_and_generated_images(loss):
    model, at = build(loss=loss, gradient_penalty=0.0), batch()
    model.parts |= {"discriminator": linear(0.02), "generator": Painter(0.5)}
    real, fake = 0.02 * at.images.flatten(1).sum(1, keepdim=True), torch.full((8, 1), 0.02 * 64 * 0.5)
    value, logged = model.loss(DISCRIMINATOR, at)
    torch.testing.assert_close(value, LOSSES[loss].discriminator(real, fake))
    assert logged["discriminator_loss"] is value
    value, logged = model.loss("generator", at)
    torch.testing.assert_close(value, LOSSES[loss].generator(fake - real if loss == "relativistic" else fake))
    assert list(logged) == ["generator_loss"]


# Penalties


@pytest.mark.parametrize(("wanted", "squares"), [("r1", 0.25 * 64), ("r2", 0.36 * 64)])
@pytest.mark.parametrize("gamma", [None, 3.0])
def test_r1_is_of_real_and_r2_of_generated_images(wanted, squares, gamma):
    model = build(**{wanted: True}, gamma=gamma, penalty_every=4)
    model.parts |= {"discriminator": quadratic(), "generator": Painter(0.6)}
    at = batch()
    at.images.fill_(0.5)
    default = 0.0002 * 64 / 8  # pixels / batch
    assert penalty(model, at) == pytest.approx((gamma or default) * 4 * squares / 2, rel=1e-4)


def test_both_are_the_squared_slope_of_a_linear_discriminator():
    model = build(r1=True, r2=True, gamma=1.0, penalty_every=1)
    model.parts["discriminator"] = linear(0.5)
    assert penalty(model, batch()) == pytest.approx(2 * 64 * 0.5**2 / 2, rel=1e-5)


def test_they_are_taken_on_every_sixteenth_step():
    model = build(r1=True, r2=True)
    model.parts["discriminator"] = linear()
    assert [step for step in range(40) if penalty(model, batch(step=step)) > 0] == [0, 16, 32]


@pytest.mark.parametrize("params", [{"loss": "wgan_gp"}, {"gradient_penalty": 10.0}])
def test_the_gradient_penalty_is_taken_on_every_step(params):
    model = build(**params)
    model.parts["discriminator"] = linear(0.5)
    for step in (0, 1):
        assert penalty(model, batch(step=step)) == pytest.approx(10 * (8 * 0.5 - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize("params", [{}, {"loss": "wgan_gp", "gradient_penalty": 0.0}])
def test_there_are_no_penalties_unless_wanted(params):
    model = build(**params)
    model.parts["discriminator"] = linear()
    assert penalty(model, batch()) == 0
    assert len(model.parts["discriminator"].seen) == 1


def test_the_gradient_penalty_is_taken_between_real_and_generated_images():
    model, at = build(loss="wgan_gp"), batch()
    model.parts |= {"discriminator": linear(), "generator": Painter(-0.9)}
    model.loss(DISCRIMINATOR, at)
    between = model.parts["discriminator"].seen[-1]
    shares = ((between + 0.9) / (at.images + 0.9)).flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand(-1, 64), rtol=1e-2, atol=1e-2)  # one share per image
    assert len(shares[:, 0].unique()) == 8
    assert ((shares >= 0) & (shares <= 1.01)).all()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet"])
@pytest.mark.parametrize("wanted", [{"r1": True, "gamma": 100.0}, {"gradient_penalty": 10.0}])
def test_penalties_change_the_gradients_of_the_discriminators_weights(wanted, architecture, precision):
    """Second derivatives, also through spectral normalisation, labels, augmentation and bfloat16."""
    found = []
    for params in ({}, wanted):
        model = build(3, architecture=architecture, augment=["color", "translation"], **params)
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            value, _ = model.loss(DISCRIMINATOR, batch())
        assert value.dtype == torch.float32
        value.backward()
        found.append([grad for grad in gradients(model.parts["discriminator"]) if grad is not None])
    without, with_penalty = found
    changed = [not torch.equal(*pair) for pair in zip(without, with_penalty, strict=True)]
    assert sum(changed) > len(changed) / 2  # no constant that is added to the logits has part in their slope
    assert all(grad.isfinite().all() for grad in with_penalty)


# Training steps


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize(("update", "idle"), [(DISCRIMINATOR, "generator"), ("generator", DISCRIMINATOR)])
def test_an_update_reaches_all_of_its_own_part_and_nothing_else(update, idle, classes):
    model = build(classes, r1=True, r2=True, loss="non_saturating", augment=list(CHANGES))
    for name, part in model.parts.items():  # as the training loop does
        part.requires_grad_(name in model.updates[update])
    model.loss(update, batch())[0].backward()
    assert all(grad is None for grad in gradients(model.parts[idle]))
    assert all(grad is not None and grad.any() for grad in gradients(model.parts[update]))


def test_the_discriminators_update_leaves_the_generator_alone_by_itself():
    model = build()
    model.loss(DISCRIMINATOR, batch())[0].backward()
    assert all(grad is None for grad in gradients(model.parts["generator"]))


@pytest.mark.parametrize("steps", [1, 3])
def test_the_discriminator_is_updated_several_times_before_the_generator(steps):
    assert build(discriminator_steps=steps).schedule == [DISCRIMINATOR] * steps + ["generator"]


def test_what_adam_is_told():
    weights = list(build().parts["generator"].parameters())
    (group,) = build(learning_rate=0.25).optimizer(weights).param_groups
    assert (group["lr"], group["betas"], group["fused"]) == (0.25, (0.0, 0.9), True)


@pytest.mark.parametrize(("real", "fake", "accuracy"), [(0.9, 0.2, 1.0), (-0.2, -0.9, 1.0), (0.2, 0.9, 0.0)])
def test_accuracy_is_the_share_of_pairs_ranked_rightly(real, fake, accuracy):
    """Wherever the zero of the logits lies."""
    model, at = build(), batch()
    at.images.fill_(real)
    model.parts |= {"discriminator": linear(), "generator": Painter(fake)}
    assert model.loss(DISCRIMINATOR, at)[1]["discriminator_accuracy"] == accuracy


def test_both_sides_see_augmented_images_also_where_gradients_are_penalised():
    model = build(augment=["cutout"], r1=True, loss="relativistic")
    model.parts |= {"discriminator": linear(), "generator": Painter(0.5)}
    for update in model.schedule:
        model.loss(update, batch())
    seen = model.parts["discriminator"].seen
    assert [len(images) for images in seen] == [16, 8, 8, 8]  # both; R1; generated, real
    assert all((images == 0).flatten(1).any(1).all() for images in seen)


def test_processes_that_share_a_batch_show_the_discriminator_the_same_images():
    """Noise, augmentation, and the points between, for every rank as if it were alone."""

    def shown(part: tuple[int, int]) -> list[Tensor]:
        model = build(3, augment=list(CHANGES), r1=True, r2=True, loss="wgan_gp")
        model.parts["generator"].eval()  # batch normalisation over processes is tested by itself
        model.parts["discriminator"] = linear()
        with torch.random.fork_rng():
            for update in model.schedule:
                model.loss(update, batch(part=part))
        return model.parts["discriminator"].seen

    whole, halves = shown((0, 1)), [shown((rank, 2)) for rank in (0, 1)]
    for expected, *found in zip(whole, *halves, strict=True):
        torch.testing.assert_close(torch.stack(found, 1).flatten(0, 1), expected)


# Conditions, diagnoses, and the rest of the contract


def test_labels_reach_both_networks():
    model = build(3)
    nn.init.normal_(model.parts["generator"].eval()[1].scale)
    latents, labels = torch.randn(8, 3), (torch.zeros(8).long(), torch.ones(8).long())
    drawn = [model.generate(latents, each) for each in labels]
    assert not torch.allclose(*drawn)
    judged = [model.parts["discriminator"].eval()(drawn[0], each) for each in labels]
    assert not torch.allclose(*judged)


def test_real_and_generated_images_of_one_place_have_one_label():
    class Told(nn.Module):
        def forward(self, images: Tensor, labels: Tensor) -> Tensor:
            self.labels = labels
            return images.flatten(1).sum(1, keepdim=True)

    model = build(3)
    model.parts["discriminator"] = Told()
    model.loss(DISCRIMINATOR, batch())
    assert model.parts["discriminator"].labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1] * 2


@pytest.mark.parametrize(
    ("accuracies", "ill"),
    [
        ([0.5] * 5 + [1.0] * 20, True),
        ([1.0] * 19, False),
        ([1.0] * 10 + [0.95] + [1.0] * 19, False),
        ([0.99] * 20, True),
        ([], False),
    ],
)
def test_a_discriminator_that_has_won_is_diagnosed(accuracies, ill):
    history = [{"discriminator_accuracy": accuracy} for accuracy in accuracies]
    found = build().diagnose([{"seen_images": 3.0}, *history, {"kid": 0.1}])
    assert list(found) == ["discriminator_collapse"] * ill
    assert all("augment: [translation], a lower learning_rate, or r1" in sentence for sentence in found.values())


def test_it_has_no_encoder_and_no_judgement_of_its_own():
    model, at = build(), batch()
    assert model.encode(at.images) is None
    assert model.judge(at.images, at.labels, at.random) == {}
