"""One parent per execution of the pipeline, however real DVC is called, and what stands on it."""

import subprocess
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from ruamel.yaml import YAML

STAGES = ["prepare", "train@gan", "report"]
NOTE = "mlflow.note.content"


def statuses(runs: Any) -> list[str]:
    return [run.info.status for run in runs]


def artifacts(repository: Any, run: Any) -> dict[str, bytes]:
    folder = Path(download_artifacts(run_id=run.info.run_id, tracking_uri=repository.client.tracking_uri))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def locked_digests(repository: Any, stage: str, kind: str) -> dict[str, str]:
    """Of the data."""
    entry = YAML(typ="safe").load(repository.folder / "dvc.lock")["stages"][stage]
    return {each["path"]: each["md5"] for each in entry[kind] if not each["path"].startswith(("runs/", "stages/"))}


def tagged(run: Any, kind: str) -> dict[str, str]:
    return {key.removeprefix(kind): value for key, value in run.data.tags.items() if key.startswith(kind)}


def test_a_repro_is_one_run_that_tells_all_of_it(repository):
    [parent] = repository.parents()
    children = repository.children(parent)
    assert list(children) == STAGES
    assert statuses([parent, *children.values()]) == ["FINISHED"] * 4
    assert parent.info.run_name.startswith("repro ")
    assert parent.data.metrics == {"prepare.score": 1, "train.gan.score": 1, "report.score": 1}
    assert [each.dataset.name for each in parent.inputs.dataset_inputs] == ["digits"]
    for stage, run in children.items():
        assert run.data.params == {"width": "1"}
        assert len(run.data.tags["mlflow.source.git.commit"]) == 40
        assert run.data.tags["git.dirty"] == "false"
        assert tagged(run, "dep.") == locked_digests(repository, stage, "deps")
        assert tagged(run, "output.") == locked_digests(repository, stage, "outs")
    assert children["report"].data.tags["input.train-gan"] == children["train@gan"].info.run_id
    assert not tagged(parent, "skipped.")
    kept = artifacts(repository, parent)
    assert kept.keys() == {"params.yaml", "dvc.lock"}
    assert kept["params.yaml"] == (repository.folder / "params.yaml").read_bytes()
    assert b"train@gan:" in kept["dvc.lock"]
    notes = "**report** says 1.", "Ran: prepare, train@gan, report.", "**train@gan** says 1.", "**prepare** says 1."
    assert parent.data.tags[NOTE] == "\n\n---\n\n".join(notes)


def test_skipped_stages_are_links_to_the_runs_that_made_their_outputs(repository):
    repository.set(width=2)
    second = repository.run_of("dvc", "repro")
    third = repository.run_of("dvc", "repro", "--single-item", "report", "--force")
    first, trained, reported = map(repository.children, repository.parents())
    assert [list(first), list(trained), list(reported)] == [STAGES, STAGES[1:], STAGES[2:]]
    made = {"prepare": first["prepare"].info.run_id, "train-gan": trained["train@gan"].info.run_id}
    assert tagged(second, "skipped.") == {"prepare": made["prepare"]}
    assert tagged(third, "skipped.") == made
    for parent in (second, third):
        assert parent.data.metrics == {"prepare.score": 1, "train.gan.score": 2, "report.score": 2}
        assert [each.dataset.name for each in parent.inputs.dataset_inputs] == ["digits"]
        assert "**prepare** says 1." in parent.data.tags[NOTE]
        assert f"From earlier runs: [prepare](#/experiments/1/runs/{made['prepare']})" in parent.data.tags[NOTE]


def test_the_code_can_be_restored_from_the_commit_and_the_patch(repository):
    code = repository.folder / "stages/stage.py"
    code.write_text(code.read_text() + "# another\n")
    (repository.folder / "new.bin").write_bytes(b"\xff new")
    repository.set(width=2)
    parent = repository.run_of("dvc", "repro", "--single-item", "prepare")
    assert parent.data.tags["git.dirty"] == "true"
    clean = repository.folder.parent / "clean"
    repository.run("git", "worktree", "add", "-q", str(clean), parent.data.tags["mlflow.source.git.commit"])
    patch = artifacts(repository, parent)["code.diff"]
    subprocess.run(["git", "apply"], input=patch, cwd=clean, check=True)
    for name in ("stages/stage.py", "new.bin", "params.yaml"):
        assert (clean / name).read_bytes() == (repository.folder / name).read_bytes()


