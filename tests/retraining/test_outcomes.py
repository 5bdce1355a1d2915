"""What a call ends with, for all that may be found at the source of the data and in the repository."""

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.entities import Run
from nightly import Nightly

slow = pytest.mark.slow
UP_TO_DATE = "Data and pipelines are up to date.\n"


def commit(workspace: Nightly, pattern: str, replacement: str) -> None:
    workspace.edit(pattern, replacement)
    workspace.done("git", "commit", "-q", "-a", "-m", "other parameters")


def execution(workspace: Nightly) -> Run:
    """The last one of the pipeline that MLflow knows."""
    experiment = workspace.client.get_experiment_by_name("pullback")
    assert experiment
    found = workspace.client.search_runs([experiment.experiment_id], "tags.pipeline LIKE 'retrain-%'")
    return found[0]


def head(workspace: Nightly) -> str:
    return workspace.done("git", "rev-parse", "HEAD")


def copies_of_the_repository(workspace: Nightly) -> list[Path]:
    return list((workspace.folder / ".dvc/tmp/exps/standalone").glob("tmp*"))


def results(workspace: Nightly, revision: str) -> str:
    return workspace.done("git", "ls-tree", "-r", revision, "dvc.lock", "metrics", "params.yaml", "data")


def becomes_better(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain(0)


def in_use(workspace: Nightly) -> tuple[str | None, str]:
    """The champion, and what DVC says of the workspace."""
    return workspace.version("champion"), workspace.done("dvc", "status")


def add_photos(workspace: Nightly) -> None:
    """A folder under DVC that is none of the pipeline's, with a file that no cache has yet."""
    photos = workspace.folder / "photos"
    photos.mkdir()
    (photos / "old").write_text("old")
    for command in ("dvc add -q photos", "git add -A", "git commit -q -m photos"):
        workspace.done(*command.split())
    (photos / "new").write_text("new")


def has_remotes(workspace: Nightly) -> Path:
    """The git remote, to which retraining pushes from now on."""
    git, storage = (workspace.folder.parent / name for name in ("git", "storage"))
    workspace.edit("push: false", "push: true")
    for command in (
        f"git init -q --bare -b main {git}", f"git remote add origin {git}", f"dvc remote add -q -d storage {storage}",
        "git commit -q -a -m remotes", "git push -q -u origin main",
    ):  # fmt: skip
        workspace.done(*command.split())
    return git


def commit_elsewhere(workspace: Nightly, clone: Path) -> None:
    """A commit of somebody else's, which is pushed."""
    for command in ("commit -q --allow-empty -m meanwhile", "push -q"):
        name = ("-c", "user.name=other", "-c", "user.email=other@localhost")
        workspace.done("git", "-C", str(clone), *name, *command.split())


def wait_for_the_pipeline(workspace: Nightly) -> None:
    deadline = time.monotonic() + 120
    while not copies_of_the_repository(workspace):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_better_model_takes_the_place_and_can_be_taken_back(workspace: Nightly) -> None:
    commit(workspace, "notify: null", 'notify: "cat > told"')
    workspace.put(450)
    workspace.retrain(0)
    assert (workspace.version("champion"), workspace.version("previous_champion")) == ("2", "1")
    tags = workspace.client.get_model_version("pullback-vae", "2").tags
    (entry,) = workspace.ledger()
    assert tags["verdict"] == "passed"
    assert tags["snapshot"] == entry["snapshot"]
    assert [tags[f"reason.{i}"] for i in range(len(entry["reasons"]))] == entry["reasons"]
    assert tags["commit"] == head(workspace).strip()
    assert entry["cost"]["device_hours"] == 0, "all results were in the cache"
    assert json.loads((workspace.folder / "told").read_text()) == entry
    assert '"images": 450' in workspace.done("git", "show", "HEAD:data/manifest.json")
    assert "the same as before" in workspace.retrain(10)

    workspace.done("pullback", "rollback")
    assert (workspace.version("champion"), workspace.version("previous_champion")) == ("1", "2")
    assert results(workspace, "HEAD") == results(workspace, "HEAD~2")
    assert workspace.done("dvc", "status") == UP_TO_DATE
    assert "rolled back" in workspace.retrain(10), "the data of the model that was taken back are tried again"
    assert "vae 2 -> 1" in workspace.done("pullback", "history")


@slow
def test_any_earlier_champion_can_be_brought_back(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain(0)
    workspace.done("pullback", "rollback", "--to", "1")
    workspace.done("pullback", "rollback", "--to", "2")
    assert (workspace.version("champion"), workspace.version("previous_champion")) == ("2", "1")
    assert results(workspace, "HEAD") == results(workspace, "HEAD~2")
    assert results(workspace, "HEAD~1") == results(workspace, "HEAD~3")
    before = head(workspace)
    code, said = workspace.run("pullback", "rollback", "--to", "7")
    assert code == 1
    assert "pullback-vae has no version 7" in said
    assert head(workspace) == before


@slow
def test_a_worse_model_is_kept_as_the_challenger_and_not_tried_again(workspace: Nightly) -> None:
    before = head(workspace)
    workspace.put(230)
    workspace.retrain(11)
    assert (workspace.version("champion"), workspace.version("challenger")) == ("1", "2")
    tags = workspace.client.get_model_version("pullback-vae", "2").tags
    assert "refused" in tags["reason.0"]
    assert head(workspace) == before
    assert "these data were refused" in workspace.retrain(10)
    commit(workspace, "margin: 0.2", "margin: 0.25")
    workspace.retrain(11)
    assert len(workspace.ledger()) == 2, "with other parameters the data are tried again"


@slow
def test_data_of_another_kind_are_not_trained_on(workspace: Nightly) -> None:
    before = head(workspace)
    workspace.put(300, invert=True)
    assert "drifted" in workspace.retrain(12)
    (entry,) = workspace.ledger()
    assert "fid" in entry["report"].lower()
    assert head(workspace) == before
    assert workspace.version("challenger") is None
    workspace.retrain(10)


@slow
def test_a_stage_that_fails_changes_nothing(workspace: Nightly) -> None:
    before = head(workspace)
    workspace.put(310)
    (workspace.images / "stop").mkdir()
    shutil.copy(next(workspace.images.rglob("*.png")), workspace.images / "stop")
    assert "the stage fails" in workspace.retrain(1)
    assert execution(workspace).info.status == "FAILED"
    assert head(workspace) == before
    assert (workspace.version("champion"), workspace.version("challenger")) == ("1", None)
    assert not copies_of_the_repository(workspace)
    workspace.retrain(1)
    assert len(workspace.ledger()) == 2, "what failed is tried again"


@slow
def test_a_commit_meanwhile_is_not_overwritten(workspace: Nightly) -> None:
    workspace.put(460)
    process = workspace.start("pullback", "retrain")
    wait_for_the_pipeline(workspace)
    workspace.done("git", "commit", "-q", "--allow-empty", "-m", "meanwhile")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 1, said
    assert "main has moved" in said
    assert workspace.done("git", "log", "-1", "--format=%s") == "meanwhile\n"
    workspace.retrain(0)


@slow
def test_what_a_person_edits_meanwhile_is_not_lost(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain_killed("after", "pullback.retraining.workspace run")
    before = head(workspace)
    workspace.edit("seed: 0 ", "seed: 1 ")
    stage = workspace.folder / "stages/everything.py"
    stage.write_text(f"{stage.read_text()}# edited\n")
    code, said = workspace.run("pullback", "retrain")
    assert code == 1, said
    assert "`git stash pop` brings them back" in said
    assert "committed" in said
    assert head(workspace) == before
    assert "# edited" in stage.read_text()
    workspace.done("git", "stash", "pop")
    assert "seed: 1 " in (workspace.folder / "params.yaml").read_text()
    workspace.done("git", "checkout", "-q", "params.yaml")
    workspace.done("git", "checkout", "-q", "stages")
    workspace.retrain(0)
    assert len(workspace.ledger()) == 1


def test_what_no_cache_has_of_a_folder_beside_the_pipeline_stays(workspace: Nightly) -> None:
    add_photos(workspace)
    becomes_better(workspace)
    workspace.done("pullback", "rollback")
    assert workspace.version("champion") == "1"
    assert {path.name for path in (workspace.folder / "photos").iterdir()} == {"old", "new"}


@slow
@pytest.mark.parametrize("step", ["workspace._take", "workspace.take_over", "succession._appoint"])
@pytest.mark.parametrize(
    "again", [["pullback", "rollback"], ["pullback", "rollback", "--to", "1"], ["pullback", "retrain"]]
)
def test_a_rollback_that_was_killed_is_ended_by_the_next_call(workspace: Nightly, step: str, again: list[str]) -> None:
    becomes_better(workspace)
    workspace.retrain_killed("after", f"pullback.retraining.{step.replace('.', ' ')}", "rollback", "1")
    workspace.done(*again)
    assert in_use(workspace) == ("1", UP_TO_DATE)
    assert workspace.version("previous_champion") == "2"
    assert [entry["verdict"] for entry in workspace.ledger()] == ["passed", "rolled back"]
    assert not workspace.done("git", "status", "--porcelain")
    assert not workspace.done("git", "stash", "list")


@slow
def test_a_promotion_that_was_killed_before_its_commit_does_not_outlive_a_rollback(workspace: Nightly) -> None:
    becomes_better(workspace)
    workspace.put(600)
    workspace.retrain_killed("before", "pullback.retraining.workspace _commit")
    workspace.done("pullback", "rollback")
    assert in_use(workspace) == ("1", UP_TO_DATE)
    assert [entry["verdict"] for entry in workspace.ledger()] == ["passed", "failed", "rolled back"]
    assert not workspace.done("git", "stash", "list"), "retraining's own results were set aside as a person's"


@slow
def test_a_rollback_to_outputs_that_nobody_has_changes_nothing(workspace: Nightly) -> None:
    becomes_better(workspace)
    before = head(workspace)
    workspace.done("dvc", "gc", "-q", "-w", "-f")
    code, said = workspace.run("pullback", "rollback")
    assert code == 1
    assert "are in neither DVC's cache nor its remote" in said
    assert in_use(workspace) == ("2", UP_TO_DATE)
    assert head(workspace) == before
    assert "the same as before" in workspace.retrain(10)


@slow
def test_a_rollback_to_parameters_that_do_not_go_with_the_gate_changes_nothing(workspace: Nightly) -> None:
    now = (workspace.folder / "params.yaml").read_text()
    workspace.edit(r"    modes:\n.*\n", "")
    workspace.done("git", "commit", "-q", "-a", "-m", "fewer metrics")
    becomes_better(workspace)
    (workspace.folder / "params.yaml").write_text(now)
    workspace.edit("gate:", "gate:\n    - {metric: vae.prior.ndb, direction: at_most, margin: 1.0}")
    workspace.done("git", "commit", "-q", "-a", "-m", "a rule for one more")
    workspace.done("pullback", "rollback")
    before = head(workspace)
    code, said = workspace.run("pullback", "rollback", "--to", "2")
    assert code == 1
    assert "do not go with the block `retrain` of now" in said
    assert (workspace.version("champion"), head(workspace)) == ("1", before)
    assert not workspace.done("git", "status", "--porcelain")


@slow
def test_a_candidate_is_promoted_also_when_its_experiment_was_tidied_away(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain_killed("before", "pullback.retraining.workspace take_over")
    workspace.done("dvc", "exp", "remove", "-q", "--all-commits")
    workspace.retrain(0)
    assert in_use(workspace) == ("2", UP_TO_DATE)


@slow
def test_raw_data_that_somebody_removed_are_fetched_again(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain_killed("before", "pullback.retraining.new_data inspect")
    shutil.rmtree(workspace.folder / ".pullback/retrain/raw")
    workspace.retrain(0)
    assert in_use(workspace) == ("2", UP_TO_DATE)


@slow
def test_a_commit_that_git_refuses_leaves_the_workspace_as_it_was(workspace: Nightly) -> None:
    hook = workspace.folder / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)
    workspace.put(450)
    for _ in range(2):
        assert "not today" in workspace.retrain(1)
        assert in_use(workspace) == ("1", UP_TO_DATE)
        assert not workspace.done("git", "stash", "list")
    hook.unlink()
    workspace.retrain(0)
    assert in_use(workspace) == ("2", UP_TO_DATE)


@slow
def test_a_commit_on_top_of_an_unfinished_promotion_changes_nothing_of_it(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain_killed("before", "pullback.retraining.succession _appoint")
    made = head(workspace).strip()
    workspace.done("git", "commit", "-q", "--allow-empty", "-m", "a note")
    workspace.retrain(0)
    assert workspace.version("champion") == "2"
    assert workspace.client.get_model_version("pullback-vae", "2").tags["commit"] == made


@slow
def test_the_alias_waits_for_a_push_that_fails_and_what_others_push_stays(workspace: Nightly) -> None:
    remote, elsewhere = has_remotes(workspace), workspace.folder.parent / "elsewhere"
    refusing = remote / "hooks/pre-receive"
    workspace.put(450)
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    assert "git push" in workspace.retrain(1)
    assert workspace.version("champion") == "1"

    refusing.unlink()
    workspace.done("git", "clone", "-q", str(remote), str(elsewhere))
    commit_elsewhere(workspace, elsewhere)
    workspace.retrain(0)
    assert (workspace.version("champion"), len(workspace.ledger())) == ("2", 1)
    workspace.done("git", "-C", str(elsewhere), "pull", "-q")
    told = workspace.done("git", "-C", str(elsewhere), "log", "--no-merges", "--format=%s")
    assert set(told.splitlines()[:2]) == {"meanwhile", "Retrain on new data"}
    assert workspace.done("dvc", "status", "--cloud") == "Cache and remote 'storage' are in sync.\n"


@slow
def test_what_others_have_pushed_comes_also_beside_a_folder_that_somebody_edits(workspace: Nightly) -> None:
    add_photos(workspace)
    remote, elsewhere = has_remotes(workspace), workspace.folder.parent / "elsewhere"
    workspace.done("git", "clone", "-q", str(remote), str(elsewhere))
    commit_elsewhere(workspace, elsewhere)
    workspace.retrain(10)
    assert workspace.done("git", "log", "-1", "--format=%s") == "meanwhile\n"
    assert (workspace.folder / "photos/new").exists()


@slow
def test_an_unfinished_retraining_begins_anew_on_another_branch(workspace: Nightly) -> None:
    workspace.put(450)
    workspace.retrain_killed("after", "pullback.retraining.workspace run")
    workspace.done("git", "switch", "-q", "-c", "other")
    workspace.retrain(0)
    assert workspace.done("git", "log", "-1", "--format=%s", "main") == "champion\n"
    assert workspace.done("git", "log", "-1", "--format=%s", "other") == "Retrain on new data\n"


@slow
def test_an_alias_that_was_set_by_hand_is_told(workspace: Nightly) -> None:
    workspace.put(230)
    workspace.retrain(11)
    workspace.client.set_registered_model_alias("pullback-vae", "champion", "2")
    workspace.put(450)
    assert "version 2 of pullback-vae has the alias champion, but no retraining gave it" in workspace.retrain(1)


@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_that_is_stopped_leaves_no_process_and_goes_on_later(workspace: Nightly, number: int) -> None:
    workspace.put(460)
    process = workspace.start("pullback", "retrain")
    wait_for_the_pipeline(workspace)
    process.send_signal(number)
    said = process.communicate(timeout=120)[0]
    assert process.returncode in (128 + number, -number), said
    assert "Traceback" not in said
    assert "going on" in workspace.retrain(0)


def test_while_another_call_works_this_one_does_nothing(workspace: Nightly) -> None:
    (workspace.folder / ".pullback/retrain").mkdir(parents=True)
    with FileLock(workspace.folder / ".pullback/retrain.lock"):
        assert "another retraining is running" in workspace.retrain(75)
        assert workspace.run("pullback", "rollback")[0] == 75


def test_what_is_not_committed_is_told(workspace: Nightly) -> None:
    workspace.edit("seed: 0 ", "seed: 1 ")
    code, said = workspace.run("pullback", "retrain")
    assert code == 1
    assert "committed" in said
    assert "seed: 1 " in (workspace.folder / "params.yaml").read_text()


@slow
def test_the_champion_is_trained_further(workspace: Nightly) -> None:
    commit(workspace, "from: scratch ", "from: champion ")
    workspace.put(450)
    workspace.retrain(0)
    start = workspace.client.get_model_version("pullback-vae", "1").tags["commit"]
    assert f"start: {start}" in workspace.done("git", "show", "HEAD:params.yaml")


@slow
def test_imported_data_are_brought_up_to_date(copies: Callable[[str], Nightly]) -> None:
    """The champion is of the folder `images`; from now on they come by `dvc import-url` from a folder elsewhere."""
    workspace = copies("workspace")
    shutil.move(workspace.images, workspace.folder.parent / "elsewhere")
    workspace.done("dvc", "import-url", "-q", str(workspace.folder.parent / "elsewhere"), "images")
    workspace.done("git", "add", "images.dvc", ".gitignore")
    workspace.done("git", "commit", "-q", "-m", "imported")
    workspace.retrain(10)
    Nightly(workspace.folder, "../elsewhere").put(450)
    before = workspace.done("git", "show", "HEAD:images.dvc")
    workspace.retrain(0)
    assert workspace.done("git", "show", "HEAD:images.dvc") != before
    assert "Data and pipelines are up to date." in workspace.done("dvc", "status")
