"""How much of an image survives in a model's latent space?"""

import numpy as np

from pullback.labels import label
from pullback.report._figures import Figure, columns, picture
from pullback.report._results import Images, Results
from pullback.report._section import Section, combined, gallery, paragraph

STRIPS = 3


def section(results: Results) -> Section:
    strips = {model: _strips(model, results.real, images) for model, images in results.reconstructions.items()}
    if not strips:
        return Section("Reconstructions", paragraph("None of the models can encode an image."))
    note = paragraph(
        "Upper rows: images of the test split. Lower rows: what is left of them after encoding and decoding."
    )
    parts = [Section(label(model), gallery(figures), figures) for model, figures in strips.items()]
    return combined("Reconstructions", note, parts)


def _strips(model: str, real: Images, reconstructed: Images) -> list[Figure]:
    """Rows of originals, each above the row of their reconstructions."""
    across = columns(real.shape[-1])
    starts = range(0, min(len(reconstructed), STRIPS * across), across)
    rows = [(real[start : start + across], reconstructed[start : start + across]) for start in starts]
    return [
        picture(
            f"reconstructions-{model}-{i}",
            np.concatenate([above[: len(below)], below]),
            f"{len(below)} test images above their reconstructions by {label(model)}",
            rows=2,
        )
        for i, (above, below) in enumerate(rows)
    ]
