"""From which code, by whom and on which machine was something made?"""

import hashlib
import os
import socket
import subprocess
from pathlib import Path

import psutil


def provenance() -> dict[str, str]:
    """Tags: the user and host, DVC's experiment and lock at the start, the revision of the code."""
    tags = {"mlflow.user": psutil.Process().username(), "host": socket.gethostname()}
    if "DVC_EXP_NAME" in os.environ:
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    if Path("dvc.lock").is_file():
        tags["dvc.lock"] = hashlib.md5(Path("dvc.lock").read_bytes()).hexdigest()
    return tags | revision()


def revision() -> dict[str, str]:
    """The commit, and whether the files differ from it, results aside, which the stages themselves write."""
    try:
        commit = _git("rev-parse", "HEAD")
        changes = _git("status", "--porcelain", "--", ".", ":!dvc.lock", ":!metrics")
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, or no commit in it
        return {}
    return {"mlflow.source.git.commit": commit, "git.dirty": str(bool(changes)).lower()}


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout.strip()
