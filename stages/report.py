"""All results -> report/index.html: what ran and what came of it; figures: its pictures; map.html: every image.

And report.md, the outcome for the description of a pull request; turing.html, on which people try to tell generated
images from real ones, with turing.json, the truth of it.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from pullback import files, plugins
from pullback.labels import label
from pullback.pictures import enlarged, grid, thumbnails
from pullback.pipeline import Stage, path, stage
from pullback.report._map_page import render_map
from pullback.report._markdown import render_markdown
from pullback.report._page import render
from pullback.report._results import Images, Results
from pullback.report._summary import conclusions, summary, title
from pullback.report._turing_page import blind_test, render_turing
from pullback.report.provenance import EXECUTION
from pullback.tracking import places, provenance

IMAGES, SAMPLES, MANIFOLD, OUT = Path("data/images"), Path("data/samples"), Path("data/manifold"), Path("report")
HUMANS = Path("metrics/humans.json")
PROGRAMS = ["torch", "numpy", "scikit-learn"]  # on which the numbers depend
PAGES = {  # under which name each lies in MLflow, side by side
    "index.html": "report.html",
    "map.html": "map.html",
    "report.md": "report.md",
    "turing.html": "turing.html",
}
SHOWN, PIXELS = 4, 96  # images of each source in the note, and the least width of them together


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
        files.write_text(OUT / "report.md", render_markdown(results, sections))
        test = blind_test(results, run.seed)
        files.write_text(OUT / "turing.html", render_turing(results, test))
        files.write_json(OUT / "turing.json", test.key)
        forget_other_answers(test.digest)
        pages = {name: run.tracked.publish(renamed(OUT / page), name) for page, name in PAGES.items()}
        run.tracked.note(note(run, results, pages))


def forget_other_answers(test: str) -> None:
    """Empties what `pullback humans` has counted if it was another test: nobody was shown these images.

    The file is no output of this stage, as it is written after it, and so it stays where the images are the same.
    """
    if HUMANS.is_file() and files.read_json(HUMANS).get("test", test) != test:
        files.write_json(HUMANS, {})


def renamed(page: Path) -> str:
    """The page with its links to other pages under their names in MLflow."""
    text = page.read_text()
    for name, published in PAGES.items():
        text = text.replace(f'href="{name}', f'href="{published}')
    return text


def note(run: Stage, results: Results, pages: Mapping[str, str]) -> str:
    """The outcome in a line and a row of pictures, which MLflow shows before it folds the rest away."""
    verdicts = [f": **{each.head}**: {each.scores.partition(';')[0]}" for each in conclusions(results)[:1]]
    pictures = [f"{label(source)} {picture(run, results, source)}" for source in results.sources]
    links = (
        f"Download [the report]({pages['report.html']}) and, into the same folder, [the map]({pages['map.html']}) of "
        f"every image and [the blind test]({pages['turing.html']}): which images are real?"
    )
    return f"{title(results)}{''.join(verdicts)}.<br>{' '.join(pictures)}\n\n{links}\n\n{summary(results)}"


def picture(run: Stage, results: Results, source: str) -> str:
    images = results.images(source)
    row = thumbnails(images[:: max(1, len(images) // SHOWN)][:SHOWN])  # some are sorted by class
    framed = np.pad(row, [(0, 0), (0, 0), (1, 1), (1, 1)])  # or what is white would run into a white page
    return run.tracked.picture(source.replace(" ", "-"), enlarged(grid(framed, columns=len(row)), PIXELS))


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
        traversals={model: files.read_array(SAMPLES / model / "traversals.npy") for model in models},
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
        origins=origins(stages),
        store=places.store_uri(),
        recorded={"Rendered": f"{datetime.now():%Y-%m-%d %H:%M}", EXECUTION: run.tracked.parent_id},
    )


def paths(folder: Path) -> dict[str, Images]:
    """(pairs, steps, c, h, w) by kind."""
    found = {file.parent.name: files.read_array(file) for file in sorted(folder.glob("*/images.npy"))}
    pairs = len(files.read_array(folder / "labels.npy"))
    return {kind: images.reshape(pairs, -1, *images.shape[1:]) for kind, images in found.items()}


def origins(stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By stage the digests of its outputs, less those that differ in every run, and its run in MLflow.

    These are read as they are, and not among the stage's `deps`: equal results with another past need no new report.
    """
    lock = YAML(typ="safe").load(Path("dvc.lock"))["stages"] if Path("dvc.lock").exists() else {}
    return {
        stage: {
            "outputs": {
                out["path"]: out["md5"]
                for out in lock.get(stage, {}).get("outs", [])
                if not out["path"].startswith(("runs/", "metrics/speed/"))
            },
            "run": files.read_json(file) if (file := places.runs_path(stage)).exists() else None,
        }
        for stage in stages
    }


def revision() -> str:
    tags = provenance.revision()
    changed = ", with uncommitted changes" if tags.get("git.dirty") == "true" else ""
    return tags.get("mlflow.source.git.commit", "") + changed


if __name__ == "__main__":
    main()
