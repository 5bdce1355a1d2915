"""What has retraining decided, on whichever machine? One run in MLflow per decision, in an experiment of its own."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pullback.tracking._overview import NOTE
from pullback.tracking.store import connect, experiment_named, locked

ENTRY = "decision"
MOST_RUNS = 50_000  # of one answer of MLflow
SIDES = ("candidate", "champion")
LONGEST_REASON = 500  # MLflow takes tags of 8000 characters


def published(experiment: str) -> list[dict[str, Any]]:
    """The entries of the ledgers of all machines, as `publish` got them."""
    with locked():
        client = connect()
        runs = client.search_runs([_experiment_id(client, experiment)], max_results=MOST_RUNS)
        return [json.loads(run.data.tags[ENTRY]) for run in runs]


def publish(experiment: str, entry: Mapping[str, Any]) -> None:
    """Makes an entry of the ledger a run that shows the verdict, the scores, the cost, and why."""
    short = dict(entry) | {"report": None, "reasons": [reason[:LONGEST_REASON] for reason in entry["reasons"]]}
    why = "\n".join(f"- {reason}" for reason in short["reasons"])
    tags = {ENTRY: json.dumps(short), "verdict": entry["verdict"], "who": entry["who"], NOTE: entry["report"] or why}
    scores = {f"{name}.{side}": score[side] for name, score in entry["scores"].items() for side in SIDES}
    began = int(datetime.fromisoformat(entry["date"]).timestamp() * 1000)
    with locked():
        client = connect()
        run = client.create_run(_experiment_id(client, experiment), began, tags, f"{entry['verdict']} {entry['id']}")
        for name, value in {**scores, **entry["cost"]}.items():
            client.log_metric(run.info.run_id, name, value)
        client.set_terminated(run.info.run_id, "FAILED" if entry["verdict"] == "failed" else "FINISHED")


def _experiment_id(client: Any, experiment: str) -> str:
    return str(experiment_named(client, f"{experiment}-retraining").experiment_id)
