"""May one train on the new data? They are prepared as the pipeline does it, and held against those of the champion."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullback import config, drift, embedding, files, plugins, revisions, snapshot
from pullback.data._images import prepare
from pullback.errors import UserError
from pullback.retraining import journal
from pullback.retraining.contest import check_kind
from pullback.retraining.journal import Journal, Outcome

OLD = ("data/images", "models/extractor", "metrics/prepare.json", "metrics/extractor.json")


def inspect(begun: Journal, params: config.Config) -> Outcome | None:
    """Why a person should look before these data are trained on; None if there is no reason.

    Raises:
        UserError: the champion draws images of another size or of other channels than params.yaml asks for.
    """
    old, new = journal.folder() / "champion", journal.folder() / "images"
    shutil.rmtree(new, ignore_errors=True)
    assert begun.champion
    revisions.fetch(begun.champion, OLD, old)
    before = files.read_json(old / "metrics/prepare.json")
    check_kind(before, {"size": params.data.size, "channels": params.data.channels})
    feature_map = files.read_json(old / "metrics/extractor.json")["name"]  # params.yaml may name another by now
    load = partial(plugins.load("features", feature_map).load, old / "models/extractor")
    known = _features(old / "data/images", load, params)
    try:
        now = _prepared(params, new, before)
        checks = drift.judge(
            drift.Counts.of(before),
            drift.Counts.of(now),
            known,
            _features(new, load, params),
            params.retrain.max_drift,
            params.seed,
        )
    except UserError as error:
        if isinstance(error.__cause__, OSError):  # a full disk says nothing of the data
            raise
        return Outcome(verdict="drifted", reasons=[str(error)])
    stopped = [check.sentence for check in checks if not check.ok]
    return Outcome(verdict="drifted", reasons=stopped, report=drift.report(checks)) if stopped else None


def _prepared(params: config.Config, folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    source = plugins.load("data", params.data.name)
    return prepare(
        source.read(snapshot.kept()),
        folder,
        channels=before["channels"],  # as those that the feature map has learned
        size=before["size"],
        test_fraction=params.data.test_fraction,
        max_broken=1.0,  # drift.judge says how many may be
        seed=params.seed,
    )


def _features(images: Path, load: embedding.Load, params: config.Config) -> NDArray[np.floating]:
    """Those of as many images as the checks look at, of both splits."""
    train, test = (files.read_array(images / split / "images.npy", mmap=True) for split in ("train", "test"))
    rows = np.sort(np.random.default_rng(params.seed).permutation(len(train) + len(test))[: drift.MOST])
    some = np.concatenate([train[rows[rows < len(train)]], test[rows[rows >= len(train)] - len(train)]])
    return embedding.embedded(some, load, title="new data", accelerator=params.train.accelerator).features
