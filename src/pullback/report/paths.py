"""What lies on the way from one image to another, and which path is the shortest and the most real?"""

from collections.abc import Mapping

import numpy as np

from pullback.labels import label
from pullback.report._figures import Figure, columns, file_name, picture
from pullback.report._results import Images, Results
from pullback.report._section import Section, combined, gallery, paragraph, table

KINDS = {
    "pixels": "straight in pixels",
    "straight": "straight in the latent space",
    "geodesic": "geodesic in the latent space",
}
NUMBERS = {
    "pixel_length": "length in pixels",
    "feature_length": "length in features",
    "realism": "realism",
    "least_realism": "least realism",
}


def section(results: Results) -> Section:
    parts = [_part(results, model, paths) for model, paths in results.paths.items() if paths]
    if not parts:
        return Section("Paths", paragraph("No two images could be joined."))
    note = paragraph(
        "From one image to another, from the left to the right. Straight in pixels, two images of the test split fade "
        "into each other, without a model. The other paths join their codes, or two draws for a model that cannot "
        "encode: straight, or on the geodesic, along which the decoded images change as little as possible, in pixels. "
        "Both ends are of one class where a model knows the labels, since no path leads from one label to another."
    ) + paragraph(
        "A length of 1 is the distance between the ends of a path. Realism is that of the images between the ends, by "
        "training images (Kynkäänniemi 2019): from 1 on an image lies among these. The least realism is that of one "
        "image of each path. Both are medians."
    )
    return combined("Paths", note, parts)


def _part(results: Results, model: str, paths: Mapping[str, Images]) -> Section:
    kinds = [kind for kind in KINDS if kind in paths]
    found = {kind: results.manifold["paths"][model][kind] for kind in kinds}
    rows = [[KINDS[kind], *(f"{found[kind][key]:.2f}" for key in NUMBERS)] for kind in kinds]
    strips = _strips(model, {kind: paths[kind] for kind in kinds})
    named = paragraph(f"From the top: {', '.join(KINDS[kind] for kind in kinds)}.")
    numbers = table(["", *NUMBERS.values()], rows) + paragraph(_verdict(found, len(paths[kinds[0]])))
    return Section(label(model), named + gallery(strips, "large") + numbers, strips)


def _strips(model: str, paths: Mapping[str, Images]) -> list[Figure]:
    """A picture for each of the first pairs, a row of each kind; less of large images, to keep the page light."""
    size = next(iter(paths.values())).shape[-1]
    pairs, every = (4, 1) if columns(size) == 8 else (1, 2)
    shown = np.stack([each[:pairs, ::every] for each in paths.values()], axis=1)
    return [
        picture(
            file_name("paths", model, i),
            np.concatenate(rows),
            f"Paths from one image to another by {label(model)}, pair {i + 1}",
            rows=len(paths),
        )
        for i, rows in enumerate(shown)
    ]


def _verdict(found: Mapping[str, Mapping[str, float]], pairs: int) -> str:
    lengths, realism = (
        {kind: round(each[key], 2) for kind, each in found.items()} for key in ("feature_length", "realism")
    )
    return (
        f"Shortest in features: {_at(lengths, min(lengths.values()))}. Most realistic: "
        f"{_at(realism, max(realism.values()))}. These are of {pairs} paths of each kind, too few to tell small "
        "differences from chance."
    )


def _at(numbers: Mapping[str, float], best: float) -> str:
    return f"{' and '.join(KINDS[kind] for kind, each in numbers.items() if each == best)} ({best:.2f})"
