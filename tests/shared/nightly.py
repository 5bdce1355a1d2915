"""A repository for tests of retraining: the stage `download` as it is, and all other stages as one small one.

The images are digits, as PNG files in one folder per class, and the model a VAE that learns the longer the more images
there are. So a folder that grows gives a better model, and one that shrinks a worse one.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
PIPELINE = """
stages:
  download:
    cmd: python stages/download.py
    params: [data.name, data.source]
    deps: [stages/download.py, data/manifest.json]
    outs: [data/raw, runs/download.json, metrics/speed/download.json]
  train:
    matrix: {model: [vae]}
    cmd: python stages/everything.py
    params: [seed, data, train]
    deps: [stages/everything.py, data/raw]
    outs:
      - data/images
      - data/features
      - data/samples
      - models
      - runs/train/vae.json
      - metrics/speed/train
    metrics:
      - metrics/prepare.json: {cache: false}
      - metrics/extractor.json: {cache: false}
"""
EVERYTHING = """
from functools import partial
from pathlib import Path
import numpy as np
import torch
from pullback import embedding, files, fitting, plugins
from pullback.data import folder
from pullback.data._images import prepare
from pullback.errors import UserError
from pullback.generation import batches
from pullback.models._model import Batch, ImagesFromLatents, labels_like, to_model_range
from pullback.pipeline import stage
from pullback.training import checkpoint

def train(model, images, labels, steps):
    weights = [weight for part in model.parts.values() for weight in part.parameters()]
    optimizer, random, update = model.optimizer(weights), torch.Generator().manual_seed(0), next(iter(model.updates))
    for step in range(steps):
        rows = torch.randint(len(images), (64,), generator=random)
        batch = Batch(to_model_range(images[rows]), labels[rows], step, step / steps, random)
        optimizer.zero_grad()
        model.loss(update, batch)[0].backward()
        optimizer.step()

