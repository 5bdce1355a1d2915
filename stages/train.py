"""data/images/train -> models/MODEL: one generative model, trained live in MLflow."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pullback import files, plugins
from pullback.errors import UserError, about
from pullback.models._model import ImagesFromLatents
from pullback.pictures import enlarged, grid
from pullback.pipeline import kept, path, stage
from pullback.progress import bar
from pullback.training import checkpoint
from pullback.training.device import fabric
from pullback.training.loop import DivergedError, train

IMAGES = Path("data/images/train")


def main(name: str) -> None:
    out = Path("models") / name
    keys = ["seed", f"models.{name}", "train.accelerator", "train.precision", "train.log_every", "train.grid_every"]
    with stage(f"train@{name}", keys=keys, reads=["prepare"], writes=[out]) as run:
        settings, params = run.params.train, run.params.models[name]
        images = files.read_array(IMAGES / "images.npy", mmap=True)
        labels = files.read_array(IMAGES / "labels.npy")
        torch.manual_seed(run.seed)
        model = plugins.load("models", name).build(params, images.shape[1:])
        description = {"name": name, "params": params.model_dump(), "shape": list(images.shape[1:])}

        curve: list[dict[str, Any]] = []
        with about(f"models.{name}"), bar(run.name, params.budget_images) as progress:

            def log(seen_images: int, scalars: dict[str, float]) -> None:
                curve.append({"seen_images": seen_images, **scalars})
                run.tracked.metrics(scalars, step=seen_images)
                progress(seen_images, next(f"{key} {value:.3g}" for key, value in scalars.items()))

            def show(seen_images: int, samples: np.ndarray) -> None:
                run.tracked.image("samples", enlarged(grid(samples), 256), step=seen_images)

            try:
                trained = train(
                    model,
                    params,
                    images,
                    labels,
                    fabric=fabric(settings.accelerator, settings.precision),
                    seed=run.seed,
                    log_every=settings.log_every,
                    grid_every=settings.grid_every,
                    log=log,
                    show=show,
                )
            except DivergedError as error:
                checkpoint.save(kept(run.name), error.model, description)
                raise UserError(f"{error}; the last good weights are in {kept(run.name)}") from error
        checkpoint.save(out, trained, description)
        files.write_table(path("metrics", run.name, ".csv"), curve)
        run.images = params.budget_images
        example = np.zeros((2, trained.latent_dim), np.float32)
        run.tracked.model(name, ImagesFromLatents(trained), example, step=curve[-1]["seen_images"])


if __name__ == "__main__":
    main(sys.argv[1])
