import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.inception_score import Params, inception_score, scores, split_scores

FEATURES = np.zeros((4, 2))


def test_sure_and_balanced_gives_the_number_of_classes():
    logits = 1000 * np.eye(7)[np.arange(700) % 7]
    assert inception_score(logits, splits=2, seed=0).value == pytest.approx(7, rel=0.01)
    assert inception_score(np.tile(1000 * np.eye(7), (2, 1)), splits=2).value <= 7


def test_unsure_gives_one():
    with pytest.warns(UserWarning, match="logits: all 50 rows are equal, so the generator has collapsed"):
        estimate = inception_score(np.full((50, 6), 3.0))
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1, 1, 1), abs=1e-12)
    assert (estimate.n_real, estimate.n_fake) == (0, 50)


def test_agrees_with_the_definition():
    logits = np.random.default_rng(0).normal(size=(103, 5)) * 3 + 700
    order = np.random.default_rng(4).permutation(103)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = (p / p.sum(axis=1, keepdims=True))[order]
    parts = [p[i * 103 // 4 : (i + 1) * 103 // 4] for i in range(4)]
    expected = [np.exp((part * np.log(part / part.mean(0))).sum(1).mean()) for part in parts]
    np.testing.assert_allclose(split_scores(logits, splits=4, seed=4), expected, rtol=1e-12)
    assert inception_score(logits, splits=4, seed=4).value == pytest.approx(np.mean(expected), rel=1e-12)


def test_a_set_sorted_by_class_scores_as_a_shuffled_one():
    logits = 20 * np.eye(10)[np.arange(1000) // 100]
    assert inception_score(logits).value > 9
    shuffled = np.random.default_rng(1).permutation(logits)
    assert inception_score(logits).value == pytest.approx(inception_score(shuffled).value, rel=0.02)


def test_the_interval_is_students():
    logits = np.random.default_rng(0).normal(size=(300, 5)) * 3
    parts, estimate = split_scores(logits, splits=10), inception_score(logits, splits=10)
    half = 2.2622 * parts.std(ddof=1) / np.sqrt(10)
    assert (estimate.low, estimate.high) == pytest.approx((parts.mean() - half, parts.mean() + half), rel=1e-4)


def test_scores_are_those_of_the_fake_set():
    logits = np.random.default_rng(0).normal(size=(60, 5))
    result = scores(Set(FEATURES), Set(FEATURES, logits), Params(splits=3), seed=2)
    assert result == {"inception_score": inception_score(logits, splits=3, seed=2)}


def test_features_without_logits_have_no_score():
    assert scores(Set(FEATURES), Set(FEATURES), Params(), seed=0) == {}


@pytest.mark.parametrize(
    ("logits", "splits", "message"),
    [
        (np.zeros((9, 3)), 10, "splits must be from 2 to 9, the number of images, not 10"),
        (np.zeros((9, 3)), 1, "splits must be from 2"),
        (np.zeros(9), 2, "logits must be numbers of shape"),
        (np.full((9, 3), np.inf), 2, "logits holds 27 NaN or infinite values, the first in row 0"),
    ],
)
def test_bad_input(logits, splits, message):
    with pytest.raises(UserError, match=message):
        inception_score(logits, splits=splits)
