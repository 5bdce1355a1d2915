import math

import pytest
import torch
from torch import Tensor, tensor

from pullback.models._losses import LOSSES, gradient_penalty, zero_centred_penalty

REAL, FAKE = tensor([[1.0], [-2.0]]), tensor([[0.5], [3.0]])


def log_sigmoid(x: float) -> float:
    return math.log(1 / (1 + math.exp(-x)))


ON_REAL, ON_FAKE = (log_sigmoid(1) + log_sigmoid(-2)) / 2, (log_sigmoid(-0.5) + log_sigmoid(-3)) / 2  # 1 - s(x) = s(-x)
BY_HAND = {  # what the discriminator descends, and the generator
    "minimax": (-ON_REAL - ON_FAKE, ON_FAKE),
    "non_saturating": (-ON_REAL - ON_FAKE, -(log_sigmoid(0.5) + log_sigmoid(3)) / 2),
    "hinge": ((0 + 3) / 2 + (1.5 + 4) / 2, -3.5 / 2),
    "least_squares": ((0 + 9) / 4 + (0.25 + 9) / 4, (0.25 + 4) / 4),
    "wgan_gp": (3.5 / 2 - -1 / 2, -3.5 / 2),
    "relativistic": (-(log_sigmoid(1 - 0.5) + log_sigmoid(-2 - 3)) / 2, -(log_sigmoid(-0.5) + log_sigmoid(5)) / 2),
}


def seen_by_the_generator(name: str, real: Tensor, fake: Tensor) -> Tensor:
    return fake - real if LOSSES[name].relativistic else fake


@pytest.mark.parametrize("name", LOSSES)
def test_by_hand(name):
    of_discriminator, of_generator = BY_HAND[name]
    assert LOSSES[name].discriminator(REAL, FAKE).item() == pytest.approx(of_discriminator, rel=1e-6)
    logits = seen_by_the_generator(name, REAL, FAKE)
    assert LOSSES[name].generator(logits).item() == pytest.approx(of_generator, rel=1e-6)


def test_only_the_relativistic_loss_compares_pairs():
    assert [name for name, loss in LOSSES.items() if loss.relativistic] == ["relativistic"]
    swapped = FAKE.flip(0)
    for name, loss in LOSSES.items():
        same = math.isclose(loss.discriminator(REAL, swapped), loss.discriminator(REAL, FAKE), rel_tol=1e-6)
        assert same != loss.relativistic, name


@pytest.mark.parametrize("name", LOSSES)
def test_descent_of_the_generator_raises_the_logits_of_its_images(name):
    fake = torch.zeros(4, 1, requires_grad=True)
    LOSSES[name].generator(seen_by_the_generator(name, torch.zeros(4, 1), fake)).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_descent_of_the_discriminator_parts_real_from_generated(name):
    real, fake = torch.full((2, 4, 1), 0.5).requires_grad_()
    gradients = torch.autograd.grad(LOSSES[name].discriminator(real, fake), (real, fake))
    assert (gradients[0] < 0).all()
    assert (gradients[1] > 0).all()


@pytest.mark.parametrize(("name", "slope"), [("minimax", 0), ("non_saturating", -1)])
def test_the_generators_gradient_where_the_discriminator_is_sure(name, slope):
    fake = tensor([[-30.0]], requires_grad=True)
    LOSSES[name].generator(fake).backward()
    assert fake.grad is not None
    assert fake.grad.item() == pytest.approx(slope, abs=1e-6)


def test_no_loss_overflows():
    far = tensor([[-1e4], [1e4]])
    for name, loss in LOSSES.items():
        assert loss.discriminator(far, -far).isfinite(), name
        assert loss.generator(far).isfinite(), name


def test_penalties_by_hand():
    gradients = torch.zeros(2, 1, 1, 2)
    gradients[0] = tensor([3.0, 4.0])  # norms 5 and 0
    assert zero_centred_penalty(gradients).item() == pytest.approx((25 + 0) / 2 / 2)
    assert gradient_penalty(gradients).item() == pytest.approx((4**2 + 1**2) / 2)


def test_penalties_sum_in_float32():
    gradients = torch.full((1, 1, 1, 4), 300.0, dtype=torch.float16)  # its square exceeds float16
    assert zero_centred_penalty(gradients).item() == pytest.approx(4 * 300**2 / 2)
    assert gradient_penalty(gradients).item() == pytest.approx(599**2)


@pytest.mark.parametrize("penalty", [zero_centred_penalty, gradient_penalty])
def test_penalties_can_be_descended_where_the_gradient_is_zero(penalty):
    gradients = torch.zeros(2, 1, 2, 2, requires_grad=True)
    penalty(gradients).backward()
    assert gradients.grad is not None
    assert gradients.grad.isfinite().all()
