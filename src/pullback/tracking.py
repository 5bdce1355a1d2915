"""Which execution of the pipeline made this, from which code, parameters and data?

One parent run in MLflow per execution of the pipeline, one child run per stage. Every stage is a process of its own, so
the parent is found by a key: the environment variable PIPELINE_RUN_KEY, or else the process that started the stages,
which is the first ancestor that is no shell (`dvc`, whether it reproduces, experiments or works off its queue).

Runs go to `MLFLOW_TRACKING_URI` if that is set, else to `mlflow.db` and `mlartifacts/` in the root of the repository.
A stage that ends well also leaves `runs/STAGE.json`, its address in MLflow. DVC caches that file with the stage's other
outputs, so a stage that is skipped or restored still points to the run that really made them.

The only file that imports mlflow, and only inside functions: the import takes more than a second.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from filelock import FileLock
from numpy.typing import NDArray

from pullback import files
from pullback.errors import UserError

if TYPE_CHECKING:
    import torch
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.entities import Run as RecordedRun

SHELLS = {"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"}
MOST_PARAMS, MOST_METRICS = 100, 1000  # that MLflow takes in one call
LONGEST_VALUE, LONGEST_DIGEST = 6000, 36  # characters of a parameter and of a dataset's digest
SECONDS_BETWEEN_FLUSHES = 5  # one takes about 25 ms in sqlite, plus 0.1 ms per point


# Where things are.


def root() -> Path:
    """The repository's root, also in the throw-away copies in which DVC runs `--temp` and queued experiments.

    DVC sets DVC_ROOT for every stage, and for those copies to the repository that they were made from.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def runs_path(stage: str) -> Path:
    """`train@gan` -> `runs/train/gan.json`."""
    return Path("runs", f"{stage.replace('@', '/')}.json")


def store_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root() / 'mlflow.db'}"


def ui_path(experiment: str) -> str:
    """The part of the UI's address, from `#` on, that shows the experiment's runs and their charts.

    The UI by itself opens on a page about language models.
    """
    with _locked():
        return f"#/experiments/{_experiment(_client(), experiment).experiment_id}/runs?compareRunsMode=CHART"


# A stage and its run.


class Run:
    """A stage's run, while it lasts; `stage_run` makes it."""

    def __init__(self, client: "MlflowClient", stage: str, experiment_id: str, parent_id: str, run_id: str) -> None:
        self.id = run_id
        self.parent_id = parent_id
        self.experiment_id = experiment_id
        self.model_id: str | None = None
        self._stage = stage
        self._client = client
        self._waiting: list[tuple[str, float, int, int]] = []  # key, value, milliseconds since 1970, step
        self._due = time.monotonic() + SECONDS_BETWEEN_FLUSHES

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Points of curves. They are sent together, so that a call costs microseconds."""
        now = time.time_ns() // 1_000_000
        self._waiting += [(key, float(value), now, step) for key, value in values.items()]
        if time.monotonic() > self._due:
            self.flush()

    def flush(self) -> None:
        from mlflow.entities import Metric

        while self._waiting:
            self._client.log_batch(self.id, metrics=[Metric(*point) for point in self._waiting[:MOST_METRICS]])
            del self._waiting[:MOST_METRICS]
        self._due = time.monotonic() + SECONDS_BETWEEN_FLUSHES

    def headline(self, values: Mapping[str, float]) -> None:
        """Metrics that also stand on the execution's run, where the UI compares executions."""
        from mlflow.entities import Metric

        self.metrics(values)
        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            self.parent_id, metrics=[Metric(key, float(value), now, 0) for key, value in values.items()]
        )

    def tag(self, name: str, value: str) -> None:
        self._client.set_tag(self.id, name, value)

    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """An image (h, w) or (h, w, 3) under the step slider of the UI."""
        self._client.log_image(self.id, image, key=name, step=step)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        self._client.log_artifact(self.id, str(path), folder)

    def publish(self, path: Path, folder: str | None = None) -> None:
        """Artifacts of the whole execution: on its run."""
        self._client.log_artifact(self.parent_id, str(path), folder)

    def text(self, text: str, file: str) -> None:
        self._client.log_text(self.id, text, file)

    def dataset(self, name: str, digest: str, source: str, counts: Mapping[str, int]) -> None:
        """The data that the stage read or made, on its run and on the execution's."""
        from mlflow.entities import Dataset, DatasetInput

        data = Dataset(
            name, digest[:LONGEST_DIGEST], "local", json.dumps({"uri": source}), profile=json.dumps(dict(counts))
        )
        for run_id in (self.id, self.parent_id):
            self._client.log_inputs(run_id, datasets=[DatasetInput(data)])

    def model(self, name: str, module: "torch.nn.Module", input_example: NDArray[np.float32], step: int) -> str:
        """Logs `module` as an exported program, which needs none of this project's code, and returns its id.

        Args:
            module: is moved to the CPU and set to evaluation; as it trains it would answer differently by batch.
            input_example: inputs (n, …) with n >= 2, since the export of a batch of one accepts no other size.
            step: of the training; the metrics of that step stand beside the model.
        """
        import mlflow
        import torch
        from mlflow.entities import LoggedModelOutput
        from mlflow.models import Model, infer_signature

        assert len(input_example) >= 2, "a batch of one would fix the batch size"
        self.flush()
        module = module.cpu().eval()
        with torch.no_grad():
            output = module(torch.from_numpy(input_example)).numpy()
        mlflow.set_tracking_uri(self._client.tracking_uri)
        mlflow.set_experiment(experiment_id=self.experiment_id)
        self.model_id = Model.log(  # mlflow.pytorch.log_model works on the one active run only
            artifact_path=None,
            name=name,
            flavor=mlflow.pytorch,
            run_id=self.id,
            step=step,
            pytorch_model=module,
            serialization_format="pt2",
            signature=infer_signature(input_example, output),
            input_example=input_example,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],  # else 7 s
        ).model_id
        self._client.log_outputs(self.parent_id, models=[LoggedModelOutput(self.model_id, step)])
        return self.model_id

    def _end(self, status: str) -> None:
        self.flush()
        if status == "FINISHED":
            address = {"run_id": self.id, "parent_run_id": self.parent_id, "experiment_id": self.experiment_id}
            files.write_json(runs_path(self._stage), address | {"model_id": self.model_id, "stage": self._stage})
        self._client.set_terminated(self.id, status)
        _settle(self._client, self.experiment_id, self.parent_id)


