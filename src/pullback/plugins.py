"""Which module does a name in `params.yaml` stand for?

A plug-in is a file in one of the folders below that defines the folder's entry point; its name is the file's name.
Adding a file adds a plug-in. Names are read off the files' text: a misspelt one is found without importing torch.
"""

import importlib
import re
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from pullback.errors import UserError

ENTRY_POINTS = {
    "data": "read",
    "models": "build",
    "features": "load",
    "sampling": "sampler",
    "evaluation": "scores",
    "manifold": "fit",
    "report": "section",
}


def names(folder: str) -> list[str]:
    """The plug-ins in `src/pullback/FOLDER`, sorted."""
    entry_point = re.compile(rf"^def {ENTRY_POINTS[folder]}\(", re.MULTILINE)
    package = importlib.import_module(f"pullback.{folder}")
    files = (file for path in package.__path__ for file in Path(path).glob("[!_]*.py"))
    return sorted(file.stem for file in files if entry_point.search(file.read_text()))


def check(folder: str, name: str) -> str:
    """`name`, if `folder` has such a plug-in.

    Raises:
        UserError: no such plug-in; the message lists the valid names.
    """
    valid = names(folder)
    if name not in valid:
        near = get_close_matches(str(name), valid, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UserError(f"{name!r} is not one of {', '.join(valid)} (files in src/pullback/{folder}){hint}")
    return name


def load(folder: str, name: str) -> ModuleType:
    """The module `pullback.FOLDER.NAME`; raises `UserError` as `check` does."""
    return importlib.import_module(f"pullback.{folder}.{check(folder, name)}")
