"""What the report says first."""

from dataclasses import replace

import pytest

from pullback.report._results import Results
from pullback.report._summary import conclusions, summary


def test_summary_says_who_leads_and_when_nobody_does(results, parts):
    assert "GAN prior leads: 4.00 against 8.00 for VAE prior." in summary(results)
    equal = parts()
    equal["evaluations"]["vae"] = equal["evaluations"]["gan"]
    equal["comparisons"]["pairs"] = []
    assert "GAN prior and VAE prior are too close to call" in summary(Results(**equal))
    uncompared = {"images": 40, "pairs": []}
    assert "VAE prior leads" in summary(replace(results, better={"fid": "higher"}, comparisons=uncompared))


def test_the_paired_comparison_decides_who_leads_in_the_summary(parts):
    whole = parts()
    whole["comparisons"]["pairs"][0]["verdicts"]["fid"]["verdict"] = "not distinguishable"
    assert "GAN prior and VAE prior are too close to call" in summary(Results(**whole))


def test_a_summary_without_a_floor(parts):
    whole = parts()
    for evaluation in whole["evaluations"].values():
        evaluation["floor"] = {}
    assert summary(Results(**whole)).endswith("for VAE prior.")


def told(results: Results) -> list[str]:
    return [": ".join(each).replace("\N{MINUS SIGN}", "-") for each in conclusions(results)]


def test_the_best_sources_of_two_models_are_compared_in_words(results):
    assert told(results) == [
        "GAN prior is better than VAE prior: FID 4.00 against 8.00 (difference -4.10 ± 1.10); "
        "precision not distinguishable"
    ]


def test_the_better_source_is_named_first_in_whichever_order_they_were_compared(parts):
    whole = parts()
    pair = whole["comparisons"]["pairs"][0]
    turned = {"a": 8.0, "b": 4.0, "difference": 4.1, "low": 3.0, "high": 5.2, "verdict": "worse"}
    whole["comparisons"]["pairs"] = [{"a": pair["b"], "b": pair["a"], "verdicts": {"fid": turned}}]
    assert told(Results(**whole)) == [
        "GAN prior is better than VAE prior: FID 4.00 against 8.00 (difference -4.10 ± 1.10)"
    ]


@pytest.mark.parametrize(
    ("fid", "precision", "words"),
    [
        ("worse", "better", "VAE GMM is worse than VAE prior: FID {}; better by precision"),
        ("not distinguishable", "worse", "VAE GMM is not distinguishable from VAE prior: FID {}; worse by precision"),
    ],
)
def test_ways_of_sampling_stand_beside_the_prior_of_their_model(parts, fid, precision, words):
    whole = parts()
    vae, whole["samples"]["vae gmm"] = whole["evaluations"]["vae"], whole["real"]
    vae["methods"] = {"gmm": vae["methods"]["prior"], "prior": vae["methods"]["prior"]}
    verdicts = whole["comparisons"]["pairs"][0]["verdicts"]
    verdicts["fid"]["verdict"], verdicts["precision"]["verdict"] = fid, precision
    whole["comparisons"]["pairs"] = [{"a": "vae gmm", "b": "vae prior", "verdicts": verdicts}]
    assert told(Results(**whole)) == [words.format("4.00 against 8.00 (difference -4.10 ± 1.10)")]


def test_the_first_score_that_was_compared_decides(parts):
    whole = parts()
    del whole["comparisons"]["pairs"][0]["verdicts"]["fid"]
    assert told(Results(**whole)) == [
        "GAN prior is not distinguishable from VAE prior: precision 0.500 against 0.500 (difference 0.000 ± 0.100)"
    ]


def test_without_a_metric_or_a_comparison_nothing_is_concluded(parts):
    assert told(Results(**parts(better={}))) == []
    assert told(Results(**parts(comparisons={"images": 40, "pairs": []}))) == []
