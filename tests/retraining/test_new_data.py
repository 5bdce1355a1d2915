"""New data are prepared as the pipeline does it, and stop the retraining where a person should look first."""

import errno
import shutil
import zipfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contestants import digits, params
from PIL import Image
from revision import committed

from pullback import files
from pullback.data import folder as source
from pullback.data._images import prepare
from pullback.errors import UserError
from pullback.features import pixels
from pullback.retraining import journal, new_data
from pullback.retraining.journal import Journal, Outcome

OLD = 200


def keep(count: int, invert: bool = False, broken: int = 0, without: int | None = None) -> None:
    """Puts a snapshot of digits where retraining keeps it."""
    raw = journal.folder() / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(raw / "images.zip", "w") as archive:
        for number, (image, label) in enumerate(zip(*digits(0, count), strict=True)):
            content = BytesIO()
            Image.fromarray(255 - image[0] if invert else image[0]).save(content, "PNG")
            if label != without:
                archive.writestr(f"{label}/{number}.png", b"" if number < broken else content.getvalue())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In whose last commit is a champion that was trained on the first digits."""
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DVC_ROOT", str(folder))
        keep(OLD)
        raw = source.read(journal.folder() / "raw")
    settings = {"channels": 1, "size": 8, "test_fraction": 0.5, "max_broken": 0.01, "seed": 0}
    files.write_json(folder / "metrics/prepare.json", prepare(raw, folder / "data/images", **settings))
    files.write_json(folder / "metrics/extractor.json", {"name": "pixels"})
    files.write_text(folder / "models/extractor/none", "")
    committed(folder, "data/images", "models/extractor")
    return folder


@pytest.fixture
def begun(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.chdir(repository)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    shutil.rmtree(journal.folder(), ignore_errors=True)
    return journal.begin("HEAD", "main", champion="HEAD")


def inspected(begun: Journal, **settings: object) -> Outcome | None:
    return new_data.inspect(begun, params(data_name="folder", data_test_fraction=0.5, **settings))


def stopped(begun: Journal) -> Outcome:
    outcome = inspected(begun)
    assert outcome is not None
    assert (outcome.code, outcome.verdict) == (12, "drifted")
    return outcome


def test_more_of_the_same_may_be_trained_on_also_when_it_is_looked_at_twice(begun: Journal) -> None:
    keep(OLD + 100)
    for _ in range(2):
        assert inspected(begun) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"count": 120}, "120 images are left where 200 were; 30.0% of them may be gone"),
        ({"count": OLD, "broken": 10}, "5.0% of the images cannot be read, where 0.0% could not; it may be 1.0% more"),
        ({"count": OLD, "without": 3}, "no image is left of '3'"),
    ],
)
def test_what_is_wrong_with_new_data_is_told_and_reported(begun: Journal, change: dict[str, Any], reason: str) -> None:
    keep(**change)
    outcome = stopped(begun)
    assert outcome.reasons[0] == reason
    assert outcome.report is not None
    assert f"- {reason}." in outcome.report


def test_other_images_are_far_away_in_the_space_of_the_champion(begun: Journal) -> None:
    keep(OLD, invert=True)
    outcome = stopped(begun)
    assert [reason.split()[1] for reason in outcome.reasons] == ["FID", "KID"]


def test_data_are_looked_at_in_the_feature_map_of_the_champion_also_when_it_was_replaced(begun: Journal) -> None:
    keep(OLD + 100)
    assert inspected(begun, features_name="classifier") is None


def test_a_champion_of_another_image_size_is_told_before_any_training(begun: Journal) -> None:
    keep(OLD + 100)
    told = (
        "^the champion's images have size 8, those of the new model 12, so they cannot be compared; set data.size to 8"
    )
    with pytest.raises(UserError, match=told):
        inspected(begun, data_size=12)


@pytest.mark.parametrize("count", [1, 2])
def test_a_handful_of_images_stops(begun: Journal, count: int) -> None:
    keep(count)
    assert stopped(begun).reasons


def test_no_readable_image_stops(begun: Journal) -> None:
    keep(20, broken=20)
    (reason,) = stopped(begun).reasons
    assert reason.startswith("no train image is left of 20 images, of which 20 are broken; ")


def test_a_full_disk_says_nothing_of_the_data(begun: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    keep(OLD + 100)
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match=r"could not be written: No space left on device; make room there and run "):
        inspected(begun)


def test_of_many_images_some_of_both_splits_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {split: digits(*rows)[0] for split, rows in {"train": (0, 60), "test": (60, 100)}.items()}
    for split in images:
        files.write_array(tmp_path / split / "images.npy", images[split])
    monkeypatch.setattr(new_data.drift, "MOST", 50)
    found = new_data._features(tmp_path, partial(pixels.load, Path()), params())
    every = np.concatenate([each.reshape(-1, 64) for each in images.values()]) / np.float32(127.5) - 1
    rows = [np.abs(every - row).sum(1).argmin() for row in found]
    assert np.abs(every[rows] - found).max() < 1e-6
    assert len(set(rows)) == 50
    assert 20 < sum(row < 60 for row in rows) < 40
