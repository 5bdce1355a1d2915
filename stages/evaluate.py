"""data/features -> metrics/evaluate/MODEL.json: a model's scores with intervals, beside the floor.

The reference is the test split, which no model has seen. The floor is what the training images score in the place of
generated ones, at the same count. A model that copied its training set would reach it; chance, or images that are fewer
and more typical than the real ones, can pass it in single scores. Metrics that look for copies are given all training
images; their floor is what one half of the test images scores beside the other.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pullback import embedding, files, protocol
from pullback.errors import about
from pullback.evaluation._set import Set
from pullback.features import classifier
from pullback.pipeline import path, stage
from pullback.training.device import device

FEATURES, IMAGES, SAMPLES = Path("data/features"), Path("data/images"), Path("data/samples")


def main(name: str) -> None:
    keys = ["seed", "evaluate", f"sample.methods.{name}", "train.accelerator"]
    with stage(f"evaluate@{name}", keys=keys, reads=["prepare", "extractor", "embed-real", f"embed@{name}"]) as run:
        metrics, methods = run.params.evaluate.metrics, run.params.sample.methods[name]
        test, train = (read_set(FEATURES / "real" / split, IMAGES / split) for split in ("test", "train"))
        drawn = {method: read_set(FEATURES / name / method, SAMPLES / name / method) for method in methods}
        n = min(run.params.evaluate.images or len(test), *map(len, (test, train, *drawn.values())))
        fit = classifier.trainer(device(run.params.train.accelerator))
        test = test.subset(n, run.seed)
        drawn = {key: replace(each.subset(n, run.seed), train=train, fit=fit) for key, each in drawn.items()}
        other = replace(train.subset(n, run.seed), fit=fit)
        with about("evaluate.metrics"):
            result = protocol.beside(files.read_json(Path("metrics/extractor.json")), metrics, run.seed) | {
                "images": n,
                "floor": protocol.floor(metrics, test, other, train, run.seed),
                "methods": {key: protocol.scores(metrics, test, each, run.seed) for key, each in drawn.items()},
                "findings": {key: protocol.findings(metrics, test, each, run.seed) for key, each in drawn.items()},
                "class_shares": {
                    key: class_shares(each.logits)
                    for key, each in {"real": test, **drawn}.items()
                    if each.logits is not None
                },
            }
        files.write_json(path("metrics", run.name, ".json"), result)
        run.images = n * (2 + len(drawn))
        for method, values in result["methods"].items():
            run.tracked.headline({f"{name}.{method}.{key}": each["value"] for key, each in values.items()})
        run.tracked.headline({f"floor.{key}": each["value"] for key, each in result["floor"].items()})


def read_set(features: Path, images: Path) -> Set:
    """The embedded set with its images, and its labels if these are known."""
    labels = files.read_array(images / "labels.npy")
    return replace(
        embedding.read(features),
        images=files.read_array(images / "images.npy", mmap=True),
        labels=labels if labels.min() >= 0 else None,
    )


def class_shares(logits: NDArray[np.float32]) -> list[float]:
    """The share of each class among the images, by the feature map's own judgement."""
    return (np.bincount(logits.argmax(1), minlength=logits.shape[1]) / len(logits)).tolist()


if __name__ == "__main__":
    main(sys.argv[1])
