"""How long is a way from one image to another, and how real are the images along it?

Lengths are sums of steps over the distance between the ends, in pixels and in features: 1 is a straight line there. The
realism of each image (Kynkaanniemi 2019) is given; it must be by real images among which the ends of no path are, or
the images next to an end would owe theirs to that end alone.
"""

import numpy as np
from numpy.typing import NDArray

COPY = 1000.0  # stands for the infinite realism of a copy


def judge(pixels: NDArray[np.uint8], features: NDArray[np.float32], realism: NDArray[np.float64]) -> dict[str, float]:
    """What is known of some paths, by their images (pairs, steps, …), features (pairs, steps, d) and realism.

    `realism` (pairs, steps) counts between the ends only: its median, and the median of the least one on each path;
    that of a copy counts as 1000, of which a mean would show nothing else.
    """
    between = np.minimum(realism, COPY)[:, 1:-1]
    return {
        "pixel_length": relative_length(pixels),
        "feature_length": relative_length(features),
        "realism": float(np.median(between)),
        "least_realism": float(np.median(between.min(axis=1))),
    }


def relative_length(points: NDArray[np.generic]) -> float:
    """The length of paths (pairs, steps, …) over the distance between their ends, each added up over the pairs.

    1 where all ends are equal, as those of a collapsed model.
    """
    rows = points.reshape(*points.shape[:2], -1).astype(np.float64)
    walked = np.linalg.norm(np.diff(rows, axis=1), axis=2).sum()
    direct = np.linalg.norm(rows[:, -1] - rows[:, 0], axis=1).sum()
    return float(walked / direct) if direct else 1.0
