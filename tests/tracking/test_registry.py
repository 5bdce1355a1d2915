"""A trained generator gets a version by name, and a server that knows nothing of this project draws from it."""

import numpy as np
import pytest
import requests
from mlflow import MlflowClient
from typer.testing import CliRunner

from pullback import plugins
from pullback.cli import app
from pullback.errors import UserError
from pullback.models._model import ImagesFromLatents
from pullback.tracking.registry import register
from pullback.tracking.run import stage_run

LATENT, CLASSES = 4, 10


def train() -> str:
    """Records a generator of images (1, 8, 8) by class; returns the run of the execution."""
    gan = plugins.load("models", "gan")
    model = gan.build(gan.Params(width=4, latent_dim=LATENT), (1, 8, 8), CLASSES)
    with stage_run("train@gan", "pullback", {}) as run:
        run.model("gan", ImagesFromLatents(model), np.zeros((2, LATENT + 1), np.float32), step=0)
    return run.parent_id


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
    train()
    result = CliRunner().invoke(app, ["register", "--name", "a/b"])
    assert result.exit_code == 1
    assert "MLflow refuses" in str(result.output or result.exception)


def test_a_server_without_this_project_draws_images_and_refuses_what_is_no_latent(root, serve):
    train()
    register("gan", "digits")
    url = serve(
        "models", "serve", "--model-uri", "models:/digits/1", "--env-manager", "local",
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
