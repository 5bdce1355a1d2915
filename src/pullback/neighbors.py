"""Which rows lie nearest to a row, and which within a given distance of it? Exactly, and in bounded memory.

    |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

The right-hand side is one matrix product, fast but rounded; the left-hand side is accurate but slow. So a float32
product of the centred rows serves only as a lower bound: its rounding error is at most (2 d + 12) u (|x|^2 + |y|^2),
u = 2^-24 (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1). Whatever the bound leaves open is
settled pair by pair from the left-hand side in float64. The answers therefore depend on no block size, thread count or
BLAS, keep their digits under a large common offset, and treat equal distances as equal.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullback.errors import UserError
from pullback.threads import in_threads

_BLOCK = 2**21  # entries of the largest temporary array


def as_rows(x: ArrayLike, name: str = "x", columns: int | None = None) -> NDArray[np.float64]:
    """`x` as a float64 array (n, d) of finite numbers, n and d at least 1; a copy only where its type differs.

    `columns` is the d of the points that it is compared with, if there are any.

    Raises:
        UserError: another shape or d, no real numbers, or NaN and infinity among them (how many, and the first row).
    """
    array = _array(x, name)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiub":
        raise UserError(f"{name} must be numbers of shape (n, d), not {array.dtype} of shape {array.shape}; mend it")
    if columns not in (None, array.shape[1]):
        raise UserError(
            f"{name} has {array.shape[1]} columns, but the other points have {columns}; give the same features"
        )
    array = array.astype(np.float64, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        first = finite.all(axis=1).argmin()
        raise UserError(
            f"{name} holds {finite.size - finite.sum()} NaN or infinite values, the first in row {first} of "
            f"{len(array)}; make these rows again or leave them out"
        )
    return array


def as_labels(labels: ArrayLike, n: int, name: str = "labels") -> NDArray[Any]:
    """`labels` as an array (n,), one for each of n points; raises `UserError` for another shape, NaN and fractions."""
    array = _array(labels, name)
    if array.shape != (n,):
        raise UserError(f"{name} must be one for each of the {n} points, not of shape {array.shape}; mend it")
    if array.dtype.kind == "f" and (array != np.rint(array)).any():
        raise UserError(f"{name} holds NaN or fractions, which name no class; leave these points out")
    return array


def _array(x: ArrayLike, name: str) -> NDArray[Any]:
    try:
        return np.asarray(x)
    except ValueError as error:
        raise UserError(f"{name} holds rows of unequal lengths, which make no array; mend it") from error


def check_count(name: str, value: int, least: int, most: int, points: str) -> None:
    """Raises `UserError` unless `value` is a whole number from `least` to the `most` that `points`, "9 rows", allow."""
    if not isinstance(value, int | np.integer):
        raise UserError(f"{name} must be a whole number, not {value!r}; mend it")
    if most < least:
        raise UserError(f"{points} are too few for any {name}; give more")
    if not least <= value <= most:
        raise UserError(
            f"{name} must be from {least} to {most} where there are {points}, not {value}; change it or give more"
        )


def row_blocks(n: int, width: int) -> Iterator[slice]:
    """Slices that cover n rows, so that a block of rows of `width` numbers stays small."""
    step = max(1, _BLOCK // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def knn(x: ArrayLike, k: int, y: ArrayLike | None = None) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The k nearest rows of y (m, d) for each row of x (n, d); without y, of x itself.

    Without y a row is not its own neighbour, but another row that equals it is. Returns the Euclidean distances (n, k),
    ascending, and the indices (n, k) into y; equal distances are ordered by index.

    Raises:
        UserError: k outside 1 ... m (m - 1 without y) or no whole number, unequal d, or what `as_rows` refuses.
    """
    x = as_rows(x, "x")
    others = x if y is None else as_rows(y, "y", x.shape[1])
    n, m = len(x), len(others)
    check_count("k", k, 1, m if y is not None else m - 1, f"{m} rows")
    kept = _first_equals(others, k + 1)
    pairs = Distances(x, others[kept] if len(kept) < m else y)
    distances, indices = np.empty((n, k)), np.empty((n, k), np.int64)

    def settle(rows: slice) -> None:
        block = pairs.block(rows)
        if y is None:
            own = np.flatnonzero((kept >= rows.start) & (kept < rows.stop))
            block.lower[kept[own] - rows.start, own] = np.inf
        i, j = block.candidates(k)
        exact = pairs.exact(i + rows.start, j)
        order = np.lexsort((j, exact, i))
        nearest = order[np.searchsorted(i, np.arange(len(block.lower)))[:, None] + np.arange(k)]
        distances[rows], indices[rows] = exact[nearest], kept[j[nearest]]

    in_threads(settle, row_blocks(n, len(kept)))
    return distances, indices


