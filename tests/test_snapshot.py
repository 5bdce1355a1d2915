"""A source that changes is noticed, what it holds is described, and the stage takes what retraining has judged."""

import hashlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from clone import clone_repository
from PIL import Image
from ruamel.yaml import YAML

from pullback import snapshot
from pullback.config import Data
from pullback.digests import md5
from pullback.errors import UserError

OWN = Data(name="folder", source="own")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository's root with a folder `own` of three images in two classes, and the manifest of another source."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for grey, name in enumerate(["cat/1.png", "cat/2.png", "dog/1.png"]):
        paint(tmp_path / "own" / name, grey)
    snapshot.write(manifest(name="digits", source=None))
    return tmp_path


def paint(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), grey).save(path)


def manifest(**values: Any) -> snapshot.Manifest:
    content = {"name": "folder", "source": "own", "snapshot": "0.dir", "bytes": 1, "images": 2}
    return snapshot.Manifest(**content | {"counts": [], "digests": []} | values)


# Has the source changed?


def added(own: Path) -> None:
    paint(own / "dog/2.png", 9)


def removed(own: Path) -> None:
    (own / "dog/1.png").unlink()


def renamed(own: Path) -> None:
    (own / "cat").rename(own / "lion")


def rewritten(own: Path) -> None:
    path = own / "cat/1.png"
    path.write_bytes(bytes(path.stat().st_size))


def cut_off(own: Path) -> None:
    os.truncate(own / "cat/1.png", 40)


@pytest.mark.parametrize("change", [added, removed, renamed, rewritten, cut_off])
def test_a_folder_that_changes_has_another_fingerprint_and_another_snapshot(
    here: Path, change: Callable[[Path], None]
) -> None:
    seen, taken = snapshot.fingerprint(OWN, here), snapshot.take(OWN, here / "raw")
    assert snapshot.fingerprint(OWN, here) == seen
    change(here / "own")
    assert snapshot.fingerprint(OWN, here) != seen
    assert snapshot.take(OWN, here / "raw").snapshot != taken.snapshot


def test_files_that_are_touched_have_another_fingerprint_and_the_same_snapshot(here: Path) -> None:
    seen, taken = snapshot.fingerprint(OWN, here), snapshot.take(OWN, here / "raw")
    os.utime(here / "own/cat/1.png", (1, 1))
    assert snapshot.fingerprint(OWN, here) != seen
    assert snapshot.take(OWN, here / "raw") == taken


def test_the_fingerprint_is_found_from_any_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = snapshot.fingerprint(OWN, here)
    monkeypatch.chdir(here / "own")
    assert snapshot.fingerprint(OWN, here) == seen


def test_a_link_to_nowhere_is_passed_over(here: Path) -> None:
    (here / "own/cat/3.png").symlink_to("nowhere")
    snapshot.fingerprint(OWN, here)
    assert snapshot.take(OWN, here / "raw").images == 3


def test_a_zip_has_a_fingerprint(here: Path) -> None:
    data = Data(name="folder", source=shutil.make_archive("all", "zip", here / "own"))
    seen = snapshot.fingerprint(data, here)
    assert snapshot.fingerprint(data, here) == seen
    os.utime(here / "all.zip", (1, 1))
    assert snapshot.fingerprint(data, here) != seen


def test_published_sets_never_change(tmp_path: Path) -> None:
    seen = {snapshot.fingerprint(Data(name=name), tmp_path) for name in ("digits", "mnist", "digits")}
    assert len(seen) == 2


def test_a_source_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^own is no directory or file here; set data\.source"):
        snapshot.fingerprint(OWN, tmp_path)


