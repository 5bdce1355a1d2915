"""Which generated images look most real by their features, and which look least?"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pullback.labels import label
from pullback.report._basis import basis
from pullback.report._figures import columns, file_name, picture
from pullback.report._results import Results
from pullback.report._section import Section, combined, gallery, paragraph

METRIC = "precision_recall"


def section(results: Results) -> Section:
    findings = {source: found["realism"] for source, found in results.findings(METRIC).items()}
    if not findings:
        return Section("Realism", paragraph("No metric has judged single images."))
    note = paragraph(
        "Realism says how deep among the real images one generated image lies: the distance from a real image to its "
        "k-th nearest real neighbour over that to the generated image, for the real image where this is largest "
        "(Kynkäänniemi 2019). From 1 on the image lies among the real ones, like one of them; below, the lower the "
        "farther away."
    )
    parts = [_part(results, source, found) for source, found in findings.items()]
    return combined("Realism", note + basis(results, [METRIC]), parts)


def _part(results: Results, source: str, found: Mapping[str, Any]) -> Section:
    across = columns(results.prepared["size"])
    figures = [
        picture(
            file_name("realism", source, end),
            results.samples[source][found[end][:across]],
            f"The {end} realistic images: {label(source)}",
            f"{end} realistic first",
        )
        for end in ("most", "least")
    ]
    return Section(label(source), _half(found["median"]) + gallery(figures, "large"), figures)


def _half(median: float | None) -> Markup:
    if median is None:  # infinite
        return paragraph("Half of the images or more are copies of real ones, so their realism is infinite.")
    return paragraph(f"Half of the images have a realism of {median:.2f} or more.")
