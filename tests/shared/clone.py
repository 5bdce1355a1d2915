"""A copy of the repository in which tests run the whole pipeline, small."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pullback.reproduce import OF_THE_RUN

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
SMALL = {
    "budget_images: 60_000": "budget_images: 3_200",
    r"budget_images: \d+_000(?=  )": "budget_images: 1_280",
    "width: 32": "width: 8",
    "max_points: 300": "max_points: 100",
    "clusters: 10 ": "clusters: 4 ",
    "log_every: 50": "log_every: 5",
    "evaluate_every: 15_000": "evaluate_every: 640",
    "evaluate_images: 1_000": "evaluate_images: 100",
    "repeats: 1 ": "repeats: 2 ",
    "name: digits ": "name: folder ",
    "source: null  ": "source: own-images  ",
    "size: null  ": "size: 8  ",
    "channels: null  ": "channels: 1  ",
}


class Clone:
    """A git repository with the pipeline, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "OMP_"))}
        env = inherited | {"PATH": path, "PYTHONPATH": str(self.folder / "src")} | environment
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=550)

    def done(self, *command: str, **environment: str) -> str:
        """What a command prints that must succeed."""
        result = self.run(*command, **environment)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def commit(self, message: str) -> None:
        self.done("git", "add", "--all")
        self.done("git", "commit", "--quiet", "--message", message)

    def edit(self, pattern: str, replacement: str) -> None:
        params = self.folder / "params.yaml"
        text, count = re.subn(pattern, replacement, params.read_text())
        assert count, f"{pattern} is not in params.yaml"
        params.write_text(text)

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_text())

    @property
    def client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        return MlflowClient(f"sqlite:///{self.folder / 'mlflow.db'}")

    def runs(self, condition: str = "") -> list[Any]:
        client = self.client
        return client.search_runs([client.get_experiment_by_name("pullback").experiment_id], condition)

    def digests(self) -> dict[str, str]:
        """Of every output but runs/, metrics/speed/ and what the report tells of its run."""
        digests = {}
        for folder in ("data", "models", "metrics", "report"):
            for file in sorted((self.folder / folder).rglob("*")):
                name = str(file.relative_to(self.folder))
                if file.is_file() and not name.startswith("metrics/speed/"):
                    content = file.read_bytes()
                    if name in ("report/index.html", "report/report.md"):
                        content, found = OF_THE_RUN.subn(b"", content)
                        assert found
                    digests[name] = hashlib.md5(content).hexdigest()
        return digests


def clone_repository(folder: Path) -> Clone:
    """The repository's files, without results and what git ignores, committed anew; own images; small parameters."""
    clone = Clone(folder)
    shutil.copytree(ROOT, folder, ignore=_no_results, dirs_exist_ok=True)
    clone.done("git", "init", "--quiet")
    clone.done("git", "config", "user.name", "test")
    clone.done("git", "config", "user.email", "test@localhost")
    clone.commit("start")
    _digits_as_pngs(folder / "own-images")
    for pattern, replacement in SMALL.items():
        clone.edit(pattern, replacement)
    return clone


def _no_results(folder: str, names: list[str]) -> set[str]:
    """What .gitignore keeps out, and results."""
    if Path(folder) == ROOT / "data":
        return {*names} - {"manifest.json"}
    if Path(folder) == ROOT:
        ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
        return {
            name
            for name in names
            if any(fnmatch(name, pattern) for pattern in [*ignored, ".git", "dvc.lock", "metrics"])
        }
    return {"__pycache__", *(("cache", "tmp", "config.local") if Path(folder).name == ".dvc" else ())} & set(names)


def _digits_as_pngs(folder: Path) -> None:
    """900 of scikit-learn's digits as a person's own images, one folder per class."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images[:900], digits.target, strict=False)):
        path = folder / f"digit {label}" / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9375).astype("uint8")).save(path)
