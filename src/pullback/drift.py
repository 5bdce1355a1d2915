"""May one train on these new data, or are they so unlike the last ones that a person should look first?

Five checks compare the new set with that of the model in use: how many images are left, how many more cannot be read,
which classes are gone, how far the shares of the classes moved, and how far apart the features of both sets lie. For
the last, FID and KID say how far for certain: only where the whole 95 % interval lies beyond the limit does it stop, so
that a small set stops nothing by chance. Sets that share images, as a folder that grows does, count as closer still.

Pure: counts and features go in, one `Check` per question comes out.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullback.config import MaxDrift, Params
from pullback.evaluation import fid, kid
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate

MOST = 2_000  # images of a set that the distances look at


@dataclass(frozen=True)
class Counts:
    """What came of preparing a set: the images that are left, those that could not be read, and all that were there."""

    images: int
    broken: int
    found: int
    classes: Mapping[str, int]

    @classmethod
    def of(cls, prepared: Mapping[str, Any]) -> Self:
        """From what `prepare` tells, as metrics/prepare.json has it."""
        images, dropped = sum(prepared["images"].values()), prepared["dropped"]
        splits = prepared["per_class"].values()
        classes = {name: sum(split[name] for split in splits) for name in prepared["classes"]}
        return cls(images, dropped["broken"], images + dropped["broken"] + dropped["duplicates"], classes)

    def share(self, name: str) -> float:
        """Of the images, those of a class."""
        return self.classes.get(name, 0) / self.images


@dataclass(frozen=True)
class Check:
    """The answer to one question: what it was, what it is, what it may be or by how much it may change, and why."""

    name: str
    old: float | None
    new: float
    limit: float
    ok: bool
    sentence: str


def judge(
    old: Counts,
    new: Counts,
    old_features: NDArray[np.floating],
    new_features: NDArray[np.floating],
    limits: MaxDrift,
    seed: int,
) -> list[Check]:
    """The checks whose limit is not null. Features are (n, d) and (m, d), of images of either set.

    Raises:
        UserError: the features cannot be compared, as `_features.pair` says.
    """
    checks = []
    if limits.fewer is not None:
        checks.append(_fewer(old, new, limits.fewer))
    if limits.broken is not None:
        checks.append(_broken(old, new, limits.broken))
    if limits.class_share is not None and old.classes:
        checks += [_vanished(old, new), _class_share(old, new, limits.class_share)]
    return [*checks, *_distances(old_features, new_features, limits, seed)]


def report(checks: Sequence[Check]) -> str:
    """The checks as a table in Markdown, and a sentence for each."""
    stopped = sum(not check.ok for check in checks)
    rows = ["| check | before | now | limit | |", "|---|---:|---:|---:|---|", *map(_row, checks)]
    told = [f"- {check.sentence}." for check in checks]
    return "\n".join([f"{stopped} of {len(checks)} checks stop a training on these data.", "", *rows, "", *told]) + "\n"


def _row(check: Check) -> str:
    old = "" if check.old is None else f"{check.old:.6g}"
    return f"| {check.name} | {old} | {check.new:.6g} | {check.limit:g} | {'ok' if check.ok else 'stop'} |"


def _fewer(old: Counts, new: Counts, limit: float) -> Check:
    sentence = f"{new.images:,} images are left where {old.images:,} were; {limit:.1%} of them may be gone"
    return Check("images", old.images, new.images, limit, new.images >= (1 - limit) * old.images, sentence)


def _broken(old: Counts, new: Counts, limit: float) -> Check:
    before, now = (each.broken / each.found for each in (old, new))
    sentence = f"{now:.1%} of the images cannot be read, where {before:.1%} could not; it may be {limit:.1%} more"
    return Check("broken share", before, now, limit, now - before <= limit, sentence)


def _vanished(old: Counts, new: Counts) -> Check:
    before = [name for name, count in old.classes.items() if count]
    gone = [name for name in before if not new.classes.get(name)]
    sentence = f"no image is left of {', '.join(map(repr, gone))}" if gone else f"all {len(before)} classes have images"
    return Check("vanished classes", 0, len(gone), 0, not gone, sentence)


def _class_share(old: Counts, new: Counts, limit: float) -> Check:
    """By the class that moved most: in a sum over all classes, a hundred small ones would move by chance alone."""
    name = max({**old.classes, **new.classes}, key=lambda each: abs(new.share(each) - old.share(each)))
    before, now = old.share(name), new.share(name)
    sentence = f"{name!r} moved most, from {before:.1%} to {now:.1%} of the images; {limit:.1%} is allowed"
    return Check("class share", before, now, limit, abs(now - before) <= limit, sentence)


def _distances(old: NDArray[np.floating], new: NDArray[np.floating], limits: MaxDrift, seed: int) -> Iterator[Check]:
    """FID and KID of as many images of either set."""
    n = min(len(old), len(new), MOST)
    sets = [Set(features).subset(n, seed) for features in (old, new)]
    for name, metric, limit in (("fid", fid, limits.fid), ("kid", kid, limits.kid)):
        if limit is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few images, which the interval tells, and of sets that are equal
            yield _distance(name, metric.scores(*sets, Params(), seed)[name], limit)


def _distance(name: str, found: Estimate, limit: float) -> Check:
    interval = f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"
    sentence = f"the {name.upper()} of {found.n_fake:,} new against as many old images is {interval}; "
    return Check(name, None, found.value, limit, found.low <= limit, f"{sentence}its lower end may be {limit:g}")
