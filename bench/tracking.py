"""How much longer does a training step take because MLflow records it?

Writes metrics/bench/tracking.json and prints it as a table. Each model is trained on the digits with the defaults of
params.yaml, whose steps are the shortest ones, so that what is recorded weighs most; once with all curves, pictures and
loads of the machine going to a store in sqlite, once with nothing recorded, in turn. The share is that of the time
spent in calls that record, which is more certain than the difference of two long times. `python bench/tracking.py
12800` shows every model so few images, to try it, and writes nothing.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from _measuring import in_turn, provenance

from pullback import config, files, plugins
from pullback.data._images import prepare
from pullback.fitting import Fitting
from pullback.tracking.run import Silent, stage_run

OUT, RUNS = Path("metrics/bench/tracking.json"), 3


class Timed:
    """A run that counts the seconds spent in its calls."""

    def __init__(self, run: Any) -> None:
        self.run, self.seconds = run, 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return getattr(self.run, name)(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - start

        return call


def digits(params: config.Config) -> None:
    """What the stage `train` finds in its folder."""
    source = plugins.load("data", "digits")
    channels, size = source.SHAPE
    source.download(None, Path("data/raw"))
    data = params.data
    found = prepare(
        source.read(Path("data/raw")), Path("data/images"), channels=channels, size=size,
        test_fraction=data.test_fraction, max_broken=data.max_broken, seed=params.seed,
    )  # fmt: skip
    files.write_json(Path("metrics/prepare.json"), found)


def training(params: config.Config, name: str, tracked: Any) -> None:
    stage: Any = SimpleNamespace(name=f"train@{name}", params=params, seed=params.seed, tracked=tracked, images=0)
    with tempfile.TemporaryDirectory() as kept:
        Fitting(stage, name).train(0, Path(kept), lambda: False)


def cost(params: config.Config, name: str) -> dict[str, float]:
    steps = params.models[name].budget_images / params.models[name].batch_size
    with stage_run(f"train@{name}", "bench", {}) as run:
        timed = Timed(run)
        seconds, _ = in_turn(
            {"with": partial(training, params, name, timed), "without": partial(training, params, name, Silent())}, RUNS
        )
    return {
        "seconds_per_step": round(seconds["with"] / steps, 6),
        "seconds_per_step_silent": round(seconds["without"] / steps, 6),
        "share_in_calls": round(timed.seconds / RUNS / seconds["with"], 5),
    }


def table(result: dict[str, Any]) -> str:
    lines = ["| training on the digits | recorded | not recorded | time in calls that record |", "|---|---|---|---|"]
    for name, found in result["results"].items():
        steps = [f"{1000 * found[key]:.3g} ms" for key in ("seconds_per_step", "seconds_per_step_silent")]
        lines.append(f"| {name.upper()}, a step | {' | '.join(steps)} | {found['share_in_calls']:.2%} |")
    return "\n".join(lines)


def main(images: int | None) -> None:
    content = config.read().model_dump()
    content["features"]["name"] = "pixels"  # which needs no training; both sides are judged by it
    for name in content["train"]["models"]:
        content["models"][name]["budget_images"] = images or content["models"][name]["budget_images"]
    params, result, out = config.parse(content), provenance(), OUT.resolve()
    folder = tempfile.mkdtemp()
    os.environ |= {"DVC_ROOT": folder, "MLFLOW_TRACKING_URI": ""}
    os.chdir(folder)
    digits(params)
    result["results"] = {name: cost(params, name) for name in params.train.models}
    shutil.rmtree(folder)
    if images is None:
        files.write_json(out, result)
    print(table(result))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else None)
