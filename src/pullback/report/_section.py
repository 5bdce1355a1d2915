"""What is a section of the report, and of which blocks is its text made?

A section is one file here with `section(results: Results) -> Section`, switched on by name in params.yaml. Its HTML is
made of the functions below, which escape what they are given unless it is `Markup` already.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pullback.report._figures import Figure

NOTHING = Markup("")


@dataclass(frozen=True)
class Section:
    title: str
    html: Markup
    figures: Sequence[Figure] = ()
    """Those inside `html`, or one of all where `html` has many small ones: they are written as files."""


def combined(title: str, before: Markup, parts: Sequence[Section]) -> Section:
    """A section of several, each below a heading with its title."""
    html = NOTHING.join(heading(part.title) + part.html for part in parts)
    return Section(title, before + html, [figure for part in parts for figure in part.figures])


def heading(text: str) -> Markup:
    return Markup("<h3>{}</h3>\n").format(text)


def paragraph(text: str) -> Markup:
    return Markup("<p>{}</p>\n").format(text)


def folded(title: str, html: Markup) -> Markup:
    """What few readers look for, behind its title."""
    return Markup("<details><summary>{}</summary>\n{}</details>\n").format(title, html)


def definitions(meanings: Mapping[str, str | list[str]], style: str = "") -> Markup:
    """Terms, each beside its meaning, or several below each other."""
    terms = (
        Markup("<dt>{}</dt>{}").format(
            term, NOTHING.join(map(Markup("<dd>{}</dd>").format, [told] if isinstance(told, str) else told))
        )
        for term, told in meanings.items()
    )
    return Markup('<dl class="{}">{}</dl>\n').format(style, NOTHING.join(terms))


def gallery(figures: Iterable[Figure], style: str = "") -> Markup:
    """Figures side by side, as many as the window is wide enough for."""
    return Markup('<div class="gallery {}">{}</div>\n').format(style, NOTHING.join(figure.html for figure in figures))


def card(top: str, body: str, note: str = "") -> Markup:
    """A small box; a note marks it."""
    return Markup('<div class="card {}"><div class="kind">{}</div>{}{}</div>\n').format(
        "marked" if note else "", top, body, Markup("<em>{}</em>").format(note) if note else ""
    )


def cards(each: Iterable[Markup], style: str = "") -> Markup:
    """Cards side by side, as many as the window is wide enough for."""
    return Markup('<div class="cards {}">{}</div>\n').format(style, NOTHING.join(each))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], style: str = "") -> Markup:
    """Rows of a name and its values; it scrolls by itself where the window is too narrow."""
    body = NOTHING.join(
        Markup("<tr>{}{}</tr>\n").format(_cells("row", name), _cells("", *values)) for name, *values in rows
    )
    return Markup(
        '<div class="scroll" tabindex="0"><table class="{}">\n'
        "<thead><tr>{}</tr></thead>\n<tbody>{}</tbody>\n</table></div>\n"
    ).format(style, _cells("col", *head), body)


def _cells(scope: str, *contents: str) -> Markup:
    cell = Markup(f'<th scope="{scope}">{{}}</th>' if scope else "<td>{}</td>")
    return NOTHING.join(cell.format(content) for content in contents)
