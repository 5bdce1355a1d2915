"""Which of two sources is better, by which scores, and by which can nobody tell?"""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from pullback.report._labels import decimals, interval, label, number
from pullback.report._results import Results
from pullback.report._section import NOTHING, definitions, heading, paragraph


def verdicts(results: Results) -> Markup:
    """In words, pair by pair; nothing where there is but one source."""
    pairs = [pair for pair in results.comparisons["pairs"] if pair["verdicts"]]
    if not pairs:
        return NOTHING
    note = paragraph(
        f"Both sources of a pair against the same {results.comparisons['images']:,} real images, so that what chance "
        "put among these counts for neither: the two scores, their difference and its 95 % interval. They are not "
        "distinguishable where this interval holds 0. It speaks of these two trained models; another training moves "
        "scores too."
    )
    return (
        heading("Which is better?") + note + NOTHING.join(definitions(dict(_grouped(pair)), "wide") for pair in pairs)
    )


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


def _grouped(pair: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    a, b = label(pair["a"]), label(pair["b"])
    groups = {
        "better": f"{a} is better than {b} by",
        "worse": f"{b} is better than {a} by",
        "not distinguishable": f"{a} and {b} are not distinguishable by",
    }
    for outcome, words in groups.items():
        told = [_told(score, each) for score, each in pair["verdicts"].items() if each["verdict"] == outcome]
        if told:
            yield words, told


def _told(score: str, found: Mapping[str, Any]) -> str:
    places = decimals([found["a"], found["b"]])
    a, b, difference = (number(found[key], places) for key in ("a", "b", "difference"))
    return f"{label(score)} ({a} against {b}, difference {difference}, {interval(found['low'], found['high'], places)})"
