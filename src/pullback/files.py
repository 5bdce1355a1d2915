"""How do results reach the disk? Whole, or not at all.

Every file is written under a temporary name in its own folder, flushed to the disk and renamed, so that a reader never
sees half of one and a killed stage leaves the old file or none. The bytes depend on the content alone: no time stamps,
no pickle.
"""

import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from pullback.errors import UserError, refused

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        UserError: the file system refuses (no space left, no permission).
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        _remove(temporary)
        if temporary and error.filename not in (None, str(path), temporary):  # the block's trouble with another file
            raise
        raise refused(path, "written", error) from error
    except BaseException:
        _remove(temporary)
        raise


def _remove(temporary: str | None) -> None:
    if temporary is not None:
        Path(temporary).unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """`content` as the whole of a file; raises `UserError` as `replacing` does, like every `write_…` here."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """`text` in UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`value` as JSON with sorted keys; NaN and infinity are refused, since no JSON reader need accept them."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """What `write_json` wrote; raises `UserError` if the file is missing, like every `read_…` here."""
    return json.loads(_existing(path).read_text())


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as CSV, floats with nine significant digits (enough for float32); what a row lacks stays empty."""
    lines = [
        {key: format(value, ".9g") if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]
    text = io.StringIO()
    writer = csv.DictWriter(
        text, fieldnames=list(dict.fromkeys(key for line in lines for key in line)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, text.getvalue())


def read_table(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV of numbers, by name; empty cells are NaN."""
    with _existing(path).open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = reader.fieldnames or []
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def write_array(path: Path, array: NDArray[Any]) -> None:
    """An array of any shape and plain dtype as `.npy`; never pickles."""
    with replacing(path) as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path, *, mmap: bool = False) -> NDArray[Any]:
    """The array in a `.npy` file; `mmap=True` maps it read-only instead of loading it. Never unpickles."""
    path = _existing(path)
    try:
        return np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _broken(path, ".npy array", error) from error


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], header: Any) -> None:
    """Tensors as safetensors, with `header` (JSON) inside, whose keys come back in the order that they had."""
    from safetensors.torch import save

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(contiguous, {"header": json.dumps(header)}))  # one key: safetensors orders several at random


def read_tensors(path: Path) -> dict[str, "Tensor"]:
    """The tensors in a safetensors file, on the CPU; raises `UserError` if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(_existing(path).read_bytes())
    except SafetensorError as error:
        raise _broken(path, "safetensors file", error) from error


def read_header(path: Path) -> Any:
    """The `header` given to `write_tensors`.

    Raises:
        UserError: the file is missing, damaged, or of another program.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(_existing(path), framework="np") as file:
            return json.loads((file.metadata() or {})["header"])
    except (SafetensorError, KeyError) as error:
        raise _broken(path, "safetensors file of this program", error) from error


class ArrayWriter:
    """A `.npy` file written row by row, for arrays larger than the memory.

    The number of rows is known only at the end. NumPy leaves room in the header for it to grow, so the header is simply
    written a second time.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: Any) -> None:
        self.rows = 0
        self._row_shape = row_shape
        self._dtype = np.dtype(dtype)
        self._replacing = replacing(path)

    def __enter__(self) -> Self:
        self._file = self._replacing.__enter__()
        self._write_header()
        return self

    def append(self, rows: NDArray[Any]) -> None:
        """Adds `rows` (m, *row_shape), cast to the file's dtype."""
        assert rows.shape[1:] == self._row_shape, f"rows of shape {rows.shape[1:]}, expected {self._row_shape}"
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).tobytes())
        self.rows += len(rows)

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None:
                self._file.seek(0)
                self._write_header()
        except OSError:
            error = sys.exc_info()
        self._replacing.__exit__(*error)

    def _write_header(self) -> None:
        shape = (self.rows, *self._row_shape)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def _broken(path: Path, kind: str, error: Exception) -> UserError:
    return UserError(f"{path} is not a whole {kind} ({error}); delete it and run the stage that writes it")


def _existing(path: Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; run `dvc repro` to make it")
    return path
