"""By which protocol does a set of images get its scores, beside what real images get?

Every metric judges a set if what it needs is known. The floor is what images that are as good as can be, that is, other
real ones, get in the place of the generated ones.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from pullback import plugins
from pullback.config import Params
from pullback.errors import about
from pullback.evaluation._paired import compare_scores
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate
from pullback.evaluation.kid import kernel_distance
from pullback.evaluation.memorization import nearest_training

Metrics = Mapping[str, Params]


def every_metric() -> dict[str, Params]:
    """All metrics with their default parameters, by name."""
    return {name: plugins.load("evaluation", name).Params() for name in plugins.names("evaluation")}


def beside(feature_map: Mapping[str, Any], metrics: Metrics, seed: int) -> dict[str, Any]:
    """What stands beside every number: the feature map (name, digest, resize), the parameters and the seed."""
    return {
        "feature_map": feature_map["name"],
        "feature_map_digest": feature_map["digest"],
        "resize": feature_map["resize"],
        "parameters": {name: params.model_dump() for name, params in metrics.items()},
        "seed": seed,
    }


def scores(metrics: Metrics, real: Set, fake: Set, seed: int) -> dict[str, dict[str, Any]]:
    """Value, interval and counts of every score, by its name; raises `UserError` as the metrics do."""
    return _first_scores(metrics, [(real, fake)], seed)


def floor(metrics: Metrics, real: Set, other: Set, train: Set | None, seed: int) -> dict[str, dict[str, Any]]:
    """The scores of other real images in the place of generated ones.

    Metrics that look for copies of `train` judge one half of `real` by the other, none of which `train` holds.
    """
    one, two = halves(real, seed)
    return _first_scores(metrics, [(real, replace(other, train=None)), (one, replace(two, train=train))], seed)


def _first_scores(metrics: Metrics, pairs: list[tuple[Set, Set]], seed: int) -> dict[str, dict[str, Any]]:
    """By each metric, those of the first of `pairs` that it can judge."""
    values: dict[str, dict[str, Any]] = {}
    for name, params in metrics.items():
        judge = plugins.load("evaluation", name).scores
        with about(name):
            judged = (judge(real, fake, params, seed) for real, fake in pairs)
            estimates: dict[str, Estimate] = next(filter(None, judged), {})
        values |= {key: asdict(estimate) for key, estimate in estimates.items()}
    return values


def spread(trainings: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """By score, its `values` over several trainings of one model, in their order, with `mean` and `std` (ddof=1).

    Each training is given as what `scores` says of it. The std is what another seed moves a score by: the draw of the
    weights and of the samples together.
    """
    values = {name: [scores[name]["value"] for scores in trainings] for name in trainings[0]}
    return {
        name: {"values": each, "mean": float(np.mean(each)), "std": float(np.std(each, ddof=1))}
        for name, each in values.items()
    }


def findings(metrics: Metrics, real: Set, fake: Set, seed: int) -> dict[str, Any]:
    """By metric, which images its scores are due to, where it can say so."""
    found = {}
    for name, params in metrics.items():
        if find := getattr(plugins.load("evaluation", name), "findings", None):
            with about(name):
                found[name] = find(real, fake, params, seed)
    return found


def verdicts(metrics: Metrics, real: Set, a: Set, b: Set, seed: int) -> dict[str, dict[str, Any]]:
    """Is the set `a` better than `b`, by every score of which that can be said?"""
    found: dict[str, dict[str, Any]] = {}
    for name, params in metrics.items():
        metric = plugins.load("evaluation", name)
        if not hasattr(metric, "left_out"):
            continue
        with about(name):
            values, told = {}, set[str]()
            for key, each in (("a", a), ("b", b)):
                with about(key.upper()), _named(f"{key.upper()}: ", told):
                    values[key] = metric.scores(real, each, params, seed)
            with _named("", told):
                compared = compare_scores(real, a, b, metric, params, seed)
        for score, comparison in compared.items():
            found[score] = {key: each[score].value for key, each in values.items()} | asdict(comparison)
    return found


@contextmanager
def _named(name: str, told: set[str]) -> Iterator[None]:
    """Puts a name before the warnings of the block, and leaves out those that were told before."""
    before = set(told)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(each.message) for each in caught):
        told.add(message)
        if name or message not in before:
            warnings.warn(f"{name}{message}", stacklevel=3)


def suspicions(real: Set, fake: Set, train: Set | None) -> list[str]:
    """What looks wrong with the sets themselves, one sentence each."""
    if train is None:
        return []
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they would speak of the real images as fake ones
        seen = int((nearest_training(train.features, real.features, 1).distances[:, 0] == 0).sum())
        to_real, to_fake = (kernel_distance(train.features, each.features) for each in (real, fake))
    if seen:
        found.append(
            f"{seen} of the {len(real)} real images stand in the training set too; only images that the generator has "
            "not seen can tell copies"
        )
    if to_fake.high < to_real.low:
        found.append(
            "the training images are more like the generated ones than like the real ones; are the two swapped, or "
            "does the generator copy?"
        )
    return found


def halves(whole: Set, seed: int) -> tuple[Set, Set]:
    """Two random halves of a set, of equal size."""
    order, n = np.random.default_rng(seed).permutation(len(whole)), len(whole) // 2
    return whole[np.sort(order[:n])], whole[np.sort(order[n : 2 * n])]
