"""How do the sources differ in the kinds of images that they hold?"""

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from pullback.labels import label
from pullback.report._figures import color
from pullback.report._section import NOTHING, card, cards


def bar(share: float, color: str = "var(--quiet)") -> Markup:
    """A bar over this share of its place."""
    return Markup('<span class="track"><span class="bar" style="width:{:.1f}%;background:{}"></span></span>').format(
        100 * share, color
    )


def share_cards(kinds: Sequence[str], shares: Mapping[str, Sequence[float]], notes: Iterable[str] = ()) -> Markup:
    """A card per kind, with a bar per source: the percentage of its images that are of that kind.

    Args:
        kinds: what stands on top of each card: a name or, as `Markup`, a picture.
        shares: source -> its share of each kind; in the order of the bars, "real" first.
        notes: a few words on the kinds that a reader should notice, empty for the others.
    """
    colors = {source: color(source, list(shares)) for source in shares}
    longest = max(max(each) for each in shares.values())
    legend = NOTHING.join(
        Markup('<span style="--ink:{}">{}</span>').format(ink, label(source)) for source, ink in colors.items()
    )
    lines = [
        NOTHING.join(
            Markup('{}<span title="{}">{:.1f}</span>').format(
                bar(each[i] / longest, colors[source]), label(source), 100 * each[i]
            )
            for source, each in shares.items()
        )
        for i in range(len(kinds))
    ]
    told = (
        card(kind, Markup('<div class="lines">{}</div>').format(line), note)
        for kind, line, note in zip(kinds, lines, notes or [""] * len(kinds), strict=True)
    )
    return Markup('<p class="legend">{}</p>\n').format(legend) + cards(told)
