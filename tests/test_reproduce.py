"""A recorded run comes back in a worktree, two commits later, and every output that differs is told."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clone import clone_repository
from mlflow import MlflowClient
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pullback.cli import app
from pullback.errors import UserError
from pullback.reproduce import UNKNOWN, reproduce
from pullback.tracking.recorded import execution, tag_execution

# Two stages in place of the pipeline. They tell in the file SEEN, if it is set, that they ran and what they ran with.
FILES = {
    "dvc.yaml": """
stages:
  words:
    cmd: python stages/words.py
    params: [count, noise]
    deps: [stages/words.py, src/fake/text.py]
    outs: [data/words]
    metrics:
      - metrics/words.json:
          cache: false
  page:
    cmd: python stages/page.py
    deps: [data/words, metrics/words.json, stages/page.py]
    outs: [report/index.html, runs/page.json]
    metrics:
      - metrics/speed/page.json:
          cache: false
""",
    "stages/words.py": """
import json, os, sys, time
from pathlib import Path
import fake.text

if "SEEN" in os.environ:
    names = ("MLFLOW_TRACKING_URI", "PIPELINE_RUN_KEY")
    seen = {name: os.environ[name] for name in names} | {"code": fake.text.__file__}
    Path(os.environ["SEEN"]).write_text(json.dumps(seen))
    time.sleep(float(os.environ.get("SECONDS", 0)))
params = dict(line.split(": ") for line in Path("params.yaml").read_text().splitlines())
assert "FAIL" not in os.environ
folder = Path("data/words/é")
folder.mkdir(parents=True)
(folder / "words.txt").write_text(fake.text.WORD * int(params["count"]))
(folder / "noise").write_bytes(os.urandom(8) if params["noise"] == "true" else b"")
Path("metrics").mkdir(exist_ok=True)
Path("metrics/words.json").write_text(params["count"])
""",
    "stages/page.py": """
import time
from pathlib import Path

for folder in ("report", "runs", "metrics/speed"):
    Path(folder).mkdir(parents=True, exist_ok=True)
words = Path("data/words/é/words.txt").read_text()
now = str(time.time_ns())
Path("report/index.html").write_text(f'<p>{words}</p>\\n<section id="cost">{now}</section>')
Path("runs/page.json").write_text(now)
Path("metrics/speed/page.json").write_text(now)
""",
    "src/fake/text.py": "WORD = 'one '\n",
    "params.yaml": "count: 2\nnoise: false\n",
    ".gitignore": "/data/\n/report/\n/runs/\n/mlflow.db*\n/mlartifacts/\n/.worktrees/\n__pycache__/\n",
}
JUDGED = {"data/words", "metrics/words.json", "report/index.html"}


class Repository:
    """A repository with a history and recorded runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, content in FILES.items():
            self.write(name, content)
        for command in ("init -q", "config user.name test", "config user.email test@localhost"):
            self.git(*command.split())
        self.run("dvc", "init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "start")

    def write(self, name: str, content: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(content)

    def run(self, *command: str) -> None:
        subprocess.run(command, cwd=self.folder, env=environment(PYTHONPATH=f"{self.folder}/src"), check=True)

    def git(self, *command: str) -> str:
        done = subprocess.run(["git", *command], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self, subject: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    @property
    def experiment(self) -> str:
        found = self.client.get_experiment_by_name("pullback")
        location = (self.folder / "mlartifacts").as_uri()
        return found.experiment_id if found else self.client.create_experiment("pullback", location)

    def record(self, *stages: str, files: tuple[str, ...] = ("params.yaml", "dvc.lock"), **tags: str) -> dict[str, str]:
        """Runs as the pipeline records them; returns their ids, that of the execution as `parent`."""
        recorded = {"pipeline": "key", "git.dirty": "false", "mlflow.source.git.commit": self.head}
        parent = self.client.create_run(self.experiment, tags=recorded | tags).info.run_id
        for file in files:
            self.client.log_artifact(parent, str(self.folder / file))
        ids = {"parent": parent}
        lock = YAML(typ="safe").load(self.folder / "dvc.lock")["stages"]
        for stage in stages:
            outputs = {output["path"]: output["md5"] for output in lock[stage]["outs"]}
            made = {f"output.{path}": outputs[path] for path in JUDGED & outputs.keys()}
            child = {"mlflow.parentRunId": parent, "stage": stage}
            ids[stage] = self.client.create_run(self.experiment, tags=child | made).info.run_id
        return ids

    def record_changes(self) -> str:
        """The run of uncommitted files, which then vanish."""
        self.run("dvc", "repro", "-q")
        self.git("add", "--intent-to-add", ".")
        self.write("code.diff", self.git("diff", "--binary", "HEAD", "--", ".", ":!metrics", ":!dvc.lock"))
        run_id = self.record("words", "page", files=("params.yaml", "dvc.lock", "code.diff"), **{"git.dirty": "true"})
        self.git("reset", "-q", "--hard")
        self.git("clean", "-q", "-f", "-d")
        return run_id["parent"]


def environment(**more: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "PIPELINE"))}
    return inherited | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | more


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, dict[str, str]]:
    """A repository, and the ids of its runs by what they are."""
    repository = Repository(tmp_path_factory.mktemp("repository"))
    repository.run("dvc", "repro", "-q")
    first = repository.record("words", "page", pipeline="first key")
    runs = {"first": first["parent"], "first child": first["page"]}
    skipped = repository.record("page", **{"skipped.words": first["words"]})
    runs |= {"second page": skipped["parent"]}
    repository.commit("results")
    repository.write("params.yaml", "count: 3\nnoise: false\n")
    repository.write("src/fake/text.py", "WORD = 'two '\n")
    repository.run("dvc", "repro", "-q")
    repository.commit("two commits after the first run")
    repository.write("src/fake/text.py", "from fake.more import WORD\n")
    repository.write("src/fake/more.py", "WORD = 'öther '\n")
    repository.write("params.yaml", "count: 3\nnoise: true\n")
    runs["changed"] = repository.record_changes()
    repository.run("dvc", "checkout", "-q")
    runs |= {
        "old": repository.record("words", files=())["parent"],
        "without end": repository.record()["parent"],
        "dirty": repository.record("words", **{"git.dirty": "true"})["parent"],
        "outside git": repository.record("words", **{"mlflow.source.git.commit": ""})["parent"],
        "elsewhere": repository.record("words", **{"mlflow.source.git.commit": "0" * 40})["parent"],
    }
    return repository, runs


