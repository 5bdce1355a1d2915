"""DVC shows a run at a glance, compares experiments, hands out the models, and shares all of it through a remote."""

import csv
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clone import ROOT, Clone
from ruamel.yaml import YAML

from pullback import config

CHROMIUM = Path("/usr/bin/chromium")
DVC = YAML(typ="safe").load(ROOT / "dvc.yaml")
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def committed(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the clone with the results of its run in git."""
    copy = Clone(tmp_path_factory.mktemp("committed"))
    shutil.copytree(clone.folder, copy.folder, symlinks=True, dirs_exist_ok=True)
    shutil.copy(ROOT / "metrics/humans.json", copy.folder / "metrics")
    copy.commit("results")
    return copy


@pytest.fixture(scope="module")
def changed(committed: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Another copy, in which an experiment has run: scores of fewer images."""
    copy = Clone(tmp_path_factory.mktemp("changed"))
    shutil.copytree(committed.folder, copy.folder, symlinks=True, dirs_exist_ok=True)
    copy.done("dvc", "exp", "run", "--name", "fewer", "-S", "evaluate.images=150")
    return copy


# What dvc.yaml says.


def test_every_stage_tells_its_part_of_the_story() -> None:
    assert [name for name, stage in DVC["stages"].items() if not stage.get("desc", "").endswith(".")] == []


def test_every_model_has_its_plots_and_its_artifact() -> None:
    models = PARAMS["train"]["models"]
    assert [*DVC["artifacts"]] == models
    for model in models:
        artifact = DVC["artifacts"][model]
        assert (artifact["type"], artifact["path"]) == ("model", f"models/{model}")
        assert model in artifact["labels"]
        for curve in ("", "-scores"):
            assert f"metrics/train/{model}{curve}.csv" in str(DVC["plots"])


def test_the_graph_in_the_readme_is_that_of_the_pipeline(clone: Clone) -> None:
    assert clone.done("dvc", "dag", "--md", "--collapse-foreach-matrix").strip() in README


def sweeps() -> list[tuple[str, str]]:
    """Every `-S key=value` of the README, a list of values being several."""
    found = re.findall(r"-S '?([\w.]+)=([^\s'`]+)", README)
    return [(key, value) for key, values in found for value in values.split(",")]


@pytest.mark.parametrize(("key", "value"), sweeps())
def test_what_the_readme_sets_is_a_valid_parameter(key: str, value: str) -> None:
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    *path, last = key.split(".")
    block = content
    for part in path:
        block = block[part]
    assert last in block
    block[last] = None if value == "…" else YAML(typ="safe").load(value)
    config.parse(content)


def test_a_return_to_earlier_parameters_restores_the_models_and_their_images(committed: Clone, tmp_path: Path) -> None:
    copy = Clone(tmp_path / "forgetful")
    shutil.copytree(committed.folder, copy.folder, symlinks=True)
    (copy.folder / "dvc.lock").unlink()
    told = copy.done("dvc", "repro", "embed-real", "embed")
    assert "Running stage" not in told
    assert "Stage 'train@gan' is cached - skipping run" in told
    assert copy.digests() == committed.digests()


# What a person sees.


def test_the_metrics_of_a_run_are_the_headline_and_what_came_of_data_and_training(committed: Clone) -> None:
    (shown,) = json.loads(committed.done("dvc", "metrics", "show", "--json")).values()
    found = {file.removeprefix("metrics/"): each["data"] for file, each in shown["data"].items()}
    stages = {"headline.json", "prepare.json", "extractor.json", "train/gan.json", "train/vae.json"}
    assert {*found} == stages | {"humans.json"}
    assert {*found["headline.json"]} == {"floor", "gan", "vae"}
    assert {*found["headline.json"]["vae"]} == {"manifold", "gmm", "prior"}
    assert {*found["headline.json"]["gan"]["prior"]} == {"fid", "precision", "recall"}


def test_what_people_said_is_among_the_metrics(committed: Clone) -> None:
    file = committed.folder / "metrics/humans.json"
    nobody = file.read_text()
    file.write_text(json.dumps({"people": 2, "sources": {"gan prior": {"error_rate": 0.4}}}))
    told = committed.done("dvc", "metrics", "diff", "--json")
    file.write_text(nobody)
    assert json.loads(told) == {
        "metrics/humans.json": {
            "people": {"old": None, "new": 2},
            "sources.gan prior.error_rate": {"old": None, "new": 0.4},
        }
    }


def test_an_experiment_shows_what_was_changed_and_which_scores_moved(changed: Clone) -> None:
    (params,) = json.loads(changed.done("dvc", "params", "diff", "--json")).values()
    assert params == {"evaluate.images": {"old": None, "new": 150}}
    (metrics,) = json.loads(changed.done("dvc", "metrics", "diff", "--json")).values()
    assert metrics["gan.prior.fid"]["diff"] != 0
    assert {name.split(".")[0] for name in metrics} == {"floor", "gan", "vae"}


def test_the_table_of_experiments_has_few_columns(changed: Clone) -> None:
    table = changed.done("dvc", "exp", "show", "--csv", "--only-changed", "--drop", ".*/")
    rows = [*csv.DictReader(io.StringIO(table))]
    assert [row["Experiment"] for row in rows if row["Experiment"]] == ["fewer"]
    scores = [name for name in rows[0] if name.endswith((".fid", ".precision", ".recall"))]
    assert len(scores) > 5
    assert {*rows[0]} - {*scores} <= {"Experiment", "rev", "typ", "Created", "parent", "State", "evaluate.images"}


def test_a_sweep_is_queued_with_every_combination(committed: Clone) -> None:
    grid = ("-S", "seed=0,1", "-S", "models.gan.learning_rate=0.001,0.002")
    committed.done("dvc", "exp", "run", "--queue", *grid)
    try:
        assert committed.done("dvc", "queue", "status").count("Queued") == 4
    finally:
        committed.done("dvc", "queue", "remove", "--all")


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser: {CHROMIUM} is missing (Debian: apt install chromium)")
def test_the_plots_of_two_revisions_are_drawn_without_a_network(changed: Clone, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    changed.done("dvc", "plots", "diff", "HEAD", "--out", "dvc_plots")
    page_file = changed.folder / "dvc_plots/index.html"
    assert page_file.stat().st_size < 5_000_000
    figures = [*(changed.folder / "report/figures").iterdir()]
    asked, troubles = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: troubles.append(request.url))
        page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(page_file.as_uri())
        plots = [plot for plot in DVC["plots"] if isinstance(plot, dict)]
        page.wait_for_function(f"document.querySelectorAll('.vega-embed canvas').length == {len(plots)}")
        text = page.evaluate("document.body.innerText")
        shown = page.evaluate("[...document.images].map(image => image.complete && image.naturalWidth > 0)")
        page.screenshot(path=tmp_path / "plots.png", full_page=True)
        browser.close()
    assert troubles == []
    assert {url.split(":")[0] for url in asked} == {"file"}
    assert all(shown)
    assert len(shown) > len(figures) > 0
    assert all(figure.name in text for figure in figures)


# What a person gets.


@pytest.mark.parametrize("model", PARAMS["train"]["models"])
def test_a_tagged_model_can_be_fetched_and_drawn_from(committed: Clone, model: str, tmp_path: Path) -> None:
    import torch

    from pullback.models._model import draw
    from pullback.training import checkpoint

    committed.done("git", "tag", "--annotate", f"{model}@v1.0.0", "--message", "The first one")
    out = tmp_path / "fetched"
    committed.done("dvc", "artifacts", "get", str(committed.folder), model, "--out", str(out))
    fetched = checkpoint.load(out)
    latents = torch.zeros(2, fetched.latent_dim)
    assert draw(fetched, latents, torch.zeros(2, dtype=torch.int64)).shape == (2, 1, 8, 8)


def restored(committed: Clone, remote: str, folder: Path, *settings: tuple[str, str], **environment: str) -> None:
    """Pushes to `remote`, clones with git, and checks that `dvc repro --pull` brings everything back."""
    shared = Clone(folder / "shared")
    shutil.copytree(committed.folder, shared.folder, symlinks=True)
    shared.done("dvc", "remote", "add", "--default", "shared", remote)
    for key, value in settings:
        shared.done("dvc", "remote", "modify", "shared", key, value)
    shared.commit("Name the remote")
    shared.done("dvc", "push", **environment)

    fresh = Clone(folder / "fresh")
    shared.done("git", "clone", "--quiet", str(shared.folder), str(fresh.folder))
    told = fresh.done("dvc", "repro", "--pull", **environment)
    assert "Running stage" not in told
    assert "Data and pipelines are up to date" in fresh.done("dvc", "status")
    assert fresh.digests() == committed.digests()
    assert (fresh.folder / "runs/train/gan.json").is_file()


def test_a_fresh_clone_gets_everything_from_a_shared_folder_without_training(committed: Clone, tmp_path: Path) -> None:
    restored(committed, str(tmp_path / "store"), tmp_path)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[str]:
    """The address of an S3 service on this machine, with a bucket named `team`."""
    pytest.importorskip("moto")
    pytest.importorskip("dvc_s3")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "moto.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        import requests

        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            time.sleep(0.2)
            try:
                requests.put(f"{url}/team", timeout=10).raise_for_status()
                break
            except requests.ConnectionError:
                assert server.poll() is None, (tmp_path / "moto.log").read_text()
        yield url
    finally:
        server.terminate()
        server.wait()


def test_a_fresh_clone_gets_everything_from_s3_without_training(committed: Clone, tmp_path: Path, s3: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    restored(committed, "s3://team/pullback", tmp_path, ("endpointurl", s3), NO_PROXY="127.0.0.1", **keys)
