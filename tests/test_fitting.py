"""The stage that trains, as people run it: to its end, stopped, killed, with another of its kind, and on bad input."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from revision import committed
from ruamel.yaml import YAML

from pullback import config, files, plugins
from pullback.errors import UserError
from pullback.fitting import Fitting, Note
from pullback.models._model import Model
from pullback.pipeline import STOPPED, Stage, _record_cost, kept, rank, stage
from pullback.tracking.run import Silent, stage_run
from pullback.training import checkpoint
from pullback.training.loop import Stopped

ROOT = Path(__file__).parents[1]
GAN = {"width": 4, "latent_dim": 4, "budget_images": 3200, "batch_size": 16}
TRAIN = {
    "log_every": 5, "grid_every": 1600, "evaluate_every": 800, "evaluate_images": 128, "checkpoint_seconds": 0.0,
    "repeats": 2,
}  # fmt: skip


DIAGNOSIS = re.compile(r"train@gan: after \d+ images: ")


class Place:
    """A folder with what the stage needs: parameters, a set of images, and the store of MLflow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set(self, gan: dict[str, Any] | None = None, **train: Any) -> None:
        content = YAML(typ="safe").load(ROOT / "params.yaml")
        content["features"]["name"] = "pixels"
        content["models"]["gan"] |= GAN | (gan or {})
        content["train"] |= TRAIN | train
        (self.folder / "params.yaml").write_text(json.dumps(content))

    def start(self) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
        environment |= {"PYTHONPATH": str(ROOT / "src")}
        command = [sys.executable, str(ROOT / "stages/train.py"), "gan"]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True)

    def run(self) -> tuple[int, list[str]]:
        """The exit code, and the lines on stderr but for the diagnoses."""
        return ended(self.start())

    def start_until_checkpoint(self) -> subprocess.Popen[str]:
        """A training that has just written a checkpoint for the first or another time."""
        before = self.checkpoints()
        process, deadline = self.start(), time.monotonic() + 120
        while self.checkpoints() in ({}, before):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline, "no checkpoint appeared"
            time.sleep(0.02)
        return process

    def checkpoints(self) -> dict[str, int]:
        """When each was written."""
        paths = self.folder.glob(".checkpoints/*/seed-*.safetensors")
        return {str(path.relative_to(self.folder)): path.stat().st_mtime_ns for path in paths}

    def left(self) -> list[str]:
        return sorted(path.name for path in (self.folder / ".checkpoints").iterdir())

    def results(self) -> dict[str, bytes]:
        paths = [*self.folder.glob("models/gan/**/*.*"), *self.folder.glob("metrics/train/*")]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def last_run(self) -> Any:
        (run,) = self.client.search_runs(["1"], "tags.stage = 'train@gan'", order_by=["start_time DESC"], max_results=1)
        return run

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """All that the last run has in MLflow, but for its speed."""
        run = self.last_run()
        histories = {key: self.client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
        for speed in ("seconds", "images_per_second", "device_hours", "energy_kwh"):
            del histories[speed]
        return {
            key: [(point.step, point.value) for point in history]
            for key, history in histories.items()
            if not key.startswith("system/")
        }


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    _, stderr = process.communicate(timeout=120)
    return process.returncode, [line for line in stderr.splitlines() if not DIAGNOSIS.match(line)]


def stripes(n: int) -> np.ndarray:
    """Images uint8 (n, 1, 8, 8) of which every fourth has the same quarter lit."""
    images = np.random.default_rng(n).integers(0, 60, (n, 1, 8, 8), dtype=np.uint8)
    for kind in range(4):
        images[kind::4, :, 2 * kind : 2 * kind + 2] += 190
    return images


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blank")
    for split, n in (("train", 200), ("test", 60)):
        files.write_array(folder / f"data/images/{split}/images.npy", stripes(n))
        files.write_array(folder / f"data/images/{split}/labels.npy", np.full(n, -1))
    files.write_json(folder / "metrics/prepare.json", {"digest": "0123"})
    MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").create_experiment("pullback", (folder / "artifacts").as_uri())
    return folder


@pytest.fixture
def place(blank: Path, tmp_path: Path) -> Place:
    shutil.copytree(blank, tmp_path / "place")
    place = Place(tmp_path / "place")
    place.set()
    return place


@pytest.fixture(scope="module")
def whole(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where nothing disturbed the training."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(blank, folder, dirs_exist_ok=True)
    place = Place(folder)
    place.set()
    assert place.run() == (0, [])
    return place


def test_the_weights_and_curves_of_every_seed_are_kept(whole):
    weights = [f"{name}.safetensors" for name in ("generator", "discriminator")]
    folders = ["models/gan", "models/gan/last", "models/gan/repeats/1", "models/gan/repeats/1/last"]
    tables = [f"metrics/train/{name}" for name in ("gan.csv", "gan-scores.csv", "gan.json")]
    results = whole.results()
    assert sorted(results) == sorted([f"{folder}/{name}" for folder in folders for name in weights] + tables)
    assert len({results[f"{folder}/generator.safetensors"] for folder in folders[1:4:2]}) == 2
    assert not whole.left()
    assert not whole.last_run().data.tags.get("error")
    assert whole.last_run().info.status == "FINISHED"


def test_tables_mlflow_and_the_delivered_weights_agree(whole):
    scores = files.read_table(whole.folder / "metrics/train/gan-scores.csv")
    curve = files.read_table(whole.folder / "metrics/train/gan.csv")
    told = files.read_json(whole.folder / "metrics/train/gan.json")
    assert scores["seen_images"].tolist() == [800, 1600, 2400, 3200]
    assert curve["seen_images"].tolist() == list(range(80, 3201, 80))
    assert told["select"] == "fid"
    assert told["chosen"]["fid"] == pytest.approx(min(scores["fid"]))
    assert told["last"]["fid"] == pytest.approx(scores["fid"][-1])
    curves = whole.curves()
    for key, column in (("fid", scores), ("generator_loss", curve)):
        for prefix in ("", "repeat1."):
            assert [step for step, _ in curves[prefix + key]] == column["seen_images"].tolist()
        values = [value for _, value in curves[key]]
        assert values == pytest.approx(column[key].tolist())
        assert [value for _, value in curves[f"repeat1.{key}"]] != values


def test_the_delivered_weights_are_in_mlflow_beside_the_program(whole):
    model_id = files.read_json(whole.folder / "runs/train/gan.json")["model_id"]
    logged = Path(local_file_uri_to_path(whole.client.get_logged_model(model_id).artifact_location))
    kept = {path.name: path.read_bytes() for path in (logged / "extra_files").iterdir()}
    assert kept == {path.name: path.read_bytes() for path in whole.folder.glob("models/gan/*.safetensors")}
    assert len(kept) == 2


def test_the_note_shows_the_last_samples_of_each_training_from_one_file(whole):
    run = whole.last_run()
    address = f"get-artifact?run_uuid={run.info.run_id}&path="
    assert run.data.tags["mlflow.note.content"] == (
        f"**gan**: samples after 3,200 images<br>![samples]({address}samples.png)<br>"
        f"samples of training 2 after 3,200 images<br>![repeat1-samples]({address}repeat1-samples.png)"
    )
    paths = [file.path for file in whole.client.list_artifacts(run.info.run_id)]
    assert paths == ["images", "repeat1-samples.png", "samples.png"]


def test_the_pace_is_recorded_while_it_trains(whole):
    run = whole.last_run()
    for key in ("system/images_per_second", "system/repeat1.images_per_second"):
        history = whole.client.get_metric_history(run.info.run_id, key)
        assert [point.step for point in history] == list(range(80, 3201, 80))
        assert all(point.value > 0 for point in history)


def test_the_cost_is_recorded(whole):
    metrics = whole.last_run().data.metrics
    assert metrics["device_hours"] == pytest.approx(metrics["seconds"] / 3600, abs=2e-5)  # 72 ms lie between the two
    assert metrics["energy_kwh"] == pytest.approx(metrics["device_hours"] * 0.1)  # 100 watts


def test_the_cost_is_that_of_all_devices_for_as_long_as_the_stage_worked(place, monkeypatch):
    monkeypatch.chdir(place.folder)
    told = {}
    tracked: Any = SimpleNamespace(metrics=told.update)
    run = Stage("train@gan", config.read(), tracked)
    run.devices = 4
    _record_cost(run, 1800.0)
    assert told == pytest.approx({"device_hours": 2.0, "energy_kwh": 0.2})


@pytest.mark.parametrize("error", [UserError("it fails"), SystemExit(STOPPED), ValueError("a mistake of ours")])
def test_a_stage_that_fails_or_is_stopped_has_its_cost_too(place, monkeypatch, error):
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    with pytest.raises((SystemExit, ValueError)), stage("train@gan", keys=["seed"]):
        raise error
    run = place.last_run()
    assert run.info.status in ("FAILED", "KILLED")
    assert run.data.metrics["device_hours"] > 0
    assert run.data.metrics.keys().isdisjoint({"seconds", "images_per_second"})


def test_a_run_began_when_its_stage_did(place, monkeypatch):
    """And not when mlflow was imported, so that MLflow's duration is that in the stage's costs."""
    read = config.read

    def slow():
        time.sleep(0.5)
        return read()

    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setattr(config, "read", slow)
    began = time.time()
    with stage("train@gan", keys=["seed"]):
        pass
    run = place.last_run()
    parent = place.client.get_run(run.data.tags["mlflow.parentRunId"])
    for info in (run.info, parent.info):
        assert 1000 * began - 1 <= info.start_time < 1000 * (began + 0.5)
        assert info.end_time - info.start_time >= 1000 * run.data.metrics["seconds"] - 2


def test_a_diagnosis_is_a_tag_a_metric_and_a_line_of_the_results(whole):
    """So short a training leaves kinds of images out."""
    found = files.read_json(whole.folder / "metrics/train/gan.json")["diagnosis"]
    assert found["mode_collapse"].startswith("a kind of image has")
    tags, curves = whole.last_run().data.tags, whole.curves()
    for illness, sentence in found.items():
        assert tags[f"diagnosis.{illness}"].split(",")[1:] == sentence.split(",")[1:]
        assert curves[f"diagnosis.{illness}"][-1] == (3200, 1)


@pytest.mark.slow
def test_a_training_stopped_and_killed_again_and_again_ends_as_if_it_had_not_been(place, whole):
    process = place.start_until_checkpoint()
    process.terminate()
    code, lines = ended(process)
    assert code == STOPPED == 20
    assert re.fullmatch(r"train@gan: stopped after \d+ of 3200 images; the same command goes on from there", *lines)
    assert place.last_run().info.status == "KILLED"
    assert not (place.folder / "models/gan").exists()
    assert not (place.folder / "metrics/train").exists()
    (own,), saved = place.left(), place.checkpoints()

    place.set({"learning_rate": 1e30})  # another training
    code, (line,) = place.run()
    assert code == 1
    assert re.match(r"train@gan: models\.gan: .* try a tenth of the learning rate; the last good weights are in ", line)
    model = checkpoint.load(Path(line.split("are in ")[1]))
    assert all(weight.isfinite().all() for part in model.parts.values() for weight in part.parameters())
    assert place.last_run().info.status == "FAILED"
    assert "learning rate" in place.last_run().data.tags["error"]
    assert place.checkpoints().items() >= saved.items()
    place.set()

    moments = random.Random(0)
    for number in (signal.SIGKILL, signal.SIGINT):
        process = place.start_until_checkpoint()
        time.sleep(moments.random() / 2)
        process.send_signal(number)
        code, _ = ended(process)
        assert code == (STOPPED if number == signal.SIGINT else -number)
    assert place.run() == (0, [])
    assert place.results() == whole.results()
    assert place.curves() == whole.curves()
    assert own not in place.left()
    runs = place.client.search_runs(["1"], "tags.stage = 'train@gan'", order_by=["start_time ASC"])
    assert [run.info.status for run in runs] == ["KILLED", "FAILED", "KILLED", "KILLED", "FINISHED"]
    first, diverged, second, third, last = runs
    assert "resumes" not in first.data.tags.keys() | diverged.data.tags.keys()
    resumed = [run.data.tags["resumes"] for run in (second, third, last)]
    assert resumed == [run.info.run_id for run in (first, second, third)]


def fitting(place: Place, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> Fitting:
    monkeypatch.chdir(place.folder)
    run: Any = SimpleNamespace(name="train@gan", params=config.read(), seed=seed, tracked=Silent(), images=0)
    return Fitting(run, "gan")


def test_of_two_at_once_the_second_is_refused(place, monkeypatch):
    depends = fitting(place, monkeypatch).depends
    with kept("train@gan", depends) as folder:
        message = f"^another process works on train@gan in {folder}; wait for it, or end it$"
        with pytest.raises(UserError, match=message), kept("train@gan", depends):
            pass
        with kept("train@gan", depends | {"code": "other"}) as other:
            assert other != folder
    assert not folder.exists()


def test_a_training_that_goes_on_is_a_run_of_its_own_linked_to_the_one_that_was_stopped(place, monkeypatch):
    """With an empty checkpoint; the slow tests stop and kill real trainings."""
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    training = fitting(place, monkeypatch)

    def work(*, stopped: bool) -> None:
        with stage_run("train@gan", "pullback", {}) as run, kept("train@gan", training.depends) as folder:
            training.run.tracked, training.note = run, Note(run, "gan")
            training.sign(folder)
            (folder / "seed-0.safetensors").touch()
            if stopped:
                raise SystemExit(STOPPED)

    for _ in range(2):
        with pytest.raises(SystemExit):
            work(stopped=True)
    work(stopped=False)
    runs = place.client.search_runs(["1"], "tags.stage = 'train@gan'", order_by=["start_time ASC"])
    assert [run.info.status for run in runs] == ["KILLED", "KILLED", "FINISHED"]
    assert [run.data.tags.get("resumes") for run in runs] == [None, runs[0].info.run_id, runs[1].info.run_id]
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs}) == 1
    notes = [run.data.tags.get("mlflow.note.content") for run in runs]
    pages = [f"(#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})" for run in runs]
    assert notes[0] is None
    assert pages[0] in notes[1]
    assert pages[1] in notes[2]
    work(stopped=False)
    assert "resumes" not in place.last_run().data.tags


def test_nothing_is_left_of_a_training_that_failed_before_there_was_anything_to_keep(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(UserError, match="no use"), kept("train@gan", {}) as folder:
        raise UserError("no use")
    assert not folder.exists()
    with suppress(UserError), kept("train@gan", {}) as folder:
        (folder / "seed-0.safetensors").touch()
        raise UserError("no use")
    assert (folder / "seed-0.safetensors").exists()


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ("[/gloo/transport/tcp/pair.cc:537] Read error", UserError, "another process of this training was lost"),
        ("mat1 and mat2 cannot be multiplied", RuntimeError, "mat1"),
    ],
)
def test_a_lost_process_is_told_and_other_errors_are_left(place, monkeypatch, tmp_path, error, kind, message):
    def fail(*_, **__):
        raise RuntimeError(error)

    monkeypatch.setattr("pullback.fitting.train", fail)
    with pytest.raises(kind, match=message):
        fitting(place, monkeypatch).train(0, tmp_path, lambda: False)


