import numpy as np
import pytest
import torch
from torch import Tensor, tensor

from pullback.manifold.quality import trustworthiness
from pullback.models import vae
from pullback.models._model import to_model_range
from pullback.models._topology import topological_loss
from pullback.training.device import fabric
from pullback.training.loop import train


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_three_points_by_hand():
    """The trees drop the longest edge each: lengths 1, 2 and 2, 3 of the images, 2, 1 and 1, 1 of the codes."""
    images, codes = tensor([0.0, 1.0, 3.0]).reshape(3, 1, 1, 1), tensor([[0.0], [2.0], [1.0]])
    assert topological_loss(images, codes).item() == pytest.approx(1 - (2 + 2 + 2 + 3) ** 2 / (18 * 7))


def test_two_equal_images_are_an_edge_of_length_0():
    """Without it, lengths 1, 1, 1 and 3, 3, 3 would be in proportion; with it there are also 0 and 4."""
    images, codes = tensor([0.0, 0.0, 1.0]).reshape(3, 1, 1, 1), tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 5**0.5]])
    assert topological_loss(images, codes).item() == pytest.approx(1 - (3 + 3 + 3) ** 2 / (3 * 43))


def test_a_scaled_and_rotated_copy_is_perfect():
    points = normal(40, 5)
    rotation = torch.linalg.qr(normal(5, 5))[0]
    assert topological_loss(points, 3 * points @ rotation + 1).item() == pytest.approx(0, abs=1e-5)
    assert topological_loss(points, points[:, :2]).item() > 0.1


def test_the_scale_of_codes_is_left_alone():
    codes = normal(20, 3).requires_grad_()
    topological_loss(normal(20, 1, 8, 8), codes).backward()
    assert codes.grad is not None
    assert codes.grad.norm() > 0.001
    assert (codes.grad * codes).sum().item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("equal", [2, 12])
@pytest.mark.parametrize("where", ["images", "codes", "both"])
def test_duplicates_leave_the_gradient_finite(equal, where):
    images, codes = normal(12, 1, 8, 8), normal(12, 3)
    for name, points in (("images", images), ("codes", codes)):
        if where in (name, "both"):
            points[:equal] = points[0]
    codes.requires_grad_()
    loss = topological_loss(images, codes)
    loss.backward()
    assert codes.grad is not None
    assert torch.isfinite(codes.grad).all()
    assert (loss == 1) == (equal == 12)


def test_autocast_changes_no_bit():
    images, codes = normal(30, 1, 8, 8), normal(30, 3)
    with torch.autocast("cpu", torch.bfloat16):
        loss = topological_loss(images, codes)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, topological_loss(images, codes))


def rotated(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A bar from the middle outwards, at n angles: uint8 images (n, 1, 16, 16), and the angles on a circle (n, 2)."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None, None]
    y, x = np.mgrid[:16, :16] - 7.5
    along, across = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    inside = (1 - np.abs(across)).clip(0, 1) * (along - 0.5).clip(0, 1) * (7.5 - along).clip(0, 1)
    circle = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)[:, :, 0]
    return (255 * inside).round().astype(np.uint8)[:, None], circle


def learned(images: np.ndarray, topology_weight: float) -> np.ndarray:
    """Codes (n, 2) of a VAE that was trained on the images."""
    params = vae.Params(latent_dim=2, width=8, budget_images=10_000, topology_weight=topology_weight)
    torch.manual_seed(0)
    model = vae.build(params, (1, 16, 16))
    none = np.full(len(images), -1)
    trained = train(model, params, images, none, fabric=fabric("cpu", "32-true"), seed=0, log_every=100).model
    for part in trained.parts.values():
        part.eval()
    codes = trained.encode(to_model_range(torch.from_numpy(images)))
    assert codes is not None
    return codes.detach().numpy()


def test_the_codes_of_a_rotated_object_keep_its_neighbours():
    images, circle = rotated(300)
    without, with_it = learned(images, 0.0), learned(images, 30.0)
    for truth in (images.reshape(300, -1), circle):
        assert trustworthiness(truth, with_it, 10) > trustworthiness(truth, without, 10) + 0.05
