"""What each section says of results whose meaning is known."""

import io
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image

from pullback import parameters
from pullback.report import (
    classes,
    clusters,
    copies,
    cost,
    curves,
    geometry,
    images,
    maps,
    modes,
    paths,
    provenance,
    realism,
    reconstructions,
    scores,
    traversals,
    what_ran,
)
from pullback.report._figures import Figure
from pullback.report._results import Results

ROOT = Path(__file__).parents[2]


def text(html: str) -> str:
    """Without tags, words apart."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def rows(figure: Figure, count: int = 1) -> list[np.ndarray]:
    """The images (n, 1, 8, 8) of each of `count` rows of a picture, without the gaps between them."""
    pixels = np.array(Image.open(io.BytesIO(figure.png)))
    scale = pixels.shape[0] // (9 * count - 1)
    grey = np.pad(pixels[::scale, ::scale, 0], ((0, 1), (0, 1)))
    return list(grey.reshape(count, 9, -1, 9).swapaxes(1, 2)[:, :, None, :8, :8])


def test_what_ran_tells_the_data_and_the_parameters(results):
    told = text(what_ran.section(results).html)
    for fact in (
        "60 in train, 40 in test",
        "1 unreadable, 3 duplicates (2 between train and test)",
        "97.5%",
        "digest feedbeef00000000",
    ):
        assert fact in told
    assert "width 32 16" in told
    assert "spectral norm yes" in told


def test_what_ran_tells_what_null_means_and_leaves_free_what_a_model_has_not(parts):
    whole = parts()
    whole["params"]["models"]["gan"] |= {"gamma": None, "augment": []}
    whole["params"] |= {"data": {"source": None, "size": None}, "train": {"start": None}}
    html = what_ran.section(Results(**whole)).html
    assert '<th scope="row">gamma</th><td>auto</td><td></td>' in html
    assert "augment none" in text(html)
    assert "data.source as published data.size auto train.start from scratch" in text(html)


def test_what_is_named_as_unset_is_a_parameter_that_may_be_null():
    rows = parameters.table(parameters.read_comments(ROOT / "params.yaml"))
    for key in what_ran.UNSET:
        assert re.search(rf"^\| `{re.escape(key)}` \| [^|]*`null`", rows, re.MULTILINE), key


def test_the_best_model_of_a_metric_is_bold_and_the_floor_never(parts):
    whole = parts()
    whole["evaluations"]["vae"]["methods"]["prior"]["precision"]["value"] = 0.6
    whole["evaluations"]["gan"]["floor"]["fid"] = dict(whole["evaluations"]["gan"]["methods"]["prior"]["fid"])
    html = scores.section(Results(**whole)).html
    assert re.findall(r'class="best">([^<]+)<', html) == ["4.00", "0.600"]


def test_scores_show_mean_and_spread_of_several_trainings(parts):
    whole = parts()
    assert "trainings" not in scores.section(Results(**whole)).html
    repeats = {"prior": {"fid": {"values": [4.0, 5.0, 6.0], "mean": 5.0, "std": 1.0}}}
    whole["evaluations"]["gan"]["repeats"] = repeats
    told = text(scores.section(Results(**whole)).html)
    assert told.split("Which is better?")[0].count("±") == 1
    assert "GAN prior 3 trainings 4.00 3.60 to 4.40 5.00 ± 1.00 0.5" in told
    assert "standard deviation over all its trainings" in told


def test_scores_name_n_the_feature_map_the_directions_and_the_meaning(results):
    told = text(scores.section(results).html)
    for fact in (
        "n = 40 real / 40 generated",
        "FID ↓ n = 60 / 40",
        "precision ↑ n = 60 / 40",
        "it lies above the distance",
    ):
        assert fact in told


def test_scores_name_all_that_they_rest_on(results):
    told = text(scores.section(results).html)
    for fact in ("Feature map: classifier", "digest feedbeef00000000", "as clean-fid does", "seed 7"):
        assert fact in told
    assert "precision and recall: k 3, density k 5" in told
    assert "class labels of GAN prior and VAE prior by the feature map" in told
    assert "cells" not in told


def test_scores_that_a_source_or_the_floor_lacks_are_a_dash(parts):
    whole = parts()
    for evaluation in whole["evaluations"].values():
        del evaluation["floor"]["precision"]
    del whole["evaluations"]["vae"]["methods"]["prior"]["precision"]
    html = scores.section(Results(**whole)).html
    assert html.count("<td>\N{EN DASH}</td>") == 2
    assert re.findall(r'class="best">([^<]+)<', html) == ["4.00", "0.500"]


def test_the_interval_of_a_distance_is_unbiased_and_not_below_0(parts):
    whole = parts(better={"fid": "lower", "kid": "lower"})
    bounds = {"gan": (-1.0, 6.0), "vae": (-2.0, -1.0)}
    for model, (low, high) in bounds.items():
        evaluation = whole["evaluations"][model]
        for score in whole["better"]:
            evaluation["methods"]["prior"][score] = {"value": 5.0, "low": low, "high": high, "n_real": 60, "n_fake": 40}
        evaluation["floor"] = {"fid": {"value": 3.0, "low": -3.0, "high": 2.0, "n_real": 60, "n_fake": 40}}
    html = scores.section(Results(**whole)).html.replace("\N{MINUS SIGN}", "-")
    told = text(html)
    assert "FID ↓ n = 60 / 40 unbiased, 95 % KID ↓ n = 60 / 40 GAN prior" in told
    assert "GAN prior 5.00 0.00 to 6.00 5.00 -1.00 to 6.00" in told
    assert "VAE prior 5.00 not above 0 5.00 -2.00 to -1.00" in told
    assert "real images (floor) 3.00 0.00 to 2.00" in told
    assert "--at:83.3%;--low:0.0%;--high:100.0%" in html


def test_many_scores_are_split_into_tables_that_fit(parts):
    whole = parts(better={f"score{i}": "lower" for i in range(13)})
    for evaluation in whole["evaluations"].values():
        for row in (evaluation["floor"], evaluation["methods"]["prior"]):
            row |= dict.fromkeys(whole["better"], row["fid"])
    html = scores.section(Results(**whole)).html
    heads = re.findall("<thead>(.*?)</thead>", html)
    assert [re.findall(r"score\d+", head) for head in heads] == [
        [f"score{i}" for i in part] for part in (range(6), range(6, 13))
    ]


def test_every_score_has_a_meaning():
    from pullback import plugins

    known = {score for name in plugins.names("evaluation") for score in plugins.load("evaluation", name).BETTER}
    assert not known - set(scores.MEANINGS)


def test_verdicts_stand_in_a_table_with_the_differences(results):
    told = text(scores.section(results).html).replace("\N{MINUS SIGN}", "-")
    assert "FID precision GAN prior or VAE prior better -4.10 ± 1.10 \N{EN DASH} 0.000 ± 0.100" in told
    assert "the same 40 real images" in told


def test_scores_in_which_a_pair_was_not_compared_are_left_blank(parts):
    whole = parts()
    first = whole["comparisons"]["pairs"][0]
    worse = {"fid": first["verdicts"]["fid"] | {"verdict": "worse"}}
    whole["comparisons"]["pairs"].append({"a": "vae prior", "b": "gan prior", "verdicts": worse})
    html = scores.section(Results(**whole)).html
    assert "VAE prior or GAN prior worse" in text(html)
    assert html.count("<td></td>") == 1


def test_one_source_has_no_verdict(parts):
    assert "Which is better?" not in scores.section(Results(**parts(comparisons={"images": 40, "pairs": []}))).html


def test_copies_stand_beside_their_training_images_nearest_first(results):
    section = copies.section(results)
    pairs = [(5, 50), (6, 51), (7, 50), (8, 52)]
    assert [figure.name for figure in section.figures] == ["copies-gan-prior", "copies-vae-prior"]
    for (left, right), (fake, train) in zip(rows(section.figures[0], 4), pairs, strict=True):
        assert (left == results.samples["gan prior"][fake]).all()
        assert (right == results.train[train]).all()
    alts = re.findall(r'alt="(.+?)"', section.html)
    assert len(alts) == 8
    assert alts[1] == "GAN prior: image 6 beside training image 51, ratio 0.12"
    cards = [text(card) for card in section.html.split('<div class="card ')[1:5]]
    assert [re.search(r"ratio [\d.]+( near-copy)?", card)[0] for card in cards] == [
        "ratio 0.00 near-copy",
        "ratio 0.12 near-copy",
        "ratio 0.50",
        "ratio 0.75",
    ]
    assert text(section.html).count("2 of the 40 images are near-copies.") == 2


def test_copies_show_the_scores_of_memorization(parts):
    whole = parts(better={"fid": "lower", "authenticity": "higher", "c_t": "higher"})
    for evaluation in whole["evaluations"].values():
        for row in (evaluation["floor"], evaluation["methods"]["prior"]):
            row |= {"authenticity": row["fid"], "c_t": row["fid"]}
    told = text(copies.section(Results(**whole)).html)
    assert "authenticity ↑ n = 60 / 40 C_T ↑ n = 60 / 40" in told
    assert "FID" not in told


@pytest.mark.parametrize(
    ("pairs", "words"),
    [([], "None of the 40 images is a near-copy. <held out>"), ([[5, 50, 0.0]], "1 of the 40 images is a near-copy.")],
)
def test_copies_are_counted_and_noted(parts, pairs, words):
    whole = parts()
    found = whole["evaluations"]["gan"]["findings"]["prior"]["memorization"]
    found |= {"near_copies": pairs, "note": "<held out> images are few"}
    section = copies.section(Results(**whole))
    assert words in text(section.html)
    assert "&lt;held out&gt;" in section.html


def test_no_more_copies_than_fit_into_two_rows(parts):
    whole = parts()
    found = whole["evaluations"]["gan"]["findings"]["prior"]["memorization"]
    found["near_copies"] = [[i, 0, i / 100] for i in range(40)]
    section = copies.section(Results(**whole))
    assert len(rows(section.figures[0], 16)) == 16
    assert section.html.count('<div class="card ') == 16 + 4
    assert "40 of the 40 images are near-copies." in text(section.html)


def test_modes_show_real_images_of_the_kind_above_generated_ones(results):
    missing, over = modes.section(results).figures[:2]
    assert (rows(missing)[0] == results.real[[30, 31, 32]]).all()
    above, below = rows(over, 2)
    assert (above == results.real[[33, 34]]).all()
    assert (below == results.samples["gan prior"][[11, 12]]).all()


def test_modes_tell_both_shares_and_the_p_value(results):
    told = text(modes.section(results).html)
    assert "3.0% of GAN prior, 10.0% of the data, p = 1·10⁻⁹" in told
    assert "25.0% of VAE prior, 10.0% of the data, p = 0.012" in told


def test_modes_without_faults_are_told(parts):
    whole = parts()
    whole["evaluations"]["gan"]["findings"]["prior"]["modes"] = {"missing": [], "over_produced": []}
    section = modes.section(Results(**whole))
    told = text(section.html)
    assert "GAN prior: no kind of images is missing, and none is made too often." in told
    assert "VAE prior Missing, by real images of each kind:" in told
    assert len(section.figures) == 2


def test_realism_shows_the_most_and_the_least_realistic_images(results):
    section = realism.section(results)
    most, least = section.figures[2:]
    assert (rows(most)[0] == results.samples["vae prior"][:8]).all()
    assert (rows(least)[0] == results.samples["vae prior"][39:31:-1]).all()
    assert "Half of the images have a realism of 1.25 or more." in text(section.html)


def test_realism_without_a_finite_median_is_that_of_copies(parts):
    whole = parts()
    whole["evaluations"]["vae"]["findings"]["prior"]["precision_recall"]["realism"]["median"] = None
    told = text(realism.section(Results(**whole)).html)
    assert "VAE prior Half of the images or more are copies of real ones, so their realism is infinite." in told


@pytest.mark.parametrize(
    ("section", "metric"), [(copies, "memorization"), (modes, "modes"), (realism, "precision_recall")]
)
def test_a_section_without_findings_is_one_sentence(parts, section, metric):
    whole = parts()
    for evaluation in whole["evaluations"].values():
        del evaluation["findings"]["prior"][metric]
    told = section.section(Results(**whole))
    assert re.fullmatch(r"<p>No metric has [a-z ]+\.</p>\n", told.html)
    assert not told.figures


@pytest.mark.parametrize("metric", ["fid", "brightness"])
def test_a_metric_needs_no_meaning(parts, metric):
    whole = parts(better={metric: "higher"})
    for evaluation in whole["evaluations"].values():
        for row in (evaluation["floor"], evaluation["methods"]["prior"]):
            row[metric] = row["fid"]
    assert ("The distance between Gaussians" in scores.section(Results(**whole)).html) == (metric == "fid")


def test_class_shares_are_left_out_where_the_feature_map_knows_other_classes(parts):
    whole = parts()
    assert "How often" in classes.section(Results(**whole)).html
    whole["evaluations"]["gan"]["class_shares"]["real"] = [0.5, 0.3, 0.2]
    assert "How often" not in classes.section(Results(**whole)).html


def test_classes_tell_the_images_behind_each_share(parts):
    whole = parts()
    told = text(classes.section(Results(**whole)).html)
    assert "GAN prior VAE prior cat 95% 19 of 20 95% 19 of 20 <dog> 75% 15 of 20" in told
    assert "<dog> 25% 5 of 20" in told
    assert "Agreement" not in told
    whole["evaluations"]["gan"]["findings"]["prior"]["classification"] = {
        "labels": "of the model",
        "agreement": {
            "real": {"hits": [20, 18], "images": [20, 20]},
            "fake": {"hits": [0, 8], "images": [0, 40]},
        },
    }
    told = text(classes.section(Results(**whole)).html)
    assert "real GAN prior cat 100% 20 of 20 \N{EN DASH} <dog> 90% 18 of 20 20% 8 of 40" in told


def test_images_without_classes_have_no_tables_of_them(parts):
    whole = parts()
    whole["prepared"]["classes"] = []
    assert text(classes.section(Results(**whole)).html) == "The images have no classes."


def test_maps_tell_what_could_not_be_placed_and_what_each_source_makes_of_them(results):
    told = text(maps.section(results).html)
    assert "75.0% of the images placed" in told
    assert "falls into 2 parts" in told
    assert "t-SNE, GAN prior 0.980 0.970 0.900" in told
    assert "features, nearest neighbours 50.0% (45.0 to 55.0)" in told
    assert "t-SNE, logistic regression 40.0% (36.0 to 44.0)" in told


@pytest.mark.parametrize(
    ("neighbors", "isomap", "named"),
    [(8, 8, None), (9, 8, "manifold.neighbors (9);"), (8, 12, "manifold.maps.isomap.neighbors (12);")],
)
def test_maps_warn_of_graphs_with_short_circuits(parts, neighbors, isomap, named):
    whole = parts()
    whole["params"]["manifold"] = {"neighbors": neighbors, "maps": {"isomap": {"neighbors": isomap}, "tsne": {}}}
    assert "Short circuit" not in maps.section(Results(**whole)).html
    whole["manifold"]["sweep"]["short_circuits"] = [9, 11]
    told = text(maps.section(Results(**whole)).html)
    assert ("Short circuit From 9 neighbours on" in told) == bool(named)
    assert not named or f"may be too short with {named}" in told


def test_maps_predict_nothing_where_there_are_no_classes(parts):
    whole = parts()
    for found in (whole["manifold"]["features"], whole["manifold"]["maps"]["tsne"]):
        found["prediction"] = {}
    assert "know the classes" not in maps.section(Results(**whole)).html


def test_clusters_mark_what_is_missing_and_how_they_agree_with_the_classes(results):
    told = text(clusters.section(results).html)
    assert told.count("missing from VAE prior (p = 1·10⁻⁴)") == 1
    assert "k-means 2 10.0% 0.700 0.750" in told
    assert "HDBSCAN 2 10.0%" in told


def test_geometry_tells_the_graph_the_paths_and_the_dimensions(results):
    section = geometry.section(results)
    told = text(section.html)
    assert "Good is k = 5: the graph is in one piece." in told
    assert "3.0 straight, 4.0 along the data, correlation \N{MINUS SIGN}0.50" in told
    assert (rows(section.figures[0])[0][:3] == results.map_images[[0, 7, 3]]).all()
    assert "GAN prior 20 5.0 (4.5 to 5.5) 6.0 (5.4 to 6.6)" in told
    assert "components loops floor 0.125 0.125 GAN prior 0.250 0.500 VAE prior" in told


def test_the_legend_of_the_loops_lies_on_no_curve(parts, monkeypatch):
    drawn = []

    def chart(name, draw, alt):
        canvas = Canvas(figsize=(4.2, 2.4), layout="constrained")
        drawn.append(canvas.add_subplot())
        draw(drawn[0])
        canvas.draw_without_rendering()

    monkeypatch.setattr(geometry, "chart", chart)
    sources = ["gan truncation", "vae manifold", "vae gmm", "vae prior"]
    results = Results(**parts(samples=dict.fromkeys(sources)))
    results.manifold["topology"]["homology"][1]["betti"] = {source: [5, 5, 5] for source in results.sources}
    geometry._betti(results, 1)
    (axes,) = drawn
    legend, page = axes.get_legend().get_window_extent(), axes.figure.bbox
    assert not legend.overlaps(axes.get_window_extent())
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1
    assert legend.y1 <= page.y1


def test_geometry_without_homology(parts):
    whole = parts()
    whole["manifold"]["topology"] = None
    assert "Topology" not in geometry.section(Results(**whole)).html


def test_images_without_labels_are_the_first_of_each_source(results):
    section = images.section(results)
    assert "rows" not in text(section.html)
    shown = np.concatenate(rows(section.figures[1], 5))
    assert (shown == results.samples["gan prior"]).all()


def test_images_with_labels_have_a_row_for_each_class(parts):
    whole = parts()
    labels = np.repeat([1, 0, 1], [2, 3, 35])
    whole["labels"]["gan prior"] = labels
    section = images.section(Results(**whole))
    assert "the rows are the classes, from the top: cat, <dog>." in text(section.html)
    cats, dogs = rows(section.figures[1], 2)
    drawn = whole["samples"]["gan prior"]
    assert (cats[:3] == drawn[2:5]).all()
    assert (dogs == drawn[[0, 1, 5, 6, 7, 8, 9, 10]]).all()
    alpha = np.array(Image.open(io.BytesIO(section.figures[1].png)))[..., 1]
    assert alpha[0, 0] == 255
    assert not alpha[0, alpha.shape[1] * 3 // 8 :].any()
    assert len(rows(section.figures[2], 5)) == 5


def test_many_classes_have_their_first_shown(parts):
    whole = parts()
    whole["prepared"]["classes"] = [f"class {i}" for i in range(12)]
    whole["labels"]["real"] = np.arange(40) % 12
    section = images.section(Results(**whole))
    assert "the first 10 of 12 classes, from the top: class 0, " in text(section.html)
    shown = rows(section.figures[0], 10)
    assert (shown[9][:3] == whole["real"][[9, 21, 33]]).all()


def test_reconstructions_come_in_strips_of_pairs(results):
    assert [figure.name for figure in reconstructions.section(results).figures] == [
        f"reconstructions-vae-{i}" for i in range(3)
    ]


def test_paths_stand_under_each_other_kind_by_kind(results):
    figures = paths.section(results).figures
    assert [figure.name for figure in figures] == [f"paths-{model}-{i}" for model in ("gan", "vae") for i in range(3)]
    for kind, row in zip(("pixels", "straight", "geodesic"), rows(figures[4], 3), strict=True):
        assert (row == results.paths["vae"][kind][1]).all()


def test_few_and_every_second_of_large_images_are_shown(parts):
    whole = parts(128)
    _, vae = paths.section(Results(**whole)).figures
    pixels = np.array(Image.open(io.BytesIO(vae.png)))[..., 0]
    assert (pixels[5:133, 5:133] == whole["paths"]["vae"]["pixels"][0, 0, 0]).all()
    assert (pixels[5:133, -133:-5] == whole["paths"]["vae"]["pixels"][0, 8, 0]).all()
    assert pixels.shape[1] == 5 * 139 - 1


def test_paths_tell_the_shortest_and_the_most_realistic(results):
    gan, vae = text(paths.section(results).html).split(" VAE ", 1)
    assert "straight in the latent space 1.25 1.60 0.90 0.45 geodesic in the latent space 1.25 1.20 0.70 0.35" in gan
    assert "straight in pixels" not in gan.split("GAN", 1)[1]
    shortest = "Shortest in features: geodesic in the latent space"
    assert f"{shortest} (1.20). Most realistic: straight in the latent space (0.90). These are of 3 paths" in gan
    assert f"{shortest} (1.10). Most realistic: geodesic in the latent space (1.30)." in vae


def test_paths_that_look_equal_are_told_together(parts):
    whole = parts()
    found = whole["manifold"]["paths"]["gan"]
    found["straight"]["realism"] = found["geodesic"]["realism"] + 0.001
    told = text(paths.section(Results(**whole)).html)
    assert "Most realistic: straight in the latent space and geodesic in the latent space (0.70)." in told


def test_traversals_have_a_row_for_each_number(results):
    section = traversals.section(results)
    assert [figure.name for figure in section.figures] == ["traversals-gan", "traversals-vae"]
    for shown, row in zip(rows(section.figures[1], 8), results.traversals["vae"], strict=True):
        assert (shown == row).all()


def test_few_and_every_second_of_large_traversals_are_shown(parts):
    pixels = np.array(Image.open(io.BytesIO(traversals.section(Results(**parts(128))).figures[0].png)))
    assert pixels.shape[:2] == (4 * 139 - 1, 5 * 139 - 1)


def test_training_shows_the_curves_and_the_choice_of_the_weights(results):
    names = [figure.name for figure in curves.section(results).figures]
    assert names == ["curve-gan-discriminator_accuracy", "choice-gan", "curve-vae-terms-of-the-loss", "choice-vae"]
    told = text(curves.section(results).html)
    assert "The weights after 64 images were chosen by their FID, the lowest." in told
    assert "The weights after 128 images were chosen by their FID, the lowest." in told


def test_losses_share_a_chart_and_sums_of_the_shown_are_left_out(parts):
    whole = parts()
    seen = whole["curves"]["gan"]["seen_images"]
    logged = ["loss", "reconstruction", "kl", "bits_per_dim", "active_units"]
    whole["curves"] = {
        "gan": {"seen_images": seen, "discriminator_loss": seen, "generator_loss": seen, "loss": seen},
        "vae": {"seen_images": seen} | dict.fromkeys(logged, seen),
    }
    names = [figure.name for figure in curves.section(Results(**whole)).figures if figure.name.startswith("curve")]
    assert names == ["curve-gan-losses", "curve-gan-loss", "curve-vae-terms-of-the-loss", "curve-vae-active_units"]


def test_a_curve_with_gaps_is_drawn_through_them(parts):
    whole = parts()
    whole["curves"]["gan"] = {"seen_images": np.arange(1.0, 5), "penalty": np.array([1.0, np.nan, 3.0, np.nan])}
    figure = curves.section(Results(**whole)).figures[0]
    assert "penalty 3" in figure.html
    assert "nan" not in figure.html
    whole["curves"]["gan"] = {"seen_images": np.array([1.0, 3.0, 4.0]), "penalty": np.array([1.0, 3.0, np.nan])}
    assert curves.section(Results(**whole)).figures[0].png == figure.png


def test_training_tells_the_likelihood_of_test_images_where_a_model_knows_it(results):
    gan, vae = text(curves.section(results).html).split(" VAE ", 1)
    assert "ELBO \N{MINUS SIGN}18.24 0.411" in vae
    assert "KL 6.10" in vae
    assert "13.5 of 16 latent dimensions" in vae
    assert "ELBO" not in gan


def test_training_shows_what_was_wrong_or_that_nothing_was(parts):
    whole = parts()
    assert curves.section(Results(**whole)).html.count("No sign of divergence") == 2
    whole["trainings"]["gan"]["diagnosis"] = {"mode_collapse": "a kind of image is <missing>"}
    html = curves.section(Results(**whole)).html
    assert html.count("No sign of divergence") == 1
    assert '<div class="kind">mode collapse</div><em>a kind of image is &lt;missing&gt;</em>' in html


def test_curves_are_said_to_be_of_the_first_training_where_there_are_more(parts):
    whole = parts()
    assert "first training" not in curves.section(Results(**whole)).html
    whole["evaluations"]["gan"]["repeats"] = {"prior": {"fid": {"values": [4.0, 6.0], "mean": 5.0, "std": 1.4}}}
    assert "first training" in curves.section(Results(**whole)).html


def test_cost_adds_up(results):
    assert "total 23.5" in text(cost.section(results).html)
    assert "sampling method" not in cost.section(results).html


def test_provenance_tells_the_code_the_digests_and_the_runs(results):
    html = provenance.section(results).html
    for fact in ("abc123", "Python 3.11.2", "pets, digest d1ge57", "digest feedbeef00000000", "2020-02-02 20:20"):
        assert fact in text(html)
    assert "download data/raw ab12.dir cafe train@gan" in text(html)
    assert 'href="http://127.0.0.1:5000/#/experiments/1/runs/cafe"' in html


def test_provenance_links_to_the_tracking_server_and_keeps_its_password(parts):
    html = provenance.section(Results(**parts(store="https://me:secret@host:8443/ml/"))).html
    assert 'href="https://host:8443/ml/#/experiments/1/runs/cafe"' in html
    assert "secret" not in html


def test_provenance_links_the_run_of_the_pipeline_where_a_server_shows_it(parts):
    recorded = {provenance.EXECUTION: "face"}
    alone = provenance.facts(Results(**parts(recorded=recorded)))
    assert text(alone[provenance.EXECUTION]) == "face , which pullback ui shows"
    served = provenance.facts(Results(**parts(recorded=recorded, store="https://me:secret@host:8443/ml/")))
    assert served[provenance.EXECUTION] == '<a href="https://host:8443/ml/#/runs/face"><code>face</code></a>'
    stage = (ROOT / "stages/report.py").read_text()
    assert "EXECUTION: run.tracked.parent_id" in stage


def test_provenance_outside_git_and_mlflow(parts):
    told = text(provenance.section(Results(**parts(revision="", origins={}))).html)
    assert "Code not under version control" in told


def test_cost_names_the_machines_and_what_ran_on_them(results):
    assert "on top. old, 4 cores download new, 8 cores train@gan, evaluate@gan seconds" in text(
        cost.section(results).html
    )


def test_cost_names_the_pace_of_each_sampling_method(parts):
    speeds = {"sample@vae": {"seconds": 3.0, "machine": "new", "gmm_images_per_second": 2345.6}}
    assert "VAE GMM 2,346" in text(cost.section(Results(**parts(speeds=speeds))).html)
