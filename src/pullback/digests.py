"""What is the digest of a file or folder, as DVC writes it into dvc.lock?

A file has the md5 of its bytes. A folder has the md5 of a listing in JSON, one {"md5": …, "relpath": …} per file in the
order of the relative paths, with ".dir" behind it (`dvc_data.hashfile.tree.Tree`); empty folders do not count. So a
digest that was recorded in MLflow can be looked up in dvc.lock and in DVC's cache.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


def md5(path: Path) -> str:
    """32 hexadecimal digits, and ".dir" behind them for a folder. Python's caches are passed over, as in .dvcignore.

    Raises:
        FileNotFoundError: there is nothing at `path`.
    """
    path = Path(path)
    if not path.is_dir():
        return _of_file(path)
    digests = {file.relative_to(path).as_posix(): _of_file(file) for file in _files(path)}
    listing = [{"md5": digests[name], "relpath": name} for name in sorted(digests)]
    return hashlib.md5(json.dumps(listing).encode()).hexdigest() + ".dir"


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """All files below, as DVC finds them: links to files count, links to folders are not followed."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent, name) for name in names if not name.endswith(".pyc"))
