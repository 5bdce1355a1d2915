"""Does a model keep the holes of the data?

Join all points that lie within a growing length of each other: components merge, loops close and fill up, voids too. A
persistence diagram holds for each such class of homology the lengths (birth, death) between which it lives, in the
Vietoris-Rips filtration and over the field of two elements (Edelsbrunner & Harer 2010, Computational Topology). It is
computed by GUDHI, an optional package.

Diagrams are compared by the Wasserstein distance of order 1 (Cohen-Steiner et al. 2010): the least total way, in the
maximum norm, by which classes must be moved until both diagrams are the same, where a class may also be moved onto the
diagonal birth = death, half its lifetime away, and so be lost. The bottleneck distance is the longest of these ways
alone, and blind to all that a model loses besides.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from pullback.errors import UserError
from pullback.neighbors import as_rows

STEPS = 50  # lengths at which `compare` counts classes


def diagrams(x: ArrayLike, dimensions: int = 2) -> list[NDArray[np.float64]]:
    """The classes of x (n, d) in homology dimension 0 (components), 1 (loops), 2 (voids), … `dimensions`.

    One array (m, 2) each, of births and deaths. The last component never dies: its death is infinite. All other classes
    die; those that die at birth are left out, so that duplicates make no component of their own.

    Raises:
        UserError: NaN, fewer than 3 points, or GUDHI is not installed.
    """
    x = as_rows(x)
    if len(x) < 3:
        raise UserError(f"there are {len(x)} points, but homology needs at least 3; give more")
    try:
        from gudhi.sklearn.rips_persistence import RipsPersistence
    except ImportError as error:
        raise UserError(
            "homology needs the package gudhi, which is not installed; pip install gudhi, or set it to null"
        ) from error
    rips = RipsPersistence(list(range(dimensions + 1)), homology_coeff_field=2)
    found: list[NDArray[np.float64]] = rips.fit_transform([x])[0]
    return found


def betti_curve(diagram: NDArray[np.float64], at: ArrayLike) -> NDArray[np.int64]:
    """How many classes of a diagram (m, 2) live at each length of `at` (s,): birth <= length < death; (s,)."""
    births, deaths = diagram.T
    lengths = np.asarray(at)[:, None]
    return ((births <= lengths) & (lengths < deaths)).sum(axis=1)


def distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The Wasserstein distance of two diagrams (m, 2) and (n, 2), exactly, by an assignment.

    The component that never dies is left out: every diagram has one, born at 0.
    """
    # GUDHI's own, by Hera, is right to 1 %, and kills the process where one diagram alone has nothing else (3.13.0).
    a, b = _finite(a), _finite(b)
    # Beside the classes of one diagram stand as many places on the diagonal as the other has classes.
    costs = np.zeros((len(a) + len(b), len(b) + len(a)))
    costs[: len(a), : len(b)] = cdist(a, b, "chebyshev")
    costs[: len(a), len(b) :] = (a[:, 1:] - a[:, :1]) / 2
    costs[len(a) :, : len(b)] = (b[:, 1] - b[:, 0]) / 2
    return float(costs[linear_sum_assignment(costs)].sum())


def compare(
    real: ArrayLike, others: Mapping[str, ArrayLike], points: int, seed: int, dimensions: int = 2
) -> dict[str, Any]:
    """How far the diagrams of `others`, features (n, d) by source, are from that of `real` (n, d).

    Diagrams grow with the number of points, so all are of as many: `points`, or fewer where half of the real ones or
    some source are fewer; `seed` draws them. Beside the sources stands `floor`, as many other real points. JSON:

    - points: how many.
    - lengths: evenly from 0 to the last death in the real diagrams.
    - homology: a list, for dimension 0, 1, … `dimensions`, of
        - distances: of each source and the floor. 1 is the real diagram's distance from an empty one, so that it is as
          bad as to have no such classes; null where the real diagram itself is empty.
        - betti: of `real`, each source and the floor, the classes that live at each of the lengths.

    Raises:
        UserError: points < 3, fewer than 6 real points or 3 of a source, unequal d, or as `diagrams` does.
    """
    if points < 3:
        raise UserError(f"points is {points}, but homology needs at least 3; raise it")
    rows = as_rows(real, "real")
    sets = {"real": rows, **{name: as_rows(x, name, rows.shape[1]) for name, x in others.items()}}
    n = min(points, len(sets["real"]) // 2, *map(len, sets.values()))
    drawn = {name: np.random.default_rng(seed).permutation(x) for name, x in sets.items()}
    drawn["floor"] = drawn["real"][n:]
    found = {name: diagrams(x[:n], dimensions) for name, x in drawn.items()}
    lengths = np.linspace(0, max(_finite(each).max(initial=0) for each in found["real"]), STEPS)
    return {
        "points": n,
        "lengths": lengths.tolist(),
        "homology": [
            _compared({name: each[k] for name, each in found.items()}, lengths) for k in range(dimensions + 1)
        ],
    }


def _compared(found: dict[str, NDArray[np.float64]], lengths: NDArray[np.float64]) -> dict[str, Any]:
    """Of the diagrams of one dimension, by source."""
    real = found["real"]
    births, deaths = _finite(real).T
    unit = float((deaths - births).sum()) / 2
    return {
        "distances": {
            name: distance(real, each) / unit if unit else None for name, each in found.items() if name != "real"
        },
        "betti": {name: betti_curve(each, lengths).tolist() for name, each in found.items()},
    }


def _finite(diagram: NDArray[np.float64]) -> NDArray[np.float64]:
    """The classes that die."""
    return diagram[np.isfinite(diagram[:, 1])]
