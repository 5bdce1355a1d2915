"""What does a scheduler call every night?

Fetches the data again, reruns the pipeline if they are new, and keeps what the gate passes.

Both models are judged by the scores in metrics/evaluate: the champion's as committed, the candidate's as just measured.
What fails is undone, so that the workspace always holds the champion; what passes is left for a commit.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from pullback import config, files, gate, tracking
from pullback.errors import UserError

PASSED, FAILED, NOTHING_NEW, REJECTED, BUSY = 0, 1, 10, 11, 75
RESULTS = ["dvc.lock", "metrics"]


def retrain() -> int:
    """Retrains once and returns the exit code: PASSED, FAILED, NOTHING_NEW, REJECTED or BUSY.

    Raises:
        UserError: no pipeline run is committed, or results in the workspace are not.
    """
    lock = FileLock(tracking.root() / ".checkpoints" / "retrain.lock")
    Path(lock.lock_file).parent.mkdir(exist_ok=True)
    try:
        with lock.acquire(timeout=0):
            return _retrain(config.read().retrain.gate)
    except Timeout:
        print("another retraining is running")
        return BUSY


def _retrain(rules: Sequence[gate.Rule]) -> int:
    if not Path("dvc.lock").is_file() or _run("git", "status", "--porcelain", "--", *RESULTS, quiet=True):
        raise UserError("dvc.lock and metrics/ must be committed before retraining; run `dvc repro` and commit them")
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
    verdict = gate.judge(scores(), champion, rules)
    print("\n".join(verdict.reasons))
    if verdict.passed:
        print("passed: commit dvc.lock and metrics/ to keep the new models")
        return PASSED
    _undo()
    print("rejected: the workspace holds the champion again")
    return REJECTED


def scores(folder: Path = Path("metrics/evaluate")) -> dict[str, float]:
    """All scores under MODEL.METHOD.METRIC."""
    return {
        f"{path.stem}.{method}.{metric}": score["value"]
        for path in sorted(folder.glob("*.json"))
        for method, values in files.read_json(path)["methods"].items()
        for metric, score in values.items()
    }


def _data_digest() -> str:
    lock: Mapping[str, Any] = YAML(typ="safe").load(Path("dvc.lock"))
    return str(lock["stages"]["download"]["outs"][0]["md5"])


def _undo() -> None:
    _run("git", "checkout", "--quiet", "HEAD", "--", *RESULTS)
    _run("dvc", "checkout", "--quiet")


def _run(*command: str, quiet: bool = False) -> str:
    program = str(Path(sys.executable).with_name(command[0])) if command[0] == "dvc" else command[0]
    result = subprocess.run([program, *command[1:]], check=True, text=True, stdout=subprocess.PIPE if quiet else None)
    return result.stdout or ""
