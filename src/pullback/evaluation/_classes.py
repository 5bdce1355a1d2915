"""Which class is each image of, and how does a share of the images differ from class to class?"""

import numpy as np
from numpy.typing import NDArray

from pullback.evaluation._set import Set


def class_count(*sets: Set | None) -> int:
    """How many classes the labels of these sets name; 0 if none has any."""
    return max((int(each.labels.max()) + 1 for each in sets if each and each.labels is not None), default=0)


def seen(images: Set, classes: int) -> NDArray[np.int64] | None:
    """The classes (n,) that the feature map sees in the images, where it is a classifier of as many classes."""
    if images.logits is None or images.logits.shape[1] != classes:
        return None
    return images.logits.argmax(axis=1)


def by_class(hits: NDArray[np.bool_], labels: NDArray[np.int64], classes: int) -> dict[str, list[int]]:
    """`images`: how many each class has by `labels` (n,), -1 for none; `hits`: how many of these are among `hits` (n,).

    Counts, not shares: a class may have few images, and a share of few says little.
    """
    every, some = (np.bincount(each[each >= 0], minlength=classes) for each in (labels, labels[hits]))
    return {"hits": some.tolist(), "images": every.tolist()}
