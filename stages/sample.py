"""models/MODEL -> data/samples/MODEL/METHOD: images drawn by every sampling method that params list for the model.

Those of further trainings of the model, models/MODEL/repeats/1 and so on, go to data/samples/MODEL/repeats/1/METHOD.
Paths between images go to data/samples/MODEL/paths/KIND, those of one kind after each other, and the class of each to
paths/labels.npy. traversals.npy shows what single numbers of a latent do.
"""

import sys
import timeit
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import files, plugins
from pullback.generation import BATCH, batches
from pullback.models._model import Model, draw, labels_like, to_model_range
from pullback.pipeline import stage, trainings
from pullback.sampling._sampler import Sampler
from pullback.sampling.interpolation import strips
from pullback.sampling.traversals import traversals
from pullback.training import checkpoint
from pullback.training.device import device

IMAGES, RECONSTRUCTED = Path("data/images"), 32
TIMED = 5  # batches


def main(name: str) -> None:
    out = Path("data/samples") / name
    keys = ["seed", "sample.images", f"sample.methods.{name}", "train.accelerator", "train.repeats"]
    with stage(f"sample@{name}", keys=keys, reads=["prepare", f"train@{name}"], writes=[out]) as run:
        on = device(run.params.train.accelerator)
        train = files.read_array(IMAGES / "train/images.npy", mmap=True)
        test = files.read_array(IMAGES / "test/images.npy", mmap=True)
        count = run.params.sample.images or len(test)
        train_labels, test_labels = (files.read_array(IMAGES / split / "labels.npy") for split in ("train", "test"))
        for seed, training in enumerate(trainings(run.params.train.repeats), run.seed):
            model = checkpoint.load(Path("models") / name / training, on)
            labels = labels_like(train_labels, count, seed, model.classes)
            for method, params in run.params.sample.methods[name].items():
                sampler = plugins.load("sampling", method).sampler(model, train, train_labels, params, seed)
                if seed == run.seed:
                    run.speeds[f"{method}_images_per_second"] = round(pace(model, sampler, labels, on), 1)
                with files.ArrayWriter(out / training / method / "images.npy", train.shape[1:], np.uint8) as images:
                    for batch in batches(model, sampler, labels, seed, on):
                        images.append(batch)
                files.write_array(out / training / method / "labels.npy", labels)
                run.images += count
        model = checkpoint.load(Path("models") / name, on)
        reconstruct(model, test, test_labels, out, on)
        classes, paths = strips(model, test, test_labels, run.seed)
        files.write_array(out / "paths/labels.npy", classes)
        for kind, each in paths.items():
            files.write_array(out / "paths" / kind / "images.npy", each.reshape(-1, *each.shape[2:]))
        files.write_array(out / "traversals.npy", traversals(model))


def pace(model: Model, sampler: Sampler, labels: NDArray[np.int64], on: torch.device) -> float:
    """Images per second of drawing alone, by the fastest of some equal batches, which nothing has disturbed.

    The first one pays for what is loaded, and a few hundred images take milliseconds, in which other programs count.
    """
    some = labels[:BATCH]
    return len(some) / min(timeit.repeat(lambda: next(batches(model, sampler, some, 0, on)), number=1, repeat=TIMED))


def reconstruct(
    model: Model, images: NDArray[np.uint8], labels: NDArray[np.int64], out: Path, on: torch.device
) -> None:
    """Writes what is left of the first test images after encoding and decoding, if the model can encode."""
    some = torch.from_numpy(labels[:RECONSTRUCTED]).to(on)
    latents = model.encode(to_model_range(torch.from_numpy(np.array(images[:RECONSTRUCTED])).to(on)), some)
    if latents is not None:
        files.write_array(out / "reconstructions.npy", draw(model, latents, some))


if __name__ == "__main__":
    main(sys.argv[1])
