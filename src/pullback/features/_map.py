"""What is a feature map, to everything that embeds images?

A feature map is one file here with a `Params` class and three functions:

- `build(images, labels, classes, params, seed, device, folder)`: trains the map on uint8 images (n, c, h, w) and int64
  labels (n,) of that many classes, or verifies given weights, and writes it into `folder`;
- `load(folder, device) -> Embed`: the map, ready to use;
- `scores(embed, images, labels) -> dict`: how good it is on held-out images, by name.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Embed = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32] | None]]
"""Images uint8 (n, c, h, w) -> features float32 (n, d), and logits float32 (n, classes) or None."""
