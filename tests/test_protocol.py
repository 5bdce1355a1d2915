"""The scores of several trainings become a mean and a spread."""

import pytest

from pullback.protocol import spread


def test_the_spread_over_trainings_is_that_of_the_values():
    trainings = [{"fid": {"value": value, "low": 0.0}, "recall": {"value": 0.5}} for value in (1.0, 2.0, 6.0)]
    found = spread(trainings)
    assert found["fid"] == {"values": [1.0, 2.0, 6.0], "mean": 3.0, "std": pytest.approx(7**0.5)}
    assert found["recall"]["std"] == 0
