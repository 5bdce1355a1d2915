"""What may be trained on, and what stops: counts with known shares, and digits that are changed in known ways."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from pullback.config import MaxDrift
from pullback.drift import Check, Counts, judge, report

RNG = np.random.default_rng(0)
DIGITS = load_digits().data[RNG.permutation(1797)] / 4
"""Features (n, 64) of 1797 images: their pixels, from 0 to 4."""
OFF = MaxDrift(fewer=None, broken=None, class_share=None, fid=None, kid=None)
NONE = np.empty((0, 1))


def counted(broken: int = 0, duplicates: int = 0, **classes: int) -> Counts:
    images = sum(classes.values())
    return Counts(images, broken, images + broken + duplicates, classes)


def checked(old: Counts, new: Counts, **limits: float) -> list[Check]:
    return judge(old, new, NONE, NONE, OFF.model_copy(update=limits), seed=0)


def far(new: NDArray[np.floating], old: NDArray[np.floating] = DIGITS[:1200], **limits: float) -> list[Check]:
    return judge(counted(a=1), counted(a=1), old, new, OFF.model_copy(update=limits or {"fid": 1.0, "kid": 0.05}), 0)


def test_counts_are_those_of_metrics_prepare() -> None:
    prepared = {
        "images": {"train": 7, "test": 3},
        "per_class": {"train": {"a": 5, "b": 2}, "test": {"a": 1, "b": 2}},
        "classes": ["a", "b"],
        "dropped": {"broken": 4, "duplicates": 6, "leaked": 1},
    }
    assert Counts.of(prepared) == Counts(images=10, broken=4, found=20, classes={"a": 6, "b": 4})


@pytest.mark.parametrize(("left", "ok"), [(2000, True), (1000, True), (700, True), (699, False)])
def test_a_set_may_grow_and_not_shrink_by_more_than_a_share(left: int, ok: bool) -> None:
    (check,) = checked(counted(a=1000), counted(a=left), fewer=0.3)
    assert (check.name, check.old, check.new, check.limit, check.ok) == ("images", 1000, left, 0.3, ok)
    assert check.sentence == f"{left:,} images are left where 1,000 were; 30.0% of them may be gone"


@pytest.mark.parametrize(("broken", "ok"), [(0, True), (20, True), (21, False)])
def test_the_share_of_broken_images_may_not_rise_by_more(broken: int, ok: bool) -> None:
    (check,) = checked(counted(a=980, broken=10, duplicates=10), counted(a=1000 - broken, broken=broken), broken=0.01)
    assert (check.old, check.new, check.ok) == (0.01, broken / 1000, ok)


def test_a_class_that_floods_the_set_stops() -> None:
    old = counted(**{f"c{i}": 100 for i in range(10)})
    vanished, share = checked(old, counted(**old.classes | {"c3": 300}), class_share=0.1)
    assert vanished.ok
    assert not share.ok
    assert share.sentence == "'c3' moved most, from 10.0% to 25.0% of the images; 10.0% is allowed"


def test_chance_in_a_hundred_small_classes_does_not_stop() -> None:
    old, new = ({f"c{i}": n for i, n in enumerate(1 + RNG.poisson(10, 100))} for _ in range(2))
    assert all(check.ok for check in checked(counted(**old), counted(**new), class_share=0.05))


def test_a_class_that_vanishes_stops_and_one_that_comes_does_not() -> None:
    old = counted(a=1000, b=1, never=0)
    vanished, share = checked(old, counted(a=1000), class_share=0.1)
    assert (vanished.ok, vanished.new, vanished.sentence) == (False, 1, "no image is left of 'b'")
    assert share.ok
    assert all(check.ok for check in checked(old, counted(a=1000, b=1, new=50), class_share=0.1))
    assert not all(check.ok for check in checked(old, counted(a=1000, b=1, new=500), class_share=0.1))


def test_images_without_labels_have_no_classes_to_check() -> None:
    assert checked(Counts(10, 0, 10, {}), Counts(10, 0, 10, {}), class_share=0.1) == []


@pytest.mark.parametrize(
    "new",
    [DIGITS[:1260], DIGITS[:1797], DIGITS[60:1200], DIGITS[1200:], DIGITS[:1200]],
    ids=["grown by 5 %", "grown by 50 %", "5 % lost", "all others", "the same"],
)
def test_more_or_fewer_images_of_the_same_kind_are_no_drift(new: NDArray[np.floating]) -> None:
    fid, kid = far(new)
    assert fid.ok
    assert kid.ok


def blurred(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    images = rows.reshape(-1, 8, 8)
    return ((images + np.roll(images, 1, axis=2) + np.roll(images, 1, axis=1)) / 3).reshape(-1, 64)


@pytest.mark.parametrize(
    "new",
    [4 - DIGITS, blurred(DIGITS), DIGITS.reshape(-1, 8, 8).transpose(0, 2, 1).reshape(-1, 64), DIGITS[:, ::-1] * 0.5],
    ids=["inverted", "blurred", "turned", "another set"],
)
def test_other_images_are_a_drift_in_both_distances(new: NDArray[np.floating]) -> None:
    fid, kid = far(new)
    assert not fid.ok
    assert not kid.ok


def test_as_many_images_of_either_set_are_compared_and_the_same_by_the_seed() -> None:
    one, two = (far(DIGITS[1200:], fid=0.0) for _ in range(2))
    assert one == two
    assert "of 597 new against as many old images" in one[0].sentence
    many = np.tile(DIGITS, (3, 1)) + RNG.normal(0, 0.1, (3 * 1797, 64))
    assert "of 2,000 new against as many" in far(many, many, kid=0.0)[0].sentence


def test_a_limit_judges_the_lower_end_of_the_interval() -> None:
    (check,) = far(4 - DIGITS, fid=1e6)
    low = float(check.sentence.split("[")[1].split(",")[0])
    assert 0 < low < check.new
    assert far(4 - DIGITS, fid=low * 1.001)[0].ok
    assert not far(4 - DIGITS, fid=low * 0.999)[0].ok


def test_few_images_stop_nothing_by_their_fid() -> None:
    assert far(4 - DIGITS[:20], DIGITS[20:60], fid=0.0)[0].ok


def test_the_report_tells_every_check() -> None:
    told = report(checked(counted(a=1000, b=500), counted(a=600), fewer=0.3, class_share=0.5))
    assert told == (
        "2 of 3 checks stop a training on these data.\n\n"
        "| check | before | now | limit | |\n"
        "|---|---:|---:|---:|---|\n"
        "| images | 1500 | 600 | 0.3 | stop |\n"
        "| vanished classes | 0 | 1 | 0 | stop |\n"
        "| class share | 0.666667 | 1 | 0.5 | ok |\n\n"
        "- 600 images are left where 1,500 were; 30.0% of them may be gone.\n"
        "- no image is left of 'b'.\n"
        "- 'a' moved most, from 66.7% to 100.0% of the images; 50.0% is allowed.\n"
    )
