"""What does each number of a latent do to the image? One at a time moves while the others stay.

All latents lie on lines through 0, the middle of the prior N(0, I): number i goes from -2.5 to 2.5 of its standard
deviations, and the others are 0. A number that changes nothing there may still matter elsewhere, as decoders are not
linear, and neither model is made so that a number has one meaning.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from pullback.models._model import Model, draw

ROWS, STEPS, REACH = 8, 9, 2.5  # numbers that are shown, images of each, and how far these go


def traversals(model: Model) -> NDArray[np.uint8]:
    """Images uint8 (rows, steps, c, h, w): for at most `ROWS` of the latent's numbers, one line of `STEPS` images each.

    The numbers that change the image most come first: by the variance of a pixel along the line, mean over the pixels.
    If the model is conditional, the images of row i are of class i, from 0 on again after the last one, and the order
    is that of what the numbers change in class 0.
    """
    axes = torch.eye(model.latent_dim)
    lines = np.stack([_line(model, axis, 0) for axis in axes])
    change = lines.var(axis=1, dtype=np.float64).mean(axis=(1, 2, 3))
    most = np.argsort(-change, kind="stable")[:ROWS]
    return np.stack([_line(model, axes[i], row % max(model.classes, 1)) for row, i in enumerate(most)])


def _line(model: Model, axis: torch.Tensor, kind: int) -> NDArray[np.uint8]:
    """(steps, c, h, w): images of the class `kind` along an axis (latent_dim,)."""
    latents = torch.outer(torch.linspace(-REACH, REACH, STEPS), axis).to(model.device)
    return draw(model, latents, torch.full((STEPS,), kind, device=model.device))
