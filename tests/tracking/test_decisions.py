"""A decision is one run in MLflow, and machines with one store know the same of them."""

from pathlib import Path
from typing import Any

import pytest

from pullback.retraining import ledger
from pullback.tracking import decisions
from pullback.tracking.store import connect


@pytest.fixture
def machines(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """By name, ledgers of their own with one store."""
    monkeypatch.setattr(ledger, "folder", lambda: tmp_path / machines.at)

    def machines(name: str) -> Any:
        machines.at = name
        return ledger

    machines.at = "first"
    return machines


def entry(identity: str, **more: Any) -> dict[str, Any]:
    return {
        "id": identity, "date": f"2026-01-{identity}T02:30:00+00:00", "who": "me@here", "snapshot": "a.dir",
        "images": 450, "settings": "s", "versions": {}, "replaced": {}, "commit": None, "code": 11,
        "verdict": "refused", "reasons": ["recall is worse"], "scores": {}, "cost": {}, "report": None,
    } | more  # fmt: skip


def test_a_decision_is_a_run_with_its_scores_cost_and_reasons(root: Path) -> None:
    scores = {"vae.prior.fid": {"candidate": 2.0, "champion": 3.0, "low": None, "high": None}}
    decisions.publish("pullback", entry("01", scores=scores, cost={"device_hours": 0.5}))
    client = connect()
    experiment = client.get_experiment_by_name("pullback-retraining")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == {
        "vae.prior.fid.candidate": 2.0, "vae.prior.fid.champion": 3.0, "device_hours": 0.5,
    }  # fmt: skip
    assert run.data.tags["mlflow.note.content"] == "- recall is worse"
    assert run.info.status == "FINISHED"


def test_a_decision_with_a_long_reason_is_taken(root: Path) -> None:
    decisions.publish("pullback", entry("01", code=1, verdict="failed", reasons=["why " * 5000]))
    (found,) = decisions.published("pullback")
    assert found["reasons"][0].startswith("why why")


def test_machines_with_one_store_know_of_each_other_once(machines: Any) -> None:
    machines("first")._write([entry("02"), entry("04", settings="t")])
    machines("first").exchange("pullback")
    second = machines("second")
    second._write([entry("03")])
    assert [each["id"] for each in second.everywhere("pullback")] == ["02", "03", "04"]
    assert [each["id"] for each in second.entries()] == ["03"]
    second.exchange("pullback")
    second.exchange("pullback")
    assert [each["id"] for each in second.entries()] == ["02", "03", "04"]
    assert "a.dir" in second.refused("t")
    machines("first").exchange("pullback")
    assert ledger.entries() == second.everywhere("pullback")
    assert len(decisions.published("pullback")) == 3
