"""data/features -> metrics/evaluate/MODEL.json: a model's scores with intervals, beside the floor.

The reference is the test split, which no model has seen. The floor is what the training images score in the place of
generated ones, at the same count. A model that copied its training set would reach it; chance, or images that are fewer
and more typical than the real ones, can pass it in single scores. Metrics that look for copies are given all training
images; their floor is what one half of the test images scores beside the other.

Of a model that was trained several times, the first training is judged, as it is the one delivered. Beside its scores
stand the mean and the spread over all trainings, since another seed may move a score by more than its interval.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback import embedding, files, plugins, protocol
from pullback.errors import about
from pullback.evaluation._set import Set
from pullback.features import classifier
from pullback.labels import LEAST, decimals, interval, joined, label, number
from pullback.pictures import enlarged, grid
from pullback.pipeline import Stage, path, stage, trainings
from pullback.training.device import device

FEATURES, IMAGES, SAMPLES = Path("data/features"), Path("data/images"), Path("data/samples")
ARROWS = {"lower": "\N{NO-BREAK SPACE}\N{DOWNWARDS ARROW}", "higher": "\N{NO-BREAK SPACE}\N{UPWARDS ARROW}"}
SHOWN, PIXELS = 36, 192  # images of each set in the note, and the least width of them together


def main(name: str) -> None:
    keys = ["seed", "evaluate", f"sample.methods.{name}", "train.accelerator", "train.repeats"]
    reads = ["prepare", "extractor", f"sample@{name}", "embed-real", f"embed@{name}"]
    with stage(f"evaluate@{name}", keys=keys, reads=reads) as run:
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
        rows = np.random.default_rng(run.seed).permutation(n)[:SHOWN]
        pictures = {
            key: run.tracked.picture(key, enlarged(grid(np.asarray(each.images)[rows]), PIXELS))
            for key, each in {"real": test, **drawn}.items()
        }
        track(run, name, result, pictures)


def track(run: Stage, name: str, result: dict[str, Any], pictures: dict[str, str]) -> None:
    """All scores as numbers, and as a table beneath some images of each set.

    MLflow's charts have a section for what stands before the slash of a name, in the order of the alphabet: the scores
    come first, and beneath them, to be folded away, the twice as many charts of how sure they are.
    """
    judged = {"floor": result["floor"], **{f"{name}.{key}": each for key, each in result["methods"].items()}}
    repeats = {f"{name}.{key}": each for key, each in result.get("repeats", {}).items()}

    def headline(section: str, sets: dict[str, Any], part: str, ending: str = "") -> None:
        run.tracked.headline(
            {f"{section}/{of}.{key}{ending}": each[part] for of in sets for key, each in sets[of].items()}
        )

    headline("scores", judged, "value")
    for sets, parts in ((judged, ("low", "high")), (repeats, ("mean", "std"))):
        for part in parts:
            headline("uncertainty", sets, part, f".{part}")
    rows = [
        ["", "real: the floor", *(label(f"{name} {key}") for key in result["methods"])],
        ["---"] * (1 + len(judged)),
    ]
    rows.append(["", *pictures.values()])
    for metric in run.params.evaluate.metrics:
        for score, direction in plugins.load("evaluation", metric).BETTER.items():
            found = shown(score, [each.get(score) for each in judged.values()])
            rows += [[f"{label(score)}{ARROWS[direction]}", *found]] if any(found) else []
    head = (
        f"**{label(name)}**: {result['images']:,} images on each side, features: {label(result['feature_map'])}, "
        f"intervals of 95 %; those of {joined(LEAST)} are of unlimited images."
    )
    run.tracked.note("\n".join([head, "", *(f"| {' | '.join(row)} |" for row in rows)]))


def shown(score: str, estimates: Sequence[dict[str, float] | None]) -> list[str]:
    """Of each set its value and interval, as in the report; the floor comes first."""
    floor, *models = [each["value"] if each else None for each in estimates]
    known = [value for value in models if value is not None]
    places = decimals(known or [floor or 0.0])
    return [
        f"{number(each['value'], places)} ({interval(each['low'], each['high'], places, LEAST.get(score, -inf))})"
        if each
        else ""
        for each in estimates
    ]


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
