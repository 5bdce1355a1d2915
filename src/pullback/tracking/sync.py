"""How does what was recorded while the tracking server was away reach it? Each thing once, however often this is tried.

A run in the files belongs to the run on the server that it is the twin of, or that stands for the same execution; for
any other a run is made there. All that it holds is sent to that run, whose tag `synced_from` names it, so that an
interrupted `pullback sync` finds it again, and so that links by the old id still lead somewhere. What is sent twice is
there once: MLflow knows a point of a curve by its name, step, time and value, and all else by its name.
"""

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pullback.errors import UserError
from pullback.tracking._earlier import SYNCED_FROM, synced
from pullback.tracking._execution import bury, children, search, settle
from pullback.tracking._overview import NOTE
from pullback.tracking.places import offline_folder
from pullback.tracking.store import absence, connect_files, experiment_named, locked, refusals, sentence

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.entities import Run as RecordedRun

TWIN_OF = "twin_of"  # a tag: the id on the server
OF_THE_START = ("params.yaml", "code.diff")  # files of an execution as it began, which a twin of it made later
PAGES = (".html", ".md")  # artifacts with links to runs; params.yaml, dvc.lock and code.diff come as they are
RUN_ID = re.compile(r"\b[0-9a-f]{32}\b")


def sync() -> int:
    """Sends the runs in the files to the store that MLFLOW_TRACKING_URI names, and removes the files; how many runs.

    Raises:
        UserError: MLFLOW_TRACKING_URI names none, the store does not take them, or a stage still records in the files.
    """
    folder, uri = offline_folder(), os.environ.get("MLFLOW_TRACKING_URI")
    if not folder.exists():
        return 0
    if not uri or ".pullback/offline" in uri:
        raise UserError(f"MLFLOW_TRACKING_URI is {uri!r}; set it to the address of the server that is to have the runs")
    with locked():
        from mlflow import MlflowClient

        try:
            if uri.startswith("http") and (reason := absence(uri)):
                raise _unfinished(uri, reason)
            count = _Replay(connect_files(), MlflowClient(uri)).everything()
        except refusals() as error:
            raise _unfinished(uri, sentence(error)) from error
        shutil.rmtree(folder)
    return count


def _unfinished(uri: str, reason: str) -> UserError:
    return UserError(
        f"{uri} does not take the runs ({reason}); nothing is lost, they are in {offline_folder()}: "
        "run `pullback sync` again when the server is back"
    )


