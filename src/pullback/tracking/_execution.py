"""Which run stands for this execution of the pipeline, and how does it end?"""

import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullback.tracking._overview import NOTE, overview
from pullback.tracking._processes import identity, is_alive, starter
from pullback.tracking.provenance import changes, provenance

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as RecordedRun

MOST_PARAMS = 100  # that MLflow takes in one call
LONGEST_VALUE = 6000  # characters of a parameter
SECONDS_TO_FIRST_STAGE = 10  # of another pipeline that records on the same server


def parent(client: "MlflowClient", experiment_id: str, params: Mapping[str, Any], started: float) -> str:
    """The run of this execution; its first stage, which `started` then, makes it."""
    key = os.environ.get("PIPELINE_RUN_KEY") or identity(starter())
    for run in search(client, experiment_id, f"tags.pipeline = '{key}'"):
        return run.info.run_id
    name = os.environ.get("DVC_EXP_NAME") or f"repro {datetime.now():%m-%d %H:%M}"  # the UI cuts after 18 characters
    run_id = create(client, experiment_id, name, params, {"pipeline": key} | provenance(), started)
    _keep_sources(client, run_id)
    return run_id


def _keep_sources(client: "MlflowClient", run_id: str) -> None:
    """With the commit, all that this execution can be repeated from."""
    keep(client, run_id, Path("params.yaml"))
    if patch := changes():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "code.diff")
            path.write_bytes(patch)
            keep(client, run_id, path)


def keep(client: "MlflowClient", run_id: str, path: Path) -> None:
    """Makes a file, if it is there, an artifact under its own name."""
    if path.is_file():
        client.log_artifact(run_id, str(path))


def settle(client: "MlflowClient", experiment_id: str, parent_id: str) -> None:
    """Ends the execution's run unless a stage is still running, and tells on its page what there is to tell.

    A stage that ran twice counts with its last run.
    """
    last = {run.data.tags["stage"]: run for run in children(client, experiment_id, parent_id)}
    client.set_tag(parent_id, NOTE, overview(client, client.get_run(parent_id), list(last.values())))
    statuses = {run.info.status for run in last.values()}
    if "RUNNING" not in statuses:
        worst = min(statuses, key=["FAILED", "KILLED", "FINISHED"].index, default="KILLED")
        ended = max((run.info.end_time or 0 for run in last.values()), default=None)
        client.set_terminated(parent_id, worst, ended)


def children(client: "MlflowClient", experiment_id: str, parent_id: str) -> "list[RecordedRun]":
    return search(client, experiment_id, f"tags.mlflow.parentRunId = '{parent_id}'")


def bury(client: "MlflowClient", experiment_id: str) -> None:
    """Marks this host's runs as KILLED whose process is gone, and settles executions of which no stage is running."""
    running = search(client, experiment_id, f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'")
    stages = [run for run in running if "process" in run.data.tags]
    dead = [run for run in stages if not is_alive(run.data.tags["process"])]
    for run in dead:
        client.set_terminated(run.info.run_id, "KILLED")
    cut_off, busy = ({run.data.tags["mlflow.parentRunId"] for run in each} for each in (dead, stages))
    for run in (run for run in running if "pipeline" in run.data.tags):
        old = time.time() - run.info.start_time / 1000 > SECONDS_TO_FIRST_STAGE
        if run.info.run_id in cut_off or (old and run.info.run_id not in busy):
            settle(client, experiment_id, run.info.run_id)


def search(client: "MlflowClient", experiment_id: str, condition: str) -> "list[RecordedRun]":
    return list(client.search_runs([experiment_id], condition, order_by=["attributes.start_time ASC"]))


def create(
    client: "MlflowClient",
    experiment_id: str,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    started: float,
) -> str:
    from mlflow.entities import Param

    made = client.create_run(experiment_id, int(1000 * started), dict(tags), name)
    run_id: str = made.info.run_id
    flat = [Param(key, value) for key, value in _flat(params)]
    for i in range(0, len(flat), MOST_PARAMS):
        client.log_batch(run_id, params=flat[i : i + MOST_PARAMS])
    return run_id


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """{"gan": {"width": 64}} -> ("gan.width", "64")."""
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)[:LONGEST_VALUE]
