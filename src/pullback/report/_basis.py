"""On which features, images and settings do the numbers rest?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from markupsafe import Markup

from pullback.labels import joined, label
from pullback.report._results import Results

RESIZED = {
    "none": "images not resized",
    "tensorflow": "images resized as the published FID does",
    "clean": "images resized with antialiasing, as clean-fid does",
}


def feature_map(facts: Mapping[str, Any]) -> str:
    """Its name, digest and way of resizing, of metrics/extractor.json."""
    return f"{label(facts['name'])}, digest {facts['digest']}, {RESIZED[facts['resize']]}"


def basis(results: Results, metrics: Iterable[str]) -> Markup:
    """A small line below the numbers of these metrics, files of src/pullback/evaluation."""
    return Markup('<p class="fine">{}</p>\n').format(basis_told(results, metrics))


def basis_told(results: Results, metrics: Iterable[str]) -> str:
    first = next(iter(results.evaluations.values()))
    counts = sorted({evaluation["images"] for evaluation in results.evaluations.values()})
    facts = [
        f"Feature map: {feature_map(results.feature_map)}",
        f"n = {' or '.join(f'{n:,} real / {n:,} generated' for n in counts)} images",
        f"seed {first['seed']}",
        *(facts for metric in metrics for facts in _settings(results, metric, first["parameters"].get(metric, {}))),
    ]
    return f"{'; '.join(facts)}."


def _settings(results: Results, metric: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    given = [f"{label(key)} {value}" for key, value in parameters.items() if value is not None]
    if given:
        yield f"{label(metric)}: {', '.join(given)}"
    labelled: dict[str, list[str]] = {}
    for source, found in results.findings(metric).items():
        if "labels" in found:
            labelled.setdefault(found["labels"], []).append(source)
    yield from (f"class labels of {joined(sources)} {origin}" for origin, sources in labelled.items())
