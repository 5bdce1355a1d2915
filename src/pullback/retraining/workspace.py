"""How does retraining use git and DVC, so that a kill at any moment leaves nothing that the next call cannot mend?

The pipeline runs as an experiment of DVC, in a copy of the repository and a process group of its own; its processes
are known by the key in their environment, also to a later call. The workspace changes by `take_over` alone, which ends
in one commit whose message names the retraining; until that commit is there, it begins anew.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from pullback import config, files
from pullback.errors import UserError
from pullback.retraining.journal import Journal
from pullback.tracking.places import root

RESULTS = ("dvc.lock", "metrics", "params.yaml", "data/manifest.json")
SECONDS_TO_END = 60  # for a stage to write its checkpoint
SECONDS_BEFORE = 5  # for those whom the scheduler has told to end, too: a second signal would break their writing off
TRAILER = "Retraining"


class OutOfReach(UserError):
    """Results that cannot be brought into the workspace, however often one tries."""


def position() -> tuple[str, str]:
    """The commit and the branch.

    Raises:
        UserError: results or code are not committed, or git does not know who commits, or there is no branch.
    """
    if not Path("dvc.lock").is_file():
        raise UserError("there is no dvc.lock; run `dvc repro` and commit its results")
    _check_clean()
    _git("var", "GIT_COMMITTER_IDENT", otherwise="git does not know who commits; run `git config user.email …`")
    branch = _git("branch", "--show-current")
    if not branch:
        raise UserError("no branch is checked out, so there is none to commit to; run `git switch BRANCH`")
    return _git("rev-parse", "HEAD"), branch


def _check_clean(*but: str) -> None:
    if _git("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!{path}" for path in but)):
        raise UserError(
            "retraining needs dvc.lock and all other files under git committed; "
            "run `dvc repro` and commit its results, or `git stash` what is not to last"
        )


def settings() -> str:
    """A digest of params.yaml."""
    return blake2b(Path("params.yaml").read_bytes(), digest_size=8).hexdigest()


def trained_on() -> str:
    """The snapshot that the champion was trained on: the digest of data/raw in dvc.lock."""
    stages = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    return next(out["md5"] for out in stages["download"]["outs"] if out["path"] == "data/raw")


def run(journal: Journal, settings: Sequence[str]) -> str | None:
    """Runs the pipeline as the experiment of that journal; the commit that DVC made of it, None if a stage failed."""
    if done := experiment(journal):
        return done
    overrides = [word for setting in settings for word in ("--set-param", setting)]
    command = ["dvc", "exp", "run", "--temp", "--name", journal.key, *overrides]
    environment = environment_of(journal)
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            process.wait()
        except BaseException:
            psutil.wait_procs(_processes(journal), timeout=SECONDS_BEFORE)
            end_processes(journal)
            raise
    return experiment(journal)


def environment_of(journal: Journal) -> dict[str, str]:
    """With the stages' `python` also under cron, whose PATH knows no .venv."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | {"PATH": path, "PIPELINE_RUN_KEY": journal.key}


def experiment(journal: Journal) -> str | None:
    """The commit of the finished experiment."""
    found = _git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{journal.key}").split()
    return found[0] if found else None


def recover(journal: Journal) -> None:
    """Ends what a killed call has left running, and takes back what it has left half-done in the workspace."""
    end_processes(journal)
    (Path(_git("rev-parse", "--git-dir")) / "index.lock").unlink(missing_ok=True)
    if not _git("branch", "--show-current"):  # DVC detaches it for a moment
        _git("symbolic-ref", "HEAD", f"refs/heads/{journal.branch}")
    _restore(journal)
    restore_imports(journal)
    for copy in (root() / ".dvc/tmp/exps/standalone").glob("tmp*"):
        manifest = copy / "data/manifest.json"
        if manifest.exists() and files.read_json(manifest) == journal.manifest:
            shutil.rmtree(copy, ignore_errors=True)


def end_processes(journal: Journal) -> None:
    """Ends the processes of an experiment in order, and those that do not end by force."""
    alive = _processes(journal)
    for number, seconds in ((signal.SIGTERM, SECONDS_TO_END), (signal.SIGKILL, None)):
        for process in alive:
            _signal(process, number)
        _, alive = psutil.wait_procs(alive, timeout=seconds)


def _processes(journal: Journal) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _key(process) == journal.key]


def _key(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PIPELINE_RUN_KEY") if process.pid != os.getpid() else None
    except psutil.Error:
        return None


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _restore(journal: Journal) -> None:
    """Takes back what is not committed of the results; what a person made of them goes into git's stash."""
    taken = journal.revision or journal.target  # of which a killed call may have left a part
    if _git("status", "--porcelain", "--untracked-files=no", "--", *RESULTS):
        if _changed("HEAD") & _changed(taken or "HEAD"):
            results = _at("HEAD", *RESULTS)
            _git("stash", "push", "--quiet", "--message", f"set aside by {journal.key}", "--", *results)
            print("results that were not committed were set aside; `git stash pop` brings them back")
        _take("HEAD")
    if taken:
        made = _git("ls-tree", "-r", "--name-only", taken, "--", *RESULTS).splitlines()
        _git("clean", "--quiet", "--force", "--", *made)


def _changed(revision: str) -> set[str]:
    """The results that are others than in that revision."""
    return set(_git("diff", "--name-only", revision, "--", *RESULTS).splitlines())


def restore_imports(journal: Journal) -> None:
    """Takes back what the look at imported data has changed and no commit has."""
    if journal.imports:
        _git("restore", "--source=HEAD", "--staged", "--worktree", "--", *journal.imports)
        _dvc("checkout", "--quiet", "--force", *journal.imports)


def _at(revision: str, *paths: str) -> list[str]:
    """Those of the paths that a revision has."""
    return [path for path in paths if _git("ls-tree", revision, path)]


def knows(commit: str) -> bool:
    """Whether the branch has that commit."""
    return subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], capture_output=True).returncode == 0


