"""What an image becomes in another class, where the codes of the classes are known."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from coder import Coder, first, of_codes
from PIL import Image
from typer.testing import CliRunner

from pullback import cli, files
from pullback.errors import UserError
from pullback.training import checkpoint
from pullback.translation import class_means, read, translate, translate_to

ROOT = Path(__file__).parents[1]


def test_means_are_those_of_each_class_and_images_without_one_count_nowhere():
    codes = torch.tensor([[0.0, 1.0], [2.0, 3.0], [5.0, 5.0], [9.0, 9.0]])
    means = class_means(codes, np.array([0, 0, 2, -1]))
    assert means[[0, 2]].tolist() == [[1, 2], [5, 5]]
    assert means[1].isnan().all()


def test_a_conditional_model_keeps_the_code_and_changes_the_label():
    images = of_codes((0.3, -0.2), (0.1, 0.6))
    versions = translate(Coder(classes=6), images, np.array([2, 0]), [5, 0])
    assert versions.shape == (2, 4, 1, 8, 8)
    assert (versions[:, 0] == images).all()
    expected = [[(0.3, -0.2)] * 2 + [(0.6, -0.2), (0.1, -0.2)], [(0.1, 0.6)] * 2 + [(0.6, 0.6), (0.1, 0.6)]]
    np.testing.assert_allclose(first(versions), expected, atol=0.006)


def test_other_models_move_along_the_difference_of_the_means():
    means = torch.tensor([[-0.5, 0.0], [0.25, 0.125], [0.0, 0.5]])
    versions = translate(Coder(), of_codes((-0.4, 0.1), (0.2, 0.2)), np.array([0, 1]), [1, 2], means)
    expected = [[(-0.4, 0.1)] * 2 + [(0.35, 0.225), (0.1, 0.6)], [(0.2, 0.2)] * 2 + [(0.2, 0.2), (-0.05, 0.575)]]
    np.testing.assert_allclose(first(versions), expected, atol=0.006)


def test_directions_of_a_vae_make_zeros_of_ones():
    """Trained for a second; judged by the mean image that is nearest."""
    from lightning_fabric import Fabric
    from sklearn.datasets import load_digits

    from pullback.models import vae
    from pullback.training.loop import train
    from pullback.translation import encoded

    digits = load_digits()
    images = np.rint(digits.images * 15.9375).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    images, labels = images[labels < 2], labels[labels < 2]
    params = vae.Params(width=4, latent_dim=4, budget_images=8_000)
    torch.manual_seed(0)
    model = vae.build(params, (1, 8, 8))
    trained = train(
        model, params, images, labels, fabric=Fabric(accelerator="cpu", devices=1), seed=0, log_every=1000
    ).model
    means = class_means(encoded(trained, images, labels), labels)
    ones = images[labels == 1]
    _, kept, moved = translate(trained, ones, np.ones(len(ones), np.int64), [0], means).swapaxes(0, 1)
    mean_images = np.stack([images[labels == kind].mean(0) for kind in (0, 1)])
    judged = [np.square(each[:, None] - mean_images).sum((2, 3, 4)).argmin(1) for each in (kept, moved)]
    assert judged[0].mean() > 0.9
    assert judged[1].mean() < 0.1


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Training images of the classes 0 and 1, whose mean codes are 0.5 apart, and a picture of class 0."""
    train = of_codes((-0.3, 0.0), (-0.1, 0.0), (0.2, 0.0), (0.4, 0.0))
    files.write_array(tmp_path / "data/images/train/images.npy", train)
    files.write_array(tmp_path / "data/images/train/labels.npy", np.array([0, 0, 1, 1]))
    Image.fromarray(of_codes((-0.3, 0.1))[0, 0]).save(tmp_path / "zero.png")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "load", lambda folder: Coder())
    return tmp_path


def test_a_picture_is_translated_into_an_array(workspace):
    translate_to(Path("zero.png"), Path("out.npy"), "vae", 0, [1])
    versions = files.read_array(Path("out.npy"))
    assert (versions.shape, versions.dtype) == ((1, 3, 1, 8, 8), np.uint8)
    np.testing.assert_allclose(first(versions[0]), [(-0.3, 0.1), (-0.3, 0.1), (0.2, 0.1)], atol=0.01)


def test_images_become_rows_of_a_picture(workspace):
    files.write_array(Path("some.npy"), of_codes((-0.3, 0.1), (0.0, 0.0)))
    translate_to(Path("some.npy"), Path("out.png"), "vae", 0, [1, 0])
    with Image.open("out.png") as picture:
        scale = picture.width // 35
        assert picture.size == (35 * scale, 17 * scale)
        pixels = np.asarray(picture)[::scale, ::scale]
    assert (pixels[:8, :8] == of_codes((-0.3, 0.1))[0, 0]).all()
    assert (pixels[9:17, :8] == of_codes((0.0, 0.0))[0, 0]).all()


