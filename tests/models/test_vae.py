import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import MultivariateNormal

from pullback.models import vae
from pullback.models._model import Batch

LIKELIHOODS = ["bernoulli", "gaussian", "sigma"]


def batch(progress: float = 1.0, classes: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 1, 8, 8, generator=generator) * 2 - 1
    labels = torch.arange(6) % classes if classes else torch.full((6,), -1)
    return Batch(images, labels, 0, progress, generator)


def build(classes: int = 0, **params: object) -> vae.Vae:
    torch.manual_seed(0)
    return vae.build(
        vae.Params(**{"architecture": "conv", "width": 4, "latent_dim": 3, "beta": 1.0, **params}), (1, 8, 8), classes
    )


def evaluated(model: vae.Vae) -> vae.Vae:
    for part in model.parts.values():
        part.eval()
    return model


@pytest.mark.parametrize(
    ("warmup", "progress", "weight"), [(0.2, 0.05, 0.25), (0.2, 0.2, 1), (0.2, 0.9, 1), (1.0, 0.5, 0.5), (0, 0.01, 1)]
)
def test_the_weight_of_the_divergence_rises_during_the_warm_up(warmup, progress, weight):
    value, logged = build(beta=4.0, warmup=warmup).loss("autoencoder", batch(progress))
    expected = logged["reconstruction"] + 4 * weight * logged["kl"]
    assert value.item() == pytest.approx(expected.item())
    assert logged["kl"] > 0


def test_losses_are_summed_over_pixels():
    """At answers of 0 every pixel costs ln 2, whatever it shows; a divergence of 3 times 1/2 comes on top."""
    model = build(likelihood="bernoulli")
    model.parts["decoder"].forward = lambda latents, labels: torch.zeros(len(latents), 1, 8, 8)
    model.parts["encoder"].forward = lambda images, labels: torch.tensor([[1.0, 1, 1, 0, 0, 0]]).repeat(len(images), 1)
    value, logged = model.loss("autoencoder", batch())
    assert value.item() == pytest.approx(64 * math.log(2) + 1.5)
    assert logged["reconstruction"].item() == pytest.approx(64 * math.log(2))
    assert logged["kl"].item() == pytest.approx(1.5)
    assert logged["bits_per_dim"].item() == pytest.approx(1 + 1.5 / (64 * math.log(2)))
    assert logged["active_units"] == 0


def test_free_bits_are_granted_to_the_mean_over_the_batch():
    """Divergences 0 and 1 in two images: 1/2 on average, so that a floor of 0.4 grants nothing, and one of 0.6, 0.1."""
    model = build(free_bits=0.6)
    half = math.sqrt(2)
    codes = torch.tensor([[0.0] * 6, [half] * 3 + [0.0] * 3]).repeat(3, 1)
    model.parts["encoder"].forward = lambda images, labels: codes
    value, logged = model.loss("autoencoder", batch())
    assert logged["kl"].item() == pytest.approx(1.5)
    assert (value - logged["reconstruction"]).item() == pytest.approx(1.8, rel=1e-4)
    model.params = model.params.model_copy(update={"free_bits": 0.4})
    value, logged = model.loss("autoencoder", batch())
    assert (value - logged["reconstruction"]).item() == pytest.approx(1.5, rel=1e-4)


def test_a_topology_weight_adds_its_loss_of_the_means():
    plain, plainly = build().loss("autoencoder", batch())
    value, logged = build(topology_weight=30.0).loss("autoencoder", batch())
    assert logged["topology"] > 0
    assert value.item() == pytest.approx(plain.item() + 30 * logged["topology"].item())
    assert logged["loss"] is value
    assert torch.equal(logged["reconstruction"], plainly["reconstruction"])


def test_without_a_topology_weight_nothing_is_computed_or_changed(monkeypatch):
    monkeypatch.setattr(vae, "topological_loss", lambda *_: pytest.fail("it was computed"))
    value, logged = build(topology_weight=0.0).loss("autoencoder", batch())
    assert torch.equal(value, logged["reconstruction"] + logged["kl"])
    assert "topology" not in logged


