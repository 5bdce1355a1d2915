"""How does a result become a picture that is at home on a light page, on a dark one, and in a file?

Charts are drawn once by matplotlib and written twice: as SVG inside the page, where the ink takes the colour of the
text around it, and as PNG. The same results give the same bytes.
"""

import io
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from pullback.pictures import enlarged, grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#8a8f98"
PALETTE = ["#c58009", "#3258f5", "#0a8a53", "#ba6de9", "#ce1b38"]  # apart for the colour-blind, on light and dark
INK = "#010203"  # in the page it becomes the colour of the text
SMALL = 64  # pixels up to which images are in the page as they are; larger ones are compressed, to keep it light
WIDTH = 520  # pixels of a row of images, at least
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Figure:
    """A figure in two forms: `html` for the page, `png` for the file `report/figures/NAME.png`."""

    name: str
    html: Markup
    png: bytes


def file_name(*parts: object) -> str:
    """ "copies", "gan prior", 3 -> "copies-gan-prior-3"."""
    return "-".join(map(str, parts)).replace(" ", "-")


def color(source: str, sources: Sequence[str]) -> str:
    """The colour of a source wherever it is drawn; "real" is the first of the sources."""
    return GREY if source == "real" else PALETTE[(sources.index(source) - 1) % len(PALETTE)]


def columns(size: int) -> int:
    """How many images of `size` pixels stand in a row: fewer of large ones, to keep the page light."""
    return min(8, max(4, WIDTH // size))


def picture(
    name: str,
    images: NDArray[np.uint8],
    alt: str,
    caption: str = "",
    rows: int | None = None,
    shown: NDArray[np.bool_] | None = None,
) -> Figure:
    """Images (n, c, h, w) in rows with transparent gaps, their pixels enlarged to sharp squares.

    In `rows` rows; if not given, in as many as rows of `columns` images are needed. Fewer in a row stay as large, more
    become smaller. Images that are not `shown` (n,) leave their places free.
    """
    size = images.shape[-1]
    across = len(images) // rows if rows else min(columns(size), len(images))
    margin = (size // 24, size // 24)  # wider gaps between larger images
    opaque = np.full_like(images[:, :1], 255)
    if shown is not None:
        opaque[~shown] = 0
    pixels = np.dstack([grid(np.pad(layer, ((0, 0), (0, 0), margin, margin)), across) for layer in (images, opaque)])
    pixels = enlarged(pixels, WIDTH * across // columns(size))
    png = image_file(pixels, "png")
    address = data_uri("png", png) if size <= SMALL else data_uri("webp", image_file(pixels, "webp", quality=90))
    part = 100 * min(1, across / columns(size))
    image = Markup('<img alt="{}" style="--part:{:.4g}%" src="{}">').format(alt, part, address)
    return Figure(name, _captioned(image, caption), png)


def image_file(pixels: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    """Pixels (h, w) or (h, w, channels) as a file of this kind, "png" or "webp"; Pillow takes the options."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def data_uri(kind: str, content: bytes) -> str:
    """An address that holds the image itself, so that a page asks for no file."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def chart(
    name: str, draw: Callable[["Axes"], None], alt: str, caption: str = "", size: tuple[float, float] = (4.2, 2.4)
) -> Figure:
    """What `draw` draws, in `size` inches."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    svg, png = io.StringIO(), io.BytesIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        canvas = Canvas(figsize=size, dpi=160, layout="constrained")
        draw(canvas.add_subplot())
        canvas.draw_without_rendering()
        canvas.set_layout_engine("none")  # laid out once, not for each file again
        canvas.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
        canvas.savefig(png, format="png", metadata={"Software": None})
    return Figure(name, _captioned(_inline(svg.getvalue(), alt), caption), png.getvalue())


def _captioned(image: Markup, caption: str) -> Markup:
    text = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    return Markup("<figure>{}{}</figure>\n").format(image, text)


def _inline(svg: str, alt: str) -> Markup:
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)  # counted from 1 in every figure, but must be unique in a page
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # the view box stays, and the page sets the size
    return Markup(svg.replace("<svg", Markup('<svg role="img" aria-label="{}"').format(alt), 1))
