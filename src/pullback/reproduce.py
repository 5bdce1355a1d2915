"""How does a recorded result come back, and is it the same to the byte?

A run in MLflow has its commit, params.yaml, dvc.lock and, where the files differed from the commit, how they did. All
is restored in a git worktree; the workspace stays as it is. There DVC brings the outputs back from the cache, which it
shares with the workspace, or from the remote, and runs the stages whose outputs are in neither. Then the digest of each
output is compared with the recorded one.

Left out is what holds times and ids of runs, which no rerun repeats: runs/ and metrics/speed/, of which no digest is
recorded, and what the report tells of the run itself.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rich.table import Table
from ruamel.yaml import YAML

from pullback import files
from pullback.digests import md5
from pullback.errors import UserError
from pullback.tracking.places import root, store_uri
from pullback.tracking.recorded import Execution, execution, tag_execution

# What a report tells of the run that made it: two sections of the page, and the end of report.md.
OF_THE_RUN = re.compile(rb'(?ms)<section[^>]*id="(?:cost|provenance)".*?</section>|^## Provenance$.*')
REPORTS = {".html", ".md"}
UNKNOWN = "unknown: the recorded page is in no cache"


@dataclass(frozen=True)
class Output:
    path: str
    stage: str
    verdict: str
    """identical, differs, missing, or UNKNOWN for a page from which that cannot be left out."""

    @property
    def is_wrong(self) -> bool:
        return self.verdict in ("differs", "missing")


def reproduce(run_id: str, folder: Path | None = None, *, rerun: bool = False) -> tuple[Path, list[Output]]:
    """Restores in a worktree what a run was made from, makes its outputs there, and compares them.

    The worktree stays, also if a stage fails in it; it vanishes if it cannot be filled, and on Ctrl-C. Stages that run
    are recorded in the same store, and their execution is tagged with `reproduces`.

    Args:
        run_id: of an execution, or of one of its stages.
        folder: the worktree; if none, .worktrees/RUN_ID.
        rerun: every stage runs again, also where its outputs are cached.

    Returns:
        the worktree, and the outputs in the order in which they were recorded.

    Raises:
        UserError: there is no such run, too little is recorded of it, its commit is not here, the folder exists, or a
            stage fails.
    """
    made = execution(run_id)
    folder = folder or Path(".worktrees", made.run_id)
    _check(made, folder)
    with _vanishing(folder):
        _restore(made, folder)
        cache, has_remote = _share_cache(folder)
        _place_metrics(made, folder, cache)
        succeeded = _make(made, folder, has_remote, rerun)
    if not succeeded:
        raise UserError(
            f"`dvc repro` failed in {folder}, where everything lies as it left it; mend what it tells above, "
            f"or remove the folder with `git worktree remove --force {folder}`"
        )
    return folder, [
        Output(path, stage, _verdict(folder / path, _cached(cache, digest), digest))
        for path, (stage, digest) in made.outputs.items()
    ]


def table(outputs: Sequence[Output]) -> Table:
    """The outputs and their verdicts for the terminal."""
    identical = sum(output.verdict == "identical" for output in outputs)
    rows = Table(
        title=f"{identical} of {len(outputs)} outputs are byte-identical",
        caption="Left out: runs/, metrics/speed/ and what the report tells of its run, which no rerun repeats.",
    )
    for name in ("output", "stage", ""):
        rows.add_column(name)
    for output in outputs:
        rows.add_row(output.path, output.stage, output.verdict, style="red" if output.is_wrong else None)
    return rows


def _check(made: Execution, folder: Path) -> None:
    needed = "reproducing needs git and a clone of the repository that the run was made in"
    _git("rev-parse", "--git-dir", otherwise=needed)
    if not made.commit:
        raise UserError(f"run {made.run_id} was made outside git, so its code is not known")
    if not {"params.yaml", "dvc.lock"} <= made.files.keys():
        raise UserError(
            f"run {made.run_id} was recorded before runs kept params.yaml and dvc.lock; "
            f"its code alone comes back with `git worktree add {folder} {made.commit}`"
        )
    if not made.outputs:
        raise UserError(f"no stage of run {made.run_id} ended well, so there is nothing to compare")
    if made.dirty and "code.diff" not in made.files:
        raise UserError(
            f"run {made.run_id} was made from files that differed from commit {made.commit}, and how is not recorded; "
            "choose a run with code.diff among its artifacts, or with the tag git.dirty = false"
        )
    absent = f"commit {made.commit} of run {made.run_id} is not in this repository; get it with `git fetch`"
    _git("cat-file", "-e", f"{made.commit}^{{commit}}", otherwise=absent)
    if folder.exists():
        raise UserError(
            f"{folder} exists already; remove it with `git worktree remove --force {folder}`, or choose another "
            "folder with --out"
        )


@contextmanager
def _vanishing(folder: Path) -> Iterator[None]:
    """The worktree vanishes if the block does not end well."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["git", "worktree", "prune"], check=False)
        print(f"{folder} is removed again")
        raise