def _first_equals(rows: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """The rows that fewer than `most` equal ones precede, ascending: no later one is among the nearest `most - 1`."""
    (names,) = _names(rows)
    order = np.argsort(names, kind="stable")
    ranks = np.arange(len(rows)) - np.searchsorted(names[order], names[order])
    return np.sort(order[ranks < most])


def _names(*sets: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """A number for each row of each set, which equal rows share.

    With thousands of equal rows, which a collapsed generator makes, nearly all pairs would be settled one by one.
    """
    known: dict[bytes, int] = {}
    return [
        np.array([known.setdefault(blake2b(row.tobytes(), digest_size=16).digest(), len(known)) for row in rows])
        for rows in sets
    ]


class Distances:
    """The Euclidean distances between the rows of x (n, d) and of y (m, d), or of x itself, compared block by block.

    Raises:
        UserError: unequal d, or what `as_rows` refuses.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike | None = None) -> None:
        self._x = as_rows(x, "x")
        self._y = self._x if y is None else as_rows(y, "y", self._x.shape[1])
        self.shape = len(self._x), len(self._y)
        sets = [self._x] if y is None else [self._x, self._y]
        names, centre = _names(*sets), self._y.mean(axis=0)
        self._x_names, self._y_names = names[0], names[-1]
        ends = [end - centre for rows in sets for end in (rows.min(axis=0), rows.max(axis=0))]
        self.scale = np.abs(ends).max() or 1.0  # float32 could overflow
        scaled = [self._scaled(rows, centre) for rows in sets]
        self.errors = scaled[0][1], scaled[-1][1]
        # |x|^2 + |y|^2 - 2 x.y as one product: (-2 x, |x|^2, 1) . (y, 1, |y|^2)
        self._left, right = scaled[0][0], scaled[-1][0] if len(sets) > 1 else scaled[0][0].copy()
        self._left[:, :-2] *= -2
        right[:, [-2, -1]] = right[:, [-1, -2]]
        self._right = right.T

    def _scaled(
        self, rows: NDArray[np.float64], centre: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Rows, their squared norms less their share in the rounding error of the product, and ones; and that share."""
        n, d = rows.shape
        scaled, norms = np.ones((n, d + 2), np.float32), np.empty(n)
        for part in row_blocks(n, d):
            near = (rows[part] - centre) / self.scale
            scaled[part, :d], norms[part] = near, np.square(near).sum(axis=1)
        errors = (2 * d + 12) * 2.0**-24 * (norms + 1e-25)  # the last term stands for underflow
        scaled[:, d] = norms - errors
        return scaled, errors

    def blocks(self) -> Iterator["Block"]:
        """The comparisons of all rows of y with some rows of x at a time."""
        return map(self.block, row_blocks(*self.shape))

    def block(self, rows: slice) -> "Block":
        """The comparison of all rows of y with `rows` of x."""
        return Block(self, rows, self._left[rows] @ self._right)

    def exact(self, i: NDArray[Any], j: NDArray[Any]) -> NDArray[np.float64]:
        """The distances between the rows x[i] and y[j], pair by pair."""
        result = np.zeros(len(i))
        unequal = np.flatnonzero(self._x_names[i] != self._y_names[j])
        i, j = i[unequal], j[unequal]
        for part in row_blocks(len(i), 4 * self._x.shape[1]):  # there are four such arrays in float64
            result[unequal[part]] = np.sqrt(np.square(self._x[i[part]] - self._y[j[part]]).sum(axis=1))
        return result


class Block(NamedTuple):
    """Some rows of x against all of y; `lower` (b, m) never exceeds the squared distance over the squared scale."""

    of: Distances
    rows: slice
    lower: NDArray[np.float32]

    def within(self, radii: NDArray[np.float64], *, strict: bool = False) -> NDArray[np.bool_]:
        """Which distances (b, m) are at most `radii`, or below them if `strict`; `radii` is (b, 1) or (1, m)."""
        limits = np.square(radii / self.of.scale)
        inside = self.lower <= limits.astype(np.float32)
        i, j = _where(inside)
        upper = self.lower[i, j] + 2 * (self.of.errors[0][self.rows][i] + self.of.errors[1][j])
        undecided = upper >= np.broadcast_to(limits, inside.shape)[i, j]
        i, j = i[undecided], j[undecided]
        exact, reach = self.of.exact(i + self.rows.start, j), np.broadcast_to(radii, inside.shape)[i, j]
        inside[i, j] = exact < reach if strict else exact <= reach
        return inside

    def candidates(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (i, j), ascending, that hold the k nearest rows of y for each of these rows of x, and few others."""
        # The minima of 16 k groups of columns are far cheaper to sort than all columns; the k-th of them is an upper
        # bound of the k-th distance.
        m = self.lower.shape[1]
        groups = min(m, 16 * k)
        whole = m - m % groups
        minima = self.lower[:, :whole].reshape(len(self.lower), -1, groups).min(axis=1)
        minima = minima + 2 * self.of.errors[1][:whole].reshape(-1, groups).max(axis=0)
        bound = np.partition(minima, k - 1, axis=1)[:, k - 1] + 2 * self.of.errors[0][self.rows]
        return _where(self.lower <= bound[:, None].astype(np.float32))

    def deepest(self, radii: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (i, j), ascending, that hold the largest radii[j] / distance of each of these rows, and few others.

        `radii` is (m,), at least 0. A row whose quotients are all 0 may have no pair.
        """
        squares = np.square(radii / self.of.scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(self.lower > 0, squares / self.lower, np.inf)
        upper = self.lower + 2 * (self.of.errors[0][self.rows, None] + self.of.errors[1])
        bound = (squares / upper.clip(min=1e-30)).max(axis=1) * (1 - 1e-6)  # the last factor stands for its rounding
        return _where((most >= bound[:, None]) & (most > 0))


def _where(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`np.nonzero` of a matrix, but several times faster."""
    i, j = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return i, j