@pytest.fixture
def said(site: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The headers with which the site answers HEAD."""
    headers: dict[str, str] = {}

    def head(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    monkeypatch.setattr(site.RequestHandlerClass, "do_HEAD", head, raising=False)
    return headers


@pytest.mark.parametrize("header", ["ETag", "Last-Modified", "Content-Length"])
def test_an_address_is_judged_by_what_its_server_says(site: Any, said: dict[str, str], header: str) -> None:
    data = Data(name="folder", source=f"{site.url}/a.zip")
    said |= {"ETag": "one"} if header == "ETag" else {"Last-Modified": "then", "Content-Length": "1"}
    fingerprint = partial(snapshot.fingerprint, data, Path())
    seen = fingerprint()
    assert fingerprint() == seen
    said[header] = "2"
    assert fingerprint() != seen
    assert not site.asked, "the content was fetched"


@pytest.mark.parametrize("answers", [True, False])
def test_an_address_of_which_the_server_says_nothing_is_judged_by_its_content(
    site: Any, request: pytest.FixtureRequest, answers: bool
) -> None:
    if answers:
        request.getfixturevalue("said")  # else HEAD is refused
    site.files["a.zip"] = b"one"
    data = Data(name="folder", source=f"{site.url}/a.zip")
    seen = snapshot.fingerprint(data, Path())
    assert snapshot.fingerprint(data, Path()) == seen
    site.files["a.zip"] = b"two"
    assert snapshot.fingerprint(data, Path()) != seen


def test_an_address_of_a_folder_of_published_files_does_not_change(site: Any) -> None:
    data = Data(name="mnist", source=f"{site.url}/mnist")
    assert snapshot.fingerprint(data, Path()) == snapshot.fingerprint(data, Path())


def test_a_server_that_is_down_is_told(site: Any) -> None:
    site.hangs = True
    data = Data(name="folder", source=f"{site.url}/a.zip")
    with pytest.raises(UserError, match=r"failed in 3 tries .* set data\.source to an address that serves the data"):
        snapshot.fingerprint(data, Path())


# What came of it?


def test_a_manifest_tells_what_came(here: Path) -> None:
    taken = snapshot.take(OWN, here / "raw")
    content = (here / "raw/images.zip").read_bytes()
    assert taken == manifest(
        snapshot=md5(here / "raw"),
        bytes=len(content),
        images=3,
        counts=["cat: 2", "dog: 1"],
        digests=[f"{hashlib.md5(content).hexdigest()}  images.zip"],
    )
    assert taken.snapshot.endswith(".dir")


def test_a_data_set_without_labels_has_no_counts(here: Path) -> None:
    shutil.rmtree(here / "own/cat")
    taken = snapshot.take(Data(name="folder", source="own/dog"), here / "raw")
    assert (taken.images, taken.counts) == (1, [])


def test_the_manifest_under_git_is_that_of_the_default_data(tmp_path: Path) -> None:
    known = snapshot.read(Path(__file__).parents[1] / snapshot.MANIFEST)
    assert snapshot.take(Data(name="digits"), tmp_path / "raw") == known


def test_a_snapshot_that_cannot_be_taken_leaves_the_last_one(here: Path) -> None:
    taken = snapshot.take(OWN, here / "raw")
    (here / "own/loose.png").write_bytes(b"")  # images beside class folders
    with pytest.raises(UserError, match=r"loose\.png"):
        snapshot.take(OWN, here / "raw")
    assert md5(here / "raw") == taken.snapshot
    (here / "own/loose.png").unlink()
    added(here / "own")
    assert snapshot.take(OWN, here / "raw").images == 4
    assert sorted(path.name for path in here.iterdir()) == ["data", "own", "raw"]


def test_a_manifest_comes_back_as_it_was_written(here: Path) -> None:
    taken = snapshot.take(OWN, here / "raw")
    snapshot.write(taken)
    assert snapshot.read() == taken


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_a_damaged_manifest_is_told(here: Path, content: str | None) -> None:
    snapshot.MANIFEST.unlink()
    if content is not None:
        snapshot.MANIFEST.write_text(content)
    with pytest.raises(UserError, match=r"^data/manifest\.json is no whole manifest; bring it back by `git checkout"):
        snapshot.read()


ODD = ["dog's", 'a "b"', "x:=,y;z", "[0]", "{1}", "tail\\", "a\\'b", "null", "???", "é 日", "#", "$x", "choice(a,b)"]


def test_dvc_sets_a_manifest_whatever_the_classes_are_called(here: Path) -> None:
    from dvc.utils.cli_parse import to_path_overrides
    from dvc.utils.hydra import apply_overrides

    new = manifest(source="the dog's images", counts=[f"{name}: 1" for name in ODD], digests=["0  images.zip"])
    for each in (new, manifest(source=None)):  # the second has fewer entries
        ((path, overrides),) = to_path_overrides(each.overrides()).items()
        apply_overrides(path, overrides)
        assert snapshot.read() == each


def test_no_class_can_make_dvc_read_the_environment(here: Path) -> None:
    (here / "own/cat").rename(here / "own/${oc.env:HOME}")
    assert snapshot.take(OWN, here / "raw").counts == ["$ {oc.env:HOME}: 2", "dog: 1"]


# Sources that DVC tracks.


def dvc(folder: Path, *command: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tracking(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`here` under git and DVC."""
    for name in [name for name in os.environ if name.startswith("DVC_")]:
        monkeypatch.delenv(name)
    subprocess.run(["git", "init", "-q"], check=True)
    dvc(here, "init", "-q")
    return here


def test_an_imported_source_is_brought_up_to_date(tracking: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    there = tmp_path_factory.mktemp("there")
    shutil.copytree("own", there / "images")
    dvc(tracking, "import-url", "-q", str(there / "images"), "imported")
    data = Data(name="folder", source="imported")
    seen, known = snapshot.fingerprint(data, tracking), Path("imported.dvc").read_text()

    assert snapshot.imports("imported") == ["imported.dvc"]
    snapshot.update("imported.dvc")
    assert (snapshot.fingerprint(data, tracking), Path("imported.dvc").read_text()) == (seen, known)

    added(there / "images")
    snapshot.update("imported.dvc")
    assert snapshot.fingerprint(data, tracking) != seen
    assert Path("imported.dvc").read_text() != known
    assert snapshot.take(data, tracking / "raw").counts == ["cat: 2", "dog: 2"]

    shutil.rmtree(there / "images")
    with pytest.raises(UserError, match=r"^`dvc update imported\.dvc` failed \(.*images.*\); check the place"):
        snapshot.update("imported.dvc")


def test_other_sources_have_nothing_to_be_updated(tracking: Path) -> None:
    for source in ("own", "elsewhere", "http://host/a.zip", None):
        assert snapshot.imports(source) == []


def test_a_source_out_of_which_dvc_would_take_new_images_is_refused(tracking: Path) -> None:
    dvc(tracking, "add", "-q", "own")
    with pytest.raises(UserError, match=r"^own is tracked by `dvc add`, .*; run `dvc remove own.dvc` and commit that"):
        snapshot.imports("own")


# What does the stage take?


def judged(here: Path) -> str:
    """The digest of a snapshot that retraining has kept and named in the manifest."""
    taken = snapshot.take(OWN, snapshot.kept())
    snapshot.write(taken)
    return taken.snapshot


def provided(here: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snapshot.provide(OWN, here / "raw")
    return md5(here / "raw")


def test_the_stage_takes_the_judged_snapshot_though_the_source_has_changed(here: Path) -> None:
    known = judged(here)
    shutil.rmtree(here / "own")
    assert provided(here) == known


def test_what_the_stage_took_is_no_part_of_the_kept_snapshot(here: Path) -> None:
    known = judged(here)
    snapshot.provide(OWN, here / "raw")
    (here / "raw/images.zip").write_bytes(b"")
    assert md5(snapshot.kept()) == known


@pytest.mark.parametrize("damage", [lambda: shutil.rmtree(snapshot.kept()), lambda: added(snapshot.kept())])
def test_without_the_kept_snapshot_the_stage_takes_the_source_and_warns_if_that_has_changed(
    here: Path, damage: Callable[[], None]
) -> None:
    known = judged(here)
    damage()
    assert provided(here) == known
    added(here / "own")
    with pytest.warns(UserWarning, match=r"^own holds other data than data/manifest\.json names, so `pullback"):
        snapshot.provide(OWN, here / "raw")
    assert md5(here / "raw") != known


def test_another_source_than_the_judged_one_is_taken_as_it_is(here: Path) -> None:
    known = judged(here)
    (here / "own").rename(here / "mine")
    added(here / "mine")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        snapshot.provide(Data(name="folder", source="mine"), here / "raw")
    assert md5(here / "raw") != known


@pytest.mark.slow
def test_dvc_downloads_again_only_when_the_manifest_changes_and_then_what_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = clone_repository(tmp_path / "clone")
    monkeypatch.chdir(clone.folder)
    pipeline = YAML(typ="safe").load(Path("dvc.yaml"))
    YAML().dump({"stages": {"download": pipeline["stages"]["download"]}}, Path("dvc.yaml"))
    clone.done("dvc", "repro")
    clone.commit("first")
    paint(clone.folder / "own-images/digit 3/new.png", 1)
    assert "Stage 'download' didn't change" in clone.done("dvc", "repro")

    taken = snapshot.take(Data(name="folder", source="own-images"), snapshot.kept())
    paint(clone.folder / "own-images/digit 3/newer.png", 2)  # not judged
    settings = [part for each in taken.overrides() for part in ("-S", each)]
    clone.done("dvc", "exp", "run", "--temp", "--name", "night", *settings)
    assert clone.done("git", "status", "--porcelain", "--untracked-files=no") == ""
    clone.done("dvc", "exp", "apply", "night")
    assert snapshot.read() == taken
    assert md5(clone.folder / "data/raw") == taken.snapshot
    assert "Data and pipelines are up to date" in clone.done("dvc", "status")

    clone.edit("source: own-images", "source: own-images/digit 3")  # by hand, as ever
    assert "Running stage 'download'" in clone.done("dvc", "repro")
    assert md5(clone.folder / "data/raw") != taken.snapshot
