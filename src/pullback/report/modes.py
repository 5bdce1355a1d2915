"""Which kinds of images are missing, which are made too often, and what do they look like?"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from pullback.labels import joined, label, p_value
from pullback.report._basis import basis
from pullback.report._figures import Figure, columns, file_name, picture
from pullback.report._results import Results
from pullback.report._section import Section, combined, gallery, paragraph

TITLE = "Missing kinds"
MISSING = "missing"


def section(results: Results) -> Section:
    findings = results.findings("modes")
    if not findings:
        return Section(TITLE, paragraph("No metric has looked for kinds of images that are missing."))
    note = paragraph(
        "Kinds of images are clusters of the real ones, found by k-means of the features. A kind is missing from a "
        "source that makes it less than a third as often as it is in the data. Both these and the kinds that are made "
        "too often are named only where chance does not explain it: p < 0.05, corrected for the number of kinds."
    )
    faulty = [source for source, found in findings.items() if found["missing"] or found["over_produced"]]
    faultless = [source for source in findings if source not in faulty]
    if faultless:
        note += paragraph(f"{joined(faultless)}: no kind of images is missing, and none is made too often.")
    parts = [_part(results, source, findings[source]) for source in faulty]
    return combined(TITLE, note + basis(results, ["modes"]), parts)


def _part(results: Results, source: str, found: Mapping[str, Any]) -> Section:
    missing = [_figure(results, source, MISSING, i, kind) for i, kind in enumerate(found["missing"])]
    over = [_figure(results, source, "made too often", i, kind) for i, kind in enumerate(found["over_produced"])]
    html = _shown(missing, "Missing, by real images of each kind:", "No kind of images is missing.")
    html += _shown(
        over, "Made too often, real above generated images of each kind:", "No kind of images is made too often."
    )
    return Section(label(source), html, [*missing, *over])


def _shown(figures: list[Figure], text: str, otherwise: str) -> Markup:
    return paragraph(text) + gallery(figures) if figures else paragraph(otherwise)


def _figure(results: Results, source: str, fault: str, i: int, kind: Mapping[str, Any]) -> Figure:
    shares = f"{kind['fake_share']:.1%} of {label(source)}, {kind['real_share']:.1%} of the data"
    rows = [results.real[kind["real_examples"]]]
    if fault != MISSING:
        rows.append(results.samples[source][kind["fake_examples"]])
    across = min(columns(results.prepared["size"]), *map(len, rows))
    return picture(
        file_name("modes", source, fault, i),
        np.concatenate([images[:across] for images in rows]),
        f"Real images{' above generated ones' if len(rows) > 1 else ''} of a kind that is {fault}: {label(source)}",
        f"{shares}, {p_value(kind['p_value'])}",
        rows=len(rows),
    )
