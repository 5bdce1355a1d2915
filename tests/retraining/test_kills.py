"""However a retraining is killed, calling it again ends where it would have ended without the kill."""

import random
import time
from collections.abc import Callable

import psutil
import pytest
from nightly import Nightly

STEPS = [
    "pullback.snapshot take",
    "pullback.retraining.journal Journal.save",
    "pullback.tracking.versions appoint",
    "pullback.retraining.new_data inspect",
    "pullback.retraining.workspace run",
    "pullback.retraining.workspace experiment",
    "pullback.retraining.verdict on",
    "pullback.tracking.registry register",
    "pullback.tracking.versions tag",
    "pullback.retraining.succession check",
    "pullback.retraining.workspace restore_imports",
    "pullback.retraining.workspace take_over",
    "pullback.retraining.workspace _take",
    "pullback.retraining.workspace _commit",
    "pullback.retraining.succession _appoint",
    "pullback.retraining.ledger record",
    "pullback.retrain notify",
    "pullback.retraining.journal end",
]
QUICK = ("before pullback.retraining.workspace _commit", "after pullback.retraining.workspace run")
MOMENTS = 20


def is_promoted_once(workspace: Nightly) -> None:
    """The state that a retraining with a better model leaves."""
    versions = workspace.client.search_model_versions("name = 'pullback-vae'")
    assert sorted(int(each.version) for each in versions) == [1, 2], "a duplicate version"
    assert (workspace.version("champion"), workspace.version("previous_champion")) == ("2", "1")
    assert [entry["verdict"] for entry in workspace.ledger()] == ["passed"]
    assert workspace.done("git", "log", "--format=%s").splitlines() == ["Retrain on new data", "champion"]
    assert workspace.done("git", "branch", "--show-current") == "main\n"
    assert workspace.done("dvc", "status") == "Data and pipelines are up to date.\n"
    assert not (workspace.folder / ".pullback/retrain/journal.json").exists()
    assert not list((workspace.folder / ".dvc/tmp/exps/standalone").glob("tmp*")), "a copy of the repository is left"
    assert '"images": 450' in workspace.done("git", "show", "HEAD:data/manifest.json")
    assert not leftovers(workspace)


def leftovers(workspace: Nightly) -> list[psutil.Process]:
    def inside(process: psutil.Process) -> bool:
        try:
            return process.cwd().startswith(str(workspace.folder))
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if inside(process)]


def ends_as_without_a_kill(workspace: Nightly) -> None:
    code, said = workspace.run("pullback", "retrain")
    assert code in (0, 10), said  # 10: all was done, but for the exit code
    assert not workspace.done("git", "status", "--porcelain")
    is_promoted_once(workspace)


@pytest.mark.parametrize(
    ("step", "when"),
    [
        pytest.param(step, when, marks=[] if f"{when} {step}" in QUICK else pytest.mark.slow)
        for step in STEPS
        for when in ("before", "after")
    ],
)
def test_killed_at_the_boundary_of_a_step(workspace: Nightly, step: str, when: str) -> None:
    workspace.put(450)
    workspace.retrain_killed(when, step)
    ends_as_without_a_kill(workspace)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_random_moments(copies: Callable[[str], Nightly]) -> None:
    """By turns the command alone, and everything as when the machine is switched off."""
    start = time.monotonic()
    whole = copies("whole")
    whole.put(450)
    whole.retrain(0)
    seconds = time.monotonic() - start
    draw = random.Random(0)
    for moment in range(MOMENTS):
        workspace = copies(f"moment {moment}")
        workspace.put(450)
        process = workspace.start("pullback", "retrain")
        time.sleep(draw.uniform(0, seconds))
        workspace.kill(process)
        if moment % 2:
            for left in leftovers(workspace):
                left.kill()
        ends_as_without_a_kill(workspace)
