"""What is the manifold of the images like: how many dimensions, how far along it, and by which images?"""

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from pullback.labels import interval, label, number
from pullback.report._figures import Figure, chart, color, picture
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, gallery, heading, paragraph, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ESTIMATES = {"two_nn": "TwoNN", "maximum_likelihood": "maximum likelihood"}
HOMOLOGY = ["components", "loops"]  # by dimension


def section(results: Results) -> Section:
    paths = [_path(results, i, path) for i, path in enumerate(results.manifold["shortest_paths"])]
    curves = [_betti(results, k) for k in range(len(_homology(results)))]
    html = _sweep(results) + _paths(paths) + _dimensions(results) + _topology(results, curves)
    return Section("Geometry", html, [*paths, *curves])


def _sweep(results: Results) -> Markup:
    sweep = results.manifold["sweep"]
    text = paragraph(
        f"Each real image is joined to its k nearest ones. Good is k = {sweep['neighbors']}: {sweep['reason']}. "
        "Agreement is the correlation of distances along the graph with those of the k before; detour, how many times "
        "as far the path between the ends of a long new edge was. Across a fold the one is low and the other high."
    )
    rows = (
        [str(each["k"]), f"{each['components']:,}", number(each["agreement"], 4), number(each["detour"], 1)]
        for each in sweep["steps"]
    )
    return heading("The graph of neighbours") + text + table(["k", "parts", "agreement", "detour"], rows)


def _paths(figures: list[Figure]) -> Markup:
    text = paragraph(
        "The shortest path from one real image to another along that graph, by real images alone. Beside each: the "
        "straight distance of the two features, the length of the path, and their correlation (Pearson's)."
    )
    return heading("From one image to another") + text + gallery(figures, "large") if figures else NOTHING


def _path(results: Results, i: int, path: dict[str, Any]) -> Figure:
    told = (
        f"{number(path['euclidean'], 1)} straight, {number(path['geodesic'], 1)} along the data, "
        f"correlation {number(path['correlation'], 2)}"
    )
    images = results.map_images[path["path"]]
    return picture(f"path-{i}", images, f"A path of {len(images)} real images: {told}", told)


def _dimensions(results: Results) -> Markup:
    text = paragraph(
        "Along how many directions the features vary: at the scale of nearest neighbours (TwoNN), and at that of "
        f"{results.params['manifold']['neighbors']} neighbours (maximum likelihood), with 95 % intervals."
    )
    points, dimension = results.manifold["points"], results.manifold["dimension"]
    known = [source for source in results.sources if dimension[source]]  # not of fewer than three different images
    rows = (
        [label(source), f"{points[source]:,}", *(_estimate(dimension[source][key]) for key in ESTIMATES)]
        for source in known
    )
    return heading("Intrinsic dimension") + text + table(["", "images", *ESTIMATES.values()], rows)


def _estimate(found: dict[str, float]) -> str:
    return f"{number(found['value'], 1)} ({interval(found['low'], found['high'], 1)})"


def _homology(results: Results) -> list[dict[str, Any]]:
    """What is known of each dimension of homology; nothing where it was not asked for."""
    topology = results.manifold["topology"]
    return topology["homology"] if topology else []


def _topology(results: Results, curves: list[Figure]) -> Markup:
    if not curves:
        return NOTHING
    text = paragraph(
        f"Does a model keep the holes of the data? Persistent homology of {results.manifold['topology']['points']:,} "
        "images of each source: the Wasserstein distance of its diagram from that of the real images, where 1 is as "
        "bad as to have no such classes at all. The floor is what one other draw of as many real images has: a source "
        "well above it differs, one about it cannot be told from the data, and where the floor itself is about 1, so "
        "few images say nothing."
    )
    sources = ["floor", *results.sources[1:]]
    rows = (
        [label(source), *(_distance(found["distances"][source]) for found in _homology(results))] for source in sources
    )
    head = ["", *HOMOLOGY[: len(curves)]]
    return heading("Topology") + text + table(head, rows) + gallery(curves)


def _distance(value: float | None) -> str:
    return "" if value is None else number(value, 3)


def _betti(results: Results, k: int) -> Figure:
    curves, lengths = _homology(results)[k]["betti"], results.manifold["topology"]["lengths"]

    def draw(axes: "Axes") -> None:
        for source in results.sources:
            axes.plot(lengths, curves[source], color=color(source, results.sources), lw=1.4, label=label(source))
        axes.set(xlabel="length", ylabel=HOMOLOGY[k])
        # Above the axes, where no curve is.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8, handlelength=1, columnspacing=1)

    return chart(f"betti-{k}", draw, f"Betti curves: how many {HOMOLOGY[k]} live at which length, by source")
