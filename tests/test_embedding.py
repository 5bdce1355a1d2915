"""Images become features on one process or several, with the same numbers."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pullback import embedding, files
from pullback.errors import UserError
from pullback.evaluation.fid import Moments
from pullback.features import classifier, pixels
from pullback.sets import Images

CPU = torch.device("cpu")


@pytest.fixture
def images(tmp_path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (700, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", values)
    return tmp_path / "images.npy"


@pytest.fixture
def extractor(tmp_path, images) -> Path:
    labels = np.arange(700) % 3
    params = classifier.Params(width=4, budget_images=640)
    classifier.build(np.load(images), labels, 3, params, 0, CPU, tmp_path / "extractor")
    return tmp_path / "extractor"


def embedded(out: Path, images: Path, extractor: Path, devices: int) -> Path:
    embedding.embed_to(
        out,
        partial(files.read_array, images, mmap=True),
        partial(classifier.load, extractor),
        title="",
        accelerator="cpu",
        devices=devices,
    )
    return out


def test_features_logits_and_moments_are_those_of_the_map(tmp_path, images, extractor):
    found = embedding.read(embedded(tmp_path / "out", images, extractor, 1))
    features, logits = classifier.load(extractor, CPU)(np.load(images))
    assert np.array_equal(found.features, features)
    assert np.array_equal(found.logits, logits)
    expected = Moments()
    expected.update(features)
    assert found.moments.count == 700
    np.testing.assert_allclose(found.moments.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.moments.covariance, expected.covariance, rtol=1e-9, atol=1e-12)


def test_two_processes_give_the_same_numbers(tmp_path, images, extractor):
    one, two = (embedding.read(embedded(tmp_path / str(n), images, extractor, n)) for n in (1, 2))
    np.testing.assert_allclose(two.features, one.features, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.logits, one.logits, rtol=0, atol=1e-9)
    assert two.moments.count == one.moments.count
    np.testing.assert_allclose(two.moments.mean, one.moments.mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(two.moments.covariance, one.moments.covariance, rtol=0, atol=1e-9)
    assert sorted(path.name for path in (tmp_path / "2").iterdir()) == [
        "features.npy",
        "logits.npy",
        "moments.safetensors",
    ]


def test_a_mistake_in_one_of_two_processes_is_told_as_such(tmp_path, images, extractor):
    np.save(images, np.load(images)[:, :, :, :7])
    with pytest.raises(UserError, match="classifier"):
        embedded(tmp_path / "out", images, extractor, 2)
    assert not list((tmp_path / "out").iterdir())


def test_maps_without_logits_leave_no_file_of_them(tmp_path, images):
    load = partial(pixels.load, tmp_path)
    embedding.embed_to(tmp_path / "out", partial(Images, images), load, title="", accelerator="cpu")
    assert embedding.read(tmp_path / "out").logits is None


@pytest.mark.parametrize(("n", "batch", "world"), [(1, 256, 1), (700, 256, 2), (700, 256, 5), (512, 256, 2), (9, 1, 4)])
def test_the_processes_share_all_batches(n, batch, world):
    shares = [list(embedding._batches(n, batch, rank, world)) for rank in range(world)]
    rows = [row for share in shares for rows in share for row in range(n)[rows]]
    assert rows == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
