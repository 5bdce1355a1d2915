import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pullback.errors import UserError
from pullback.models import gan, vae
from pullback.models._layers import BatchNorm
from pullback.models._model import (
    Batch,
    ImagesFromLatents,
    Model,
    count_classes,
    draw,
    labels_like,
    to_model_range,
    to_pixels,
)


def trained(module, classes: int, architecture: str = "mlp") -> Model:
    """A small model that tells its classes apart, as after a training."""
    torch.manual_seed(0)
    params = module.Params(architecture=architecture, width=4, latent_dim=3)
    model = module.build(params, (1, 8, 8), classes)
    for part in model.parts.values():
        part.eval()
        for layer in part.modules():
            if isinstance(layer, BatchNorm):
                nn.init.normal_(layer.scale)
    return model


def test_pixels_survive_the_way_to_the_model_and_back():
    pixels = torch.arange(256, dtype=torch.uint8)
    inside = to_model_range(pixels)
    assert (inside[0], inside[-1]) == (-1, 1)
    assert torch.equal(to_pixels(inside), pixels)


def test_what_leaves_the_range_is_clipped():
    assert to_pixels(torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


def test_half_precision_is_no_obstacle():
    assert to_pixels(torch.tensor([-1.0, 0.5, 1.0], dtype=torch.bfloat16)).tolist() == [0, 191, 255]


# Random numbers


def batch(part: tuple[int, int] = (0, 1), size: int = 6) -> Batch:
    count = size // part[1]
    return Batch(torch.zeros(count, 1, 2, 2), torch.zeros(count), 0, 0.0, torch.Generator().manual_seed(3), part)


def drawn(at: Batch) -> list[Tensor]:
    n = len(at.images)
    return [at.noise(n, 5), at.uniform(n, 1, 1), at.uniform(2 * n), at.noise(n, 2)]


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_draw_the_rows_that_one_would_have_drawn(processes):
    whole = drawn(batch())
    for rank in range(processes):
        for found, expected in zip(drawn(batch((rank, processes))), whole, strict=True):
            assert torch.equal(found, expected[rank::processes])


def test_noise_is_normal_and_uniform_is_uniform():
    normal, uniform = batch(size=2).noise(50_000), batch(size=2).uniform(50_000)
    assert (normal.mean().item(), normal.std().item()) == pytest.approx((0, 1), abs=0.02)
    assert (uniform.mean().item(), uniform.std().item()) == pytest.approx((1 / 2, (1 / 12) ** 0.5), abs=0.01)
    assert ((uniform >= 0) & (uniform < 1)).all()


# Drawing and export


@pytest.mark.parametrize("module", [gan, vae])
def test_the_module_for_export_draws_what_the_model_draws(module):
    model = trained(module, 0)
    latents = torch.randn(5, 3)
    exported = ImagesFromLatents(model)
    assert [name for name, _ in exported.named_children()] == ["network"]  # no encoder travels along
    np.testing.assert_array_equal(to_pixels(exported(latents).detach()).numpy(), draw(model, latents))


@pytest.mark.parametrize("module", [gan, vae])
def test_its_last_column_are_the_labels_of_a_conditional_model(module):
    model, latents, labels = trained(module, 3), torch.randn(5, 3), torch.tensor([2, 0, 1, 1, 2])
    images = ImagesFromLatents(model)(torch.cat([latents, labels[:, None].float()], 1))
    np.testing.assert_array_equal(to_pixels(images.detach()).numpy(), draw(model, latents, labels))
    assert not np.array_equal(draw(model, latents, labels), draw(model, latents, labels.flip(0)))


@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet"])
@pytest.mark.parametrize("classes", [0, 3])
def test_the_exported_program_takes_any_number_of_latents(architecture, classes):
    module = ImagesFromLatents(trained(gan, classes, architecture))
    sizes = ({0: torch.export.Dim.DYNAMIC},)
    columns = 4 if classes else 3
    program = torch.export.export(module, (torch.zeros(2, columns),), dynamic_shapes=sizes).module()
    for n in (1, 2, 7):
        latents = torch.cat([torch.randn(n, 3), torch.arange(n)[:, None] % 3], 1)[:, :columns]
        torch.testing.assert_close(program(latents), module(latents))


def test_labels_have_the_shares_of_the_training_set_in_a_random_order():
    train = np.array([0, 3, 0, 0] * 10)
    labels = labels_like(train, 8, 0, classes=4)
    assert sorted(labels) == [0] * 6 + [3] * 2
    assert (labels_like(train, 8, 0, classes=4) == labels).all()
    assert any((labels_like(train, 8, seed, classes=4) != labels).any() for seed in range(1, 4))


def test_a_model_without_classes_is_given_none():
    assert (labels_like(np.array([0, 1]), 3, 0, classes=0) == -1).all()


@pytest.mark.parametrize(
    ("conditional", "labels", "classes"),
    [(None, [0, 2, 1], 3), (True, [0, 2], 3), (False, [0, 2], 0), (None, [-1, -1], 0), (None, [0, -1], 0)],
)
def test_a_model_learns_labels_where_all_images_have_one(conditional, labels, classes):
    assert count_classes(conditional, np.array(labels)) == classes


@pytest.mark.parametrize(("labels", "missing"), [([-1, -1], "2 of 2"), ([0, -1, 1], "1 of 3")])
def test_labels_that_are_not_there_are_told(labels, missing):
    with pytest.raises(UserError, match=f"^conditional is true, but {missing} images have no label; set it to null"):
        count_classes(True, np.array(labels))
