"""data/features, metrics/evaluate -> metrics/compare.json: which of any two sets of samples is better, score by score.

Each pair is compared on the same real test images, so that what their draw adds to both does not count. Beside it,
metrics/scores.csv holds every score of every model, and metrics/headline.json the few that stand for the run.
"""

from itertools import combinations
from pathlib import Path

from pullback import embedding, files, plugins, protocol, scoreboard
from pullback.errors import about
from pullback.pipeline import path, stage

FEATURES = Path("data/features")


def main() -> None:
    keys = ["seed", "evaluate", "sample.methods", "train.models"]
    with stage("compare", keys=keys, reads=["extractor", "embed-real", "embed@*", "evaluate@*"]) as run:
        settings, methods = run.params.evaluate, run.params.sample.methods
        sets = {
            f"{model} {method}": embedding.read(FEATURES / model / method)
            for model in run.params.train.models
            for method in methods[model]
        }
        test = embedding.read(FEATURES / "real/test")
        n = min(settings.images or len(test), *map(len, (test, *sets.values())))
        real, *drawn = (each.subset(n, run.seed) for each in (test, *sets.values()))
        pairs = list(combinations(zip(sets, drawn, strict=True), 2))
        with about("evaluate.metrics"):
            found = [
                {"a": a, "b": b, "verdicts": protocol.verdicts(settings.metrics, real, of_a, of_b, run.seed)}
                for (a, of_a), (b, of_b) in pairs
            ]
        beside = protocol.beside(files.read_json(Path("metrics/extractor.json")), settings.metrics, run.seed)
        files.write_json(Path("metrics/compare.json"), beside | {"images": n, "pairs": found})
        write_scores(run.params.train.models, list(settings.metrics))
        run.images = n * len(pairs)


def write_scores(models: list[str], metrics: list[str]) -> None:
    evaluations = {model: files.read_json(path("metrics", f"evaluate@{model}", ".json")) for model in models}
    better = {score: way for name in metrics for score, way in plugins.load("evaluation", name).BETTER.items()}
    files.write_table(Path("metrics/scores.csv"), scoreboard.table(evaluations, better))
    files.write_json(Path("metrics/headline.json"), scoreboard.headline(evaluations))


if __name__ == "__main__":
    main()
