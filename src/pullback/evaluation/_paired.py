"""Which of two sets of generated images is better, score by score?

The difference of two scores against the same real images, with its interval: see `intervals.paired`. Only metrics with
a `left_out` can be compared (`_metric.py`): those whose scores move smoothly with the rows of the sets.
"""

from types import ModuleType

from pullback.config import Params
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Comparison, paired


def compare_scores(real: Set, a: Set, b: Set, metric: ModuleType, params: Params, seed: int) -> dict[str, Comparison]:
    """`a` less `b` by each score of a metric; nothing where the metric cannot compare, or misses something in a set.

    Of the larger of the two as many images are drawn as the other has, since scores depend on their number.

    Raises:
        UserError: fewer than 3 images in a set, or as the metric does.
    """
    if not hasattr(metric, "left_out"):
        return {}
    m = min(len(a), len(b))
    a, b = (each.subset(m, seed) for each in (a, b))
    of_a, of_b = (metric.left_out(real, each, params, seed) for each in (a, b))
    return {name: paired(of_a[name], of_b[name], better=metric.BETTER[name]) for name in of_a if name in of_b}
