"""A commit and a patch give back the code that ran."""

import subprocess
from pathlib import Path

import pytest

from pullback.tracking import provenance
from pullback.tracking.provenance import changes, revision


def git(*command, cwd=None):
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=n@n", *command], cwd=cwd, check=True)


@pytest.fixture
def repository(monkeypatch, tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    for name in ("code.py", "gone.py", "dvc.lock"):
        Path(name).write_text("before\n")
    git("add", "-A")
    git("commit", "-q", "-m", "start")
    return folder


def test_nothing_differs_outside_of_git_or_when_results_do(monkeypatch, tmp_path, repository):
    Path("dvc.lock").write_text("after")
    Path("metrics").mkdir()
    Path("metrics/new.json").touch()
    assert revision()["git.dirty"] == "false"
    assert changes() == b""
    monkeypatch.chdir(tmp_path)
    assert changes() == b""


def test_a_patch_holds_changed_new_and_removed_files_of_any_kind(repository, tmp_path):
    Path("code.py").write_text("after\n")
    Path("gone.py").unlink()
    Path("dvc.lock").write_text("after\n")
    Path("folder").mkdir()
    Path("folder/b i nary").write_bytes(bytes(range(256)))
    Path("staged.py").write_text("staged\n")
    git("add", "staged.py")
    before = subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True).stdout
    patch = tmp_path / "code.diff"
    patch.write_bytes(changes())
    assert subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True).stdout == before
    clean = tmp_path / "clean"
    git("worktree", "add", "-q", str(clean), "HEAD")
    git("apply", str(patch), cwd=clean)
    files = {path.relative_to(clean).as_posix(): path.read_bytes() for path in clean.rglob("*") if path.is_file()}
    del files[".git"]
    assert files == {
        "code.py": b"after\n",
        "dvc.lock": b"before\n",
        "folder/b i nary": bytes(range(256)),
        "staged.py": b"staged\n",
    }


def test_new_files_that_are_too_many_are_left_out_and_the_patch_says_so(monkeypatch, repository, tmp_path):
    monkeypatch.setattr(provenance, "MOST_NEW", 1)
    Path("code.py").write_text("after\n")
    Path("images").mkdir()
    for i in range(3):
        Path(f"images/{i}").write_bytes(bytes(500_000))
    patch = tmp_path / "code.diff"
    patch.write_bytes(changes())
    assert patch.read_text().splitlines()[0] == "Without 3 new files of 1 MiB"
    clean = tmp_path / "clean"
    git("worktree", "add", "-q", str(clean), "HEAD")
    git("apply", str(patch), cwd=clean)
    assert (clean / "code.py").read_text() == "after\n"
    assert not (clean / "images").exists()
