"""How is log p(x) bounded through an approximate posterior of the latents?

The prior is p(z) = N(0, I), the posterior q(z|x) = N(mu, diag exp(v)), with mu and v float32 (n, d). All is in nats.
"""

import math

import torch
from torch import Tensor

ACTIVE = 0.01  # variance of the posterior mean


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL_j = (mu_j^2 + exp(v_j) - 1 - v_j) / 2 (n, d), of q from p, by dimension: Kingma and Welling 2014, B."""
    return (mean**2 + log_variance.exp() - 1 - log_variance) / 2


def free_bits(divergences: Tensor, floor: float) -> Tensor:
    """sum_j max(lambda, KL_j), KL_j (d,) being means over the batch: Kingma et al. 2016, appendix C.8.

    A dimension that costs less than lambda = `floor` nats is not pushed towards the prior.
    """
    return divergences.clamp(min=floor).sum()


def log_prior_by_posterior(latents: Tensor, noise: Tensor, log_variance: Tensor) -> Tensor:
    """log p(z) - log q(z|x) = sum_j (e_j^2 + v_j - z_j^2) / 2 (n,), for z = mu + exp(v / 2) e with noise e (n, d)."""
    return (noise**2 + log_variance - latents**2).sum(1) / 2


def importance_weighted(log_weights: Tensor) -> Tensor:
    """log (1 / k) sum_i w_i (n,), w_i = p(x|z_i) p(z_i) / q(z_i|x) for z_i ~ q: Burda et al. 2016, equation 8.

    `log_weights` are (k, n). On average at most log p(x), and the nearer the larger k.
    """
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


def active_units(mean: Tensor, square: Tensor) -> Tensor:
    """How many dimensions have Var_x[mu_j] > 0.01 over a batch, given E_x[mu_j] and E_x[mu_j^2] (d,).

    The others tell no image from another: Burda et al. 2016, section 5.2.
    """
    return (square - mean.square() > ACTIVE).sum()
