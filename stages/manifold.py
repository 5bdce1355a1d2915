"""data/features -> data/manifold: one space for real and generated images, its neighbours, maps and clusters."""

from pathlib import Path
from typing import Any

import numpy as np

from pullback import files, plugins
from pullback.errors import UserError, about
from pullback.manifold.clusters import kmeans, missed
from pullback.manifold.dimension import two_nn
from pullback.manifold.graph import components, knn_graph
from pullback.manifold.quality import continuity, trustworthiness
from pullback.pipeline import stage

FEATURES, OUT = Path("data/features"), Path("data/manifold")


def main() -> None:
    keys = ["seed", "manifold", "features.name", "train.models", "sample.methods"]
    with stage("manifold", keys=keys, reads=["prepare", "sample@*", "embed-real", "embed@*"], writes=[OUT]) as run:
        settings = run.params.manifold
        folders = {"real": ("real/test", Path("data/images/test"))}
        for model in run.params.train.models:
            for method in run.params.sample.methods[model]:
                folders[f"{model} {method}"] = f"{model}/{method}", Path("data/samples") / model / method

        features, images, labels, sources = [], [], [], []
        for source, (embedded, pictures) in folders.items():
            rows = _subset(FEATURES / embedded / "features.npy", settings.max_points, run.seed)
            features.append(files.read_array(FEATURES / embedded / "features.npy")[rows])
            images.append(files.read_array(pictures / "images.npy", mmap=True)[rows])
            labels.append(files.read_array(pictures / "labels.npy")[rows])
            sources += [source] * len(rows)
        x, source = np.concatenate(features), np.array(sources)

        with about("manifold.clusters"):
            clusters = kmeans(x, source, settings.clusters, run.seed)
        with about("manifold.neighbors"):
            graph = knn_graph(x, settings.neighbors)
        result: dict[str, Any] = {
            "points": {name: int((source == name).sum()) for name in folders},
            "components": components(graph)[0],
            "dimension": {name: dimension(x[source == name]) for name in folders},
            "cluster_shares": {name: shares.tolist() for name, shares in clusters.shares.items()},
            "missed_clusters": missed(clusters.shares),
            "maps": {},
        }
        for method, params in settings.maps.items():
            with about(f"manifold.maps.{method}"):
                embedding = plugins.load("manifold", method).fit(x, params, run.seed)
            placed = embedding.embedded
            with about("manifold.neighbors"):
                result["maps"][method] = embedding.scores | {
                    "trustworthiness": trustworthiness(x[placed], embedding.coordinates[placed], settings.neighbors),
                    "continuity": continuity(x[placed], embedding.coordinates[placed], settings.neighbors),
                }
            files.write_array(OUT / "maps" / f"{method}.npy", embedding.coordinates)

        files.write_array(OUT / "images.npy", np.concatenate(images))
        files.write_array(OUT / "labels.npy", np.concatenate(labels))
        files.write_array(OUT / "clusters.npy", clusters.labels)
        files.write_array(OUT / "examples.npy", clusters.examples)
        files.write_json(OUT / "sources.json", sources)
        files.write_json(Path("metrics/manifold.json"), result)
        run.images = len(x)
        for method, scores in result["maps"].items():
            run.tracked.headline({f"{method}.trustworthiness": scores["trustworthiness"]})


def dimension(features: np.ndarray) -> dict[str, float] | None:
    """None for a model that draws fewer than three different images."""
    try:
        return two_nn(features)._asdict()
    except UserError:
        return None


def _subset(path: Path, most: int, seed: int) -> np.ndarray:
    n = len(files.read_array(path, mmap=True))
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


if __name__ == "__main__":
    main()
