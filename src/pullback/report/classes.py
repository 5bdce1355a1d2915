"""Which classes does each model make well, and which badly?"""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pullback.labels import label
from pullback.report._estimates import ABSENT
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, heading, paragraph, table
from pullback.report._shares import share_cards

Counts = Mapping[str, Mapping[str, Sequence[int]]]  # source -> the hits and the images of each class

MEANINGS = {
    "agreement": "The share of images in which the feature map sees the class that they are of or were asked for. What "
    "it misses among real images is its own mistake.",
    "precision": "The share of the images made for a class that lie among real ones of any class: how many look real.",
    "recall": "The share of the real images of a class that lie among generated ones: how much of its variety is made.",
}


def section(results: Results) -> Section:
    names = results.prepared["classes"]
    if not names:
        return Section("Classes", paragraph("The images have no classes."))
    tables = [_table(names, title, counts) for title, counts in _counts(results).items() if counts]
    note = paragraph(
        "Beside each share the images behind it: of few images a small difference is chance, and a distance such as "
        "FID would need twice as many images of each class as there are features."
    )
    html = _made(results) + NOTHING.join([note, *tables] if tables else [])
    return Section("Classes", html or paragraph("No metric has looked at single classes."))


def _made(results: Results) -> Markup:
    """The shares of the classes, where the feature map knows the data's own."""
    kinds, shares = results.prepared["classes"], results.class_shares
    if len(shares.get("real", [])) != len(kinds):
        return NOTHING
    note = paragraph("The percentage of the images of each source in which the feature map sees the class.")
    return heading("How often") + note + share_cards(kinds, shares)


def _counts(results: Results) -> dict[str, Counts]:
    agreeing = _found(results, "classification", "agreement")
    agreement = {source: each["fake"] for source, each in agreeing.items()}
    if agreeing:
        agreement = {"real": next(iter(agreeing.values()))["real"], **agreement}  # the same beside every source
    hits = _found(results, "precision_recall", "classes")
    return {
        "agreement": agreement,
        "precision": {source: each["precision"] for source, each in hits.items() if "precision" in each},
        "recall": {source: each["recall"] for source, each in hits.items()},
    }


def _found(results: Results, metric: str, key: str) -> dict[str, Any]:
    return {source: found[key] for source, found in results.findings(metric).items() if key in found}


def _table(names: Sequence[str], title: str, counts: Counts) -> Markup:
    rows = (
        [name, *(_share(each["hits"][i], each["images"][i]) for each in counts.values())]
        for i, name in enumerate(names)
    )
    head = ["", *map(label, counts)]
    return heading(title.capitalize()) + paragraph(MEANINGS[title]) + table(head, rows, "hits")


def _share(hits: int, images: int) -> Markup:
    if not images:
        return ABSENT
    return Markup("{:.0%} <small>{:,} of {:,}</small>").format(hits / images, hits, images)
