"""Can a classifier learn the real classes from generated images, and do they help one that has real images?

    classification accuracy  trained on generated images, judged on real ones that nobody was trained on: the share that
                             it names right (CAS, Ravuri and Vinyals 2019, arXiv:1905.10887)
    augmentation gain        the share named right after training on real and generated images together, less that after
                             as long a training on the real ones alone

Both fall with wrong labels, missing kinds and unreal images. They need labels: those that a conditional model was asked
for; else those that the feature map sees, where it is a classifier of the same classes. The latter are its own
knowledge, passed on: they flatter a model that makes clear images of every class, and cannot tell of wrong labels.

The classifier is a small one, so accuracies compare with each other only: with that of training images, which the floor
shows, and not with published ones.
"""

from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullback import config
from pullback.config import Count
from pullback.errors import UserError
from pullback.evaluation._classes import by_class, class_count, seen
from pullback.evaluation._set import Fit, Set
from pullback.evaluation.intervals import Estimate, normal, wilson

BETTER: dict[str, Literal["lower", "higher"]] = {"classification_accuracy": "higher", "augmentation_gain": "higher"}


class Params(config.Params):
    budget_images: Count = 20_000  # images that each classifier is trained on, repeats counted


def scores(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Estimate]:
    """`classification_accuracy` on `real`, held out from training, and `augmentation_gain` where `fake.train` is known.

    Nothing without `fake.fit`, or without images and labels on both sides.
    """
    given = _with_labels(real, fake)
    if fake.fit is None or given is None or not _has_labels(real):
        return {}
    result = {
        "classification_accuracy": classification_accuracy_score(
            fake.fit, given, real, budget_images=params.budget_images, seed=seed
        )
    }
    if fake.train and _has_labels(fake.train):
        result["augmentation_gain"] = augmentation_gain(
            fake.fit, fake.train, given, real, budget_images=params.budget_images, seed=seed
        )
    return result


def findings(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Any]:
    """`labels`: where those of the fake images come from, "of the model" or "by the feature map"; none if unknown.

    `agreement`, where the model was asked for labels and the feature map knows the classes: for the `real` and the
    `fake` images what `_classes.by_class` counts of those in which it sees their label.
    """
    if _with_labels(real, fake) is None:
        return {}
    if not _has_labels(fake):
        return {"labels": "by the feature map"}
    return {"labels": "of the model"} | _agreement(real, fake)


def _agreement(real: Set, fake: Set) -> dict[str, Any]:
    classes = class_count(real, fake, fake.train)
    counts = {
        name: by_class(found == each.labels, each.labels, classes)
        for name, each in {"real": real, "fake": fake}.items()
        if each.labels is not None and (found := seen(each, classes)) is not None
    }
    return {"agreement": counts} if len(counts) == 2 else {}


def classification_accuracy_score(fit: Fit, fake: Set, test: Set, *, budget_images: int, seed: int) -> Estimate:
    """The share of test images that a classifier of the fake images names right, with Wilson's interval.

    Both sets need images (n, c, h, w) and labels; images whose label is -1 do not count. The interval is for the draw
    of the test images, the classifier as given. From images of one class a classifier learns to answer that class.

    Raises:
        UserError: no images or no labels in a set.
    """
    seen, judges = _labelled(fake, "fake"), _labelled(test, "test")
    right = _right(fit, seen, judges, budget_images, seed)
    share = float(right.mean())
    return Estimate(share, *wilson(share, len(right)), len(right), len(seen.labels))


def augmentation_gain(fit: Fit, train: Set, fake: Set, test: Set, *, budget_images: int, seed: int) -> Estimate:
    """What the share of test images named right gains where the classifier of the train images sees the fake ones too.

    Both trainings last as long. The interval is that of Agresti and Min (2005) for pairs, as the same test images judge
    both classifiers: of n images b are named right only with the fake images, and c only without them; with 1/2 added
    to b and c and 2 to n it is normal, and never empty.

    Raises:
        UserError: as `classification_accuracy_score` does.
    """
    seen, made, judges = _labelled(train, "train"), _labelled(fake, "fake"), _labelled(test, "test")
    both = _Labelled(np.concatenate([seen.images, made.images]), np.concatenate([seen.labels, made.labels]))
    after, before = (_right(fit, each, judges, budget_images, seed).astype(float) for each in (both, seen))
    change, n = after - before, len(before) + 2
    centre = float(change.sum() / n)
    error = np.sqrt(((np.abs(change).sum() + 1) / n - centre**2) / n)
    return Estimate(float(change.mean()), *normal(centre, float(error)), len(before), len(made.labels))


class _Labelled(NamedTuple):
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def _right(fit: Fit, seen: _Labelled, judges: _Labelled, budget_images: int, seed: int) -> NDArray[np.bool_]:
    """Which images of `judges` a classifier of the `seen` ones names right."""
    if (seen.labels == seen.labels[0]).all():
        return judges.labels == seen.labels[0]
    return fit(*seen, budget_images, seed)(judges.images) == judges.labels


def _labelled(given: Set, name: str) -> _Labelled:
    """The images that have a label."""
    if given.images is None or given.labels is None or not _has_labels(given):
        raise UserError(f"{name} has no images with labels, which a classifier needs; give both")
    known = given.labels >= 0
    return _Labelled(given.images[known], given.labels[known])


def _has_labels(given: Set) -> bool:
    return given.images is not None and given.labels is not None and bool((given.labels >= 0).any())


def _with_labels(real: Set, fake: Set) -> Set | None:
    """The fake images with their own labels, or else with those that the feature map sees; None if there are none."""
    if _has_labels(fake):
        return fake
    labels = seen(fake, class_count(real, fake.train))
    return None if fake.images is None or labels is None else replace(fake, labels=labels)
