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
    All images are of class 0 if the model is conditional.
    """
    line, axes = torch.linspace(-REACH, REACH, STEPS), torch.eye(model.latent_dim)
    wanted = torch.zeros(STEPS, dtype=torch.int64, device=model.device)
    lines = np.stack([draw(model, torch.outer(line, axis).to(model.device), wanted) for axis in axes])
    change = lines.var(axis=1, dtype=np.float64).mean(axis=(1, 2, 3))
    return lines[np.argsort(-change, kind="stable")[:ROWS]]
