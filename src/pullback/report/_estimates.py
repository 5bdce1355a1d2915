"""How do the scores of all sources stand in a table, beside what real images score?"""

from collections.abc import Iterable

from markupsafe import Markup

from pullback.report._labels import decimals, interval, label, number
from pullback.report._results import Results
from pullback.report._section import table

ABSENT = Markup("\N{EN DASH}")
ARROWS = {"lower": "\N{DOWNWARDS ARROW}", "higher": "\N{UPWARDS ARROW}"}


def estimates(results: Results, metrics: Iterable[str]) -> Markup:
    """A row per source, the floor last; a column per metric with values, intervals, and both as marks on a scale."""
    metrics = [*metrics]
    names = [*map(label, results.scores), "real images (floor)"]
    rows = zip(names, *(_column(results, metric) for metric in metrics), strict=True)
    return table(["", *(_head(results, metric) for metric in metrics)], rows, "scores")


def _head(results: Results, metric: str) -> Markup:
    """Its name, which direction is better, and the numbers of real and of generated images behind it."""
    scored = [scores[metric] for scores in results.scores.values() if metric in scores]
    counts = sorted({f"{each['n_real']:,} / {each['n_fake']:,}" for each in scored})
    arrow = ARROWS[results.better[metric]]
    return Markup("{} {}<small>n = {}</small>").format(label(metric), arrow, " or ".join(counts))


def _column(results: Results, metric: str) -> list[Markup]:
    models = [scores.get(metric) for scores in results.scores.values()]
    estimates = [*models, results.floor.get(metric)]
    places = decimals(each["value"] for each in models if each)
    pick = min if results.better[metric] == "lower" else max
    best = pick(each["value"] for each in models if each)
    ends = [each[key] for each in estimates if each for key in ("value", "low", "high")]
    least, width = min(ends), max(ends) - min(ends) or 1.0
    return [
        Markup(
            '<span class="{}">{}</span><small>{}</small>'
            '<span class="strip" style="--at:{:.1f}%;--low:{:.1f}%;--high:{:.1f}%"></span>'
        ).format(
            "best" if each in models and each["value"] == best else "",
            number(each["value"], places),
            interval(each["low"], each["high"], places),
            *(100 * (each[key] - least) / width for key in ("value", "low", "high")),
        )
        if each
        else ABSENT
        for each in estimates
    ]
