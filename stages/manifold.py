"""data/features -> data/manifold: one space for real and generated images, its neighbours, maps and clusters."""

from pathlib import Path

import numpy as np

from pullback import files, study
from pullback.errors import about
from pullback.manifold.graph import components, knn_graph
from pullback.pipeline import Stage, stage
from pullback.study import Points

FEATURES, SAMPLES, OUT = Path("data/features"), Path("data/samples"), Path("data/manifold")


def main() -> None:
    keys = ["seed", "manifold", "features.name", "train.models", "sample.methods"]
    with stage("manifold", keys=keys, reads=["prepare", "sample@*", "embed-real", "embed@*"], writes=[OUT]) as run:
        settings = run.params.manifold
        points, images = read(run)
        known = files.read_array(FEATURES / "real/train/features.npy", mmap=True)
        with about("manifold.neighbors"):
            graph = knn_graph(points.features, settings.neighbors)
        clusters = study.clusterings(points, settings.clusters, settings.min_cluster_size, run.seed)
        maps, scores = study.maps(points, settings.maps, settings.neighbors, run.seed)
        result = {
            "points": {name: len(points.of(name)) for name in points.names},
            "components": components(graph)[0],
            "dimension": study.dimensions(points, settings.neighbors),
            "features": {"prediction": study.predictions(points, points.features, run.seed)},
            "maps": scores,
            **{name: study.judged_clusters(points, found, tested=name == "kmeans") for name, found in clusters.items()},
            "topology": settings.topology_points and study.homology(points, settings.topology_points, run.seed),
            **study.graph_of_real(points, run.seed),
            "paths": {model: study.judged_paths(*read_paths(model), known) for model in run.params.train.models},
        }
        nearest = study.nearest(points)
        for method, coordinates in maps.items():
            files.write_array(OUT / "maps" / f"{method}.npy", coordinates)
        files.write_table(OUT / "maps.csv", study.plotted(points, maps))
        files.write_array(OUT / "images.npy", images)
        files.write_array(OUT / "labels.npy", points.labels)
        files.write_array(OUT / "clusters.npy", clusters["kmeans"].labels)
        files.write_array(OUT / "examples.npy", clusters["kmeans"].examples)
        files.write_array(OUT / "neighbors.npy", nearest.rows)
        files.write_array(OUT / "distances.npy", nearest.distances)
        files.write_json(OUT / "sources.json", points.sources.tolist())
        files.write_json(Path("metrics/manifold.json"), result)
        run.images = len(images)
        for method, found in scores.items():
            run.tracked.headline({f"{method}.trustworthiness": found["all"]["trustworthiness"]})


def read(run: Stage) -> tuple[Points, np.ndarray]:
    """At most `manifold.max_points` points of each source, and their images uint8 (n, c, h, w)."""
    folders = {"real": ("real/test", Path("data/images/test"))}
    for model in run.params.train.models:
        for method in run.params.sample.methods[model]:
            folders[f"{model} {method}"] = f"{model}/{method}", SAMPLES / model / method
    features, images, labels, sources = [], [], [], []
    for source, (embedded, pictures) in folders.items():
        every = files.read_array(FEATURES / embedded / "features.npy")
        rows = np.sort(np.random.default_rng(run.seed).permutation(len(every))[: run.params.manifold.max_points])
        features.append(every[rows])
        images.append(files.read_array(pictures / "images.npy", mmap=True)[rows])
        labels.append(files.read_array(pictures / "labels.npy")[rows])
        sources += [source] * len(rows)
    points = Points(np.concatenate(features), np.concatenate(labels), np.array(sources))
    return points, np.concatenate(images)


def read_paths(model: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """By kind of path the images (pairs, steps, c, h, w) of a model's paths, and their features (pairs, steps, d)."""
    pairs = len(files.read_array(SAMPLES / model / "paths/labels.npy"))

    def by_kind(folder: Path, name: str) -> dict[str, np.ndarray]:
        found = {file.parent.name: files.read_array(file) for file in sorted(folder.glob(f"*/{name}.npy"))}
        return {kind: each.reshape(pairs, -1, *each.shape[1:]) for kind, each in found.items()}

    return by_kind(SAMPLES / model / "paths", "images"), by_kind(FEATURES / model / "paths", "features")


if __name__ == "__main__":
    main()
