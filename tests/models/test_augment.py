from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from pullback.models._augment import CHANGES, color, cutout, translation
from pullback.models._model import Batch

Uniform = Callable[..., Tensor]


def seeded(seed: int = 0) -> Uniform:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.rand(shape, generator=generator)


def given(*draws: Iterable[float]) -> Uniform:
    """One number per image, for each time that a change asks."""
    coming = iter(draws)
    return lambda *shape: torch.tensor(list(next(coming))).reshape(shape)


def images(channels: int = 3, size: int = 16) -> Tensor:
    return torch.rand(4, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def moved(x: Tensor, dy: int, dx: int) -> Tensor:
    """Pixel (i, j) is that of (i + dy, j + dx), black where there is none."""
    out = torch.full_like(x, -1)
    _, height, width = x.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i + dy < height and 0 <= j + dx < width:
                out[:, i, j] = x[:, i + dy, j + dx]
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", CHANGES.values())
def test_shape_and_type_stay_and_every_image_is_changed_in_its_own_way(change, channels):
    x = images(channels)[:1].expand(4, -1, -1, -1)
    changed = change(x, seeded())
    assert changed.shape == x.shape
    assert changed.dtype == x.dtype
    assert len({tuple(image.flatten().tolist()) for image in changed}) == 4


@pytest.mark.parametrize("change", [translation, cutout])
@pytest.mark.parametrize("size", [8, 13])
def test_what_only_moves_or_hides_makes_no_new_values(change, size):
    x = images(size=size)
    allowed = {-1.0, 0.0, *x.flatten().tolist()}
    found = change(x, seeded()).flatten()
    assert all(min(abs(value - other) for other in allowed) < 1e-6 for value in found[::7].tolist())
    assert found.abs().max() <= 1


@pytest.mark.parametrize("change", CHANGES.values())
def test_gradients_are_those_of_finite_differences(change):
    x = images(size=8)[:2].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: change(x, seeded()), x)


def test_translation_by_known_offsets():
    x = images(size=16)  # moves by -2 to 2
    offsets = [(-2, -2), (0, 0), (2, 1), (-1, 2)]
    draws = [[(offset[axis] + 2.5) / 5 for offset in offsets] for axis in (0, 1)]
    found = translation(x, given(*draws))
    expected = torch.stack([moved(image, *offset) for image, offset in zip(x, offsets, strict=True)])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("size", "most"), [(8, 1), (13, 2), (28, 4), (32, 4)])
def test_translation_goes_up_to_an_eighth_of_the_size(size, most):
    x = torch.arange(float(size)).expand(2, 1, size, size) / size
    found = translation(x, given([0.0, 0.9999999], [0.5, 0.5]))
    torch.testing.assert_close(found, torch.stack([moved(x[0], -most, 0), moved(x[1], most, 0)]))


@pytest.mark.parametrize("size", [8, 13])
def test_cutout_greys_a_square_that_may_overhang_the_border(size):
    half = size // 2
    start = [-(half // 2), 0, size - half]  # outside, at the corner, at the opposite one
    places = size + 1 - half % 2
    draw = [(each + half // 2 + 0.5) / places for each in start]
    x = images(size=size)[:3]
    found = cutout(x, given(draw, draw))
    expected = x.clone()
    for image, first in zip(expected, start, strict=True):
        image[:, max(0, first) : first + half, max(0, first) : first + half] = 0
    assert torch.equal(found, expected)


def test_the_squares_of_cutout_are_centred_everywhere_alike():
    """Every pixel of the middle is hidden equally often."""
    hidden = (cutout(torch.ones(20_000, 1, 8, 8), seeded()) == 0).float().mean((0, 1))
    torch.testing.assert_close(hidden[2:6, 2:6], torch.full((4, 4), (4 / 9) ** 2), rtol=0, atol=0.02)


def test_color_by_hand():
    # One pixel, red: brighter by 0.25; saturation 2 * 0.75 about its grey 0.25; contrast 0.75 about the image's mean.
    x = torch.tensor([0.5, 0.0, -0.5]).reshape(1, 3, 1, 1)
    found = color(x, given([0.75], [0.75], [0.25]))
    saturated = [0.25 + 0.5 * 1.5, 0.25, 0.25 - 0.5 * 1.5]
    assert found.flatten().tolist() == pytest.approx([0.25 + (value - 0.25) * 0.75 for value in saturated])


def test_contrast_is_about_the_mean_of_the_image():
    x = torch.tensor([-0.5, 0.5]).reshape(1, 1, 1, 2)
    assert color(x, given([0.5], [0.1], [0.999999])).flatten().tolist() == pytest.approx([-0.75, 0.75], abs=1e-5)


def test_saturation_does_nothing_to_grey_images():
    grey, colour = images(channels=1), images(channels=3)
    for x, alike in ((grey, True), (grey.expand(-1, 3, -1, -1), True), (colour, False)):
        first, second = (color(x, given([0.3] * 4, [saturation] * 4, [0.6] * 4)) for saturation in (0.0, 0.9))
        assert torch.allclose(first, second, atol=1e-6) == alike


@pytest.mark.parametrize("change", CHANGES.values())
def test_processes_that_share_a_batch_change_it_as_one_does(change):
    """Also two batches in one, as the discriminator sees them: all real images and then all generated ones."""

    def uniform(x: Tensor, part: tuple[int, int]) -> Uniform:
        return Batch(x, torch.zeros(len(x)), 0, 0.0, torch.Generator().manual_seed(5), part).uniform

    real, fake = images(), images().flip(0)
    whole = change(torch.cat([real, fake]), uniform(real, (0, 1)))
    for rank in (0, 1):
        parts = real[rank::2], fake[rank::2]
        found = change(torch.cat(parts), uniform(parts[0], (rank, 2)))
        torch.testing.assert_close(found, torch.cat([whole[:4][rank::2], whole[4:][rank::2]]))
