"""How does a person's own folder or zip of images become a dataset?

`download` puts everything into one zip, `read` decodes straight from it, and nothing is ever extracted. Sub-folders are
the classes; `train` and `test` as the two top folders, with the classes below, are kept as the split. A folder that
others write into is taken as it is at one moment, or not at all.
"""

import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from pullback import files
from pullback.data import _download
from pullback.data._decode import EXTENSIONS, decode, is_image
from pullback.data._images import Dataset, Split
from pullback.errors import UserError, refused

SHAPE = (3, 64)


def download(source: str | None, raw: Path) -> None:
    """Writes RAW/images.zip: a copy of a zip, or the images of a directory, with the same bytes every time.

    Raises:
        UserError: `source` is missing, holds no images or changes meanwhile, an entry of the zip escapes its folder, or
            as `pullback.download.fetch` does.
    """
    if source is None:
        raise UserError("data.source is null; set it to the directory or zip that holds the images")
    target = raw / "images.zip"
    if source.startswith(("http://", "https://")):
        return _fetch(source, target)
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return _pack(path, target)
        if path.is_file():
            return _copy(path, target)
    except OSError as error:
        raise refused(error.filename or path, "read", error) from error
    raise UserError(f"{source} is no directory or file here; set data.source to a directory or zip of images")


def _pack(directory: Path, target: Path) -> None:
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    images = _images(names, directory)
    if odd := next((name for name in images if name != name.encode(errors="replace").decode()), None):
        raise UserError(f"{directory} holds {odd!r}, whose name is not UTF-8; give it another name")
    paths = [directory / name for name in images]
    with files.replacing(target) as file, _unchanged(paths, directory), zipfile.ZipFile(file, "w") as archive:
        for name, path in zip(images, paths, strict=True):
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.file_size = path.stat().st_size
            with path.open("rb") as original, archive.open(entry, "w") as copy:
                shutil.copyfileobj(original, copy)


def _copy(path: Path, target: Path) -> None:
    _check(path, path)
    with files.replacing(target) as file, _unchanged([path], path), path.open("rb") as original:
        shutil.copyfileobj(original, file)


def _fetch(address: str, target: Path) -> None:
    _download.fetch(address, target)
    try:
        _check(target, address)
    except UserError:
        target.unlink()
        raise


@contextmanager
def _unchanged(paths: Sequence[Path], source: Path) -> Iterator[None]:
    """Refuses what is read in the block while another program writes it: half a file would pass for a broken image."""
    before = [_state(path) for path in paths]
    yield
    for path, state in zip(paths, before, strict=True):
        if _state(path) != state:
            raise UserError(f"{path} changed while it was read; run again when nothing writes into {source}")


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _check(path: Path, source: Path | str) -> None:
    """Raises `UserError` if a file is no zip of images that stay in their folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except zipfile.BadZipFile as error:
        told = f"{source} is no whole zip ({error}); set data.source to a directory or zip of images"
        raise UserError(told) from error
    for name in names:
        if name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
            raise UserError(f"{source}: the entry {name!r} would escape its folder; pack the zip without such names")
    _images(names, source)


def _images(names: list[str], source: Path | str) -> list[str]:
    """The names of images."""
    images = [name for name in names if is_image(name)]
    if not images:
        raise UserError(
            f"{source} holds no images: none of its {len(names)} files ends in {', '.join(EXTENSIONS)}; "
            "set data.source to a directory or zip of images"
        )
    return images


def read(raw: Path) -> Dataset:
    """The images in RAW/images.zip, sorted by name.

    Raises:
        UserError: images lie beside class folders, or other folders beside `train` and `test`.
    """
    path = raw / "images.zip"
    archive = zipfile.ZipFile(path)
    names = _images(sorted({entry.filename for entry in archive.infolist() if not entry.is_dir()}), path)
    parts = [PurePosixPath(name).parts for name in names]
    if len({part[0] for part in parts}) == 1 and all(len(part) > 1 for part in parts):  # one folder around everything
        parts = [part[1:] for part in parts]
    tops = {part[0] for part in parts}
    if {"train", "test"} <= tops:
        if tops != {"train", "test"}:
            raise UserError(
                f"{path} has {', '.join(sorted(tops - {'train', 'test'}))} beside train and test; remove it"
            )
        members = {top: [i for i, part in enumerate(parts) if part[0] == top] for top in ("train", "test")}
        parts = [part[1:] for part in parts]
    else:
        members = {"all": list(range(len(parts)))}
    classes = _classes(names, parts)
    number = {name: label for label, name in enumerate(classes)}
    labels = np.array([number.get(part[0], -1) for part in parts], dtype=np.int64)
    return Dataset(
        {key: _split(archive, [names[i] for i in own], labels[own]) for key, own in members.items()}, classes
    )


def _classes(names: list[str], parts: list[tuple[str, ...]]) -> list[str]:
    loose = [name for name, part in zip(names, parts, strict=True) if len(part) == 1]
    if loose and len(loose) < len(names):
        raise UserError(f"{loose[0]} and {len(loose) - 1} more images lie beside class folders; move them into one")
    return [] if loose else sorted({part[0] for part in parts})


def _split(archive: zipfile.ZipFile, names: list[str], labels: NDArray[np.int64]) -> Split:
    return Split(names, labels, lambda index: decode(partial(archive.open, names[index])))
