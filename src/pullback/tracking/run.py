"""Which execution of the pipeline made this, from which code, parameters and data?

One parent run in MLflow per execution of the pipeline, one child run per stage. Every stage is a process of its own, so
the parent is found by a key: the environment variable PIPELINE_RUN_KEY, or else the process that started the stages,
which is the first ancestor that is no shell (`dvc`, whether it reproduces, experiments or works off its queue).

Runs go to `MLFLOW_TRACKING_URI` if that is set, else to `mlflow.db` and `mlartifacts/` in the root of the repository.
A server that is away, or goes away, is replaced by files (fallback.py), from which `pullback sync` fills it later.
A stage that ends well also leaves `runs/STAGE.json`, its address in MLflow. DVC caches that file with the stage's other
outputs, so a stage that is skipped or restored still points to the run that really made them.

The only folder that imports mlflow, and only inside functions: the import takes more than a second.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from pullback import files
from pullback.tracking._earlier import INPUT, inherit, known, tagged
from pullback.tracking._execution import bury, children, create, keep, parent, settle
from pullback.tracking._machine import Machine
from pullback.tracking._overview import NOTE, artifact, run_page
from pullback.tracking._processes import identity, sigterm_raises
from pullback.tracking.fallback import lasting
from pullback.tracking.lineage import data_of, digests
from pullback.tracking.places import runs_path
from pullback.tracking.provenance import provenance
from pullback.tracking.store import connect, connect_files, experiment_named, locked, refusal, refusals, sentence

if TYPE_CHECKING:
    import torch
    from mlflow import MlflowClient

MOST_METRICS = 1000  # that MLflow takes in one call
LONGEST_DIGEST = 36  # characters of a dataset's digest
OUTPUT, DEP = "output.", "dep."  # tags: a path -> the digest of what a stage wrote to it or read there
SECONDS_BETWEEN_FLUSHES = 10  # one takes about 25 ms in sqlite, plus 0.1 ms per point, and a training step 5 ms
Point = tuple[str, float, int, int]  # key, value, milliseconds since 1970, step


class Run:
    """A stage's run, while it lasts; `stage_run` makes it."""

    def __init__(self, client: "MlflowClient", stage: str, experiment_id: str, parent_id: str, run_id: str) -> None:
        self.id = run_id
        self.parent_id = parent_id
        self.experiment_id = experiment_id
        self.model_id: str | None = None
        self._stage = stage
        self._client = client
        self._writes: list[str] = []
        self._make_twin: Callable[..., Run]
        self._waiting: list[Point] = []
        self._headlines: list[Point] = []
        self._machine = Machine()
        self._start = time.monotonic()
        self._due = self._start + SECONDS_BETWEEN_FLUSHES

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Points of curves. A call costs microseconds: they are sent together, with the load of the machine."""
        self._waiting += _points(values, step)
        if time.monotonic() > self._due:
            seconds = int(time.monotonic() - self._start)
            self._waiting += _points(self._machine.load(), seconds)
            self.flush()

    @lasting
    def flush(self) -> None:
        from mlflow.entities import Metric

        for points, run_id in ((self._waiting, self.id), (self._headlines, self.parent_id)):
            while points:
                self._client.log_batch(run_id, metrics=[Metric(*point) for point in points[:MOST_METRICS]])
                del points[:MOST_METRICS]
        self._due = time.monotonic() + SECONDS_BETWEEN_FLUSHES

    def headline(self, values: Mapping[str, float]) -> None:
        """Metrics that also stand on the execution's run, where the UI compares executions."""
        self._headlines += _points(values, 0)
        self.metrics(values)

    def tag(self, name: str, value: str) -> None:
        self.tags({name: value})

    @lasting
    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(self.id, tags=[RunTag(name, value) for name, value in values.items()])

    @lasting
    def image(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """An image (h, w) or (h, w, 3) under the step slider of the UI."""
        self._client.log_image(self.id, image, key=name, step=step)

    def note(self, markdown: str) -> None:
        """What the stage has to say on the page of its run and on that of the execution."""
        self.tag(NOTE, markdown)

    @lasting
    def picture(self, name: str, image: NDArray[np.uint8]) -> str:
        """Keeps an image (h, w) or (h, w, 3), and returns the markdown that shows it in a note."""
        self._client.log_image(self.id, image, artifact_file=f"{name}.png")
        return f"![{name}]({artifact(self.id, f'{name}.png')})"

    @lasting
    def page(self, run_id: str) -> str:
        """The address of a stage's run, by its id here or in files, for a link in a note."""
        found = known(self._client, run_id)
        at = found.info if found else None
        return run_page(at.experiment_id, at.run_id) if at else run_page(self.experiment_id, run_id)

    @lasting
    def artifact(self, path: Path, folder: str | None = None) -> None:
        self._client.log_artifact(self.id, str(path), folder)

    @lasting
    def publish(self, text: str, name: str) -> str:
        """Makes a text an artifact of the whole execution, and returns the address from which a browser saves it."""
        self._client.log_text(self.parent_id, text, name)
        return artifact(self.parent_id, name)

    @lasting
    def text(self, text: str, file: str) -> None:
        self._client.log_text(self.id, text, file)

    @lasting
    def dataset(self, name: str, digest: str, source: str, counts: Mapping[str, int]) -> None:
        """The data that the stage read or made, on its run and on the execution's."""
        from mlflow.entities import Dataset, DatasetInput

        data = Dataset(
            name, digest[:LONGEST_DIGEST], "local", json.dumps({"uri": source}), profile=json.dumps(dict(counts))
        )
        for run_id in (self.id, self.parent_id):
            self._client.log_inputs(run_id, datasets=[DatasetInput(data)])

    @lasting
    def model(
        self,
        name: str,
        module: "torch.nn.Module",
        input_example: NDArray[np.float32],
        step: int,
        weights: Sequence[Path] = (),
    ) -> str:
        """Logs `module` as an exported program, which needs none of this project's code, and returns its id.

        Args:
            module: is moved to the CPU and set to evaluation; as it trains it would answer differently by batch.
            input_example: inputs (n, …) with n >= 2, since the export of a batch of one accepts no other size.
            step: of the training; the metrics of that step stand beside the model.
            weights: files of all parts of the model, from which this project can build the whole of it again.
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
            extra_files=[str(path.absolute()) for path in weights],
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"],  # else 7 s
        ).model_id
        self._client.log_outputs(self.parent_id, models=[LoggedModelOutput(self.model_id, step)])
        return self.model_id

    @lasting
    def _begin(self, reads: Sequence[str]) -> None:
        """Tells from which runs and data the stage starts, and so which stages the execution skipped."""
        written = {name.replace("@", "-"): runs_path(name) for name in reads if runs_path(name).is_file()}
        told = {name: files.read_json(path)["run_id"] for name, path in written.items()}
        found = {name: known(self._client, run_id) for name, run_id in told.items()}
        sources = [run for run in found.values() if run]
        links = told | {name: run.info.run_id for name, run in found.items() if run}
        made = {path: digest for run in sources for path, digest in tagged(run, OUTPUT).items()}
        deps, self._writes = data_of(self._stage)
        inputs = {DEP + path: digest for path, digest in digests(deps, made).items()}
        self.tags({INPUT + name: run_id for name, run_id in links.items()} | inputs)
        stages = children(self._client, self.experiment_id, self.parent_id)
        executed = {run.data.tags["stage"].replace("@", "-") for run in stages}
        inherit(self._client, self._client.get_run(self.parent_id), executed, links)

    @lasting
    def _end(self, status: str) -> None:
        self.flush()
        if status == "FINISHED":
            self.tags({OUTPUT + path: digest for path, digest in digests(self._writes).items()})
            address = {"run_id": self.id, "parent_run_id": self.parent_id, "experiment_id": self.experiment_id}
            files.write_json(runs_path(self._stage), address | {"model_id": self.model_id, "stage": self._stage})
        self._client.set_terminated(self.id, status)
        keep(self._client, self.parent_id, Path("dvc.lock"))  # DVC completes it after every stage
        settle(self._client, self.experiment_id, self.parent_id)

    def _go_on_as_twin(self) -> None:
        """Records in files from here on, in a run of its own there."""
        twin = self._make_twin(twin_of=self.id)
        self._client, self.experiment_id = twin._client, twin.experiment_id
        self.parent_id, self.id = twin.parent_id, twin.id


def _points(values: Mapping[str, float], step: int) -> list[Point]:
    now = time.time_ns() // 1_000_000
    return [(key, float(value), now, step) for key, value in values.items()]


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
    offline: bool = False,
    started: float | None = None,
) -> Iterator[Run]:
    """The run of one stage, inside the run of the execution of the pipeline that the stage belongs to.

    It ends FINISHED, FAILED (an exception, which goes on) or KILLED (Ctrl-C, SystemExit, or SIGTERM, which becomes an
    orderly end with exit code 143). Runs that a killed process left behind are marked KILLED first.

    Args:
        params: nested or flat; the parameters that the stage reads.
        reads: the stages whose outputs it reads; its run is linked to theirs.
        all_params: the pipeline's parameters, for the execution's run.
        offline: whether to record in files where the tracking server is away, for `pullback sync` to bring them there.
        started: the time at which the stage began; if none, now. The import of mlflow takes seconds.

    Raises:
        UserError: the tracking store cannot be reached or refuses.
    """
    with sigterm_raises():
        start = partial(_start, stage, experiment, params, all_params or {}, started or time.time())
        run = start(partial(connect, offline))
        run._make_twin = partial(start, connect_files)
        try:
            run._begin(reads)
            yield run
            run._end("FINISHED")
        except BaseException as error:
            with suppress(*refusals()):  # the stage's own error matters more
                if isinstance(error, KeyboardInterrupt | SystemExit):  # asked to stop
                    run._end("KILLED")
                else:
                    run.tag("error", sentence(error))
                    run._end("FAILED")
            if isinstance(error, refusals()):
                raise refusal(error) from error
            raise


def _start(
    stage: str,
    experiment: str,
    params: Mapping[str, Any],
    all_params: Mapping[str, Any],
    started: float,
    client_of: Callable[[], "MlflowClient"],
    **more_tags: str,
) -> Run:
    with locked():  # racing creations of the database crash; racing stages would make two parents
        client = client_of()
        experiment_id = experiment_named(client, experiment).experiment_id
        bury(client, experiment_id)
        parent_id = parent(client, experiment_id, all_params, started)
        tags = {
            "mlflow.parentRunId": parent_id,
            "mlflow.source.name": " ".join(sys.argv),
            "stage": stage,
            "process": identity(psutil.Process()),
        }
        run_id = create(client, experiment_id, stage, params, tags | provenance() | more_tags, started)
        client.update_run(parent_id, status="RUNNING")
    return Run(client, stage, experiment_id, parent_id, run_id)
