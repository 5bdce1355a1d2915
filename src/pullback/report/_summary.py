"""What came of it, in a few sentences?"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from pullback.labels import decimals, joined, label, number
from pullback.report._results import Results
from pullback.report._verdicts import compared, difference

HEADS = {
    "better": "is better than",
    "worse": "is worse than",
    "not distinguishable": "is not distinguishable from",
}
OTHERS = {"better": "better by {}", "worse": "worse by {}", "not distinguishable": "{} not distinguishable"}


class Verdict(NamedTuple):
    """ "VAE GMM is better than VAE prior", and by which scores."""

    head: str
    scores: str


def title(results: Results) -> str:
    return f"{joined(results.evaluations)} on {label(results.prepared['name'])}"


def summary(results: Results) -> str:
    """Who leads by the first metric, whether by more than chance, and what real images score."""
    data = results.prepared
    images = f"{sum(data['images'].values()):,} images of {data['size']} by {data['size']} pixels."
    if not results.better:
        return images
    metric, direction = next(iter(results.better.items()))
    first, *others = _ranked(results, [*results.scores])
    scores = {source: results.scores[source][metric] for source in (first, *others)}
    places = decimals(each["value"] for each in scores.values())
    told = {source: number(each["value"], places) for source, each in scores.items()}
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


def _ranked(results: Results, sources: Sequence[str]) -> list[str]:
    """Those that have the first metric, the best first."""
    metric, direction = next(iter(results.better.items()))
    scores = {source: results.scores[source][metric]["value"] for source in sources if metric in results.scores[source]}
    return sorted(scores, key=lambda source: scores[source], reverse=direction == "higher")


def _apart(results: Results, first: str, second: str, metric: str) -> bool:
    """By the paired comparison, or by the intervals where these were not compared."""
    a, b = (results.scores[source][metric] for source in (first, second))
    found = compared(results, first, second).get(metric)
    return found["verdict"] == "better" if found else a["high"] < b["low"] or b["high"] < a["low"]


def conclusions(results: Results) -> list[Verdict]:
    """The best of each two models beside each other, and each way of sampling beside the prior of its model."""
    found = (_verdict(results, a, b) for a, b in _pairs(results))
    return [each for each in found if each]


def _pairs(results: Results) -> Iterator[tuple[str, str]]:
    if not results.better:
        return
    models = [[source for source in results.scores if source.split()[0] == model] for model in results.evaluations]
    best = [source for sources in models for source in _ranked(results, sources)[:1]]
    yield from combinations(_ranked(results, best), 2)
    for model, sources in zip(results.evaluations, models, strict=True):
        yield from ((source, f"{model} prior") for source in sources if source != f"{model} prior")


def _verdict(results: Results, a: str, b: str) -> Verdict | None:
    """By the first metric in which they were compared, and then by all others."""
    found = compared(results, a, b)
    scores = [score for score in results.better if score in found]
    if not scores:
        return None
    first, *others = scores
    groups = {outcome: [score for score in others if found[score]["verdict"] == outcome] for outcome in OTHERS}
    lead = found[first]
    places = decimals([lead["a"], lead["b"]])
    values = f"{number(lead['a'], places)} against {number(lead['b'], places)}"
    told = [
        f"{label(first)} {values} (difference {difference(lead)})",
        *(OTHERS[outcome].format(joined(named)) for outcome, named in groups.items() if named),
    ]
    return Verdict(f"{label(a)} {HEADS[lead['verdict']]} {label(b)}", "; ".join(told))
