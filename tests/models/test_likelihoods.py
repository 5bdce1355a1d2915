import math

import pytest
import torch
from torch import tensor
from torch.distributions import Bernoulli, Normal

from pullback.models._likelihoods import bernoulli, bits_per_dim, gaussian, optimal_log_sigma


def images_and_answers(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 1, 8, 8, generator=generator, dtype=dtype) * 2 - 1
    return images, torch.randn(4, 1, 8, 8, generator=generator, dtype=dtype)


def test_bernoulli_by_hand():
    # Probabilities 1/2 and 3/4 of white pixels whose levels are 1 and 1/4.
    images, answers = tensor([[[[1.0, -0.5]]]]), tensor([[[[0.0, math.log(3)]]]])
    expected = -math.log(1 / 2) - math.log(3 / 4) / 4 - 3 * math.log(1 / 4) / 4
    assert bernoulli(images, answers).item() == pytest.approx(expected)


def test_bernoulli_of_black_and_white_images_agrees_with_torch():
    images, answers = images_and_answers()
    white = (images > 0).float()
    expected = -Bernoulli(logits=answers).log_prob(white).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli(2 * white - 1, answers), expected)


def test_gaussian_by_hand():
    # Means 0 and 1/2, errors 1 and 0, sigma 2.
    images, answers = tensor([[[[1.0, 0.5]]]]), tensor([[[[0.0, math.atanh(0.5)]]]])
    expected = 1 / 8 + 2 * math.log(2) + math.log(2 * math.pi)
    assert gaussian(images, answers, tensor(math.log(2))).item() == pytest.approx(expected)


def test_gaussian_agrees_with_torch():
    images, answers = images_and_answers()
    expected = -Normal(answers.tanh(), 0.3).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(gaussian(images, answers, tensor(math.log(0.3))), expected)


def test_the_optimal_sigma_by_hand():
    # Errors 1 and 1/2 in two images: a root mean square of sqrt(5/8).
    images, answers = tensor([[[[1.0]]], [[[0.5]]]]), torch.zeros(2, 1, 1, 1)
    expected = -6 + math.log(1 + math.sqrt(5 / 8) * math.exp(6))
    assert optimal_log_sigma(images, answers).item() == pytest.approx(expected, abs=1e-6)


def test_no_sigma_explains_the_batch_better():
    images, answers = images_and_answers()
    best = optimal_log_sigma(images, answers)
    losses = [gaussian(images, answers, best + shift).mean() for shift in (-0.05, 0, 0.05)]
    assert losses[1] == min(losses)


def test_sigma_is_clipped_softly():
    images = tensor([[[[0.5, -0.5]]]])
    answers = torch.atanh(images + 1e-5)
    # log 1e-5 = -11.5 lies far below -6.
    assert -6 < optimal_log_sigma(images, answers).item() < -5.99


@pytest.mark.parametrize("error", [0.5, 2e-3])
def test_gradients_flow_through_sigma(error):
    """Also where it is clipped, at errors of exp(-6.2): there it is not the optimum, and its gradient counts."""
    images, answers = images_and_answers(torch.float64)
    images = answers.tanh() + error * images.sign()

    def loss(answers: torch.Tensor) -> torch.Tensor:
        return gaussian(images, answers, optimal_log_sigma(images, answers)).mean()

    assert torch.autograd.gradcheck(loss, answers.requires_grad_(), eps=1e-7)


def test_the_gradient_is_that_of_the_logarithm_of_the_error():
    """Where nothing is clipped the loss is D log sigma* + constants: it is blind to the scale of the error."""
    images, answers = tensor([[[[0.5, 0.5]]]]), torch.zeros(1, 1, 1, 2, requires_grad=True)
    gaussian(images, answers, optimal_log_sigma(images, answers)).sum().backward()
    # d/da_i of log((e_1^2 + e_2^2) / 2) with e = 1/2 - tanh(a): -2 e_i / (e_1^2 + e_2^2) = -2, up to the soft clip.
    torch.testing.assert_close(answers.grad, torch.full((1, 1, 1, 2), -2.0), rtol=0.02, atol=0)


def test_bits_per_dim_of_a_coin_per_pixel():
    assert bits_per_dim(tensor(64 * math.log(2)), 64, density=False).item() == pytest.approx(1)


def test_bits_per_dim_of_the_uniform_density_are_those_of_all_levels():
    """A density of 1/2 on [-1, 1] gives each of 255 intervals its share."""
    assert bits_per_dim(tensor(64 * math.log(2)), 64, density=True).item() == pytest.approx(math.log2(255))
