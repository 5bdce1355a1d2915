"""Which data does the source hold now, and which of its states is trained on?

A source may change: a folder gets new images, a file at an address another content. `fingerprint` tells in a moment
whether it has; `take` fetches it and describes what came, a snapshot, in a `Manifest`. The one of the data in use is
data/manifest.json, under git, on which the stage `download` depends and which retraining alone rewrites. So DVC runs
that stage when there are new data to be trained on, and not when the source has merely changed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import ValidationError
from ruamel.yaml import YAML

from pullback import digests, download, files, plugins
from pullback.config import Data, Params
from pullback.errors import UserError
from pullback.tracking.places import root

MANIFEST = Path("data/manifest.json")
SECONDS = 10  # for an address to answer
REMEDY = "set data.source to an address that serves the data"


class Manifest(Params):
    """A snapshot of a source. Flat, and no key depends on the data: so DVC can set each."""

    name: str
    """That of the data set."""
    source: str | None
    snapshot: str
    """The digest that DVC gives to data/raw."""
    bytes: int
    images: int
    counts: list[str]
    """Images by class, as "NAME: COUNT"; empty for a data set without labels."""
    digests: list[str]
    """Of each raw file, as md5sum writes them."""

    def is_of(self, data: Data) -> bool:
        return (self.name, self.source) == (data.name, data.source)

    def overrides(self) -> list[str]:
        """What `dvc exp run -S` takes, each, to put this manifest into data/manifest.json."""
        return [f"{MANIFEST}:{key}={_hydra(value)}" for key, value in self.model_dump().items()]


def _hydra(value: Any) -> str:
    """A value in the grammar of Hydra, with which DVC reads -S."""
    from hydra.core.override_parser.types import Quote, QuotedString

    if isinstance(value, list):
        return f"[{','.join(map(_hydra, value))}]"
    return QuotedString(value, Quote.single).with_quotes() if isinstance(value, str) else json.dumps(value)


def read(path: Path = MANIFEST) -> Manifest:
    """What `write` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return Manifest.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise UserError(f"{path} is no whole manifest; bring it back by `git checkout HEAD -- {path}`") from error


def write(manifest: Manifest, path: Path = MANIFEST) -> None:
    files.write_json(path, manifest.model_dump())


# The source.


def imports(source: str | None) -> list[str]:
    """The file under git of a source that `dvc import` or `dvc import-url` brought; none for any other source.

    Raises:
        UserError: the source is tracked by `dvc add`.
    """
    tracked = Path(f"{source}.dvc")
    if not tracked.is_file():
        return []
    if "deps" not in YAML(typ="safe").load(tracked):
        raise UserError(
            f"{source} is tracked by `dvc add`, so DVC would take out of it what it does not know; "
            f"run `dvc remove {tracked}` and commit that, or set data.source to another folder"
        )
    return [str(tracked)]


def update(tracked: str) -> None:
    """Brings an imported source up to date.

    Raises:
        UserError: DVC cannot.
    """
    done = subprocess.run([sys.executable, "-m", "dvc", "update", tracked], capture_output=True, text=True)
    if done.returncode:
        told = " ".join(done.stderr.split())
        raise UserError(f"`dvc update {tracked}` failed ({told}); check the place that it was imported from")


def fingerprint(data: Data, root: Path) -> str:
    """Equal for two states of the source between which nothing tells of a change: names, sizes and times of files, what
    a server says of them. The published sets never change.

    Raises:
        UserError: there is nothing at the source.
    """
    state = [data.name, data.source, *_state(data.source, root)]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def _state(source: str | None, root: Path) -> list[str]:
    if source is None:
        return []
    if source.startswith(("http://", "https://")):
        return [_at_address(source)]
    path = root / Path(source).expanduser()
    if not path.exists():
        raise UserError(f"{source} is no directory or file here; set data.source to one that holds the data")
    return sorted(_in_folder(path)) if path.is_dir() else [_of_file(path)]


def _in_folder(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder):
        within = parent[len(str(folder)) :]
        yield from (f"{within}/{name} {_of_file(Path(parent, name))}" for name in names)


def _of_file(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:  # removed just now, or a link to nowhere
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"  # the last no program can set


def _at_address(address: str) -> str:
    """What the server says of a file without sending it; where it says nothing, the digest of what it sends."""
    import requests

    try:
        answer = requests.head(address, allow_redirects=True, timeout=SECONDS)
        said = answer.headers if answer.ok else {}
    except requests.RequestException:
        said = {}  # `fetch` tries more than once, and tells
    if "ETag" in said:
        return said["ETag"]
    if "Last-Modified" in said:
        return f"{said['Last-Modified']} {said.get('Content-Length')}"
    with TemporaryDirectory() as folder:
        try:
            download.fetch(address, Path(folder, "content"), remedy=REMEDY)
        except download.Refused:  # a folder of published files, whose digests are known
            return "refused"
        return digests.md5(Path(folder, "content"))


# Its snapshots.


def take(data: Data, folder: Path) -> Manifest:
    """Fetches the source into `folder`, whose content it replaces when all has come.

    Raises:
        UserError: as the `download` and `read` of the data set do.
    """
    coming = folder.with_name(f"{folder.name}.coming")
    shutil.rmtree(coming, ignore_errors=True)
    plugins.load("data", data.name).download(data.source, coming)
    manifest = _described(data, coming)
    shutil.rmtree(folder, ignore_errors=True)
    coming.rename(folder)
    return manifest


def _described(data: Data, raw: Path) -> Manifest:
    dataset = plugins.load("data", data.name).read(raw)
    labels = np.concatenate([split.labels for split in dataset.splits.values()])
    counts = np.bincount(labels[labels >= 0], minlength=len(dataset.classes))
    names = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())
    return Manifest(
        name=data.name,
        source=data.source,
        snapshot=digests.md5(raw),
        bytes=sum((raw / name).stat().st_size for name in names),
        images=len(labels),
        # "${" would be filled in by OmegaConf, which reads the manifest for DVC's -S.
        counts=[f"{name}: {count}".replace("${", "$ {") for name, count in zip(dataset.classes, counts, strict=True)],
        digests=[f"{digests.md5(raw / name)}  {name}" for name in names],
    )


def kept() -> Path:
    """Where the raw data lie that retraining decided to train on; also from a throw-away copy of the repository."""
    return root() / ".pullback" / "retrain" / "raw"


def provide(data: Data, raw: Path) -> None:
    """Puts the snapshot of the manifest into `raw` if it is of this source and still kept, else what the source holds.

    Warns:
        UserWarning: the source holds something else than the manifest says.

    Raises:
        UserError: the disk is full, or as the `download` of the data set does.
    """
    manifest = read()
    if manifest.is_of(data) and kept().is_dir() and digests.md5(kept()) == manifest.snapshot:
        for path in filter(Path.is_file, kept().rglob("*")):
            download.fetch(str(path), raw / path.relative_to(kept()), remedy=REMEDY)
        return
    plugins.load("data", data.name).download(data.source, raw)
    if manifest.is_of(data) and digests.md5(raw) != manifest.snapshot:
        warnings.warn(
            f"{data.source} holds other data than {MANIFEST} names, so `pullback retrain` has not judged them",
            stacklevel=2,
        )
