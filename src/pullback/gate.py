"""Is a retrained model good enough to take the place of the one in use?

Pure: the scores of candidate and champion and a list of rules go in, a verdict with one reason per rule comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


class Rule(Protocol):
    """`metric` may be worse than the champion's by at most `margin`; a negative margin asks for an improvement."""

    metric: str
    better: Literal["lower", "higher"]
    margin: float


@dataclass(frozen=True)
class Verdict:
    passed: bool
    reasons: tuple[str, ...]


def judge(candidate: Mapping[str, float], champion: Mapping[str, float], rules: Sequence[Rule]) -> Verdict:
    """The verdict on two sets of scores by name; a score that either lacks fails its rule."""
    results = [_apply(rule, candidate.get(rule.metric), champion.get(rule.metric)) for rule in rules]
    return Verdict(all(passed for passed, _ in results), tuple(reason for _, reason in results))


def _apply(rule: Rule, new: float | None, old: float | None) -> tuple[bool, str]:
    if new is None or old is None:
        return False, f"{rule.metric} is missing in the {'candidate' if new is None else 'champion'}"
    worse_by = new - old if rule.better == "lower" else old - new
    passed = worse_by <= rule.margin
    return passed, f"{rule.metric} {old:.4g} -> {new:.4g} ({'ok' if passed else 'worse'}, margin {rule.margin:g})"
