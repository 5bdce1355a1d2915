import numpy as np
import pytest
import torch
from torch import Tensor
from untrained import Untrained

from pullback.errors import UserError
from pullback.models import gan
from pullback.models._model import Model, to_model_range
from pullback.sampling import rejection


class Level(Untrained):
    """Draws images of one grey level, uniform; the discriminator knows that the data have only bright ones."""

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return torch.erf(latents / 2**0.5)[:, :, None, None].expand(-1, 1, 8, 8)

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        # A multiple of the log ratio, and a constant.
        return 3.0 + 5.0 * torch.log1p(images.mean((1, 2, 3)).clamp(min=-0.999))


def bright(n: int) -> np.ndarray:
    """Grey levels v in [-1, 1] of density (1 + v) / 2."""
    levels = 2 * np.sqrt(np.random.default_rng(0).random(n)) - 1
    return np.rint((levels + 1) * 127.5).astype(np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)


def drawn(model: Model, images: np.ndarray, n: int, **params: float) -> Tensor:
    draw = rejection.sampler(model, images, np.full(len(images), -1), rejection.Params(**params), 0)
    latents = draw(torch.full((n,), -1), torch.Generator().manual_seed(1))
    assert torch.equal(latents, draw(torch.full((n,), -1), torch.Generator().manual_seed(1)))
    return model.generate(latents).mean((1, 2, 3))


def test_draws_come_nearer_to_the_data_the_more_are_rejected():
    images = bright(2000)
    truth = to_model_range(torch.from_numpy(images)).mean().item()
    means = [drawn(Level(), images, 4000, percentile=percentile).mean().item() for percentile in (5, 20, 100)]
    assert 0 < means[0] < means[1] < means[2]  # without rejection it is 0
    assert means[2] == pytest.approx(truth, abs=0.05)


def test_the_regression_finds_the_log_ratio_again():
    """Logits of two normal distributions of variance 1 and means 1 and -1 have the log ratio 2 x."""
    random = torch.Generator().manual_seed(0)
    real, generated = (torch.randn(20_000, generator=random, dtype=torch.float64) + mean for mean in (1, -1))
    keep = rejection.fitted(real, generated, 80.0)
    assert (keep.slope, keep.intercept) == (pytest.approx(2, rel=0.05), pytest.approx(0, abs=0.05))
    assert keep.most == pytest.approx(2 * generated.max().item(), rel=0.05)
    assert (keep.score(generated) > 0).double().mean() == pytest.approx(0.2, abs=1e-3)
    assert rejection.fitted(real, generated, 100.0).gamma == 0
    chances = keep(torch.tensor([-5.0, 0.0, 100.0]))
    assert chances[0] < 1e-3
    assert chances[0] < chances[1] < chances[2] <= 1


def test_a_conditional_gan_gives_a_latent_for_each_label():
    torch.manual_seed(0)
    model = gan.build(gan.Params(architecture="mlp", width=4, latent_dim=5), (1, 8, 8), classes=3)
    for part in model.parts.values():
        part.eval()
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), np.uint8)
    draw = rejection.sampler(model, images, np.arange(300) % 3, rejection.Params(), 0)
    latents = draw(torch.tensor([2, 0, 1]), torch.Generator().manual_seed(1))
    assert latents.shape == (3, 5)
    assert latents.isfinite().all()


def test_a_model_without_a_discriminator_is_told(coder, numbered):
    with pytest.raises(UserError, match="this model has none; choose prior"):
        rejection.sampler(coder(np.zeros((600, 2))), numbered, np.full(600, -1), rejection.Params(), 0)
