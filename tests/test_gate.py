"""The gate lets a model pass that meets every rule, and says why."""

from pullback.config import GateRule
from pullback.gate import judge

RULES = [GateRule(metric="fid", better="lower", margin=0.5), GateRule(metric="recall", better="higher", margin=0.02)]
CHAMPION = {"fid": 10.0, "recall": 0.5}


def test_a_better_model_passes() -> None:
    verdict = judge({"fid": 8.0, "recall": 0.6}, CHAMPION, RULES)
    assert verdict.passed
    assert verdict.reasons == ("fid 10 -> 8 (ok, margin 0.5)", "recall 0.5 -> 0.6 (ok, margin 0.02)")


def test_worse_within_the_margin_passes_and_beyond_it_fails() -> None:
    assert judge({"fid": 10.5, "recall": 0.485}, CHAMPION, RULES).passed
    verdict = judge({"fid": 10.6, "recall": 0.485}, CHAMPION, RULES)
    assert not verdict.passed
    assert "worse" in verdict.reasons[0]
    assert "ok" in verdict.reasons[1]


def test_a_negative_margin_asks_for_an_improvement() -> None:
    rule = GateRule(metric="fid", better="lower", margin=-1.0)
    assert not judge({"fid": 9.5}, CHAMPION, [rule]).passed
    assert judge({"fid": 9.0}, CHAMPION, [rule]).passed


def test_a_missing_score_fails() -> None:
    verdict = judge({"recall": 0.6}, CHAMPION, RULES)
    assert not verdict.passed
    assert verdict.reasons[0] == "fid is missing in the candidate"
