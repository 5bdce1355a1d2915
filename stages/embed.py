"""Images -> data/features/SET: features, logits and moments of the real images, or of one model's samples."""

import sys
from functools import partial
from pathlib import Path

from pullback import files, plugins
from pullback.embedding import embed_to
from pullback.pipeline import stage
from pullback.training.device import count, device

EXTRACTOR = Path("models/extractor")


def main(name: str) -> None:
    out = Path("data/features") / name
    source = Path("data/images") if name == "real" else Path("data/samples") / name
    this, before = ("embed-real", "prepare") if name == "real" else (f"embed@{name}", f"sample@{name}")
    keys = ["features.name", "train.accelerator", "train.devices"]
    with stage(this, keys=keys, reads=["extractor", before], writes=[out]) as run:
        run.devices = count(device(run.params.train.accelerator).type, run.params.train.devices)
        for path in sorted(source.rglob("images.npy")):
            part = path.parent.relative_to(source)
            embed_to(
                out / part,
                partial(files.read_array, path, mmap=True),
                partial(plugins.load("features", run.params.features.name).load, EXTRACTOR),
                title=f"{this} {part.as_posix()}",
                accelerator=run.params.train.accelerator,
                devices=run.params.train.devices,
            )
            run.images += len(files.read_array(path, mmap=True))


if __name__ == "__main__":
    main(sys.argv[1])
