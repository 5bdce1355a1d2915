"""Is a retrained model good enough to take the place of the one in use?

Pure: the scores of candidate and champion and a list of rules go in, a verdict with one reason per rule comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Direction = Literal["better", "not_worse", "at_least", "at_most"]


class Rule(Protocol):
    """What one score must meet.

    `better` asks that the candidate is better than the champion by more than `margin`, and surely: by the whole
    interval of their paired difference. `not_worse` bears that it is worse by `margin`. `at_least` and `at_most` hold
    the score itself against `margin`, whatever the champion has.
    """

    metric: str
    direction: Direction
    margin: float


@dataclass(frozen=True)
class Judged:
    """A score of both models against the same images.

    low, high: 95 % interval of the paired difference, candidate less champion, where the score has one.
    """

    candidate: float
    champion: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Verdict:
    passed: bool
    reasons: tuple[str, ...]


def judge(
    scores: Mapping[str, Judged], rules: Sequence[Rule], better: Mapping[str, Literal["lower", "higher"]]
) -> Verdict:
    """The verdict on the scores by name, with the reason of each rule; a score that is missing fails its rule.

    `better` tells of each score which direction is better.
    """
    results = [_apply(rule, scores.get(rule.metric), better[rule.metric]) for rule in rules]
    return Verdict(all(passed for passed, _ in results), tuple(reason for _, reason in results))


def _apply(rule: Rule, score: Judged | None, better: str) -> tuple[bool, str]:
    if score is None:
        return False, f"{rule.metric} could not be measured: refused"
    passed, asked = _RULES[rule.direction](rule.margin, score, better)
    told = f"{rule.metric} {score.champion:.4g} -> {score.candidate:.4g}"
    return passed, f"{told}, {asked}: {'passed' if passed else 'refused'}"


def _better(margin: float, score: Judged, better: str) -> tuple[bool, str]:
    if score.low is None or score.high is None:
        return False, "has no interval of the paired difference"
    surely = -score.high if better == "lower" else score.low
    interval = f"{score.low:.4g} to {score.high:.4g}"
    return surely > margin, f"difference {interval}, asked to be better by more than {margin:g}"


def _not_worse(margin: float, score: Judged, better: str) -> tuple[bool, str]:
    worse_by = (score.candidate - score.champion) * (1 if better == "lower" else -1)
    return worse_by <= margin, f"may be worse by {margin:g}"


def _at_least(margin: float, score: Judged, better: str) -> tuple[bool, str]:
    return score.candidate >= margin, f"asked to be at least {margin:g}"


def _at_most(margin: float, score: Judged, better: str) -> tuple[bool, str]:
    return score.candidate <= margin, f"asked to be at most {margin:g}"


_RULES = {"better": _better, "not_worse": _not_worse, "at_least": _at_least, "at_most": _at_most}
