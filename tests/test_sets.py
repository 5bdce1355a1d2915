import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pullback.errors import UserError
from pullback.sets import Images, given


def pixels(n: int = 5, channels: int = 3, h: int = 6, w: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, channels, h, w), dtype=np.uint8)


def written(folder: Path, images: np.ndarray) -> Path:
    """The images as PNG files, named so that their order by name is their order."""
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(folder / f"{i:03}.png")
    return folder


def zipped(folder: Path) -> Path:
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in sorted(folder.iterdir(), reverse=True):
            archive.write(file, f"inside/{file.name}")
    return folder.with_suffix(".zip")


def saved(path: Path, *arrays: np.ndarray, **named: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, *arrays)
    else:
        np.savez(path, *arrays, **named)
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_set_gives_the_same_images(tmp_path, channels):
    images = pixels(channels=channels)
    folder = written(tmp_path / "folder", images)
    kinds = [
        folder,
        zipped(folder),
        saved(tmp_path / "first.npy", images),
        saved(tmp_path / "last.npy", images.transpose(0, 2, 3, 1)),
        saved(tmp_path / "named.npz", images=images, labels=np.arange(5)),
        saved(tmp_path / "only.npz", images),
    ]
    if channels == 1:
        kinds.append(saved(tmp_path / "flat.npy", images[:, 0]))
    for path in kinds:
        found = Images(path)
        assert len(found) == 5
        assert found.shape == images.shape[1:]
        assert np.array_equal(found[1:9], images[1:])


def test_channels_are_brought_to_what_is_asked(tmp_path):
    grey = written(tmp_path / "grey", pixels(channels=1))
    assert np.array_equal(Images(grey, 3)[:], pixels(channels=1).repeat(3, axis=1))
    assert np.array_equal(Images(saved(tmp_path / "x.npy", Images(grey, 3)[:]), 1)[:], pixels(channels=1))


@pytest.mark.parametrize("i", [0, 2])
def test_grey_files_among_colours_become_colours(tmp_path, i):
    images = pixels()
    images[i] = pixels(1, 1)[0]
    folder = written(tmp_path / "mixed", images)
    Image.fromarray(images[i, 0]).save(folder / f"{i:03}.png")
    assert np.array_equal(Images(folder)[:], images)


def test_black_images_are_images(tmp_path):
    assert not Images(saved(tmp_path / "black.npy", np.zeros_like(pixels())))[:].any()


def test_the_digest_is_that_of_the_content(tmp_path):
    images = pixels()
    one = Images(saved(tmp_path / "one.npy", images))
    assert one.digest() == Images(saved(tmp_path / "two.npz", images=images)).digest()
    assert one.digest() != Images(one.path, 1).digest()
    images[4, 2, 5, 3] ^= 1
    assert one.digest() != Images(saved(tmp_path / "three.npy", images)).digest()
    folder = written(tmp_path / "folder", images)
    assert Images(folder).digest() == Images(zipped(folder)).digest()


def test_images_are_known_by_file_or_row(tmp_path):
    folder = written(tmp_path / "folder", pixels())
    assert Images(folder).name(3) == "003.png"
    assert Images(zipped(folder)).name(3) == "inside/003.png"
    assert Images(saved(tmp_path / "x.npy", pixels())).name(3) == "3"


def empty(path: Path) -> Path:
    path.mkdir()
    (path / "notes.txt").touch()
    (path / "more.txt").touch()
    return path


def other_size(path: Path) -> Path:
    written(path, pixels())
    Image.new("RGB", (9, 7)).save(path / "004.png")
    return path


def torn(path: Path) -> Path:
    written(path, pixels())
    (path / "003.png").write_bytes((path / "003.png").read_bytes()[:60])
    return path


def text(path: Path) -> Path:
    path.write_text("no array")
    return path


def objects(path: Path) -> Path:
    np.savez(path, images=np.array([None, {}], dtype=object))
    return path


