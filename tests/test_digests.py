"""Digests are those that DVC writes into dvc.lock."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pullback.digests import md5

ROOT = Path(__file__).parents[1]
PIPELINE = """
stages:
  make:
    cmd: python make.py
    outs: [folder, file.bin, empty.txt]
"""
MAKE = r"""
from pathlib import Path
for name in ("b", "a/c", "a-b", "a/é ü/日本.txt", "A", "a/d/e/f", ".hidden", "10", "9", "a/__pycache__/x.pyc", "y.pyc"):
    path = Path("folder", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)
Path("folder/nothing").touch()
Path("folder/empty/within").mkdir(parents=True)
Path("folder/link").symlink_to("b")
Path("file.bin").write_bytes(bytes(range(256)) * 9000)
Path("empty.txt").touch()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which DVC has run a stage."""
    folder = tmp_path_factory.mktemp("dvc")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "make.py").write_text(MAKE)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")} | {"PATH": path}
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=folder, env=environment, check=True)
    (folder / ".dvcignore").write_text((ROOT / ".dvcignore").read_text())
    subprocess.run(["dvc", "repro", "-q"], cwd=folder, env=environment, check=True)
    return folder


@pytest.mark.parametrize("name", ["folder", "file.bin", "empty.txt"])
def test_a_digest_is_the_one_in_dvc_lock(made: Path, name: str) -> None:
    outputs = YAML(typ="safe").load(made / "dvc.lock")["stages"]["make"]["outs"]
    assert md5(made / name) == next(output["md5"] for output in outputs if output["path"] == name)


def test_a_renamed_file_changes_the_digest_and_a_new_empty_folder_does_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    before = md5(tmp_path)
    (tmp_path / "folder").mkdir()
    assert md5(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "folder/a")
    assert md5(tmp_path) != before


def test_nothing_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        md5(tmp_path / "absent")
