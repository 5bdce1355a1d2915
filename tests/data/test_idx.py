"""MNIST from its real files, and its relatives from small ones of the same format."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from pullback._torchvision import datasets
from pullback.data import _idx, fashion_mnist, kmnist, mnist
from pullback.errors import UserError

REAL = Path(os.environ.get("PULLBACK_TEST_MNIST", Path(__file__).parents[3] / "shared" / "data" / "mnist"))
real = pytest.mark.skipif(not REAL.is_dir(), reason="no MNIST: set PULLBACK_TEST_MNIST to the folder of its four files")
RELATIVES = [(fashion_mnist, datasets.FashionMNIST), (kmnist, datasets.KMNIST)]


def idx(values) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


@pytest.fixture
def small() -> dict[str, bytes]:
    """The four files of a set of 6 + 4 images, not gzipped."""
    rng = np.random.default_rng(0)
    return {
        f"{prefix}-{what}": idx(rng.integers(0, 10, shape, dtype=np.uint8))
        for prefix, n in (("train", 6), ("t10k", 4))
        for what, shape in (("images-idx3-ubyte", (n, 28, 28)), ("labels-idx1-ubyte", (n,)))
    }


def publish(monkeypatch, published, packed: dict[str, bytes], mirrors: list[str]) -> None:
    """Makes `packed` the files that torchvision knows."""
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(published, "resources", resources)
    monkeypatch.setattr(published, "mirrors", mirrors)


def gzipped(contents: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in contents.items()}


def put(folder: Path, contents: dict[str, bytes]) -> str:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return str(folder)


def check_real(raw: Path) -> None:
    dataset = mnist.read(raw)
    assert sorted(path.name for path in raw.iterdir()) == sorted(mnist.MD5)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (len(train.names), len(test.names)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert train.decode(0).shape == (1, 28, 28)
    pixels = np.stack([train.decode(index) for index in range(60_000)])
    assert pixels.mean() / 255 == pytest.approx(0.1307, abs=5e-5)  # the published mean


@real
def test_real_mnist_from_a_folder(tmp_path):
    mnist.download(str(REAL), tmp_path)
    check_real(tmp_path)


@real
def test_real_mnist_over_http(tmp_path, site):
    site.files = {f"set/{path.name}": path.read_bytes() for path in REAL.iterdir()}
    mnist.download(f"{site.url}/set/", tmp_path)
    check_real(tmp_path)


def test_mnist_is_checked_by_its_unpacked_content(tmp_path, small):
    for name, contents in (("plain", small), ("packed", gzipped(small))):
        with pytest.raises(
            UserError, match=r"train-images-idx3-ubyte\S* has the md5 \w+, not 6bbc9ace898e44ae57da46a3"
        ):
            mnist.download(put(tmp_path / name, contents), tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(("module", "published"), RELATIVES)
@pytest.mark.parametrize("packing", ["packed", "plain"])
def test_relatives_from_a_folder_and_over_http(monkeypatch, tmp_path, site, small, module, published, packing):
    publish(monkeypatch, published, gzipped(small), [])
    contents = small if packing == "plain" else gzipped(small)
    site.files = contents
    for source, raw in ((put(tmp_path / "set", contents), tmp_path / "a"), (site.url, tmp_path / "b")):
        module.download(source, raw)
        dataset = module.read(raw)
        assert {path.name: path.read_bytes() for path in raw.iterdir()} == small
        assert {name: len(split.names) for name, split in dataset.splits.items()} == {"train": 6, "test": 4}
        pixels = np.stack([dataset.splits["test"].decode(index) for index in range(4)])
        assert pixels.tobytes() == small["t10k-images-idx3-ubyte"][16:]
        assert dataset.splits["train"].labels.tolist() == list(small["train-labels-idx1-ubyte"][8:])
        assert len(dataset.classes) == 10


def test_second_mirror_serves_where_the_first_fails(monkeypatch, tmp_path, site, small):
    publish(monkeypatch, datasets.KMNIST, gzipped(small), [f"{site.url}/gone/", f"{site.url}/"])
    site.files = gzipped(small)
    kmnist.download(None, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == small


def test_absent_file_is_told_with_its_address(tmp_path, site):
    with pytest.raises(UserError, match=rf"{site.url}/train-images-idx3-ubyte answered 404"):
        kmnist.download(site.url, tmp_path)
    assert not list(tmp_path.iterdir())


def test_packed_relative_is_checked_by_its_published_digest(monkeypatch, tmp_path, small):
    publish(monkeypatch, datasets.KMNIST, gzipped(small), [])
    other = gzipped({name: content + b"!" for name, content in small.items()})
    with pytest.raises(UserError, match="has the md5"):
        kmnist.download(put(tmp_path / "set", other), tmp_path / "raw")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x08\x01", b"\0\0\x08\x01\0\0\0\x05abcd", b"\0\0\x0d\x01\0\0\0\x01a", b"<html></html>"],
)
def test_plain_relative_must_be_whole_idx(tmp_path, small, content):
    small["train-images-idx3-ubyte"] = content
    with pytest.raises(UserError, match="train-images-idx3-ubyte is no whole IDX file"):
        kmnist.download(put(tmp_path / "set", small), tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_torn_gzip_is_told(tmp_path, small):
    packed = {name: content[:-20] for name, content in gzipped(small).items()}
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte.gz is no whole gzip file"):
        mnist.download(put(tmp_path / "set", packed), tmp_path / "raw")


def test_labels_must_match_the_images(tmp_path, small):
    small["train-labels-idx1-ubyte"] = small["t10k-labels-idx1-ubyte"]
    kmnist.download(put(tmp_path / "set", small), tmp_path / "raw")
    with pytest.raises(UserError, match="6 train images, but 4 labels"):
        kmnist.read(tmp_path / "raw")


def test_header_gives_the_shape():
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(_idx.array("x", np.frombuffer(idx(values), dtype=np.uint8)), values)
