"""Which of the pipeline's numbers have no row in docs/metrics.md?"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pullback import plugins

ROW = re.compile(r"^\| (`.+?`) \| ([\w, ]+) \|", re.MULTILINE)  # names, and the files or folders that they are in
DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"


def untold(metrics: Path) -> set[tuple[str, str]]:
    """The file or folder in `metrics` and the name of each, measurements of bench/ left out."""
    told = {
        (where, name)
        for names, places in ROW.findall(DOCUMENT.read_text())
        for where in places.split(", ")
        for name in re.findall("`(.+?)`", names)
    }
    files = {file: file.relative_to(metrics).with_suffix("").parts[0] for file in metrics.rglob("*.*")}
    found = {(where, name) for file, where in files.items() if where != "bench" for name in _names(file)}
    of_the_data = _of_the_data(metrics)
    return {(where, name) for where, name in found - told if name not in of_the_data}


def _names(file: Path) -> Iterator[str]:
    if file.suffix == ".csv":
        yield from file.read_text().splitlines()[0].split(",")
    else:
        yield from _keys(json.loads(file.read_text()))


def _keys(content: Any) -> Iterator[str]:
    """Those at any depth; parameters have a table of their own."""
    if isinstance(content, list):
        yield from (key for each in content for key in _keys(each))
    elif isinstance(content, dict):
        for key, each in content.items():
            yield re.sub(r"^\w+(?=_images_per_second$)", "METHOD", key)
            if key != "parameters":
                yield from _keys(each)


def _of_the_data(metrics: Path) -> set[str]:
    """Keys that are names of classes, sources, models, methods and plug-ins."""
    names = {"real", *json.loads((metrics / "prepare.json").read_text())["classes"]}
    names |= {*plugins.names("evaluation"), *plugins.names("manifold")}
    for file in metrics.glob("evaluate/*.json"):
        methods = json.loads(file.read_text())["methods"]
        names |= {file.stem, *methods, *(f"{file.stem} {method}" for method in methods)}
    return names
