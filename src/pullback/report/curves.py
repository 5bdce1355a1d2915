"""How did training go, which weights did it deliver, and was anything wrong?"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pullback.labels import decimals, label, number
from pullback.report._figures import INK, Figure, chart, color, file_name
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, card, cards, combined, gallery, paragraph, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Columns = Mapping[str, NDArray[np.float64]]

TOGETHER = {  # the title of the chart that curves share; all others have charts of their own
    "discriminator_loss": "losses",
    "generator_loss": "losses",
    "reconstruction": "terms of the loss",
    "kl": "terms of the loss",
}
TOLD = {"loss", "bits_per_dim", "reconstruction_bits_per_dim", "kl_bits_per_dim"}  # by these terms in nats already
CAPTIONS = {
    "discriminator_accuracy": "at 0.5 it cannot tell real from generated",
    "terms of the loss": "in nats per image; the divergence (KL) before it is weighted",
    "active_units": "latent dimensions that tell images apart",
}
LIMITS = {"discriminator_accuracy": (0, 1), "active_units": (0, None)}


def section(results: Results) -> Section:
    several = "Of the first training of each model, which is the one delivered."
    before = paragraph(several) if results.repeats else NOTHING
    return combined("Training", before, [_training(results, model) for model in results.curves])


def _training(results: Results, model: str) -> Section:
    # A model's curves have the colour of its first source.
    first = next((source for source in results.samples if source.split()[0] == model), "real")
    ink = color(first, results.sources)
    columns = results.curves[model]
    curves = [_curve(model, title, names, columns, ink) for title, names in _charts(columns).items()]
    figures = [*curves, _choice(results, model, ink)]
    html = _diagnosis(results, model) + gallery(figures) + _likelihood(results, model)
    return Section(label(model), html, figures)


def _charts(columns: Columns) -> dict[str, list[str]]:
    """The titles of the charts, each with the names of its curves."""
    left_out = {"seen_images"} | (TOLD if {"reconstruction", "kl"} <= columns.keys() else set())
    charts: dict[str, list[str]] = {}
    for name in columns:
        if name not in left_out:
            charts.setdefault(TOGETHER.get(name, name), []).append(name)
    return charts


def _curve(model: str, title: str, names: list[str], columns: Columns, ink: str) -> Figure:
    logged = {name: ~np.isnan(columns[name]) for name in names}  # a point need not have every number

    def draw(axes: "Axes") -> None:
        for name, line in zip(names, (ink, INK), strict=False):
            at = logged[name]
            axes.plot(columns["seen_images"][at], columns[name][at], color=line, linewidth=1.3, label=label(name))
        _over_images(axes, title)
        axes.set_ylim(*LIMITS.get(title, (None, None)))
        if title not in names:
            _legend(axes)

    ends = ", ".join(f"{label(name)} {columns[name][at][-1]:.3g}" for name, at in logged.items())
    alt = f"{label(model)}, {label(title)} over {columns['seen_images'][-1]:,.0f} images; at the end {ends}"
    return chart(file_name("curve", model, title), draw, alt, CAPTIONS.get(title, ""))


def _choice(results: Results, model: str, ink: str) -> Figure:
    """The score of the averaged weights by which the delivered ones were chosen."""
    points, training = results.training_scores[model], results.trainings[model]
    score, chosen = training["select"], training["chosen"]

    def draw(axes: "Axes") -> None:
        axes.plot(points["seen_images"], points[score], "o-", color=ink, linewidth=1.3, markersize=3)
        at = chosen["seen_images"], chosen[score]
        axes.plot(*at, "o", color=INK, markerfacecolor="none", markersize=9, label="chosen")
        _over_images(axes, f"{label(score)} of the averaged weights")
        _legend(axes)

    told = (
        f"The weights after {chosen['seen_images']:,.0f} images were chosen by their {label(score)}, the lowest. It is "
        "measured against training images, on a small sample, so it compares with nothing outside this training."
    )
    alt = f"{label(model)}, {label(score)} of the averaged weights: {chosen[score]:.3g} when chosen"
    return chart(file_name("choice", model), draw, alt, told)


def _over_images(axes: "Axes", title: str) -> None:
    axes.set(title=label(title), xlabel="images seen")
    axes.set_xlim(left=0)
    axes.locator_params(nbins=5)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _legend(axes: "Axes") -> None:
    """Beside the title, where no curve is."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0, handlelength=1, columnspacing=1)


def _diagnosis(results: Results, model: str) -> Markup:
    found = results.trainings[model]["diagnosis"]
    if not found:
        return paragraph(
            "No sign of divergence, discriminator collapse, posterior collapse or mode collapse when it ended."
        )
    return cards([card(label(illness), "", sentence) for illness, sentence in found.items()], "notes")


def _likelihood(results: Results, model: str) -> Markup:
    """What the model itself says of the test split; nothing where it knows no likelihood."""
    test = results.trainings[model]["test"]
    nats = {name.removesuffix("_nats"): value for name, value in test.items() if name.endswith("_nats")}
    if not nats:
        return NOTHING
    bits = {name: test[f"{name}_bits_per_dim"] for name in nats if f"{name}_bits_per_dim" in test}
    rows = [[label(name), *(_written(each, name) for each in (nats, bits))] for name in nats]
    text = (
        f"ELBO and IWAE are lower bounds of the log-likelihood of the {len(results.real):,} test images, higher being "
        "better, or lower in bits per dimension, the length of their code; the ELBO is minus the sum of reconstruction "
        "and KL. They compare only between models of the same likelihood."
    )
    if "active_units" in test:
        dimensions = results.params["models"][model]["latent_dim"]
        text += f" {test['active_units']:.3g} of {dimensions} latent dimensions tell these images apart (active units)."
    return paragraph(text) + table(["test split, mean", "nats per image", "bits per dimension"], rows)


def _written(values: Mapping[str, float], name: str) -> str:
    return number(values[name], decimals(values.values())) if name in values else ""
