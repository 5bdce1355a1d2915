"""What an earlier commit held comes back from git and from DVC's cache, whatever the workspace holds now."""

import shutil
from pathlib import Path

import pytest
from revision import committed

from pullback.errors import UserError
from pullback.revisions import fetch


@pytest.fixture
def revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A commit whose files the workspace has lost."""
    folder = tmp_path / "repository"
    for name, text in (("models/vae/a", "one"), ("models/vae/last/a", "two"), ("metrics/prepare.json", "{}")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found = committed(folder, "models/vae")
    for name in ("models/vae", "metrics"):
        shutil.rmtree(folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return found


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_files_of_git_and_folders_of_dvc_come_back(revision: str, tmp_path: Path) -> None:
    fetch(revision, ["models/vae", "metrics/prepare.json"], tmp_path / "out")
    assert content(tmp_path / "out") == {
        "models/vae/a": "one", "models/vae/last/a": "two", "metrics/prepare.json": "{}"
    }  # fmt: skip
    assert not Path("models/vae").exists()


def test_what_a_killed_copy_or_another_revision_has_left_is_replaced(revision: str, tmp_path: Path) -> None:
    for name in ("a", "stale"):
        (tmp_path / "out/models/vae").mkdir(parents=True, exist_ok=True)
        (tmp_path / "out/models/vae" / name).write_text("half")
    fetch(revision, ["models/vae"], tmp_path / "out")
    assert content(tmp_path / "out") == {"models/vae/a": "one", "models/vae/last/a": "two"}


TOLD = r"^revision {} cannot give {} \(.*{}.*\); fetch it with `dvc pull --all-commits`, or name another revision$"


def test_what_never_was_there_is_told_in_one_sentence(revision: str, tmp_path: Path) -> None:
    for asked, path, cause in ((revision, "models/gan", "models/gan"), ("other", "models/vae", "unknown Git revision")):
        with pytest.raises(UserError, match=TOLD.format(asked, path, cause)):
            fetch(asked, [path], tmp_path)


@pytest.mark.parametrize("lost", ["files/md5/*/*[!.dir]", "files"])
def test_what_the_cache_has_lost_is_told_in_one_sentence(revision: str, tmp_path: Path, lost: str) -> None:
    shutil.rmtree(next(Path(".dvc/cache").glob(lost)).parent)
    cause = "(No storage files available|failed to load directory)"  # files, or the list of them
    with pytest.raises(UserError, match=TOLD.format(revision, "models/vae", cause)):
        fetch(revision, ["models/vae"], tmp_path)
