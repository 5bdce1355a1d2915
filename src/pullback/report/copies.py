"""Does a model copy its training images?"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from pullback.labels import label
from pullback.report._basis import basis
from pullback.report._estimates import estimates
from pullback.report._figures import Figure, columns, file_name, picture
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, card, cards, combined, paragraph

ROWS = 2  # of pairs, per source
Pair = tuple[int, int, float]  # the numbers of a generated and of a training image, and their ratio


def section(results: Results) -> Section:
    findings = results.findings("memorization")
    if not findings:
        return Section("Copies", paragraph("No metric has looked for copies of training images."))
    note = paragraph(
        "Generated images, each left of the training image that is nearest to it by its features. The ratio is the "
        "distance of the two over the spacing of the training images around the latter: 0 for a copy, about 1 for an "
        "image as far away as other training images are. A pair is a near-copy where chance would hardly bring any of "
        "as many unseen real images as near. Authenticity and C_T judge all images of a source: many copies pull them "
        "below the floor, that of unseen real images. High values alone are no praise; images unlike the data have the "
        "highest."
    )
    scores = [score for score in ("authenticity", "c_t") if score in results.better]
    table = estimates(results, scores) if scores else NOTHING
    parts = [_part(results, source, found) for source, found in findings.items()]
    return combined("Copies", note + table + basis(results, ["memorization"]), parts)


def _part(results: Results, source: str, found: Mapping[str, Any]) -> Section:
    copies = [tuple(pair) for pair in found.get("near_copies", [])]
    every: set[Pair] = {*copies, *map(tuple, found["nearest"])}
    shown = sorted(every, key=lambda pair: (pair[2], pair))[: ROWS * columns(results.prepared["size"])]
    told = (
        card(_figure(results, source, [pair]).html, f"ratio {pair[2]:.2f}", "near-copy" if pair in copies else "")
        for pair in shown
    )
    html = _counted(results, source, found) + cards(told, "pairs")
    return Section(label(source), html, [_figure(results, source, shown)])


def _figure(results: Results, source: str, pairs: Sequence[Pair]) -> Figure:
    """A row of each pair. Its name holds no number, as other runs, beside which DVC lays it, have other pairs."""
    images = [image for fake, train, _ in pairs for image in (results.samples[source][fake], results.train[train])]
    alt = (f"image {fake} beside training image {train}, ratio {ratio:.2f}" for fake, train, ratio in pairs)
    return picture(file_name("copies", source), np.stack(images), f"{label(source)}: {'; '.join(alt)}", rows=len(pairs))


def _counted(results: Results, source: str, found: Mapping[str, Any]) -> Markup:
    told = found.get("note", "")
    if "near_copies" in found:
        total, n = len(found["near_copies"]), results.evaluations[source.split()[0]]["images"]
        count = f"{total:,} of the {n:,} images {'is a near-copy' if total == 1 else 'are near-copies'}."
        told = f"{count if total else f'None of the {n:,} images is a near-copy.'} {told}"
    return paragraph(told)
