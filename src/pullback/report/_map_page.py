"""Where does every image lie, what does it show, and which images are most like it? A page to explore by hand.

map.html holds all that it needs: the points of every map, one picture with a small copy of every image (a sprite
atlas), and the script map.js, which draws them. It opens from the disk and asks the network for nothing.
"""

import json
import math
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pullback.labels import label
from pullback.pictures import thumbnails
from pullback.report._atlas import across, atlas
from pullback.report._figures import color, picture
from pullback.report._page import HERE, filled
from pullback.report._results import Results
from pullback.report._section import table
from pullback.report._summary import title

SPAN = 100_000  # the longer side of a map in whole units, finer than the page can zoom


def render_map(results: Results) -> str:
    """The page; the same results give the same bytes."""
    images = thumbnails(results.map_images)
    data = _data(results) | {"atlas": {"size": images.shape[-1], "columns": across(len(images))}}
    return filled(
        "map.html.j2",
        title=title(results),
        look=Markup((HERE / "map.css").read_text()),
        script=Markup((HERE / "map.js").read_text()),
        feature_map=label(results.feature_map["name"]),
        clusters=len(results.examples),
        counts=_counts(results),
        atlas=atlas(images, lossless=images.shape[1] == 1),  # coloured ones would be too heavy
        data=data,
        json=Markup(json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")),
    )


def _data(results: Results) -> dict[str, Any]:
    """What map.js reads. An image is named by its row in `results.map_images`."""
    sources = results.sources
    return {
        "span": SPAN,
        "maps": {method: _map(results, method) for method in results.maps},
        "sources": [{"name": each, "label": label(each), "color": color(each, sources)} for each in sources],
        "classes": results.prepared["classes"],
        "source": [sources.index(each) for each in results.map_sources],
        "class": results.map_labels.tolist(),
        "cluster": results.map_clusters.tolist(),
        "neighbors": results.map_neighbors.tolist(),
        "distances": [[[float(f"{d:.4g}") for d in kind] for kind in each] for each in results.map_distances.tolist()],
    }


def _map(results: Results, method: str) -> dict[str, Any]:
    scores = results.manifold["maps"][method]["all"]
    told = f"trustworthiness {scores['trustworthiness']:.3f}, continuity {scores['continuity']:.3f}"
    return {"label": label(method), "scores": told, "points": points(results.maps[method])}


def points(coordinates: NDArray[np.float64]) -> list[int | None]:
    """x, y of each point in turn, centred on 0, `SPAN` apart at most; y grows downwards, as on a screen.

    Args:
        coordinates: (n, 2), NaN for a point that is not placed, which becomes None, None.
    """
    low, high = np.nanmin(coordinates, axis=0), np.nanmax(coordinates, axis=0)
    unit = (high - low).max() / SPAN or 1.0
    centred = (coordinates - (low + high) / 2) / unit * [1, -1]
    return [None if math.isnan(each) else round(each) for each in centred.ravel().tolist()]


def _counts(results: Results) -> Markup:
    """The map in words: a row per cluster, a column per source, and below how many points each map leaves out."""
    groups = {source: results.map_sources == source for source in results.sources}

    def row(name: str, among: NDArray[np.bool_]) -> list[str]:
        return [name, *(_count(int((among & group).sum()), int(group.sum())) for group in groups.values())]

    kinds = [
        row(picture("", example[None], "A typical real image").html + f"cluster {k}", results.map_clusters == k)
        for k, example in enumerate(results.examples)
    ]
    unplaced = {method: np.isnan(each[:, 0]) for method, each in results.maps.items()}
    left_out = [row(f"not in {label(method)}", each) for method, each in unplaced.items() if each.any()]
    return table(["", *map(label, groups)], [*kinds, *left_out], "counts")


def _count(part: int, whole: int) -> Markup:
    return Markup("{:,} <small>{:.0%}</small>").format(part, part / max(whole, 1))
