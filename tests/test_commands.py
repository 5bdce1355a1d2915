"""Every command of the documents is run here as it stands there, or by a test of another file, or says why it is not.

The commands of a section are run after each other in a repository of their own, with nothing but paths and a smaller
number put in. What experiments with DVC need is a stage in place of the pipeline, which checks the parameters and gives
scores that follow from them; retraining is run where new data have come; all else where the small pipeline has run. A
block that no test runs has a comment before it that says so and why, which a reader does not see.
"""

import ast
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from clone import ROOT, Clone
from nightly import Nightly
from ruamel.yaml import YAML

from pullback import config

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PART = re.compile(  # of a document: a heading, or a block of code
    r"^#+ (?P<title>[^\n]+)$|^(?:<!-- not run by tests: (?P<why>[^\n]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^(?:\$ |(?=(?:dvc|git|make|mlflow|pullback|python|srun|torchrun) ))(.+)$", re.MULTILINE)

ELSEWHERE = {
    "pullback humans ada.json bob.json": "test_humans.py::pullback_humans",
    "pullback reproduce RUN_ID": "test_reproduce.py::test_the_real_pipeline_two_commits_back",
    "pullback reproduce RUN_ID --rerun": "test_reproduce.py::test_the_real_pipeline_two_commits_back",
}
"""A command that needs more than a place to run in -> the function of the tests that runs it."""
PUT_IN = {
    r"/path/to/images": "own-images",
    r"s3://bucket/pullback": "../store",
    r"\bREPOSITORY\b": ".",
    r"\bREAL\b": "data/images/test/images.npy",
    r"\bTRAIN\b": "data/images/train/images.npy",
    r"\b(FAKE|A)\b": "data/samples/gan/prior/images.npy",
    r"\bB\b": "data/samples/vae/prior/images.npy",
    r"\bmy-photos\b": "own-images",
    r"\b1000000\b": "1000",
}
TELLS = {
    "make repro": "Data and pipelines are up to date.*The report: report/index.html",
    "pullback score": r"precision.*recall",
    "pullback compare": r"(better|worse|not distinguishable)",
    "pullback register --model vae": "pullback-vae has version 1",
    "pullback generate --alias 1": "from version 1 of pullback-gan",
    "pullback retrain": "passed:",
    "pullback history": r"passed .* vae 1 -> 2 .* device hours",
    "pullback rollback": "rolled back:\nvae 2 -> 1",
    "dvc metrics diff": r"gan\.prior\.fid",
    "dvc params diff": r"models\.vae\.beta",
    # rate, mean, std, count; one of the last three has failed
    "python -c": r"0\.001 +2\.0\d* +1\.0\d* +3\n0\.002 +3\.0\d* +1\.0\d* +3\n0\.004 +4\.5\d* +0\.7\d* +2\n",
}
"""What is in the answer to a command that begins so."""
SLOW = {
    "Compare two experiments",
    "Compare two ideas",
    "More commands",
    "Retrain every night",
    "Score any images",
    "Sweep over seeds and learning rates",
    "Take the model out",
    "Your own images",
    "pullback",
}
"""Sections whose commands run experiments, or are many: ten seconds to a minute."""


@dataclass(frozen=True)
class Block:
    section: str
    kind: str
    text: str
    why: str | None
    """Why no test runs it."""

    @property
    def commands(self) -> list[str]:
        return COMMAND.findall(self.text) if self.kind in ("console", "") else []


def blocks(document: str) -> list[Block]:
    """Of each block of code the heading above it."""
    found, section = [], ""
    for part in PART.finditer(document):
        if part["title"]:
            section = part["title"]
        else:
            found.append(Block(section, part["kind"], part["text"], part["why"]))
    return found


ALL = [block for file in DOCUMENTS for block in blocks(file.read_text())]


def sections() -> dict[str, list[str]]:
    """The commands that are run here, each where it is first."""
    found: dict[str, list[str]] = {}
    for block in ALL:
        for command in block.commands if block.why is None else []:
            if command not in ELSEWHERE and not any(command in commands for commands in found.values()):
                found.setdefault(block.section, []).append(command)
    return found


# What is read in the documents


def test_a_heading_a_mark_and_commands_are_read():
    told = (
        "# Top\n```console\n$ make repro\n```\n\n```\ndvc out\n  dvc in\n```\n## Next\n"
        "<!-- not run by tests: long -->\n```console\n$ make bench | cat\n```\n```python\nmake = dvc\n```\n"
    )
    read = [(each.section, each.commands, each.why) for each in blocks(told)]
    assert read == [
        ("Top", ["make repro"], None),
        ("Top", ["dvc out"], None),
        ("Next", ["make bench | cat"], "long"),
        ("Next", [], None),
    ]


def test_every_block_is_of_a_kind_that_is_known_here_and_every_mark_stands_before_one():
    assert {block.kind for block in ALL} == {"", "console", "mermaid", "python", "yaml"}
    marks = [line for file in DOCUMENTS for line in file.read_text().splitlines() if line.startswith("<!-- not run")]
    assert len(marks) == sum(block.why is not None for block in ALL)


def test_what_is_said_here_of_commands_is_of_commands_that_are_in_the_documents():
    told = {command for block in ALL if block.why is None for command in block.commands}
    assert {*ELSEWHERE} <= told
    assert [start for start in TELLS if not any(command.startswith(start) for command in told)] == []
    assert sections().keys() >= SLOW


