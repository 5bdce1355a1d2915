"""How do the sections become one page that opens anywhere, without a network?"""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from pullback.report._labels import decimals, interval, joined, label, number
from pullback.report._results import Results
from pullback.report._section import Section
from pullback.report._verdicts import verdict

HERE = Path(__file__).parent


def render(results: Results, sections: Mapping[str, Section]) -> str:
    """The page: its summary, and the sections by name, in their order."""
    return filled("page.html.j2", title=title(results), summary=summary(results), sections=sections)


def filled(template: str, **values: object) -> str:
    """A template of this folder, with the style that all pages of the report share."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(style=Markup((HERE / "style.css").read_text()), **values)


def title(results: Results) -> str:
    return f"{joined(results.evaluations)} on {label(results.prepared['name'])}"


def summary(results: Results) -> str:
    """Who leads by the first metric, whether by more than chance, and what real images score."""
    data = results.prepared
    images = f"{sum(data['images'].values()):,} images of {data['size']} by {data['size']} pixels."
    if not results.better:
        return images
    metric, direction = next(iter(results.better.items()))
    scores = {source: each[metric] for source, each in results.scores.items() if metric in each}
    first, *others = sorted(scores, key=lambda source: scores[source]["value"], reverse=direction == "higher")
    places = decimals(each["value"] for each in scores.values())
    told = {
        source: f"{number(each['value'], places)} ({interval(each['low'], each['high'], places)})"
        for source, each in scores.items()
    }
    lead = label(first)
    if others:
        apart = _apart(results, first, others[0], metric)
        lead += " leads" if apart else f" and {label(others[0])} are too close to call"
    against = ", ".join(f"{told[source]} for {label(source)}" for source in others)
    floor = (
        f" Other real images score {number(results.floor[metric]['value'], places)}." if metric in results.floor else ""
    )
    return (
        f"{images} By {label(metric)} on the features of the {label(results.feature_map['name'])} map, "
        f"{direction} being better, {lead}: {told[first]}{' against ' if against else ''}{against}.{floor}"
    )


def _apart(results: Results, first: str, second: str, metric: str) -> bool:
    """By the paired comparison, or by the intervals where these were not compared."""
    a, b = (results.scores[source][metric] for source in (first, second))
    found = verdict(results, first, second, metric)
    return found != "not distinguishable" if found else a["high"] < b["low"] or b["high"] < a["low"]