def check_unmoved(journal: Journal) -> None:
    """Raises `UserError` if somebody has committed meanwhile, or works on another branch."""
    if is_committed(journal):
        return
    if (branch := _git("branch", "--show-current")) != journal.branch:
        raise UserError(
            f"{branch or 'no branch'} is checked out, and no longer {journal.branch}, where this retraining began; "
            f"run `git switch {journal.branch}`"
        )
    if (now := _git("rev-parse", "HEAD")) != journal.commit:
        raise UserError(
            f"{journal.branch} has moved from {journal.commit[:8]} to {now[:8]} while the pipeline ran; "
            "the next call trains on the new state"
        )


def has_moved(journal: Journal) -> bool:
    try:
        check_unmoved(journal)
    except UserError:
        return True
    return False


def is_committed(journal: Journal) -> bool:
    return bool(_commits(journal))


def _commits(journal: Journal) -> list[str]:
    """That of the retraining, also if others have been made since."""
    told = f"--grep={TRAILER}: {journal.id}"
    return _git("log", "--format=%H", "--fixed-strings", told, f"{journal.commit}..HEAD").split()


def take_over(journal: Journal, revision: str, message: str) -> str:
    """Makes the results of a revision those of the workspace and commits them; returns the commit.

    What params.yaml says of retraining stays as it is. What cannot be committed leaves the workspace as it was.

    Raises:
        OutOfReach: neither DVC's cache nor its remote has them, or they do not go with what params.yaml says now.
        UserError: somebody edits what is under git, or git refuses the commit.
    """
    if not is_committed(journal):
        _check_clean(*journal.imports)
        now = Path("params.yaml").read_text()
        try:
            _take(revision, *journal.imports)
            _keep_settings(now)
            _commit(journal, message)
        except UserError:
            _take("HEAD", *journal.imports)
            raise
    return _commits(journal)[0]


def _take(revision: str, *imports: str) -> None:
    """Brings the results of a revision into the workspace.

    Of what DVC tracks these are the outputs of the pipeline and imported data alone, so not by `dvc exp apply`: it
    would take out of all other folders what is in no cache yet.
    """
    tracked = ("dvc.yaml", *imports)
    try:
        paths = _at(revision, *RESULTS, *imports)
        _git("restore", f"--source={revision}", "--staged", "--worktree", "--", *paths)
        try:
            _dvc("checkout", "--quiet", "--force", *tracked)
        except UserError:
            _dvc("pull", "--quiet", "--force", *tracked)
    except UserError as error:
        told = f"the results of commit {revision[:8]} are in neither DVC's cache nor its remote, or not in git"
        raise OutOfReach(f"{told} ({error})") from error


def _keep_settings(now: str) -> None:
    """Puts the block `retrain` of `now` into params.yaml: no result depends on what is to be done every night."""
    block = re.compile(r"^retrain:.*?(?=^\w|\Z)", re.MULTILINE | re.DOTALL)
    kept = block.search(now)
    assert kept
    then = Path("params.yaml").read_text()
    files.write_text(Path("params.yaml"), block.sub(lambda _: kept[0], then))
    try:
        config.read()
    except UserError as error:
        raise OutOfReach(f"the parameters of then do not go with the block `retrain` of now: {error}") from error


def _commit(journal: Journal, message: str) -> None:
    _git("add", "--", *[path for path in (*RESULTS, *journal.imports) if Path(path).exists()])
    _git("commit", "--quiet", "--allow-empty", "--message", message, "--message", f"{TRAILER}: {journal.id}")


def push() -> None:
    """Sends the commit to git's remote and the outputs to DVC's."""
    _dvc("push", "--quiet")
    try:
        _git("push", "--quiet")
    except UserError:  # somebody has pushed meanwhile
        _merge()
        _git("push", "--quiet")


def _merge() -> None:
    try:
        _git("pull", "--quiet", "--no-rebase", "--no-edit")
    except UserError:
        subprocess.run(["git", "merge", "--abort"], capture_output=True)
        raise


def pull(*imports: str) -> None:
    """Takes over what another machine has promoted, and of what else DVC tracks the imported data alone."""
    unfinished = root() / ".pullback" / "retrain" / "pulling"  # is there until DVC has brought what git has
    _git("fetch", "--quiet")
    if _git("rev-list", "HEAD..@{upstream}"):
        files.write_text(unfinished, "")
        _git("merge", "--quiet", "--ff-only", "@{upstream}")
    if unfinished.exists():
        _dvc("pull", "--quiet", "--allow-missing", "dvc.yaml", *imports)
        unfinished.unlink()


def _dvc(*command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    _run(["dvc", *command], "DVC fails", os.environ | {"PATH": path})


def _git(*command: str, otherwise: str = "git fails") -> str:
    return _run(["git", *command], otherwise).strip()


def _run(command: Sequence[str], otherwise: str, environment: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["it says no more"]
        told = " ".join(command).splitlines()[0]
        raise UserError(f"{otherwise}: `{told}` says: {said[-1]}") from error