@pytest.mark.parametrize("command", ELSEWHERE)
def test_a_command_that_another_file_runs_is_in_it(command):
    name, _, function = ELSEWHERE[command].partition("::")
    tree = ast.parse((ROOT / "tests" / name).read_text())
    (found,) = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name == function]
    words = {each.value for each in ast.walk(found) if isinstance(each, ast.Constant)}
    assert {word for word in command.split()[1:] if word.startswith("--") or word == command.split()[1]} <= words


# The commands


@pytest.fixture(scope="module")
def finished(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy of the clone with the results of its run in git, in a `.venv` of its own as far as make can tell."""
    copy = Clone(tmp_path_factory.mktemp("finished") / "repository")
    shutil.copytree(clone.folder, copy.folder, symlinks=True)
    copy.commit("results")
    (copy.folder / ".venv").mkdir()
    (copy.folder / ".venv/ready").touch()
    for name in ("seven.png", "one.png", "other.png"):
        shutil.copy(next((copy.folder / "own-images/digit 7").iterdir()), copy.folder / name)
    return copy


STAGE = """
from pathlib import Path

from pullback import config, files

params = config.read()
assert (params.seed, params.models["gan"].learning_rate) != (2, 0.004), "one experiment of the sweep fails"
fid = 1000 * params.models["gan"].learning_rate + params.models["vae"].beta + params.seed - 0.2
fid += params.models["gan"].loss == "minimax"
files.write_json(Path("metrics/headline.json"), {"gan": {"prior": {"fid": round(fid, 6)}}})
files.write_text(Path("metrics/curve.csv"), f"seen_images,fid\\n0,9\\n1,{fid}\\n")
"""
PIPELINE = """
stages:
  score:
    cmd: python stage.py
    deps: [stage.py]
    params:
      - params.yaml:
    metrics: [metrics/headline.json: {cache: false}]
    plots: [metrics/curve.csv: {cache: false, x: seen_images, y: fid}]
"""


@pytest.fixture
def experiments(tmp_path: Path) -> Clone:
    """A repository with the real parameters and a stage in place of the pipeline, which has run."""
    place = Clone(tmp_path / "repository")
    shutil.copytree(ROOT / ".dvc", place.folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    shutil.copytree(ROOT / "params", place.folder / "params")
    shutil.copy(ROOT / "params.yaml", place.folder)
    (place.folder / ".gitignore").write_text("/dvc_plots/\n__pycache__/\n")
    (place.folder / "stage.py").write_text(STAGE)
    (place.folder / "dvc.yaml").write_text(PIPELINE)
    for command in ("git init -q", "git config user.name test", "git config user.email test@localhost", "dvc repro -q"):
        shell(place, command)
    place.commit("results")
    return place


@pytest.fixture
def new_data(tmp_path: Path) -> Nightly:
    """A repository with a champion of 300 images, to which 150 have been added."""
    place = Nightly(tmp_path / "repository").make(300)
    place.put(450)
    return place


def shell(place: Clone | Nightly, command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = str(place.folder / ".cache")
    return place.done("bash", "-c", command, PATH=path, PYTHONPATH=str(ROOT / "src"), PULLBACK_CACHE=cache)


def place_of(commands: list[str]) -> str:
    """The fixture in whose repository they are run."""
    if any(re.match("dvc (exp|queue)", command) for command in commands):
        return "experiments"
    return "new_data" if "pullback retrain" in commands else "finished"


def run(place: Clone | Nightly, command: str) -> None:
    """As it stands in the document, but for what is put in."""
    said = command
    for pattern, path in PUT_IN.items():
        said = re.sub(pattern, path, said)
    told = shell(place, said)
    for start, answer in TELLS.items():
        if command.startswith(start):
            assert re.search(answer, told, re.DOTALL), told
    if command.startswith("dvc queue start"):
        while re.search("Queued|Running", shell(place, "dvc queue status")):
            time.sleep(1)


def marked(section: str) -> object:
    return pytest.param(section, marks=[pytest.mark.slow] if section in SLOW else [], id=section)


@pytest.mark.parametrize("section", [*map(marked, sections())])
def test_the_commands_of_a_section_do_what_they_say(section: str, request: pytest.FixtureRequest) -> None:
    commands = sections()[section]
    place = request.getfixturevalue(place_of(commands))
    for command in commands:
        run(place, command)
        for name in re.findall(r"(?:--out|--json|>) (\S+)", command):
            assert (place.folder / name).stat().st_size > 0, name


def lines(kind: str) -> list[str]:
    """The texts of the blocks of a kind."""
    return [block.text for block in ALL if block.kind == kind]


def test_the_lines_of_yaml_are_parameters() -> None:
    (text,) = lines("yaml")
    content = YAML(typ="safe").load(ROOT / "params.yaml")
    content["retrain"] |= YAML(typ="safe").load(text)["retrain"]
    assert config.parse(content).retrain.push


def test_the_lines_of_python_on_a_manifold_do_what_they_say() -> None:
    text, _ = lines("python")
    t = np.linspace(0, 3, 400)
    namespace = {"x": np.stack([t * np.cos(t), t * np.sin(t), t % 0.1], axis=1).astype(np.float32)}
    exec(text, namespace)
    assert namespace["embedding"].coordinates.shape == (400, 2)
    assert namespace["swept"].k in range(4, 17)


def test_the_lines_of_python_on_an_exported_model_do_what_they_say(
    finished: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = lines("python")
    shell(finished, "pullback export --model gan --out gan.onnx")
    monkeypatch.chdir(finished.folder)
    namespace: dict[str, np.ndarray] = {}
    exec(text, namespace)
    assert namespace["images"].shape == (7, 1, 8, 8)
    assert np.abs(namespace["images"]).max() <= 1
