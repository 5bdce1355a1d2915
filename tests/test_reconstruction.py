"""What comes back of images whose codes are known, and of which class they are taken to be."""

from pathlib import Path

import numpy as np
import pytest
from coder import Coder, first, of_codes
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

from pullback import cli, files, weights
from pullback.errors import UserError
from pullback.reconstruction import best_labels, rebuilt, reconstructed
from pullback.sets import Images

CODES = [(0.3, -0.2), (0.1, 0.6), (-0.5, 0.0)]


class Stamper(Coder):
    """Also shows the class of an image, in the grey level of its last pixel."""

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        images = super().generate(latents, labels).clone()
        images[:, 0, 7, 7] = labels / 10
        return images


def stamped(*labels: int) -> np.ndarray:
    """Images of `CODES` that show these classes."""
    images = of_codes(*CODES)
    images[:, 0, 7, 7] = np.rint((np.array(labels) / 10 + 1) * 127.5)
    return images


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files.write_array(Path("some.npy"), stamped(5, 0, 3))
    monkeypatch.setattr(
        weights, "load", lambda model, alias: weights.Loaded(Stamper(6), "vae", (1, 8, 8), f"{model} {alias}")
    )
    return tmp_path


def test_codes_come_back():
    images = of_codes(*CODES)
    np.testing.assert_allclose(first(rebuilt(Coder(), images, np.full(3, -1))), CODES, atol=0.006)


def test_the_class_of_an_image_is_the_one_that_rebuilds_it_best():
    assert list(best_labels(Stamper(6), stamped(5, 0, 3))) == [5, 0, 3]
    assert list(best_labels(Coder(), stamped(5, 0, 3))) == [-1, -1, -1]


def test_images_of_several_sets_get_the_class_between():
    assert list(best_labels(Stamper(6), stamped(5, 0, 3), stamped(1, 0, 5))) == [3, 0, 4]


@pytest.mark.parametrize(("asked", "classes"), [((), [5, 0, 3]), ([2, 4], [2, 4, 2])])
def test_each_image_stands_before_what_is_left_of_it(workspace, asked, classes):
    (pairs,) = reconstructed(Stamper(6), "vae", Images(Path("some.npy"), 1, 8), asked)
    assert (pairs[:, 0] == stamped(5, 0, 3)).all()
    assert (pairs[:, 1, 0, 7, 7] == stamped(*classes)[:, 0, 7, 7]).all()
    np.testing.assert_allclose(first(pairs[:, 1]), CODES, atol=0.006)


def test_a_model_without_an_encoder_is_told(workspace):
    with pytest.raises(UserError, match=r"^a model without an encoder cannot read images; choose one that has it"):
        next(reconstructed(Coder(encodes=False), "gan", Images(Path("some.npy"), 1, 8)))


def run(*command: str) -> str:
    result = CliRunner().invoke(cli.app, ["reconstruct", *command])
    assert result.exit_code == 0, result.exception
    return result.output


def test_the_command_rebuilds_pictures_of_any_size(workspace):
    for name, size in (("a/one.png", (12, 9)), ("b/one.jpg", (30, 30))):
        Path("mixed", name).parent.mkdir(parents=True)
        Image.new("RGB", size, (255, 0, 0)).save(Path("mixed", name))
    told = run("mixed", "--alias", "champion", "--labels", "0", "--out", "some")
    assert told == "2 images of mixed, rebuilt by vae champion, are in some\n"
    pictures = [np.asarray(Image.open(Path("some", name))) for name in ("0-one.png", "1-one.png")]
    assert {picture.shape for picture in pictures} == {(8, 8)}
    assert all((np.abs(picture[0, :2].astype(int) - 76) <= 2).all() for picture in pictures)  # the luma of red


def test_the_command_shows_images_beside_what_is_left(workspace):
    run("some.npy", "--out", "both.npy")
    assert files.read_array(Path("both.npy")).shape == (3, 1, 8, 8)
    run("some.npy")
    with Image.open("reconstructed.png") as picture:
        scale = picture.width // 35
        assert picture.size == (35 * scale, 17 * scale)
        pixels = np.asarray(picture)[::scale, ::scale]
    assert (pixels[9:17, :8] == stamped(5, 0, 3)[2, 0]).all()


def test_the_command_rebuilds_a_single_picture(workspace):
    Path("single").mkdir()
    Image.new("L", (8, 8), 255).save("single/one.png")
    assert run("single", "--out", "some").startswith("1 images of single, ")
    assert Path("some/0-one.png").exists()


def test_the_command_tells_what_is_no_set(workspace):
    result = CliRunner().invoke(cli.app, ["reconstruct", "nothing"])
    assert "nothing cannot be read (No such file or directory); name a folder or zip" in str(result.exception)
