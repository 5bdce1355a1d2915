"""What is known of a set of images when its metrics are computed?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Set:
    """The embedding of n images: `features` (n, d), and `logits` (n, classes) where the feature map is a classifier."""

    features: NDArray[np.floating]
    logits: NDArray[np.floating] | None = None