def renamed(path: Path, ending: str) -> Path:
    return path.rename(path.with_suffix(ending))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path / "none", "none cannot be read .No such file or directory.; name a folder"),
        (empty, "holds no images: none of its 2 files ends in .png"),
        (other_size, "004.png is 9 x 7 pixels but 000.png is 4 x 6; bring"),
        (torn, "003.png cannot be decoded .*; mend it or take it out"),
        (lambda path: text(path.with_suffix(".npy")), "x.npy is no whole array file"),
        (lambda path: text(path.with_suffix(".npz")), "x.npz is no whole array file"),
        (lambda path: text(path.with_suffix(".zip")), "x.zip is no zip"),
        (lambda path: path.with_suffix(".npy"), "x.npy could not be read: No such file"),
        (lambda path: saved(path.with_suffix(".npy"), pixels() / 255), "holds float64, but images are uint8"),
        (lambda path: saved(path.with_suffix(".npy"), pixels() // 128), "holds the values 0 and 1, but .* by 255"),
        (lambda path: objects(path.with_suffix(".npz")), "x.npz is no whole array file"),
        (lambda path: renamed(written(path, pixels()) / "000.png", ".npz"), "000.npz is no whole array file"),
        (lambda path: saved(path.with_suffix(".npy"), pixels()[:, :, :0]), r"of shape \(5, 3, 0, 4\), but images"),
        (lambda path: saved(path.with_suffix(".npy"), pixels()[:1]), "holds 1 image, but a set needs at least 2"),
        (lambda path: saved(path.with_suffix(".npy"), pixels(channels=5)), "of shape .5, 5, 6, 4., but images are"),
        (
            lambda path: saved(path.with_suffix(".npz"), a=pixels(), b=pixels()),
            "holds a, b, but no array 'images'; name",
        ),
    ],
)
def test_what_is_no_set_of_images_is_refused_in_one_sentence(tmp_path, make, told):
    with pytest.raises(UserError, match=told) as error:
        Images(make(tmp_path / "x"))[:]
    assert "\n" not in str(error.value)


def test_given_features_may_have_logits(tmp_path):
    features, logits = np.random.default_rng(0).normal(size=(2, 4, 3))
    alone = given(saved(tmp_path / "x.npy", features))
    assert np.array_equal(alone.features, features)
    assert alone.logits is None
    both = given(saved(tmp_path / "x.npz", features=features, logits=logits))
    assert np.array_equal(both.logits, logits)
    assert np.array_equal(given(saved(tmp_path / "y.npz", features)).features, features)


def test_what_holds_no_features_is_refused(tmp_path):
    features = np.zeros((4, 3))
    with pytest.raises(
        UserError, match=r"features of shape \(4, 3\) and logits of shape \(2, 3\); give one row of each"
    ):
        given(saved(tmp_path / "x.npz", features=features, logits=features[:2]))
    with pytest.raises(UserError, match=r"features of shape \(4, 3\) and logits of shape \(\); give"):
        given(saved(tmp_path / "y.npz", features=features, logits=np.array(1)))
    with pytest.raises(UserError, match="of features; give one, or choose another feature map"):
        given(tmp_path)


def test_a_damaged_zip_is_told_while_it_is_read(tmp_path):
    archive = zipped(written(tmp_path / "x", pixels(300)))
    content = bytearray(archive.read_bytes())
    content[80] ^= 255  # within the last image, which stands first
    archive.write_bytes(bytes(content))
    images = Images(archive, 3)
    with pytest.raises(UserError, match=r"299\.png cannot be read .*; mend it or take it out"):
        images.digest()
    with pytest.raises(UserError, match=r"299\.png cannot be decoded .*; mend it or take it out"):
        images[:]


@pytest.mark.parametrize(("ending", "other"), [(".npy", ".npz"), (".npz", ".npy")])
def test_the_content_tells_npy_from_npz(tmp_path, ending, other):
    path = renamed(saved(tmp_path / f"x{ending}", pixels()), other)
    assert np.array_equal(Images(path)[:], pixels())


def test_images_of_any_size_become_squares_of_the_size_asked_for(tmp_path):
    Image.new("RGB", (12, 9), (200, 0, 0)).save(tmp_path / "a.png")
    Image.new("L", (30, 40), 90).save(tmp_path / "b.png")
    images = Images(tmp_path, channels=3, size=6)
    assert images.shape == (3, 6, 6)
    assert (images[:] == np.array([[200, 0, 0], [90, 90, 90]])[:, :, None, None]).all()