def test_a_batch_larger_than_the_data_is_one_sentence(place, monkeypatch, tmp_path):
    place.set({"batch_size": 201})
    with pytest.raises(UserError, match=r"^batch_size 201 exceeds the 200 training images; lower it$"):
        fitting(place, monkeypatch).train(0, tmp_path, lambda: False)


def test_labels_that_are_not_there_are_one_sentence(place, monkeypatch):
    place.set({"conditional": True})
    with pytest.raises(
        UserError, match=r"^models\.gan: conditional is true, but 200 of 200 images have no label; set it to"
    ):
        fitting(place, monkeypatch)


def test_an_accelerator_that_is_not_there_is_one_sentence(place, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    place.set(accelerator="cuda")
    with pytest.raises(UserError, match=r"'cuda' is not on this machine; choose auto or cpu$"):
        fitting(place, monkeypatch)


def test_checkpoints_are_those_of_the_same_weights(place, monkeypatch):
    """What changes the weights makes another training, and what does not is the same one."""
    before = fitting(place, monkeypatch).depends
    place.set(repeats=3, checkpoint_seconds=1.0, data_on_device=False)
    assert fitting(place, monkeypatch).depends == before
    assert fitting(place, monkeypatch, seed=1).depends != before
    for change in ({"loss": "minimax"}, {"width": 5}):
        place.set(change)
        assert fitting(place, monkeypatch).depends != before
    files.write_json(place.folder / "metrics/prepare.json", {"digest": "4567"})
    place.set()
    assert fitting(place, monkeypatch).depends != before


@pytest.fixture
def earlier(place: Place) -> Model:
    """A generator whose weights are those of the last commit."""
    torch.manual_seed(7)
    gan = plugins.load("models", "gan")
    params = gan.Params(width=4, latent_dim=4)
    model = gan.build(params, (1, 8, 8), 0)
    described = {"name": "gan", "params": params.model_dump(), "shape": [1, 8, 8], "classes": 0}
    checkpoint.save(place.folder / "models/gan", model, described)
    committed(place.folder, "models/gan")
    shutil.rmtree(place.folder / "models/gan")
    return model


def test_a_training_starts_from_the_weights_of_a_revision_for_a_share_of_the_budget(
    place, monkeypatch, tmp_path, earlier
):
    """The loop gets them before its first step, from which it makes the averaged weights."""
    seen = {}

    def first_step(model, params, *_, **__):
        seen.update(model=model, budget=params.budget_images)
        raise Stopped

    monkeypatch.setattr("pullback.fitting.train", first_step)
    for start, budget in ((None, 3200), ("HEAD", 800)):
        place.set(start=start, start_budget=0.25)
        fits = fitting(place, monkeypatch)
        with pytest.raises(Stopped):
            fits.train(0, tmp_path, lambda: False)
        assert seen["budget"] == fits.description["params"]["budget_images"] == budget
        same = [
            torch.equal(weight, earlier.parts[part].state_dict()[name])
            for part, network in seen["model"].parts.items()
            for name, weight in network.state_dict().items()
            if weight.is_floating_point() and weight.numel() > 1 and weight.std() > 0
        ]
        assert same
        assert all(same) if start else not any(same)


def test_another_start_is_another_training(place, monkeypatch, earlier):
    before = fitting(place, monkeypatch).depends
    place.set(start="HEAD")
    assert fitting(place, monkeypatch).depends != before


def test_weights_of_other_networks_are_refused_in_one_sentence(place, monkeypatch, tmp_path, earlier):
    told = (
        r"^train\.start: models\.gan has other networks than at revision HEAD; set train\.start to null and retrain\."
    )
    for change in ({"width": 5}, {"architecture": "mlp"}, {"latent_dim": 5}):
        place.set(change, start="HEAD")
        with pytest.raises(UserError, match=told):
            fitting(place, monkeypatch).train(0, tmp_path, lambda: False)


def test_a_start_that_is_not_there_is_one_sentence(place, monkeypatch, tmp_path, earlier):
    place.set(start="nowhere")
    with pytest.raises(UserError, match=r"^revision nowhere cannot give models/gan "):
        fitting(place, monkeypatch).train(0, tmp_path, lambda: False)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1"}, 1),
        ({"RANK": "5", "LOCAL_RANK": "1"}, 5),  # torchrun
        ({"SLURM_PROCID": "3"}, 3),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, 1),  # started by one process of a job
    ],
)
def test_each_process_knows_its_rank_before_it_meets_the_others(monkeypatch, environment, expected):
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert rank() == expected


@pytest.mark.slow
def test_two_processes_are_one_run_and_stop_as_one(place):
    place.set(devices=2, repeats=1)
    process = place.start_until_checkpoint()
    process.send_signal(signal.SIGTERM)
    code, lines = ended(process)
    assert code == STOPPED
    assert len([line for line in lines if line.startswith("train@gan: stopped after ")]) == 1
    assert place.last_run().info.status == "KILLED"
    code, lines = place.run()
    assert code == 0, lines
    runs = place.client.search_runs(["1"], "tags.stage = 'train@gan'")
    assert sorted(run.info.status for run in runs) == ["FINISHED", "KILLED"]
    assert place.left() == []
