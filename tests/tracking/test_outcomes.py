"""What an execution cost, why it failed, and what was said of it later, by the key that it was started with."""

import pytest
from mlflow import MlflowClient

from pullback.errors import UserError
from pullback.tracking.outcomes import Ended, ended, is_known, tag
from pullback.tracking.run import stage_run

COSTS = ("device_hours", "energy_kwh")


@pytest.fixture
def key(root, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PIPELINE_RUN_KEY", "retrain-1")
    return "retrain-1"


def stage(name: str, hours: float, error: str | None = None) -> str:
    """The run of the execution."""
    with stage_run(name, "pullback", {}) as run:
        run.metrics({"device_hours": hours})
        if error:
            raise UserError(error)
    return str(run.parent_id)


def test_the_costs_of_all_stages_are_added_up(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = stage("prepare", 0.5)
    stage("train@vae", 2.0)
    monkeypatch.setenv("PIPELINE_RUN_KEY", "retrain-2")
    stage("prepare", 9.0)
    assert ended("pullback", key, COSTS) == Ended(parent, None, {"device_hours": 2.5, "energy_kwh": 0.0})


def test_a_stage_that_failed_is_named_with_its_reason_and_costs_too(key: str) -> None:
    stage("prepare", 0.5)
    with pytest.raises(UserError):
        stage("train@vae", 2.0, "it diverged; lower the rate")
    found = ended("pullback", key, COSTS)
    assert found.error == "train@vae: it diverged; lower the rate"
    assert found.cost["device_hours"] == 2.5


def test_what_never_ran_has_no_run_no_error_and_no_cost(root) -> None:
    for _ in range(2):
        assert ended("pullback", "retrain-1", COSTS) == Ended(None, None, dict.fromkeys(COSTS, 0.0))
        stage("prepare", 1.0)


def test_a_run_that_has_ended_gets_tags_and_stays_ended(key: str, root) -> None:
    parent = stage("prepare", 0.5)
    for _ in range(2):
        tag(parent, {"verdict": "refused", "reason.0": "worse"})
    run = MlflowClient(f"sqlite:///{root / 'mlflow.db'}").get_run(parent)
    assert (run.data.tags["verdict"], run.data.tags["reason.0"]) == ("refused", "worse")
    assert run.info.status == "FINISHED"


def test_a_run_is_known_where_it_was_recorded(key: str) -> None:
    assert is_known(stage("prepare", 0.5))
    assert not is_known("0" * 32)