def test_links_to_another_store_are_kept_as_they_are(repository, database):
    """As after `dvc pull` of what a colleague has run."""
    [before] = repository.parents()
    prepared = repository.children(before)["prepare"].info.run_id
    (repository.folder / "mlflow.db").write_bytes(database.read_bytes())
    repository.set(width=2)
    repository.run("dvc", "repro", "train@gan")
    [parent] = repository.parents()
    assert tagged(parent, "skipped.") == {"prepare": prepared}
    assert parent.data.metrics == {"train.gan.score": 2}
    assert "From runs in another store: prepare." in parent.data.tags[NOTE]


def test_a_failed_stage_fails_its_execution_and_the_rerun_is_one_of_its_own(repository):
    repository.set(images=4, failing="train@gan")
    assert repository.start("dvc", "repro", "train@gan").wait(120) != 0
    repository.set(images=4)
    repository.run("dvc", "repro", "train@gan")
    _, failed, mended = repository.parents()
    assert statuses([failed, mended]) == ["FAILED", "FINISHED"]
    assert statuses(repository.children(failed).values()) == ["FINISHED", "FAILED"]
    assert list(repository.children(mended)) == ["train@gan"]
    assert tagged(mended, "skipped.") == {"prepare": repository.children(failed)["prepare"].info.run_id}
    assert failed.data.tags[NOTE].startswith("**train@gan** failed: the width is odd; choose another")
    assert "failed" not in mended.data.tags[NOTE]


def test_an_experiment_has_its_name_and_params(repository):
    parent = repository.run_of("dvc", "exp", "run", "--name", "wide", "--set-param", "width=2")
    children = repository.children(parent)
    assert list(children) == STAGES[1:]
    assert parent.info.run_name == "wide"
    assert {run.data.tags["dvc.experiment"] for run in (parent, *children.values())} == {"wide"}
    assert parent.data.params["width"] == "2"
    assert b"+width: 2" in artifacts(repository, parent)["code.diff"]


def test_an_experiment_in_a_temporary_copy_records_in_the_repository(repository):
    parent = repository.run_of("dvc", "exp", "run", "--temp", "--name", "copy", "--set-param", "width=2")
    [before, _] = repository.parents()
    assert list(repository.children(parent)) == STAGES[1:]
    assert statuses([parent, *repository.children(parent).values()]) == ["FINISHED"] * 3
    assert parent.info.run_name == "copy"
    assert tagged(parent, "skipped.") == {"prepare": repository.children(before)["prepare"].info.run_id}
    assert artifacts(repository, parent).keys() == {"params.yaml", "dvc.lock", "code.diff"}
    assert not list((repository.folder / ".dvc/tmp").rglob("mlflow.db"))


def check(repository: Any, parent: Any, width: int) -> None:
    """Two stages ran with this width."""
    assert list(repository.children(parent)) == STAGES[:2]
    assert statuses([parent, *repository.children(parent).values()]) == ["FINISHED"] * 3
    assert parent.data.metrics == {"prepare.score": width, "train.gan.score": width}


def test_two_workers_of_the_queue_make_a_run_for_each_experiment(repository):
    for width in (2, 3):
        params = (f"--set-param=width={width}", "--set-param=images=4", "--set-param=gate=1")
        repository.run("dvc", "exp", "run", "--queue", "--name", f"w{width}", *params, "train@gan")
    repository.run("dvc", "queue", "start", "--jobs", "2")
    try:
        repository.wait_until(lambda: repository.running() == 2)
        (repository.folder / "open").touch()
        repository.wait_until(lambda: repository.run("dvc", "queue", "status").count("Success") == 2)
    finally:
        repository.run("dvc", "queue", "stop", "--kill")
    two, three = sorted(repository.parents()[1:], key=lambda run: run.info.run_name)
    assert [two.info.run_name, three.info.run_name] == ["w2", "w3"]
    check(repository, two, 2)
    check(repository, three, 3)


def test_two_pipelines_at_once_keep_apart(repository):
    """One in a copy of the workspace and one in the workspace itself."""
    params = ("--set-param=width=5", "--set-param=images=4", "--set-param=gate=1")
    copy = repository.start("dvc", "exp", "run", "--temp", "--name", "copy", *params, "train@gan")
    repository.wait_until(lambda: repository.running() == 1)
    repository.set(images=5, width=6)
    repository.run("dvc", "repro", "train@gan")
    assert repository.running() == 1
    (repository.folder / "open").touch()
    assert copy.wait(120) == 0
    first, second = repository.parents()[1:]
    assert first.info.run_name == "copy"
    check(repository, first, 5)
    check(repository, second, 6)
