"""The interactive map: what its page holds, and what a reader can do with it in a browser."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pages import decoded, embedded

from pullback.pictures import THUMBNAIL
from pullback.report._map_page import SPAN, points, render_map
from pullback.report._results import Results

GREY = [0x8A, 0x8F, 0x98]  # of real images


@pytest.fixture
def results(parts: Any) -> Results:
    """Two maps, of which t-SNE places the images 15 to 59 and PCA all 60."""
    given = parts()
    given["maps"]["pca"] = np.random.default_rng(2).normal(size=(60, 2))
    given["manifold"]["maps"]["pca"] = given["manifold"]["maps"]["tsne"] | {"embedded_share": 1.0}
    return Results(**given)


def atlas(html: str) -> np.ndarray:
    found = re.search(r'id="atlas"[^>]* src="(data:image/webp;base64,[^"]+)"', html)
    assert found
    return decoded(found[1])


# The page


def test_points_are_centred_and_upside_down_as_on_a_screen():
    coordinates = np.array([[0.0, 0.0], [4.0, 2.0], [np.nan, np.nan], [2.0, 1.0]])
    half, quarter = SPAN // 2, SPAN // 4
    assert points(coordinates) == [-half, quarter, half, -quarter, None, None, 0, 0]


def test_points_in_one_place_are_in_the_middle():
    assert points(np.full((2, 2), 3.0)) == [0, 0, 0, 0]


def test_the_atlas_holds_every_grey_image_as_it_is(results):
    html = render_map(results)
    sheet, (size, across) = atlas(html), embedded(html)["atlas"].values()
    for i, image in enumerate(results.map_images):
        x, y = i % across * size, i // across * size
        assert (sheet[y : y + size, x : x + size] == image[0, :, :, None]).all()


def test_coloured_images_are_nearly_as_they_are_and_no_larger_than_thumbnails(parts):
    colours = np.random.default_rng(0).integers(0, 256, (60, 3, 1, 1), np.uint8)
    html = render_map(Results(**parts(128, 3, map_images=np.broadcast_to(colours, (60, 3, 128, 128)))))
    sheet = atlas(html)
    assert sheet.shape == (8 * THUMBNAIL, 8 * THUMBNAIL, 3)
    middles = sheet[THUMBNAIL // 2 :: THUMBNAIL, THUMBNAIL // 2 :: THUMBNAIL].reshape(-1, 3)[:60]
    assert np.abs(middles - colours[..., 0, 0].astype(float)).max() < 12
    assert len(html) < 1e6


def test_the_same_results_give_the_same_bytes(results):
    assert render_map(results) == render_map(results)


def test_the_page_requests_nothing(results):
    html = render_map(results)
    assert not re.findall(r"""src\s*=\s*["'](?!data:)[^"']*""", html)
    assert set(re.findall(r"""href\s*=\s*["'](?!data:)([^"']*)""", html)) == {"index.html#maps"}
    assert not re.findall(r"""@import|url\(|fetch\(|https?://""", html)


def test_names_from_the_data_are_escaped(results):
    html = render_map(results)
    assert "<dog>" not in html
    assert embedded(html)["classes"] == ["cat", "<dog>"]


def test_the_table_counts_each_source_in_each_cluster_and_what_a_map_leaves_out(results):
    table = render_map(results).split("<table")[1]
    rows = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in table.split("</tr>")]
    assert rows[1:4] == [
        "cluster 0 10 50% 10 50% 10 50%",
        "cluster 1 10 50% 10 50% 10 50%",
        "not in t-SNE 15 75% 0 0% 0 0%",
    ]


# In a browser

Open = Callable[..., Any]


@pytest.fixture
def opened(open_page: Open) -> Open:
    """Opens the map of results."""

    def open_map(results: Results, address: str = "", **options: Any) -> Any:
        tab = open_page(render_map(results), address, **{"viewport": {"width": 1280, "height": 1300}} | options)
        settled(tab)
        return tab

    return open_map


def settled(tab: Any) -> None:
    """Until all points have come to where they belong."""
    tab.wait_for_function("() => sprites && !gliding && width > 1")


def place(tab: Any, i: int) -> tuple[float, float]:
    """Where in the window the point of image i is."""
    corner = tab.locator("#map").bounding_box()
    x, y = tab.evaluate("i => [screenX(i), screenY(i)]", i)
    return corner["x"] + x, corner["y"] + y


def shown(tile: Any) -> np.ndarray:
    """The pixels (h, w) of a grey image in the page."""
    return decoded(tile.evaluate("tile => tile.toDataURL()"))[..., 0]


def inked(tab: Any, color: list[int]) -> int:
    """How many pixels of the map have this colour."""
    return int((decoded(tab.evaluate("canvas.toDataURL()"))[..., :3] == color).all(axis=-1).sum())


def told(tab: Any, part: str) -> str:
    return " ".join(tab.locator(f"#{part}").inner_text().split())


