"""From the files to a second store of the same kind, in a server's place. test_backends.py has a real server."""

import shutil
import socket
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pullback import files
from pullback.errors import UserError
from pullback.tracking.places import offline_folder, offline_uri, runs_path
from pullback.tracking.run import stage_run
from pullback.tracking.sync import sync

EXPERIMENT = "pullback"


@pytest.fixture
def root(empty, database):
    """A root whose files for the time without a server are an empty store."""
    offline_folder().mkdir(parents=True)
    shutil.copy(database, offline_folder() / "mlflow.db")
    return empty


@pytest.fixture
def dead():
    """The address of a server that is away."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def team(root, database):
    """The address of the store that stands for the server when it is back."""
    (root / "team").mkdir()
    from mlflow import MlflowClient

    shutil.copy(database, root / "team" / "mlflow.db")
    address = f"sqlite:///{root / 'team' / 'mlflow.db'}"
    MlflowClient(address).create_experiment("another")  # so that the same experiment has another number
    return address


def record_prepare():
    with stage_run("prepare", EXPERIMENT, {"size": 8}, all_params={"seed": 0}, offline=True) as run:
        run.dataset("digits", "0" * 32, "data/images", {"train": 1200})
        run.headline({"images.train": 1200})


def record_train(model=True):
    import torch

    with stage_run("train@gan", EXPERIMENT, {"gan": {"width": 64}}, reads=["prepare"], offline=True) as run:
        for step in range(1100):
            run.metrics({"loss": step / 2, "never": float("nan")}, step)
        run.image("samples", np.full((8, 8), 7, np.uint8), step=5)
        run.text("hello", "notes/hello.txt")
        run.note(run.picture("samples", np.full((8, 8), 7, np.uint8)))
        run.tag("diagnosis.collapse", "try a lower learning_rate")
        run.tag("note", f"see #/experiments/{run.experiment_id}/runs/{run.parent_id}/artifacts")
        page = f"http://127.0.0.1:5000/#/experiments/{run.experiment_id}/runs/{run.id}"
        run.publish(f'<a href="{page}">{run.parent_id}</a> made <code>{"0" * 32}</code> é', "pages/report.html")
        if model:
            run.model("gan", torch.nn.Linear(3, 4), np.ones((2, 3), np.float32), step=1099)


def told(uri):
    """All that a store holds of the runs, without what each store decides itself."""
    from mlflow import MlflowClient
    from mlflow.utils.file_utils import local_file_uri_to_path

    def content(run):
        histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        folder = Path(local_file_uri_to_path(run.info.artifact_uri))
        tags = {key: in_words(value) for key, value in run.data.tags.items() if key != "synced_from"}
        models = [(client.get_logged_model(out.model_id), out.step) for out in run.outputs.model_outputs]
        return {
            "information": (run.info.status, run.info.start_time, run.info.end_time),
            "points": {(key, at.timestamp, at.step, str(at.value)) for key in histories for at in histories[key]},
            "number": {key: len(history) for key, history in histories.items()},
            "params": run.data.params,
            "tags": tags,
            "files": {str(file.relative_to(folder)): kept(file) for file in folder.rglob("*") if file.is_file()},
            "datasets": [(each.dataset.name, each.dataset.profile) for each in run.inputs.dataset_inputs],
            "models": [
                (
                    model.name,
                    model.status,
                    step,
                    model.params,
                    sorted((at.key, at.step, str(at.value)) for at in model.metrics),
                )
                for model, step in models
            ],
        }

    def in_words(text):
        for run_id, name in names.items():
            text = text.replace(run_id, name)
        return text.replace(f"/experiments/{experiment.experiment_id}/", "/experiments/ours/")

    def kept(file):
        return in_words(file.read_text()) if file.suffix == ".html" else file.read_bytes()

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = [client.get_run(run.info.run_id) for run in client.search_runs([experiment.experiment_id])]
    names = {run.info.run_id: run.info.run_name for run in runs}
    assert len(set(names.values())) == len(runs), "a run is there twice"
    assert len(client.search_logged_models([experiment.experiment_id])) <= 1
    return {run.info.run_name: content(run) for run in runs}


def runs_of(uri):
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])
    return {run.info.run_name.split()[0]: run for run in found}


@pytest.mark.filterwarnings("ignore:MLFLOW_TRACKING_URI is")
def test_the_server_gets_all_that_was_recorded_in_the_files(root, dead, team, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead)
    record_prepare()
    record_train()
    before = told(offline_uri())
    assert before["train@gan"]["number"] == {"loss": 1100, "never": 1100}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
    assert sync() == 3
    assert told(team) == before
    assert not offline_folder().exists()
    assert sync() == 0
    assert told(team) == before
    mlflow.set_tracking_uri(team)
    runs = runs_of(team)
    [output] = runs["train@gan"].outputs.model_outputs
    assert mlflow.pyfunc.load_model(f"models:/{output.model_id}").metadata.run_id == runs["train@gan"].info.run_id
    assert runs["train@gan"].data.tags["input.prepare"] == runs["prepare"].info.run_id


class Killed(BaseException):
    pass


def killed_after(calls, uri):
    """Methods of a client, each of which ends the process after the last of so many calls that write to the store."""
    from mlflow import MlflowClient

    def dying(method):
        def call(client, *args, **kwargs):
            nonlocal calls
            result = method(client, *args, **kwargs)
            calls -= client.tracking_uri == uri
            if not calls:
                raise Killed
            return result

        return call

    writes = ("create_", "set_", "log_", "finalize_", "delete_")
    return {name: dying(method) for name, method in vars(MlflowClient).items() if name.startswith(writes)}


@pytest.mark.filterwarnings("ignore:MLFLOW_TRACKING_URI is")
def test_a_sync_that_is_killed_after_each_of_its_calls_leaves_nothing_out_and_nothing_twice(
    root, dead, team, monkeypatch
):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead)
    record_prepare()
    record_train()
    before = told(offline_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
    for calls in count(1):
        with monkeypatch.context() as patch:
            for name, method in killed_after(calls, team).items():
                patch.setattr(MlflowClient, name, method)
            try:
                sync()
                break
            except Killed:
                pass
    assert calls > 10
    assert told(team) == before


def test_an_execution_whose_server_went_away_between_two_stages_is_one(root, dead, team, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
    record_prepare()
    began = told(team)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead)
    with pytest.warns(UserWarning, match=r"no MLflow server answers .*; the runs are recorded in .* `pullback sync`"):
        record_train(model=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
    assert sync() == 2
    runs = runs_of(team)
    assert sorted(runs) == ["prepare", "repro", "train@gan"]
    assert not any(tag.startswith("skipped.") for tag in runs["repro"].data.tags)
    assert runs["train@gan"].data.tags["mlflow.parentRunId"] == runs["repro"].info.run_id
    assert runs["train@gan"].data.tags["input.prepare"] == runs["prepare"].info.run_id
    assert told(team)["prepare"] == began["prepare"]
    with stage_run("sample@gan", EXPERIMENT, {}, reads=["train@gan"]):  # whose file has the id of old
        pass
    assert files.read_json(runs_path("train@gan"))["run_id"] != runs["train@gan"].info.run_id
    assert runs_of(team)["sample@gan"].data.tags["input.train-gan"] == runs["train@gan"].info.run_id


def test_the_last_note_of_a_run_is_the_one_that_stays(root, team, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
    with stage_run("train@gan", EXPERIMENT, {}, offline=True) as run:
        began = run.id
        run.note(f"early {run.picture('samples', np.full((8, 8), 7, np.uint8))}")
        run._go_on_as_twin()
        run.note(f"late {run.picture('samples', np.full((8, 8), 9, np.uint8))}")
    sync()
    assert runs_of(team)["train@gan"].info.run_id == began
    note = runs_of(team)["train@gan"].data.tags["mlflow.note.content"]
    assert note == f"late ![samples](get-artifact?run_uuid={began}&path=samples.png)"
    assert note in runs_of(team)["repro"].data.tags["mlflow.note.content"]
    [picture] = MlflowClient(team).list_artifacts(began)
    with Image.open(MlflowClient(team).download_artifacts(began, picture.path)) as shown:
        assert shown.getpixel((0, 0)) == 9


@pytest.mark.filterwarnings("ignore:MLFLOW_TRACKING_URI is")
def test_nothing_is_sent_nor_lost_without_a_store_that_takes_it_or_while_a_stage_records(root, dead, team, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead)
    record_prepare()
    before = told(offline_uri())
    with pytest.raises(UserError, match=rf"^{dead} does not take the runs \(\w+\); nothing is lost, .* again when"):
        sync()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI is ''; set it to the address"):
        sync()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", offline_uri())  # as one sets it to look into the files
    with pytest.raises(UserError, match=r"^MLFLOW_TRACKING_URI is .*; set it to the address"):
        sync()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead)
    with stage_run("extractor", EXPERIMENT, {}, offline=True):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", team)
        with pytest.raises(
            UserError, match=r"extractor on .* still records in .*; run `pullback sync` when it has ended"
        ):
            sync()
    after = told(offline_uri())
    assert after["prepare"] == before["prepare"]
    assert "extractor" in after
