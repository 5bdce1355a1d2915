import pytest
import torch

from pullback.models import gan
from pullback.models._model import Batch


def batch(n: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(n, 1, 8, 8, generator=generator) * 2 - 1
    return Batch(images, torch.full((n,), -1), 0.5, generator)


def build(**params: object) -> gan.Gan:
    torch.manual_seed(0)
    return gan.build(gan.Params(**{"width": 4, "latent_dim": 3, **params}), (1, 8, 8))


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_images_stay_in_range(architecture):
    images = build(architecture=architecture).generate(1000 * torch.randn(6, 3))
    assert images.shape == (6, 1, 8, 8)
    assert images.abs().max() <= 1


def test_spectral_norm_can_be_switched_off():
    names = [name for name, _ in build(spectral_norm=False).parts["discriminator"].named_parameters()]
    assert not any("parametrizations" in name for name in names)
    assert any("parametrizations" in name for name, _ in build().parts["discriminator"].named_parameters())


@pytest.mark.parametrize(("loss", "expected"), [("hinge", 2.0), ("minimax", 1.3862944)])
def test_the_discriminators_loss_where_it_answers_zero(loss, expected):
    model = build(loss=loss, spectral_norm=False)
    last = model.parts["discriminator"][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    value, logged = model.loss("discriminator", batch())
    assert value.item() == pytest.approx(expected)
    assert logged["discriminator_loss"] is value


def test_accuracy_is_one_where_the_discriminator_knows():
    model = build()
    model.parts["generator"][-2].bias.data.fill_(-9)  # black images
    model.parts["discriminator"] = lambda images: images.mean((1, 2, 3))[:, None] + 0.9
    assert model.loss("discriminator", batch())[1]["discriminator_accuracy"] == 1


def test_the_discriminators_update_leaves_the_generator_alone():
    model = build()
    model.loss("discriminator", batch())[0].backward()
    assert all(parameter.grad is None for parameter in model.parts["generator"].parameters())
    assert all(parameter.grad is not None for parameter in model.parts["discriminator"].parameters())


def test_the_generators_update_reaches_all_of_the_generator():
    model = build()
    model.parts["discriminator"].requires_grad_(False)  # as the training loop does
    model.loss("generator", batch())[0].backward()
    assert all(parameter.grad is None for parameter in model.parts["discriminator"].parameters())
    assert all(parameter.grad is not None for parameter in model.parts["generator"].parameters())


def test_it_has_no_encoder():
    assert build().encode(batch().images) is None
