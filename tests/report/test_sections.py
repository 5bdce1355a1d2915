"""What each section says of results whose meaning is known."""

import re

import pytest

from pullback.report import cost, curves, maps, reconstructions, scores, what_ran
from pullback.report._results import Results


def text(html: str) -> str:
    """Without tags, words apart."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_what_ran_tells_the_data_the_code_and_the_parameters(results):
    told = text(what_ran.section(results).html)
    for fact in ("60 in train, 40 in test", "1 unreadable, 3 duplicates (2 between train and test)", "97.5%", "abc123"):
        assert fact in told
    assert "width 32 16" in told
    assert "spectral norm yes" in told


def test_the_best_model_of_a_metric_is_bold_and_the_floor_never(parts):
    whole = parts()
    whole["evaluations"]["vae"]["methods"]["prior"]["precision"] = {"value": 0.6, "low": 0.5, "high": 0.7}
    html = scores.section(Results(**whole)).html
    assert re.findall(r'class="best">([^<]+)<', html) == ["4.00", "0.600"]


def test_scores_name_n_the_feature_map_the_directions_and_the_meaning(results):
    told = text(scores.section(results).html)
    for fact in ("n = 40 images", "the classifier map", "FID ↓", "precision ↑", "it lies above the distance"):
        assert fact in told


@pytest.mark.parametrize("metric", ["fid", "brightness"])
def test_a_metric_needs_no_meaning(parts, metric):
    whole = parts(better={metric: "higher"})
    for evaluation in whole["evaluations"].values():
        for row in (evaluation["floor"], evaluation["methods"]["prior"]):
            row[metric] = row["fid"]
    assert ("The distance between Gaussians" in scores.section(Results(**whole)).html) == (metric == "fid")


def test_class_shares_are_left_out_where_the_feature_map_knows_other_classes(parts):
    whole = parts()
    assert "Classes" in scores.section(Results(**whole)).html
    whole["prepared"]["classes"] = ["one", "two", "three"]
    assert "Classes" not in scores.section(Results(**whole)).html


def test_maps_mark_missed_clusters_and_tell_what_could_not_be_placed(results):
    told = text(maps.section(results).html)
    assert told.count("missed by VAE prior") == 1
    assert "75.0% of the images placed" in told
    assert "falls into 2 parts" in told


def test_reconstructions_come_in_strips_of_pairs(results):
    assert [figure.name for figure in reconstructions.section(results).figures] == [
        f"reconstructions-vae-{i}" for i in range(3)
    ]


def test_curves_have_a_chart_per_column(results):
    names = [figure.name for figure in curves.section(results).figures]
    assert names == ["curve-gan-discriminator_accuracy", "curve-vae-kl"]


def test_cost_adds_up(results):
    assert "total 20.5" in text(cost.section(results).html)
