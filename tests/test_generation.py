"""Whoever draws images gets them for the labels asked for, or learns in one sentence why not."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner
from untrained import Untrained

from pullback import cli, files, weights
from pullback.errors import UserError
from pullback.generation import batches, generated
from pullback.sampling import prior

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
    monkeypatch.setattr(
        weights, "load", lambda model, alias: weights.Loaded(Painter(), "gan", (1, 8, 8), f"{model} {alias}")
    )
    return tmp_path


def greys(n: int, method: str | None = None, asked: tuple[int, ...] = ()) -> list[int]:
    """The grey level of each of `n` images."""
    return list(np.concatenate(list(generated(Painter(), "gan", method, n, 0, asked).images))[:, 0, 0, 0])


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
    assert greys(5, "prior", (3, 5)) == [3, 5, 3, 5, 3]


def test_classes_have_their_shares_where_no_labels_are_asked_for(workspace):
    assert generated(Painter(), "gan", None, 8, 0).method == "prior"  # the first that params.yaml lists
    assert sorted(greys(8)) == [1] * 6 + [2] * 2


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (0, "models.gan has no classes: it was trained without labels; leave --labels out, or set models.gan.cond"),
        (5, "--labels has 5, but models.gan knows the classes 0 to 4; choose among these"),
    ],
)
def test_labels_that_the_model_does_not_know_are_refused(workspace, classes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        generated(Painter(classes), "gan", "prior", 5, 0, [3, 5])


def test_an_unknown_method_is_refused(workspace):
    with pytest.raises(UserError, match=r"^sample\.methods\.vae has no 'magic'; it has manifold, gmm, prior$"):
        generated(Painter(), "vae", "magic", 5, 0)


def test_without_training_images_the_prior_is_left(workspace):
    shutil.rmtree("data")
    for method in ("manifold", "gmm"):
        with pytest.raises(UserError, match=r"train/images.npy is needed but .*`dvc repro prepare`.* --method prior$"):
            generated(Painter(), "vae", method, 5, 0)
    with pytest.raises(UserError, match=r"train/labels.npy is needed but .* or name the classes with --labels$"):
        generated(Painter(), "vae", "prior", 5, 0)
    assert greys(2, "prior", (3,)) == [3, 3]


def test_a_model_without_a_block_of_methods_has_the_prior(workspace):
    assert generated(Painter(), "third", None, 5, 0, [3]).method == "prior"


def run(*command: str) -> str:
    result = CliRunner().invoke(cli.app, ["generate", *command])
    assert result.exit_code == 0, result.exception
    return result.output


def test_the_command_takes_labels_and_an_alias(workspace):
    told = run("--n", "4", "--labels", "7,0", "--alias", "champion", "--out", "some.npy")
    assert told == "4 images from gan champion (prior, seed 0) are in some.npy\n"
    assert list(files.read_array(Path("some.npy"))[:, 0, 0, 0]) == [7, 0, 7, 0]


def test_the_command_writes_a_grid_unless_told_otherwise(workspace):
    run()
    with Image.open("generated.png") as picture:
        assert picture.width == picture.height >= 512


@pytest.mark.parametrize(("classes", "name"), [(10, "01-class5.png"), (0, "01.png")])
def test_pictures_in_a_folder_are_named_by_their_class(workspace, monkeypatch, classes, name):
    monkeypatch.setattr(weights, "load", lambda *_: weights.Loaded(Painter(classes), "gan", (1, 8, 8), "gan"))
    run("--n", "11", "--out", "some", *(["--labels", "3,5"] if classes else []))
    assert len(list(Path("some").iterdir())) == 11
    assert Path("some", name).is_file()


def test_a_seed_is_as_large_as_in_the_parameters_at_most(workspace):
    run("--seed", str(2**32 - 1))
    assert CliRunner().invoke(cli.app, ["generate", "--seed", str(2**32)]).exit_code == 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["--labels", "3,cat"], "--labels '3,cat' must be numbers of classes, such as 3,5"),
        (["--labels", ""], "--labels '' must be numbers of classes, such as 3,5"),
        (["--out", "some.jpg"], "some.jpg must be a folder, or end in .npy"),
        (["--n", "3000"], "generated.png cannot show 3000 images"),
    ],
)
def test_the_command_tells_what_is_wrong(workspace, command, message):
    result = CliRunner().invoke(cli.app, ["generate", *command])
    assert message in str(result.exception)
