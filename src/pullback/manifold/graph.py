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
TINY = np.finfo(np.float64).tiny  # an edge between equal points: a sparse matrix keeps none of length 0

# A short-circuit is all three. The numbers were chosen on Swiss rolls, Gaussians, squares and spheres.
AGREEMENT = 0.95  # with the geodesics of the k before, at most
DETOUR = 5.0  # length of the path between the ends of a new edge, over that of the edge, at least
LONG = 1.3  # length of this edge, over that which 99 % of the edges have at most at the first k, at least


def knn_graph(x: ArrayLike, k: int) -> csr_array:
    """The symmetric graph (n, n) that joins two points where one is among the other's k nearest; weights are distances.

    Raises:
        UserError: NaN in `x` (n, d), or k >= n.
    """
    return _joined(*knn(x, k))


def _joined(distances: NDArray[np.float64], indices: NDArray[np.int64]) -> csr_array:
    n, k = indices.shape
    lengths = np.maximum(distances, TINY)
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
    detour: how many times as far the path between the ends of a long new edge was, for the worst of these; 1 without
        any. It is a lower bound.
    """

    k: int
    components: int
    agreement: float
    detour: float

    @property
    def short_circuit(self) -> bool:
        """Whether this graph has an edge across a fold that the graph of the k before has not."""
        return self.agreement < AGREEMENT and self.detour > DETOUR


@dataclass(frozen=True)
class Sweep:
    """What a sweep over k has seen, and the k that it picks."""

    steps: list[Step]
    k: int
    reason: str

    @property
    def short_circuits(self) -> list[int]:
        """The ks at which an edge across a fold is new."""
        return [step.k for step in self.steps if step.short_circuit]


def sweep(x: ArrayLike, ks: Sequence[int], seed: int = 0) -> Sweep:
    """Which of `ks`, ascending, makes a good graph of x (n, d)?

    One edge across a fold shortens most long paths at once, while other edges hardly change any. So the geodesics, from
    100 points that `seed` draws, are compared from each k to the next. In a sparse sample they change as well: with
    every k in many dimensions, and where an edge bridges a hole. An edge across a fold differs from these in two ways.
    The path between its ends was long before; in many dimensions none is. And the edge is itself long: a fold that is
    no wider than the points are apart no graph could tell from the sheet, while a bridge over a hole is as short as
    other edges. The path is at least |g(l, i) - g(l, j)| long for every landmark l, so no further search is needed.
    Picked is the largest k before the first short-circuit, as more edges make straighter paths, among those whose
    graphs fall into the fewest components.

    Not seen are an edge that is there from the first k on, so begin with 4 or 5; a fold little wider than the
    points are apart where they are sparsest; and one around which the path is short.

    Raises:
        UserError: NaN, no k, the largest k >= n, or every point equals all its neighbours.
    """
    if not ks:
        raise UserError("a sweep needs at least one k; give some, such as range(4, 16)")
    steps = list(_steps(x, ks, seed))
    broken = next((i for i, step in enumerate(steps) if step.short_circuit), len(steps))
    fewest = min(step.components for step in steps[:broken])
    chosen = [step for step in steps[:broken] if step.components == fewest][-1]
    return Sweep(steps, chosen.k, _reason(steps, broken, chosen))


def _steps(x: ArrayLike, ks: Sequence[int], seed: int) -> Iterator[Step]:
    distances, indices = knn(x, max(ks))
    n = len(indices)
    if not distances.any():
        raise UserError(f"each of the {n} points has {max(ks)} or more equal ones; leave out duplicates")
    landmarks = np.random.default_rng(seed).permutation(n)[:LANDMARKS]
    graphs = (_joined(distances[:, :k], indices[:, :k]) for k in ks)
    old = next(graphs)
    long = LONG * np.quantile(old.data, 0.99)
    before = dijkstra(old, indices=landmarks)
    yield Step(ks[0], components(old)[0], agreement=1.0, detour=1.0)
    for k, graph in zip(ks[1:], graphs, strict=True):
        geodesics = dijkstra(graph, indices=landmarks)
        yield Step(k, components(graph)[0], _correlation(before, geodesics), _detour(before, graph - old, long))
        old, before = graph, geodesics


def _detour(before: NDArray[np.float64], new: csr_array, long: float) -> float:
    edges = new.tocoo()
    i, j, lengths = (each[edges.data > long] for each in (edges.row, edges.col, edges.data))
    with np.errstate(invalid="ignore"):  # inf - inf, in other components; inf between components is no detour either
        ratios = np.abs(before[:, i] - before[:, j]) / lengths
    return float(ratios.max(initial=1.0, where=np.isfinite(ratios)))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    joined = np.isfinite(a) & np.isfinite(b)
    if min(np.ptp(a[joined]), np.ptp(b[joined])) <= a.size * TINY:  # no distances to speak of, as among equal points
        return 1.0
    return float(np.corrcoef(a[joined], b[joined])[0, 1])


def _reason(steps: list[Step], broken: int, chosen: Step) -> str:
    one = chosen.components == 1
    parts = "the graph is in one piece" if one else f"the graph falls into {chosen.components} components"
    if broken < len(steps):
        step = steps[broken]
        return (
            f"{parts}; at k = {step.k} an edge cuts across a fold or a gap that the path before went around, "
            f"{step.detour:.0f} times as far: the distances along the data then correlate with those at "
            f"k = {steps[broken - 1].k} by only {step.agreement:.2f}"
        )
    settled = f"{parts}, and no edge is seen to cut across a fold or a gap up to the largest k tried, {steps[-1].k}"
    changing = [step for step in steps if step.agreement < AGREEMENT]
    if not changing:
        return settled
    step = changing[-1]
    return f"{settled}; but up to k = {step.k} the distances along the data change with k, as in a sparse sample"
