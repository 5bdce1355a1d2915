"""All results -> report/index.html: what ran and what came of it; figures: its pictures; map.html: every image."""

import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pullback import files, plugins
from pullback.pipeline import Stage, path, stage
from pullback.report._map_page import render_map
from pullback.report._page import render, summary
from pullback.report._results import Images, Results
from pullback.tracking import provenance

IMAGES, SAMPLES, MANIFOLD, OUT = Path("data/images"), Path("data/samples"), Path("data/manifold"), Path("report")
PROGRAMS = ["torch", "numpy", "scikit-learn"]  # on which the numbers depend
PAGES = {"index.html": "report.html", "map.html": "map.html"}  # under which name each lies in MLflow, side by side


def main() -> None:
    keys = ["seed", "data", "features", "models", "train", "sample", "evaluate", "manifold", "report"]
    with stage(
        "report",
        keys=keys,
        reads=["prepare", "extractor", "train@*", "sample@*", "evaluate@*", "compare", "manifold"],
        writes=[OUT],
    ) as run:
        results = read(run)
        sections = {name: plugins.load("report", name).section(results) for name in run.params.report.sections}
        for figure in (figure for section in sections.values() for figure in section.figures):
            files.write_bytes(OUT / "figures" / f"{figure.name}.png", figure.png)
        files.write_text(OUT / "index.html", render(results, sections))
        files.write_text(OUT / "map.html", render_map(results))
        pages = {page: run.tracked.publish(OUT / page, name) for page, name in PAGES.items()}
        links = f"[The report]({pages['index.html']}) shows all of it, [the map]({pages['map.html']}) every image."
        run.tracked.note(f"{summary(results)}\n\n{links}")


def read(run: Stage) -> Results:
    models = run.params.train.models
    methods = {f"{model} {way}": SAMPLES / model / way for model in models for way in run.params.sample.methods[model]}
    labels = {source: folder / "labels.npy" for source, folder in {"real": IMAGES / "test", **methods}.items()}
    encoded = {model: SAMPLES / model / "reconstructions.npy" for model in models}
    evaluations = {model: files.read_json(path("metrics", f"evaluate@{model}", ".json")) for model in models}
    better = {
        score: direction
        for metric in run.params.evaluate.metrics
        for score, direction in plugins.load("evaluation", metric).BETTER.items()
        if any(score in scores for each in evaluations.values() for scores in each["methods"].values())
    }
    per_model = [f"{each}@{model}" for each in ("train", "sample", "embed", "evaluate") for model in models]
    pictures = files.read_array(MANIFOLD / "images.npy", mmap=True)
    stages = ["download", "prepare", "extractor", "embed-real", *per_model, "compare", "manifold"]
    return Results(
        params=run.params.model_dump(),
        prepared=files.read_json(Path("metrics/prepare.json")),
        feature_map=files.read_json(Path("metrics/extractor.json")),
        train=files.read_array(IMAGES / "train/images.npy", mmap=True),
        real=files.read_array(IMAGES / "test/images.npy", mmap=True),
        samples={source: files.read_array(folder / "images.npy", mmap=True) for source, folder in methods.items()},
        labels={source: files.read_array(file) for source, file in labels.items()},
        reconstructions={model: files.read_array(file) for model, file in encoded.items() if file.exists()},
        paths={model: paths(SAMPLES / model / "paths") for model in models},
        curves={model: files.read_table(path("metrics", f"train@{model}", ".csv")) for model in models},
        training_scores={model: files.read_table(path("metrics", f"train@{model}", "-scores.csv")) for model in models},
        trainings={model: files.read_json(path("metrics", f"train@{model}", ".json")) for model in models},
        better=better,
        evaluations=evaluations,
        comparisons=files.read_json(Path("metrics/compare.json")),
        manifold=files.read_json(Path("metrics/manifold.json")),
        maps={name: files.read_array(MANIFOLD / "maps" / f"{name}.npy") for name in run.params.manifold.maps},
        map_sources=np.array(files.read_json(MANIFOLD / "sources.json")),
        map_images=pictures,
        map_labels=files.read_array(MANIFOLD / "labels.npy"),
        map_clusters=files.read_array(MANIFOLD / "clusters.npy"),
        map_neighbors=files.read_array(MANIFOLD / "neighbors.npy"),
        map_distances=files.read_array(MANIFOLD / "distances.npy"),
        examples=pictures[files.read_array(MANIFOLD / "examples.npy")],
        versions={"Python": sys.version.split()[0]} | {name: version(name) for name in PROGRAMS},
        revision=revision(),
        speeds={each: files.read_json(path("metrics/speed", each, ".json")) for each in stages},
        recorded={"Rendered": f"{datetime.now():%Y-%m-%d %H:%M}", "MLflow run of the pipeline": run.tracked.parent_id},
    )


def paths(folder: Path) -> dict[str, Images]:
    """(pairs, steps, c, h, w) by kind."""
    found = {file.parent.name: files.read_array(file) for file in sorted(folder.glob("*/images.npy"))}
    pairs = len(files.read_array(folder / "labels.npy"))
    return {kind: images.reshape(pairs, -1, *images.shape[1:]) for kind, images in found.items()}


def revision() -> str:
    tags = provenance.revision()
    changed = ", with uncommitted changes" if tags.get("git.dirty") == "true" else ""
    return tags.get("mlflow.source.git.commit", "") + changed


if __name__ == "__main__":
    main()
