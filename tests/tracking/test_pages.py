"""The pages of MLflow, as a colleague opens them: in a browser, from a real server over a recorded execution."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pullback.fitting import Note
from pullback.pictures import enlarged, grid
from pullback.report._map_page import render_map
from pullback.report._page import render
from pullback.report._results import Results
from pullback.report._turing_page import blind_test, render_turing
from pullback.tracking.run import stage_run
from pullback.tracking.store import ui_path

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (Debian: apt install chromium)"
)
CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
OWN = [  # errors of which MLflow alone is the cause
    "/users/current",  # a server without logins answers 404, which the browser tells
    "ResizeObserver loop completed",  # as a description unfolds
]
FADED = 40  # pixels of a folded description above which the UI lays a veil over it

parts = runpy.run_path(str(ROOT / "tests/report/conftest.py"))["parts"]  # a fixture: imaginary results
stage = SimpleNamespace(**runpy.run_path(str(ROOT / "stages/report.py"), run_name="stage"))


@pytest.fixture
def recorded(root, parts):
    """An execution as the stages of the pipeline record it, but for their work; returns its training's and last run."""
    with stage_run("prepare", "pullback", {}, all_params={"seed": 0}) as run:
        run.dataset("digits", "0" * 32, "published", {"train": 1204, "test": 593})
        run.note("**digits**: 1,204 train and 593 test images.")
    with stage_run("train@gan", "pullback", {}, ["prepare"]) as training:
        note = Note(training, "gan")
        note.resume("0" * 32)
        for seen_images in (30_000, 60_000):
            samples = np.random.default_rng(seen_images).integers(0, 255, (64, 3, 32, 32), dtype=np.uint8)
            training.image("samples", enlarged(grid(samples), 256), step=seen_images)
            note.show(0, seen_images, samples)
    with stage_run("evaluate@gan", "pullback", {}, ["prepare"]) as run:
        noise = np.random.default_rng(0).integers(0, 255, (192, 192), dtype=np.uint8)
        run.headline({"scores/gan.prior.fid": 0.2, "uncertainty/gan.prior.fid.low": 0.1, "scores/floor.fid": 0.26})
        run.headline({"images.train": 1204})
        scores = "| fid | 0.26 | 0.2 |\n" * 50
        run.note(f"| | real | gan |\n|---|---|---|\n| | | {run.picture('prior', noise)} |\n{scores}")
    results = Results(**parts())
    pages = {
        "index.html": render(results, {}),
        "map.html": render_map(results),
        "report.md": "",
        "turing.html": render_turing(results, blind_test(results, seed=0)),
    }
    for name, text in pages.items():
        (root / name).write_text(text)
    with stage_run("report", "pullback", {}, ["evaluate@gan"]) as run:
        links = {name: run.publish(stage.renamed(root / page), name) for page, name in stage.PAGES.items()}
        run.note(stage.note(SimpleNamespace(tracked=run), results, links))
    return SimpleNamespace(training=training, **{key: getattr(run, key) for key in ("experiment_id", "parent_id")})


@pytest.fixture
def url(root, serve):
    store = f"sqlite:///{root / 'mlflow.db'}"
    return serve("server", "--backend-store-uri", store, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def opened(browser, said, scheme="light"):
    """A tab that shows MLflow's pages for model training, and notes what goes wrong in them."""
    tab = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme=scheme)
    for name, value in CHOICES.items():
        tab.add_init_script(f"if (window === top) localStorage.setItem('{name}', '{value}')")

    def heard(told):
        if not any(cause in told for cause in OWN):
            said.append(told)

    tab.on("console", lambda each: heard(f"{each.text} {each.location['url']}") if each.type == "error" else None)
    tab.on("pageerror", lambda error: heard(str(error)))
    return tab


def saved(tab, link, folder):
    """The file that a click on a link or button brings, under its own name."""
    with tab.expect_download() as caught:
        link.click()
    caught.value.save_as(folder / caught.value.suggested_filename)
    return folder / caught.value.suggested_filename