class Silent:
    """The run of a process that only helps another one, which tracks: everything is done by doing nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


@contextmanager
def stage_run(
    stage: str,
    experiment: str,
    params: Mapping[str, Any],
    reads: Sequence[str] = (),
    all_params: Mapping[str, Any] | None = None,
) -> Iterator[Run]:
    """The run of one stage, inside the run of the execution of the pipeline that the stage belongs to.

    It ends FINISHED, FAILED (an exception, which goes on) or KILLED (Ctrl-C, SystemExit, or SIGTERM, which becomes an
    orderly end with exit code 143). Runs that a killed process left behind are marked KILLED first.

    Args:
        params: nested or flat; the parameters that the stage reads.
        reads: the stages whose outputs it reads; its run is linked to theirs.
        all_params: the pipeline's parameters, for the execution's run.

    Raises:
        UserError: the tracking store cannot be reached or refuses.
    """
    with _sigterm_raises():
        run = _start(stage, experiment, params, reads, all_params or {})
        try:
            yield run
            run._end("FINISHED")
        except BaseException as error:
            with suppress(*_refusals()):  # the stage's own error matters more
                if isinstance(error, KeyboardInterrupt | SystemExit):  # asked to stop
                    run._end("KILLED")
                else:
                    run._client.set_tag(run.id, "error", _sentence(error))
                    run._end("FAILED")
            if isinstance(error, _refusals()):
                raise _refusal(error) from error
            raise


def _start(
    stage: str, experiment: str, params: Mapping[str, Any], reads: Sequence[str], all_params: Mapping[str, Any]
) -> Run:
    with _locked():  # racing creations of the database crash; racing stages would make two parents
        client = _client()
        experiment_id = _experiment(client, experiment).experiment_id
        _bury(client, experiment_id)
        parent_id = _parent(client, experiment_id, all_params)
        written = {name: runs_path(name) for name in reads if runs_path(name).is_file()}
        links = {f"input.{name.replace('@', '-')}": files.read_json(path)["run_id"] for name, path in written.items()}
        tags = {
            "mlflow.parentRunId": parent_id,
            "mlflow.source.name": " ".join(sys.argv),
            "stage": stage,
            "process": _identity(psutil.Process()),
        }
        run_id = _create(client, experiment_id, stage, params, tags | links | _provenance())
        client.update_run(parent_id, status="RUNNING")
    return Run(client, stage, experiment_id, parent_id, run_id)


def _create(
    client: "MlflowClient", experiment_id: str, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> str:
    from mlflow.entities import Param

    run_id: str = client.create_run(experiment_id, run_name=name, tags=dict(tags)).info.run_id
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


def add(run_id: str, metrics: Mapping[str, float], file: str, content: Any) -> None:
    """Adds metrics and an artifact (JSON) to a run that has ended, in place of what was added before.

    Raises:
        UserError: the tracking store cannot be reached, or has no such run.
    """
    with _locked():
        from mlflow.entities import Metric

        client, now = _client(), time.time_ns() // 1_000_000
        client.log_batch(run_id, metrics=[Metric(key, float(value), now, 0) for key, value in metrics.items()])
        client.log_dict(run_id, content, file)


# The execution of the pipeline.


def _parent(client: "MlflowClient", experiment_id: str, params: Mapping[str, Any]) -> str:
    """The run of this execution; its first stage makes it."""
    key = os.environ.get("PIPELINE_RUN_KEY") or _identity(_starter())
    for run in _search(client, experiment_id, f"tags.pipeline = '{key}'"):
        return run.info.run_id
    name = os.environ.get("DVC_EXP_NAME") or f"repro {datetime.now():%m-%d %H:%M}"  # the UI cuts after 18 characters
    return _create(client, experiment_id, name, params, {"pipeline": key} | _provenance())


def _settle(client: "MlflowClient", experiment_id: str, parent_id: str) -> None:
    """Ends the execution's run unless a stage is still running. A stage that ran twice counts with its last run."""
    stages = _search(client, experiment_id, f"tags.mlflow.parentRunId = '{parent_id}'")
    last = {run.data.tags["stage"]: run.info.status for run in stages}.values()
    if "RUNNING" not in last:
        client.set_terminated(parent_id, min(last, key=["FAILED", "KILLED", "FINISHED"].index, default="KILLED"))


