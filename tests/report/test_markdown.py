"""The report for a pull request: plain Markdown, rendered from the same results."""

import re

from pullback.report import images
from pullback.report._markdown import render_markdown
from pullback.report._results import Results


def rendered(results: Results) -> str:
    return render_markdown(results, {"images": images.section(results)})


def test_it_opens_with_the_title_the_outcome_and_the_verdicts(results):
    title, outcome, verdicts, *_ = rendered(results).split("\n\n")
    assert title == "# GAN and VAE on pets"
    assert "GAN prior leads" in outcome
    assert verdicts.startswith("- **GAN prior is better than VAE prior**: FID 4.00 against 8.00")


def test_every_score_has_a_row_with_intervals_and_the_best_in_bold(results):
    told = rendered(results)
    assert "|  | GAN prior | VAE prior | real images (floor) |\n| --- | --- | --- | --- |\n" in told
    assert (
        "\n| FID ↓ (unbiased, 95 %) | **4.00** (3.60 to 4.40) | 8.00 (7.20 to 8.80) | 0.50 (0.45 to 0.55) |\n" in told
    )
    assert told.count("**0.500**") == 2  # the precision of both
    assert "n = 40 real / 40 generated images; seed 7" in told


def test_the_interval_of_a_distance_is_not_below_0(parts):
    whole = parts()
    whole["evaluations"]["gan"]["methods"]["prior"]["fid"] |= {"low": -1.0, "high": -0.5}
    whole["evaluations"]["vae"]["methods"]["prior"]["fid"]["low"] = -1.0
    assert "| **4.00** (not above 0) | 8.00 (0.00 to 8.80) |" in rendered(Results(**whole))


def test_a_score_that_the_floor_lacks_is_left_blank(parts):
    whole = parts()
    for evaluation in whole["evaluations"].values():
        evaluation["floor"] = {}
    assert "8.00 (7.20 to 8.80) |  |\n" in rendered(Results(**whole))


def test_the_images_are_figures_of_the_report_beside_it(results):
    shown = re.findall(r"!\[(.+?)\]\(figures/(.+?)\.png\)", rendered(results))
    assert shown == [
        ("Images: real", "images-real"),
        ("Images: GAN prior", "images-gan-prior"),
        ("Images: VAE prior", "images-vae-prior"),
    ]
    assert [name for _, name in shown] == [figure.name for figure in images.section(results).figures]
    assert "figures/" not in render_markdown(results, {})


def test_it_ends_with_the_provenance(results):
    last = rendered(results).split("## Provenance\n\n")[1]
    for fact in ("- Code: abc123\n", "- Data: pets, digest d1ge57\n", "digest feedbeef00000000", "- Seed: 7\n"):
        assert fact in last


def test_without_metrics_there_is_no_table_of_scores(parts):
    told = rendered(Results(**parts(better={})))
    assert "## Scores" not in told
    assert told.startswith("# GAN and VAE on pets\n\n100 images of 8 by 8 pixels.\n\n| real |")
