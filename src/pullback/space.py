"""In the space of which feature map are sets compared, outside the pipeline? And how is nothing embedded twice?

The statistics of a set that others are compared with (features, logits, moments) are kept by the content of its images
and the digest of the map, so that the next set is compared at once.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Container
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from pydantic import ValidationError

from pullback import embedding, files, plugins
from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.sets import Images, given

CPU = torch.device("cpu")


def cache() -> Path:
    """$PULLBACK_CACHE, or the user's cache folder; it may be deleted at any time."""
    return Path(os.environ.get("PULLBACK_CACHE") or user_cache_path("pullback"))


@dataclass(frozen=True)
class Choice:
    """What a person may choose.

    features: a feature map, or "given" where the sets are features already.
    extractor: the folder of the trained map, which `classifier` needs.
    weights, sha256, resize: of `inception`, as in its parameters.
    """

    features: str = "classifier"
    extractor: Path = Path("models/extractor")
    weights: str | None = None
    sha256: str | None = None
    resize: Literal["tensorflow", "clean"] = "tensorflow"
    accelerator: str = "auto"
    devices: int | Literal["auto"] = "auto"


class Space:
    """A feature map that is ready to embed sets; raises `UserError` if there is none of the name, or no weights."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._load = None if choice.features == "given" else _loader(choice)
        self._map = self._load(CPU) if self._load else None

    @property
    def map(self) -> dict[str, Any]:
        """The map's name, digest and resize route."""
        if self._map is None:
            return {"name": "given", "digest": None, "resize": None}
        return self._map.identity

    def read(self, *paths: Path, keep: Container[Path] = ()) -> list[tuple[Set, Images | None]]:
        """The set at each path, with its images if it has any; of those to `keep`, statistics are read or kept.

        Raises:
            UserError: the images of two sets differ in size, or as `sets.Images`, `sets.given` and the map do.
        """
        if self._map is None:
            return [(given(path), None) for path in paths]
        sets = [Images(path, self._map.shape and self._map.shape[0]) for path in paths]
        channels = max(each.shape[0] for each in sets)
        sets = [each if each.shape[0] == channels else Images(each.path, channels) for each in sets]
        for each in sets:
            if each.shape != sets[0].shape:
                (_, h, w), (_, height, width) = each.shape, sets[0].shape
                raise UserError(
                    f"{each.path} holds images of {w} x {h} pixels but {sets[0].path} of {width} x {height}; bring all "
                    "sets to one size, by the same resizing"
                )
        return [(self._kept(each) if each.path in keep else self._in_passing(each), each) for each in sets]

    def _in_passing(self, images: Images) -> Set:
        with tempfile.TemporaryDirectory() as folder:
            return self._embedded(images, Path(folder))

    def _kept(self, images: Images) -> Set:
        content = repr((images.digest(), *self.map.values())).encode()
        kept = cache() / "statistics" / blake2b(content, digest_size=16).hexdigest()
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(kept.with_suffix(".lock"))
            lock.acquire()
        except OSError as error:
            warnings.warn(f"{kept} cannot be written ({error.strerror}), so nothing is kept there", stacklevel=2)
            return self._in_passing(images)
        with lock:
            try:
                return embedding.read(kept)
            except UserError:  # not there yet, or damaged
                shutil.rmtree(kept, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                self._embedded(images, Path(folder) / "whole")
                (Path(folder) / "whole").replace(kept)
            return embedding.read(kept)

    def _embedded(self, images: Images, folder: Path) -> Set:
        assert self._load is not None
        embedding.embed_to(
            folder,
            partial(Images, images.path, images.shape[0]),
            self._load,
            title=images.path.name,
            accelerator=self._choice.accelerator,
            devices=self._choice.devices,
        )
        return embedding.read(folder)


def _loader(choice: Choice) -> embedding.Load:
    """What loads the map onto a device."""
    module = plugins.load("features", choice.features)
    if choice.features == "classifier" and not (choice.extractor / "classifier.safetensors").exists():
        raise UserError(
            f"{choice.extractor} holds no trained classifier; run `dvc repro extractor`, name the folder of one with "
            "--extractor, or choose --features inception or pixels"
        )
    if choice.features != "inception":
        return partial(module.load, choice.extractor)
    given = {"weights": choice.weights, "sha256": choice.sha256, "resize": choice.resize}
    try:
        params = module.Params(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        (mistake, *_) = error.errors()
        raise UserError(f"{mistake['loc'][0]}: {mistake['msg']}, not {mistake['input']!r}; change it") from error
    folder = cache() / "inception" / blake2b(repr(params).encode(), digest_size=8).hexdigest()
    try:
        files.read_header(folder / "inception.safetensors")
    except UserError:  # not there yet, or damaged
        module.build(None, None, 0, params, 0, CPU, folder)
    return partial(module.load, folder)
