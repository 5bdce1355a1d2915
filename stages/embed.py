"""Images -> data/features/SET: features and logits of the real images, or of one model's samples."""

import sys
from pathlib import Path

from pullback import files, plugins
from pullback.pipeline import stage
from pullback.training.device import device

EXTRACTOR = Path("models/extractor")


def main(name: str) -> None:
    out = Path("data/features") / name
    source = Path("data/images") if name == "real" else Path("data/samples") / name
    this, before = ("embed-real", "prepare") if name == "real" else (f"embed@{name}", f"sample@{name}")
    with stage(this, keys=["features.name", "train.accelerator"], reads=["extractor", before], writes=[out]) as run:
        on = device(run.params.train.accelerator)
        embed = plugins.load("features", run.params.features.name).load(EXTRACTOR, on)
        for images_path in sorted(source.glob("*/images.npy")):
            images = files.read_array(images_path, mmap=True)
            features, logits = embed(images)
            files.write_array(out / images_path.parent.name / "features.npy", features)
            if logits is not None:
                files.write_array(out / images_path.parent.name / "logits.npy", logits)
            run.images += len(images)


if __name__ == "__main__":
    main(sys.argv[1])
