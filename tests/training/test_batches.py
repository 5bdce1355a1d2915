import os
from itertools import islice

import numpy as np
import pytest
import torch

from pullback.errors import UserError
from pullback.training import batches as module
from pullback.training.batches import batches, order

CPU = torch.device("cpu")


def rows(*args, n: int, **kwargs) -> list[list[int]]:
    return [each.tolist() for each in islice(order(*args, **kwargs), n)]


def test_every_epoch_holds_each_row_once_in_another_order():
    first, second = np.array(rows(14, 4, 0, n=6)).reshape(2, 12).tolist()
    assert len(set(first)) == len(set(second)) == 12  # of 14, two are left out
    assert first != second
    assert rows(14, 4, 1, n=6) != rows(14, 4, 0, n=6)


@pytest.mark.parametrize("start", [1, 3, 4, 7])
def test_an_order_can_begin_anywhere(start):
    assert rows(14, 4, 0, start=start, n=5) == rows(14, 4, 0, n=start + 5)[start:]


def test_processes_share_each_batch():
    whole = rows(14, 4, 0, n=5)
    parts = [rows(14, 4, 0, part=(i, 2), n=5) for i in range(2)]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(each) for each in whole]
    assert parts[0][0] == whole[0][::2]


@pytest.fixture
def mapped(tmp_path) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (14, 1, 3, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize("keep", [True, False, "auto"])
@pytest.mark.parametrize("whole", [True, False])
def test_batches_are_the_rows_wherever_the_data_are(mapped, keep, whole):
    images = np.array(mapped) if whole else mapped
    labels = np.arange(14)
    source = batches(images, labels, order(14, 4, 0), CPU, keep)
    for expected in rows(14, 4, 0, n=7):
        pixels, classes = next(source)
        assert pixels.dtype == torch.uint8
        assert classes.tolist() == expected
        np.testing.assert_array_equal(pixels.numpy(), mapped[expected])


@pytest.mark.parametrize(("free", "kept"), [(4 * 14 * 9, True), (4 * 14 * 9 - 1, False)])
def test_a_set_stays_on_the_device_if_it_takes_a_quarter_of_what_is_free(mapped, monkeypatch, free, kept):
    prefetched = []
    monkeypatch.setattr(module, "_free", lambda device: free)
    monkeypatch.setattr(module, "_prefetched", lambda *args, **kwargs: prefetched.append(1) or iter([]))
    list(batches(mapped, np.arange(14), iter([np.arange(4)]), CPU))
    assert (not prefetched) == kept


@pytest.mark.parametrize("keep", [True, False])
def test_a_slice_of_a_mapped_file_is_that_slice(mapped, keep):
    pixels, _ = next(batches(mapped[3:], np.arange(11), iter([np.array([0, 5])]), CPU, keep))
    np.testing.assert_array_equal(pixels.numpy(), mapped[[3, 8]])


def test_a_file_that_is_too_short_is_told(mapped):
    os.truncate(mapped.filename, mapped.offset + 40)
    with pytest.raises(UserError, match="ends before its image 9"):
        list(batches(mapped, np.arange(14), iter([np.array([0, 9])]), CPU, keep=False))


def test_a_reader_that_fails_is_heard():
    images = np.zeros((4, 1, 3, 3), np.uint8)
    with pytest.raises(IndexError):
        list(batches(images, np.arange(4), iter([np.array([9])]), CPU, keep=False))


def test_few_batches_end():
    images = np.zeros((4, 1, 3, 3), np.uint8)
    assert len(list(batches(images, np.arange(4), iter([np.arange(2)]), CPU, keep=False))) == 1
