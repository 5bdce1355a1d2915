import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation.fid import frechet_distance
from pullback.evaluation.intervals import compare, jackknife, wilson


def test_wilson_agrees_with_the_textbook_and_stays_inside():
    assert wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson(1, 10) == pytest.approx((0.7225, 1), abs=1e-4)


def test_jackknife_of_a_difference_of_means_is_the_two_sample_error():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 1)), rng.normal(size=(40, 1))
    value, error = jackknife(lambda a, b: float(a.mean() - b.mean()), x, y, seed=0, groups=100)
    assert value == pytest.approx(x.mean() - y.mean(), abs=1e-12)
    assert error == pytest.approx(np.sqrt(x.var(ddof=1) / 30 + y.var(ddof=1) / 40), rel=1e-12)


def test_jackknife_takes_the_bias_off_a_variance():
    x = np.random.default_rng(0).normal(size=(30, 1))
    value, _ = jackknife(lambda a, b: float(a.var() + b.var()), x, 2 * x, seed=0, groups=100)
    assert value == pytest.approx(5 * x.var(ddof=1), rel=1e-12)


def test_jackknife_needs_three_rows():
    with pytest.raises(UserError, match="at least 3 images on both sides, not 2"):
        jackknife(lambda a, b: 0.0, np.zeros((2, 1)), np.zeros((5, 1)), seed=0)


def three(rng, *shifts):
    """Three sets (150, 4), normal about these points."""
    return [rng.normal(size=(150, 4)) + shift for shift in shifts]


def test_equal_populations_are_not_distinguishable():
    """In 95 % of draws, by a metric with a bias and with the real rows shared."""
    rng = np.random.default_rng(0)
    verdicts = [compare(frechet_distance, *three(rng, 0, 0.5, 0.5), better="lower").verdict for _ in range(100)]
    assert 90 <= verdicts.count("not distinguishable") <= 99


@pytest.mark.parametrize(("better", "verdicts"), [("lower", ["better", "worse"]), ("higher", ["worse", "better"])])
def test_a_clear_difference_is_found_in_either_direction(better, verdicts):
    real, near, far = three(np.random.default_rng(0), 0, 0.3, 0.9)
    ahead = compare(frechet_distance, real, near, far, better=better, seed=1)
    behind = compare(frechet_distance, real, far, near, better=better, seed=1)
    assert [ahead.verdict, behind.verdict] == verdicts
    assert ahead.low <= 4 * (0.3**2 - 0.9**2) <= ahead.high
    assert ahead.difference == pytest.approx(-behind.difference, rel=1e-9)


def test_a_pair_shares_the_chance_in_the_real_rows():
    """With the statistic mean(real) - mean(fake), the draw of the real rows cancels."""
    rng = np.random.default_rng(0)
    real, a, b = 100 * rng.normal(size=(20, 1)), rng.normal(size=(20, 1)), rng.normal(size=(15, 1))
    result = compare(lambda x, y: float(x.mean() - y.mean()), real, a, b, better="lower")
    error = np.sqrt(a.var(ddof=1) / 20 + b.var(ddof=1) / 15)
    assert result.difference == pytest.approx(b.mean() - a.mean(), abs=1e-9)
    assert (result.high - result.low) / 2 == pytest.approx(1.959964 * error, rel=1e-6)


def test_a_set_is_not_distinguishable_from_itself():
    x = np.random.default_rng(0).normal(size=(30, 2))
    result = compare(frechet_distance, x + 1, x, x, better="lower")
    assert (result.difference, result.verdict) == (0, "not distinguishable")


def test_a_comparison_needs_three_rows():
    with pytest.raises(UserError, match="at least 3 images on both sides, not 2"):
        compare(lambda x, y: 0.0, np.zeros((9, 1)), np.zeros((9, 1)), np.zeros((2, 1)), better="lower")
