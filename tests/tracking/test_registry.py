"""A trained generator gets a version by name, and a server that knows nothing of this project draws from it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from typer.testing import CliRunner

from pullback import plugins
from pullback.cli import app
from pullback.errors import UserError
from pullback.models._model import ImagesFromLatents
from pullback.tracking.registry import fetch, register
from pullback.tracking.run import stage_run
from pullback.training import checkpoint

ROOT = Path(__file__).parents[2]
LATENT, CLASSES = 4, 10


def train(keep: bool = True) -> str:
    """Records a GAN of images (1, 8, 8) by class, and `keep`s its weights; returns the run of the execution."""
    gan = plugins.load("models", "gan")
    params = gan.Params(width=4, latent_dim=LATENT)
    model = gan.build(params, (1, 8, 8), CLASSES)
    description = {"name": "gan", "params": params.model_dump(), "shape": [1, 8, 8], "classes": CLASSES}
    checkpoint.save(Path("models/gan"), model, description)
    weights = sorted(Path("models/gan").iterdir()) if keep else []
    with stage_run("train@gan", "pullback", {}) as run:
        run.model("gan", ImagesFromLatents(model), np.zeros((2, LATENT + 1), np.float32), step=0, weights=weights)
    return run.parent_id


def champion(root: Path) -> None:
    """Makes the first version of pullback-gan the champion."""
    MlflowClient(f"sqlite:///{root / 'mlflow.db'}").set_registered_model_alias("pullback-gan", "champion", "1")


def test_the_last_model_is_registered_and_a_later_one_is_its_next_version(root, monkeypatch):
    first, runner = train(), CliRunner()
    said = runner.invoke(app, ["register"]).output
    assert "pullback-gan has version 1" in said
    monkeypatch.setenv("PIPELINE_RUN_KEY", "next")
    train()
    assert "pullback-gan has version 2" in runner.invoke(app, ["register"]).output
    assert "digits has version 1" in runner.invoke(app, ["register", first, "--name", "digits"]).output
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    one, two = (client.get_model_version("pullback-gan", each) for each in "12")
    assert one.source == client.get_model_version("digits", "1").source != two.source
    assert client.get_run(one.run_id).data.tags["mlflow.parentRunId"] == first


def test_an_execution_that_skipped_the_training_has_the_model_that_it_used(root, monkeypatch):
    train()
    monkeypatch.setenv("PIPELINE_RUN_KEY", "next")
    with stage_run("sample@gan", "pullback", {}, reads=["train@gan"]) as run:
        pass
    assert register("gan", "digits", run.parent_id) == "1"


def test_what_cannot_be_registered_is_told_in_one_sentence(root):
    with pytest.raises(UserError, match=r"runs/train/gan.json does not exist; run `dvc repro` to make it"):
        register("gan", "digits")
    with pytest.raises(UserError, match=r"^run 0123 is not in sqlite:.*; copy its id from the MLflow UI$"):
        register("gan", "digits", "0123")
    with stage_run("prepare", "pullback", {}) as run:
        pass
    with pytest.raises(UserError, match=r"holds no model 'gan'; name the run of a pipeline that trained it$"):
        register("gan", "digits", run.id)
    trained = train()
    with pytest.raises(UserError, match=r"^there is no training of a model 'foo' here; choose among gan$"):
        register("foo", "digits")
    with pytest.raises(UserError, match=r"^run \w+ holds no model 'foo', but gan; name the run of a pipeline"):
        register("foo", "digits", trained)
    result = CliRunner().invoke(app, ["register", "--name", "a/b"])
    assert result.exit_code == 1
    assert "MLflow refuses" in str(result.output or result.exception)


@pytest.mark.parametrize("wanted", ["champion", "1"])
def test_a_version_brings_all_parts_of_its_model(root, tmp_path_factory, wanted):
    train()
    trained = {path.name: path.read_bytes() for path in Path("models/gan").iterdir()}
    register("gan", "pullback-gan")
    champion(root)
    version, folder = fetch("pullback-gan", wanted, tmp_path_factory.mktemp("weights"))
    assert version == "1"
    assert trained.keys() == {"generator.safetensors", "discriminator.safetensors"}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == trained


def test_the_champion_draws_what_it_drew_before_a_later_training(root):
    shutil.copy(ROOT / "params.yaml", root)
    train()
    register("gan", "pullback-gan")
    champion(root)
    command = ["generate", "--n", "3", "--labels", "3", "--out"]
    for out, alias in (("own", []), ("later", []), ("champion", ["--alias", "champion"])):
        if out == "later":
            train()
        result = CliRunner().invoke(app, [*command, f"{out}.npy", *alias])
        assert result.exit_code == 0, result.exception
    assert "3 images from version 1 of pullback-gan (prior, seed 0) are in champion.npy" in result.output
    own, later, old = (np.load(f"{name}.npy") for name in ("own", "later", "champion"))
    assert (own == old).all()
    assert (own != later).any()


def test_what_cannot_be_fetched_is_told_in_one_sentence(root, tmp_path):
    with pytest.raises(UserError, match=r"^sqlite:.* has no model 'digits' with the version or alias 'champion'; see "):
        fetch("digits", "champion", tmp_path)
    train(keep=False)
    register("gan", "digits")
    for wanted in ("champion", "2", "a/b"):
        with pytest.raises(UserError, match=rf"has no model 'digits' with the version or alias '{wanted}'; see "):
            fetch("digits", wanted, tmp_path)
    with pytest.raises(UserError, match=r"^version 1 of 'digits' holds only an exported program, as it was trained "):
        fetch("digits", "1", tmp_path)


def test_a_server_without_this_project_draws_images_and_refuses_what_is_no_latent(root, serve):
    train()
    register("gan", "pullback-gan")
    champion(root)
    url = serve(
        "models", "serve", "--model-uri", "models:/pullback-gan@champion", "--env-manager", "local",
        MLFLOW_TRACKING_URI=f"sqlite:///{root / 'mlflow.db'}",
    )  # fmt: skip
    random = np.random.default_rng(0)
    latents = np.hstack([random.normal(size=(5, LATENT)), random.integers(0, CLASSES, (5, 1))])
    answer = requests.post(f"{url}/invocations", json={"instances": latents.tolist()}, timeout=60)
    assert answer.status_code == 200, answer.text
    images = np.array(answer.json()["predictions"])
    assert images.shape == (5, 1, 8, 8)
    assert -1 <= images.min() < images.max() <= 1
    assert not np.allclose(images[0], images[1])
    for wrong in ({"instances": [[0.0, 1.0]]}, {"instances": "a picture, please"}, {"latents": latents.tolist()}):
        answer = requests.post(f"{url}/invocations", json=wrong, timeout=60)
        assert 400 <= answer.status_code < 500, answer.text
        assert " " in answer.json()["message"]
