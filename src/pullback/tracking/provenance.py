"""From which code, by whom and on which machine was something made?"""

import hashlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil

NO_RESULTS = (".", ":!dvc.lock", ":!metrics")  # which the stages themselves write
MOST_NEW = 20  # MiB of files unknown to git that a patch takes in


def provenance() -> dict[str, str]:
    """Tags: the user and host, DVC's experiment and lock at the start, the revision of the code."""
    tags = {"mlflow.user": psutil.Process().username(), "host": socket.gethostname()}
    if "DVC_EXP_NAME" in os.environ:
        tags["dvc.experiment"] = os.environ["DVC_EXP_NAME"]
    if Path("dvc.lock").is_file():
        tags["dvc.lock"] = hashlib.md5(Path("dvc.lock").read_bytes()).hexdigest()
    return tags | revision()


def revision() -> dict[str, str]:
    """The commit, and whether the files differ from it, results aside."""
    try:
        commit = _git("rev-parse", "HEAD")
        dirty = bool(_git("status", "--porcelain", "--", *NO_RESULTS))
    except (OSError, subprocess.CalledProcessError):  # no git, no repository, or no commit in it
        return {}
    return {"mlflow.source.git.commit": commit.decode().strip(), "git.dirty": str(dirty).lower()}


def changes() -> bytes:
    """A patch from the commit to the files as they are, also new ones, results aside; none where nothing differs.

    Above MOST_NEW the new files are left out, as they will be data; the first line then says so.
    """
    if revision().get("git.dirty") != "true":
        return b""
    listed = _git("ls-files", "--others", "--exclude-standard", "-z", "--", *NO_RESULTS)
    new = [Path(os.fsdecode(name)) for name in listed.split(b"\0") if name]
    megabytes = sum(path.lstat().st_size for path in new) / 2**20
    if megabytes > MOST_NEW:
        said = f"Without {len(new)} new files of {megabytes:.0f} MiB\n"  # git apply passes over such a line
        return said.encode() + _git("diff", "--binary", "HEAD", "--", *NO_RESULTS)
    with tempfile.TemporaryDirectory() as folder:  # for an index of its own: the person's stays as it is
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _git("read-tree", "HEAD", **index)
        _git("add", "--intent-to-add", "--", *NO_RESULTS, **index)
        return _git("diff", "--binary", "HEAD", "--", *NO_RESULTS, **index)


def _git(*command: str, **environment: str) -> bytes:
    return subprocess.run(["git", *command], check=True, capture_output=True, env=os.environ | environment).stdout
