import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from pullback.config import Params
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.fid import Moments, fid_infinity, frechet_distance, frechet_distance_from_moments, scores


def correlated(n, d, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) + offset


def moments(*batches):
    result = Moments()
    for batch in batches:
        result.update(batch)
    return result


def by_sqrtm(x, y):
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    return np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)


@pytest.mark.parametrize("offset", [0, 1000, 5000])
def test_agrees_with_the_textbook_formula_in_float32(offset):
    x, y = (correlated(200, 10, seed, offset).astype(np.float32) for seed in (0, 1))
    assert frechet_distance(x, y) == pytest.approx(by_sqrtm(x.astype(float), y.astype(float)), rel=1e-9)


def test_equal_covariances_leave_the_squared_gap_of_the_means():
    x = correlated(300, 16)
    gap = np.linspace(-1, 2, 16)
    assert frechet_distance(x, x + gap) == pytest.approx(np.square(gap).sum(), rel=1e-9)


def test_scaled_axes_have_a_closed_form():
    x = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]) * np.sqrt(1.5)  # covariance I
    assert frechet_distance(x, x * [2, 5]) == pytest.approx((2 - 1) ** 2 + (5 - 1) ** 2, rel=1e-12)


def test_the_same_set_in_any_order_is_at_distance_zero():
    x = correlated(200, 8)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("n", [12, 40])
def test_singular_covariances_are_exact(n):
    x = np.zeros((n, 20))
    x[:, :5] = correlated(n, 5, offset=1000)
    y = x * 3
    expected = np.square(2 * x.mean(0)).sum() + 4 * x.var(0, ddof=1).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-10)
        assert frechet_distance_from_moments(moments(x), moments(y)) == pytest.approx(expected, rel=1e-10)


def test_constant_features():
    assert frechet_distance(np.full((5, 2), 1.0), np.full((5, 2), 4.0)) == 18


@pytest.mark.parametrize(("n", "m"), [(15, 20), (15, 300)])
def test_few_images_warn_and_both_routes_agree(n, m):
    x, y = correlated(n, 20), correlated(m, 20, 1)
    with pytest.warns(UserWarning, match=f"{n} and {m} images in 20 dimensions rests on a singular covariance"):
        by_features = frechet_distance(x, y)
    with pytest.warns(UserWarning, match="singular"):
        by_moments = frechet_distance_from_moments(moments(x), moments(y))
    assert by_features == pytest.approx(by_moments, rel=1e-7)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize("sizes", [[1] * 100, [99, 1], [7, 30, 2, 61]])
def test_moments_do_not_depend_on_the_batches(dtype, sizes):
    x = (correlated(100, 6) * 10 + 5000).astype(dtype)
    result = moments(*np.split(x, np.cumsum(sizes)[:-1]))
    assert result.count == 100
    np.testing.assert_allclose(result.mean, x.astype(float).mean(0), rtol=1e-12)
    np.testing.assert_allclose(result.covariance, np.cov(x.astype(float), rowvar=False), rtol=1e-9, atol=1e-9)


def test_merged_moments_are_those_of_all_rows():
    x = correlated(90, 5, offset=1000)
    merged, empty = moments(x[:20]), Moments()
    merged.merge(moments(x[20:]))
    merged.merge(Moments())
    empty.merge(merged)
    empty.update(x)  # must not reach into `merged`
    assert merged.count == 90
    np.testing.assert_allclose(merged.covariance, np.cov(x, rowvar=False), rtol=1e-10)


def test_moments_refuse_what_they_cannot_know():
    with pytest.raises(UserError, match="at least 2 rows of features, not 1"):
        _ = moments(np.ones((1, 3))).covariance
    with pytest.raises(UserError, match="moments of 3 and of 2 features"):
        moments(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(UserError, match="NaN"):
        moments(np.full((2, 3), np.nan))


def test_the_interval_covers_the_truth():
    """Gaussians N(0, I) and N(1/2, diag(s^2)): the raw value is far above the truth, the interval is not."""
    rng = np.random.default_rng(0)
    scale = np.linspace(0.7, 1.4, 12)
    truth = 12 * 0.25 + np.square(scale - 1).sum()
    estimates = [
        fid_infinity(rng.normal(size=(120, 12)), rng.normal(size=(120, 12)) * scale + 0.5, seed) for seed in range(100)
    ]
    assert 90 <= sum(estimate.low <= truth <= estimate.high for estimate in estimates) <= 99
    assert np.mean([estimate.value for estimate in estimates]) == pytest.approx(truth, rel=0.03)


def test_scores_keep_the_raw_value_beside_the_unbiased_interval():
    x, y = correlated(60, 4), correlated(50, 4, 1)
    estimate = scores(Set(x), Set(y), Params(), seed=3)["fid"]
    assert estimate.value == frechet_distance(x, y)
    assert (estimate.n_real, estimate.n_fake) == (60, 50)
    assert estimate == scores(Set(x), Set(y), Params(), seed=3)["fid"]
    assert (estimate.low + estimate.high) / 2 == pytest.approx(fid_infinity(x, y, 3).value)
