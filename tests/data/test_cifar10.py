"""CIFAR-10 from a tiny archive in the true format."""

import hashlib
import pickle
import tarfile
from io import BytesIO

import numpy as np
import pytest

from pullback._torchvision import datasets
from pullback.data import cifar10
from pullback.errors import UserError

NAMES = [f"class {label}" for label in range(10)]


@pytest.fixture
def archive(monkeypatch):
    """The archive's bytes, two images per batch, made the published ones; and the images of all six batches."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (6, 2, 3, 32, 32), dtype=np.uint8)
    batches = {f"data_batch_{i + 1}": {"data": data[i].reshape(2, -1), "labels": [i, 9 - i]} for i in range(5)}
    batches["test_batch"] = {"data": data[5].reshape(2, -1), "labels": [3, 4]}
    batches["batches.meta"] = {"label_names": NAMES}
    contents = {name: pickle.dumps(batch, protocol=2) for name, batch in batches.items()}
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    digests = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    published = datasets.CIFAR10
    monkeypatch.setattr(published, "train_list", [[f"data_batch_{i}", digests[f"data_batch_{i}"]] for i in range(1, 6)])
    monkeypatch.setattr(published, "test_list", [["test_batch", digests["test_batch"]]])
    monkeypatch.setattr(published, "meta", published.meta | {"md5": digests["batches.meta"]})
    monkeypatch.setattr(published, "tgz_md5", hashlib.md5(buffer.getvalue()).hexdigest())
    return buffer.getvalue(), data


@pytest.mark.parametrize("way", ["published", "folder", "url", "file"])
def test_images_labels_and_classes(tmp_path, monkeypatch, site, archive, way):
    content, data = archive
    name = datasets.CIFAR10.filename
    site.files[name] = content
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{site.url}/{name}")
    sources = {"published": None, "folder": str(tmp_path), "url": site.url, "file": str(tmp_path / name)}
    cifar10.download(sources[way], tmp_path / "raw")
    dataset = cifar10.read(tmp_path / "raw")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert np.array_equal(np.stack([train.decode(index) for index in range(10)]), data[:5].reshape(10, 3, 32, 32))
    assert np.array_equal(np.stack([test.decode(index) for index in range(2)]), data[5])
    assert train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    assert test.labels.tolist() == [3, 4]
    assert list(dataset.classes) == NAMES


def test_other_bytes_are_never_unpickled(tmp_path, archive):
    (tmp_path / datasets.CIFAR10.filename).write_bytes(archive[0] + b"\0")
    with pytest.raises(UserError, match="has the md5"):
        cifar10.download(str(tmp_path), tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())
