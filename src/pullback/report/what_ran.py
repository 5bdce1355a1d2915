"""What was run, and on what data?"""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from pullback.labels import label
from pullback.report._basis import feature_map
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, definitions, folded, heading, table

UNSET = {
    "data.source": "as published",
    "features.maps.inception.weights": "as published",
    "train.start": "from scratch",
    "manifold.topology_points": "none",
}
"""What null means, where it is not that the value follows from the data or from other parameters."""


def section(results: Results) -> Section:
    html = Markup('<div class="columns"><div>{}{}</div><div>{}</div></div>\n').format(
        _facts(results), _classes(results), _parameters(results)
    )
    return Section("What ran", html + _settings(results))


def _facts(results: Results) -> Markup:
    data, dropped = results.prepared, results.prepared["dropped"]
    scores = [f"{label(key)} {value:.1%}" for key, value in results.feature_map.items() if isinstance(value, float)]
    colors = {1: "grey", 3: "RGB"}[data["channels"]]
    return definitions(
        {
            "Data": f"{label(data['name'])}, {data['size']} by {data['size']} pixels, {colors}",
            "Images": ", ".join(f"{count:,} in {split}" for split, count in data["images"].items()),
            "Removed": f"{dropped['broken']:,} unreadable, {dropped['duplicates']:,} duplicates "
            f"({dropped['leaked']:,} between train and test)",
            "Feature map": ", ".join([feature_map(results.feature_map), *scores]),
            "Seed": str(results.params["seed"]),
        }
    )


def _classes(results: Results) -> Markup:
    classes = results.prepared["classes"]
    if not classes:
        return NOTHING
    counts = results.prepared["per_class"]
    rows = [[split, *(f"{count[name]:,}" for name in classes)] for split, count in counts.items()]
    return heading("Images per class") + table(["", *classes], rows)


def _parameters(results: Results) -> Markup:
    """A row per parameter, a column per model."""
    models = {name: results.params["models"][name] for name in results.evaluations}
    keys = dict.fromkeys(key for params in models.values() for key in params)
    rows = [
        [label(key), *(_written(key, params[key]) if key in params else "" for params in models.values())]
        for key in keys
    ]
    methods = (", ".join(results.params["sample"]["methods"][name]) for name in models)
    return heading("Parameters") + table(["", *map(label, models)], [*rows, ["sampled by", *methods]])


def _settings(results: Results) -> Markup:
    """The parameters of everything but the models, folded away."""
    blocks = {key: value for key, value in results.params.items() if key not in ("models", "tracking", "retrain")}
    rows = [[key, _written(key, value)] for key, value in _flat(blocks)]
    return folded("All other parameters", table(["", ""], rows, "settings"))


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _written(key: str, value: object) -> str:
    if value is None:
        return UNSET.get(key, "auto")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
