"""What the stage says of where its results come from, and what it makes of answers to another test."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from pullback import files, humans

ROOT = Path(__file__).parents[2]
LOCK = """
schema: '2.0'
stages:
  prepare:
    outs:
    - {path: data/images, md5: ab12.dir}
    - {path: metrics/prepare.json, md5: cd34}
    - {path: metrics/speed/prepare.json, md5: ee00}
    - {path: runs/prepare.json, md5: ff00}
  train@gan:
    outs:
    - {path: models/gan, md5: 5678.dir}
    - {path: runs/train/gan.json, md5: ff11}
"""


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "stages/report.py"))


@pytest.fixture(scope="module")
def origins(report) -> Any:
    return report["origins"]


def test_origins_are_the_digests_of_what_is_alike_in_every_run_and_the_run_that_made_it(origins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(LOCK)
    run = {"run_id": "cafe", "experiment_id": "1"}
    files.write_json(Path("runs/train/gan.json"), run)
    assert origins(["prepare", "train@gan", "manifold"]) == {
        "prepare": {"outputs": {"data/images": "ab12.dir", "metrics/prepare.json": "cd34"}, "run": None},
        "train@gan": {"outputs": {"models/gan": "5678.dir"}, "run": run},
        "manifold": {"outputs": {}, "run": None},
    }


def test_a_stage_that_runs_without_dvc_has_no_digests(origins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert origins(["prepare"]) == {"prepare": {"outputs": {}, "run": None}}


@pytest.mark.parametrize(
    ("counted", "left"),
    [
        ({"test": "0123", "people": 2}, {"test": "0123", "people": 2}),
        ({"test": "feed", "people": 2}, {}),
        ({}, {}),
    ],
)
def test_answers_stay_as_long_as_the_test_is_theirs(report, counted, left, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report["forget_other_answers"]("0123")  # where nobody was asked
    assert not humans.OUT.exists()
    files.write_json(humans.OUT, counted)
    report["forget_other_answers"]("0123")
    assert files.read_json(humans.OUT) == left
