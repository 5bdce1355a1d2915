"""Who may import whom, and does dvc.yaml know? Read off the text of all modules and stages, without running them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pullback import plugins

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")
STAGES = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]

# What each folder or file of src/pullback may import of ours, besides itself. Everything may import errors.
LAYERS = {
    "__init__": [],
    "errors": [],
    "plugins": [],
    "files": [],
    "digests": [],
    "download": [],
    "neighbors": ["threads"],
    "scoreboard": [],
    "pictures": [],
    "labels": [],
    "threads": [],
    "gate": [],
    "_torchvision": [],
    "config": ["plugins"],
    "tracking": ["digests", "files"],
    "evaluation": ["config", "neighbors", "threads"],
    "manifold": ["config", "neighbors", "threads"],
    "data": ["config", "download", "files", "neighbors", "_torchvision"],
    "models": ["config", "neighbors"],
    "features": ["config", "download", "files", "neighbors", "_torchvision"],
    "sampling": ["config", "neighbors", "threads", "models/_model"],
    "report": ["config", "labels", "neighbors", "pictures"],
    "training": ["files", "plugins", "models/_model"],
    "pipeline": ["config", "files", "tracking"],
    "summary": ["files", "labels", "plugins"],
    "parameters": ["config", "plugins"],
    "progress": [],
    "snapshot": ["config", "digests", "download", "files", "plugins", "tracking"],
    "drift": ["config", "evaluation"],
    "output": ["files", "pictures", "progress"],
}
FREE = [
    "cli",
    "embedding",
    "export",
    "fitting",
    "generation",
    "humans",
    "morphing",
    "protocol",
    "reconstruction",
    "reproduce",
    "retrain",
    "retraining",
    "revisions",
    "score",
    "selection",
    "sets",
    "space",
    "study",
    "translation",
    "weights",
]  # they put the pieces together, as the stages do

# Modules of others -> the only ones of ours that may import them.
RESERVED = {
    "mlflow": ["tracking"],
    "torchvision": ["_torchvision"],
    "pickle": [],
    "torch": [
        "_torchvision",
        "data",
        "embedding",
        "export",
        "features",
        "files",
        "fitting",
        "generation",
        "models",
        "morphing",
        "reconstruction",
        "sampling",
        "selection",
        "space",
        "tracking",
        "training",
        "translation",
    ],
}


def imported(file: Path) -> list[str]:
    """The modules that a file imports anywhere in it; `from a import b` is `a.b` where that is a module of ours."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if path_of(name) else str(node.module) for name in inner]
    return found


def path_of(module: str) -> Path | None:
    """The file of a module of ours."""
    path = SOURCE / module.replace(".", "/")
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found else None


def ours(file: Path) -> list[Path]:
    """The files of src/pullback that a file imports itself."""
    modules = [name for name in imported(file) if name.split(".")[0] == "pullback"]
    missing = [name for name in modules if not path_of(name)]
    assert not missing, f"{file} imports {missing}, which do not exist"
    return [path for name in modules if (path := path_of(name))]


def place(file: Path) -> str:
    """src/pullback/models/gan.py -> models/gan."""
    return file.relative_to(SOURCE / "pullback").with_suffix("").as_posix()


