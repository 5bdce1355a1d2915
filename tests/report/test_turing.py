"""The blind test: which pairs it is made of, and what a person can do with its page in a browser."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import decoded, embedded

from pullback import humans
from pullback.evaluation.intervals import wilson
from pullback.report._results import Results
from pullback.report._turing_page import PAIRS, BlindTest, blind_test, render_turing

CHROMIUM = Path("/usr/bin/chromium")
in_a_browser = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (Debian: apt install chromium)"
)
OTHER = {"left": "right", "right": "left"}
PHONE = {"viewport": {"width": 390, "height": 664}, "has_touch": True, "is_mobile": True}


def row(images: np.ndarray, image: np.ndarray) -> int:
    """Which of `images` (n, c, h, w) this one is."""
    (found,) = np.flatnonzero((images == image).all(axis=(1, 2, 3)))
    return int(found)


def rows(results: Results, test: BlindTest) -> list[tuple[str, int, int]]:
    """Of each pair its source, and the rows of the real and of the generated image."""
    both = test.images.reshape(-1, 2, *test.images.shape[1:])
    sides = [pair if side == "left" else pair[::-1] for pair, side in zip(both, test.real, strict=True)]
    return [
        (source, row(results.real, real), row(results.samples[source], fake))
        for source, (real, fake) in zip(test.sources, sides, strict=True)
    ]


# The pairs


def test_a_pair_is_a_real_image_that_comes_once_and_a_generated_one(results):
    test = blind_test(results, seed=0)
    assert Counter(test.sources) == {"gan prior": 20, "vae prior": 20}  # there are 40 real images
    found = rows(results, test)
    assert len({real for _, real, _ in found}) == 40
    assert len({(source, fake) for source, _, fake in found}) == 40


def test_both_images_are_of_one_class_where_there_are_classes(parts):
    rng = np.random.default_rng(0)
    labels = {"real": rng.integers(0, 2, 40), "gan prior": rng.integers(0, 2, 40), "vae prior": np.full(40, -1)}
    results = Results(**parts(labels=labels))
    found = rows(results, blind_test(results, seed=0))
    classes = [(labels["real"][real], labels["gan prior"][fake]) for source, real, fake in found if "gan" in source]
    assert len(classes) >= 15
    assert all(real == fake for real, fake in classes)


def test_each_model_delivers_by_its_first_method_as_many_pairs_as_any_other(parts):
    real = np.random.default_rng(0).integers(0, 256, (90, 1, 8, 8), np.uint8)
    sources = ["gan prior", "vae manifold", "vae prior"]
    labels = dict.fromkeys(["real", *sources], np.full(90, -1))
    results = Results(**parts(real=real, samples=dict.fromkeys(sources, real), labels=labels))
    test = blind_test(results, seed=0)
    assert Counter(test.sources) == {"gan prior": PAIRS, "vae manifold": PAIRS}


def test_the_real_image_is_on_either_side_in_half_of_the_pairs_of_each_source(results):
    test = blind_test(results, seed=0)
    sides = Counter(zip(test.sources, test.real, strict=True))
    assert set(sides.values()) == {10}
    assert len(set(test.sources[:10])) == len(set(test.real[:10])) == 2  # and not in turn


def test_another_seed_or_image_makes_another_test(results):
    first, again, other = (blind_test(results, seed) for seed in (0, 0, 1))
    assert first.key == again.key
    assert render_turing(results, first) == render_turing(results, again)
    assert first.digest != other.digest
    assert replace(first, images=255 - first.images).digest != first.digest
    assert replace(first, real=[OTHER[side] for side in first.real]).digest != first.digest


# The page


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_holds_every_image_as_it_is(parts, channels):
    results = Results(**parts(12, channels))
    test = blind_test(results, seed=0)
    html = render_turing(results, test)
    address = re.search(r'id="atlas"[^>]* src="(data:image/webp;base64,[^"]+)"', html)
    assert address
    sheet, across = decoded(address[1]), embedded(html)["columns"]
    for i, image in enumerate(test.images):
        x, y = i % across * 12, i // across * 12
        assert (sheet[y : y + 12, x : x + 12].transpose(2, 0, 1) == image).all()


def test_the_page_requests_nothing_and_does_not_spell_the_truth_out(results):
    test = blind_test(results, seed=0)
    html = render_turing(results, test)
    assert not re.findall(r"""src\s*=\s*["'](?!data:)[^"']*""", html)
    assert set(re.findall(r"""href\s*=\s*["'](?!data:)([^"']*)""", html)) == {"index.html"}
    assert not re.findall(r"""@import|url\(|fetch\(|https?://""", html)
    assert embedded(html).keys() == {"digest", "size", "columns", "truth"}
    assert not re.search(r"left|right|gan|vae|[01], ?[01]", embedded(html)["truth"])


# In a browser

Open = Callable[..., Any]


@pytest.fixture
def drawn(results: Results) -> BlindTest:
    """Of eight pairs for each model."""
    return blind_test(replace(results, real=results.real[:16]), seed=0)


@pytest.fixture
def opened(browser, results, drawn, tmp_path) -> Iterator[Open]:
    """Opens the page of the test from the disk; no page may complain or ask for anything else."""
    file = tmp_path / "turing.html"
    file.write_text(render_turing(results, drawn))
    said: list[str] = []
    requested: set[str] = set()

    def open_page(**options: Any) -> Any:
        tab = browser.new_page(**{"viewport": {"width": 1280, "height": 720}, "reduced_motion": "reduce"} | options)
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: requested.add(request.url))
        tab.goto(file.as_uri())
        return tab

    yield open_page
    for context in browser.contexts:
        context.close()
    assert not said
    assert {url for url in requested if not url.startswith(("data:", "blob:"))} == {file.as_uri()}


