"""data/images, models/extractor -> models/MODEL: one generative model, trained live in MLflow, once or with more seeds.

models/MODEL holds the averaged weights that scored best, models/MODEL/last the last ones, models/MODEL/repeats/1 … the
trainings with further seeds. A killed training goes on from its checkpoint when the same command is run again.
"""

import sys
from pathlib import Path

from pullback.errors import about
from pullback.fitting import Fitting
from pullback.pipeline import STOPPED, kept, rank, stage, trainings
from pullback.training.loop import Stopped
from pullback.training.requests import stop_requests


def main(name: str) -> None:
    out = Path("models") / name
    keys = [
        "seed", f"models.{name}", "features.name", "train.repeats", "train.start", "train.start_budget",
        "train.accelerator", "train.devices", "train.nodes", "train.strategy", "train.precision", "train.compile",
        "train.log_every", "train.grid_every", "train.evaluate_every", "train.evaluate_images",
    ]  # fmt: skip
    with (
        stage(f"train@{name}", keys=keys, reads=["prepare", "extractor"], writes=[out]) as run,
        stop_requests() as stop,
    ):
        fitting = Fitting(run, name)
        run.devices = fitting.fabric.world_size
        with kept(run.name, fitting.depends, fitting.fabric.broadcast) as folder, about(f"models.{name}"):
            fitting.sign(folder)
            try:
                for repeat, training in enumerate(trainings(run.params.train.repeats)):
                    fitting.save(repeat, fitting.train(repeat, folder, stop), out / training)
            except Stopped as stopped:
                if rank() > 0:
                    sys.exit()
                print(f"{run.name}: {stopped}; the same command goes on from there", file=sys.stderr)
                sys.exit(STOPPED)


if __name__ == "__main__":
    main(sys.argv[1])
