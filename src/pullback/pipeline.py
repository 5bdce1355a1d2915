"""What do all stages have in common? `with stage("train@gan", ...) as run:` around the work of each.

It checks all of `params.yaml`, opens the stage's MLflow run, measures its time, and tells mistakes that the person can
mend in one line, without a traceback (set PULLBACK_TRACEBACK=1 to see it).
"""

import errno
import gc
import hashlib
import json
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pullback import config, files
from pullback.errors import UserError, refused
from pullback.tracking._machine import described
from pullback.tracking.places import root
from pullback.tracking.run import Run, Silent, stage_run
from pullback.tracking.store import refusals


class Stage:
    """A running stage: its name, all parameters, the seed, and its MLflow run `tracked`."""

    def __init__(self, name: str, params: config.Config, tracked: Run | Silent) -> None:
        self.name, self.params, self.seed, self.tracked = name, params, params.seed, tracked
        self.images = 0
        """How many images the stage has worked through; the stage counts them, for its images per second."""
        self.devices = 1
        """How many GPUs, or processes on a CPU, work on it."""
        self.speeds: dict[str, float] = {}
        """More that the stage says of its speed, by name."""


def path(folder: str, stage: str, suffix: str) -> Path:
    """Where a stage keeps something of its own: metrics/speed, train@gan, .json -> metrics/speed/train/gan.json."""
    return Path(folder) / (stage.replace("@", "/") + suffix)


STOPPED = 20
"""The exit code of a stage that was asked to stop, and goes on where it was when it is started again."""

SIGNATURE = "run"
"""The file in a `kept` folder that names the MLflow run which last worked there."""


def rank() -> int:
    """Which of the processes that work on a stage together this one is, as torchrun, SLURM or Lightning Fabric say.

    Process 0 alone tracks, writes and speaks. The others end with code 0 where they fail or stop together: of any other
    code Lightning Fabric makes a SIGKILL for process 0, which may be telling what happened just then.
    """
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # SLURM's is inherited by what one process starts
    return next((int(os.environ[name]) for name in names if name in os.environ), 0)


@contextmanager
def kept(stage: str, description: Any, from_first: Callable[[bool], bool] = lambda free: free) -> Iterator[Path]:
    """A folder that outlives a killed stage, whose outputs DVC deletes, and vanishes when the block ends well.

    It lies in the repository, not in a throw-away copy, and is named by the stage and `description` (JSON), what the
    stage's work depends on: with other parameters, data or code the stage starts anew. `from_first(x)` is process 0's
    x in every process.

    Raises:
        UserError: another process works in it.
    """
    content = hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:12]
    folder = root() / ".checkpoints" / f"{stage.replace('@', '-')}-{content}"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    if rank() == 0:
        with suppress(Timeout):
            lock.acquire(timeout=0)
    if not from_first(lock.is_locked):
        raise UserError(f"another process works on {stage} in {folder}; wait for it, or end it")
    try:
        yield folder
        if rank() == 0:
            shutil.rmtree(folder)  # under the lock, or another process could begin in it
    finally:
        if rank() == 0 and not {each.name for each in folder.glob("*")} - {"lock", SIGNATURE}:
            shutil.rmtree(folder, ignore_errors=True)  # it failed before there was anything to keep
        lock.release()


def trainings(repeats: int) -> list[str]:
    """The folders of a model's trainings, within that of the model: the first, which is delivered, is this itself."""
    return [".", *(f"repeats/{i}" for i in range(1, repeats))]


@contextmanager
def stage(name: str, *, keys: Sequence[str], reads: Sequence[str] = (), writes: Sequence[Path] = ()) -> Iterator[Stage]:
    """The frame of one stage.

    Args:
        name: the stage as DVC calls it, such as "train@gan".
        keys: the parameters that the stage reads, as in its `params` in dvc.yaml; they are recorded in its run.
        reads: the stages whose outputs it reads; "embed@*" stands for that stage of every model.
        writes: its output folders; they vanish when it fails, since some of the files in one would pass for all.
    """
    start, started = time.perf_counter(), time.time()
    warnings.formatwarning = lambda message, *_, **__: f"{name}: {message}\n"
    try:
        params = config.read()
        everything = params.model_dump()
        recorded = {key: _value(everything, key) for key in keys}
        upstream = [
            each.replace("*", model) for each in reads for model in (params.train.models if "*" in each else [""])
        ]
        if rank() > 0:
            yield Stage(name, params, Silent())
            return
        with stage_run(
            name, params.tracking.experiment, recorded, upstream, everything, params.tracking.offline, started
        ) as tracked:
            running = Stage(name, params, tracked)
            try:
                with _vanishing(writes):
                    yield running
                _record_speed(running, time.perf_counter() - start)
            finally:
                _record_cost(running, time.perf_counter() - start)
        gc.freeze()  # or the interpreter looks for garbage for a second on its way out
    except UserError as error:
        if os.environ.get("PULLBACK_TRACEBACK"):
            raise
        sys.exit(f"{name}: {error}" if rank() == 0 else 0)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"{name}: {refused(error.filename or 'a file', 'written', error)}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


@contextmanager
def _vanishing(folders: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _record_speed(stage: Stage, seconds: float) -> None:
    speed = {"seconds": round(seconds, 3)} | stage.speeds
    if stage.images:
        speed["images_per_second"] = round(stage.images / seconds, 1)
    files.write_json(path("metrics/speed", stage.name, ".json"), speed | {"machine": described()})
    stage.tracked.metrics(speed)


def _record_cost(stage: Stage, seconds: float) -> None:
    """What fails or is stopped costs as well."""
    hours = seconds * stage.devices / 3600
    energy = hours * stage.params.tracking.device_watts / 1000  # estimated: few machines tell what they draw
    with suppress(*refusals()):  # the stage's own error matters more
        stage.tracked.metrics({"device_hours": hours, "energy_kwh": energy})


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params
