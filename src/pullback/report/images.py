"""Do generated images look like real ones, and like the class that they were made for?"""

import numpy as np
from numpy.typing import NDArray

from pullback.labels import label
from pullback.report._figures import Figure, columns, file_name, picture
from pullback.report._results import Results
from pullback.report._section import Section, gallery, paragraph

MOST = 10  # classes


def section(results: Results) -> Section:
    classes = results.prepared["classes"]
    labelled = [source for source in results.sources if results.labels[source].min() >= 0]
    text = "The first images of each source, none picked by hand; the real ones are of the test split."
    if labelled:
        named = f"the first {MOST} of {len(classes)} classes" if len(classes) > MOST else "the classes"
        text += f" Where these have labels, the rows are {named}, from the top: {', '.join(classes[:MOST])}."
    figures = [_by_class(results, each) if each in labelled else _first(results, each) for each in results.sources]
    return Section("Images", paragraph(text) + gallery(figures), figures)


def _first(results: Results, source: str) -> Figure:
    images = results.images(source)[: columns(results.prepared["size"]) ** 2]
    return picture(file_name("images", source), images, f"A grid of images: {label(source)}", label(source))


def _by_class(results: Results, source: str) -> Figure:
    """A row of each class, with free places where it has too few images."""
    classes, across = len(results.prepared["classes"][:MOST]), columns(results.prepared["size"])
    numbers = np.stack([_places(results.labels[source] == kind, across) for kind in range(classes)]).ravel()
    return picture(
        file_name("images", source),
        results.images(source)[numbers],
        f"A grid of images, a row of each class: {label(source)}",
        label(source),
        rows=classes,
        shown=numbers >= 0,
    )


def _places(wanted: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """The numbers of the first `n` wanted ones; -1 where there are no more."""
    found = np.flatnonzero(wanted)[:n]
    return np.pad(found, (0, n - len(found)), constant_values=-1)
