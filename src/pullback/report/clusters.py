"""Which kinds of real images are there, how do all images spread over them, and are they the classes?"""

from markupsafe import Markup

from pullback.labels import label, number, p_value
from pullback.report._figures import Figure, picture
from pullback.report._results import Results
from pullback.report._section import Section, heading, paragraph, table
from pullback.report._shares import share_cards

WORDS = {"missing": "missing from", "over_produced": "too often in"}
METHODS = {"kmeans": "k-means", "hdbscan": "HDBSCAN"}


def section(results: Results) -> Section:
    examples = [
        picture(f"cluster-{k}", example[None], f"A typical real image of cluster {k}")
        for k, example in enumerate(results.examples)
    ]
    return Section("Clusters", _cards(results, examples) + _agreement(results), examples)


def _cards(results: Results, examples: list[Figure]) -> Markup:
    found = results.manifold["kmeans"]
    shares = {source: found["shares"][source] for source in results.sources}
    text = paragraph(
        "The clusters of the interactive map, found by k-means among its real images: a typical image of each, and the "
        "percentage of the images of each source on the map that belong to it. A mark is the outcome of the test "
        "that is explained under Missing kinds, which looks at finer kinds and at all images."
    )
    notes = [_note(results, k) for k in range(len(examples))]
    return text + share_cards([example.html for example in examples], shares, notes)


def _note(results: Results, cluster: int) -> str:
    told = (
        f"{words} {label(source)} ({p_value(kind['p_value'])})"
        for fault, words in WORDS.items()
        for source, modes in results.manifold["kmeans"]["modes"].items()
        for kind in modes[fault]
        if kind["cluster"] == cluster
    )
    return ", ".join(told)


def _agreement(results: Results) -> Markup:
    """How the two ways of clustering find the classes again."""
    text = paragraph(
        "HDBSCAN decides by itself how many dense kinds there are, and leaves out what lies between them. The adjusted "
        "Rand index is 0 for chance and 1 where clusters are the classes; so is, nearly, the normalised mutual "
        "information. The silhouette, \N{MINUS SIGN}1 to 1, says how far apart the clusters lie."
    )
    rows = []
    for method, name in METHODS.items():
        found = results.manifold[method]
        agreeing = found["agreement"] or {}
        scores = (agreeing.get(key) for key in ("ari", "nmi", "silhouette"))
        left = 1 - sum(found["shares"]["real"])
        rows.append(
            [name, str(found["clusters"]), f"{max(0, left):.1%}"]
            + ["" if score is None else number(score, 3) for score in scores]
        )
    head = ["", "clusters", "real images in none", "adjusted Rand index", "mutual information", "silhouette"]
    return heading("Clusters and classes") + text + table(head, rows)
