import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pullback import config
from pullback.errors import UserError
from pullback.features import classifier

CPU = torch.device("cpu")
TINY = classifier.Params(width=4, budget_images=1600, batch_size=16)


def stripes(n: int, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of horizontal (class 0) and vertical (class 1) stripes, in three colours."""
    rng = np.random.default_rng(n)
    labels = np.arange(n) % 2
    bright = np.indices((size, size))[labels] % 2
    images = 100 + 80 * bright[:, None] + rng.integers(-60, 60, (n, 3, size, size))
    return images.astype(np.uint8), labels


def trained(folder: Path, params: classifier.Params = TINY, seed: int = 0) -> bytes:
    """The weights of a classifier of stripes."""
    folder.mkdir(exist_ok=True)
    classifier.build(*stripes(100), 2, params, seed, CPU, folder)
    return (folder / "classifier.safetensors").read_bytes()


def test_it_separates_two_easy_classes(tmp_path):
    trained(tmp_path)
    feature_map = classifier.load(tmp_path, CPU)
    images, labels = stripes(301)
    features, logits = feature_map(images)
    assert features.shape == (301, 16)
    assert logits.shape == (301, 2)
    assert features.dtype == logits.dtype == np.float32
    accuracy = classifier.scores(feature_map, images, labels)["test_accuracy"]
    assert accuracy == (logits.argmax(1) == labels).mean()
    assert accuracy > 0.95


@pytest.mark.parametrize("batch", [1, 7, 64, 301])
def test_features_do_not_depend_on_the_batch(tmp_path, batch):
    trained(tmp_path, TINY.model_copy(update={"budget_images": 64}))
    feature_map = classifier.load(tmp_path, CPU)
    images, _ = stripes(301)
    for some, usual in zip(feature_map(images, batch), feature_map(images), strict=True):
        np.testing.assert_allclose(some, usual, rtol=0, atol=1e-5)


def test_it_says_what_it_is_and_takes_the_shape_that_it_was_trained_on(tmp_path):
    trained(tmp_path, TINY.model_copy(update={"budget_images": 64}))
    feature_map = classifier.load(tmp_path, CPU)
    assert (feature_map.name, feature_map.resize, feature_map.shape) == ("classifier", "none", (3, 8, 8))
    assert re.fullmatch("[0-9a-f]{16}", feature_map.digest)
    with pytest.raises(
        UserError, match=r"'classifier' takes images of shape \(3, 8, 8\).*, not \(3, 9, 9\); .*inception"
    ):
        feature_map(stripes(2, size=9)[0])


def test_the_digest_tells_weights_apart(tmp_path):
    short = TINY.model_copy(update={"budget_images": 64})
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        trained(tmp_path / name, short, seed)
    first, same, other = (classifier.load(tmp_path / name, CPU).digest for name in "abc")
    assert first == same != other


def test_it_is_trained_and_asked_without_a_folder():
    images, labels = stripes(301)
    model = classifier.fit(*stripes(100), 2, TINY, 0, CPU)
    assert not model.training
    predicted = classifier.predict(model, images, CPU)
    assert predicted.dtype == np.int64
    assert predicted.shape == (301,)
    assert (predicted == labels).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    short = TINY.model_copy(update={"budget_images": 64})
    first = trained(tmp_path / "a", short)
    torch.rand(3)  # the state of the global generator does not matter
    assert trained(tmp_path / "b", short) == first
    assert trained(tmp_path / "c", short, seed=1) != first


def test_the_global_generator_is_left_as_it_was(tmp_path):
    before = torch.get_rng_state()
    trained(tmp_path, TINY.model_copy(update={"budget_images": 16}))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [8, 13, 128])
def test_every_size_fits(tmp_path, size):
    images, labels = stripes(8, size)
    classifier.build(images, labels, 2, classifier.Params(width=4, budget_images=4, batch_size=4), 0, CPU, tmp_path)
    assert classifier.load(tmp_path, CPU)(images)[0].shape == (8, 16)


@pytest.mark.parametrize(("label", "classes"), [(-1, 0), (-1, 1), (0, 1)])
def test_images_without_classes_are_told(tmp_path, label, classes):
    images, _ = stripes(4)
    with pytest.raises(UserError, match=r"at least two labelled classes; set features\.name to 'pixels'"):
        classifier.build(images, np.full(4, label), classes, TINY, 0, CPU, tmp_path)
    assert not list(tmp_path.iterdir())


def test_shifts_move_images_by_whole_pixels_and_repeat_the_border():
    image = torch.arange(100.0).reshape(1, 1, 10, 10)
    shifted = classifier._shifted(image.repeat(200, 1, 1, 1), 0.1, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    possible = [padded[0, 0, i : i + 10, j : j + 10] for i in range(3) for j in range(3)]
    counts = [sum(torch.equal(each[0], one) for each in shifted) for one in possible]
    assert sum(counts) == 200
    assert min(counts) > 5


def test_digits_with_the_shipped_parameters(tmp_path):
    """At least 97 % of the held-out digits get their class."""
    params = config.read(Path(__file__).parents[2] / "params.yaml").features.maps["classifier"]
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    train, test, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=0.33, stratify=digits.target, random_state=0
    )
    classifier.build(train, train_labels, 10, params, 0, CPU, tmp_path)
    assert classifier.scores(classifier.load(tmp_path, CPU), test, test_labels)["test_accuracy"] >= 0.97


def test_a_trainer_gives_classifiers_that_name_images():
    train = classifier.trainer(CPU)
    predict = train(*stripes(100), 3200, 0)
    images, labels = stripes(60)
    assert (predict(images) == labels).mean() > 0.9
    assert np.array_equal(train(*stripes(100), 3200, 0)(images), predict(images))
