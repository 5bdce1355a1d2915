"""How do the sections become one page that opens anywhere, without a network?"""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from pullback.report._results import Results
from pullback.report._section import Section
from pullback.report._summary import conclusions, summary, title

HERE = Path(__file__).parent


def render(results: Results, sections: Mapping[str, Section]) -> str:
    """The page: its summary, and the sections by name, in their order."""
    return filled(
        "page.html.j2",
        title=title(results),
        summary=summary(results),
        conclusions=conclusions(results),
        judged=results.comparisons["images"],
        sections=sections,
    )


def filled(template: str, **values: object) -> str:
    """A template of this folder, with the style that all pages of the report share."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(style=Markup((HERE / "style.css").read_text()), **values)
