"""Geodesics of decoders whose metric is known, and paths between images whose codes are."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from untrained import Untrained

from pullback.models._model import to_pixels
from pullback.sampling.interpolation import PAIRS, STEPS, choose, energy, geodesic, straight, strips


def length(points: Tensor) -> Tensor:
    """The sum of the steps between points (steps, …)."""
    return points.flatten(1).diff(dim=0).norm(dim=1).sum()


def polar(points: Tensor) -> Tensor:
    """(r, phi) -> the plane, where straight lines are shortest."""
    r, phi = points.T
    return torch.stack([r * phi.cos(), r * phi.sin()], 1)


def sphere(points: Tensor) -> Tensor:
    """(latitude, longitude) -> space."""
    latitude, longitude = points.T
    return torch.stack([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()], 1)


def cylinder(points: Tensor) -> Tensor:
    """(x, y) -> the plane, rolled up: lengths stay, the images are curved."""
    x, y = points.T
    return torch.stack([x.cos(), x.sin(), y], 1)


@pytest.mark.parametrize(
    ("decode", "b", "by_line", "shortest"),
    [
        (polar, [1.0, 2.0], 2.0, 2 * math.sin(1)),  # an arc of the circle, and its chord
        (sphere, [1.0, 2.0], 2 * math.cos(1), math.acos(math.sin(1) ** 2 + math.cos(1) ** 2 * math.cos(2))),
        (cylinder, [2.0, 3.0], math.sqrt(13), math.sqrt(13)),
    ],
)
def test_the_geodesic_has_the_known_length(decode, b, by_line, shortest):
    a, b = torch.tensor([0.0 if decode is cylinder else 1.0, 0.0]), torch.tensor(b)
    line, path = straight(a, b, 41), geodesic(decode, a, b, 41)
    assert length(decode(line)).item() == pytest.approx(by_line, rel=0.01)
    assert length(decode(path)).item() == pytest.approx(shortest, rel=0.01)
    steps = decode(path).diff(dim=0).norm(dim=1)
    assert steps.std() < 0.02 * steps.mean()


def wrinkled(points: Tensor) -> Tensor:
    weights = torch.linspace(-9, 9, 2 * points.shape[1]).reshape(points.shape[1], 2)
    return torch.sin(points @ weights)


@pytest.mark.parametrize("iterations", [1, 3, 100])
@pytest.mark.parametrize("decode", [polar, wrinkled])
def test_ends_are_kept_bit_by_bit_and_the_energy_never_rises(decode, iterations):
    a, b = torch.tensor([0.1, -0.7]), torch.tensor([1.3, 2.1])
    path = geodesic(decode, a, b, 12, iterations)
    assert torch.equal(path[0], a)
    assert torch.equal(path[-1], b)
    assert energy(decode(path)) <= energy(decode(straight(a, b, 12)))
    assert torch.equal(path, geodesic(decode, a, b, 12, iterations))


def test_a_straight_decoder_has_straight_geodesics():
    a, b = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([1.5, 1.0, 0.0])
    weights = torch.tensor([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
    path = geodesic(lambda points: points @ weights, a, b, 7)
    torch.testing.assert_close(path @ weights, straight(a, b, 7) @ weights, atol=1e-4, rtol=0)
    assert energy(path @ weights) <= energy(straight(a, b, 7) @ weights)


def test_a_line_has_equal_steps_and_both_ends_bit_by_bit():
    a, b = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    line = straight(a, b, 10)
    assert line.shape == (10, 1, 4, 4)
    assert torch.equal(line[0], a)
    assert torch.equal(line[-1], b)
    assert length(line).item() == pytest.approx((b - a).norm().item(), rel=1e-5)
    assert energy(line).item() == pytest.approx((b - a).square().sum().item() / 9, rel=1e-5)


class Bent(Untrained):
    """Two pixels hold polar coordinates of the code, one the class; images are those of codes (x, y) if it encodes."""

    latent_dim = 2

    def __init__(self, classes: int = 0, encodes: bool = True) -> None:
        super().__init__()
        self.classes, self.encodes = classes, encodes

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        kinds = labels[:, None] / 10 if self.classes else torch.zeros(len(latents), 1)
        pixels = torch.cat([polar(latents) / 4, kinds], 1)
        return nn.functional.pad(pixels, (0, 61)).view(-1, 1, 8, 8)

    def posterior(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor] | None:
        if not self.encodes:
            return None
        x, y = 4 * images.flatten(1)[:, :2].T
        code = torch.stack([torch.hypot(x, y), torch.atan2(y, x)], 1)
        return code, torch.ones_like(code)


LABELS = np.arange(40) % 4


@pytest.fixture
def images() -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    codes = torch.rand(40, 2, generator=generator) * torch.tensor([3.0, 6.0]) + torch.tensor([0.5, -3.0])
    images = to_pixels(Bent(classes=4).generate(codes, torch.from_numpy(LABELS))).numpy()
    images[:, 0, 7, 7] = np.arange(40)  # which no code knows
    return images


def test_paths_in_pixels_join_real_images_and_those_in_latents_their_reconstructions(images):
    labels, paths = strips(Bent(classes=4), images, LABELS, 0)
    assert list(paths) == ["pixels", "straight", "geodesic"]
    assert {each.shape for each in paths.values()} == {(PAIRS, STEPS, 1, 8, 8)}
    assert {each.dtype for each in paths.values()} == {np.dtype(np.uint8)}
    rows = paths["pixels"][:, [0, -1], 0, 7, 7]
    ends = images[rows]
    assert (paths["pixels"][:, [0, -1]] == ends).all()
    assert (LABELS[rows] == labels[:, None]).all()
    for kind in ("straight", "geodesic"):
        given = paths[kind][:, [0, -1]].astype(int)
        assert (np.abs(given - ends)[..., :7, :] <= 1).all()
        assert (given[..., 7, 7] == 128).all()


def test_a_geodesic_is_shorter_than_the_line_between_its_codes(images):
    _, paths = strips(Bent(classes=4), images, LABELS, 0)
    walked = {
        kind: np.linalg.norm(np.diff(each.reshape(PAIRS, STEPS, -1).astype(float), axis=1), axis=2).sum(1)
        for kind, each in paths.items()
    }
    assert (walked["geodesic"] < walked["straight"] + 3).all()  # grey levels are rounded
    assert walked["geodesic"].sum() < 0.9 * walked["straight"].sum()


def test_the_class_of_a_conditional_model_stays_along_a_path(images):
    for encodes in (True, False):
        labels, paths = strips(Bent(classes=4, encodes=encodes), images, LABELS, 0)
        for kind in ("straight", "geodesic"):
            assert (paths[kind][:, :, 0, 0, 2] == np.rint((labels[:, None] / 10 + 1) * 127.5)).all()


def test_a_model_without_an_encoder_joins_draws(images):
    labels, paths = strips(Bent(encodes=False), images, LABELS, 0)
    assert list(paths) == ["straight", "geodesic"]
    assert (labels == -1).all()
    again, other = (strips(Bent(encodes=False), images, LABELS, seed)[1]["geodesic"] for seed in (0, 1))
    assert (paths["geodesic"] == again).all()
    assert (paths["geodesic"] != other).any()
    assert (paths["straight"][:, [0, -1]] == paths["geodesic"][:, [0, -1]]).all()


@pytest.mark.parametrize("within", [True, False])
def test_pairs_are_of_one_class_or_of_two(within):
    pairs = choose(LABELS, 3, within=within)
    assert pairs.shape == (PAIRS, 2)
    assert ((LABELS[pairs[:, 0]] == LABELS[pairs[:, 1]]) == within).all()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(pairs[:, 0])) == PAIRS


def test_images_without_classes_are_joined_to_any():
    assert len(choose(np.full(40, -1), 0, within=False)) == PAIRS


def test_classes_of_one_image_have_no_pairs(images):
    labels, paths = strips(Bent(classes=4), images[:4], LABELS[:4], 0)
    assert len(labels) == 0
    assert paths == {}
