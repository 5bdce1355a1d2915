"""Processes that share every batch train as one process does. This file is also the script that they run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from pullback import files
from pullback.models import gan, vae
from pullback.models._model import Model, draw
from pullback.training import checkpoint
from pullback.training.device import fabric
from pullback.training.loop import Listener, Stopped, Trained, train

CASES = {
    "gan": (gan, {"augment": ["translation"], "r1": True, "penalty_every": 4}),
    "vae": (vae, {"likelihood": "sigma", "architecture": "conv", "beta": 1.0}),
}
IMAGES = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
LABELS = np.arange(60) % 4


def go(on: Fabric, name: str, listener: Listener, path: Path | None = None) -> Trained:
    """20 steps of a conditional model."""
    module, changes = CASES[name]
    params = module.Params(width=4, latent_dim=3, budget_images=320, batch_size=16, decay=0.5, **changes)
    torch.manual_seed(0)
    return train(
        module.build(params, (1, 8, 8), 4), params, IMAGES, LABELS, fabric=on, seed=3, log_every=2, grid_every=100,
        evaluate_every=96, listener=listener, checkpoint=path, checkpoint_seconds=0,
    )  # fmt: skip


def score(seen_images: int, model: Model) -> dict[str, float]:
    return {"fid": abs(seen_images - 192.0)}


def stopping(rank: int) -> Listener:
    """Asks the first process to stop, and no other, after six of the ten times at which it is asked."""
    asked: list[int] = []
    return Listener(score=score, stop=lambda: rank == 0 and asked.append(1) is None and len(asked) == 6)


def work(folder: Path, devices: int, names: list[str]) -> None:
    """What one of the processes does; what it heard and ended with goes into files with its rank in their names."""
    on = fabric("cpu", "32-true", devices)
    rank = on.global_rank
    for name in names:
        heard: list[Any] = []
        listener = Listener(
            log=lambda seen_images, scalars, heard=heard: heard.append(["log", seen_images]),
            show=lambda seen_images, images, heard=heard: heard.append(["show", seen_images]),
            score=lambda seen_images, model, heard=heard: (
                heard.append(["score", seen_images]) or score(seen_images, model)
            ),
        )
        trained = go(on, name, listener, folder / name / f"checkpoint-{rank}.safetensors")
        checkpoint.save(folder / name / f"whole-{rank}", trained.last, {})
        checkpoint.save(folder / name / f"best-{rank}", trained.model, {})
        told = {"processes": on.world_size, "curve": trained.curve, "scores": trained.scores, "heard": heard}
        try:
            go(on, name, stopping(rank), folder / name / "shared.safetensors")
        except Stopped as stopped:
            told["stopped"] = str(stopped)
        on.barrier()
        resumed = go(on, name, Listener(score=score), folder / name / "shared.safetensors")
        checkpoint.save(folder / name / f"resumed-{rank}", resumed.last, {})
        told["same curve"] = [resumed.curve, resumed.scores] == [trained.curve, trained.scores]
        (folder / name / f"told-{rank}.json").write_text(json.dumps(told))


def run(folder: Path, *command: object) -> Path:
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    subprocess.run([sys.executable, *map(str, command)], check=True, env=environment, timeout=120)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left, of which this one started the first and Fabric the second."""
    folder = tmp_path_factory.mktemp("two")
    return run(folder, __file__, folder, 2, *CASES)


def told(folder: Path, name: str, rank: int) -> dict[str, Any]:
    return json.loads((folder / name / f"told-{rank}.json").read_text())


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_alike(trained: Trained, folder: Path, name: str) -> None:
    """The curve to 1e-3, all matrices and kernels, and what is drawn."""
    shared = told(folder, name, 0)
    assert shared["processes"] == 2
    assert len(shared["curve"]) == len(trained.curve) == 10
    for alone, together in zip(trained.curve, shared["curve"], strict=True):
        assert together == pytest.approx(alone, rel=1e-3, abs=1e-3)
    latents, labels = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 4
    drawn = draw(trained.last, latents, labels)
    for part, network in trained.last.parts.items():
        found = files.read_tensors(folder / name / "whole-0" / f"{part}.safetensors")
        for key, expected in network.state_dict().items():
            if expected.dim() > 1:  # a bias that a normalisation cancels follows rounding errors alone
                torch.testing.assert_close(found[key], expected, rtol=1e-3, atol=1e-3)
        network.load_state_dict(found)
    assert np.abs(draw(trained.last, latents, labels).astype(float) - drawn).max() <= 1


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_curve_and_the_weights_of_one(cpu, two, name):
    assert_alike(go(cpu, name, Listener(score=score)), two, name)


@pytest.mark.parametrize("name", CASES)
def test_both_processes_end_with_the_same_weights(two, name):
    for kind in ("whole", "best"):
        assert weights(two / name / f"{kind}-0") == weights(two / name / f"{kind}-1")
    assert weights(two / name / "best-0") != weights(two / name / "whole-0")


@pytest.mark.parametrize("name", CASES)
def test_only_the_first_process_is_heard_and_writes_while_both_score(two, name):
    scored = [["score", seen_images] for seen_images in (96, 192, 288, 320)]
    assert told(two, name, 1)["heard"] == scored
    assert [each for each in told(two, name, 0)["heard"] if each[0] == "score"] == scored
    assert [each for each in told(two, name, 0)["heard"] if each[0] == "log"] == [["log", 32 * i] for i in range(1, 11)]
    assert [seen for kind, seen in told(two, name, 0)["heard"] if kind == "show"] == [112, 208, 304, 320]
    assert (two / name / "checkpoint-0.safetensors").exists()
    assert not (two / name / "checkpoint-1.safetensors").exists()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_stop_together_and_go_on_to_the_same_bytes(two, name, rank):
    assert told(two, name, rank)["stopped"] == "stopped after 192 of 320 images"
    assert told(two, name, rank)["same curve"]
    assert weights(two / name / f"resumed-{rank}") == weights(two / name / f"whole-{rank}")


def test_processes_that_torchrun_starts_train_as_one_does(cpu, tmp_path):
    run(tmp_path, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__, tmp_path, 2, "vae")
    assert_alike(go(cpu, "vae", Listener(score=score)), tmp_path, "vae")


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
