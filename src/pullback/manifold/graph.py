"""Which points are neighbours, and how far apart are two points along the data?

The graph joins each point with its k nearest; the length of the shortest path approximates the geodesic distance
(Tenenbaum, de Silva & Langford 2000). Too small a k leaves several components, and points in different components are
infinitely far apart: nothing is joined silently. Too large a k short-circuits folds, and one wrong edge is enough.
`sweep` looks for both (Balasubramanian & Schwartz 2002, "The Isomap algorithm and topological stability").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from pullback.errors import UserError
from pullback.neighbors import as_rows, knn

LANDMARKS = 100  # points from which a sweep measures geodesics
SHORT_CIRCUIT = 0.95  # agreement with the graph of one edge less per point below which an edge has joined two folds


def knn_graph(x: ArrayLike, k: int) -> csr_array:
    """The symmetric graph (n, n) that joins two points where one is among the other's k nearest; weights are distances.

    Raises:
        UserError: NaN in `x` (n, d), or k >= n.
    """
    return _joined(*knn(x, k))


def _joined(distances: NDArray[np.float64], indices: NDArray[np.int64]) -> csr_array:
    n, k = indices.shape
    lengths = np.maximum(distances, np.finfo(np.float64).tiny)  # duplicates: a sparse matrix keeps no edge of length 0
    graph = csr_array((lengths.ravel(), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    return graph.maximum(graph.T)


def components(graph: csr_array) -> tuple[int, NDArray[np.int64]]:
    """The number of connected components, and each point's component, (n,)."""
    count, labels = connected_components(graph, directed=False)
    return count, labels.astype(np.int64)


def geodesic_distances(x: ArrayLike, k: int, landmarks: ArrayLike | None = None) -> NDArray[np.float64]:
    """Lengths of the shortest paths from `landmarks` (m indices; None: all points) to all points, (m, n).

    Infinite between components.

    Raises:
        UserError: as `knn_graph`, or a landmark that is no row of `x`.
    """
    graph = knn_graph(x, k)
    if landmarks is not None:
        _check_rows(landmarks, graph.shape[0])
    return dijkstra(graph, indices=landmarks)


def _check_rows(rows: ArrayLike, n: int) -> None:
    given = np.asarray(rows)
    outside = given[(given < 0) | (given >= n)]
    if outside.size:
        raise UserError(f"there is no point {outside[0]} among {n}; give numbers from 0 to {n - 1}")


class Similarity(NamedTuple):
    """How alike two points of a data set are.

    euclidean: their distance through space.
    geodesic: the length of the shortest path along the data; infinite between components.
    correlation: Pearson's, of their features, -1 to 1; 0 where the features of one are all equal.
    path: int64 (p,), the points on that path, both ends among them; empty between components.
    """

    euclidean: float
    geodesic: float
    correlation: float
    path: NDArray[np.int64]


def similarity(x: ArrayLike, graph: csr_array, i: int, j: int) -> Similarity:
    """That of the points i and j of x (n, d), whose neighbour graph is `graph` (n, n).

    Raises:
        UserError: NaN in `x`, or i or j is no row of it.
    """
    rows = as_rows(x)
    _check_rows([i, j], len(rows))
    a, b = rows[i], rows[j]
    lengths, before = dijkstra(graph, indices=i, return_predecessors=True)
    path = [j] if np.isfinite(lengths[j]) else []
    while path and path[-1] != i:
        path.append(before[path[-1]])
    centred_a, centred_b = a - a.mean(), b - b.mean()
    spread = np.linalg.norm(centred_a) * np.linalg.norm(centred_b)
    correlation = float(centred_a @ centred_b / spread) if spread else 0.0
    return Similarity(
        float(np.linalg.norm(a - b)), float(lengths[j]), correlation, np.array(path[::-1], dtype=np.int64)
    )


class Step(NamedTuple):
    """One k of a sweep.

    components: of the graph.
    agreement: the correlation of its geodesic distances with those of the k before, over pairs of points that are
        joined in both; 1 for the first k.
    """

    k: int
    components: int
    agreement: float


@dataclass(frozen=True)
class Sweep:
    """What a sweep over k has seen, and the k that it picks."""

    steps: list[Step]
    k: int
    reason: str

    @property
    def short_circuits(self) -> list[int]:
        """The ks whose graphs have an edge across a fold that the graph of the k before has not."""
        return [step.k for step in self.steps if step.agreement < SHORT_CIRCUIT]


def sweep(x: ArrayLike, ks: Sequence[int], seed: int = 0) -> Sweep:
    """Which of `ks`, ascending, makes a good graph of x (n, d)?

    One edge across a fold shortens most long paths at once, while all other edges hardly change any. So the geodesics,
    from 100 points that `seed` draws, are compared from each k to the next; an edge that is there from the first k on
    is not seen. Picked is the largest k before the first short-circuit, as more edges make straighter paths, among
    those whose graphs fall into the fewest components.

    Raises:
        UserError: NaN, no k, or the largest k >= n.
    """
    if not ks:
        raise UserError("a sweep needs at least one k; give some, such as range(4, 16)")
    steps = list(_steps(x, ks, seed))
    broken = next((i for i, step in enumerate(steps) if step.agreement < SHORT_CIRCUIT), len(steps))
    fewest = min(step.components for step in steps[:broken])
    chosen = [step for step in steps[:broken] if step.components == fewest][-1]
    return Sweep(steps, chosen.k, _reason(steps, broken, chosen))


def _steps(x: ArrayLike, ks: Sequence[int], seed: int) -> Iterator[Step]:
    distances, indices = knn(x, max(ks))
    n = len(indices)
    landmarks = np.random.default_rng(seed).permutation(n)[:LANDMARKS]
    before = None
    for k in ks:
        graph = _joined(distances[:, :k], indices[:, :k])
        geodesics = dijkstra(graph, indices=landmarks)
        yield Step(k, components(graph)[0], 1.0 if before is None else _correlation(before, geodesics))
        before = geodesics


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    joined = np.isfinite(a) & np.isfinite(b)
    if np.ptp(a[joined]) == 0 or np.ptp(b[joined]) == 0:  # no distances to speak of, as among equal points
        return 1.0
    return float(np.corrcoef(a[joined], b[joined])[0, 1])


def _reason(steps: list[Step], broken: int, chosen: Step) -> str:
    one = chosen.components == 1
    parts = "the graph is in one piece" if one else f"the graph falls into {chosen.components} components"
    if broken == len(steps):
        return f"{parts}, and no edge cuts across a fold or a gap up to the largest k tried, {steps[-1].k}"
    step = steps[broken]
    return (
        f"{parts}; at k = {step.k} an edge cuts across a fold or a gap: the distances along the data then correlate "
        f"with those at k = {steps[broken - 1].k} by only {step.agreement:.2f}"
    )
