"""Which of two sources is better, by which scores, and by which can nobody tell?"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from pullback.labels import decimals, label, number
from pullback.report._results import Results
from pullback.report._section import NOTHING, heading, paragraph, table

WORDS = {"better": "better", "worse": "worse", "not distinguishable": "\N{EN DASH}"}


def verdicts(results: Results) -> Markup:
    """A row per pair, a column per score; nothing where there is but one source."""
    pairs = results.comparisons["pairs"]
    scores = [score for score in results.better if any(score in pair["verdicts"] for pair in pairs)]
    if not scores:
        return NOTHING
    note = paragraph(
        "Is the first of two sources better or worse than the second? Both are held against the same "
        f"{results.comparisons['images']:,} real images, so that what chance put among these counts for neither. Below "
        "each verdict the difference with its 95 % interval; where this holds 0, the two are not distinguishable, and "
        "the verdict is a dash. It speaks of these two trained models; another training moves scores too."
    )
    rows = (
        [f"{label(pair['a'])} or {label(pair['b'])}", *(_told(pair["verdicts"].get(score)) for score in scores)]
        for pair in pairs
    )
    return heading("Which is better?") + note + table(["", *map(label, scores)], rows, "compared")


def _told(found: Mapping[str, Any] | None) -> Markup:
    return Markup("{}<small>{}</small>").format(WORDS[found["verdict"]], difference(found)) if found else NOTHING


def difference(found: Mapping[str, Any]) -> str:
    """With half of its 95 % interval, in whose middle it is."""
    places = decimals([found["a"], found["b"]])
    return f"{number(found['difference'], places)} ± {number((found['high'] - found['low']) / 2, places)}"


def compared(results: Results, a: str, b: str) -> dict[str, Any]:
    """By score, how source `a` compares with `b`, in whichever order they were compared; empty if they were not."""
    for pair in results.comparisons["pairs"]:
        if (pair["a"], pair["b"]) == (a, b):
            return dict(pair["verdicts"])
        if (pair["b"], pair["a"]) == (a, b):
            return {score: _turned(found) for score, found in pair["verdicts"].items()}
    return {}


def _turned(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "a": found["b"],
        "b": found["a"],
        "difference": -found["difference"],
        "low": -found["high"],
        "high": -found["low"],
        "verdict": {"better": "worse", "worse": "better"}.get(found["verdict"], found["verdict"]),
    }
