"""data/features -> metrics/evaluate/MODEL.json: a model's scores with intervals, beside the floor.

The reference is the test split, which no model has seen. The floor is what the training images score in the place of
generated ones, at the same count. A model that copied its training set would reach it; chance, or images that are fewer
and more typical than the real ones, can pass it in single scores.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pullback import files, plugins
from pullback.errors import about
from pullback.evaluation._set import Set
from pullback.pipeline import path, stage

FEATURES = Path("data/features")


def main(name: str) -> None:
    keys = ["seed", "evaluate", "features.name", f"sample.methods.{name}"]
    with stage(f"evaluate@{name}", keys=keys, reads=["embed-real", f"embed@{name}"]) as run:
        test, train = read_set("real/test"), read_set("real/train")
        drawn = {method: read_set(f"{name}/{method}") for method in run.params.sample.methods[name]}
        n = min(
            run.params.evaluate.images or sys.maxsize, *(len(each.features) for each in (test, train, *drawn.values()))
        )
        test, train = subset(test, n, run.seed), subset(train, n, run.seed)
        drawn = {method: subset(each, n, run.seed) for method, each in drawn.items()}

        def scores(fake: Set) -> dict[str, Any]:
            values = {}
            for metric, params in run.params.evaluate.metrics.items():
                with about(f"evaluate.metrics.{metric}"):
                    estimates = plugins.load("evaluation", metric).scores(test, fake, params, run.seed)
                values |= {key: asdict(estimate) for key, estimate in estimates.items()}
            return values

        result = {
            "feature_map": run.params.features.name,
            "images": n,
            "seed": run.seed,
            "floor": scores(train),
            "methods": {method: scores(each) for method, each in drawn.items()},
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


def read_set(folder: str) -> Set:
    logits = FEATURES / folder / "logits.npy"
    features = files.read_array(FEATURES / folder / "features.npy")
    return Set(features, files.read_array(logits) if logits.exists() else None)


def class_shares(logits: np.ndarray) -> list[float]:
    """The share of each class among the images, by the feature map's own judgement."""
    return (np.bincount(logits.argmax(1), minlength=logits.shape[1]) / len(logits)).tolist()


def subset(whole: Set, n: int, seed: int) -> Set:
    """`n` members of the set, drawn without replacement."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(whole.features))[:n])
    return Set(whole.features[rows], None if whole.logits is None else whole.logits[rows])


if __name__ == "__main__":
    main(sys.argv[1])
