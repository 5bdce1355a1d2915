"""From which files was an execution of the pipeline made, what did it make, and what is added to it later?"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pullback.errors import UserError
from pullback.tracking._earlier import SKIPPED, known, tagged
from pullback.tracking._execution import children, search
from pullback.tracking.places import offline_uri
from pullback.tracking.store import connect, experiment_named, locked
from pullback.tracking.sync import TWIN_OF

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as RecordedRun


@dataclass(frozen=True)
class Execution:
    """What stands in MLflow of one execution of the pipeline."""

    run_id: str
    experiment_id: str
    commit: str | None
    dirty: bool
    """Whether the files differed from the commit."""
    files: Mapping[str, bytes]
    """Those of its artifacts params.yaml, dvc.lock and code.diff that it has."""
    outputs: Mapping[str, tuple[str, str]]
    """Path of an output, also of stages that it could skip -> stage, digest."""


def execution(run_id: str) -> Execution:
    """The execution whose run, or one of whose stages' runs, has that id.

    Raises:
        UserError: there is no such run, or it is one of a stage that made nothing.
    """
    with locked():
        client = connect()
        run = known(client, run_id)
        if run and "stage" in run.data.tags and not tagged(run, "output."):
            raise UserError(_nothing(client, run))
        run = run and known(client, run.data.tags.get("mlflow.parentRunId", run_id))
        if run is None:
            raise UserError(f"MLflow has no run {run_id}; copy the id of one from its page (`pullback ui`)")
        tags = run.data.tags
        stages = children(client, run.info.experiment_id, run.info.run_id)
        skipped = [known(client, made_by) for made_by in tagged(run, SKIPPED).values()]
        return Execution(
            run.info.run_id,
            run.info.experiment_id,
            tags.get("mlflow.source.git.commit"),
            tags.get("git.dirty") == "true",
            dict(_artifacts(client, run.info.run_id)),
            {path: made for stage in (*skipped, *stages) if stage for path, made in _outputs(stage)},
        )


def _nothing(client: "MlflowClient", run: "RecordedRun") -> str:
    """What to tell of a run without outputs: which one of the same stage to take, best one that went on from it."""
    stage, run_id = run.data.tags["stage"], run.info.run_id
    done = search(client, run.info.experiment_id, f"tags.stage = '{stage}' AND attributes.status = 'FINISHED'")
    after = [each for each in done if each.data.tags.get("resumes") == run_id]
    if after:
        way_out = f"take {after[-1].info.run_id}, which went on from it"
    elif done:
        way_out = f"take the last run of {stage} that ended well, {done[-1].info.run_id}"
    else:
        way_out = f"no run of {stage} has ended well yet"
    return f"run {run_id} of {stage} is {run.info.status} and made no outputs; {way_out}"


def tag_execution(experiment_id: str, key: str, name: str, value: str) -> None:
    """A tag on the run of the execution that was started with PIPELINE_RUN_KEY=`key`, if any stage of it ran."""
    with locked():
        client = connect()
        for run in search(client, experiment_id, f"tags.pipeline = '{key}'"):
            client.set_tag(run.info.run_id, name, value)


def add(
    run_id: str, metrics: Mapping[str, float], file: str, content: dict[str, Any], experiment: str, offline: bool
) -> str | None:
    """Adds metrics and an artifact (JSON) to a run that has ended, in place of what was added before.

    Args:
        experiment: that of the run.
        offline: whether to record in files where the tracking server is away, for `pullback sync` to bring them there.

    Returns:
        the run's id, which is another one where `pullback sync` has brought the run; None if the store has no such run.

    Raises:
        UserError: the tracking store cannot be reached, or refuses.
    """
    with locked():
        from mlflow.entities import Metric

        client, now = connect(offline), time.time_ns() // 1_000_000
        if run := known(client, run_id):
            run_id = to = run.info.run_id
        elif client.tracking_uri == offline_uri():
            to = _twin(client, run_id, experiment)
        else:
            return None
        client.log_batch(to, metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()])
        client.log_dict(to, content, file)
        return run_id


def _twin(client: "MlflowClient", run_id: str, experiment: str) -> str:
    """A run in the files for what is added to a run on the server."""
    to = experiment_named(client, experiment).experiment_id
    for run in search(client, to, f"tags.{TWIN_OF} = '{run_id}'"):
        return run.info.run_id
    made = client.create_run(to, tags={TWIN_OF: run_id})
    client.set_terminated(made.info.run_id)
    twin: str = made.info.run_id
    return twin


def _artifacts(client: "MlflowClient", run_id: str) -> Iterator[tuple[str, bytes]]:
    with TemporaryDirectory() as folder:
        for file in client.list_artifacts(run_id):
            if file.path in ("params.yaml", "dvc.lock", "code.diff"):
                yield file.path, Path(client.download_artifacts(run_id, file.path, folder)).read_bytes()


def _outputs(run: "RecordedRun") -> Iterator[tuple[str, tuple[str, str]]]:
    for tag, digest in run.data.tags.items():
        if tag.startswith("output."):
            yield tag.removeprefix("output."), (run.data.tags["stage"], digest)
