"""An empty store, and a small pipeline that real DVC runs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
EXPERIMENT = "pullback"
PIPELINE = """
stages:
  prepare:
    cmd: python stages/stage.py prepare
    params: [images]
    deps: [stages/stage.py]
    outs: [data/images, runs/prepare.json]
    metrics: [metrics/prepare.json: {cache: false}]
  train:
    matrix: {model: [gan]}
    cmd: python stages/stage.py train@gan
    params: [width]
    deps: [data/images, metrics]
    outs:
      - models/${item.model}
      - runs/train/${item.model}.json
  report:
    cmd: python stages/stage.py report
    deps: [models/gan]
    outs: [report.txt, runs/report.json]
"""
STAGE = """
import os
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from pullback.errors import UserError
from pullback.tracking.run import stage_run

WRITES = {"prepare": ["data/images/a", "metrics/prepare.json"], "train@gan": ["models/gan/a"], "report": ["report.txt"]}
READS = {"prepare": [], "train@gan": ["prepare"], "report": ["train@gan"]}
stage = sys.argv[1]
params = YAML(typ="safe").load(Path("params.yaml"))
with stage_run(stage, "pullback", {"width": params["width"]}, READS[stage], params) as run:
    if params["failing"] == stage:
        raise UserError("the width is odd; choose another")
    while params["gate"] and not Path(os.environ["DVC_ROOT"], "open").exists():
        time.sleep(0.05)
    if stage == "prepare":
        run.dataset("digits", "0" * 32, "published", {"train": params["images"]})
    for name in WRITES[stage]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"{params['images']} {params['width']}")
    run.metrics({"loss": 1.0})
    run.headline({f"{stage.replace('@', '.')}.score": params["width"]})
    run.note(f"**{stage}** says {params['width']}.")
"""
IGNORED = ["open", "mlflow.db*", "mlartifacts", "runs", "data", "models", "report.txt", "__pycache__"]


def git(*command: str, cwd: Path) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=n@n", *command], cwd=cwd, check=True)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root without a store, and an environment without the settings of the session that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "PIPELINE_RUN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # and not deleted, so that it is restored when mlflow sets it
    return tmp_path


@pytest.fixture
def root(empty: Path, database: Path) -> Path:
    shutil.copy(database, empty / "mlflow.db")
    return empty


@contextmanager
def served(folder: Path, *command: str, **environment: str) -> Iterator[str]:
    """The address of a server of mlflow's, which reaches neither this project nor a network."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    hidden = folder / "hidden"
    hidden.mkdir()
    (hidden / "pullback.py").write_text("raise ImportError('this project is not here')")
    dead = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    settings = os.environ | {"PYTHONPATH": str(hidden)} | dead | environment
    arguments = [sys.executable, "-m", "mlflow", *command, "--host", "127.0.0.1", "--port", port]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(arguments, cwd=hidden, env=settings, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while True:
            with suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/health", timeout=10).raise_for_status()
                break
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # and what it has started
        process.wait()


class Repository:
    """A git repository with a pipeline of three stages, each of which takes a second or two.

    With the parameter `gate` they wait for a file `open` in it.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder, self.environment = folder, environment

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        own = ("DVC_", "MLFLOW_", "PIPELINE_")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(own)} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            **self.environment,
        }
        self.log = self.folder.parent / f"{time.monotonic_ns()}.log"  # a pipe would stay open in the queue's workers
        with self.log.open("w") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT)

    def run(self, *command: str) -> str:
        """What a command prints that ends well."""
        assert self.start(*command).wait(120) == 0, self.log.read_text()
        return self.log.read_text()

    def wait_until(self, done: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 90
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def set(self, **params: Any) -> None:
        values = {"images": 3, "width": 1, "failing": "none", "gate": 0} | params
        text = "".join(f"{key}: {value}\n" for key, value in values.items())
        (self.folder / "params.yaml").write_text(text)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.environment.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder / 'mlflow.db'}"))

    def runs(self, condition: str = "") -> list[Any]:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        return list(self.client.search_runs([experiment.experiment_id], condition, order_by=["start_time ASC"]))

    def parents(self) -> list[Any]:
        return self.runs("tags.pipeline LIKE '%'")

    def running(self) -> int:
        """How many executions are."""
        if not self.client.get_experiment_by_name(EXPERIMENT):
            return 0
        return sum(run.info.status == "RUNNING" for run in self.parents())

    def run_of(self, *command: str) -> Any:
        """The one run of an execution that a command adds."""
        before = len(self.parents())
        self.run(*command)
        *_, parent = self.parents()
        assert len(self.parents()) == before + 1
        return parent

    def children(self, parent: Any) -> dict[str, Any]:
        """By stage."""
        found = self.runs(f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
        stages = {run.data.tags["stage"]: run for run in found}
        assert len(stages) == len(found)
        return stages


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Path:
    folder = tmp_path_factory.mktemp("template")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "stages").mkdir()
    (folder / "stages/stage.py").write_text(STAGE)
    (folder / ".gitignore").write_text("".join(f"/{name}\n" for name in IGNORED))
    repository = Repository(folder)
    repository.set()
    git("init", "-q", cwd=folder)
    for name, value in (("user.name", "n"), ("user.email", "n@n")):
        git("config", name, value, cwd=folder)
    repository.run("dvc", "init", "-q")
    repository.run("dvc", "config", "core.analytics", "false")
    shutil.copy(database, folder / "mlflow.db")
    for message in ("start", "results"):
        git("add", "-A", cwd=folder)
        git("commit", "-q", "-m", message, cwd=folder)
        repository.run("dvc", "repro")
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Repository:
    """In which the pipeline has run, with its results committed."""
    shutil.copytree(template, tmp_path / "repository")
    return Repository(tmp_path / "repository")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts `mlflow` with some arguments, waits until it answers, and tells the address."""
    with ExitStack() as servers:
        yield lambda *command, **environment: servers.enter_context(served(tmp_path, *command, **environment))
