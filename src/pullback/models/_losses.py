"""What do a generator and a discriminator descend?

D(x) is the discriminator's logit, a real number, for real images x and generated images G(z); sigma is the logistic
function. Every pair takes the two batches of logits and returns one scalar.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu, softplus


@dataclass(frozen=True)
class AdversarialLoss:
    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(D(x), D(G(z))) -> scalar."""
    generator: Callable[[Tensor], Tensor]
    """D(G(z)) -> scalar."""


def minimax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-E[log sigma(D(x))] - E[log(1 - sigma(D(G(z))))]: Goodfellow et al. 2014, equation 1, negated."""
    return softplus(-real).mean() + softplus(fake).mean()


def minimax_generator(fake: Tensor) -> Tensor:
    """E[log(1 - sigma(D(G(z))))]: Goodfellow et al. 2014, equation 1. Its gradient fades where D is sure."""
    return -softplus(fake).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]: Lim and Ye 2017; Miyato et al. 2018, equation 16."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """-E[D(G(z))]: Miyato et al. 2018, equation 17."""
    return -fake.mean()


LOSSES = {
    "minimax": AdversarialLoss(minimax_discriminator, minimax_generator),
    "hinge": AdversarialLoss(hinge_discriminator, hinge_generator),
}
