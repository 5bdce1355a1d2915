import json
from dataclasses import replace

import numpy as np
import pytest

from pullback import config, plugins
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate


def full(rng):
    """A set of which everything is known."""
    images = rng.integers(0, 256, size=(40, 1, 2, 2), dtype=np.uint8)
    return Set(rng.normal(size=(40, 3)), rng.normal(size=(40, 5)), images, rng.permutation(np.arange(40) % 5))


@pytest.mark.parametrize("name", plugins.names("evaluation"))
def test_every_metric_keeps_the_contract(name):
    rng = np.random.default_rng(0)
    real, fake, train = (full(rng) for _ in range(3))
    fake = replace(fake, train=train, fit=lambda images, labels, budget, seed: lambda others: labels[: len(others)])
    metric = plugins.load("evaluation", name)
    params = getattr(metric, "Params", config.Params)()
    result = metric.scores(real, fake, params, seed=1)
    assert result.keys() == metric.BETTER.keys()
    assert all(isinstance(estimate, Estimate) and np.isfinite(estimate.value) for estimate in result.values())
    assert all(estimate.low <= estimate.high for estimate in result.values())
    assert metric.scores(real, fake, params, seed=1) == result
    if hasattr(metric, "findings"):
        found = metric.findings(real, fake, params, seed=1)
        assert found
        assert json.loads(json.dumps(found, allow_nan=False)) == found
    if hasattr(metric, "left_out"):
        parts = metric.left_out(real, fake, params, seed=1)
        assert parts.keys() == metric.BETTER.keys()


def test_some_rows_of_a_set_keep_their_numbers_and_what_belongs_to_all():
    rng = np.random.default_rng(0)
    train = Set(rng.normal(size=(3, 2)))
    whole = Set(rng.normal(size=(9, 2)), labels=np.arange(9), train=train)
    some = whole[np.array([2, 4, 7])][np.array([0, 2])]
    assert some.labels.tolist() == [2, 7]
    assert some.numbered(np.array([1, 0])) == [7, 2]
    assert some.logits is None
    assert some.train is train
    assert len(some) == 2
