"""data/features -> metrics/evaluate/MODEL.json: a model's scores with intervals, beside the floor.

The reference is the test split, which no model has seen. The floor is what the training images score in the place of
generated ones, at the same count. A model that copied its training set would reach it; chance, or images that are fewer
and more typical than the real ones, can pass it in single scores. Metrics that look for copies are given all training
images; their floor is what one half of the test images scores beside the other.

Of a model that was trained several times, the first training is judged, as it is the one delivered. Beside its scores
stand the mean and the spread over all trainings, since another seed may move a score by more than its interval.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback import embedding, files, protocol
from pullback.errors import about
from pullback.evaluation._set import Set
from pullback.features import classifier
from pullback.pipeline import path, stage, trainings
from pullback.training.device import device

FEATURES, IMAGES, SAMPLES = Path("data/features"), Path("data/images"), Path("data/samples")


def main(name: str) -> None:
    keys = ["seed", "evaluate", f"sample.methods.{name}", "train.accelerator", "train.repeats"]
    with stage(f"evaluate@{name}", keys=keys, reads=["prepare", "extractor", "embed-real", f"embed@{name}"]) as run:
        metrics, methods = run.params.evaluate.metrics, run.params.sample.methods[name]
        test, train = (read_set(FEATURES / "real" / split, IMAGES / split) for split in ("test", "train"))
        fit = classifier.trainer(device(run.params.train.accelerator))

        def drawn_by(training: str) -> dict[str, Set]:
            folders = {method: f"{name}/{training}/{method}" for method in methods}
            sets = {method: read_set(FEATURES / folder, SAMPLES / folder) for method, folder in folders.items()}
            return {method: replace(each, train=train, fit=fit) for method, each in sets.items()}

        first, *others = trainings(run.params.train.repeats)
        drawn = drawn_by(first)
        n = min(run.params.evaluate.images or len(test), *map(len, (test, train, *drawn.values())))
        test = test.subset(n, run.seed)
        drawn = {method: each.subset(n, run.seed) for method, each in drawn.items()}
        other = replace(train.subset(n, run.seed), fit=fit)

        def scored(sets: dict[str, Set]) -> dict[str, dict[str, Any]]:
            return {
                key: protocol.scores(metrics, test, each.subset(n, run.seed), run.seed) for key, each in sets.items()
            }

        with about("evaluate.metrics"):
            result = protocol.beside(files.read_json(Path("metrics/extractor.json")), metrics, run.seed) | {
                "images": n,
                "floor": protocol.floor(metrics, test, other, train, run.seed),
                "methods": scored(drawn),
                "findings": {key: protocol.findings(metrics, test, each, run.seed) for key, each in drawn.items()},
                "class_shares": {
                    key: class_shares(each.logits)
                    for key, each in {"real": test, **drawn}.items()
                    if each.logits is not None
                },
            }
            if others:
                every = [result["methods"], *(scored(drawn_by(training)) for training in others)]
                result["repeats"] = {key: protocol.spread([each[key] for each in every]) for key in methods}
        files.write_json(path("metrics", run.name, ".json"), result)
        run.images = n * (2 + len(drawn) * (1 + len(others)))
        for method, values in result["methods"].items():
            run.tracked.headline({f"{name}.{method}.{key}": each["value"] for key, each in values.items()})
        for method, values in result.get("repeats", {}).items():
            told = ((key, part, each[part]) for key, each in values.items() for part in ("mean", "std"))
            run.tracked.headline({f"{name}.{method}.{key}.{part}": value for key, part, value in told})
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
