"""Images reach the disk in each form whole and in order, or not at all."""

import errno
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pullback import files, output
from pullback.errors import UserError


def batches(images: np.ndarray) -> Iterator[np.ndarray]:
    yield from np.array_split(images, 3)


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_gets_a_picture_for_each_image(tmp_path, channels):
    images = pixels(12, channels, 4, 4)
    output.write(tmp_path / "new/some", batches(images), 12, output.numbers(12))
    paths = sorted((tmp_path / "new/some").iterdir())
    assert [path.name for path in paths] == [f"{i:02}.png" for i in range(12)]
    for path, image in zip(paths, images, strict=True):
        assert (np.asarray(Image.open(path)).reshape(4, 4, channels) == image.transpose(1, 2, 0)).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["some"]


def test_an_array_holds_the_batches_as_they_come(tmp_path):
    images = pixels(6, 2, 1, 4, 4)
    output.write(tmp_path / "some.npy", batches(images), 12, output.numbers(12))
    assert (files.read_array(tmp_path / "some.npy") == images).all()


@pytest.mark.parametrize(("columns", "rows"), [(None, 3), (2, 6)])
def test_a_picture_shows_all_images(tmp_path, columns, rows):
    output.write(tmp_path / "some.png", batches(pixels(6, 2, 1, 4, 4)), 12, output.numbers(12), columns)
    with Image.open(tmp_path / "some.png") as picture:
        assert picture.height / picture.width == (5 * rows - 1) / (5 * 12 // rows - 1)


def test_a_million_images_need_no_more_memory_than_a_batch(tmp_path):
    """Here ten thousand, as a thousand times the batch."""
    one = pixels(10, 1, 8, 8)
    tracemalloc.start()
    output.write(tmp_path / "some.npy", (one for _ in range(1000)), 10_000, output.numbers(10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "some.npy").stat().st_size > 640_000
    assert peak < 200_000


@pytest.mark.parametrize("name", ["some", "some.npy", "some.png"])
def test_nothing_is_left_of_what_fails(tmp_path, name):
    def broken() -> Iterator[np.ndarray]:
        yield pixels(2, 1, 4, 4)
        raise UserError("no more images")

    with pytest.raises(UserError, match="no more images"):
        output.write(tmp_path / name, broken(), 4, output.numbers(4))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(UserError, match="some could not be written: No space left on device; make room there and run"):
        output.write(tmp_path / "some", batches(pixels(6, 1, 4, 4)), 6, output.numbers(6))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("some.jpg", 1, "some.jpg must be a folder, or end in .npy (an array) or .png (all images in one picture)"),
        ("file", 1, "file must be a folder, or end in .npy (an array) or .png"),
        ("full", 1, "full is a folder with something in it, which would be mixed up with the images; name a new one"),
        ("some.png", 2501, "some.png cannot show 2501 images, since 2500 are the most for one picture; ask for fewer,"),
    ],
)
def test_what_cannot_be_written_is_told_before(tmp_path, monkeypatch, name, n, message):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    files.write_text(Path("full/note.txt"), "here")
    with pytest.raises(UserError, match=re.escape(message)):
        output.check(Path(name), n)


def test_what_can_be_written_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.v2").mkdir()
    for name, n in (("empty.v2", 10**6), ("new", 10**6), ("some.npy", 10**6), ("some.png", 2500)):
        output.check(Path(name), n)


@pytest.mark.parametrize("n", [1, 10, 11, 1000])
def test_numbers_sort_as_they_count(n):
    found = list(output.numbers(n))
    assert found == sorted(found)
    assert list(map(int, found)) == list(range(n))
