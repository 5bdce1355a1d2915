"""What do a generator and a discriminator descend?

D(x) is the discriminator's logit, a real number, for real images x and generated images G(z); sigma is the logistic
function. Every loss takes batches of logits (n, 1) and returns one scalar; every penalty takes the gradients of logits
by images (n, c, h, w) and does the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class AdversarialLoss:
    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(D(x), D(G(z))) -> scalar."""
    generator: Callable[[Tensor], Tensor]
    """D(G(z)), or D(G(z)) - D(x) for a relativistic loss -> scalar."""
    relativistic: bool = False


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log sigma(D(x))] - E[log(1 - sigma(D(G(z))))]: Goodfellow et al. 2014, equation 1, negated."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """E[log(1 - sigma(D(G(z))))]: Goodfellow et al. 2014, equation 1. Its gradient fades where D is sure."""
    return -softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """-E[log sigma(D(G(z)))]: Goodfellow et al. 2014, section 3. Its gradient is strongest where D is sure."""
    return softplus(-fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]: Lim and Ye 2017; Miyato et al. 2018, equation 16."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def critic_generator(fake: Tensor) -> Tensor:
    """-E[D(G(z))]: Miyato et al. 2018, equation 17; Arjovsky et al. 2017, algorithm 1."""
    return -fake.mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[(D(x) - 1)^2] / 2 + E[D(G(z))^2] / 2: Mao et al. 2017, equation 9."""
    return (real - 1).square().mean() / 2 + fake.square().mean() / 2


def least_squares_generator(fake: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] / 2: Mao et al. 2017, equation 9."""
    return (fake - 1).square().mean() / 2


def wasserstein_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[D(G(z))] - E[D(x)]: Arjovsky et al. 2017, equation 2, negated; D must be kept Lipschitz by a penalty."""
    return fake.mean() - real.mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[softplus(-(D(x) - D(G(z))))] over pairs: Jolicoeur-Martineau 2019; Huang et al. 2024, equation 2."""
    return softplus(fake - real).mean()


def relativistic_generator(margin: Tensor) -> Tensor:
    """E[softplus(-(D(G(z)) - D(x)))] over pairs, given the margins D(G(z)) - D(x): as for the discriminator."""
    return softplus(-margin).mean()


LOSSES = {
    "minimax": AdversarialLoss(minimax_discriminator, minimax_generator),
    "non_saturating": AdversarialLoss(minimax_discriminator, non_saturating_generator),
    "hinge": AdversarialLoss(hinge_discriminator, critic_generator),
    "least_squares": AdversarialLoss(least_squares_discriminator, least_squares_generator),
    "wgan_gp": AdversarialLoss(wasserstein_discriminator, critic_generator),
    "relativistic": AdversarialLoss(relativistic_discriminator, relativistic_generator, relativistic=True),
}


def zero_centred_penalty(gradients: Tensor) -> Tensor:
    """E[|grad D|^2] / 2, of real images R1 and of generated ones R2: Mescheder et al. 2018, equation 9."""
    return gradients.float().square().flatten(1).sum(1).mean() / 2


def gradient_penalty(gradients: Tensor) -> Tensor:
    """E[(|grad D| - 1)^2], at random points between real and generated images: Gulrajani et al. 2017, equation 3."""
    return (torch.linalg.vector_norm(gradients.float().flatten(1), dim=1) - 1).square().mean()
