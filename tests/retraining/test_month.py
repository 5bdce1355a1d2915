"""A month of nights: whatever comes, the model in use is the best that was ever accepted, and nothing is lost."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from nightly import Nightly
from ruamel.yaml import YAML
from service import Service
from sklearn.datasets import load_digits

from pullback import digests, weights
from pullback.evaluation.kid import kernel_distance
from pullback.generation import generated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DECIDES = {0: "passed", 1: "failed", 11: "refused", 12: "drifted"}  # the other codes leave nothing to explain


class Team:
    """Two machines with one tracking server, one remote of git, one of DVC, and one folder of images."""

    def __init__(self, folder: Path, server: Service) -> None:
        uri = f"http://127.0.0.1:{server.port}"
        self.server, self.folder, self.codes = server, folder, []
        self.first = Nightly(folder / "first", str(folder / "images"), MLFLOW_TRACKING_URI=uri)
        self.second = Nightly(folder / "second", str(folder / "images"), MLFLOW_TRACKING_URI=uri)
        self._share()

    def _share(self) -> None:
        first, second = self.first.make(300), self.second
        first.edit("push: false", "push: true")
        for command in (
            f"git init -q --bare -b main {self.folder / 'git'}", f"git remote add origin {self.folder / 'git'}",
            f"dvc remote add -q -d store {self.folder / 'store'}", "git commit -q -a -m shared",
            "git push -q -u origin main", "dvc push -q", f"git clone -q {self.folder / 'git'} {second.folder}",
        ):  # fmt: skip
            first.done(*command.split())
        for command in ("git config user.name second", "git config user.email second@localhost", "dvc pull -q"):
            second.done(*command.split())

    def night(self, expected: int, machine: str = "first", **more: str) -> str:
        """A call, which must leave the images and the workspace as they are."""
        images = self.first.images
        before = digests.md5(images) if images.exists() else None
        said = getattr(self, machine).retrain(expected, **more)
        self.codes.append(expected)
        assert before == (digests.md5(images) if images.exists() else None)
        return said

    def killed(self, when: str, step: str) -> None:
        self.first.retrain_killed(when, step)

    def on_a_full_disk(self, kilobytes: int) -> None:
        """No file can grow beyond that."""
        program = Path(sys.executable).parent / "pullback"
        code, said = self.first.run("bash", "-c", f"ulimit -f {kilobytes}; exec {program} retrain")
        assert code == 1, said
        assert "make room" in said
        assert not self.first.done("git", "status", "--porcelain")

    def at_once(self) -> None:
        process = self.first.start("pullback", "retrain")
        while not self.first.client.search_registered_models("name LIKE 'pullback-retrain-lease-%'"):
            time.sleep(0.1)
        self.second.retrain(75)
        said = process.communicate(timeout=550)[0]
        assert process.returncode == 0, said
        self.codes.append(0)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    (tmp_path / "server").mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--port", "{port}", "--workers", "1"]
    server = Service(command, tmp_path / "server", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    yield Team(tmp_path, server)
    server.end()


def damage(images: Path, share: float) -> None:
    paths = sorted(images.rglob("*.png"))
    for path in paths[: int(share * len(paths))]:
        path.write_bytes(path.read_bytes()[:40])


def test_a_month(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first = team.first
    team.night(10)  # 1: no change
    first.put(450)
    team.night(0)
    team.night(10)  # 3
    first.put(330)
    team.night(11)  # fewer images, a worse model
    team.night(10)  # 5: the same data are not tried again
    first.put(450, invert=True)
    team.night(12)
    team.night(10)  # 7
    first.put(450)
    team.night(10)
    first.put(550)
    team.killed("after", "pullback.retraining.workspace run")  # 9
    team.night(0)
    team.night(10, "second")  # 11: it has got what the first one has made
    damage(first.images, 0.5)
    team.night(12)
    shutil.rmtree(first.images)
    assert "is no directory or file" in first.retrain(1)  # 13: there is nothing to judge
    first.put(650)
    team.server.end()
    assert "no MLflow server answers" in first.retrain(1)
    team.server.start()
    team.night(0)  # 15
    first.put(300)
    team.night(12)  # less than half is left
    first.put(750)
    team.on_a_full_disk(100)  # 17
    team.night(0)
    first.put(850)
    team.at_once()  # 19
    team.night(10, "second")
    first.put(850, folder="class {label}")
    team.night(12)  # 21: other names, so that every known class is gone
    first.put(850)
    team.night(10)
    first.put(1000)
    team.killed("before", "pullback.retraining.workspace _commit")  # 23
    team.night(0)
    first.put(1000)
    (first.images / "stop").mkdir()
    shutil.copy(next(first.images.rglob("*.png")), first.images / "stop")
    team.night(1)  # 25: a stage fails
    first.put(710)
    team.night(11)
    first.put(1200)
    team.night(0, "second")  # 27
    team.night(10)
    shutil.rmtree(first.images / "digit 3")
    team.night(12)  # 29
    first.put(1200)
    team.night(10)

    assert_decisions_are_explained(team)
    assert_the_best_is_in_use(team, monkeypatch)
    assert_nothing_is_lost(team)


def assert_decisions_are_explained(team: Team) -> None:
    entries = team.first.ledger()
    assert [entry["code"] for entry in entries] == [code for code in team.codes if code in DECIDES]
    assert all(entry["verdict"] == DECIDES[entry["code"]] for entry in entries)
    assert all(entry["reasons"] and all(entry["reasons"]) for entry in entries)
    history = team.second.done("pullback", "history")
    assert all(reason in history for entry in entries for reason in entry["reasons"])


def assert_the_best_is_in_use(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each version that was ever accepted draws anew, and is held against all digits."""
    accepted = ["1", *(entry["versions"]["vae"] for entry in team.first.ledger() if entry["verdict"] == "passed")]
    assert team.first.version("champion") == accepted[-1]
    assert team.first.version("previous_champion") == accepted[-2]
    monkeypatch.chdir(team.first.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.first.always["MLFLOW_TRACKING_URI"])
    real, kid = load_digits().data / 16, {}
    for version in accepted:
        drawn = generated(weights.load("vae", version).model, "vae", "prior", 1500, seed=0)
        kid[version] = kernel_distance(real, np.concatenate(list(drawn.images)).reshape(1500, -1) / 255).value
    assert min(kid, key=kid.__getitem__) == accepted[-1], kid


def assert_nothing_is_lost(team: Team) -> None:
    """Data and model of every commit can be had from the remotes alone."""
    team.first.done("git", "clone", "-q", str(team.folder / "git"), str(team.folder / "clone"))
    clone = Nightly(team.folder / "clone")
    clone.done("dvc", "fetch", "-q", "--all-commits")
    clone.done("dvc", "checkout", "-q")
    assert clone.done("dvc", "status") == "Data and pipelines are up to date.\n"
    wanted = {digest for commit in clone.done("git", "log", "--format=%h").split() for digest in outputs(clone, commit)}
    kept = {f"{path.parent.name}{path.name}" for path in (clone.folder / ".dvc/cache/files/md5").glob("*/*")}
    assert len(wanted) == 5 * 8  # raw, images, features, samples, models of each champion
    assert wanted <= kept


def outputs(clone: Nightly, commit: str) -> list[str]:
    """The digests of data and models of a commit."""
    stages = YAML(typ="safe").load(clone.done("git", "show", f"{commit}:dvc.lock"))["stages"].values()
    return [out["md5"] for stage in stages for out in stage["outs"] if out["path"].startswith(("data/", "models"))]