def _bury(client: "MlflowClient", experiment_id: str) -> None:
    """Marks this host's runs as KILLED whose process is gone, and settles the executions that they belonged to."""
    running = _search(client, experiment_id, f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'")
    for run in running:
        if "process" in run.data.tags and not _is_alive(run.data.tags["process"]):
            client.set_terminated(run.info.run_id, "KILLED")
    for run in running:
        if "pipeline" in run.data.tags:
            _settle(client, experiment_id, run.info.run_id)


def _search(client: "MlflowClient", experiment_id: str, condition: str) -> "list[RecordedRun]":
    return list(client.search_runs([experiment_id], condition, order_by=["attributes.start_time ASC"]))


# Processes.


def _starter() -> psutil.Process:
    """The process that started the stages: the first ancestor that is no shell, or else the outermost one."""
    line = [psutil.Process(), *psutil.Process().parents()]
    return next((process for process in line[1:] if process.name() not in SHELLS), line[-1])


def _identity(process: psutil.Process) -> str:
    """Host, number and start of a process. The start counts from the boot: a corrected clock moves all other times."""
    return f"{socket.gethostname()}/{process.pid}/{process.create_time() - psutil.boot_time():.2f}"


def _is_alive(identity: str) -> bool:
    try:
        process = psutil.Process(int(identity.split("/")[1]))
        return _identity(process) == identity and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class _Terminated(SystemExit):
    """SIGTERM came."""


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated(128 + number)  # the exit code by which a shell reports a process that a signal ended

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _sentence(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    return traceback.format_exception_only(error)[-1].splitlines()[0]


# What a run was made from.


def _provenance() -> dict[str, str]:
    """Tags: the user and host, DVC's experiment and lock at the start, the revision of the code."""
    tags = {"mlflow.user": psutil.Process().username(), "host": socket.gethostname()}
    if "DVC_EXP_NAME" in os.environ:
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    if Path("dvc.lock").is_file():
        tags["dvc.lock"] = hashlib.md5(Path("dvc.lock").read_bytes()).hexdigest()
    return tags | revision()


def revision() -> dict[str, str]:
    """The commit, and whether the files differ from it, results aside, which the stages themselves write."""
    try:
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--", ".", ":!dvc.lock", ":!metrics")
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, or no commit in it
        return {}
    return {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changes)).lower()}


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout.strip()


# The store.


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time; what the store refuses becomes a sentence."""
    with FileLock(root() / "mlflow.db.lock"):
        _prepare_environment()
        try:
            yield
        except _refusals() as error:
            raise _refusal(error) from error


def _refusals() -> tuple[type[Exception], ...]:
    """What a store raises that cannot record."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError


def _refusal(error: BaseException) -> UserError:
    causes = [error, error.__cause__, error.__context__]
    if any("disk is full" in str(cause) for cause in causes):  # sqlite's words
        return UserError(f"the disk that holds {store_uri()} is full; make room there and run again")
    return UserError(
        f"MLflow refuses to record at {store_uri()} ({_sentence(error)}); "
        "mend that, or unset MLFLOW_TRACKING_URI to record in mlflow.db"
    )


def _prepare_environment() -> None:
    """Settings that mlflow reads when it is imported. By its own defaults a call to a dead server hangs for minutes."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})


def _client() -> "MlflowClient":
    from mlflow import MlflowClient

    uri = store_uri()
    if uri.startswith(("http://", "https://")):
        _probe(uri)
    return MlflowClient(tracking_uri=uri)


def _probe(uri: str) -> None:
    """One call, where mlflow itself would try a dead server three times and longer."""
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    except requests.RequestException as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI is {uri}, where no MLflow server answers ({type(error).__name__}); "
            "start it, or unset MLFLOW_TRACKING_URI to record in mlflow.db"
        ) from error


def _experiment(client: "MlflowClient", name: str) -> "Experiment":
    """The experiment of that name, made if it is missing, with artifacts beside the default store."""
    if found := client.get_experiment_by_name(name):
        return found
    own = None if os.environ.get("MLFLOW_TRACKING_URI") else (root() / "mlartifacts").as_uri()
    return client.get_experiment(client.create_experiment(name, artifact_location=own))