def _restore(made: Execution, folder: Path) -> None:
    """The commit, the changes to it, the parameters and the lock."""
    print(f"Restoring commit {made.commit} with the parameters and dvc.lock of run {made.run_id} in {folder}")
    failed = f"git makes no worktree at {folder}"
    # --force: where a worktree was deleted without telling git, which would refuse the place.
    _git("worktree", "add", "--force", "--detach", str(folder), str(made.commit), otherwise=failed)
    if diff := made.files.get("code.diff"):
        if not diff.startswith(b"diff "):  # it is without new files that were too large
            print(f"code.diff says: {diff.splitlines()[0].decode()}")
        failed = f"code.diff of run {made.run_id} does not apply to commit {made.commit}"
        _git("-C", str(folder), "apply", "--allow-empty", "--whitespace=nowarn", "-", otherwise=failed, given=diff)
    for name in ("params.yaml", "dvc.lock"):
        files.write_bytes(folder / name, made.files[name])


def _git(*command: str, otherwise: str = "git fails", given: bytes | None = None) -> bytes:
    """What git prints; if it fails, a `UserError` with `otherwise` and its last words."""
    try:
        return subprocess.run(["git", *command], input=given, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.decode(errors="replace") if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise UserError(f"{otherwise} ({(said.splitlines() or ['git says no more'])[-1]})") from error


def _share_cache(folder: Path) -> tuple[Path, bool]:
    """Gives the worktree the workspace's cache and remotes, and tells the cache's folder and whether there is a remote.

    Relative paths in DVC's settings, and those that are in no commit, would else be lost.
    """
    from dvc.config import Config

    settings = Config(str(root() / ".dvc")).read()
    settings["cache"].setdefault("dir", str(root() / ".dvc/cache"))
    with Config(str(folder / ".dvc")).edit("local") as local:
        local.update(settings)
    return Path(settings["cache"]["dir"]), "remote" in settings["core"]


def _cached(cache: Path, digest: str) -> Path:
    """Where DVC's cache keeps the content with this digest."""
    return cache / "files/md5" / digest[:2] / digest[2:]


def _place_metrics(made: Execution, folder: Path, cache: Path) -> None:
    """The run's own metrics, which DVC restores only together with all outputs of a stage, and never from a remote.

    The commit that a run was made from holds those of an earlier run, and beside them the stage would run again.
    """
    stages = YAML(typ="safe").load(made.files["dvc.lock"])["stages"]
    for output in (output for stage in stages.values() for output in stage.get("outs", [])):
        path, digest = output["path"], output["md5"]
        if path.startswith("metrics/") and (content := _kept(path, digest, cache)) is not None:
            files.write_bytes(folder / path, content)


def _kept(path: str, digest: str, cache: Path) -> bytes | None:
    """The file with this digest, from the cache, the workspace, or a commit, such as the one that kept the results."""
    for file in (_cached(cache, digest), root() / path):
        if file.is_file() and md5(file) == digest:
            return file.read_bytes()
    for commit in _git("log", "--all", "--diff-filter=AM", "--format=%H", "--", path).decode().split():
        content = _git("show", f"{commit}:./{path}")
        if hashlib.md5(content).hexdigest() == digest:
            return content
    return None


def _make(made: Execution, folder: Path, has_remote: bool, rerun: bool) -> bool:
    """Whether DVC could make the outputs of all stages that are recorded."""
    key = f"reproduce-{uuid4().hex}"
    environment = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(folder.resolve() / "src"),  # goes before an installation, which holds today's code
        "MLFLOW_TRACKING_URI": store_uri(),
        "PIPELINE_RUN_KEY": key,
    }
    # Not `dvc repro --pull`: it leaves metrics missing that neither git nor the cache has, and needs a remote.
    fetch = ["pull", "--run-cache"] if has_remote else ["checkout"]
    force = ["--force"] if rerun else []
    stages = dict.fromkeys(stage for stage, _ in made.outputs.values())
    try:
        _run(["dvc", *fetch, "--quiet", "--allow-missing"], folder, environment)  # what it lacks is made by the next
        return _run(["dvc", "repro", *force, *stages], folder, environment) == 0
    finally:
        tag_execution(made.experiment_id, key, "reproduces", made.run_id)


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> int:
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # it has reached DVC and the stage too, which may write until they have ended
            process.wait()
            raise


def _verdict(path: Path, recorded: Path, digest: str) -> str:
    if not path.exists():
        return "missing"
    if md5(path) == digest:
        return "identical"
    if path.suffix not in REPORTS or not OF_THE_RUN.search(path.read_bytes()):
        return "differs"
    if not recorded.is_file():
        return UNKNOWN
    page, other = (OF_THE_RUN.sub(b"", file.read_bytes()) for file in (path, recorded))
    return "identical" if page == other else "differs"
