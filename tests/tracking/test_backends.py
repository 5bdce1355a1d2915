"""A tracking server as a team has it, with PostgreSQL and an S3 store behind it, all on the loopback address."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3
import numpy as np
import pytest
from service import Service

from pullback.tracking.places import offline_folder
from pullback.tracking.run import stage_run
from pullback.tracking.sync import sync

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
pytestmark = pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL here (Debian: apt install postgresql)")

KEYS = {"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": "secret"}

WRITER = """
from pullback.tracking.run import stage_run

for stage in ("first", "second"):
    with stage_run(stage, "crowd", {}, all_params={"seed": 0}) as run:
        for step in range(400):
            run.metrics({"loss": step / 2, "speed": step}, step)
            if step % 20 == 0:
                run.flush()
        run.headline({f"{stage}.score": 1.0})
"""


@pytest.fixture(scope="module")
def folder():
    """Where the servers work: one of them as another user, whom pytest's folders do not let in."""
    path = Path(tempfile.mkdtemp(prefix="pullback-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def postgresql(folder):
    user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to be root
    data = str(folder / "postgresql")
    create = [str(PROGRAMS[-1] / "initdb"), "-D", data, "-U", "team", "-A", "trust", "--no-sync"]
    subprocess.run(create, user=user, cwd=folder, check=True, capture_output=True)
    settings = ["-h", "127.0.0.1", "-p", "{port}", "-k", str(folder), "-c", "fsync=off"]
    service = Service([str(PROGRAMS[-1] / "postgres"), "-D", data, *settings], folder, user)
    yield f"postgresql+psycopg2://team@127.0.0.1:{service.port}/postgres"
    service.end(signal.SIGQUIT)


@pytest.fixture(scope="module")
def s3(folder):
    """The client of an S3 store with a bucket `runs`."""
    service = Service([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"], folder)
    own = {name.lower(): value for name, value in KEYS.items()}
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{service.port}", region_name="us-east-1", **own)
    client.create_bucket(Bucket="runs")
    yield client
    service.end()


@pytest.fixture(scope="module")
def mlflow_server(folder, postgresql, s3):
    service = Service(
        [sys.executable, "-m", "mlflow", "server", "--port", "{port}"],
        folder,
        MLFLOW_BACKEND_STORE_URI=postgresql,
        MLFLOW_ARTIFACTS_DESTINATION="s3://runs",
        MLFLOW_S3_ENDPOINT_URL=s3.meta.endpoint_url,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        MLFLOW_WORKERS="1",
        **KEYS,
    )
    yield service
    service.end()


@pytest.fixture
def server(mlflow_server, empty, monkeypatch):
    """The server, as MLFLOW_TRACKING_URI names it."""
    mlflow_server.uri = f"http://127.0.0.1:{mlflow_server.port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    return mlflow_server


def recorded(server, experiment):
    """The parents and the children, in the order of their start, and the client that knows them."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    found = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id], order_by=["attributes.start_time ASC"]
    )
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children, client


def points(client, run, key):
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, key)]


def in_s3(s3, part):
    """The names in the bucket that have `part` in them."""
    listed = s3.list_objects_v2(Bucket="runs")["Contents"]
    return [each["Key"] for each in listed if part in each["Key"]]


def linear():
    import torch

    return torch.nn.Linear(3, 4)


def test_a_pipeline_records_to_postgresql_and_s3(server, s3):
    import mlflow

    with stage_run("prepare", "tiny", {"size": 8}, all_params={"seed": 0}) as run:
        run.dataset("digits", "0" * 32, "data/images", {"train": 1200})
        run.headline({"images.train": 1200})
    with stage_run("train@gan", "tiny", {"gan": {"width": 64}}, reads=["prepare"]) as run:
        for step in range(1500):
            run.metrics({"loss": step / 2, "never": float("nan")}, step)
        run.image("samples", np.full((8, 8), 7, np.uint8), step=5)
        run.text("hello", "notes/hello.txt")
        model_id = run.model("gan", linear(), np.ones((2, 3), np.float32), step=1499)
        run.publish("<html>", "report.html")
        run.note(("é" * 99 + "\n") * 90)
    [parent], [prepare, train], client = recorded(server, "tiny")
    assert {run.info.status for run in (parent, prepare, train)} == {"FINISHED"}
    assert train.data.tags["input.prepare"] == prepare.info.run_id
    assert (parent.data.params, train.data.params) == ({"seed": "0"}, {"gan.width": "64"})
    assert parent.data.metrics == {"images.train": 1200}
    assert 7900 < len(parent.data.tags["mlflow.note.content"]) <= 8000
    assert points(client, train, "loss") == [(step, step / 2) for step in range(1500)]
    assert len(points(client, train, "never")) == 1500
    assert [each.dataset.name for each in parent.inputs.dataset_inputs] == ["digits"]

    [note] = in_s3(s3, "hello.txt")
    assert s3.get_object(Bucket="runs", Key=note)["Body"].read() == b"hello"
    assert len(in_s3(s3, f"{train.info.run_id}/artifacts/images/samples+step+5+")) == 2  # one is small, for the slider
    assert in_s3(s3, f"{parent.info.run_id}/artifacts/report.html")
    assert in_s3(s3, f"{model_id}/artifacts/MLmodel")
    assert mlflow.pyfunc.load_model(f"models:/{model_id}").predict(np.ones((5, 3), np.float32)).shape == (5, 4)


def test_four_pipelines_that_write_at_once_lose_nothing(server, tmp_path):
    writers = []
    for name in ("a", "b", "c", "d"):  # each in a repository of its own, as on four machines
        (tmp_path / name).mkdir()
        own = {"PIPELINE_RUN_KEY": name}
        writers.append(subprocess.Popen([sys.executable, "-c", WRITER], cwd=tmp_path / name, env=os.environ | own))
    assert [writer.wait() for writer in writers] == [0] * 4
    parents, children, client = recorded(server, "crowd")
    assert sorted(run.data.tags["pipeline"] for run in parents) == ["a", "b", "c", "d"]
    for run in parents:
        own = [child for child in children if child.data.tags["mlflow.parentRunId"] == run.info.run_id]
        assert [child.data.tags["stage"] for child in own] == ["first", "second"]
        assert (run.info.status, run.data.params) == ("FINISHED", {"seed": "0"})
        assert run.data.metrics == {"first.score": 1, "second.score": 1}
        for child in own:
            assert points(client, child, "loss") == [(step, step / 2) for step in range(400)]
            assert points(client, child, "speed") == [(step, step) for step in range(400)]


def train_while_it_dies(server):
    with stage_run("train@gan", "mortal", {"gan": {"width": 64}}, all_params={"seed": 0}) as run:
        for step in range(300):
            run.metrics({"loss": step / 2}, step)
            if step in (75, 225):
                run.image("samples", np.full((8, 8), 7, np.uint8), step)
            if step in (150, 250):
                run.flush()
            if step == 200:
                server.end()
        run.headline({"gan.fid": 31.5})
        run.model("gan", linear(), np.ones((2, 3), np.float32), step=299)


def test_a_server_that_dies_in_the_middle_is_replaced_by_files_and_gets_all_of_it_later(server, monkeypatch):
    import mlflow

    with pytest.warns(UserWarning, match=r"^the MLflow server at .* no longer answers; .* `pullback sync` brings them"):
        train_while_it_dies(server)
    assert offline_folder().exists()
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    [parent], [train], client = recorded(server, "mortal")
    assert train.info.status == "RUNNING"
    before = points(client, train, "loss")
    assert 151 <= len(before) < 225

    assert sync() == 2
    assert not offline_folder().exists()
    [parent], [train], client = recorded(server, "mortal")
    assert (parent.info.status, train.info.status) == ("FINISHED", "FINISHED")
    assert points(client, train, "loss") == [(step, step / 2) for step in range(300)]
    assert points(client, parent, "gan.fid") == points(client, train, "gan.fid") == [(0, 31.5)]
    assert (train.data.params, parent.data.params) == ({"gan.width": "64"}, {"seed": "0"})
    assert train.data.tags["mlflow.parentRunId"] == parent.info.run_id
    images = [file.path for file in client.list_artifacts(train.info.run_id, "images")]
    assert sorted(re.findall(r"\+step\+(\d+)\+", " ".join(images))) == ["225", "225", "75", "75"]
    mlflow.set_tracking_uri(server.uri)
    for each in (train, parent):
        [output] = each.outputs.model_outputs
        assert mlflow.pyfunc.load_model(f"models:/{output.model_id}").metadata.run_id == train.info.run_id
