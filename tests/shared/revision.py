"""A commit whose outputs are in DVC's cache, made in the process of the test."""

import subprocess
import warnings
from pathlib import Path


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    command = ("git", *identity, *command)
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path, *outputs: str) -> str:
    """The commit of a new repository: DVC has the outputs, and git all else in the folder."""
    from dvc.repo import Repo

    git(folder, "init", "--quiet")
    with Repo.init(str(folder)) as repo, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # DVC's use of pygtrie
        repo.add([str(folder / output) for output in outputs])
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "results")
    return git(folder, "rev-parse", "HEAD")
