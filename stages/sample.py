"""models/MODEL -> data/samples/MODEL/METHOD: images drawn by every sampling method that params list for the model."""

import sys
from pathlib import Path

import numpy as np
import torch

from pullback import files, plugins
from pullback.generation import batches
from pullback.models._model import draw, to_model_range
from pullback.pipeline import stage
from pullback.training import checkpoint
from pullback.training.device import device

IMAGES, RECONSTRUCTED = Path("data/images"), 32


def main(name: str) -> None:
    out = Path("data/samples") / name
    keys = ["seed", "sample.images", f"sample.methods.{name}", "train.accelerator"]
    with stage(f"sample@{name}", keys=keys, reads=["prepare", f"train@{name}"], writes=[out]) as run:
        on = device(run.params.train.accelerator)
        model = checkpoint.load(Path("models") / name, on)
        train = files.read_array(IMAGES / "train/images.npy", mmap=True)
        test = files.read_array(IMAGES / "test/images.npy", mmap=True)
        count = run.params.sample.images or len(test)
        for method, params in run.params.sample.methods[name].items():
            sampler = plugins.load("sampling", method).sampler(model, train, params, run.seed)
            with files.ArrayWriter(out / method / "images.npy", train.shape[1:], np.uint8) as images:
                for batch in batches(model, sampler, count, run.seed, on):
                    images.append(batch)
            files.write_array(out / method / "labels.npy", np.full(count, -1))
            run.images += count

        latents = model.encode(to_model_range(torch.from_numpy(np.array(test[:RECONSTRUCTED]))).to(on))
        if latents is not None:
            files.write_array(out / "reconstructions.npy", draw(model, latents))


if __name__ == "__main__":
    main(sys.argv[1])
