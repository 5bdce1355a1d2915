"""What does the space look like in which real and generated images lie together?

One study of the features of all sources at once: their neighbours, clusters, dimensions and maps, how far each map may
be trusted, and whether its coordinates know the classes. `stages/manifold.py` reads and writes for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pullback import config, plugins
from pullback.errors import UserError, about
from pullback.evaluation.modes import departures
from pullback.evaluation.precision_recall import realism
from pullback.manifold import predict, quality, topology
from pullback.manifold.clusters import Clusters, agreement, hdbscan, kmeans
from pullback.manifold.dimension import maximum_likelihood, two_nn
from pullback.manifold.graph import Similarity, components, geodesic_distances, knn_graph, similarity, sweep
from pullback.manifold.paths import judge
from pullback.neighbors import knn

SHOWN = 5  # nearest neighbours of each kind that the interactive map shows
FROM = 200  # points from which geodesics are measured to judge long distances
PAIRS = 4  # of real images, between which the shortest path is shown
KS = range(4, 17)  # of the sweep
KNOWN = 10_000  # training images by which the realism of a path is judged
PLOTTED = 300  # points of each source in the table of maps

T = TypeVar("T")


@dataclass(frozen=True)
class Points:
    """n images of all sources.

    features: float32 (n, d).
    labels: int64 (n,), -1 = none; of a generated image the class that was asked for.
    sources: (n,), "real" and others.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    sources: NDArray[np.str_]

    def of(self, source: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.sources == source)

    @property
    def names(self) -> list[str]:
        """The sources in their order."""
        return list(dict.fromkeys(self.sources.tolist()))


def dimensions(points: Points, k: int) -> dict[str, dict[str, dict[str, float]] | None]:
    """Source -> `two_nn` and `maximum_likelihood`; None for a source of too few different images."""

    def both(x: NDArray[np.float32]) -> dict[str, dict[str, float]]:
        return {"two_nn": two_nn(x)._asdict(), "maximum_likelihood": maximum_likelihood(x, k)._asdict()}

    return {name: _if_possible(both, points.features[points.of(name)]) for name in points.names}


def clusterings(points: Points, k: int, least: int, seed: int) -> dict[str, Clusters]:
    """By k-means, k clusters, and by HDBSCAN, of at least `least` points each.

    Raises:
        UserError: there are fewer distinct real points than k, or fewer than `least`.
    """
    x, sources = points.features, points.sources
    with about("manifold.clusters"):
        centred = kmeans(x, sources, k, seed)
    with about("manifold.min_cluster_size"):
        return {"kmeans": centred, "hdbscan": hdbscan(x, sources, least)}


def judged_clusters(points: Points, clusters: Clusters, *, tested: bool) -> dict[str, Any]:
    """The shares of the sources, how clusters agree with the real classes and, if `tested`, what sources miss and
    over-produce."""
    real, k = points.of("real"), len(clusters.centers)
    x, truth, found = points.features[real], points.labels[real], clusters.labels[real]
    modes = {}
    for name in points.names[1:] if tested else []:
        differing = departures(found, clusters.labels[points.of(name)], k)
        modes[name] = {
            fault: [{"cluster": int(kind), **differing.told(kind)} for kind in getattr(differing, fault)]
            for fault in ("missing", "over_produced")
        }
    agreeing = _if_possible(agreement, x, found, truth) if truth.min() >= 0 else None
    shares = {name: clusters.shares[name].tolist() for name in points.names}
    return {"clusters": k, "shares": shares, "modes": modes, "agreement": agreeing and agreeing._asdict()}


class Geodesics(NamedTuple):
    """Distances along the graph of all points (l, n) from l of them, the rows `landmarks`."""

    distances: NDArray[np.float64]
    landmarks: NDArray[np.int64]


def geodesics(points: Points, k: int, seed: int) -> Geodesics:
    """From 200 points, or all if they are fewer."""
    landmarks = np.sort(np.random.default_rng(seed).permutation(len(points.sources))[:FROM])
    return Geodesics(geodesic_distances(points.features, k, landmarks), landmarks)


def judged_map(points: Points, coordinates: NDArray[np.float64], along: Geodesics, k: int) -> dict[str, Any]:
    """How far a map (n, 2), NaN where a point has no place, may be trusted: `all` points, and each of the `sources`."""
    placed, x = ~np.isnan(coordinates[:, 0]), points.features

    def judged(chosen: NDArray[np.bool_]) -> dict[str, float | None]:
        rows, mine = np.flatnonzero(chosen), chosen[along.landmarks]
        known = rows[points.labels[rows] >= 0]
        found: dict[str, float | None] = {
            "trustworthiness": quality.trustworthiness(x[rows], coordinates[rows], k),
            "continuity": quality.continuity(x[rows], coordinates[rows], k),
            "shepard": quality.shepard_correlation(
                along.distances[mine][:, rows], coordinates[rows], np.searchsorted(rows, along.landmarks[mine])
            ),
        }
        if len(known) > k:
            found["neighborhood_hit"] = quality.neighborhood_hit(coordinates[known], points.labels[known], k)
        return found

    sources = {name: _if_possible(judged, placed & (points.sources == name)) for name in points.names}
    return {"all": judged(placed), "sources": sources}


