import numpy as np
import pytest

from pullback import neighbors
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.precision_recall import (
    Params,
    density_coverage,
    findings,
    precision_recall,
    realism,
    scores,
)


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


def test_equal_sets_score_one():
    x = normal(100, d=30)
    result = scores(Set(x), Set(x[::-1].copy()), Params(), seed=0)
    assert values(result) == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}


def test_distant_sets_score_zero():
    result = scores(Set(normal(50)), Set(normal(50, shift=100)), Params(), seed=0)
    assert values(result) == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    assert result["precision"].low == 0 < result["precision"].high


def test_equal_images_lie_in_closed_balls_and_in_no_open_ones():
    """Balls of radius 0 about two points."""
    x = np.repeat(np.eye(2), 10, axis=0)
    assert values(scores(Set(x), Set(x[::-1]), Params(), 0)) == {
        "precision": 1,
        "recall": 1,
        "density": 0,
        "coverage": 0,
    }


def realism_by_definition(real, fake, k):
    radii = np.sort(np.sqrt(np.square(real[:, None] - real[None]).sum(axis=2)), axis=1)[:, k]
    kept = radii <= np.median(radii)
    between = np.sqrt(np.square(real[kept][:, None].astype(float) - fake[None]).sum(axis=2))
    return (radii[kept][:, None] / between).max(axis=0)


@pytest.mark.parametrize("offset", [0, 1000, 5000])
def test_realism_agrees_with_the_definition(offset, monkeypatch):
    real, fake = normal(150) + offset, normal(90, seed=1, shift=0.8) + offset
    result = realism(real, fake)
    np.testing.assert_allclose(result, realism_by_definition(real, fake, 3), rtol=1e-14)
    monkeypatch.setattr(neighbors, "_BLOCK", 200)
    np.testing.assert_array_equal(realism(real, fake), result)


def test_realism_is_infinite_for_copies_and_falls_with_the_distance():
    real = np.concatenate([normal(99), np.full((1, 4), 50.0)])  # the last has a ball of more than the median radius
    inmost = real[np.square(real).sum(axis=1).argmin()]
    fake = np.array([inmost, inmost + 1e-9, inmost + 5, real[99]])
    values = realism(real, fake, 2)
    assert values[0] == np.inf
    assert values[1] > 1e6
    assert 1e6 > values[2] > values[3] > 0
    assert values[3] < 0.1


def test_realism_beside_balls_of_radius_zero():
    """A copy of an image that stands often is infinitely real; for others such an image has no ball."""
    real = np.repeat([[0.0], [9], [30]], [6, 6, 1], axis=0)
    assert realism(real, np.array([[0.0], [9], [5]])).tolist() == [np.inf, np.inf, 0]


def test_the_most_and_the_least_realistic_images_are_named():
    fake = np.concatenate([normal(30, seed=1), normal(8, seed=2, shift=20)])
    named = findings(Set(normal(100)), Set(fake, numbers=np.arange(38) + 100), Params(), seed=0)["realism"]
    assert sorted(named["least"]) == list(range(130, 138))
    values = realism(normal(100), fake)
    assert named["median"] == np.median(values)
    assert named["most"][0] == 100 + values.argmax()
    assert len(set(named["most"])) == 8


def test_the_hits_of_all_classes_add_up_to_the_scores():
    """A class far away is missing from the fake images, and those asked for it look like the other one."""
    real = Set(np.concatenate([normal(60), normal(40, seed=1, shift=50)]), labels=np.repeat([0, 1], [60, 40]))
    fake = Set(normal(50, seed=2), labels=np.repeat([0, 1], 25))
    found = findings(real, fake, Params(), seed=0)["classes"]
    assert found["recall"]["images"] == [60, 40]
    assert found["recall"]["hits"][1] == 0
    assert found["precision"]["images"] == [25, 25]
    for score, estimate in precision_recall(real.features, fake.features)._asdict().items():
        assert sum(found[score]["hits"]) == pytest.approx(estimate.value * sum(found[score]["images"]))


def test_classes_of_unlabelled_fake_images_are_those_that_the_feature_map_sees():
    real = Set(normal(60), labels=np.repeat([0, 1], 30))
    features, logits = normal(40, seed=1), np.eye(2)[np.arange(40) % 4 // 3]
    assert findings(real, Set(features, logits), Params(), seed=0)["classes"]["precision"]["images"] == [30, 10]
    assert findings(real, Set(features), Params(), seed=0)["classes"].keys() == {"recall"}
    assert "classes" not in findings(Set(real.features), Set(features), Params(), seed=0)


def test_a_median_of_copies_has_no_number():
    x = normal(50)
    assert findings(Set(x), Set(x[::-1]), Params(), seed=0)["realism"]["median"] is None


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


@pytest.mark.parametrize(
    ("metric", "k"), [(precision_recall, 10), (precision_recall, 0), (density_coverage, 0), (realism, 30)]
)
def test_k_out_of_range(metric, k):
    with pytest.raises(UserError, match=f"k must be from 1 to .*, not {k}"):
        metric(normal(30), normal(10), k=k)


def test_density_needs_k_neighbours_among_the_real_alone():
    assert density_coverage(normal(30), normal(4), k=20).density.n_fake == 4