def test_the_pages_show_runs_outcome_and_pictures_without_an_error(recorded, url, browser, tmp_path):
    from playwright.sync_api import expect

    said: list[str] = []
    for scheme in ("light", "dark"):
        tab = opened(browser, said, scheme)
        tab.goto(f"{url}/{ui_path('pullback')}")
        expect(tab.get_by_text("scores/gan.prior.fid", exact=True).first).to_be_visible(timeout=30_000)
        sections = tab.get_by_test_id("experiment-view-compare-runs-section-header").all_inner_texts()
        assert [each.split("\n")[0] for each in sections[:3]] == ["scores", "uncertainty", "Model metrics"]
        tab.screenshot(path=tmp_path / f"runs-{scheme}.png")

        tab.goto(f"{url}/#/experiments/{recorded.experiment_id}/runs/{recorded.parent_id}")
        note = tab.get_by_test_id("note-view-outer-container").first
        expect(note).to_contain_text("GAN prior is better than VAE prior", timeout=30_000)
        expect(note.locator("img").nth(3)).to_be_visible()
        tab.screenshot(path=tmp_path / f"run-{scheme}.png")
        *rows, drawn, _ = note.locator("img").all()
        assert [each.evaluate("image => image.naturalWidth") for each in (*rows, drawn)] == [129, 129, 129, 192]
        top = note.bounding_box()["y"]
        assert {each.bounding_box()["y"] for each in rows} == {rows[0].bounding_box()["y"]}
        assert all(each.bounding_box()["y"] - top < FADED for each in rows)
        assert tab.get_by_test_id("truncation-gradient").is_visible()
        assert drawn.bounding_box()["y"] - top > 100  # and so folded away

        tab.get_by_test_id("show-comment-toggle").click()
        expect(note).to_contain_text("1,204 train and 593 test images.")
        expect(note.locator("td", has_text="0.26").first).to_be_visible()
        tab.screenshot(path=tmp_path / f"whole-{scheme}.png", full_page=True)
    assert not said


def test_the_page_of_a_training_shows_its_last_samples_at_once(recorded, url, browser, tmp_path):
    from playwright.sync_api import expect

    said: list[str] = []
    tab = opened(browser, said)
    tab.goto(f"{url}/#/experiments/{recorded.experiment_id}/runs/{recorded.training.id}")
    note = tab.get_by_test_id("note-view-outer-container").first
    expect(note).to_contain_text("samples after 60,000 images", timeout=30_000)
    (samples,) = note.locator("img").all()
    expect(samples).to_be_in_viewport(ratio=1)
    tab.screenshot(path=tmp_path / "training.png")
    assert samples.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [659, 65]
    assert tab.get_by_test_id("truncation-gradient").count() == 0  # nothing of it is folded away
    expect(tab.get_by_text(recorded.training.id)).to_be_in_viewport(ratio=1)  # nor is what stands beside it cut off
    link = note.get_by_role("link", name="another run")
    assert link.get_attribute("href") == f"#/experiments/{recorded.experiment_id}/runs/{'0' * 32}"
    assert not said


def test_the_blind_test_saves_answers_when_downloaded_and_says_so_when_not(recorded, url, browser, tmp_path):
    from playwright.sync_api import expect

    said: list[str] = []
    tab = opened(browser, said)
    page = f"{url}/#/experiments/{recorded.experiment_id}/runs/{recorded.parent_id}"
    tab.goto(f"{page}/artifacts/turing.html")
    frame = tab.frame_locator("iframe")
    expect(frame.get_by_text("Download this page first")).to_be_visible(timeout=30_000)
    expect(frame.locator("#start")).to_be_hidden()
    tab.screenshot(path=tmp_path / "framed.png")

    tab.goto(page)
    tab.get_by_test_id("show-comment-toggle").click(timeout=30_000)
    note = tab.get_by_test_id("note-view-outer-container").first
    folder = tmp_path / "downloads"
    for name in ("the report", "the map", "the blind test"):
        saved(tab, note.get_by_role("link", name=name), folder)
    assert {each.name for each in folder.iterdir()} == {"report.html", "map.html", "turing.html"}

    tab.goto((folder / "map.html").as_uri())
    tab.get_by_role("link", name="pullback report").click()
    assert tab.get_by_role("heading", name="GAN and VAE on pets").is_visible()
    tab.get_by_role("link", name="Take the blind test").click()
    assert tab.url == (folder / "turing.html").as_uri()
    assert not tab.locator("#framed").is_visible()
    tab.get_by_role("button", name="Start").click()
    for _ in range(40):
        tab.keyboard.press("ArrowLeft")
    answers = json.loads(saved(tab, tab.get_by_role("button", name="Save"), folder).read_text())
    assert len(answers["answers"]) == 40
    assert not said
