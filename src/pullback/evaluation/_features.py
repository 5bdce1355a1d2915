"""Are these two arrays sets of features that can be compared?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.neighbors import as_rows


def pair(real: ArrayLike, fake: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sets as float64 (n, d) and (m, d), n and m at least 2.

    Raises:
        UserError: fewer than two rows, unequal d, wrong shape or type, NaN or infinity.
    """
    sets = {"real features": as_rows(real, "real features"), "fake features": as_rows(fake, "fake features")}
    for name, rows in sets.items():
        if len(rows) < 2:
            raise UserError(f"{name}: at least 2 rows are needed, not {len(rows)}; give more images")
    a, b = sets.values()
    if a.shape[1] != b.shape[1]:
        raise UserError(
            f"real features have {a.shape[1]} columns and fake features {b.shape[1]}; give both the same feature map"
        )
    return a, b
