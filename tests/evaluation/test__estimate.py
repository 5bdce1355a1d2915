import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation._estimate import jackknife, wilson


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
