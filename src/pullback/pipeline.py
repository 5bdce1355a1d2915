"""What do all stages have in common? `with stage("train@gan", ...) as run:` around the work of each.

It checks all of `params.yaml`, opens the stage's MLflow run, measures its time, and tells mistakes that the person can
mend in one line, without a traceback (set PULLBACK_TRACEBACK=1 to see it).
"""

import errno
import gc
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pullback import config, files, tracking
from pullback.errors import UserError, refused


class Stage:
    """A running stage: its name, all parameters, the seed, and its MLflow run `tracked`."""

    def __init__(self, name: str, params: config.Config, tracked: tracking.Run) -> None:
        self.name, self.params, self.seed, self.tracked = name, params, params.seed, tracked
        self.images = 0
        """How many images the stage has worked through; the stage counts them, for its images per second."""


def path(folder: str, stage: str, suffix: str) -> Path:
    """Where a stage keeps something of its own: metrics/speed, train@gan, .json -> metrics/speed/train/gan.json."""
    return Path(folder) / (stage.replace("@", "/") + suffix)


def kept(stage: str) -> Path:
    """A folder that outlives a failed stage, whose outputs DVC deletes; in the repository, not in a throw-away copy."""
    return tracking.root() / ".checkpoints" / stage.replace("@", "-")


@contextmanager
def stage(name: str, *, keys: Sequence[str], reads: Sequence[str] = (), writes: Sequence[Path] = ()) -> Iterator[Stage]:
    """The frame of one stage.

    Args:
        name: the stage as DVC calls it, such as "train@gan".
        keys: the parameters that the stage reads, as in its `params` in dvc.yaml; they are recorded in its run.
        reads: the stages whose outputs it reads; "embed@*" stands for that stage of every model.
        writes: its output folders; they vanish when it fails, since some of the files in one would pass for all.
    """
    start = time.perf_counter()
    warnings.formatwarning = lambda message, *_, **__: f"{name}: {message}\n"
    try:
        params = config.read()
        everything = params.model_dump()
        recorded = {key: _value(everything, key) for key in keys}
        upstream = [
            each.replace("*", model) for each in reads for model in (params.train.models if "*" in each else [""])
        ]
        with tracking.stage_run(name, params.tracking.experiment, recorded, upstream, everything) as tracked:
            running = Stage(name, params, tracked)
            with _vanishing(writes):
                yield running
            _record_speed(running, time.perf_counter() - start)
        gc.freeze()  # or the interpreter looks for garbage for a second on its way out
    except UserError as error:
        if os.environ.get("PULLBACK_TRACEBACK"):
            raise
        sys.exit(f"{name}: {error}")
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
    speed = {"seconds": round(seconds, 3)}
    if stage.images:
        speed["images_per_second"] = round(stage.images / seconds, 1)
    files.write_json(path("metrics/speed", stage.name, ".json"), speed)
    stage.tracked.metrics(speed)


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params