with stage("train@vae", keys=["seed"], reads=["download"]) as run:
    found = prepare(
        folder.read(Path("data/raw")), Path("data/images"),
        channels=1, size=8, test_fraction=0.5, max_broken=0.2, seed=0,
    )
    if "stop" in found["classes"]:
        raise UserError("the stage fails")
    files.write_json(Path("metrics/prepare.json"), found)
    images, labels = (files.read_array(Path(f"data/images/train/{name}.npy")) for name in ("images", "labels"))
    pixels = plugins.load("features", "pixels")
    files.write_json(Path("metrics/extractor.json"), pixels.load(Path(), None).identity)
    files.write_text(Path("models/extractor/none"), "")
    params, classes = run.params.models["vae"], len(found["classes"])
    torch.manual_seed(0)
    vae = plugins.load("models", "vae")
    model = vae.build(params, (1, 8, 8), classes)
    if run.params.train.start:
        fitting.start_from(run.params.train.start, "vae", model)
    train(model, torch.from_numpy(images), torch.from_numpy(labels), len(images) // 30)
    description = {"name": "vae", "params": params.model_dump(), "shape": [1, 8, 8], "classes": classes}
    checkpoint.save(Path("models/vae"), model, description)
    model = checkpoint.load(Path("models/vae"))
    asked = labels_like(labels, len(images), 0, classes)
    sampler = plugins.load("sampling", "prior").sampler(model, images, labels, None, 0)
    drawn = np.concatenate(list(batches(model, sampler, asked, 0, torch.device("cpu"))))
    files.write_array(Path("data/samples/vae/prior/images.npy"), drawn)
    files.write_array(Path("data/samples/vae/prior/labels.npy"), asked)
    for source in ("images/train", "images/test", "samples/vae/prior"):
        out = Path("data/features", source.replace("images/", "real/").replace("samples/", ""))
        read = partial(files.read_array, Path("data", source, "images.npy"))
        embedding.embed_to(out, read, partial(pixels.load, Path()), title="", accelerator="cpu")
    weights = sorted(Path("models/vae").glob("*.safetensors"))
    example = np.zeros((2, model.latent_dim + 1), np.float32)
    run.tracked.model("vae", ImagesFromLatents(model), example, step=0, weights=weights)
"""

# Runs a retraining, or a rollback, that is killed before or after the first call of a function.
DRIVER = """
import os, signal, sys
from importlib import import_module

module, name, when, command, *arguments = sys.argv[1:]
owner = import_module(module)
while "." in name:
    first, name = name.split(".", 1)
    owner = getattr(owner, first)
original = getattr(owner, name)

def killed(*args, **named):
    result = None if when == "before" else original(*args, **named)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(owner, name, killed)
sys.exit(getattr(import_module("pullback.retrain"), command)(*arguments))
"""

PARAMS = {
    r"name: digits ": "name: folder ",
    r"test_fraction: 0.33": "test_fraction: 0.5",
    r"max_broken: 0.01": "max_broken: 0.2",
    r"  name: classifier ": "  name: pixels ",
    r"models: \[gan, vae\]": "models: [vae]",
    r"(?s)  gate: .*": """  gate:
    - {metric: vae.prior.kid, direction: better}
    - {metric: vae.prior.recall, direction: not_worse, margin: 0.2}
""",
}


class Nightly:
    """A git repository with a champion, and the folder that its data come from.

    always: in the environment of every command.
    """

    def __init__(self, folder: Path, source: str = "images", **always: str) -> None:
        self.folder, self.source, self.images, self.always = folder, source, folder / source, always

    def copy(self, folder: Path) -> "Nightly":
        """A repository of its own, with images of its own that keep their times, so that nothing seems new."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Nightly(folder)

    def make(self, images: int) -> "Nightly":
        """Trains the first champion."""
        folder = self.folder
        for name in ("stages/download.py", "params.yaml", ".gitignore", ".dvcignore"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "stages/everything.py").write_text(EVERYTHING)
        (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "/images/\n/told\n")
        for pattern, replacement in PARAMS.items():
            self.edit(pattern, replacement)
        self.edit("source: null  ", f"source: {self.source}  ")
        self.put(images)
        (folder / "data").mkdir()
        shutil.copy(ROOT / "data/manifest.json", folder / "data/manifest.json")
        for command in (
            "git init -q -b main", "git config user.name test", "git config user.email test@localhost", "dvc init -q",
            "dvc config core.analytics false", "dvc repro -q", "git add -A", "git commit -q -m champion",
        ):  # fmt: skip
            self.done(*command.split())
        return self

    def edit(self, pattern: str, replacement: str) -> None:
        path = self.folder / "params.yaml"
        text, count = re.subn(pattern, replacement, path.read_text())
        assert count, pattern
        path.write_text(text)

    def put(self, count: int, folder: str = "digit {label}", invert: bool = False) -> None:
        """Makes the source hold the first `count` digits."""
        from PIL import Image
        from sklearn.datasets import load_digits

        shutil.rmtree(self.images, ignore_errors=True)
        digits = load_digits()
        for index, (image, label) in enumerate(zip(digits.images[:count], digits.target[:count], strict=True)):
            path = self.images / folder.format(label=label) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = (image * 15.9375).astype("uint8")
            Image.fromarray(255 - pixels if invert else pixels).save(path)

    def environment(self, **more: str) -> dict[str, str]:
        """As under cron: the environment's programs are not on the PATH."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "PIPELINE"))}
        source = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        return kept | source | self.always | more

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        program = Path(sys.executable).parent / command[0]
        return subprocess.Popen(
            [str(program) if program.exists() else command[0], *command[1:]],
            cwd=self.folder, env=self.environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, *command: str, **more: str) -> tuple[int, str]:
        if command[0] == "dvc":
            more["PATH"] = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        process = self.start(*command, **more)
        said = process.communicate(timeout=550)[0]
        return process.returncode, said

    def done(self, *command: str, **more: str) -> str:
        code, said = self.run(*command, **more)
        assert code == 0, said
        return said

    def retrain(self, expected: int, **more: str) -> str:
        """What it prints; the workspace must be clean after it."""
        code, said = self.run("pullback", "retrain", **more)
        assert code == expected, said
        assert not self.done("git", "status", "--porcelain"), "the workspace is not clean"
        return said

    def retrain_killed(self, when: str, step: str, *call: str) -> None:
        """A retraining, or another call, killed "before" or "after" the first call of a step, "MODULE FUNCTION"."""
        code, said = self.run(sys.executable, "-c", DRIVER, *step.split(), when, *(call or ["retrain"]))
        assert code == -signal.SIGKILL, said

    def give_lease_back(self) -> None:
        """What a killed retraining does not; a copy of its repository is another owner."""
        for held in self.client.search_registered_models("name LIKE 'pullback-retrain-lease-%'"):
            self.client.delete_registered_model(held.name)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kills the command and nothing that it has started."""
        process.send_signal(signal.SIGKILL)
        process.communicate()

    @property
    def client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        return MlflowClient(self.always.get("MLFLOW_TRACKING_URI", f"sqlite:///{self.folder / 'mlflow.db'}"))

    def version(self, alias: str) -> str | None:
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias("pullback-vae", alias).version)
        except MlflowException:
            return None

    def ledger(self) -> list[dict[str, Any]]:
        path = self.folder / ".pullback/retrain/ledger.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
