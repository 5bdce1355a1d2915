"""What does an execution take from earlier ones? The results of the stages that it skipped."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as RecordedRun

SYNCED_FROM = "synced_from"  # a tag: the ids that a run had in files
SKIPPED, INPUT = "skipped.", "input."  # tags: a stage with "-" for "@" -> the id of its run


def known(client: "MlflowClient", run_id: str) -> "RecordedRun | None":
    """By the id here or in files that `pullback sync` has brought here.

    None for a run in another store, as those are whose outputs `dvc pull` has brought.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return synced(client, run_id)


def synced(client: "MlflowClient", run_id: str) -> "RecordedRun | None":
    """What `pullback sync` made of a run in files, by its id there."""
    everywhere = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(everywhere, f"tags.{SYNCED_FROM} LIKE '%{run_id}%'")
    return found[0] if found else None


def tagged(run: "RecordedRun", kind: str) -> dict[str, str]:
    """What a run has under the tags that begin with `kind`."""
    return {key.removeprefix(kind): value for key, value in run.data.tags.items() if key.startswith(kind)}


def inherit(client: "MlflowClient", parent: "RecordedRun", executed: set[str], links: Mapping[str, str]) -> None:
    """Links an execution to the stages in `links`, and those that they rely on, that it did not run itself.

    It also gets their headline metrics and data sets, so that executions can be compared whatever they skipped.
    """
    done, todo = executed | tagged(parent, SKIPPED).keys(), dict(links)
    while todo:
        stage, run_id = todo.popitem()
        if stage in done:
            continue
        done.add(stage)
        client.set_tag(parent.info.run_id, SKIPPED + stage, run_id)
        if run := known(client, run_id):
            todo = tagged(run, INPUT) | todo  # the nearer link to a stage is the one that counts
            _copy(client, run, parent)


def _copy(client: "MlflowClient", run: "RecordedRun", parent: "RecordedRun") -> None:
    from mlflow.entities import Metric

    first = known(client, run.data.tags["mlflow.parentRunId"])
    headline = first.data.metrics.keys() & run.data.metrics.keys() - parent.data.metrics.keys() if first else ()
    metrics = [Metric(key, run.data.metrics[key], run.info.end_time, 0) for key in headline]
    client.log_batch(parent.info.run_id, metrics=metrics)
    if run.inputs and run.inputs.dataset_inputs:
        client.log_inputs(parent.info.run_id, datasets=run.inputs.dataset_inputs)
