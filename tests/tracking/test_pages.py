"""The pages of MLflow, as a colleague opens them: in a browser, from a real server over a recorded execution."""

from pathlib import Path

import numpy as np
import pytest

from pullback.tracking.run import stage_run
from pullback.tracking.store import ui_path

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (Debian: apt install chromium)"
)
CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}
USER = "/users/current"  # a server without logins answers 404, which the browser tells
REPORT = "<!DOCTYPE html><html><body><h1>Digits</h1></body></html>"


@pytest.fixture
def recorded(root):
    """An execution as the stages of the pipeline record it, but for their work; returns the run of its last stage."""
    with stage_run("prepare", "pullback", {}, all_params={"seed": 0}) as run:
        run.dataset("digits", "0" * 32, "published", {"train": 1204, "test": 593})
        run.note("**digits**: 1,204 train and 593 test images.")
    with stage_run("evaluate@gan", "pullback", {}, ["prepare"]) as run:
        noise = np.random.default_rng(0).integers(0, 255, (192, 192), dtype=np.uint8)
        run.headline({"scores/gan.prior.fid": 0.2, "uncertainty/gan.prior.fid.low": 0.1, "scores/floor.fid": 0.26})
        run.headline({"images.train": 1204})
        run.note(f"| | real | gan |\n|---|---|---|\n| | | {run.picture('prior', noise)} |\n| fid | 0.26 | 0.2 |")
    (root / "index.html").write_text(REPORT)
    with stage_run("report", "pullback", {}, ["evaluate@gan"]) as run:
        run.note(f"The GAN leads. [The report]({run.publish(root / 'index.html', 'report.html')})")
    return run


def own(message) -> bool:
    """Whether MLflow alone is the cause."""
    return message.location["url"].endswith(USER)


def test_the_pages_show_runs_description_picture_and_report_without_an_error(root, recorded, serve, tmp_path):
    from playwright.sync_api import expect, sync_playwright

    url = serve(
        "server", "--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"
    )
    said: list[str] = []
    run_page = f"#/experiments/{recorded.experiment_id}/runs/{recorded.parent_id}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        tab = browser.new_page(viewport={"width": 1400, "height": 1000})
        for name, value in CHOICES.items():
            tab.add_init_script(f"if (window === top) localStorage.setItem('{name}', '{value}')")
        tab.on("console", lambda each: said.append(each.text) if each.type == "error" and not own(each) else None)
        tab.on("pageerror", lambda error: said.append(str(error)))

        tab.goto(f"{url}/{ui_path('pullback')}")
        expect(tab.get_by_text("scores/gan.prior.fid", exact=True).first).to_be_visible(timeout=30_000)
        sections = tab.get_by_test_id("experiment-view-compare-runs-section-header").all_inner_texts()
        assert [each.split("\n")[0] for each in sections[:3]] == ["scores", "uncertainty", "Model metrics"]
        tab.screenshot(path=tmp_path / "runs.png")

        tab.goto(f"{url}/{run_page}")
        note = tab.get_by_test_id("note-view-outer-container").first
        expect(note).to_contain_text("The GAN leads.", timeout=30_000)
        expect(note).to_contain_text("1,204 train and 593 test images.")
        expect(note.locator("td", has_text="0.26")).to_be_visible()
        picture = note.locator("img")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [192, 192]
        tab.screenshot(path=tmp_path / "run.png", full_page=True)

        report = note.get_by_role("link", name="The report").get_attribute("href")
        tab.goto(f"{url}/{report}")
        expect(tab.frame_locator("iframe").get_by_role("heading", name="Digits")).to_be_visible(timeout=30_000)
        tab.screenshot(path=tmp_path / "report.png")
        browser.close()
    assert not said
