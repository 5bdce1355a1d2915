import math

import pytest
import torch
from torch import tensor

from pullback.models._losses import LOSSES


@pytest.mark.parametrize(("loss", "expected"), [("minimax", 2 * math.log(2)), ("hinge", 2)])
def test_an_undecided_discriminator(loss, expected):
    zero = torch.zeros(5, 1)
    assert LOSSES[loss].discriminator(zero, zero).item() == pytest.approx(expected, rel=1e-6)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_minimax_by_hand():
    real, fake = tensor([[1.0], [-2.0]]), tensor([[0.5], [3.0]])
    on_real = (math.log(sigmoid(1)) + math.log(sigmoid(-2))) / 2
    on_fake = (math.log(1 - sigmoid(0.5)) + math.log(1 - sigmoid(3))) / 2
    assert LOSSES["minimax"].discriminator(real, fake).item() == pytest.approx(-on_real - on_fake, rel=1e-6)
    assert LOSSES["minimax"].generator(fake).item() == pytest.approx(on_fake, rel=1e-6)


def test_hinge_by_hand():
    real, fake = tensor([[0.25], [7.0]]), tensor([[-0.5], [-9.0], [2.0]])
    assert LOSSES["hinge"].discriminator(real, fake).item() == pytest.approx(0.75 / 2 + (0.5 + 0 + 3) / 3)
    assert LOSSES["hinge"].generator(fake).item() == pytest.approx(7.5 / 3)


@pytest.mark.parametrize("loss", LOSSES)
def test_descent_of_the_generator_raises_the_logits(loss):
    fake = torch.zeros(4, 1, requires_grad=True)
    LOSSES[loss].generator(fake).backward()
    assert fake.grad is not None
    assert (fake.grad < 0).all()
