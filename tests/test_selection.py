"""What the judge of weights says of models whose faults are known."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor
from untrained import Untrained

from pullback.errors import UserError
from pullback.features import pixels
from pullback.features._map import Embedded, FeatureMap
from pullback.models._model import to_model_range
from pullback.selection import Judge, least_share, mode_collapse
from pullback.training.device import fabric

CLASSES = 4
LABELS = np.arange(400) % CLASSES
LEVELS = 40 + 50 * LABELS[:, None, None, None]  # a class is a brightness
IMAGES = (LEVELS + np.random.default_rng(0).integers(-15, 16, (400, 1, 4, 4))).astype(np.uint8)


def halves(images: np.ndarray) -> Embedded:
    """The brightness of the two halves as features, and that of the whole as logits of the classes."""
    levels = images.astype(np.float32)
    features = levels.reshape(len(images), 2, -1).mean(axis=2)
    middles = 40 + 50 * np.arange(CLASSES, dtype=np.float32)
    return features, -np.abs(levels.mean(axis=(1, 2, 3))[:, None] - middles)


MAPS = {
    "logits": FeatureMap("halves", "", "none", None, halves),
    "no logits": pixels.load(Path(), torch.device("cpu")),
}


class Copies(Untrained):
    """Draws some images back, which ones the latents say; those of the label where it is conditional."""

    def __init__(self, images: np.ndarray, classes: int = 0) -> None:
        super().__init__()
        self.images, self.classes = to_model_range(torch.from_numpy(images)), classes

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        rows = (torch.special.ndtr(latents[:, 0]) * len(self.images)).long().clamp(max=len(self.images) - 1)
        return self.images[rows if not self.classes else rows // self.classes * self.classes + labels]


GOOD, ONE_CLASS = Copies(IMAGES), Copies(IMAGES[LABELS == 1])


@pytest.fixture(scope="module")
def cpu() -> Fabric:
    return fabric("cpu", "32-true")


def judge(cpu: Fabric, name: str = "logits", images: int = 400, seed: int = 0) -> Judge:
    return Judge(MAPS[name], IMAGES, LABELS, images=images, seed=seed, fabric=cpu)


@pytest.mark.parametrize("name", MAPS)
def test_a_model_that_draws_the_training_images_is_better_than_one_that_draws_a_class(cpu, name):
    judged = judge(cpu, name)
    good, poor = judged(GOOD), judged(ONE_CLASS)
    assert good["fid"] < 0.02 * poor["fid"]
    assert good["kid"] < 0.02 * poor["kid"]
    assert good["least_share"] > 0.6
    assert poor["least_share"] == 0


def test_labels_come_in_the_shares_of_the_training_set(cpu):
    assert judge(cpu)(Copies(IMAGES, CLASSES))["least_share"] == 1


def test_a_model_that_draws_one_image_is_scored_without_a_warning(cpu):
    scores = judge(cpu)(Copies(IMAGES[:1]))
    assert scores["fid"] > 0
    assert scores["least_share"] == 0


def test_scores_repeat_and_depend_on_the_seed(cpu):
    judged = judge(cpu, images=100)
    first = judged(GOOD)
    assert judged(GOOD) == first
    assert judge(cpu, images=100)(GOOD) == first
    assert judge(cpu, images=100, seed=1)(GOOD) != first


@pytest.mark.parametrize("name", MAPS)
def test_random_numbers_of_others_are_left_as_they_are(cpu, name):
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    judge(cpu, name, 100)(GOOD)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)


def test_the_training_images_are_embedded_once(cpu):
    seen = []

    def embed(images: np.ndarray) -> Embedded:
        seen.append(len(images))
        return halves(images)

    judged = Judge(FeatureMap("", "", "none", None, embed), IMAGES, LABELS, images=300, seed=0, fabric=cpu)
    assert sum(seen) == 300
    judged(GOOD)
    judged(GOOD)
    assert sum(seen) == 900


def test_the_fid_selects_from_twice_as_many_images_as_features_on(cpu):
    assert judge(cpu, "no logits", 32).select == "fid"
    assert judge(cpu, "no logits", 31).select == "kid"


def test_a_sample_is_no_larger_than_the_training_set(cpu):
    small = Judge(MAPS["no logits"], IMAGES[:31], LABELS[:31], images=100, seed=0, fabric=cpu)
    assert small.select == "kid"
    assert small(GOOD)["kid"] < 0.1


def test_fewer_images_than_processes_are_refused():
    with pytest.raises(UserError, match=r"evaluate_images is 1, .* 2 processes"):
        judge(SimpleNamespace(world_size=2), images=1)


def write_scores(cpu: Fabric, folder: Path) -> None:
    """The scores of one process, of numbers of images that two cannot share equally."""
    found = [judge(cpu, name, images)(GOOD) for name in MAPS for images in (301, 399)]
    (folder / f"{cpu.world_size}-{cpu.global_rank}.json").write_text(json.dumps(found))


def test_two_processes_give_the_scores_of_one(cpu, tmp_path):
    write_scores(cpu, tmp_path)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "error::FutureWarning", __file__, tmp_path], check=True, env=environment)
    one, first, second = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1-0", "2-0", "2-1"))
    assert first == second
    for alone, shared in zip(one, first, strict=True):
        assert shared == pytest.approx(alone, rel=1e-6)


def test_the_least_share_is_that_of_the_worst_covered_kind():
    real = np.repeat([0, 1, 2], [50, 30, 20])
    assert least_share(real, np.repeat([0, 1, 2], [60, 35, 5])) == pytest.approx(0.25)
    assert least_share(real, np.repeat([0, 1, 2], [500, 300, 200])) == 1
    assert least_share(real, np.repeat([0, 1, 7], [5, 3, 2])) == 0


def test_rare_kinds_are_left_out_of_the_least_share():
    assert least_share(np.repeat([0, 1], [91, 9]), np.zeros(100)) == 1  # fewer than 10 images
    assert least_share(np.repeat([0, 1], [90, 10]), np.zeros(100)) == 0
    assert least_share(np.repeat([0, 1], [1981, 19]), np.zeros(100)) == 1  # fewer than 1 %
    assert least_share(np.arange(9), np.zeros(9)) == 1  # no kind is common


def points(*shares: float) -> list[dict[str, float]]:
    return [{"least_share": share} for share in shares]


def test_a_kind_that_stays_away_is_a_mode_collapse():
    told = mode_collapse(points(1, 0, 0.04, 0.02))
    assert told
    assert "4%" in told
    assert "learning_rate" in told


@pytest.mark.parametrize("shares", [(), (0, 0), (0, 0, 0.1), (0, 0, 0, 0.5), (0.5, 0, 0)])
def test_a_kind_that_is_back_or_has_not_been_away_for_three_points_is_none(shares):
    assert mode_collapse(points(*shares)) is None


if __name__ == "__main__":  # a fresh process may be forked, one in which threads have run may not
    Fabric(accelerator="cpu", devices=2, strategy="ddp_fork").launch(write_scores, Path(sys.argv[1]))