def test_a_conditional_model_needs_no_means(workspace, monkeypatch):
    monkeypatch.setattr(checkpoint, "load", lambda folder: Coder(classes=2))
    translate_to(Path("zero.png"), Path("out.npy"), "vae", 0, [1])
    np.testing.assert_allclose(first(files.read_array(Path("out.npy")))[0, 2], (-0.2, 0.1), atol=0.006)


def test_pictures_are_read_as_prepare_reads_them(tmp_path):
    colour = np.zeros((16, 24, 3), np.uint8)
    colour[:, 4:20] = 255
    Image.fromarray(colour).save(tmp_path / "wide.png")
    assert (read(tmp_path / "wide.png", 1, 8) == np.full((1, 1, 8, 8), 255)).all()
    np.save(tmp_path / "wide.npy", colour.transpose(2, 0, 1)[None])
    assert (read(tmp_path / "wide.npy", 3, 8) == np.full((1, 3, 8, 8), 255)).all()


@pytest.mark.parametrize(
    ("path", "out", "kinds", "message"),
    [
        ("zero.png", "out.jpg", (0, 1), "out.jpg must end in .png (a row for each image) or .npy (an array)"),
        ("zero.png", "out.png", (0, 7), "no training image is of class 7; choose among the classes from 0 to 1"),
        ("zero.png", "out.png", (-1, 1), "no training image is of class -1; choose among the classes from 0 to 1"),
        ("none.png", "out.png", (0, 1), "none.png is no file; name a picture, or an .npy of images"),
        ("text.png", "out.png", (0, 1), "text.png cannot be decoded (the content is no PNG"),
        ("flat.npy", "out.png", (0, 1), "flat.npy holds uint8 of shape (4, 8, 8), but images are uint8 (n, c, h, w)"),
        ("real.npy", "out.png", (0, 1), "real.npy holds float64 of shape (1, 1, 8, 8), but images are uint8"),
        ("empty.npy", "out.png", (0, 1), "empty.npy holds uint8 of shape (0, 1, 8, 8), but images are"),
    ],
)
def test_what_cannot_be_translated_is_told(workspace, path, out, kinds, message):
    Path("text.png").write_text("no picture")
    for name, array in {
        "flat": np.zeros((4, 8, 8), np.uint8),
        "real": np.zeros((1, 1, 8, 8)),
        "empty": np.zeros((0, 1, 8, 8), np.uint8),
    }.items():
        np.save(f"{name}.npy", array)
    with pytest.raises(UserError, match=re.escape(message)):
        translate_to(Path(path), Path(out), "vae", kinds[0], kinds[1:])
    assert not Path(out).exists()


@pytest.mark.parametrize("classes", [0, 2])
def test_a_model_without_an_encoder_is_told(workspace, monkeypatch, classes):
    monkeypatch.setattr(checkpoint, "load", lambda folder: Coder(classes, encodes=False))
    with pytest.raises(UserError, match="without an encoder cannot read images; choose one that has it"):
        translate_to(Path("zero.png"), Path("out.png"), "gan", 0, [1])


def test_a_model_that_is_not_there_is_told(workspace):
    with pytest.raises(UserError, match=r"^there is no model 'foo'; choose among gan, vae"):
        translate_to(Path("zero.png"), Path("out.png"), "foo", 0, [1])


def test_data_without_labels_are_told(workspace):
    files.write_array(Path("data/images/train/labels.npy"), np.full(4, -1))
    with pytest.raises(UserError, match="the training images have no labels, so there are no classes"):
        translate_to(Path("zero.png"), Path("out.png"), "vae", 0, [1])


def test_the_command_translates(workspace):
    result = CliRunner().invoke(cli.app, ["translate", "zero.png", "out.npy", "--from", "0", "--to", "1,0"])
    assert result.exit_code == 0, result.output
    assert files.read_array(Path("out.npy")).shape == (1, 4, 1, 8, 8)
    assert "zero.png, its reconstruction, and what vae makes of it in the classes 1,0 are in out.npy" in result.output


@pytest.mark.parametrize("to", ["one", "", "1,"])
def test_the_command_tells_what_is_no_class(workspace, to):
    result = CliRunner().invoke(cli.app, ["translate", "zero.png", "out.npy", "--from", "0", "--to", to])
    assert f"--to {to!r} must be numbers of classes, such as 3,5" in str(result.exception)
