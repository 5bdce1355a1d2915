import errno
import json
import os
import pickle
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import save

from pullback import files
from pullback.errors import UserError


@contextmanager
def full_disk() -> Iterator[None]:
    """The kernel refuses files above 1000 bytes, as a full disk does; also pytest's own log, so only for a moment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_rows(path):
    with files.ArrayWriter(path, (10,), np.float32) as writer:
        for _ in range(1000):
            writer.append(np.zeros((10, 10)))


WRITERS = {
    "bytes": lambda path: files.write_bytes(path, bytes(5000)),
    "json": lambda path: files.write_json(path, "x" * 5000),
    "table": lambda path: files.write_table(path, [{"step": i} for i in range(5000)]),
    "array": lambda path: files.write_array(path, np.zeros(5000)),
    "rows": write_rows,
    "tensors": lambda path: files.write_tensors(path, {"weight": torch.zeros(5000)}, {}),
}


def test_a_file_appears_whole_with_its_folders(tmp_path):
    path = tmp_path / "a/b/c.bin"
    with files.replacing(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, UserError])
def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    files.write_text(path, "old")

    def break_off() -> None:
        with files.replacing(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        break_off()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_another_files_trouble_inside_is_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), files.replacing(tmp_path / "file"):
        (tmp_path / "elsewhere").read_bytes()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path, write):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UserError, match=f"^{path} could not be written: File too large; make room"), full_disk():
        write(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_disk_that_is_full_at_the_last_moment(tmp_path, monkeypatch, write):
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(UserError, match=f"^{tmp_path / 'file'} could not be written: No space left on device"):
        write(tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/inside\.txt could not be written"):
        files.write_text(tmp_path / "file/inside.txt", "")


def test_json_round_trip_with_sorted_keys(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1.5, "a": [None, "é"]})
    assert files.read_json(tmp_path / "a.json") == {"a": [None, "é"], "b": 1.5}
    files.write_json(tmp_path / "b.json", {"a": [None, "é"], "b": 1.5})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_json_has_not(tmp_path, value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"fid": value})
    assert not list(tmp_path.iterdir())


def test_table_round_trip_keeps_float32_and_gaps(tmp_path):
    third = float(np.float32(1 / 3))
    files.write_table(tmp_path / "t.csv", [{"step": 1, "loss": third}, {"step": 2, "loss": None}])
    table = files.read_table(tmp_path / "t.csv")
    assert list(table) == ["step", "loss"]
    np.testing.assert_array_equal(table["step"], [1, 2])
    assert np.float32(table["loss"][0]) == np.float32(third)
    assert np.isnan(table["loss"][1])


def test_an_empty_table(tmp_path):
    files.write_table(tmp_path / "t.csv", [])
    assert files.read_table(tmp_path / "t.csv") == {}


@pytest.mark.parametrize("mmap", [False, True])
def test_array_round_trip(tmp_path, mmap):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    files.write_array(tmp_path / "a.npy", array)
    back = files.read_array(tmp_path / "a.npy", mmap=mmap)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, array)
    assert isinstance(back, np.memmap) == mmap


def test_a_mapped_array_cannot_change_its_file(tmp_path):
    files.write_array(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        files.read_array(tmp_path / "a.npy", mmap=True)[0] = 1


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle"])
def test_a_damaged_array_is_told(tmp_path, mmap, damage):
    path = tmp_path / "a.npy"
    files.write_array(path, np.arange(1000))
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:500], "empty": b"", "text": b"hello", "pickle": pickle.dumps([1])}[damage])
    with pytest.raises(UserError, match=rf"^{path} is not a whole \.npy array .*delete it"):
        files.read_array(path, mmap=mmap)


@pytest.mark.parametrize(
    "read", [files.read_array, files.read_json, files.read_table, files.read_header, files.read_tensors]
)
def test_a_missing_file_is_told(tmp_path, read):
    with pytest.raises(UserError, match=f"^{tmp_path / 'gone'} does not exist; run `dvc repro`"):
        read(tmp_path / "gone")


@pytest.mark.parametrize("blocks", [[], [1], [7, 0, 3], [50] * 40])
def test_rows_written_one_block_after_another_are_what_numpy_would_write(tmp_path, blocks):
    rows = np.random.default_rng(0).normal(size=(sum(blocks), 2, 3)).astype(np.float32)
    with files.ArrayWriter(tmp_path / "rows.npy", (2, 3), np.float32) as writer:
        for part in np.split(rows, np.cumsum(blocks)[:-1]) if blocks else []:
            writer.append(part)
        assert writer.rows == len(rows)
    np.save(tmp_path / "whole.npy", rows)
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    np.testing.assert_array_equal(files.read_array(tmp_path / "rows.npy", mmap=True), rows)


def test_an_error_among_the_rows_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError), files.ArrayWriter(tmp_path / "rows.npy", (2,), np.uint8) as writer:
        writer.append(np.ones((5, 3)))
    assert not list(tmp_path.iterdir())


def test_tensors_and_their_header_round_trip_in_the_same_bytes(tmp_path):
    tensors = {f"layer{i}": torch.randn(3, 4).T for i in range(5)} | {"count": torch.tensor(7)}
    header = {"name": "gan", "params": {"width": 4, "beta": 0.5}, "shape": [1, 8, 8]}
    files.write_tensors(tmp_path / "a", tensors, header)
    files.write_tensors(tmp_path / "b", dict(reversed(tensors.items())), json.loads(json.dumps(header)))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert files.read_header(tmp_path / "a") == header
    back = files.read_tensors(tmp_path / "a")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("read", [files.read_header, files.read_tensors])
def test_damaged_tensors_are_told(tmp_path, read):
    path = tmp_path / "a.safetensors"
    files.write_tensors(path, {"weight": torch.zeros(1000)}, {})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UserError, match=rf"^{path} is not a whole safetensors file .*delete it"):
        read(path)


def test_tensors_of_another_program_have_no_header(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"weight": torch.zeros(2)}))
    with pytest.raises(UserError, match=f"^{path} is not a whole safetensors file of this program"):
        files.read_header(path)