def test_the_optimal_sigma_of_a_batch_is_used_and_followed():
    """Of images rebuilt with an error of 1/2 everywhere."""
    model = build(likelihood="sigma", sigma=1.0)
    learned = batch()
    learned.images.fill_(0.5)
    model.parts["decoder"].forward = lambda latents, labels: torch.zeros(len(latents), 1, 8, 8)
    log_sigma = -6 + math.log(1 + math.exp(6) / 2)
    expected = 64 * (math.exp(-2 * log_sigma) / 8 + log_sigma + math.log(2 * math.pi) / 2)
    for steps in (1, 2):
        assert model.loss("autoencoder", learned)[1]["reconstruction"].item() == pytest.approx(expected, rel=1e-5)
        running = model.parts["decoder"].state_dict()["log_sigma"].item()
        assert running == pytest.approx((1 - 0.9**steps) * log_sigma)


def test_held_out_images_do_not_choose_their_sigma():
    model = evaluated(build(likelihood="sigma", sigma=0.3))
    fixed = evaluated(build(likelihood="gaussian", sigma=0.3))
    judged = [each.judge(batch().images, batch().labels, torch.Generator().manual_seed(0)) for each in (model, fixed)]
    assert judged[0] == judged[1]
    assert model.parts["decoder"].state_dict()["log_sigma"].item() == pytest.approx(math.log(0.3))


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("architecture", ["mlp", "conv", "resnet"])
def test_images_stay_in_range(likelihood, architecture):
    images = build(likelihood=likelihood, architecture=architecture).generate(1000 * torch.randn(6, 3))
    assert images.shape == (6, 1, 8, 8)
    assert images.abs().max() <= 1


def test_the_mean_image_of_the_bernoulli_likelihood():
    model = build(likelihood="bernoulli")
    model.parts["decoder"].forward = lambda latents, labels: torch.full((len(latents), 1, 8, 8), math.log(3))
    assert model.generate(torch.zeros(2, 3)).unique().item() == pytest.approx(2 * 0.75 - 1)


def test_codes_are_the_means():
    model = build()
    model.parts["encoder"].forward = lambda images, labels: torch.tensor([[1.0, 2, 3, -1, -2, -3]]).repeat(
        len(images), 1
    )
    assert model.encode(batch().images).tolist() == [[1, 2, 3]] * 6


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("classes", [0, 2])
def test_the_update_reaches_all_weights(likelihood, classes):
    model = build(classes, likelihood=likelihood)
    model.loss("autoencoder", batch(classes=classes))[0].backward()
    for part in model.parts.values():
        assert all(parameter.grad is not None for parameter in part.parameters())


@pytest.mark.parametrize(
    ("name", "logged", "judged"), [("encoder", "kl", "kl_nats"), ("decoder", "reconstruction", "reconstruction_nats")]
)
def test_labels_change_what_both_parts_of_a_conditional_model_do(name, logged, judged):
    model = evaluated(build(2))
    for key, weight in model.parts[name].named_parameters():
        if key.endswith("shift"):
            weight.data[1] += 1  # untrained, the classes are alike
    found = []
    for label in (0, 1):
        some = replace(batch(), labels=torch.full((6,), label))
        images = model.generate(torch.ones(6, 3), some.labels)
        codes = model.encode(some.images, some.labels)
        said = model.judge(some.images, some.labels, torch.Generator().manual_seed(0))
        found.append((codes if name == "encoder" else images, model.loss("autoencoder", some)[1][logged], said[judged]))
    for zero, one in zip(*found, strict=True):
        assert not torch.allclose(torch.as_tensor(zero), torch.as_tensor(one))


def test_an_unconditional_model_looks_at_no_labels():
    model = evaluated(build())
    labels = torch.arange(6)
    assert torch.equal(model.encode(batch().images, labels), model.encode(batch().images))
    assert torch.equal(model.generate(torch.ones(6, 3), labels), model.generate(torch.ones(6, 3)))


SIGMA, VARIANCE = 0.1, 0.2  # of the pixels, and of the posterior of the linear model


