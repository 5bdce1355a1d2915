import numpy as np
import pytest

from pullback import config, plugins
from pullback.evaluation._estimate import Estimate
from pullback.evaluation._set import Set


@pytest.mark.parametrize("name", plugins.names("evaluation"))
def test_every_metric_keeps_the_contract(name):
    rng = np.random.default_rng(0)
    real, fake = (Set(rng.normal(size=(40, 3)), rng.normal(size=(40, 5))) for _ in range(2))
    metric = plugins.load("evaluation", name)
    params = getattr(metric, "Params", config.Params)()
    result = metric.scores(real, fake, params, seed=1)
    assert result.keys() == metric.BETTER.keys()
    assert all(isinstance(estimate, Estimate) and np.isfinite(estimate.value) for estimate in result.values())
    assert all(estimate.low <= estimate.high for estimate in result.values())
    assert metric.scores(real, fake, params, seed=1) == result
