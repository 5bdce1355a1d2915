"""data/raw -> data/images: decoded, resized, broken and duplicate images removed, split into train and test."""

from pathlib import Path

from pullback import files, plugins
from pullback.data._images import prepare
from pullback.pipeline import stage

RAW, IMAGES = Path("data/raw"), Path("data/images")

if __name__ == "__main__":
    with stage("prepare", keys=["seed", "data"], reads=["download"], writes=[IMAGES]) as run:
        data = run.params.data
        source = plugins.load("data", data.name)
        channels, size = source.SHAPE
        summary = prepare(
            source.read(RAW),
            IMAGES,
            channels=data.channels or channels,
            size=data.size or size,
            test_fraction=data.test_fraction,
            max_broken=data.max_broken,
            seed=run.seed,
        )
        files.write_json(Path("metrics/prepare.json"), {"name": data.name, **summary})
        run.images = sum(summary["images"].values())
        run.tracked.dataset(data.name, summary["digest"], data.source or "published", summary["images"])
        run.tracked.headline({f"images.{split}": count for split, count in summary["images"].items()})
        counts = " and ".join(f"{count:,} {split}" for split, count in summary["images"].items())
        shape = f"{summary['size']} by {summary['size']} pixels, {len(summary['classes']) or 'no'} classes"
        run.tracked.note(f"**{data.name}**: {counts} images of {shape}; digest {summary['digest']}.")
