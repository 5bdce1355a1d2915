import warnings

import numpy as np
import pytest

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


def test_a_collapsed_set_is_at_the_distance_of_a_point():
    x = correlated(200, 3)
    with pytest.warns(UserWarning, match="all 5 rows are equal"):
        value = frechet_distance(x, np.full((5, 3), 4.0))
    assert value == pytest.approx(np.square(x.mean(0) - 4).sum() + x.var(0, ddof=1).sum(), rel=1e-12)


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


SETTINGS = [  # n, m, d, gap of the means, scales of the axes: N(0, I) against N(gap, diag(scales^2))
    (120, 120, 12, 0.5, (0.7, 1.4)),
    (100, 80, 6, 0.2, (0.8, 1.2)),
]
EQUAL = (60, 60, 4, 0.0, (1.0, 1.0))


def gaussians(n, m, d, gap, scales, rng):
    scale = np.linspace(*scales, d)
    truth = d * gap**2 + np.square(scale - 1).sum()
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) * scale + gap, truth


@pytest.mark.parametrize(("setting", "most"), [*((setting, 98) for setting in SETTINGS), (EQUAL, 100)])
def test_the_interval_covers_the_truth(setting, most):
    """The raw value is far above the truth, the interval is not. Between equal populations it is a little wide."""
    rng = np.random.default_rng(0)
    covered, values = 0, []
    for seed in range(100):
        x, y, truth = gaussians(*setting, rng)
        interval = scores(Set(x), Set(y), Params(), seed)["fid"]
        covered += interval.low <= truth <= interval.high
        values.append(fid_infinity(x, y, seed).value)
    assert 90 <= covered <= most
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / 10)


@pytest.mark.filterwarnings("ignore:the FID of", "ignore:the bias of the FID")
@pytest.mark.parametrize("setting", [(50, 50, 64, 0.0, (1.0, 1.0)), (50, 60, 40, 0.3, (0.7, 1.4))])
def test_the_interval_of_too_few_images_reaches_from_zero(setting):
    rng = np.random.default_rng(0)
    for seed in range(20):
        x, y, truth = gaussians(*setting, rng)
        interval = scores(Set(x), Set(y), Params(), seed)["fid"]
        assert interval.low <= 0 <= truth <= interval.high
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize("setting", [*SETTINGS, EQUAL])
def test_the_percentiles_of_a_bootstrap_do_not(setting):
    """Resampled rows repeat, which adds the bias a second time."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(30):
        x, y, truth = gaussians(*setting, rng)
        drawn = [frechet_distance(rng.choice(x, len(x)), rng.choice(y, len(y))) for _ in range(40)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        covered += low <= truth <= high
    assert covered <= 0.2 * 30


def test_scores_keep_the_raw_value_beside_the_unbiased_interval():
    x, y = correlated(60, 4), correlated(50, 4, 1)
    estimate = scores(Set(x), Set(y), Params(), seed=3)["fid"]
    assert estimate.value == frechet_distance(x, y)
    assert (estimate.n_real, estimate.n_fake) == (60, 50)
    assert estimate == scores(Set(x), Set(y), Params(), seed=3)["fid"]
    assert (estimate.low + estimate.high) / 2 == pytest.approx(fid_infinity(x, y, 3).value)
