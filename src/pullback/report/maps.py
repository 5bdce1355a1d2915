"""Where do generated images lie among the real ones, and how far may the maps that show it be trusted?"""

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from pullback.labels import interval, label, number
from pullback.report._figures import Figure, chart, color
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, card, cards, folded, gallery, heading, paragraph, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINK = Markup(
    '<p><a href="map.html">Open the interactive map</a>: each point with its image, its class, its cluster '
    "and the images most like it.</p>\n"
)
MEASURES = {
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "shepard": "Shepard correlation",
    "neighborhood_hit": "neighbours of the same class",
}
LAYERS = {"knn": "nearest neighbours", "logistic": "logistic regression"}


def section(results: Results) -> Section:
    maps = [_map(results, method) for method in results.maps]
    parts = results.manifold["components"]
    note = paragraph(
        f"{len(results.map_sources):,} images of all sources in one space, the features of the "
        f"{label(results.feature_map['name'])} map, drawn in the plane. Trustworthiness: are neighbours in the map "
        "neighbours in the features? Continuity: are neighbours in the features neighbours in the map? Both are at "
        f"most 1 and judge {results.params['manifold']['neighbors']} neighbours. The graph that joins each image to as "
        f"many {'is in one piece' if parts == 1 else f'falls into {parts:,} parts'}."
    )
    html = note + _short_circuit(results) + LINK + gallery(maps, "large") + _trust(results) + _prediction(results)
    return Section("Maps", html, maps)


def _short_circuit(results: Results) -> Markup:
    """A warning, where graphs join so many neighbours that distances along the data are cut short."""
    settings, cut = results.params["manifold"], results.manifold["sweep"]["short_circuits"]
    asked = {"manifold.neighbors": settings["neighbors"]}
    asked |= {f"manifold.maps.{name}.neighbors": each.get("neighbors", 0) for name, each in settings["maps"].items()}
    too_many = [f"{key} ({k})" for key, k in asked.items() if cut and k >= cut[0]]
    if not too_many:
        return NOTHING
    told = (
        f"From {cut[0]} neighbours on the graph of the real images cuts across a fold or a gap, so distances along the "
        f"data may be too short with {', '.join(too_many)}; the sweep under Geometry recommends "
        f"{results.manifold['sweep']['neighbors']}."
    )
    return cards([card("Short circuit", "", told)], "notes")


def _map(results: Results, method: str) -> Figure:
    order = np.random.default_rng(0).permutation(len(results.map_sources))  # else the last source hides the others
    x, y = results.maps[method][order].T
    inks = {source: color(source, results.sources) for source in results.sources}

    def draw(axes: "Axes") -> None:
        colors = [inks[source] for source in results.map_sources[order]]
        axes.scatter(x, y, s=9, c=colors, linewidths=0, rasterized=True)
        for source, ink in inks.items():
            axes.scatter([], [], s=16, c=ink, linewidths=0, label=label(source))
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=5, handletextpad=0, columnspacing=0.6, fontsize=9)
        axes.set_title(label(method), fontsize=11)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", "datalim")
        axes.spines[:].set_visible(False)

    scores = results.manifold["maps"][method]
    told = f"trustworthiness {scores['all']['trustworthiness']:.3f}, continuity {scores['all']['continuity']:.3f}"
    if scores.get("embedded_share", 1) < 1:
        told += f", {scores['embedded_share']:.1%} of the images placed"
    return chart(f"map-{method}", draw, f"{label(method)} of all sources: {told}", told, size=(5.2, 4.4))


def _trust(results: Results) -> Markup:
    """Each map on each source apart: many numbers, for those who doubt a map."""
    text = paragraph(
        "The same maps, judged on each source by itself: a map may tear one source apart and keep another whole. "
        "Shepard correlation: do distances in the map follow the distances along the data (Spearman's)?"
    )
    rows = (
        [
            f"{label(method)}, {label(source)}",
            *("" if found.get(key) is None else number(found[key], 3) for key in MEASURES),
        ]
        for method in results.maps
        for source in results.sources
        if (found := results.manifold["maps"][method]["sources"][source])
    )
    return folded("How far each map may be trusted on each source", text + table(["", *MEASURES.values()], rows))


def _prediction(results: Results) -> Markup:
    """Nothing for data without classes."""
    maps = results.manifold["maps"]
    spaces = {"features": results.manifold["features"], **{method: maps[method] for method in results.maps}}
    rows = [
        [f"{label(space)}, {LAYERS[layer]}", *(_accuracy(told.get(source)) for source in results.sources)]
        for space, found in spaces.items()
        for layer, told in found["prediction"].items()
    ]
    if not rows:
        return NOTHING
    text = paragraph(
        "A prediction layer on the coordinates of labelled real images guesses the class: of real images that it has "
        "not learned from, and of generated ones, where it is right if it guesses what was asked for. In brackets the "
        "95 % interval."
    )
    return heading("Do the maps know the classes?") + text + table(["", *map(label, results.sources)], rows)


def _accuracy(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    return f"{100 * found['value']:.1f}% ({interval(100 * found['low'], 100 * found['high'], 1)})"
