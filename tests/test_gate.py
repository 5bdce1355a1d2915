"""The gate passes what is better by the rules, and says of each rule why."""

import random

import pytest

from pullback.config import GateRule
from pullback.gate import Judged, judge

BETTER = {"fid": "lower", "recall": "higher"}


def rule(metric, direction, margin=0.0):
    return GateRule(metric=metric, direction=direction, margin=margin)


@pytest.mark.parametrize(
    ("score", "margin", "passed"),
    [
        (Judged(8.0, 10.0, -3.0, -1.0), 0.0, True),
        (Judged(8.0, 10.0, -3.0, -1.0), 1.0, False),  # by more than 1 for sure, it is not
        (Judged(8.0, 10.0, -5.0, 1.0), 0.0, False),  # by chance
        (Judged(12.0, 10.0, 1.0, 3.0), 0.0, False),
        (Judged(8.0, 10.0), 0.0, False),  # no interval
    ],
)
def test_better_is_by_the_whole_interval_of_the_paired_difference(score, margin, passed):
    assert judge({"fid": score}, [rule("fid", "better", margin)], BETTER).passed is passed


def test_where_higher_is_better_the_lower_end_counts():
    for low, passed in ((0.01, True), (-0.01, False)):
        score = Judged(0.6, 0.5, low, 0.2)
        assert judge({"recall": score}, [rule("recall", "better")], BETTER).passed is passed


@pytest.mark.parametrize("name", ["fid", "recall"])
def test_of_two_models_at_most_one_is_better_and_swapping_them_swaps_the_verdicts(name):
    """The score and its interval change their signs, and so does which of the two may replace the other."""
    draw, decided, other = random.Random(0), 0, {"fid": "higher", "recall": "lower"}
    for _ in range(200):
        candidate, champion, reach = draw.random(), draw.random(), draw.random() / 2
        low, high, margin = candidate - champion - reach, candidate - champion + reach, draw.random() / 10
        score, swapped = Judged(candidate, champion, low, high), Judged(champion, candidate, -high, -low)
        asked = [rule(name, "better", margin)]
        passes, passes_swapped = (judge({name: each}, asked, BETTER).passed for each in (score, swapped))
        assert not (passes and passes_swapped)
        assert passes_swapped == judge({name: score}, asked, other).passed
        assert not passes or judge({name: score}, [rule(name, "not_worse")], BETTER).passed
        decided += passes or passes_swapped
    assert 50 < decided < 150


@pytest.mark.parametrize(
    ("direction", "margin", "fid", "recall"),
    [("not_worse", 0.02, False, True), ("at_least", 0.48, True, True), ("at_most", 0.48, False, False)],
)
def test_each_direction_reads_the_score_the_way_that_is_better(direction, margin, fid, recall):
    scores = {"fid": Judged(10.03, 10.0), "recall": Judged(0.49, 0.5)}
    for name, passed in (("fid", fid), ("recall", recall)):
        assert judge(scores, [rule(name, direction, margin)], BETTER).passed is passed


def test_every_rule_has_its_reason_and_one_that_fails_refuses():
    scores = {"fid": Judged(8.0, 10.0, -3.0, -1.0), "recall": Judged(0.4, 0.5)}
    verdict = judge(scores, [rule("fid", "better"), rule("recall", "not_worse", 0.02)], BETTER)
    assert not verdict.passed
    assert verdict.reasons == (
        "fid 10 -> 8, difference -3 to -1, asked to be better by more than 0: passed",
        "recall 0.5 -> 0.4, may be worse by 0.02: refused",
    )


def test_a_score_that_could_not_be_measured_refuses():
    verdict = judge({}, [rule("fid", "at_most", 100)], BETTER)
    assert not verdict.passed
    assert verdict.reasons == ("fid could not be measured: refused",)
