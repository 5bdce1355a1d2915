"""Pixel conversions against Pillow, the stratified split, and what `prepare` keeps and drops."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pullback import files
from pullback.data._decode import BrokenImage, to_channels
from pullback.data._images import Dataset, Split, prepare, square, stratified
from pullback.errors import UserError

RNG = np.random.default_rng(0)


def images(n: int, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def run(dataset: Dataset, folder, **changes):
    values = {"channels": 1, "size": 8, "test_fraction": 0.25, "max_broken": 0.0, "seed": 0}
    return prepare(dataset, folder, **(values | changes))


def written(folder, split: str):
    return files.read_array(folder / split / "images.npy"), files.read_array(folder / split / "labels.npy")


def test_grey_becomes_three_equal_channels_and_back():
    grey = images(1)[0]
    colour = to_channels(grey, 3)
    assert colour.shape == (3, 8, 8)
    assert (colour == grey).all()
    assert np.array_equal(to_channels(colour, 1), grey)
    assert to_channels(colour, 3) is colour


def test_luma_is_pillows():
    colour = RNG.integers(0, 256, (3, 64, 64), dtype=np.uint8)
    assert np.array_equal(
        to_channels(colour, 1)[0], np.asarray(Image.fromarray(colour.transpose(1, 2, 0)).convert("L"))
    )


@pytest.mark.parametrize("shape", [(8, 14), (14, 8), (8, 13)])
def test_crop_is_central(shape):
    image = np.zeros((1, 1, *shape), dtype=np.uint8)
    top, left = ((side - 8) // 2 for side in shape)
    image[:, :, top : top + 8, left : left + 8] = RNG.integers(1, 256, (8, 8))
    assert np.array_equal(square(image, 8), image[:, :, top : top + 8, left : left + 8])


@pytest.mark.parametrize(("side", "size"), [(100, 28), (48, 32), (9, 8), (8, 32)])
def test_resize_is_pillows_antialiased_bicubic(side, size):
    image = RNG.integers(60, 196, (side, side), dtype=np.uint8)  # Pillow clips and rounds between rows and columns
    expected = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)).astype(int)
    assert abs(square(image[None, None], size)[0, 0] - expected).max() <= 1


def test_checkerboard_shrinks_to_even_grey():
    """Without antialiasing it would become black, white or stripes."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    assert abs(square(board[None, None], 8).astype(int) - 127.5).max() < 4


def test_split_is_stratified_and_seeded():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    test = stratified(labels, 0.2, seed=0)
    assert np.bincount(labels[test]).tolist() == [20, 10, 2]
    assert np.array_equal(test, stratified(labels, 0.2, seed=0))
    assert not np.array_equal(test, stratified(labels, 0.2, seed=1))


def test_split_of_uneven_and_missing_labels():
    labels = np.random.default_rng(1).integers(0, 7, 1000)
    test = stratified(labels, 0.33, seed=3)
    assert test.sum() == 330
    assert abs(np.bincount(labels[test]) - 0.33 * np.bincount(labels)).max() <= 1
    assert stratified(np.full(10, -1), 0.3, seed=0).sum() == 3


def test_arrays_hold_every_image_once_in_order(tmp_path):
    pixels, labels = images(600), np.arange(600) % 3
    summary = run(Dataset({"all": Split.of_arrays("x", pixels, labels)}, ["a", "b", "c"]), tmp_path)
    test = stratified(labels, 0.25, seed=0)
    for split, chosen in (("train", ~test), ("test", test)):
        got, numbers = written(tmp_path, split)
        assert got.dtype == np.uint8
        assert numbers.dtype == np.int64
        assert np.array_equal(got, pixels[chosen])
        assert np.array_equal(numbers, labels[chosen])
    assert (
        summary.pop("digest")
        != run(Dataset({"all": Split.of_arrays("x", 255 - pixels, labels)}, []), tmp_path)["digest"]
    )
    assert summary == {
        "size": 8,
        "channels": 1,
        "classes": ["a", "b", "c"],
        "images": {"train": 450, "test": 150},
        "per_class": {"train": {"a": 150, "b": 150, "c": 150}, "test": {"a": 50, "b": 50, "c": 50}},
        "dropped": {"broken": 0, "duplicates": 0, "leaked": 0},
        "broken": [],
        "duplicates": [],
    }