@pytest.fixture
def repository(history: tuple[Repository, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Repository:
    enter(history[0], monkeypatch)
    return history[0]


@pytest.fixture
def runs(history: tuple[Repository, dict[str, str]]) -> dict[str, str]:
    return history[1]


def enter(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    for name in ("DVC_ROOT", "PIPELINE_RUN_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, Any] | None]:
    """What the stage `words` ran with since the test began, or None."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    return lambda: json.loads((tmp_path / "seen.json").read_text()) if (tmp_path / "seen.json").exists() else None


def verdicts(outputs: list[Any]) -> dict[str, str]:
    return {output.path: output.verdict for output in outputs}


def test_a_run_two_commits_back_comes_from_the_cache_and_the_workspace_stays(
    repository: Repository, runs: dict[str, str], seen: Callable[[], Any]
) -> None:
    folder, outputs = reproduce(runs["first"])
    assert folder == Path(".worktrees", runs["first"])
    assert verdicts(outputs) == dict.fromkeys(JUDGED, "identical")
    assert {output.stage for output in outputs} == {"words", "page"}
    assert (folder / "params.yaml").read_text() == FILES["params.yaml"]
    assert (folder / "data/words/é/words.txt").read_text() == "one one "
    assert (folder / "metrics/words.json").read_text() == "2"
    assert seen() is None
    assert (repository.folder / "data/words/é/words.txt").read_text() == "two two two "
    assert not repository.git("status", "--porcelain")


def test_a_rerun_by_the_id_of_a_stage_makes_the_same_bytes_with_the_code_of_then(
    repository: Repository, runs: dict[str, str], seen: Callable[[], Any], tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["reproduce", runs["first child"], "--rerun", "--out", str(tmp_path / "again")])
    assert result.exit_code == 0
    assert "3 of 3 outputs are byte-identical" in result.stdout
    assert f"Everything is in {tmp_path}/again; `git worktree remove --force {tmp_path}/again`" in result.stdout
    ran = seen()
    assert ran["code"] == f"{tmp_path}/again/src/fake/text.py"
    assert ran["MLFLOW_TRACKING_URI"] == f"sqlite:///{repository.folder / 'mlflow.db'}"
    assert ran["PIPELINE_RUN_KEY"].startswith("reproduce-")


def test_code_that_was_in_no_commit_comes_back(repository: Repository, runs: dict[str, str], tmp_path: Path) -> None:
    folder, outputs = reproduce(runs["changed"], tmp_path / "changed")
    assert verdicts(outputs) == dict.fromkeys(JUDGED, "identical")
    assert (folder / "src/fake/more.py").read_text() == "WORD = 'öther '\n"
    assert (folder / "data/words/é/words.txt").read_text() == "öther öther öther "


def test_an_output_that_a_rerun_changes_is_told(repository: Repository, runs: dict[str, str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", runs["changed"], "--rerun", "--out", str(tmp_path / "noisy")])
    assert result.exit_code == 1
    assert "2 of 3 outputs are byte-identical" in result.stdout
    rows = re.findall(r"(\S+/\S+) +│ (\w+) +│ (\w+)", result.stdout)
    assert ("data/words", "words", "differs") in rows
    assert ("report/index.html", "page", "identical") in rows


def test_outputs_of_a_skipped_stage_count_too(repository: Repository, runs: dict[str, str]) -> None:
    made = execution(runs["second page"])
    assert {stage for stage, _ in made.outputs.values()} == {"words", "page"}
    assert made.outputs == execution(runs["first"]).outputs


def test_a_stage_that_made_nothing_is_told_with_the_run_to_take(repository: Repository, tmp_path: Path) -> None:
    ids, client = repository.record("words"), repository.client

    def ended(status: str, **tags: str) -> str:
        tags = {"mlflow.parentRunId": ids["parent"], "stage": "train@gan"} | tags
        run_id = client.create_run(repository.experiment, tags=tags).info.run_id
        client.set_terminated(run_id, status)
        return run_id

    def told() -> str:
        result = CliRunner().invoke(app, ["reproduce", killed, "--out", str(tmp_path / "killed")])
        assert result.exit_code == 1
        assert not (tmp_path / "killed").exists()
        return str(result.exception).removeprefix(
            f"pullback: run {killed} of train@gan is KILLED and made no outputs; "
        )

    killed = ended("KILLED")
    assert told() == "no run of train@gan has ended well yet"
    last = ended("FINISHED", **{"output.models/gan": "0" * 32})
    assert told() == f"take the last run of train@gan that ended well, {last}"
    after = ended("FINISHED", resumes=killed, **{"output.models/gan": "0" * 32})
    ended("FINISHED", **{"output.models/gan": "0" * 32})
    assert told() == f"take {after}, which went on from it"


def test_an_execution_is_tagged_by_its_key(repository: Repository, runs: dict[str, str]) -> None:
    made = execution(runs["first"])
    tag_execution(made.experiment_id, "first key", "reproduces", "another")
    tagged = repository.client.search_runs([made.experiment_id], "tags.reproduces = 'another'")
    assert [run.info.run_id for run in tagged] == [made.run_id]


@pytest.fixture
def copy(
    history: tuple[Repository, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Repository, str]:
    """A copy of the repository that a test may spoil, and the id of its first run."""
    original, runs = history
    monkeypatch.chdir(original.folder)
    shutil.copytree(original.folder, tmp_path / "copy", ignore=shutil.ignore_patterns(".worktrees"))
    copied = object.__new__(Repository)
    copied.folder = tmp_path / "copy"
    enter(copied, monkeypatch)
    return copied, runs["first"]


def test_an_output_that_no_cache_has_is_made_again(copy: tuple[Repository, str], seen: Callable[[], Any]) -> None:
    repository, run_id = copy
    shutil.rmtree(repository.folder / ".dvc/cache")
    _, outputs = reproduce(run_id)
    assert verdicts(outputs) == dict.fromkeys(JUDGED, "identical") | {"report/index.html": UNKNOWN}
    assert seen()


def test_what_only_the_remote_and_later_commits_have_needs_no_stage(
    copy: tuple[Repository, str], seen: Callable[[], Any]
) -> None:
    repository, run_id = copy
    repository.run("dvc", "remote", "add", "-q", "--default", "--local", "store", "../store")
    repository.run("dvc", "push", "-q", "--all-commits", "--run-cache")
    shutil.rmtree(repository.folder / ".dvc/cache")
    _, outputs = reproduce(run_id)
    assert verdicts(outputs) == dict.fromkeys(JUDGED, "identical")
    assert seen() is None


def test_a_failed_stage_leaves_its_worktree_and_says_so(
    repository: Repository, runs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(
        UserError, match=r"`dvc repro` failed in .*failed, where .* `git worktree remove --force .*failed`"
    ):
        reproduce(runs["first"], tmp_path / "failed", rerun=True)
    assert (tmp_path / "failed/params.yaml").is_file()


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        ("unknown", r"MLflow has no run unknown; copy the id"),
        ("old", r"was recorded before runs kept params.yaml and dvc.lock; its code alone comes back with `git"),
        ("without end", r"no stage of run \w+ ended well"),
        ("outside git", r"run \w+ was made outside git, so its code is not known"),
        ("dirty", r"files that differed from commit \w+, and how is not recorded; choose a run"),
        ("elsewhere", r"commit 0+ of run \w+ is not in this repository; get it with `git fetch`"),
        ("first", r"here exists already; remove it with `git worktree remove --force .*here`, or choose another"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_come_back_is_told_in_one_sentence(
    repository: Repository, runs: dict[str, str], tmp_path: Path, run: str, sentence: str
) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(UserError, match=sentence) as raised:
        reproduce(runs.get(run, run), tmp_path / "here")
    assert "\n" not in str(raised.value)
    assert not [*(tmp_path / "here").iterdir()]


def test_a_difference_that_does_not_apply_leaves_no_worktree(
    repository: Repository, runs: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "code.diff").write_text("--- a/absent\n+++ b/absent\n@@ -1 +1 @@\n-a\n+b\n")
    run_id = repository.record("words", files=("params.yaml", "dvc.lock", str(tmp_path / "code.diff")))["parent"]
    with pytest.raises(UserError, match=r"code.diff of run \w+ does not apply to commit \w+ \(error: .*absent"):
        reproduce(run_id, tmp_path / "spoiled")
    assert not (tmp_path / "spoiled").exists()
    assert "spoiled" not in repository.git("worktree", "list")


def test_outside_git_it_is_refused(copy: tuple[Repository, str]) -> None:
    repository, run_id = copy
    shutil.rmtree(repository.folder / ".git")
    with pytest.raises(UserError, match="needs git and a clone of the repository that the run was made in"):
        reproduce(run_id)


def test_ctrl_c_leaves_nothing(repository: Repository, runs: dict[str, str], tmp_path: Path) -> None:
    command = ["pullback", "reproduce", runs["first"], "--rerun", "--out", str(tmp_path / "stopped")]
    variables = environment(SEEN=str(tmp_path / "seen.json"), SECONDS="60")
    with subprocess.Popen(command, cwd=repository.folder, env=variables, start_new_session=True) as process:
        while not (tmp_path / "seen.json").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) != 0
    assert not (tmp_path / "stopped").exists()
    assert "stopped" not in repository.git("worktree", "list")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_real_pipeline_two_commits_back(tmp_path: Path) -> None:
    """From the cache, and rerun, which is recorded as what it is."""
    clone = clone_repository(tmp_path / "clone")
    clone.commit("small")
    assert clone.run("dvc", "repro").returncode == 0
    (made,) = clone.runs("tags.pipeline LIKE '%'")
    clone.commit("results")
    clone.edit("beta: 0.2", "beta: 2.0")
    (clone.folder / "stages/train.py").unlink()
    clone.commit("another day")

    cached = clone.run("pullback", "reproduce", made.info.run_id)
    assert cached.returncode == 0, cached.stdout + cached.stderr
    assert len(clone.runs("tags.pipeline LIKE '%'")) == 1
    again = clone.run("pullback", "reproduce", made.info.run_id, "--rerun", "--out", str(tmp_path / "again"))
    assert again.returncode == 0, again.stdout + again.stderr
    (rerun,) = clone.runs(f"tags.reproduces = '{made.info.run_id}'")
    assert rerun.info.status == "FINISHED"
    ran = [clone.runs(f"tags.`mlflow.parentRunId` = '{run.info.run_id}'") for run in (made, rerun)]
    first, second = ({run.data.tags["stage"] for run in runs} for runs in ran)
    assert first == second
