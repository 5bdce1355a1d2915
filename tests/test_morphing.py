"""Paths lead from where they should to where they should, in one class, the same for the same seed."""

import re
from pathlib import Path

import numpy as np
import pytest
from coder import Coder, first, of_codes
from PIL import Image
from typer.testing import CliRunner

from pullback import cli, files, weights
from pullback.errors import UserError
from pullback.morphing import between_draws, between_images, paths
from pullback.weights import Loaded


def loaded(classes: int = 0, encodes: bool = True) -> Loaded:
    return Loaded(Coder(classes, encodes), "vae", (1, 8, 8), "models/vae")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files.write_array(Path("first.npy"), of_codes((-0.4, 0.0), (0.2, 0.2)))
    files.write_array(Path("last.npy"), of_codes((0.4, 0.8), (0.2, -0.6)))
    files.write_array(Path("three.npy"), of_codes((0, 0), (0, 0), (0, 0)))
    monkeypatch.setattr(weights, "load", lambda model, alias: loaded())
    return tmp_path


@pytest.mark.parametrize("way", ["straight", "geodesic"])
def test_a_path_leads_from_one_image_to_the_other(workspace, way):
    """Both ways are straight, as this decoder is."""
    n, ends = between_images(loaded(), Path("first.npy"), Path("last.npy"))
    found = np.concatenate(list(paths(loaded().model, ends, 5, way)))
    assert (n, found.shape) == (2, (2, 5, 1, 8, 8))
    shares = np.linspace(0, 1, 5)[:, None]
    for path, a, b in zip(first(found), ((-0.4, 0), (0.2, 0.2)), ((0.4, 0.8), (0.2, -0.6)), strict=True):
        np.testing.assert_allclose(path, (1 - shares) * a + shares * b, atol=0.012)


def codes(classes: int, n: int, seed: int, asked: tuple[int, ...] = ()) -> list[tuple[list[float], list[float], int]]:
    return [(a.tolist(), b.tolist(), label) for a, b, label in between_draws(loaded(classes), n, seed, asked)]


def test_draws_are_the_same_for_the_same_seed_and_however_many_there_are():
    assert codes(0, 3, seed=1) == codes(0, 5, seed=1)[:3]
    assert codes(0, 3, seed=1) != codes(0, 3, seed=2)


@pytest.mark.parametrize(
    ("classes", "asked", "labels"), [(0, (), [-1] * 5), (3, (), [0, 1, 2, 0, 1]), (3, (2, 0), [2, 0, 2, 0, 2])]
)
def test_a_path_has_one_class(classes, asked, labels):
    assert [label for *_, label in codes(classes, 5, 0, asked)] == labels


def test_images_are_of_the_class_asked_for(workspace):
    _, ends = between_images(loaded(3), Path("first.npy"), Path("last.npy"), [2])
    assert [label for *_, label in ends] == [2, 2]


@pytest.mark.parametrize(
    ("model", "last", "asked", "message"),
    [
        (loaded(), "three.npy", [], "first.npy holds 2 images and three.npy 3; give as many, since each is led to"),
        (loaded(), "none.npy", [], "none.npy is no file; name a picture, or an .npy of images"),
        (loaded(), "last.npy", [1], "models.vae has no classes"),
        (loaded(3), "last.npy", [3], "--labels has 3, but models.vae knows the classes 0 to 2; choose among these"),
        (loaded(encodes=False), "last.npy", [], "a model without an encoder cannot read images; choose one that has"),
    ],
)
def test_what_has_no_path_is_told(workspace, model, last, asked, message):
    with pytest.raises(UserError, match=re.escape(message)):
        between_images(model, Path("first.npy"), Path(last), asked)


def run(*command: str) -> str:
    result = CliRunner().invoke(cli.app, ["interpolate", *command])
    assert result.exit_code == 0, result.exception
    return result.output


def test_the_command_shows_a_path_per_row(workspace):
    assert run("first.npy", "last.npy", "--steps", "4") == (
        "2 straight paths of 4 images, by models/vae, are in interpolated.png\n"
    )
    with Image.open("interpolated.png") as picture:
        assert picture.height / picture.width == 17 / 35


def test_the_command_writes_every_form(workspace):
    run("--n", "11", "--steps", "3", "--out", "some.npy")
    assert files.read_array(Path("some.npy")).shape == (11, 3, 1, 8, 8)
    run("--n", "11", "--steps", "3", "--out", "some")
    names = sorted(path.name for path in Path("some").iterdir())
    assert (len(names), names[0], names[-1]) == (33, "00-0.png", "10-2.png")
    assert (np.asarray(Image.open("some/10-2.png")) == files.read_array(Path("some.npy"))[10, 2, 0]).all()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["first.npy"], "first.npy is one end of a path; give the other one, too, or none for paths between draws"),
        (["--n", "300"], "interpolated.png cannot show 2700 images"),
    ],
)
def test_the_command_tells_what_is_wrong(workspace, command, message):
    assert message in str(CliRunner().invoke(cli.app, ["interpolate", *command]).exception)
