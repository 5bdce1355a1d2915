"""The whole page: complete, self-contained, repeatable, and readable in a browser."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pullback import plugins
from pullback.report._page import render
from pullback.report._results import Results
from pullback.report._section import Section
from pullback.report._summary import summary

ORDER = [
    "images",
    "scores",
    "classes",
    "copies",
    "modes",
    "realism",
    "reconstructions",
    "traversals",
    "paths",
    "maps",
    "clusters",
    "geometry",
    "curves",
    "what_ran",
    "cost",
    "provenance",
]


def sections(results: Results) -> dict[str, Section]:
    return {name: plugins.load("report", name).section(results) for name in ORDER}


def page(results: Results) -> str:
    return render(results, sections(results))


@pytest.fixture(scope="module")
def usual(parts: Any) -> dict[str, Section]:
    """The sections of the usual results, drawn once, as drawing takes most of the time."""
    return sections(Results(**parts()))


@pytest.fixture(scope="module")
def html(parts: Any, usual: dict[str, Section]) -> str:
    return render(Results(**parts()), usual)


def test_every_section_is_in_the_page_and_in_the_contents(html, usual):
    for name, section in usual.items():
        assert f'<section id="{name}">' in html
        assert f'<a href="#{name}">{section.title}</a>' in html


def test_every_plugin_is_tested_here():
    assert plugins.names("report") == sorted(ORDER)


def test_only_the_last_two_sections_differ_between_two_runs_of_the_same_results(results, usual):
    other = replace(
        results, speeds={"download": {"seconds": 9.9, "machine": "new"}}, recorded={"Rendered": "2021-01-01 10:10"}
    )
    after = sections(other)
    assert [name for name in ORDER if usual[name] != after[name]] == ["cost", "provenance"]
    assert summary(results) == summary(other)


def test_the_page_requests_nothing(html):
    assert not re.findall(r"""src\s*=\s*["'](?!data:)[^"']*""", html)
    links = set(re.findall(r"""href\s*=\s*["'](?!data:|#)([^"']*)""", html))
    run = "http://127.0.0.1:5000/#/experiments/1/runs/cafe"
    assert links == {"map.html", "turing.html", run}  # beside the page, and in MLflow; asked for by a reader alone
    assert not re.findall(r"""@import|url\(["']?(?!#)""", html)
    assert "<script" not in html


def test_every_figure_has_a_text_and_a_name_of_its_own(html, usual):
    pictures = re.findall(r"<(?:img|svg)[^>]*>", html)
    figures = [figure for each in usual.values() for figure in each.figures]
    assert len({figure.name for figure in figures}) == len(figures)
    assert len(pictures) == len(figures) + 6  # of copies, 4 pairs of each of 2 sources stand in one file per source
    assert all(re.search(r'(?:alt|aria-label)="[^"]{5,}"', picture) for picture in pictures)
    assert all(figure.png.startswith(b"\x89PNG") for figure in figures)


def test_no_id_occurs_twice(html):
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


def test_names_from_the_data_are_escaped(html):
    assert "<dog>" not in html
    assert "&lt;dog&gt;" in html


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (128, 3)])
def test_images_of_any_size_make_a_light_page(parts, size, channels):
    assert len(page(Results(**parts(size, channels)))) < 10e6


def test_data_without_classes_models_without_encoders_maps_without_logits(parts):
    ordinary = parts()
    evaluations = {model: each | {"class_shares": {}} for model, each in ordinary["evaluations"].items()}
    prepared = ordinary["prepared"] | {"classes": [], "per_class": {"train": {}, "test": {}}}
    pixels = {"name": "pixels", "digest": "0ff", "resize": "none"}
    html = page(
        Results(**parts(evaluations=evaluations, prepared=prepared, reconstructions={}, paths={}, feature_map=pixels))
    )
    assert "Images per class" not in html
    assert "The images have no classes." in html
    assert "None of the models can encode an image." in html
    assert "No two images could be joined." in html


def test_one_model_alone(parts):
    whole = parts()
    one = {key: {"gan": whole[key]["gan"]} for key in ("evaluations", "curves")}
    one["samples"] = {"gan prior": whole["samples"]["gan prior"]}
    html = page(
        Results(
            **parts(
                **one,
                reconstructions={},
                comparisons={"images": 40, "pairs": []},
                map_sources=np.repeat(["real", "gan prior"], 30),
            )
        )
    )
    assert "<h1>GAN on pets</h1>" in html


def test_a_report_without_metrics(parts):
    results = Results(**parts(better={}))
    assert summary(results) == "100 images of 8 by 8 pixels."
    assert "No metric is switched on." in page(results)


def test_many_sources(parts):
    """More than there are colours, and several of one model."""
    whole = parts()
    sources = [f"vae way{i}" for i in range(7)]
    whole["samples"] = dict.fromkeys(sources, whole["real"])
    whole["labels"] = dict.fromkeys(["real", *sources], whole["labels"]["real"])
    scores = whole["evaluations"]["vae"]["methods"]["prior"]
    shares = {f"way{i}": [0.5, 0.5] for i in range(7)} | {"real": [0.5, 0.5]}
    changes = {"methods": {f"way{i}": scores for i in range(7)}, "class_shares": shares, "findings": {}}
    whole["evaluations"] = {"vae": whole["evaluations"]["vae"] | changes}
    for key in ("points", "dimension"):
        whole["manifold"][key] = dict.fromkeys(["real", *sources], whole["manifold"][key]["real"])
    whole["manifold"]["topology"] = None
    whole["manifold"]["maps"]["tsne"]["sources"] = dict.fromkeys(["real", *sources])
    for key in ("kmeans", "hdbscan"):
        whole["manifold"][key]["shares"] = {source: [0.5, 0.5] for source in ["real", *sources]}
        whole["manifold"][key]["modes"] = {}
    whole["map_sources"] = np.resize(["real", *sources], 60)
    html = page(Results(**whole))
    assert all(source.replace("vae", "VAE") in html for source in sources)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_every_section(html, usual, open_page, screenshots, scheme, width):
    tab = open_page(html, viewport={"width": width, "height": 900}, color_scheme=scheme)
    titles = [section.title for section in usual.values()]
    assert [each.inner_text() for each in tab.locator("h2").all()] == titles
    assert all(each.bounding_box()["height"] > 50 for each in tab.locator("section").all())
    assert tab.locator(".verdicts li").all_inner_texts()[0].startswith("GAN prior is better than VAE prior: FID")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.screenshot(path=screenshots / f"report-{scheme}-{width}.png", full_page=True)


def test_every_picture_in_a_browser_has_loaded_and_is_named(html, open_page):
    tab = open_page(html)
    assert tab.get_by_role("img").count() == tab.locator("img, svg").count() > 30
    assert tab.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_print_has_a_page_for_each_section_and_nothing_folded_away(html, open_page, screenshots):
    tab = open_page(html, color_scheme="dark")
    folded = tab.locator("details :is(table, dl)").all()
    assert len(folded) == 3
    assert not any(each.is_visible() for each in folded)
    tab.emulate_media(media="print")
    assert all(each.is_visible() for each in folded)
    assert not tab.locator("nav").is_visible()
    tab.set_viewport_size({"width": 680, "height": 960})  # what A4 has between its margins
    assert tab.evaluate("document.documentElement.scrollWidth") <= 680
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pages = re.findall(rb"/Type\s*/Page\b", tab.pdf(path=screenshots / "report.pdf"))
    assert len(pages) >= len(ORDER)
