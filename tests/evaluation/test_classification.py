import numpy as np
import pytest

from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.classification import (
    Params,
    augmentation_gain,
    classification_accuracy_score,
    findings,
    scores,
)

OPTIONS = {"budget_images": 100, "seed": 0}
CENTRES = np.random.default_rng(9).integers(60, 196, size=(4, 1, 3, 3))


def drawn(n, seed, spread=40, classes=4, **others):
    """n images of four classes, each about its own mean."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    images = (CENTRES[labels] + spread * rng.normal(size=(n, 1, 3, 3))).clip(0, 255).astype(np.uint8)
    return Set(np.zeros((n, 1)), images=images, labels=labels, **others)


def with_labels(given, labels):
    return Set(given.features, given.logits, given.images, labels, given.train, given.fit)


def nearest_centroid(images, labels, budget, seed):
    from sklearn.neighbors import NearestCentroid

    fitted = NearestCentroid().fit(images.reshape(len(images), -1), labels)
    return lambda others: fitted.predict(others.reshape(len(others), -1))


TEST = drawn(400, 0)


def accuracy(fake, test=TEST):
    return classification_accuracy_score(nearest_centroid, fake, test, **OPTIONS)


def test_right_labels_score_as_real_images_do_and_shuffled_ones_at_chance():
    fake = drawn(300, 1)
    right = accuracy(fake)
    assert right.value > 0.75
    assert right.low < right.value < right.high
    assert (right.n_real, right.n_fake) == (400, 300)
    # sixty images per class and a random name each: chance is a quarter
    values = [
        accuracy(with_labels(fake, np.random.default_rng(seed).permutation(fake.labels))).value for seed in range(20)
    ]
    assert np.mean(values) == pytest.approx(0.25, abs=0.1)


def test_the_score_is_the_share_named_right():
    learned = []

    def fit(images, labels, budget, seed):
        learned.append((len(images), budget, seed))
        return lambda others: np.zeros(len(others), int)

    assert classification_accuracy_score(fit, drawn(40, 1), TEST, budget_images=77, seed=5).value == 0.25
    assert learned == [(40, 77, 5)]


def test_images_without_a_label_do_not_count():
    fake, test = drawn(80, 1), drawn(100, 2)
    fake.labels[::2], test.labels[:60] = -1, -1
    estimate = accuracy(fake, test)
    assert (estimate.n_real, estimate.n_fake) == (40, 40)
    assert estimate == accuracy(fake[np.arange(1, 80, 2)], test[np.arange(60, 100)])


def test_a_generator_of_one_class_scores_the_share_of_that_class():
    one = drawn(50, 1, classes=1)
    assert accuracy(one).value == 0.25
    refuse = {"fit": lambda *_: pytest.fail("nothing to learn")}
    assert classification_accuracy_score(fake=one, test=TEST, **refuse, **OPTIONS).value == 0.25


def test_more_images_help_a_classifier_with_few_and_wrong_ones_harm():
    train, fake = drawn(8, 3, spread=80), drawn(400, 4)
    gain = augmentation_gain(nearest_centroid, train, fake, TEST, **OPTIONS)
    assert gain.low > 0.05
    wrong = with_labels(fake, (fake.labels + 1) % 4)
    assert augmentation_gain(nearest_centroid, drawn(100, 5), wrong, TEST, **OPTIONS).high < -0.3
    both = Set(
        np.zeros((408, 1)),
        images=np.concatenate([train.images, fake.images]),
        labels=np.concatenate([train.labels, fake.labels]),
    )
    assert gain.value == pytest.approx(accuracy(both).value - accuracy(train).value, abs=1e-12)


def test_the_interval_of_the_gain_is_that_of_pairs():
    """Of 40 images 8 become right and 2 wrong: Agresti and Min (2005), Statistics in Medicine 24, section 4."""
    test = drawn(40, 0)
    other = (test.labels + 1) % 4
    before, after = test.labels.copy(), test.labels.copy()
    before[:8], after[8:10] = other[:8], other[8:10]
    gain = augmentation_gain(
        lambda images, *_: lambda _others: after if len(images) > 20 else before,
        drawn(20, 1),
        drawn(9, 2),
        test,
        **OPTIONS,
    )
    centre, error = 6 / 42, np.sqrt(11 / 42 - (6 / 42) ** 2) / np.sqrt(42)
    assert gain.value == pytest.approx(6 / 40)
    assert (gain.low, gain.high) == pytest.approx((centre - 1.96 * error, centre + 1.96 * error), abs=1e-5)


def test_equal_answers_leave_an_interval_about_zero():
    gain = augmentation_gain(nearest_centroid, drawn(100, 1), drawn(4, 1), TEST, **OPTIONS)
    assert gain.low < 0 < gain.high


def test_labels_are_the_models_or_else_the_feature_maps():
    train = drawn(60, 1)
    fake = drawn(100, 2, fit=nearest_centroid, train=train, logits=np.eye(4)[np.zeros(100, int)])
    by_map = with_labels(fake, None)
    unlabelled = with_labels(fake, np.full(100, -1))
    own = scores(TEST, fake, Params(), seed=0)
    assert own == {
        "classification_accuracy": accuracy(fake),
        "augmentation_gain": augmentation_gain(nearest_centroid, train, fake, TEST, **OPTIONS),
    }
    assert findings(TEST, fake, Params(), seed=0) == {"labels": "of the model"}
    for each in (by_map, unlabelled):
        assert scores(TEST, each, Params(), seed=0)["classification_accuracy"].value == 0.25
        assert findings(TEST, each, Params(), seed=0) == {"labels": "by the feature map"}


def test_agreement_counts_class_by_class_where_the_feature_map_sees_what_was_asked_for():
    labels = np.array([0, 0, 1, 1, 1, 3])
    images = np.zeros((6, 1, 2, 2), np.uint8)
    made = Set(np.zeros((6, 1)), np.eye(4)[[0, 1, 1, 1, 2, 0]], images, labels)
    held_out = Set(np.zeros((6, 1)), np.eye(4)[labels], images, labels)
    assert findings(held_out, made, Params(), seed=0)["agreement"] == {
        "real": {"hits": [2, 3, 0, 1], "images": [2, 3, 0, 1]},
        "fake": {"hits": [1, 2, 0, 0], "images": [2, 3, 0, 1]},
    }
    assert findings(held_out, with_labels(made, None), Params(), seed=0) == {"labels": "by the feature map"}


def test_scores_need_labels_images_and_a_classifier():
    fake = drawn(40, 1, fit=nearest_centroid)
    assert scores(TEST, fake, Params(), seed=0).keys() == {"classification_accuracy"}
    assert scores(TEST, drawn(40, 1), Params(), seed=0) == {}
    assert scores(Set(TEST.features), fake, Params(), seed=0) == {}
    assert scores(with_labels(TEST, TEST.labels * 0 - 1), fake, Params(), seed=0) == {}
    without = with_labels(fake, None)
    assert scores(TEST, without, Params(), seed=0) == findings(TEST, without, Params(), seed=0) == {}
    of_other_classes = Set(without.features, np.zeros((40, 1000)), without.images, fit=nearest_centroid)
    assert scores(TEST, of_other_classes, Params(), seed=0) == {}


def test_sets_without_labels_are_refused():
    bare = Set(np.zeros((9, 1)))
    with pytest.raises(UserError, match="fake has no images with labels, which a classifier needs; give both"):
        accuracy(bare)
    with pytest.raises(UserError, match="test has no images with labels"):
        accuracy(TEST, bare)
    with pytest.raises(UserError, match="train has no images with labels"):
        augmentation_gain(nearest_centroid, bare, TEST, TEST, **OPTIONS)
