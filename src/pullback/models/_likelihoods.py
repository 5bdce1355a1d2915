"""How probable is an image, given what a decoder says of it?

x are images (n, c, h, w) in [-1, 1], a the decoder's answers of the same shape, without a last activation, D = c h w.
A likelihood is -log p(x|z) (n,) in nats, summed over the pixels: a mean over pixels would weigh the divergence from the
prior by D (Rybkin et al. 2021).
"""

import math

import torch
from torch import Tensor, nn

from pullback.models._layers import across

LOWEST_LOG_SIGMA = -6.0


def bernoulli(images: Tensor, answers: Tensor) -> Tensor:
    """-sum_i t_i log p_i + (1 - t_i) log(1 - p_i), t = (x + 1) / 2, p = logistic(a): Kingma and Welling 2014, C.1.

    A probability of black and white images. Grey levels t are taken as shares of white: what it costs on average to
    name an image whose pixels are drawn white with probability t, and no density of the levels themselves
    (Loaiza-Ganem and Cunningham 2019).
    """
    levels = (images + 1) / 2
    pixels = nn.functional.binary_cross_entropy_with_logits(answers, levels, reduction="none")
    return pixels.flatten(1).sum(1)


def gaussian(images: Tensor, answers: Tensor, log_sigma: Tensor) -> Tensor:
    """sum_i (x_i - tanh(a_i))^2 / (2 sigma^2) + log sigma + log(2 pi) / 2: Kingma and Welling 2014, C.2.

    A density of images, with one sigma for all pixels.
    """
    scaled = (images - torch.tanh(answers)) * torch.exp(-log_sigma)
    pixels = scaled**2 / 2 + log_sigma + math.log(2 * math.pi) / 2
    return pixels.flatten(1).sum(1)


def optimal_log_sigma(images: Tensor, answers: Tensor) -> Tensor:
    """-6 + softplus(log sigma* + 6), sigma*^2 = mean of (x - tanh(a))^2 over batch and pixels: Rybkin et al. 2021.

    sigma* is the sigma of the highest likelihood of this batch, over all processes that share it; gradients flow
    through it. The soft clip keeps a sigma of exp(-6), about a third of a grey level, where all is rebuilt exactly.
    """
    square = across((images - torch.tanh(answers)).square().mean())
    return LOWEST_LOG_SIGMA + nn.functional.softplus(torch.log(square) / 2 - LOWEST_LOG_SIGMA)


def bits_per_dim(nats: Tensor, size: int, *, density: bool) -> Tensor:
    """nats / (D ln 2), for images of `size` D; for a density - log2(2 / 255) more: Theis et al. 2016, section 3.1.

    A density p becomes the probability p (2 / 255)^D of an image of 8-bit levels, 2 / 255 being their distance in
    [-1, 1]; so the figures compare with those of other work. This holds while p hardly changes from one level to the
    next, sigma well above 2 / 255. With the Bernoulli likelihood they are bits per black or white pixel, and compare
    with Bernoulli figures only.
    """
    return nats / (size * math.log(2)) + (math.log2(255 / 2) if density else 0.0)