class _Replay:
    """From the store `here`, of the files, to the store `there`."""

    def __init__(self, here: "MlflowClient", there: "MlflowClient") -> None:
        self.here, self.there = here, there
        self.models: dict[str, str] = {}  # from the id of a model here to its id there

    def everything(self) -> int:
        count = 0
        for experiment in self.here.search_experiments():
            bury(self.here, experiment.experiment_id)
            while executions := search(self.here, experiment.experiment_id, "tags.mlflow.parentRunId IS NULL"):
                for parent in executions:
                    count += self._execution(parent, experiment.name)
        return count

    def _execution(self, parent: "RecordedRun", experiment: str) -> int:
        """One execution of the pipeline; the search above then no longer finds it."""
        stages = children(self.here, parent.info.experiment_id, parent.info.run_id)
        for stage in stages:
            if stage.info.status == "RUNNING":
                where = f"{stage.info.run_name} on {stage.data.tags['host']}"
                raise UserError(f"{where} still records in {offline_folder()}; run `pullback sync` when it has ended")
        to = experiment_named(self.there, experiment).experiment_id
        ids = {run.info.run_id: self._counterpart(run, to) for run in (parent, *stages)}
        for stage in stages:
            self._content(stage.info.run_id, ids[stage.info.run_id])
            self.there.set_terminated(ids[stage.info.run_id], stage.info.status, stage.info.end_time)
        self._content(parent.info.run_id, ids[parent.info.run_id])  # after those whose models are its outputs, too
        settle(self.there, to, ids[parent.info.run_id])
        self.here.delete_run(parent.info.run_id)
        return len(ids)

    def _counterpart(self, run: "RecordedRun", to: str) -> str:
        """The run there, in the experiment `to`, that a run here belongs to."""
        tags, run_id = run.data.tags, run.info.run_id
        conditions = [f"tags.{SYNCED_FROM} LIKE '%{run_id}%'"]
        if TWIN_OF in tags:
            conditions.append(f"attributes.run_id = '{tags[TWIN_OF]}'")
        if "pipeline" in tags:
            conditions.append(f"tags.pipeline = '{tags['pipeline']}'")
        for condition in conditions:
            for found in search(self.there, to, condition):
                known = found.data.tags.get(SYNCED_FROM, "")
                if run_id not in known:
                    self.there.set_tag(found.info.run_id, SYNCED_FROM, f"{known} {run_id}".strip())
                return found.info.run_id
        made: RecordedRun = self.there.create_run(to, run.info.start_time, {SYNCED_FROM: run_id}, run.info.run_name)
        return made.info.run_id

    def _content(self, run_id: str, to_id: str) -> None:
        run, other = self.here.get_run(run_id), self.there.get_run(to_id)
        self._values(run, other)
        artifacts = _folder(run.info.artifact_uri)
        for known in self.there.list_artifacts(to_id):
            if known.path in OF_THE_START:
                (artifacts / known.path).unlink(missing_ok=True)
        if artifacts.exists():
            self.there.log_artifacts(to_id, str(artifacts))
            self._pages(artifacts, run, other)
        if run.inputs and run.inputs.dataset_inputs:
            self.there.log_inputs(to_id, run.inputs.dataset_inputs)
        self._models(run, other)

    def _values(self, run: "RecordedRun", other: "RecordedRun") -> None:
        """Curves, the note, which is the last, and what the other run lacks of tags and parameters.

        Those that it has are from when it began.
        """
        from mlflow.entities import Param, RunTag

        own = {stage.info.run_id for stage in children(self.there, other.info.experiment_id, other.info.run_id)}
        params, tags = run.data.params.items(), run.data.tags.items()
        old = {*other.data.tags, TWIN_OF} - {NOTE}
        new = {key: self._translated(value, run, other) for key, value in tags if key not in old}
        self.there.log_batch(
            other.info.run_id,
            metrics=self._points(run),
            params=[Param(key, value) for key, value in params if key not in other.data.params],
            tags=[RunTag(key, value) for key, value in new.items() if value not in own],  # it has not skipped these
        )

    def _pages(self, folder: Path, run: "RecordedRun", other: "RecordedRun") -> None:
        """Those with links again, which then lead to the runs there; what DVC keeps is left as its digest names it."""
        for file in (each for each in folder.rglob("*") if each.suffix in PAGES):
            text = file.read_bytes().decode()
            if (translated := self._translated(text, run, other)) != text:
                self.there.log_text(other.info.run_id, translated, file.relative_to(folder).as_posix())

    def _translated(self, text: str, run: "RecordedRun", other: "RecordedRun") -> str:
        """With the experiment and the ids of runs there."""
        text = text.replace(f"#/experiments/{run.info.experiment_id}/", f"#/experiments/{other.info.experiment_id}/")
        found = {run_id: synced(self.there, run_id) for run_id in {*RUN_ID.findall(text)}}
        return RUN_ID.sub(lambda match: brought.info.run_id if (brought := found[match[0]]) else match[0], text)

    def _points(self, run: "RecordedRun") -> "list[Metric]":
        return [point for key in run.data.metrics for point in self.here.get_metric_history(run.info.run_id, key)]

    def _models(self, run: "RecordedRun", other: "RecordedRun") -> None:
        from mlflow.entities import LoggedModelOutput

        known = {output.model_id for output in _outputs(other)}
        for output in _outputs(run):
            if output.model_id not in self.models:
                self._model(output, run, other)
            model_id = self.models.get(output.model_id)
            if model_id and model_id not in known:
                self.there.log_outputs(other.info.run_id, [LoggedModelOutput(model_id, output.step)])

    def _model(self, output: "LoggedModelOutput", run: "RecordedRun", other_run: "RecordedRun") -> None:
        """A whole model, as that of its name of the run there, which may have begun to take it before it went away."""
        from mlflow.entities import LoggedModelStatus, Metric
        from mlflow.models import Model

        model = self.here.get_logged_model(output.model_id)
        if model.status != LoggedModelStatus.READY:
            return
        run_id, to = other_run.info.run_id, other_run.info.experiment_id
        same = self.there.search_logged_models([to], f"source_run_id = '{run_id}' AND name = '{model.name}'")
        other = same[0] if same else self.there.create_logged_model(to, model.name, run_id, params=model.params)
        self.models[model.model_id] = other.model_id
        self.there.set_logged_model_tags(other.model_id, {SYNCED_FROM: model.model_id})
        folder = _folder(model.artifact_location)
        told = Model.load(str(folder))
        told.model_id = told.model_uuid = other.model_id
        told.run_id, told.artifact_path = run_id, other.artifact_location
        told.save(str(folder / "MLmodel"))
        self.there.log_model_artifacts(other.model_id, str(folder))
        self.there.finalize_logged_model(other.model_id, "READY")
        beside = [point for point in self._points(run) if point.step == output.step]  # as mlflow does it
        points = [Metric(at.key, at.value, at.timestamp, at.step, model_id=other.model_id) for at in beside]
        self.there.log_batch(run_id, metrics=points)


def _outputs(run: "RecordedRun") -> "list[LoggedModelOutput]":
    return run.outputs.model_outputs if run.outputs else []


def _folder(uri: str) -> Path:
    from mlflow.utils.file_utils import local_file_uri_to_path

    return Path(local_file_uri_to_path(uri))
