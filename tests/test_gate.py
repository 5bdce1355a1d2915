"""The gate lets a model pass that meets every rule, and says why."""

from pullback.config import GateRule
from pullback.gate import Verdict, judge

RULES = [GateRule(score="fid", margin=0.5), GateRule(score="recall", margin=0.02)]
BETTER = {"fid": "lower", "recall": "higher"}
CHAMPION = {"fid": 10.0, "recall": 0.5}


def verdict_on(candidate: dict, champion: dict, rules: list) -> Verdict:
    return judge(candidate, champion, rules, BETTER)


def test_a_better_model_passes() -> None:
    verdict = verdict_on({"fid": 8.0, "recall": 0.6}, CHAMPION, RULES)
    assert verdict.passed
    assert verdict.reasons == ("fid 10 -> 8 (ok, margin 0.5)", "recall 0.5 -> 0.6 (ok, margin 0.02)")


def test_worse_within_the_margin_passes_and_beyond_it_fails() -> None:
    assert verdict_on({"fid": 10.5, "recall": 0.485}, CHAMPION, RULES).passed
    verdict = verdict_on({"fid": 10.6, "recall": 0.485}, CHAMPION, RULES)
    assert not verdict.passed
    assert "worse" in verdict.reasons[0]
    assert "ok" in verdict.reasons[1]


def test_a_negative_margin_asks_for_an_improvement() -> None:
    rule = GateRule(score="fid", margin=-1.0)
    assert not verdict_on({"fid": 9.5}, CHAMPION, [rule]).passed
    assert verdict_on({"fid": 9.0}, CHAMPION, [rule]).passed


def test_a_missing_score_fails() -> None:
    verdict = verdict_on({"recall": 0.6}, CHAMPION, RULES)
    assert not verdict.passed
    assert verdict.reasons[0] == "fid is missing in the candidate"
