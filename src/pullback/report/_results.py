"""What may a section of the report show? Everything that the pipeline has found, as plain data and arrays."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Results:
    """The outputs of all stages. A *source* of images is "real", or a model and its sampling method: "gan prior"."""

    params: dict[str, Any]
    """All of params.yaml."""
    prepared: dict[str, Any]
    """metrics/prepare.json: name, size, channels, classes, counts."""
    feature_map: dict[str, Any]
    """metrics/extractor.json: the name of the feature map, its digest, how it resizes, and its scores."""
    train: Images
    """(n, c, h, w), the training split."""
    real: Images
    """(n, c, h, w), the test split."""
    samples: dict[str, Images]
    """(n, c, h, w) by source."""
    labels: dict[str, NDArray[np.int64]]
    """(n,) by source, "real" among them: the class that an image is of or was asked for; -1 = none."""
    reconstructions: dict[str, Images]
    """(m, c, h, w) by model, of the first m of `real`; only of models that can encode."""
    paths: dict[str, dict[str, Images]]
    """(pairs, steps, c, h, w) by model and kind: `pixels` (only of models that can encode), `straight`, `geodesic`."""
    traversals: dict[str, Images]
    """(rows, steps, c, h, w) by model: in each row one number of the latent moves."""
    curves: dict[str, dict[str, NDArray[np.float64]]]
    """By model, the columns of its training curve, among them `seen_images`; NaN where a point lacks a number."""
    training_scores: dict[str, dict[str, NDArray[np.float64]]]
    """By model, the columns of the scores of its averaged weights during training, among them `seen_images`."""
    trainings: dict[str, dict[str, Any]]
    """metrics/train/MODEL.json by model: which weights were chosen by which score, and what is said of them."""
    better: dict[str, Literal["lower", "higher"]]
    """The metrics in the order of params.yaml, and which direction of each is better; the first one leads."""
    evaluations: dict[str, dict[str, Any]]
    """metrics/evaluate/MODEL.json by model."""
    comparisons: dict[str, Any]
    """metrics/compare.json: the verdicts on every two sources."""
    manifold: dict[str, Any]
    """metrics/manifold.json: scores of the maps, shares of the clusters, dimensions, what is known of the paths."""
    maps: dict[str, NDArray[np.float64]]
    """Coordinates (n, 2) by method, NaN for points that it cannot place."""
    map_sources: NDArray[np.str_]
    """(n,), the source of each point."""
    map_images: Images
    """(n, c, h, w), the image of each point."""
    map_labels: NDArray[np.int64]
    """(n,), the class that the image of each point is of or was asked for; -1 = none."""
    map_clusters: NDArray[np.int64]
    """(n,), the cluster of each point, a row of `examples`."""
    map_neighbors: NDArray[np.int64]
    """(n, 2, m), for each point the m real and the m generated points nearest in the features, itself left out."""
    map_distances: NDArray[np.float64]
    """(n, 2, m), how far away they are, ascending."""
    examples: Images
    """(k, c, h, w), the real image nearest to the centre of each cluster."""
    versions: dict[str, str]
    """Of the programs at work."""
    revision: str
    """Of the code; empty outside git."""
    speeds: dict[str, dict[str, Any]]
    """metrics/speed/STAGE.json by stage, in the order of the pipeline: `seconds`, `machine`, and where the stage
    works on images, how many per second; differs between reruns."""
    origins: dict[str, dict[str, Any]]
    """By stage `outputs`, path -> digest in dvc.lock, and `run`, its run in MLflow, None if unknown; the latter differs
    between reruns."""
    store: str
    """The address of MLflow's tracking store."""
    recorded: dict[str, str]
    """When and in which run of the whole pipeline; differs between reruns."""

    @property
    def sources(self) -> list[str]:
        """ "real" first."""
        return ["real", *self.samples]

    def images(self, source: str) -> Images:
        return self.real if source == "real" else self.samples[source]

    @property
    def scores(self) -> dict[str, dict[str, dict[str, float]]]:
        """Source -> metric -> value, low, high, n_real, n_fake."""
        return self._by_source("methods")

    @property
    def repeats(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Source -> metric -> values, mean, std over the trainings of a model; of those trained more than once."""
        return self._by_source("repeats")

    @property
    def floor(self) -> dict[str, dict[str, float]]:
        """Metric -> value, low, high of real images in the place of generated ones; not of every metric."""
        return next(iter(self.evaluations.values()))["floor"]

    def findings(self, metric: str) -> dict[str, dict[str, Any]]:
        """Source -> what the metric has found besides scores, of the sources of which it has found something.

        It names images by number: rows of `samples[source]`, of `train`, or of `real`.
        """
        return {source: found[metric] for source, found in self._by_source("findings").items() if metric in found}

    @property
    def class_shares(self) -> dict[str, list[float]]:
        """Source, "real" first -> the share of each class, as the feature map sees it; empty if it knows no classes."""
        real = next(iter(self.evaluations.values()))["class_shares"].get("real")
        return {"real": real} | self._by_source("class_shares") if real else {}

    def _by_source(self, key: str) -> dict[str, Any]:
        """What the evaluations hold under `key` for each source, in the order of `sources`."""
        found = {
            f"{model} {method}": values
            for model, evaluation in self.evaluations.items()
            for method, values in evaluation.get(key, {}).items()
        }
        return {source: found[source] for source in self.samples if source in found}
