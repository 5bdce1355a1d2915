"""Where do generated images lie among the real ones?"""

from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pullback.report._figures import Figure, chart, color, picture
from pullback.report._labels import interval, label, number
from pullback.report._results import Results
from pullback.report._section import Section, gallery, heading, paragraph, table
from pullback.report._shares import share_cards

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    examples = [
        picture(f"cluster-{k}", example[None], f"A typical real image of cluster {k}")
        for k, example in enumerate(results.examples)
    ]
    html = note + gallery(maps, "large") + _clusters(results, examples) + _dimensions(results)
    return Section("Maps", html, [*maps, *examples])


def _map(results: Results, method: str) -> Figure:
    order = np.random.default_rng(0).permutation(len(results.map_sources))  # else the last source hides the others
    x, y = results.maps[method][order].T
    inks = {source: color(source, results.sources) for source in results.sources}

    def draw(axes: "Axes") -> None:
        colors = [inks[source] for source in results.map_sources[order]]
        axes.scatter(x, y, s=9, c=colors, alpha=0.8, linewidths=0, rasterized=True)
        for source, ink in inks.items():
            axes.scatter([], [], s=16, c=ink, linewidths=0, label=label(source))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, handletextpad=0, columnspacing=0.8, fontsize=10)
        axes.set_title(label(method), fontsize=11)
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", "datalim")
        axes.spines[:].set_visible(False)

    scores = results.manifold["maps"][method]
    told = f"trustworthiness {scores['trustworthiness']:.3f}, continuity {scores['continuity']:.3f}"
    if scores.get("embedded_share", 1) < 1:
        told += f", {scores['embedded_share']:.1%} of the images placed"
    return chart(f"map-{method}", draw, f"{label(method)} of all sources: {told}", told, size=(5.2, 4.4))


def _clusters(results: Results, examples: list[Figure]) -> Markup:
    missed = results.manifold["missed_clusters"]
    by = [[label(source) for source in missed if k in missed[source]] for k in range(len(examples))]
    notes = [f"missed by {', '.join(sources)}" if sources else "" for sources in by]
    shares = {source: results.manifold["cluster_shares"][source] for source in results.sources}
    text = paragraph(
        "Kinds of real images, found by k-means: a typical one, and the percentage of the images of each source that "
        "belong to it. Missed means less than a third of the real share."
    )
    return heading("Clusters") + text + share_cards([example.html for example in examples], shares, notes)


def _dimensions(results: Results) -> Markup:
    text = paragraph("Along how many directions the features vary at the scale of nearest neighbours (TwoNN).")
    found = {source: results.manifold["dimension"][source] for source in results.sources}
    rows = (
        [
            label(source),
            f"{results.manifold['points'][source]:,}",
            number(each["value"], 1),
            interval(each["low"], each["high"], 1),
        ]
        for source, each in found.items()
        if each  # none for a model that draws fewer than three different images
    )
    return heading("Intrinsic dimension") + text + table(["", "images", "dimension", "95 % interval"], rows)
