"""Is a retrained model good enough to take the place of the one in use?

Pure: the scores of candidate and champion and a list of rules go in, a verdict with one reason per rule comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class Rule(Protocol):
    """`score` may be worse than the champion's by at most `margin`; a negative margin asks for an improvement."""

    score: str
    margin: float


@dataclass(frozen=True)
class Verdict:
    passed: bool
    reasons: tuple[str, ...]


def judge(
    candidate: Mapping[str, float],
    champion: Mapping[str, float],
    rules: Sequence[Rule],
    better: Mapping[str, Literal["lower", "higher"]],
) -> Verdict:
    """The verdict on two sets of scores by name; a score that either lacks fails its rule.

    `better` tells of each score which direction is better.
    """
    results = [_apply(rule, candidate.get(rule.score), champion.get(rule.score), better[rule.score]) for rule in rules]
    return Verdict(all(passed for passed, _ in results), tuple(reason for _, reason in results))


def _apply(rule: Rule, new: float | None, old: float | None, better: str) -> tuple[bool, str]:
    if new is None or old is None:
        return False, f"{rule.score} is missing in the {'candidate' if new is None else 'champion'}"
    worse_by = new - old if better == "lower" else old - new
    passed = worse_by <= rule.margin
    return passed, f"{rule.score} {old:.4g} -> {new:.4g} ({'ok' if passed else 'worse'}, margin {rule.margin:g})"
