"""What is known of a set of images when its metrics are computed?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from pullback.evaluation.moments import Moments

Predict = Callable[[NDArray[np.uint8]], NDArray[np.int64]]
Fit = Callable[[NDArray[np.uint8], NDArray[np.int64], int, int], Predict]
"""(images (n, c, h, w), labels (n,), budget in images, seed) -> a classifier of further images."""


@dataclass(frozen=True)
class Set:
    """The embedding of n images, and what else is known of them. A metric has no scores where it misses something.

    features: (n, d).
    logits: (n, classes), where the feature map is a classifier.
    images: uint8 (n, c, h, w).
    labels: int64 (n,), the classes that the images were taken from or made for.
    train: all images that the maker of these images has seen.
    fit: trains the small classifier.
    numbers: int64 (n,), which images of a larger set these are.
    moments: those of the features, where they were gathered before.
    """

    features: NDArray[np.floating]
    logits: NDArray[np.floating] | None = None
    images: NDArray[np.uint8] | None = None
    labels: NDArray[np.int64] | None = None
    train: Optional["Set"] = None
    fit: Fit | None = None
    numbers: NDArray[np.int64] | None = None
    moments: Moments | None = None

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: NDArray[np.int64]) -> "Set":
        """The images of some rows; `train` and `fit` stay."""
        of_each = {
            name: values[rows]
            for name in ("features", "logits", "images", "labels")
            if (values := getattr(self, name)) is not None
        }
        return replace(self, **of_each, moments=None, numbers=np.array(self.numbered(rows), dtype=np.int64))

    def subset(self, n: int, seed: int) -> "Set":
        """`n` of the images, drawn without replacement, in their order; the set itself if it has no more."""
        if n >= len(self):
            return self
        return self[np.sort(np.random.default_rng(seed).permutation(len(self))[:n])]

    def numbered(self, rows: NDArray[np.int64]) -> list[int]:
        """The numbers of some rows, by which others know these images."""
        return (rows if self.numbers is None else self.numbers[rows]).tolist()
