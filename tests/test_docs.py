"""The documents tell of every stage, score, parameter and plug-in kind, and their commands exist."""

import json
import re
import runpy
from pathlib import Path

import pytest
from metric_names import untold
from ruamel.yaml import YAML
from typer.main import get_command

from pullback import config, parameters, plugins
from pullback.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCUMENTS = README + "".join(file.read_text() for file in sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("stage", YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
def test_every_stage_is_in_the_readme(stage: str) -> None:
    assert f"`{stage}`" in README


def test_every_score_is_in_the_readme() -> None:
    scores = {name.split(".")[-1] for name in config.directions(config.read(ROOT / "params.yaml"))}
    assert scores == set(re.findall(r"^\| `(\w+)` \| (?:lower|higher) \|", README, re.MULTILINE))


def test_every_number_of_the_committed_results_has_a_row() -> None:
    assert not untold(ROOT / "metrics")


def test_the_table_of_parameters_is_that_of_the_code() -> None:
    """`python -m pullback.parameters` prints it."""
    rows = parameters.table(parameters.read_comments(ROOT / "params.yaml"))
    assert rows in DOCUMENTS
    assert "| |" not in rows, "a parameter without a meaning"


def test_every_kind_of_plug_in_is_in_the_documents() -> None:
    for folder, entry_point in plugins.ENTRY_POINTS.items():
        assert re.search(rf"`src/pullback/{folder}/NAME.py` \|.*`{entry_point}\(", DOCUMENTS), folder


def test_every_command_in_the_documents_exists() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"^\$ pullback (\w+)", DOCUMENTS, re.MULTILINE)) <= set(commands)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^\$ make (\w+)", DOCUMENTS, re.MULTILINE)) <= set(targets)


def test_every_file_that_the_readme_shows_or_names_exists() -> None:
    for name in [*re.findall(r"!\[.*?\]\((.+?)\)", README), *re.findall(r"cat (\S+?)\)", README)]:
        assert (ROOT / name).is_file(), name


def test_the_tables_of_measurements_are_those_of_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "bench")
    for results in (ROOT / "metrics/bench").glob("*.json"):
        table = runpy.run_path(str(ROOT / f"bench/{results.stem}.py"))["table"]
        assert table(json.loads(results.read_text())) in README


def test_the_presets_are_valid_parameters() -> None:
    """Each `-S key=value` of params/ names a key of params.yaml and a value that its checks accept."""
    for preset in (ROOT / "params").iterdir():
        content = YAML(typ="safe").load(ROOT / "params.yaml")
        for line in preset.read_text().splitlines():
            key, value = line.removeprefix("-S ").split("=")
            *path, last = key.split(".")
            block = content
            for part in path:
                block = block[part]
            assert last in block, key
            block[last] = YAML(typ="safe").load(value)
        config.parse(content)