def test_bytes_are_the_same_twice(tmp_path):
    dataset = Dataset({"all": Split.of_arrays("x", images(20), np.full(20, -1))}, [])
    for name in ("a", "b"):
        run(dataset, tmp_path / name)
    for path in (tmp_path / "a").rglob("*.npy"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_training_copy_of_a_test_image_is_dropped(tmp_path):
    train, test = images(10), images(5, seed=1)
    train[7], train[4] = test[2], train[3]
    splits = {name: Split.of_arrays(name, x, np.zeros(len(x))) for name, x in (("train", train), ("test", test))}
    summary = run(Dataset(splits, ["only"]), tmp_path)
    assert np.array_equal(written(tmp_path, "test")[0], test)
    assert np.array_equal(written(tmp_path, "train")[0], np.delete(train, [4, 7], axis=0))
    assert summary["duplicates"] == [
        {"name": "train/4", "split": "train", "of": "train/3", "of_split": "train"},
        {"name": "train/7", "split": "train", "of": "test/2", "of_split": "test"},
    ]
    assert summary["dropped"] == {"broken": 0, "duplicates": 2, "leaked": 1}


def test_images_that_are_equal_after_conversion_are_duplicates(tmp_path):
    grey = images(4)
    pixels = [*grey, np.repeat(grey[1], 3, axis=0)]
    split = Split([f"{i}.png" for i in range(5)], np.full(5, -1), pixels.__getitem__)
    duplicates = run(Dataset({"all": split}, []), tmp_path)["duplicates"]
    assert [(pair["name"], pair["of"]) for pair in duplicates] == [("4.png", "1.png")]


def broken_at(*bad: int, n: int = 20) -> Dataset:
    pixels = images(n)

    def decode(index: int):
        if index in bad:
            raise BrokenImage("torn")
        return pixels[index]

    return Dataset({"all": Split([f"{i}.png" for i in range(n)], np.full(n, -1), decode)}, [])


def test_broken_images_within_the_limit_are_dropped_and_listed(tmp_path):
    summary = run(broken_at(3), tmp_path, max_broken=0.05)
    assert summary["broken"] == [{"name": "3.png", "reason": "torn"}]
    assert sum(summary["images"].values()) == 19


def test_broken_images_over_the_limit_fail_and_nothing_is_written(tmp_path):
    message = r"4 of 20 .*data.max_broken = 0.05: 3.png \(torn\), 5.png \(torn\), 7.png \(torn\) and 1 more; "
    with pytest.raises(UserError, match=message):
        run(broken_at(3, 5, 7, 9), tmp_path, max_broken=0.05)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_empty_split_fails(tmp_path):
    with pytest.raises(UserError, match="no test image is left of 1 images"):
        run(broken_at(n=1), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_shapes_may_vary_from_image_to_image(tmp_path):
    pixels = [np.full((1 + 2 * (i % 2), 8 + i // 3, 10), i, dtype=np.uint8) for i in range(12)]
    split = Split([str(i) for i in range(12)], np.full(12, -1), pixels.__getitem__)
    run(Dataset({"all": split}, []), tmp_path, channels=3, size=16)
    values = np.concatenate([written(tmp_path, split)[0] for split in ("train", "test")])
    assert values.shape == (12, 3, 16, 16)
    assert sorted(values[:, 0, 0, 0]) == list(range(12))


LARGE = """
import sys, time
from pathlib import Path
import numpy as np
from pullback.data._images import Dataset, Split, prepare

def decode(i):
    return np.frombuffer(np.random.default_rng(i).bytes(3 * 80 * 72), np.uint8).reshape(3, 80, 72)
start = time.perf_counter()
split = Split([f"{i}.png" for i in range(n)], np.arange(n) % 10, decode)
summary = prepare(Dataset({"all": split}, list("0123456789")), Path(sys.argv[1]), channels=3, size=64,
                  test_fraction=0.1, max_broken=0.0, seed=0)
assert summary["images"] == {"train": n * 9 // 10, "test": n // 10}
# Not ru_maxrss, which a child inherits from its parent.
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak) / 2**10, time.perf_counter() - start)
"""


@pytest.mark.parametrize(("n", "limit_mib"), [(40_000, 600), pytest.param(200_000, 1024, marks=pytest.mark.slow)])
def test_large_set_passes_through_a_small_memory(tmp_path, n, limit_mib):
    """n images of 64x64x3: 12 KiB each on the disk, so that the smaller set, held whole, would break its limit."""
    code = f"n = {n}\n{LARGE}"
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=550
    )
    peak_mib, seconds = map(float, result.stdout.split())
    print(f"peak {peak_mib:.0f} MiB, {seconds:.0f} s")
    for path in tmp_path.rglob("*.npy"):
        path.unlink()
    assert peak_mib < limit_mib
