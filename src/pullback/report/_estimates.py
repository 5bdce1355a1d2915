"""How do the scores of all sources stand in a table, beside what real images score?"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from markupsafe import Markup

from pullback.labels import LEAST, decimals, interval, label, number
from pullback.report._results import Results
from pullback.report._section import NOTHING, table

ABSENT = Markup("\N{EN DASH}")
ARROWS = {"lower": "\N{DOWNWARDS ARROW}", "higher": "\N{UPWARDS ARROW}"}


def estimates(results: Results, metrics: Iterable[str]) -> Markup:
    """A row per source, the floor last; a column per metric with values, intervals, and both as marks on a scale."""
    metrics = [*metrics]
    names = [*(_name(results, source) for source in results.scores), "real images (floor)"]
    rows = zip(names, *(_column(results, metric) for metric in metrics), strict=True)
    return table(["", *(_head(results, metric) for metric in metrics)], rows, "scores")


def best(results: Results, metric: str) -> float:
    """The best value of any source, real images aside."""
    pick = min if results.better[metric] == "lower" else max
    return pick(scores[metric]["value"] for scores in results.scores.values() if metric in scores)


def _name(results: Results, source: str) -> Markup:
    """With the number of the model's trainings, where it is more than one."""
    counts = {len(each["values"]) for each in results.repeats.get(source, {}).values()}
    trainings = NOTHING.join(Markup("<small>{} trainings</small>").format(count) for count in counts)
    return Markup("{}{}").format(label(source), trainings)


def _head(results: Results, metric: str) -> Markup:
    """Its name, which direction is better, the numbers of real and of generated images behind it, and of which kind the
    intervals are, where it is not the usual one."""
    scored = [scores[metric] for scores in results.scores.values() if metric in scores]
    counts = sorted({f"{each['n_real']:,} / {each['n_fake']:,}" for each in scored})
    arrow = ARROWS[results.better[metric]]
    intervals = Markup("<small>unbiased, 95 %</small>") if metric in LEAST else NOTHING
    return Markup("{} {}<small>n = {}</small>{}").format(label(metric), arrow, " or ".join(counts), intervals)


def _column(results: Results, metric: str) -> list[Markup]:
    least = LEAST.get(metric, -inf)
    found = (*(scores.get(metric) for scores in results.scores.values()), results.floor.get(metric))
    estimates = [each and each | {end: max(each[end], least) for end in ("low", "high")} for each in found]
    *models, floor = estimates
    over_trainings = [results.repeats.get(source, {}).get(metric) for source in results.scores]
    places = decimals(each["value"] for each in models if each)
    leading = best(results, metric)
    ends = [each[key] for each in estimates if each for key in ("value", "low", "high")]
    start, width = min(ends), max(ends) - min(ends) or 1.0
    return [
        Markup(
            '<span class="{}">{}</span><small>{}</small>{}'
            '<span class="strip" style="--at:{:.1f}%;--low:{:.1f}%;--high:{:.1f}%"></span>'
        ).format(
            "best" if each is not floor and each["value"] == leading else "",
            number(each["value"], places),
            interval(each["low"], each["high"], places, least),
            _over_trainings(repeated, places),
            *(100 * (each[key] - start) / width for key in ("value", "low", "high")),
        )
        if each
        else ABSENT
        for each, repeated in zip(estimates, [*over_trainings, None], strict=True)
    ]


def _over_trainings(repeated: Mapping[str, Any] | None, places: int) -> Markup:
    """Mean and standard deviation, where the model was trained more than once."""
    if repeated is None:
        return NOTHING
    mean, std = number(repeated["mean"], places), number(repeated["std"], places)
    return Markup("<small>{} ± {}</small>").format(mean, std)
