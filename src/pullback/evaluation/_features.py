"""Are these arrays sets of features that can be compared?"""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_rows

LARGEST = 1e50  # the kernel distance takes the sixth power


def pair(real: ArrayLike, fake: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sets as float64 (n, d) and (m, d), n and m at least 2; raises `UserError` as `alike` does."""
    a, b = alike(real=real, fake=fake)
    return a, b


def alike(**sets: ArrayLike) -> list[NDArray[np.float64]]:
    """The sets in float64, each with at least 2 rows and all with as many columns; errors name them by their keywords.

    Warns:
        UserWarning: all rows of `fake` are equal, or they are those of the first set.

    Raises:
        UserError: fewer than two rows, unequal d, wrong shape or type, NaN, infinity or beyond `LARGEST`; all rows of
            another set than `fake` are equal.
    """
    features = {name: as_rows(rows, f"{name} features") for name, rows in sets.items()}
    for name, rows in features.items():
        if len(rows) < 2:
            raise UserError(f"{name} features: at least 2 rows are needed, not {len(rows)}; give more images")
    (first, one), *others = features.items()
    for name, rows in others:
        if rows.shape[1] != one.shape[1]:
            raise UserError(
                f"{first} features have {one.shape[1]} columns and {name} features {rows.shape[1]}; give both the same "
                "feature map"
            )
        if max(np.abs(one).max(), np.abs(rows).max()) > LARGEST:
            raise UserError(f"{first} or {name} features exceed {LARGEST:g}, whose powers have no number; scale them")
    for name, rows in features.items():
        if name == "fake":
            warn_collapsed(rows, "fake features")
        elif all_equal(rows):
            raise UserError(
                f"{name} features: all {len(rows)} rows are equal, so nothing can be measured by them; give images "
                "that differ, or a feature map that tells them apart"
            )
    if np.array_equal(one, features["fake"]):
        warnings.warn(
            f"{first} and fake features are the same {len(one)} rows: their scores tell of no generator; give another "
            "set",
            stacklevel=3,
        )
    return list(features.values())


def all_equal(rows: NDArray[np.float64]) -> bool:
    """Whether no row differs from the first."""
    return bool((rows[0] == rows[-1]).all() and (rows == rows[0]).all())


def warn_collapsed(rows: NDArray[np.float64], name: str) -> None:
    """Warns where all rows are equal: a generator that makes one image only."""
    if all_equal(rows):
        warnings.warn(
            f"{name}: all {len(rows)} rows are equal, so the generator has collapsed to one image, or the feature map "
            "sees no difference; look at the images",
            stacklevel=4,
        )
