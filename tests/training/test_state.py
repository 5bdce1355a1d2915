"""A training that goes on from its checkpoint ends as if it had never stopped."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pullback import files
from pullback.errors import UserError
from pullback.models import gan, vae
from pullback.training.loop import Listener, Stopped, Trained, train

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
LABELS = np.arange(40) % 4


def go(cpu, module, path: Path | None, stop_at: int | None = None, description: object = None, **changes) -> Trained:
    """32 steps, or up to `stop_at` images; from the checkpoint on, where there is one."""
    settings = module.Params(
        **{"width": 4, "latent_dim": 3, "budget_images": 256, "batch_size": 8, "decay": 0.5} | changes
    )
    torch.manual_seed(0)
    model = module.build(settings, (1, 8, 8), 4)
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls * 8 == stop_at

    def score(seen_images: int, model) -> dict[str, float]:
        return {"fid": abs(seen_images - 96.0)}  # the best weights lie before the stop

    return train(
        model, settings, IMAGES, LABELS, fabric=cpu, seed=3, log_every=3, evaluate_every=48,
        listener=Listener(score=score, stop=stop), checkpoint=path, description=description,
    )  # fmt: skip


def content(trained: Trained) -> list[bytes]:
    parts = [*trained.model.parts.values(), *trained.last.parts.values()]
    return [each.numpy().tobytes() for part in parts for each in part.state_dict().values()]


@pytest.mark.parametrize(
    ("module", "changes"),
    [(gan, {"augment": ["translation"]}), (gan, {"loss": "relativistic", "r1": True, "r2": True}), (vae, {})],
)
@pytest.mark.parametrize("stop_at", [8, 120, 176])
def test_a_stopped_training_goes_on_to_the_same_bytes(cpu, tmp_path, module, changes, stop_at):
    whole = go(cpu, module, None, **changes)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stopped, match=f"^stopped after {stop_at} of 256 images$"):
        go(cpu, module, path, stop_at, **changes)
    torch.manual_seed(99)
    resumed = go(cpu, module, path, **changes)
    assert content(resumed) == content(whole)
    assert resumed.curve == whole.curve
    assert [list(point) for point in resumed.curve] == [list(point) for point in whole.curve]  # columns of a table
    assert resumed.scores == whole.scores
    assert resumed.seen_images == whole.seen_images == 96
    assert content(go(cpu, module, path, **changes)) == content(whole)  # nothing more to do


def test_the_global_generators_go_on_too(cpu, tmp_path, monkeypatch):
    def noisy(self: gan.Gan, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        noise = torch.rand(()) + random.random() + np.random.rand()
        return torch.tanh(self.parts["generator"](latents, labels) + noise)

    def seed_all(seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)

    monkeypatch.setattr(gan.Gan, "generate", noisy)
    path = tmp_path / "checkpoint.safetensors"
    seed_all(1)
    whole = go(cpu, gan, None)
    seed_all(1)
    with pytest.raises(Stopped):
        go(cpu, gan, path, 120)
    torch.manual_seed(99)
    seed_all(99)
    assert content(go(cpu, gan, path)) == content(whole)


def test_a_checkpoint_of_another_training_names_the_keys_that_differ(cpu, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    before = {"params": {"width": 4, "loss": "hinge"}, "seed": 3}
    with pytest.raises(Stopped):
        go(cpu, gan, path, 8, before)
    with pytest.raises(
        UserError, match=rf"^{path} is a checkpoint of another training, which differs in params.loss, seed;"
    ):
        go(cpu, gan, path, None, {"params": {"width": 4, "loss": "minimax"}, "seed": 4})


def test_half_a_checkpoint_is_told(cpu, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stopped):
        go(cpu, gan, path, 8)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="is not a whole safetensors file"):
        go(cpu, gan, path)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np, torch
from pullback.models import gan
from pullback.training import checkpoint
from pullback.training.device import fabric
from pullback.training.loop import Listener, train

folder = Path(sys.argv[1])
images = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
params = gan.Params(width=4, latent_dim=3, budget_images=6400, batch_size=8, augment=["translation"])
torch.manual_seed(0)
model = gan.build(params, (1, 8, 8), 4)
score = lambda seen_images, model: {"fid": abs(seen_images - 3000.0)}
begins = [print]
log = lambda seen_images, scalars: begins and begins.pop()("begins", flush=True)
trained = train(
    model, params, images, np.arange(40) % 4, fabric=fabric("cpu", "32-true"), seed=3, log_every=5,
    evaluate_every=800, listener=Listener(log=log, score=score), checkpoint=folder / "checkpoint.safetensors",
    checkpoint_seconds=0, description="it",
)
checkpoint.save(folder / "best", trained.model, {})
checkpoint.save(folder / "last", trained.last, {})
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == b"begins\n"
    return process


def saved(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*.safetensors")}


@pytest.mark.slow
def test_a_training_killed_at_ten_random_moments_ends_with_the_same_bytes(tmp_path):
    whole = start(tmp_path / "whole")
    begin = time.monotonic()
    assert whole.wait() == 0
    seconds = time.monotonic() - begin
    moments, killed, resumable = random.Random(0), 0, 0
    while killed < 10:
        process = start(tmp_path / "killed")
        time.sleep(moments.random() * seconds / 6)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (tmp_path / "killed/last").exists():  # it was faster than its death: from the start again
            shutil.rmtree(tmp_path / "killed")
        else:
            killed += 1
            resumable += (tmp_path / "killed/checkpoint.safetensors").exists()
    assert resumable >= 3
    assert start(tmp_path / "killed").wait() == 0
    assert saved(tmp_path / "killed") == saved(tmp_path / "whole")
    assert len(saved(tmp_path / "whole")) == 4
    numbers = [files.read_header(tmp_path / each / "checkpoint.safetensors")["numbers"] for each in ("killed", "whole")]
    assert numbers[0] == numbers[1]
