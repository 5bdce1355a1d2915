"""How do the candidate and the champion score now, on the same images, in the same space, at the same count?

The candidate's pipeline has made everything that it takes: test images, feature map, samples. The champion draws its
own samples anew, from its weights and what it learned from, and these go through the same map. The test images are
those that neither was trained on: a new split may hold images that the champion knows.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback import config, embedding, files, plugins, protocol
from pullback.config import Params
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.features import classifier
from pullback.gate import Judged
from pullback.generation import batches
from pullback.models._model import labels_like
from pullback.training import checkpoint
from pullback.training.device import device

LEAST = 50  # test images that neither model has seen
BOTH = ("data/images", "metrics/prepare.json", "models/extractor")


def needed(models: list[str]) -> tuple[list[str], list[str]]:
    """What must be at hand of the candidate's and of the champion's revision."""
    trained = [*BOTH, *(f"models/{model}" for model in models)]
    return [*BOTH, "data/features", "data/samples"], trained


def contest(candidate: Path, champion: Path, params: config.Config) -> tuple[dict[str, Judged], int]:
    """The scores that the rules of `retrain.gate` name, as MODEL.METHOD.SCORE, and the number of test images.

    Args:
        candidate, champion: folders with what `needed` says of each.

    Raises:
        UserError: the two draw images of different kinds, too few test images are left, or a metric refuses.
    """
    check_kind(*(files.read_json(each / "metrics/prepare.json") for each in (champion, candidate)))
    rules = {rule.metric for rule in params.retrain.gate}
    metrics = _metrics({name.split(".")[2] for name in rules}, params)
    test, train = (_read(candidate, f"features/real/{split}", f"images/{split}") for split in ("test", "train"))
    test = test[_unseen(test, champion)]
    fit = classifier.trainer(device(params.train.accelerator))
    found: dict[str, Judged] = {}
    load = partial(plugins.load("features", params.features.name).load, candidate / "models/extractor")
    embed = partial(embedding.embedded, load=load, title="champion", accelerator=params.train.accelerator)
    images, labels = (files.read_array(champion / f"data/images/train/{part}.npy") for part in ("images", "labels"))
    known = replace(embed(images), labels=_renamed(candidate, champion, labels))
    for model, method in sorted({tuple(name.split(".")[:2]) for name in rules}):
        new = _read(candidate, f"features/{model}/{method}", f"samples/{model}/{method}")
        new = replace(new, train=train, fit=fit)
        n = min(params.evaluate.images or len(test), *map(len, (test, new)))
        old = replace(_drawn(candidate, champion, model, method, n, params, embed), train=known, fit=fit)
        scored = _scored(metrics, test.subset(n, params.seed), new.subset(n, params.seed), old, params.seed)
        found |= {f"{model}.{method}.{score}": each for score, each in scored.items()}
    return {name: each for name, each in found.items() if name in rules}, len(test)


def check_kind(champion: dict[str, Any], candidate: dict[str, Any]) -> None:
    """Raises `UserError` if the images that two models draw differ in size or channels; None is not known yet."""
    for key in ("size", "channels"):
        if candidate[key] not in (None, champion[key]):
            raise UserError(
                f"the champion's images have {key} {champion[key]}, those of the new model {candidate[key]}, so they "
                f"cannot be compared; set data.{key} to {champion[key]}, or let `dvc repro` train the new kind, commit "
                "it, and remove the alias champion in `pullback ui`: then what stands in git is the first champion"
            )


def _metrics(scores: set[str], params: config.Config) -> dict[str, Params]:
    """Those that give some of the scores."""
    return {
        name: each
        for name, each in params.evaluate.metrics.items()
        if scores & plugins.load("evaluation", name).BETTER.keys()
    }


def _scored(metrics: dict[str, Params], test: Set, new: Set, old: Set, seed: int) -> dict[str, Judged]:
    values = [protocol.scores(metrics, test, each, seed) for each in (new, old)]
    pairs = protocol.verdicts(metrics, test, new, old, seed)
    return {
        score: Judged(
            values[0][score]["value"],
            values[1][score]["value"],
            pairs[score]["low"] if score in pairs else None,
            pairs[score]["high"] if score in pairs else None,
        )
        for score in values[0].keys() & values[1].keys()
    }


def _read(revision: Path, features: str, images: str) -> Set:
    return replace(
        embedding.read(revision / "data" / features),
        images=files.read_array(revision / "data" / images / "images.npy", mmap=True),
        labels=files.read_array(revision / "data" / images / "labels.npy"),
    )


def _drawn(
    candidate: Path,
    champion: Path,
    name: str,
    method: str,
    n: int,
    params: config.Config,
    embed: Callable[[NDArray[np.uint8]], Set],
) -> Set:
    """What the champion draws, with labels by the candidate's numbers of the classes."""
    on = device(params.train.accelerator)
    model = checkpoint.load(champion / "models" / name, on)
    train = champion / "data/images/train"
    images, labels = files.read_array(train / "images.npy", mmap=True), files.read_array(train / "labels.npy")
    settings = params.sample.methods[name][method]
    sampler = plugins.load("sampling", method).sampler(model, images, labels, settings, params.seed)
    asked = labels_like(labels, n, params.seed, model.classes)
    drawn = embed(np.concatenate(list(batches(model, sampler, asked, params.seed, on))))
    return replace(drawn, labels=_renamed(candidate, champion, asked))


def _renamed(candidate: Path, champion: Path, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of the champion's classes as those of the candidate's classes of the same names; -1 where it has none."""
    old, new = (files.read_json(each / "metrics/prepare.json")["classes"] for each in (champion, candidate))
    number = np.array([new.index(name) if name in new else -1 for name in old] + [-1], np.int64)
    return number[labels]


def _unseen(test: Set, champion: Path) -> NDArray[np.int64]:
    """The rows of the test images that the champion was not trained on."""
    assert test.images is not None
    seen = {image.tobytes() for image in files.read_array(champion / "data/images/train/images.npy", mmap=True)}
    rows = [row for row, image in enumerate(test.images) if image.tobytes() not in seen]
    if len(rows) < LEAST:
        raise UserError(
            f"only {len(rows)} of {len(test)} test images are new to the champion, and {LEAST} are needed to compare; "
            "add more images"
        )
    return np.array(rows)
