"""Images as people have them: every mode and format, broken files, odd zips."""

import shutil
import struct
import zipfile
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pullback import files
from pullback.data import folder
from pullback.data._decode import BrokenImage
from pullback.data._images import prepare
from pullback.errors import UserError

RNG = np.random.default_rng(0)


def save(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image or Image.fromarray(RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8))
    image.save(path, **options)


def decoded(tmp_path, name: str):
    """The pixels of the one image SOURCE/name."""
    folder.download(str(tmp_path / "source"), tmp_path / "raw")
    split = folder.read(tmp_path / "raw").splits["all"]
    return split.decode(list(split.names).index(name))


def zipped(path, names: list[str]):
    content = BytesIO()
    Image.new("L", (4, 4)).save(content, "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content.getvalue())
    return str(path)


def read_names(tmp_path, names: list[str]):
    folder.download(zipped(tmp_path / "a.zip", names), tmp_path / "raw")
    return folder.read(tmp_path / "raw")


# modes and formats

GREY = RNG.integers(0, 256, (6, 5), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("ending", ["png", "PNG", "bmp", "tif", "tiff", "webp"])
def test_lossless_formats_keep_their_pixels(tmp_path, ending):
    save(tmp_path / "source" / f"a.{ending}", Image.fromarray(RGB), lossless=True)
    assert np.array_equal(decoded(tmp_path, f"a.{ending}"), RGB.transpose(2, 0, 1))


def test_jpeg_keeps_a_flat_colour(tmp_path):
    save(tmp_path / "source" / "a.JPEG", Image.new("RGB", (16, 16), (200, 100, 50)))
    assert abs(decoded(tmp_path, "a.JPEG").astype(int) - np.reshape([200, 100, 50], (3, 1, 1))).max() <= 2


def test_grey_and_black_and_white(tmp_path):
    save(tmp_path / "source" / "grey.png", Image.fromarray(GREY))
    save(tmp_path / "source" / "bits.png", Image.fromarray(GREY > 127))
    assert np.array_equal(decoded(tmp_path, "grey.png"), GREY[None])
    assert np.array_equal(decoded(tmp_path, "bits.png"), (GREY > 127)[None] * np.uint8(255))


def test_palette(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [2, 0]], dtype=np.uint8)).convert("L")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    save(tmp_path / "source" / "a.png", image)
    assert decoded(tmp_path, "a.png").transpose(1, 2, 0).tolist() == [
        [[255, 0, 0], [0, 255, 0]],
        [[0, 0, 255], [255, 0, 0]],
    ]


def test_transparency_lies_on_white(tmp_path):
    source = tmp_path / "source"
    save(source / "rgba.png", Image.new("RGBA", (4, 4), (255, 0, 0, 0)))
    save(source / "half.png", Image.new("RGBA", (4, 4), (0, 0, 0, 127)))
    save(source / "la.png", Image.new("LA", (4, 4), (10, 255)))
    save(source / "palette.png", Image.new("P", (4, 4), 0), transparency=0)
    save(source / "key.png", Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3))
    expected = {"rgba.png": 255, "half.png": 128, "la.png": 10, "palette.png": 255, "key.png": 255}
    for name, value in expected.items():
        assert (decoded(tmp_path, name) == value).all(), name


def test_16_bits_become_8(tmp_path):
    deep = (GREY.astype(np.uint16) * 257).astype(np.uint16)
    save(tmp_path / "source" / "a.png", Image.fromarray(deep))
    save(tmp_path / "source" / "b.tif", Image.fromarray(deep))
    save(tmp_path / "source" / "c.tif", Image.fromarray(deep.astype(np.int32)))
    for name in ("a.png", "b.tif", "c.tif"):
        assert np.array_equal(decoded(tmp_path, name), GREY[None]), name


def test_ranges_that_cannot_be_known_are_broken(tmp_path):
    save(tmp_path / "source" / "float.tif", Image.fromarray(np.ones((4, 4), dtype=np.float32)))
    save(tmp_path / "source" / "deep.tif", Image.fromarray(np.full((4, 4), 70_000, dtype=np.int32)))
    with pytest.raises(BrokenImage, match="floating-point"):
        decoded(tmp_path, "float.tif")
    with pytest.raises(BrokenImage, match="exceed 16 bits"):
        decoded(tmp_path, "deep.tif")


def test_cmyk_becomes_rgb(tmp_path):
    save(tmp_path / "source" / "a.tif", Image.new("CMYK", (4, 4), (0, 255, 255, 0)))
    assert (decoded(tmp_path, "a.tif") == np.reshape([255, 0, 0], (3, 1, 1))).all()


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), (value,) * 3) for value in (10, 200)]
    for ending in ("webp", "png", "tif"):
        save(tmp_path / "source" / f"a.{ending}", frames[0], save_all=True, append_images=frames[1:], lossless=True)
        assert (decoded(tmp_path, f"a.{ending}") == 10).all(), ending


