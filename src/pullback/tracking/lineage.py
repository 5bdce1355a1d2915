"""Which data does a stage read and write, and what are their digests?

dvc.yaml says which data. Code is left to the revision, and what differs in every run, to nobody.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from pullback.digests import md5

LEFT_OUT = ("src/", "stages/", "runs/", "metrics/speed/")


def data_of(stage: str) -> tuple[list[str], list[str]]:
    """The paths that a stage such as "train@gan" reads and writes, none if dvc.yaml does not name it."""
    name, _, item = stage.partition("@")
    try:
        text = Path("dvc.yaml").read_text()
    except FileNotFoundError:
        return [], []
    content = YAML(typ="safe").load(re.sub(r"\$\{item\.\w+\}", item, text))  # of the one matrix that a stage has
    entry = content["stages"].get(name, {})

    def paths(*kinds: str) -> list[str]:
        named = [each if isinstance(each, str) else next(iter(each)) for kind in kinds for each in entry.get(kind, [])]
        return [path for path in named if not path.startswith(LEFT_OUT)]

    return paths("deps"), paths("outs", "metrics", "plots")


def digests(paths: Sequence[str], known: Mapping[str, str] = {}) -> dict[str, str]:
    """By path the digest that DVC gives it, or the one in `known`, for what is large is not read twice."""
    return {path: known.get(path) or md5(Path(path)) for path in paths if Path(path).exists()}