def linear(n: int, k: int, shift: float = 0.0) -> tuple[vae.Vae, torch.Tensor, float]:
    """x = W z + noise with orthogonal columns in W, n of its images, and their mean log p(x), which is known.

    The posterior is N(W^T x VARIANCE / SIGMA^2, VARIANCE I); the encoder's mean lies beside it by `shift`.
    """
    model = evaluated(build(likelihood="gaussian", sigma=SIGMA, importance_samples=k))
    generator = torch.Generator().manual_seed(0)
    columns = torch.linalg.qr(torch.randn(64, 3, generator=generator))[0]
    weight = columns * SIGMA * math.sqrt(1 / VARIANCE - 1)  # so that 1 / VARIANCE = 1 + |column|^2 / SIGMA^2
    images = torch.randn(n, 3, generator=generator) @ weight.T + SIGMA * torch.randn(n, 64, generator=generator)

    def encode(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        mean = images.flatten(1) @ weight * VARIANCE / SIGMA**2 + shift
        return torch.cat([mean, torch.full_like(mean, math.log(VARIANCE))], 1)

    model.parts["encoder"].forward = encode
    model.parts["decoder"].forward = lambda z, labels: torch.atanh(z @ weight.T).reshape(-1, 1, 8, 8)
    marginal = MultivariateNormal(torch.zeros(64), weight @ weight.T + SIGMA**2 * torch.eye(64))
    return model, images.reshape(-1, 1, 8, 8), marginal.log_prob(images).mean().item()


def judge(model: vae.Vae, images: torch.Tensor, seed: int = 0) -> dict[str, float]:
    return model.judge(images, torch.full((len(images),), -1), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("k", [1, 5])
def test_with_the_true_posterior_the_bound_is_the_likelihood(k):
    model, images, likelihood = linear(50, k)
    judged = judge(model, images)
    assert judged["iwae_nats"] == pytest.approx(likelihood, abs=1e-3)
    # 3 dimensions of variance 1/5, and a mean of variance 4/5: KL = 3 (1/5 + 4/5 - 1 + ln 5) / 2 on average.
    assert judged["kl_nats"] == pytest.approx(3 * math.log(5) / 2, abs=0.3)
    assert judged["active_units"] == 3


def test_with_another_posterior_the_bound_tightens_with_k():
    judged = {k: judge(linear(400, k, shift=0.4)[0], linear(400, k)[1]) for k in (1, 10, 500)}
    likelihood = linear(400, 1)[2]
    # The divergence of the encoder's posterior from the true one is 3 * 0.4^2 / (2 VARIANCE) = 1.2 nats.
    assert judged[1]["elbo_nats"] == pytest.approx(likelihood - 1.2, abs=0.2)
    assert judged[1]["iwae_nats"] == pytest.approx(likelihood - 1.2, abs=0.2)
    assert judged[1]["iwae_nats"] + 0.3 < judged[10]["iwae_nats"] < judged[500]["iwae_nats"] - 0.1
    assert judged[500]["iwae_nats"] == pytest.approx(likelihood, abs=0.05)


def test_one_draw_gives_the_elbo_on_average():
    model, images, _ = linear(1, 1, shift=0.4)
    judged = judge(model, images.expand(20_000, -1, -1, -1))
    assert judged["iwae_nats"] == pytest.approx(judged["elbo_nats"], abs=0.03)


def test_what_is_said_of_held_out_images_adds_up():
    model, images, _ = linear(20, 3)
    judged = judge(model, images)
    assert judged["elbo_nats"] == pytest.approx(-judged["reconstruction_nats"] - judged["kl_nats"])
    for name in ("elbo", "iwae"):
        bits = -judged[f"{name}_nats"] / (64 * math.log(2)) + math.log2(127.5)
        assert judged[f"{name}_bits_per_dim"] == pytest.approx(bits)


def test_batches_of_held_out_images_may_be_averaged():
    model, images, likelihood = linear(60, 2)
    parts = [judge(model, some)["iwae_nats"] for some in images.split(20)]
    assert sum(parts) / 3 == pytest.approx(likelihood, abs=1e-3)


def test_a_collapsed_posterior_is_diagnosed():
    model = build(latent_dim=30)
    curve = [{"loss": 1.0, "active_units": active} for active in [9.0, *[2.0] * 20]]
    message = model.diagnose(curve)["posterior_collapse"]
    assert "at most 2 of 30" in message
    assert "free_bits" in message


@pytest.mark.parametrize("active", [[0.0] * 19, [3.0, *[0.0] * 19], [3.0] * 20])
def test_a_posterior_that_lives_is_not_diagnosed(active):
    curve = [{"loss": 1.0}, *({"active_units": each} for each in active)]
    assert build(latent_dim=30).diagnose(curve) == {}


def test_one_active_unit_of_few_is_enough():
    assert build(latent_dim=3).diagnose([{"active_units": 1.0}] * 20) == {}
    assert build(latent_dim=3).diagnose([{"active_units": 0.0}] * 20)
