import numpy as np

from pullback.evaluation._classes import by_class, class_count, seen
from pullback.evaluation._set import Set


def test_hits_are_counted_class_by_class_and_images_without_a_label_are_not():
    labels = np.array([0, 2, 2, -1, 0, 2])
    hits = np.array([True, True, False, True, True, False])
    assert by_class(hits, labels, 4) == {"hits": [2, 0, 1, 0], "images": [2, 0, 3, 0]}


def test_classes_are_those_that_any_set_names():
    unlabelled = Set(np.zeros((2, 1)))
    named = Set(np.zeros((2, 1)), labels=np.array([-1, 3]))
    assert class_count(unlabelled, named, None) == 4
    assert class_count(unlabelled, None) == 0


def test_the_feature_map_sees_classes_only_where_it_knows_as_many():
    images = Set(np.zeros((2, 1)), np.eye(3)[[2, 0]])
    assert seen(images, 3).tolist() == [2, 0]
    assert seen(images, 4) is None
    assert seen(Set(np.zeros((2, 1))), 3) is None
