import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation import _features, fid, kid, precision_recall

GOOD = np.random.default_rng(0).normal(size=(9, 3))
HOLED = GOOD.copy()
HOLED[4, 1], HOLED[6] = np.nan, np.inf


def test_a_pair_is_float64():
    real, fake = _features.pair(GOOD.astype(np.float16), np.ones((4, 3), bool))
    assert (real.dtype, fake.dtype) == (np.float64, np.float64)
    assert (real.shape, fake.shape) == ((9, 3), (4, 3))


@pytest.mark.parametrize(
    "metric",
    [
        fid.frechet_distance,
        fid.fid_infinity,
        kid.kernel_distance,
        precision_recall.precision_recall,
        precision_recall.density_coverage,
    ],
)
@pytest.mark.parametrize(
    ("fake", "message"),
    [
        (HOLED, "fake features holds 4 NaN or infinite values, the first in row 4 of 9"),
        (GOOD[:, :2], "real features have 3 columns and fake features 2"),
        (GOOD[:1], "fake features: at least 2 rows are needed, not 1"),
        (GOOD[:0], "fake features must be numbers of shape"),
        (GOOD[0], "fake features must be numbers of shape"),
        (GOOD.astype(str), "fake features must be numbers"),
        (GOOD.astype(complex), "fake features must be numbers"),
    ],
)
def test_every_metric_refuses_bad_features(metric, fake, message):
    with pytest.raises(UserError, match=message):
        metric(GOOD, fake)
