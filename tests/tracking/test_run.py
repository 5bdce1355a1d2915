import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.tracking.places import runs_path
from pullback.tracking.run import Run, Silent, stage_run
from pullback.tracking.store import ui_path

EXPERIMENT = "pullback"
STAGE = """
import sys, time
from contextlib import suppress
from pathlib import Path
from pullback.tracking.run import stage_run

stage, seconds = sys.argv[1], float(sys.argv[2])
with stage_run(stage, "pullback", {}):
    Path(f"{stage}.started").touch()
    time.sleep(seconds)
"""


def recorded(root):
    """The parents and the children in the store of `root`, in the order of their start."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    return [run for run in runs if run not in children], children


def everyone(root):
    parents, children = recorded(root)
    return parents + children


def start(root, stage, seconds=0, prefix=()):
    (root / "stage.py").write_text(STAGE)
    return subprocess.Popen([*prefix, sys.executable, "stage.py", stage, str(seconds)], cwd=root)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def statuses(runs):
    return [run.info.status for run in runs]


def test_stages_of_one_process_share_a_parent_and_another_key_makes_another(root, monkeypatch):
    for stage in ("prepare", "extractor"):
        with stage_run(stage, EXPERIMENT, {}):
            parents, _ = recorded(root)
            assert statuses(parents) == ["RUNNING"]
    monkeypatch.setenv("PIPELINE_RUN_KEY", "nightly")
    with stage_run("prepare", EXPERIMENT, {}):
        pass
    parents, children = recorded(root)
    assert [run.data.tags["mlflow.parentRunId"] for run in children] == [parents[i].info.run_id for i in (0, 0, 1)]
    assert [run.info.run_name for run in children] == ["prepare", "extractor", "prepare"]
    assert statuses(parents + children) == ["FINISHED"] * 5
    assert parents[1].data.tags["pipeline"] == "nightly"


def test_a_run_holds_what_the_stage_records(root, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wide-gan")
    params = {"gan": {"width": 64, "channels": [1, 2], "none": {}}, "long": "x" * 7000}
    params |= {f"many{i}": i for i in range(150)}
    with stage_run("train@gan", EXPERIMENT, params, all_params={"seed": 0}) as run:
        for step in range(1500):
            run.metrics({"loss": step / 2, "speed": 1}, step)
        run.headline({"gan.fid": 31.5})
        run.image("samples", np.zeros((8, 8, 3), np.uint8), step=20)
        run.tag("diagnosis.collapse", "try a lower learning_rate")
        run.text("hello", "notes/hello.txt")
        run.artifact(root / "mlflow.db.lock", "locks")
        run.dataset("digits", "0" * 64, "data/images", {"train": 1200})
    [parent], [child] = recorded(root)

    assert parent.info.run_name == parent.data.tags["dvc.experiment"] == "wide-gan"
    assert parent.data.params == {"seed": "0"}
    assert parent.data.metrics == {"gan.fid": 31.5}
    assert child.data.metrics == {"loss": 749.5, "speed": 1, "gan.fid": 31.5}
    assert child.data.tags["diagnosis.collapse"] == "try a lower learning_rate"
    assert "diagnosis.collapse" not in parent.data.tags
    assert child.data.params["gan.width"] == "64"
    assert child.data.params["gan.channels"] == "[1, 2]"
    assert child.data.params["gan.none"] == "{}"
    assert child.data.params["many149"] == "149"
    assert len(child.data.params["long"]) == 6000
    for recorded_run in (parent, child):
        [data] = recorded_run.inputs.dataset_inputs
        assert (data.dataset.name, json.loads(data.dataset.profile)) == ("digits", {"train": 1200})
    artifacts = root / "mlartifacts" / run.id / "artifacts"
    assert (artifacts / "notes" / "hello.txt").read_text() == "hello"
    assert (artifacts / "locks" / "mlflow.db.lock").is_file()
    assert len(list(artifacts.glob("images/samples+step+20+*.png"))) == 1
    assert ui_path(EXPERIMENT) == f"#/experiments/{run.experiment_id}/runs?compareRunsMode=CHART"


def test_the_load_of_the_machine_is_recorded_with_the_curves(root, monkeypatch):
    monkeypatch.setattr("pullback.tracking.run.SECONDS_BETWEEN_FLUSHES", 0.2)
    with stage_run("train@gan", EXPERIMENT, {}) as run:
        for step in (0, 64):
            time.sleep(0.3)
            run.metrics({"loss": 1.0}, step)
    [parent], [child] = recorded(root)
    assert 0 <= child.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < child.data.metrics["system/system_memory_usage_percentage"] < 100
    assert not parent.data.metrics


def test_notes_and_pictures_stand_on_both_pages(root):
    with stage_run("prepare", EXPERIMENT, {}) as run:
        run.note("first")
    with stage_run("evaluate@gan", EXPERIMENT, {}) as run:
        shown = run.picture("prior", np.zeros((8, 8, 3), np.uint8))
        run.note(f"second {shown}")
        assert run.publish("é", "report.html") == f"get-artifact?run_uuid={run.parent_id}&path=report.html"
    [parent], [_, child] = recorded(root)
    assert shown == f"![prior](get-artifact?run_uuid={run.id}&path=prior.png)"
    assert child.data.tags["mlflow.note.content"] == f"second {shown}"
    assert parent.data.tags["mlflow.note.content"].startswith(f"second {shown}\n\n---\n\nRan: prepare, ")
    assert parent.data.tags["mlflow.note.content"].endswith("\n\n---\n\nfirst")
    assert (root / "mlartifacts" / run.id / "artifacts/prior.png").is_file()
    assert (root / "mlartifacts" / run.parent_id / "artifacts/report.html").read_text() == "é"


def test_a_long_page_ends_with_a_whole_line(root):
    with stage_run("evaluate@gan", EXPERIMENT, {}) as run:
        run.note("| a row of a table |\n" * 500)
    [parent], _ = recorded(root)
    note = parent.data.tags["mlflow.note.content"]
    assert 7900 < len(note) <= 8000
    assert note.endswith("| a row of a table |")


TABLE = "**{}**\n\n|  | real: the floor | {} |\n| --- | --- | --- |\n| fid | 0.26 | {} |"


def test_tables_after_the_first_leave_the_floor_out(root):
    with stage_run("evaluate@gan", EXPERIMENT, {}) as run:
        run.note(TABLE.format("gan", "gan prior", 0.5))
    with stage_run("evaluate@vae", EXPERIMENT, {}) as run:
        run.note(TABLE.format("vae", "vae prior", 0.7))
    with stage_run("report", EXPERIMENT, {}) as run:
        run.note("The GAN leads.")
    [parent], [gan, _, _] = recorded(root)
    lead, _, vae, shortened = parent.data.tags["mlflow.note.content"].split("\n\n---\n\n")
    assert lead == "The GAN leads."
    assert vae == TABLE.format("vae", "vae prior", 0.7)
    assert shortened == "**gan**\n\n|  | gan prior |\n| --- | --- |\n| fid | 0.5 |"
    assert gan.data.tags["mlflow.note.content"] == TABLE.format("gan", "gan prior", 0.5)


def test_the_links_to_the_runs_of_skipped_stages_outlast_a_long_note(root, monkeypatch):
    stages = [f"stage{number}" for number in range(14)]
    monkeypatch.setenv("PIPELINE_RUN_KEY", "first")
    made = []
    for stage in stages:
        with stage_run(stage, EXPERIMENT, {}) as run:
            run.note("| a row of a table |\n" * 100)
        made.append(run.id)
    monkeypatch.setenv("PIPELINE_RUN_KEY", "second")
    with stage_run("report", EXPERIMENT, {}, reads=stages) as run:
        run.note("The GAN leads.")
    note = run._client.get_run(run.parent_id).data.tags["mlflow.note.content"]
    assert 7900 < len(note) <= 8000
    for stage, run_id in zip(stages, made, strict=True):
        assert f"[{stage}](#/experiments/{run.experiment_id}/runs/{run_id})" in note


def test_a_stage_leaves_its_address_and_the_next_one_links_to_it(root):
    with stage_run("train@gan", EXPERIMENT, {}) as upstream:
        pass
    with stage_run("sample@gan", EXPERIMENT, {}, reads=["train@gan", "prepare"]) as run:
        assert not runs_path("sample@gan").exists()
    assert json.loads((root / "runs" / "train" / "gan.json").read_text()) == {
        "run_id": upstream.id,
        "parent_run_id": upstream.parent_id,
        "experiment_id": upstream.experiment_id,
        "model_id": None,
        "stage": "train@gan",
    }
    _, [_, child] = recorded(root)
    assert child.info.run_id == run.id
    assert child.data.tags["input.train-gan"] == upstream.id
    assert "input.prepare" not in child.data.tags


def test_a_failing_stage_fails_its_parent_until_it_is_mended(root):
    def fail():
        with stage_run("prepare", EXPERIMENT, {}) as run:
            run.metrics({"read": 3})
            raise UserError("data.source is empty; name a folder")

    with pytest.raises(UserError, match="name a folder"):
        fail()
    [parent], [child] = recorded(root)
    assert statuses([parent, child]) == ["FAILED", "FAILED"]
    assert child.data.tags["error"] == "data.source is empty; name a folder"
    assert child.data.metrics == {"read": 3}
    assert not (root / "runs").exists()
    with stage_run("extractor", EXPERIMENT, {}):
        pass
    assert statuses(recorded(root)[0]) == ["FAILED"]
    with stage_run("prepare", EXPERIMENT, {}):
        pass
    assert statuses(recorded(root)[0]) == ["FINISHED"]


def test_racing_processes_make_one_database_and_one_parent(empty):
    racers = [start(empty, stage, prefix=["sh", "-c", '"$@"; exit $?', "sh"]) for stage in ("prepare", "extractor")]
    assert [racer.wait() for racer in racers] == [0, 0]
    [parent], children = recorded(empty)
    assert parent.data.tags["pipeline"].split("/")[:2] == [socket.gethostname(), str(os.getpid())]  # no shell's
    assert statuses([parent, *children]) == ["FINISHED"] * 3


def test_what_a_killed_process_left_running_is_killed_at_the_next_start(root, monkeypatch):
    process = start(root, "prepare", seconds=60)
    wait_for(root / "prepare.started")
    monkeypatch.setenv("PIPELINE_RUN_KEY", "next")
    with stage_run("prepare", EXPERIMENT, {}):
        assert statuses(everyone(root)) == ["RUNNING"] * 4  # it is alive
    process.kill()
    process.wait()
    with stage_run("prepare", EXPERIMENT, {}):
        [dead_parent, _], [dead_child, *_] = recorded(root)
        assert statuses([dead_parent, dead_child]) == ["KILLED", "KILLED"]


def test_sigterm_ends_a_stage_in_order(root):
    process = start(root, "prepare", seconds=60)
    wait_for(root / "prepare.started")
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert statuses(everyone(root)) == ["KILLED", "KILLED"]
    assert not any("error" in run.data.tags for run in everyone(root))
    assert not (root / "runs").exists()


def test_a_stage_that_exits_because_it_was_asked_to_is_killed(root):
    def ask():
        with stage_run("train@gan", EXPERIMENT, {}) as run:
            run.metrics({"loss": 1})
            raise SystemExit(20)

    with pytest.raises(SystemExit, match="20"):
        ask()
    _, [child] = recorded(root)
    assert statuses(everyone(root)) == ["KILLED", "KILLED"]
    assert child.data.metrics == {"loss": 1}
    assert "error" not in child.data.tags
    assert not (root / "runs").exists()


def test_a_silent_run_takes_all_that_a_run_does_and_records_nothing(empty):
    silent = Silent()
    for name in [name for name in vars(Run) if not name.startswith("_")]:
        assert getattr(silent, name)("fid", {"fid": 1.0}, step=3) is None
    assert not list(empty.iterdir())


def test_the_revision_is_dirty_when_code_differs_and_not_when_results_do(root):
    def git(*command):
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=n@n", *command], check=True, capture_output=True)

    def tags():
        with stage_run("prepare", EXPERIMENT, {}):
            return recorded(root)[1][-1].data.tags

    (root / ".gitignore").write_text("/mlflow.db*\n/mlartifacts/\n/runs/\n")
    (root / "code.py").touch()
    assert "git.dirty" not in tags()  # outside of git
    git("init")
    git("add", "--all")
    git("commit", "--message", "first")
    (root / "dvc.lock").touch()
    assert tags()["git.dirty"] == "false"
    (root / "code.py").write_text("pass\n")
    assert tags()["git.dirty"] == "true"
    assert len(tags()["mlflow.source.git.commit"]) == 40


@pytest.mark.parametrize("answers", [True, False], ids=["refused", "silent"])
def test_a_dead_server_is_reported_at_once(empty, monkeypatch, answers):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        if answers:
            server.close()
        began = time.monotonic()
        with (
            pytest.raises(UserError, match=r"no MLflow server answers .* unset MLFLOW_TRACKING_URI"),
            stage_run("prepare", EXPERIMENT, {}),
        ):
            pass
        assert time.monotonic() - began < 10


def test_a_model_is_an_exported_program_for_any_batch_size(root):
    import mlflow
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    with stage_run("train@gan", EXPERIMENT, {}) as run:
        run.metrics({"loss": 0.5}, step=7)
        model_id = run.model("gan", module, np.ones((2, 3), np.float32), step=7)
    assert json.loads((root / "runs" / "train" / "gan.json").read_text())["model_id"] == model_id
    loaded = mlflow.pyfunc.load_model(f"models:/{model_id}")
    inputs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(loaded.predict(inputs), module(torch.from_numpy(inputs)).detach(), rtol=1e-5)
    assert [(point.key, point.step) for point in mlflow.get_logged_model(model_id).metrics] == [("loss", 7)]
    for recorded_run in everyone(root):
        assert [output.model_id for output in recorded_run.outputs.model_outputs] == [model_id]


def record_until_full(folder):
    with stage_run("train@gan", EXPERIMENT, {}) as run:
        with (folder / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"0" * 4096)
        run.metrics({f"metric {i}": 1.0 for i in range(5000)})
        run.flush()


def test_a_disk_that_fills_up_is_told(root):
    """On a real file system of 1 MiB, where this user may mount one."""
    small = root / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here: that needs root")
    try:
        shutil.move(root / "mlflow.db", small / "mlflow.db")
        (root / "mlflow.db").symlink_to(small / "mlflow.db")
        with pytest.raises(UserError, match=r"the disk that holds sqlite:.* is full; make room there and run again"):
            record_until_full(small)
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)
