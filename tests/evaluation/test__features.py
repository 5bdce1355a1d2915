import warnings

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation import _features, fid, kid, memorization, modes, precision_recall

RNG = np.random.default_rng(0)
GOOD, OTHER = RNG.normal(size=(2, 30, 3))
HOLED = GOOD.copy()
HOLED[4, 1], HOLED[6] = np.nan, np.inf
SAME = np.ones((30, 3))

# Every public function of two sets of features, with the name that it has for the real one.
METRICS = {
    "frechet_distance": ("real", fid.frechet_distance),
    "fid_infinity": ("real", fid.fid_infinity),
    "kernel_distance": ("real", kid.kernel_distance),
    "precision_recall": ("real", precision_recall.precision_recall),
    "density_coverage": ("real", precision_recall.density_coverage),
    "realism": ("real", precision_recall.realism),
    "mode_shares": ("real", lambda real, fake: modes.mode_shares(real, fake, 4)),
    "authenticity": ("train", memorization.authenticity),
    "nearest_training": ("train", memorization.nearest_training),
    "data_copying": ("train", lambda train, fake: memorization.data_copying(train, OTHER + 1, fake)),
    "near_copies": ("train", lambda train, fake: memorization.near_copies(train, OTHER + 1, fake)),
}
every_metric = pytest.mark.parametrize(("real", "metric"), METRICS.values(), ids=METRICS)


def test_a_pair_is_float64():
    real, fake = _features.pair(GOOD.astype(np.float16), np.eye(4, 3, dtype=bool))
    assert (real.dtype, fake.dtype) == (np.float64, np.float64)
    assert (real.shape, fake.shape) == ((30, 3), (4, 3))


@every_metric
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (HOLED, "fake features holds 4 NaN or infinite values, the first in row 4 of 30; make these rows again"),
        (GOOD[:, :2], "{real} features have 3 columns and fake features 2; give both the same feature map"),
        (GOOD[:1], "fake features: at least 2 rows are needed, not 1; give more images"),
        (GOOD[:0], "fake features must be numbers of shape"),
        (GOOD[0], "fake features must be numbers of shape"),
        (GOOD.astype(str), "fake features must be numbers"),
        (GOOD * 1e160, r"{real} or fake features exceed 1e\+50, whose powers have no number; scale them"),
        (GOOD.astype(complex), "fake features must be numbers"),
    ],
)
def test_every_metric_refuses_bad_features(real, metric, fake, message):
    with pytest.raises(UserError, match=message.format(real=real)):
        metric(GOOD, fake)


@every_metric
def test_every_metric_refuses_real_features_that_are_few_or_all_equal(real, metric):
    with pytest.raises(UserError, match=f"{real} features: at least 2 rows are needed, not 1"):
        metric(GOOD[:1], GOOD)
    with pytest.raises(UserError, match=f"{real} features: all 30 rows are equal, so nothing can be measured by them"):
        metric(SAME, GOOD)


def test_so_do_metrics_with_heldout_images():
    for metric in (memorization.data_copying, memorization.near_copies):
        with pytest.raises(UserError, match="heldout features: all 30 rows are equal"):
            metric(GOOD, SAME, OTHER)


@every_metric
def test_every_metric_scores_a_collapsed_generator_and_warns(real, metric):
    with pytest.warns(UserWarning, match="fake features: all 30 rows are equal, so the generator has collapsed"):
        assert metric(GOOD, SAME) is not None


@every_metric
def test_every_metric_warns_of_identical_sets(real, metric):
    with pytest.warns(UserWarning, match=f"{real} and fake features are the same 30 rows: their scores tell of no"):
        metric(GOOD, GOOD)


@every_metric
def test_every_metric_takes_other_sets_without_a_warning(real, metric):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric(GOOD, OTHER)


@pytest.mark.parametrize(
    ("metric", "k", "most"),
    [
        (precision_recall.precision_recall, 9, 8),  # of the smaller set, as both have balls
        (precision_recall.density_coverage, 30, 29),
        (precision_recall.realism, 30, 29),
        (memorization.nearest_training, 30, 29),
    ],
)
def test_k_must_be_below_the_number_of_images(metric, k, most):
    with pytest.raises(UserError, match=f"k must be from 1 to {most} where there are {most + 1} .*, not {k}; "):
        metric(GOOD, OTHER[:9], k=k)
