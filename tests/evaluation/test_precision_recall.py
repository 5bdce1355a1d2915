import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.precision_recall import Params, density_coverage, precision_recall, scores


def normal(n, d=4, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def by_definition(real, fake, k, density_k):
    def distances(a, b):
        return np.sqrt(np.square(a[:, None].astype(float) - b[None]).sum(axis=2))

    def radii(rows, k):
        return np.sort(distances(rows, rows), axis=1)[:, k]

    between = distances(real, fake)
    near = between < radii(real, density_k)[:, None]
    return {
        "precision": (between <= radii(real, k)[:, None]).any(axis=0).mean(),
        "recall": (between <= radii(fake, k)[None]).any(axis=1).mean(),
        "density": near.sum(axis=0).mean() / density_k,
        "coverage": near.any(axis=1).mean(),
    }


def values(estimates):
    return {name: estimate.value for name, estimate in estimates.items()}


@pytest.mark.parametrize("offset", [0, 1000, 5000])
@pytest.mark.parametrize(("k", "density_k"), [(3, 5), (5, 1)])
def test_agrees_with_the_definition_at_any_offset(offset, k, density_k):
    real = (normal(150) + offset).astype(np.float32)
    fake = (normal(90, seed=1, shift=0.8) + offset).astype(np.float32)
    result = scores(Set(real), Set(fake), Params(k=k, density_k=density_k), seed=0)
    assert values(result) == pytest.approx(by_definition(real, fake, k, density_k), abs=1e-14)


def test_agrees_with_the_definition_where_distances_tie():
    rng = np.random.default_rng(0)
    real, fake = (rng.integers(0, 4, size=(n, 3)) for n in (80, 60))
    result = scores(Set(real), Set(fake), Params(), seed=0)
    assert values(result) == pytest.approx(by_definition(real, fake, 3, 5), abs=1e-14)


def test_equal_sets_score_one():
    x = normal(100, d=30)
    result = scores(Set(x), Set(x[::-1].copy()), Params(), seed=0)
    assert values(result) == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}


def test_distant_sets_score_zero():
    result = scores(Set(normal(50)), Set(normal(50, shift=100)), Params(), seed=0)
    assert values(result) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    assert result["precision"].low == 0 < result["precision"].high


def test_constant_features_touch_but_lie_in_no_open_ball():
    x = np.ones((20, 3))
    assert values(scores(Set(x), Set(x), Params(), 0)) == {"precision": 1, "recall": 1, "density": 0, "coverage": 0}


def test_a_forgotten_mode_costs_recall_and_not_precision():
    real = np.concatenate([normal(100), normal(100, seed=1, shift=50)])
    precision, recall = precision_recall(real, normal(100, seed=2))
    assert precision.value > 0.9
    assert recall.value <= 0.5
    assert density_coverage(real, normal(100, seed=2)).coverage.value <= 0.5


def test_the_functions_are_the_parts_of_scores():
    real, fake = normal(60), normal(40, seed=1)
    parts = {**precision_recall(real, fake)._asdict(), **density_coverage(real, fake)._asdict()}
    assert scores(Set(real), Set(fake), Params(), seed=0) == parts
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in parts.values())
    assert {(estimate.n_real, estimate.n_fake) for estimate in parts.values()} == {(60, 40)}


@pytest.mark.parametrize(("metric", "k"), [(precision_recall, 10), (precision_recall, 0), (density_coverage, 0)])
def test_k_out_of_range(metric, k):
    with pytest.raises(UserError, match=f"k must be from 1 to .*, not {k}"):
        metric(normal(30), normal(10), k=k)


def test_density_needs_k_neighbours_among_the_real_alone():
    assert density_coverage(normal(30), normal(4), k=20).density.n_fake == 4