TURNED = {
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: np.rot90(GREY, -1),
    7: GREY[::-1, ::-1].T,
    8: np.rot90(GREY),
}


@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation_is_undone(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "source" / "a.png", Image.fromarray(GREY), exif=exif)
    assert np.array_equal(decoded(tmp_path, "a.png")[0], TURNED[orientation])


# broken files


def png(width: int, height: int) -> bytes:
    """A PNG whose header promises more than its data hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


BAD = {
    "truncated.png": (None, "truncated"),
    "text.png": (b"these are notes\n", "the content is no PNG"),
    "empty.png": (b"", "the file is empty"),
    "gif.png": (b"GIF89a" + bytes(20), "the content is no PNG"),
    "bomb.png": (png(12_000, 12_000), "decompression bomb"),
    "megabomb.png": (png(60_000, 60_000), "decompression bomb"),
}


@pytest.fixture
def good(tmp_path):
    for index in range(20):
        save(tmp_path / "source" / f"{index:02}.png")
    return tmp_path / "source"


def plant(source, name: str) -> None:
    content = BAD[name][0]
    if content is None:
        whole = (source / "00.png").read_bytes()
        content = whole[: len(whole) // 2]
    (source / name).write_bytes(content)


def run(source, tmp_path, max_broken: float):
    folder.download(str(source), tmp_path / "raw")
    return prepare(
        folder.read(tmp_path / "raw"),
        tmp_path / "images",
        channels=3,
        size=8,
        test_fraction=0.25,
        max_broken=max_broken,
        seed=0,
    )


@pytest.mark.parametrize("name", BAD)
def test_one_broken_file_among_good_ones(tmp_path, good, name):
    plant(good, name)
    with pytest.raises(UserError, match=rf"1 of 21 images are broken.*{name} \(.*{BAD[name][1]}"):
        run(good, tmp_path, max_broken=0.01)
    assert not list(tmp_path.glob("images/*/*"))
    summary = run(good, tmp_path, max_broken=0.05)
    assert [image["name"] for image in summary["broken"]] == [name]
    assert BAD[name][1] in summary["broken"][0]["reason"]
    assert sum(summary["images"].values()) == 20


def test_entry_with_damaged_bytes_is_broken(tmp_path):
    path = tmp_path / "a.zip"
    zipped(path, ["a.png"])
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 255
    path.write_bytes(content)
    folder.download(str(path), tmp_path / "raw")
    with pytest.raises(BrokenImage, match="CRC"):
        folder.read(tmp_path / "raw").splits["all"].decode(0)


# folders and zips


def test_missing_sources_are_told(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("a")
    (tmp_path / "notes" / ".hidden.png").write_text("a")
    (tmp_path / "not.zip").write_text("a")
    cases = {
        None: r"data.source is null; set it",
        str(tmp_path / "none"): "none is no directory or file here; set data.source",
        str(tmp_path / "empty"): "empty holds no images: none of its 0 files ends in .png, .jpg",
        str(tmp_path / "notes"): "notes holds no images: none of its 2 files",
        str(tmp_path / "not.zip"): "not.zip is no whole zip",
        zipped(tmp_path / "bare.zip", ["a.txt"]): "bare.zip holds no images: none of its 1 files",
    }
    for source, message in cases.items():
        with pytest.raises(UserError, match=message):
            folder.download(source, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/etc/a.png", "C:/a.png", "..\\a.png", "\\a.png"])
def test_zip_entry_that_escapes_is_refused(tmp_path, name):
    source = zipped(tmp_path / "a.zip", ["fine.png", name])
    with pytest.raises(UserError, match="would escape its folder") as caught:
        folder.download(source, tmp_path / "raw")
    assert repr(name) in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_two_dots_inside_a_name_are_fine(tmp_path):
    assert list(read_names(tmp_path, ["a..b.png"]).splits["all"].names) == ["a..b.png"]


def test_packed_bytes_depend_on_the_images_alone(tmp_path):
    for name in ("one", "two"):
        for file in ("b/1.png", "a/2.PNG") if name == "one" else ("a/2.PNG", "b/1.png"):
            save(tmp_path / name / file, Image.new("L", (4, 4), 7))
        (tmp_path / name / "Thumbs.db").write_text(name)
        folder.download(str(tmp_path / name), tmp_path / f"raw-{name}")
    archives = [(tmp_path / f"raw-{name}" / "images.zip").read_bytes() for name in ("one", "two")]
    assert archives[0] == archives[1]
    with zipfile.ZipFile(BytesIO(archives[0])) as archive:
        assert archive.namelist() == ["a/2.PNG", "b/1.png"]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_sub_folders_are_classes(tmp_path):
    dataset = read_names(tmp_path, ["cat/deep/2.png", "dog/1.png", "cat/1.png", "dog/.DS_Store.png", "__MACOSX/x.png"])
    assert dataset.classes == ["cat", "dog"]
    assert list(dataset.splits["all"].names) == ["cat/1.png", "cat/deep/2.png", "dog/1.png"]
    assert dataset.splits["all"].labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("root", ["", "photos/", "./"])
def test_images_without_folders_have_no_label(tmp_path, root):
    dataset = read_names(tmp_path, [f"{root}b.png", f"{root}a.png"])
    assert dataset.classes == []
    assert dataset.splits["all"].labels.tolist() == [-1, -1]


@pytest.mark.parametrize("root", ["", "photos/"])
def test_published_split_is_kept(tmp_path, root):
    names = ["train/cat/1.png", "train/dog/1.png", "test/dog/2.png"]
    dataset = read_names(tmp_path, [root + name for name in names])
    assert dataset.classes == ["cat", "dog"]
    assert dataset.splits["train"].labels.tolist() == [0, 1]
    assert dataset.splits["test"].labels.tolist() == [1]
    assert list(dataset.splits["test"].names) == [f"{root}test/dog/2.png"]


def test_ambiguous_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="has val beside train and test"):
        read_names(tmp_path, ["train/1.png", "test/2.png", "val/3.png"])
    with pytest.raises(UserError, match=r"loose.png and 0 more images lie beside class folders"):
        read_names(tmp_path, ["cat/1.png", "loose.png"])


def test_planted_duplicate_between_train_and_test(tmp_path):
    for index in range(4):
        save(tmp_path / "source" / "train" / f"{index}.png")
        save(tmp_path / "source" / "test" / f"{index}.png")
    copy = Image.open(tmp_path / "source" / "test" / "3.png")
    save(tmp_path / "source" / "train" / "copy.bmp", copy)
    summary = run(tmp_path / "source", tmp_path, max_broken=0.0)
    assert [(pair["name"], pair["of"]) for pair in summary["duplicates"]] == [("train/copy.bmp", "test/3.png")]
    assert summary["dropped"]["leaked"] == 1
    assert len(files.read_array(tmp_path / "images" / "test" / "images.npy")) == 4


# sources that change, and those on the web


@pytest.mark.parametrize("name", ["09.png", "00.png"])
def test_a_folder_into_which_a_program_writes_meanwhile_is_refused(tmp_path, good, monkeypatch, name):
    """Whether the file that it writes was read already or not."""
    copy = shutil.copyfileobj

    def written(original, target):
        copy(original, target)
        (good / name).write_bytes(b"half")

    monkeypatch.setattr(shutil, "copyfileobj", written)
    with pytest.raises(UserError, match=rf"{name} changed while it was read; run again when nothing writes into .*e$"):
        folder.download(str(good), tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())


def test_an_image_that_vanishes_meanwhile_is_told(tmp_path, good, monkeypatch):
    copy = shutil.copyfileobj

    def removed(original, target):
        copy(original, target)
        (good / "09.png").unlink(missing_ok=True)

    monkeypatch.setattr(shutil, "copyfileobj", removed)
    with pytest.raises(UserError, match=r"09\.png could not be read: No such file"):
        folder.download(str(good), tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())


def test_a_new_image_does_not_disturb_those_that_are_read(tmp_path, good, monkeypatch):
    copy = shutil.copyfileobj

    def added(original, target):
        copy(original, target)
        (good / "new.png").write_bytes(b"half")

    monkeypatch.setattr(shutil, "copyfileobj", added)
    folder.download(str(good), tmp_path / "raw")
    assert len(folder.read(tmp_path / "raw").splits["all"].names) == 20


def test_a_zip_that_is_replaced_meanwhile_is_refused(tmp_path, monkeypatch):
    source = zipped(tmp_path / "a.zip", ["cat/1.png"])

    def replaced(original, target):
        zipped(tmp_path / "a.zip", ["cat/1.png", "cat/2.png"])

    monkeypatch.setattr(shutil, "copyfileobj", replaced)
    with pytest.raises(UserError, match=r"a\.zip changed while it was read"):
        folder.download(source, tmp_path / "raw")


def test_a_zip_on_the_web(tmp_path, site):
    zipped(tmp_path / "a.zip", ["cat/1.png", "dog/1.png"])
    site.files["a.zip"] = (tmp_path / "a.zip").read_bytes()
    folder.download(f"{site.url}/a.zip", tmp_path / "raw")
    assert folder.read(tmp_path / "raw").classes == ["cat", "dog"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>log in</html>", "is no whole zip"), (None, "answered 404"), (["../a.png"], "would escape its folder")],
)
def test_what_is_no_zip_of_images_on_the_web_leaves_nothing(tmp_path, site, content, message):
    if isinstance(content, list):
        zipped(tmp_path / "a.zip", content)
        content = (tmp_path / "a.zip").read_bytes()
    if content:
        site.files["a.zip"] = content
    with pytest.raises(UserError, match=rf"{site.url}/a\.zip.*{message}"):
        folder.download(f"{site.url}/a.zip", tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())
