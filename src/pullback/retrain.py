"""What does a scheduler call every night?

It fetches the data again, reruns the pipeline if they are new, and keeps what the gate passes. Both models are judged
by the scores in metrics/evaluate: the champion's as committed, the candidate's as just measured. What passes is
committed; what fails is undone, so that the workspace always holds the champion.
"""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from pullback import config, files, gate
from pullback.errors import UserError
from pullback.tracking.places import root

PASSED, FAILED, NOTHING_NEW, REJECTED, BUSY = 0, 1, 10, 11, 75
RESULTS = ["dvc.lock", "metrics"]


def retrain() -> int:
    """Retrains once and returns the exit code: PASSED, FAILED, NOTHING_NEW, REJECTED or BUSY.

    Raises:
        UserError: results in the workspace are not committed to git.
    """
    lock = root() / ".checkpoints" / "retrain.lock"
    lock.parent.mkdir(exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            return _retrain(config.read())
    except Timeout:
        print("another retraining is running")
        return BUSY


def _retrain(params: config.Config) -> int:
    _check_committed()
    # The stages' `python` and one MLflow run for both calls of DVC, also under cron, whose PATH knows no .venv.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ |= {"PATH": path, "PIPELINE_RUN_KEY": f"retrain-{uuid4().hex}"}
    champion, data = scores(), _data_digest()
    try:
        _run("dvc", "repro", "--force", "--single-item", "download")
        if _data_digest() == data:
            _undo()
            print("the data are the same as before")
            return NOTHING_NEW
        _run("dvc", "repro")
    except subprocess.CalledProcessError as error:
        _undo()
        print(f"{' '.join(error.cmd)} failed; the workspace holds the champion again")
        return FAILED
    verdict = gate.judge(scores(), champion, params.retrain.gate, config.directions(params))
    print("\n".join(verdict.reasons))
    if not verdict.passed:
        _undo()
        print("rejected; the workspace holds the champion again")
        return REJECTED
    _run("git", "add", "--", *RESULTS)
    _run("git", "commit", "--quiet", "-m", "Retrain on new data", "-m", "\n".join(verdict.reasons), "--", *RESULTS)
    print("passed and committed")
    return PASSED


def scores(folder: Path = Path("metrics/evaluate")) -> dict[str, float]:
    """All scores, as MODEL.METHOD.SCORE."""
    return {
        f"{path.stem}.{method}.{name}": score["value"]
        for path in sorted(folder.glob("*.json"))
        for method, values in files.read_json(path)["methods"].items()
        for name, score in values.items()
    }


def _check_committed() -> None:
    command = ["git", "status", "--porcelain", "--", *RESULTS]
    status = subprocess.run(command, capture_output=True, text=True)
    if status.returncode or status.stdout or not Path("dvc.lock").is_file():
        raise UserError("retraining needs dvc.lock and metrics/ committed to git; run `dvc repro` and commit them")


def _data_digest() -> str:
    return str(YAML(typ="safe").load(Path("dvc.lock"))["stages"]["download"]["outs"][0]["md5"])


def _undo() -> None:
    _run("git", "checkout", "--quiet", "HEAD", "--", *RESULTS)
    _run("git", "clean", "--quiet", "--force", "-d", "--", *RESULTS)  # all was committed, so this is of the run alone
    _run("dvc", "checkout", "--quiet", "--force")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