def test_the_pointer_shows_the_image_below_it(opened, results):
    tab = opened(results)
    for i, words in [(20, "GAN prior, class cat, cluster 0"), (47, "VAE prior, cluster 1")]:
        tab.mouse.move(*place(tab, i))
        assert (shown(tab.locator("#tip canvas")) == results.map_images[i, 0]).all()
        assert told(tab, "tip") == words
    corner = tab.locator("#map").bounding_box()
    tab.mouse.move(corner["x"] + 3, corner["y"] + 3)
    assert tab.locator("#tip").is_hidden()


def test_another_method_moves_the_points_and_places_others(opened, results):
    tab = opened(results, reduced_motion="no-preference")
    before = place(tab, 30)
    assert "t-SNE: trustworthiness 0.980, continuity 0.970, 15 images could not be placed" in told(tab, "count")
    assert "Shown: 45 of 60" in told(tab, "count")
    tab.get_by_role("radio", name="PCA").check()
    settled(tab)
    assert np.hypot(*np.subtract(place(tab, 30), before)) > 10
    assert "Shown: 60 of 60" in told(tab, "count")
    tab.mouse.move(*place(tab, 3))
    assert (shown(tab.locator("#tip canvas")) == results.map_images[3, 0]).all()


def test_hidden_points_are_neither_drawn_nor_found(opened, results):
    tab = opened(results)
    where = place(tab, 17)
    assert inked(tab, GREY) > 20
    tab.get_by_role("checkbox", name="real").uncheck()
    assert "Shown: 40 of 60" in told(tab, "count")
    tab.mouse.move(*where)
    assert tab.locator("#tip").is_hidden() or "real" not in told(tab, "tip")
    tab.wait_for_function("() => !queued")
    assert inked(tab, GREY) == 0


@pytest.mark.parametrize(
    ("choices", "kept"),
    [
        ({"Class": "cat"}, lambda classes, clusters: classes == 0),
        ({"Class": "none"}, lambda classes, clusters: classes == -1),
        ({"Cluster": "1"}, lambda classes, clusters: clusters == 1),
        ({"Class": "<dog>", "Cluster": "0"}, lambda classes, clusters: (classes == 1) & (clusters == 0)),
    ],
    ids=str,
)
def test_classes_and_clusters_are_filtered(opened, results, choices, kept):
    tab = opened(results, "#method=pca")
    for name, choice in choices.items():
        tab.get_by_role("combobox", name=name).select_option(choice)
    expected = int(kept(results.map_labels, results.map_clusters).sum())
    assert 0 < expected < 60
    assert f"Shown: {expected} of 60" in told(tab, "count")


def test_a_click_shows_the_nearest_images_and_goes_on_to_them(opened, results):
    tab = opened(results, "#method=pca")
    tab.mouse.click(*place(tab, 25))
    assert [told(tab, f"its-{fact}") for fact in ("source", "class", "cluster")] == [
        "GAN prior",
        "<dog> (asked for)",
        "1",
    ]
    assert (shown(tab.locator("#image")) == results.map_images[25, 0]).all()
    for kind, near in enumerate(tab.locator(".near").all()):
        distances = [float(each.inner_text()) for each in near.locator("span").all()]
        assert distances == sorted(distances)
        assert distances == pytest.approx(results.map_distances[25, kind], rel=1e-2)
        for tile, neighbor in zip(near.locator("canvas").all(), results.map_neighbors[25, kind], strict=True):
            assert (shown(tile) == results.map_images[neighbor, 0]).all()

    second = tab.locator(".near button").nth(1)
    second.click()
    assert (shown(tab.locator("#image")) == results.map_images[results.map_neighbors[25, 0, 1], 0]).all()
    assert second.evaluate("button => button === document.activeElement")
    tab.get_by_role("button", name="Unpin").click()
    assert tab.locator("#pinned").is_hidden()


def test_the_address_restores_what_was_seen(opened, results):
    first = opened(results)
    first.get_by_role("radio", name="PCA").check()
    settled(first)
    first.get_by_role("checkbox", name="VAE prior").uncheck()
    first.get_by_role("combobox", name="Cluster").select_option("1")
    first.mouse.click(*place(first, 25))
    first.get_by_role("button", name="Zoom in").click()
    first.wait_for_function("() => location.hash.includes('point=25') && location.hash.includes('view=')")

    again = opened(results, "#" + first.url.split("#")[1])
    for part in ("count", "pinned"):
        assert told(again, part) == told(first, part)
    assert "PCA" in told(again, "count")
    assert not again.get_by_role("checkbox", name="VAE prior").is_checked()
    assert again.get_by_role("combobox", name="Cluster").input_value() == "1"
    assert place(again, 25) == pytest.approx(place(first, 25), abs=1)


