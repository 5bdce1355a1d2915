"""What of a set of features is all that its Gaussian needs, and can be gathered in batches and merged?"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_rows


@dataclass
class Moments:
    """Count, mean (d,) and scatter (d, d), the sum of (x - mean)(x - mean)^T, of features that arrive in batches."""

    count: int = 0
    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    scatter: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The covariance (d, d) over n - 1; raises `UserError` below two rows."""
        if self.count < 2:
            raise UserError(f"a covariance needs at least 2 rows of features, not {self.count}; give more images")
        return self.scatter / (self.count - 1)

    def update(self, features: ArrayLike) -> None:
        """Adds a batch (b, d) of any size but 0 and any real dtype; raises `UserError` as `merge` and `as_rows` do."""
        rows = as_rows(features, "features")
        mean = rows.mean(axis=0)
        centred = rows - mean
        self.merge(Moments(len(rows), mean, centred.T @ centred))

    def merge(self, other: "Moments") -> None:
        """Adds what `other` has seen (Chan, Golub and LeVeque 1983); raises `UserError` if its d differs."""
        if not self.count:
            self.count, self.mean, self.scatter = other.count, other.mean.copy(), other.scatter.copy()
        elif other.count:
            check_same_d(self, other)
            total, gap = self.count + other.count, other.mean - self.mean
            self.scatter += other.scatter + np.outer(gap, gap) * (self.count * other.count / total)
            self.mean += gap * (other.count / total)
            self.count = total


def check_same_d(a: Moments, b: Moments) -> None:
    """Raises `UserError` if the features of two sets differ in number."""
    if len(a.mean) != len(b.mean):
        raise UserError(f"moments of {len(a.mean)} and of {len(b.mean)} features; use the same feature map for both")
