"""What does each number of a latent do to the image?"""

import numpy as np

from pullback.labels import label
from pullback.report._figures import Figure, columns, file_name, picture
from pullback.report._results import Images, Results
from pullback.report._section import Section, gallery, paragraph


def section(results: Results) -> Section:
    note = paragraph(
        "In each row one number of the latent goes from \N{MINUS SIGN}2.5 to 2.5 of its standard deviations, and "
        "all others stay at 0, the middle of the latent space. The numbers that change the image most are above. A "
        "model that knows labels is asked for the next class in each row; the first class decides which numbers are "
        "above."
    )
    figures = [_grid(model, lines) for model, lines in results.traversals.items()]
    return Section("Traversals", note + gallery(figures, "large"), figures)


def _grid(model: str, lines: Images) -> Figure:
    """A row per number; fewer and shorter rows of large images, to keep the page light."""
    if columns(lines.shape[-1]) < 8:
        lines = lines[:4, ::2]
    return picture(
        file_name("traversals", model),
        np.concatenate(lines),
        f"Images of {label(model)}: in each of {len(lines)} rows one number of the latent goes from low to high",
        label(model),
        rows=len(lines),
    )
