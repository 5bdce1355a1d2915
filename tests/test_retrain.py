"""Retraining keeps what the gate passes, undoes what it refuses or what fails, and says which by its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Two stages in place of the pipeline: the "data" are a number, and the "score" is read off it.
PIPELINE = """
stages:
  download:
    cmd: cp source.txt raw.txt
    deps: [source.txt]
    outs: [raw.txt]
  evaluate:
    cmd: python score.py
    deps: [raw.txt, score.py]
    outs: [model.txt]
    metrics:
      - metrics/evaluate/gan.json:
          cache: false
"""
SCORE = """
import json, pathlib
value = float(pathlib.Path("raw.txt").read_text())
pathlib.Path("model.txt").write_text("half")
assert value < 100, "the stage fails"
pathlib.Path("model.txt").write_text(str(value))
scores = {"fid": {"value": value}, "recall": {"value": 0.5}}
pathlib.Path("metrics/evaluate").mkdir(parents=True, exist_ok=True)
pathlib.Path("metrics/evaluate/gan.json").write_text(json.dumps({"methods": {"prior": scores}}))
"""


class Workspace:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "score.py").write_text(SCORE)
        (folder / ".gitignore").write_text("/raw.txt\n/model.txt\n/source.txt\n/.checkpoints\n")
        self.data(10)
        for command in (
            "git init -q", "git config user.name test", "git config user.email test@localhost",
            "dvc init -q", "dvc repro -q", "git add -A", "git commit -q -m champion",
        ):  # fmt: skip
            assert self.run(*command.split()).returncode == 0

    def data(self, value: float) -> None:
        (self.folder / "source.txt").write_text(str(value))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """As under cron: the environment's programs are not on the PATH, except for the set-up itself."""
        bin_folder = Path(sys.executable).parent
        program = str(bin_folder / command[0]) if command[0] != "git" else "git"
        path = "/usr/bin:/bin" if command[0] == "pullback" else f"{bin_folder}:/usr/bin:/bin"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "PIPELINE"))}
        return subprocess.run(
            [program, *command[1:]], cwd=self.folder, env=env | {"PATH": path}, capture_output=True, text=True
        )

    def retrain(self, expected: int) -> str:
        result = self.run("pullback", "retrain")
        assert result.returncode == expected, result.stdout + result.stderr
        assert not self.run("git", "status", "--porcelain").stdout
        return result.stdout

    @property
    def model(self) -> str:
        return (self.folder / "model.txt").read_text()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_the_same_data_change_nothing(workspace: Workspace) -> None:
    assert "the same as before" in workspace.retrain(10)
    assert workspace.model == "10.0"


def test_a_better_model_is_committed(workspace: Workspace) -> None:
    workspace.data(8)
    assert "gan.prior.fid 10 -> 8 (ok" in workspace.retrain(0)
    assert workspace.model == "8.0"
    assert "gan.prior.fid 10 -> 8" in workspace.run("git", "log", "-1", "--format=%B").stdout


def test_a_worse_model_is_undone(workspace: Workspace) -> None:
    workspace.data(12)
    assert "gan.prior.fid 10 -> 12 (worse" in workspace.retrain(11)
    assert workspace.model == "10.0"


def test_a_failing_stage_is_undone(workspace: Workspace) -> None:
    workspace.data(200)
    assert "dvc repro failed" in workspace.retrain(1)
    assert workspace.model == "10.0"


def test_results_that_are_not_committed_are_refused(workspace: Workspace) -> None:
    (workspace.folder / "dvc.lock").write_text("changed")
    result = workspace.run("pullback", "retrain")
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "pullback: retraining needs dvc.lock and metrics/ committed to git; run `dvc repro` and commit them"
    )
