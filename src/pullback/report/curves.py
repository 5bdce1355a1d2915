"""How did training go?"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pullback.report._figures import Figure, chart, color
from pullback.report._labels import label
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, combined, gallery

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def section(results: Results) -> Section:
    # A model's curves have the colour of its first source.
    first = {source.split()[0]: source for source in reversed(results.samples)}
    figures = {
        model: [
            _curve(model, name, columns["seen_images"], column, color(first.get(model, "real"), results.sources))
            for name, column in columns.items()
            if name != "seen_images"
        ]
        for model, columns in results.curves.items()
    }
    parts = [Section(label(model), gallery(each), each) for model, each in figures.items()]
    return combined("Training", NOTHING, parts)


def _curve(model: str, name: str, seen: NDArray[np.float64], column: NDArray[np.float64], ink: str) -> Figure:
    def draw(axes: "Axes") -> None:
        axes.plot(seen, column, color=ink, linewidth=1.5)
        axes.set(title=label(name), xlabel="images seen")
        axes.locator_params(nbins=5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        if share:
            axes.set_ylim(0, 1)

    share = name.endswith("accuracy")
    alt = f"{label(model)}, {label(name)} over {seen[-1]:,.0f} images: at the end {column[-1]:.3g}"
    caption = "at 0.5 it cannot tell real from generated" if name == "discriminator_accuracy" else ""
    return chart(f"curve-{model}-{name}", draw, alt, caption)