def predictions(points: Points, coordinates: NDArray[Any], seed: int) -> dict[str, dict[str, Any]]:
    """Prediction layer -> source -> how often it is right about the class; of sources with labels.

    Real images are left out in turn; generated ones are judged by what was asked for.
    """
    usable = ~np.isnan(coordinates[:, 0]) & (points.labels >= 0)
    rows = {name: np.flatnonzero(usable & (points.sources == name)) for name in points.names}
    real = rows.pop("real")

    def judged(layer: str) -> dict[str, Any]:
        place, label = coordinates, points.labels
        found = {"real": predict.accuracy(place[real], label[real], layer, seed)}
        found |= {
            name: predict.followed(place[real], label[real], place[each], label[each], layer)
            for name, each in rows.items()
            if len(each)
        }
        return {name: each._asdict() for name, each in found.items()}

    if not len(real):
        return {}
    return {layer: told for layer in predict.LAYERS if (told := _if_possible(judged, layer))}


class Nearest(NamedTuple):
    """Of each of n points its m nearest real [:, 0] and generated ones [:, 1]: rows and distances, (n, 2, m)."""

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]


def nearest(points: Points) -> Nearest:
    """Up to 5 of each kind, ascending; a point is not its own neighbour."""
    real = points.sources == "real"
    kinds = [np.flatnonzero(real), np.flatnonzero(~real)]
    m = min(SHOWN, min(map(len, kinds)) - 1)
    rows, distances = np.empty((len(real), 2, m), np.int64), np.empty((len(real), 2, m))
    for i, kind in enumerate(kinds):
        for mine in kinds:
            own = mine is kind
            lengths, found = knn(points.features[mine], m, None if own else points.features[kind])
            rows[mine, i], distances[mine, i] = kind[found], lengths
    return Nearest(rows, distances)


def graph_of_real(points: Points, seed: int) -> dict[str, Any]:
    """What a sweep over k says of the real points' neighbour graph, and shortest paths between some of them."""
    real = points.of("real")
    x = points.features[real]
    swept = sweep(x, [k for k in KS if k < len(x)], seed)
    graph = knn_graph(x, swept.k)
    _, parts = components(graph)
    inside = np.flatnonzero(parts == np.bincount(parts).argmax())
    ends = np.random.default_rng(seed).permutation(inside)[: 2 * PAIRS]
    pairs = [similarity(x, graph, i, j) for i, j in ends[: len(ends) // 2 * 2].reshape(-1, 2)]
    steps = [step._asdict() for step in swept.steps]
    return {
        "sweep": {
            "neighbors": swept.k,
            "reason": swept.reason,
            "short_circuits": swept.short_circuits,
            "steps": steps,
        },
        "shortest_paths": [_told(pair, real) for pair in pairs],
    }


def _told(pair: Similarity, rows: NDArray[np.int64]) -> dict[str, Any]:
    return pair._asdict() | {"path": rows[pair.path].tolist()}


def homology(points: Points, most: int, seed: int) -> dict[str, Any]:
    """What `topology.compare` says of the components and loops of all sources, by at most `most` points of each.

    Voids of a few hundred points in many dimensions are chance: the floor is several times as far as an empty diagram.
    """
    real, *others = points.names
    by_source = {name: points.features[points.of(name)] for name in others}
    with about("manifold.topology_points"):
        return topology.compare(points.features[points.of(real)], by_source, most, seed, dimensions=1)


def judged_paths(
    images: Mapping[str, NDArray[np.uint8]], features: Mapping[str, NDArray[np.float32]], real: NDArray[np.float32]
) -> dict[str, dict[str, float]]:
    """Kind of path -> what `paths.judge` says of its images (pairs, steps, c, h, w) and features (pairs, steps, d).

    `real` (n, d) are features of training images, of which at most 10,000 are looked at.
    """
    if not images:
        return {}
    together = np.stack([features[kind] for kind in images])
    values = realism(real[:KNOWN], together.reshape(-1, together.shape[-1])).reshape(together.shape[:-1])
    return {kind: judge(images[kind], features[kind], each) for kind, each in zip(images, values, strict=True)}


def maps(
    points: Points, methods: Mapping[str, config.Params], k: int, seed: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, dict[str, Any]]]:
    """Coordinates (n, 2) by method, and what is to be thought of them.

    Raises:
        UserError: a map cannot be made of these points with its parameters, or k >= n / 2.
    """
    coordinates, scores = {}, {}
    with about("manifold.neighbors"):
        along = geodesics(points, k, seed)
    for method, params in methods.items():
        with about(f"manifold.maps.{method}"):
            embedding = plugins.load("manifold", method).fit(points.features, params, seed)
        with about("manifold.neighbors"):
            scores[method] = embedding.scores | judged_map(points, embedding.coordinates, along, k)
        scores[method]["prediction"] = predictions(points, embedding.coordinates, seed)
        coordinates[method] = embedding.coordinates
    return coordinates, scores


def plotted(points: Points, coordinates: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    """Rows `map`, `source`, `x`, `y` of at most 300 points of each source, for a page that has to draw them all."""
    every = {name: points.of(name) for name in points.names}
    shown = {name: rows[:: -(-len(rows) // PLOTTED)] for name, rows in every.items()}
    return [
        {"map": method, "source": name, "x": float(f"{x:.4g}"), "y": float(f"{y:.4g}")}
        for method, places in coordinates.items()
        for name, rows in shown.items()
        for x, y in places[rows]
        if not np.isnan(x)
    ]


def _if_possible(work: Callable[..., T], *given: Any) -> T | None:
    """None where the points do not allow it: too few, all alike, or all of one class."""
    try:
        return work(*given)
    except UserError:
        return None