def start(tab: Any) -> None:
    tab.get_by_role("button", name="Start").click()
    tab.locator("#test").wait_for()


def shown(tab: Any) -> list[np.ndarray]:
    """The pixels (c, h, w) of the two grey images, left and right."""
    canvases = tab.locator("#pair canvas").all()
    return [decoded(each.evaluate("canvas => canvas.toDataURL()"))[..., 0][None] for each in canvases]


def told(tab: Any) -> list[list[str]]:
    """The rows of the result."""
    return [[cell.inner_text() for cell in row.locator("th, td").all()] for row in tab.locator(".rates tbody tr").all()]


def saved(tab: Any, folder: Path) -> Path:
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save").click()
    assert re.fullmatch(r"pullback-humans-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.json", caught.value.suggested_filename)
    caught.value.save_as(folder / caught.value.suggested_filename)
    return folder / caught.value.suggested_filename


def percent(*shares: float) -> list[str]:
    return [f"{share:.0%}" for share in shares]


@in_a_browser
def test_keys_answer_and_the_result_is_what_was_answered(opened, drawn, tmp_path):
    """Wrong about the first of the GAN's pairs, and about all but the first of the VAE's."""
    tab = opened()
    start(tab)
    seen: Counter[str] = Counter()
    for pair, (source, real) in enumerate(zip(drawn.sources, drawn.real, strict=True)):
        assert tab.locator("#count").inner_text() == f"{pair + 1} of 16"
        for image, expected in zip(shown(tab), drawn.images[2 * pair : 2 * pair + 2], strict=True):
            assert (image == expected).all()
        side = OTHER[real] if (seen[source] == 0) == (source == "gan prior") else real
        seen[source] += 1
        tab.keyboard.press({"left": ["ArrowLeft", "1"], "right": ["ArrowRight", "2"]}[side][pair % 2])
    low, high = wilson(1 / 8, 8)
    assert told(tab) == [
        ["GAN prior", "1 of 8", "13%", " to ".join(percent(low, high)), "told apart"],
        ["VAE prior", "7 of 8", "88%", " to ".join(percent(1 - high, 1 - low)), "seems more real"],
    ]
    assert "in 8 of 16 pairs" in tab.locator("#told").inner_text()

    tab.get_by_label("Your name").fill("Ada")
    answers = humans.read(saved(tab, tmp_path), drawn.key)
    assert answers.person == "Ada"
    rates = humans.rates([answers], drawn.key["pairs"])
    assert {source: each["errors"] for source, each in rates.items()} == {"gan prior": 1, "vae prior": 7}


@in_a_browser
def test_a_thumb_answers_without_scrolling(opened, drawn, tmp_path):
    tab = opened(**PHONE)
    tab.get_by_role("button", name="Start").tap()
    for real in drawn.real:
        tab.locator("#pair button").nth(int(real == "left")).tap()  # the generated one
    assert [cells[1:3] for cells in told(tab)] == [["8 of 8", "100%"]] * 2
    answers = humans.read(saved(tab, tmp_path), drawn.key)
    assert [answer.side for answer in answers.answers] == [OTHER[side] for side in drawn.real]
    assert answers.person == ""


@in_a_browser
def test_the_last_answer_can_be_taken_back(opened, drawn, tmp_path):
    tab = opened()
    start(tab)
    assert tab.locator("#undo").is_disabled()
    tab.keyboard.press("Backspace")
    for number, real in enumerate(drawn.real):
        wrong, right = (f"Arrow{side.title()}" for side in (OTHER[real], real))
        if number % 10 == 3:
            before = shown(tab)
            tab.keyboard.press(wrong)
            if number == 3:
                tab.get_by_role("button", name="Undo").click()
            else:
                tab.keyboard.press("Backspace")
            assert all((a == b).all() for a, b in zip(shown(tab), before, strict=True))
        tab.keyboard.press(right)
    assert [cells[1:3] for cells in told(tab)] == [["0 of 8", "0%"]] * 2
    assert [answer.side for answer in humans.read(saved(tab, tmp_path), drawn.key).answers] == drawn.real


@in_a_browser
def test_a_key_that_is_held_down_answers_once(opened):
    tab = opened()
    start(tab)
    for _ in range(3):
        tab.keyboard.down("ArrowLeft")
    assert tab.locator("#count").inner_text() == "2 of 16"


@in_a_browser
def test_nothing_but_the_images_differs_between_two_pairs(opened, drawn):
    tab = opened()
    start(tab)
    looks = set()
    for _ in drawn.real:
        html = tab.locator("#test").inner_html()
        looks.add(re.sub(r"\d+ of 16|value=\"\d+\"| disabled=\"\"", "", html))
        tab.keyboard.press("ArrowLeft")
    assert len(looks) == 1


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 664), (664, 320), (320, 568)])
def test_both_images_are_as_large_and_in_view_at_once(opened, drawn, tmp_path, width, height, scheme):
    tab = opened(viewport={"width": width, "height": height}, color_scheme=scheme)
    for name in ("intro", "test", "end"):
        if name == "test":
            start(tab)
            left, right = (each.bounding_box() for each in tab.locator("#pair canvas").all())
            assert left["width"] == left["height"] == right["width"] == right["height"] >= 100
            assert left["y"] == right["y"]
            assert left["x"] + left["width"] < right["x"]
            assert tab.evaluate("document.documentElement.scrollHeight") <= height
        if name == "end":
            for _ in drawn.real:
                tab.keyboard.press("ArrowLeft")
        assert tab.locator(f"#{name}").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        tab.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
