"""Whoever draws images gets them for the labels asked for, or learns in one sentence why not."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner
from untrained import Untrained

from pullback import cli, files
from pullback.errors import UserError
from pullback.generation import batches, generate_to
from pullback.sampling import prior
from pullback.training import checkpoint

ROOT = Path(__file__).parents[1]


class Painter(Untrained):
    """Knows ten classes, and paints each image in the grey level of its label; without labels, of its first latent."""

    latent_dim = 2

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.classes = classes

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        grey = labels / 127.5 - 1 if self.classes and labels is not None else latents[:, 0].clamp(-1, 1)
        return grey[:, None, None, None].expand(-1, 1, 8, 8)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters and training images, three of class 1 for each of class 2, and Painter as its model."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    files.write_array(tmp_path / "data/images/train/images.npy", np.zeros((40, 1, 8, 8), np.uint8))
    files.write_array(tmp_path / "data/images/train/labels.npy", np.repeat([1, 2], [30, 10]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "load", lambda folder: Painter())
    return tmp_path


def greys(path: Path) -> list[int]:
    return list(files.read_array(path)[:, 0, 0, 0])


def test_batches_give_every_label_its_image():
    labels = np.arange(300) % 10
    images = list(batches(Painter(), prior.sampler(Painter(), None, None, None, 0), labels, 0, torch.device("cpu")))
    assert [len(each) for each in images] == [256, 44]
    assert (np.concatenate(images)[:, 0, 0, 0] == labels).all()


def test_batches_are_the_same_for_the_same_seed():
    model = Painter(classes=0)
    first, again, other = (
        next(batches(model, prior.sampler(model, None, None, None, 0), np.full(20, -1), seed, torch.device("cpu")))
        for seed in (3, 3, 4)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_labels_that_are_asked_for_come_in_turn(workspace):
    generate_to(workspace / "some.npy", "gan", "prior", 5, 0, [3, 5])
    assert greys(workspace / "some.npy") == [3, 5, 3, 5, 3]


def test_classes_have_their_shares_where_no_labels_are_asked_for(workspace):
    assert generate_to(workspace / "some.npy", "gan", None, 8, 0) == "prior"  # the first that params.yaml lists
    assert sorted(greys(workspace / "some.npy")) == [1] * 6 + [2] * 2


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (0, "models.gan has no classes: it was trained without labels; leave --labels out, or set models.gan.cond"),
        (5, "--labels has 5, but models.gan knows the classes 0 to 4; choose among these"),
    ],
)
def test_labels_that_the_model_does_not_know_are_refused(workspace, monkeypatch, classes, message):
    monkeypatch.setattr(checkpoint, "load", lambda folder: Painter(classes))
    with pytest.raises(UserError, match=re.escape(message)):
        generate_to(workspace / "some.npy", "gan", "prior", 5, 0, [3, 5])
    assert not (workspace / "some.npy").exists()


def test_an_unknown_method_or_kind_of_file_is_refused(workspace):
    with pytest.raises(UserError, match=re.escape("sample.methods.gan has no 'magic'; it has ")):
        generate_to(workspace / "some.npy", "gan", "magic", 5, 0)
    with pytest.raises(UserError, match=r"must end in \.png"):
        generate_to(workspace / "some.jpg", "gan", "prior", 5, 0)


def test_the_command_takes_labels(workspace):
    command = ["generate", "some.npy", "--n", "4", "--labels", "7,0"]
    assert CliRunner().invoke(cli.app, command).exit_code == 0
    assert greys(workspace / "some.npy") == [7, 0, 7, 0]


def test_the_command_tells_labels_that_are_no_numbers(workspace):
    result = CliRunner().invoke(cli.app, ["generate", "some.npy", "--labels", "3,cat"])
    assert "'3,cat' must be numbers of classes, such as 3,5" in str(result.exception)