MODULES = {place(file): file for file in sorted((SOURCE / "pullback").rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_layer_allows(module):
    layer = module.split("/")[0]
    if layer in FREE:
        return
    allowed = [layer, "errors", *LAYERS[layer]]
    for used in map(place, ours(MODULES[module])):
        assert used in allowed or used.split("/")[0] in allowed, f"{module} imports {used}; allowed are {allowed}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_leaves_reserved_packages_to_their_owners(module):
    for name in imported(MODULES[module]):
        owners = RESERVED.get(name.split(".")[0])
        assert owners is None or module.split("/")[0] in owners, f"{module} imports {name}, reserved for {owners}"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_knows_the_stages(module):
    assert not {name.split(".")[0] for name in imported(MODULES[module])} & {"stages"}


def test_packages_are_empty():
    """Else every `deps` would have to name the __init__.py of each folder that it names a file of."""
    for module, file in MODULES.items():
        statements = ast.parse(file.read_text()).body
        if module.endswith("__init__"):
            assert all(isinstance(each, ast.Expr) for each in statements), f"{module} does something"


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after `code`."""
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["cli", "config", "plugins", "tracking.run", "pipeline"])
def test_the_light_modules_are_light(module):
    heavy = {"torch", "mlflow", "torchvision", "sklearn", "matplotlib", "scipy"}
    assert not modules_after(f"import pullback.{module}") & heavy


def test_reading_the_parameters_loads_no_heavy_package_besides_torch():
    heavy = {"mlflow", "torchvision", "sklearn", "scipy.stats", "matplotlib", "lightning_fabric"}
    assert not modules_after("from pullback import config; config.read()") & heavy


# The stages: what dvc.yaml says of each, against its script.


def value(key: str) -> Any:
    node = PARAMS
    for part in key.split("."):
        node = node[part]
    return node


def resolved(text: str, choice: dict[str, str]) -> str:
    """`text` with its ${names} filled in, from `choice` first and from params.yaml otherwise."""
    return re.sub(r"\$\{([\w.]+)\}", lambda match: str(choice.get(match[1]) or value(match[1])), text)


def variants(stage: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Every choice that a person may make for the names in a stage's `deps`."""
    names = plugins.names("models") if "${item.model}" in str(stage) else []
    yield from ({"item.model": name} for name in names) if names else [{}]


CASES = [(name, choice) for name, stage in STAGES.items() for choice in variants(stage)]
IDS = ["-".join((name, *choice.values())) for name, choice in CASES]


def script(stage: dict[str, Any]) -> Path:
    return ROOT / stage["cmd"].split()[1]


def chosen(folder: str, choice: dict[str, str]) -> list[str]:
    """The plug-ins of `folder` that a stage loads."""
    model = choice.get("item.model", "")
    methods = PARAMS["sample"]["methods"]
    return {
        "data": plugins.names("data"),
        "features": plugins.names("features"),
        "models": [model],
        "sampling": list(methods.get(model, {})),
        "evaluation": list(PARAMS["evaluate"]["metrics"]),
        "manifold": list(PARAMS["manifold"]["maps"]),
        "report": PARAMS["report"]["sections"],
    }[folder]


def loaded_folders(file: Path) -> list[str]:
    """FOLDER of every `plugins.load("FOLDER", …)` in a file; what config.py loads checks params and makes no output."""
    return [] if file.name == "config.py" else re.findall(r"plugins\.load\(\s*\"(\w+)\"", file.read_text())


@cache
def imports_of(file: Path) -> tuple[list[Path], list[str]]:
    return ours(file), loaded_folders(file)


def closure(start: Path, choice: dict[str, str]) -> set[str]:
    """The files of src/pullback, relative to the root, that run when the script `start` makes its outputs."""
    seen, todo = set(), [start]
    while todo:
        files, folders = imports_of(todo.pop())
        loaded = [MODULES[f"{folder}/{name}"] for folder in folders for name in chosen(folder, choice)]
        todo += {*files, *loaded} - seen
        seen |= {*files, *loaded}
    return {file.relative_to(ROOT).as_posix() for file in seen if file.name != "__init__.py"}


def code_deps(stage: dict[str, Any], choice: dict[str, str]) -> set[str]:
    deps = {resolved(dep, choice) for dep in stage["deps"]}
    return {dep for dep in deps if dep.startswith(("src/", "stages/"))}


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


@pytest.mark.parametrize(("name", "choice"), CASES, ids=IDS)
def test_deps_name_the_script_and_every_module_that_it_imports(name, choice):
    stage = STAGES[name]
    deps = code_deps(stage, choice)
    assert script(stage).relative_to(ROOT).as_posix() in deps
    assert not {file for file in closure(script(stage), choice) if not any(covers(dep, file) for dep in deps)}


@pytest.mark.parametrize("name", STAGES)
def test_no_dep_on_code_is_superfluous(name):
    stage = STAGES[name]
    for choice in variants(stage):
        # The helper of one choice, such as _idx.py of mnist, stands among the deps of all.
        used = set().union(
            *(closure(script(stage), each) for each in variants(stage)), {f"stages/{script(stage).name}"}
        )
        assert not {dep for dep in code_deps(stage, choice) if not any(covers(dep, file) for file in used)}


@pytest.mark.parametrize(("name", "choice"), CASES, ids=IDS)
def test_a_stage_records_the_params_that_dvc_watches(name, choice):
    stage = STAGES[name]
    text = script(stage).read_text()
    keys = re.search(r"\bkeys ?= ?(\[.*?\])", text, re.DOTALL)
    assert keys, f"{script(stage)} names no keys"
    recorded = eval(keys[1], {"name": choice.get("item.model")})
    # A script cannot know which of the features.maps is chosen, so it records them all.
    watched = [param.removesuffix(".${features.name}") for param in stage["params"]]
    assert sorted(recorded) == sorted(resolved(param, choice) for param in watched)


@pytest.mark.parametrize("name", STAGES)
def test_git_ignores_what_dvc_keeps_and_nothing_else(name):
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split() if line.startswith("/")]
    stage = STAGES[name]
    for output in (*stage["outs"], *stage.get("metrics", [])):
        path = output if isinstance(output, str) else next(iter(output))
        assert isinstance(output, str) == any(fnmatch(f"{path}/", f"{pattern}/*") for pattern in ignored), path


def test_no_stage_keeps_outputs_or_always_runs():
    text = (ROOT / "dvc.yaml").read_text()
    assert not re.findall(r"\b(persist|always_changed)\b", text)