def test_an_address_of_another_map_opens_the_whole_one(opened, results):
    tab = opened(results, "#method=umap&class=99&cluster=99&point=999&view=a,b,c")
    assert "Shown: 45 of 60" in told(tab, "count")
    assert tab.locator("#pinned").is_hidden()
    assert tab.evaluate("view") == {"x": 0, "y": 0, "zoom": 1}


@pytest.mark.parametrize(("sources", "count"), [("nope", 45), ("nope,gan prior", 20), ("", 0), ("real,gan prior", 25)])
def test_sources_that_the_map_does_not_have_are_ignored_in_the_address(opened, results, sources, count):
    assert f"Shown: {count} of 60" in told(opened(results, f"#sources={sources}"), "count")


def test_the_keyboard_reaches_all(opened, results):
    tab = opened(results, "#method=pca")
    reached = []
    for _ in range(14):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.name || document.activeElement.id"))
    assert [each for each in dict.fromkeys(reached) if each] == [
        *("method", "source", "class", "cluster", "map", "nearer", "farther", "whole"),
    ]

    tab.locator("#map").focus()
    tab.keyboard.press("ArrowRight")
    first = tab.evaluate("hovered")
    assert told(tab, "told") == told(tab, "tip") != ""
    tab.keyboard.press("ArrowRight")
    second = tab.evaluate("hovered")
    assert place(tab, second)[0] > place(tab, first)[0]
    tab.keyboard.press("Enter")
    assert told(tab, "told").startswith("Pinned: ")
    assert (shown(tab.locator("#image")) == results.map_images[second, 0]).all()
    before = place(tab, second)
    tab.keyboard.press("+")
    assert tab.evaluate("view.zoom") == 1.5
    assert place(tab, second) == pytest.approx(before, abs=1)
    tab.keyboard.press("Escape")
    assert tab.locator("#pinned").is_hidden()


def test_fingers_pin_drag_and_pinch(opened, results):
    tab = opened(results, "#method=pca", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    tab.locator("#map").scroll_into_view_if_needed()
    tab.touchscreen.tap(*place(tab, 25))
    assert told(tab, "its-source") == "GAN prior"

    corner = tab.locator("#map").bounding_box()
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    fingers = tab.context.new_cdp_session(tab)

    def touch(kind: str, *xs: float) -> None:
        down = [{"x": x + each, "y": y, "id": i} for i, each in enumerate(xs)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": down})

    touch("touchStart", -30, 30)
    touch("touchMove", -60, 60)
    touch("touchEnd")
    assert tab.evaluate("view.zoom") == pytest.approx(2, rel=0.05)
    before = place(tab, 25)
    touch("touchStart", 0)
    touch("touchMove", 40)
    touch("touchEnd")
    assert place(tab, 25)[0] - before[0] == pytest.approx(40, abs=2)
    assert told(tab, "its-source") == "GAN prior"  # a drag is no tap


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_follows_the_theme(opened, results, screenshots, scheme, width):
    tab = opened(results, "#point=25", viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    page, ring = (
        tab.evaluate(f"getComputedStyle({part}).{what}")
        for part, what in (("document.body", "backgroundColor"), ("canvas", "color"))
    )
    luminance = [np.mean([*map(int, re.findall(r"\d+", color)[:3])]) for color in (page, ring)]
    assert (luminance[0] > 200 > 100 > luminance[1]) == (scheme == "light")
    assert inked(tab, GREY) > 20
    tab.screenshot(path=screenshots / f"map-{scheme}-{width}.png", full_page=True)


def test_six_thousand_points_are_drawn_dragged_and_zoomed(opened, parts):
    rng, n = np.random.default_rng(0), 6000
    given = parts()
    changes = {
        "maps": {"tsne": rng.normal(size=(n, 2))},
        "map_sources": np.repeat(["real", "gan prior", "vae prior"], n // 3),
        "map_images": rng.integers(0, 256, (n, 1, 8, 8), np.uint8),
        "map_neighbors": rng.integers(0, n, (n, 2, 5)),
        "map_distances": np.sort(rng.random((n, 2, 5))),
    } | {key: np.resize(given[key], n) for key in ("map_labels", "map_clusters")}
    tab = opened(Results(**given | changes))
    assert "Shown: 6,000 of 6,000" in told(tab, "count")
    before = place(tab, 0)
    corner = tab.locator("#map").bounding_box()
    tab.mouse.move(corner["x"] + 300, corner["y"] + 300)
    tab.mouse.down()
    tab.mouse.move(corner["x"] + 350, corner["y"] + 320, steps=10)
    tab.mouse.up()
    assert np.subtract(place(tab, 0), before) == pytest.approx([50, 20], abs=1)
    assert tab.locator("#pinned").is_hidden()
    below = tab.evaluate("[mapX(350), mapY(320)]")
    tab.mouse.wheel(0, -400)
    tab.wait_for_function("() => view.zoom > 2")
    assert tab.evaluate("[mapX(350), mapY(320)]") == pytest.approx(below, abs=1)
