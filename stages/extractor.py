"""data/images/train -> models/extractor: the feature map in whose space everything is measured."""

from pathlib import Path

from pullback import files, plugins
from pullback.errors import about
from pullback.pipeline import stage
from pullback.training.device import device

IMAGES, MODEL = Path("data/images"), Path("models/extractor")

if __name__ == "__main__":
    keys = ["seed", "features", "train.accelerator"]
    with stage("extractor", keys=keys, reads=["prepare"], writes=[MODEL]) as run:
        features = run.params.features
        plugin = plugins.load("features", features.name)
        on = device(run.params.train.accelerator)
        images = files.read_array(IMAGES / "train/images.npy", mmap=True)
        labels = files.read_array(IMAGES / "train/labels.npy")
        MODEL.mkdir(parents=True, exist_ok=True)
        classes = files.read_json(Path("metrics/prepare.json"))["classes"]
        with about(f"features.maps.{features.name}"):
            plugin.build(images, labels, len(classes), features.maps[features.name], run.seed, on, MODEL)

        feature_map = plugin.load(MODEL, on)
        test_images = files.read_array(IMAGES / "test/images.npy", mmap=True)
        scores = plugin.scores(feature_map, test_images, files.read_array(IMAGES / "test/labels.npy"))
        files.write_json(Path("metrics/extractor.json"), feature_map.identity | scores)
        run.tracked.headline({f"{features.name}.{name}": value for name, value in scores.items()})
