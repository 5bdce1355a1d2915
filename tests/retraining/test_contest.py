"""Both models are scored on the same images, in the same space, as many of each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contestants import CLASSES, digits, leave, params, vae, write

from pullback import files
from pullback.errors import UserError
from pullback.retraining import contest as contests
from pullback.retraining.contest import contest, needed

RECALL = {"metric": "vae.prior.recall", "direction": "not_worse"}
TEST = (300, 420)


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    leave(tmp_path / "candidate", (0, 200), TEST)
    return tmp_path / "candidate"


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    leave(tmp_path / "champion", (0, 200), TEST)
    return tmp_path / "champion"


def scored(candidate: Path, champion: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """The sets that are scored: test, new, old."""
    found = []
    monkeypatch.setattr(contests, "_scored", lambda metrics, *sets: found.append(sets[:3]) or {})
    contest(candidate, champion, params(**more))
    return found[0]


def test_a_model_against_itself_is_neither_better_nor_worse(candidate: Path, champion: Path) -> None:
    scores, images = contest(candidate, champion, params(RECALL))
    assert images == 120
    assert scores.keys() == {"vae.prior.kid", "vae.prior.recall"}
    for score in scores.values():
        assert score.candidate == pytest.approx(score.champion)
        assert score.low is not None
        assert score.high is not None
        assert score.low <= 1e-9
        assert score.high >= -1e-9


def test_a_model_that_draws_real_images_is_better_for_sure(candidate: Path, champion: Path) -> None:
    write(candidate, "vae/prior", *digits(500, 620))
    kid = contest(candidate, champion, params())[0]["vae.prior.kid"]
    assert kid.candidate < kid.champion
    assert kid.high is not None
    assert kid.high < 0


def test_the_test_images_that_the_champion_was_trained_on_are_left_out(
    candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path / "champion", (100, 340), (340, 420))
    test, new, old = scored(candidate, tmp_path / "champion", monkeypatch)
    assert (test.images == digits(340, 420)[0]).all()
    assert len(test) == len(new) == len(old) == 80


def test_models_that_draw_images_of_different_sizes_are_not_compared(candidate: Path, champion: Path) -> None:
    files.write_json(candidate / "metrics/prepare.json", {"classes": [], "size": 12, "channels": 1})
    with pytest.raises(
        UserError, match=r"^the champion's images have size 8, those of the new model 12, so they cannot"
    ):
        contest(candidate, champion, params())


def test_too_few_test_images_are_told_in_one_sentence(candidate: Path, tmp_path: Path) -> None:
    leave(tmp_path / "champion", (0, 371), (371, 420))
    told = r"^only 49 of 120 test images are new to the champion, and 50 are needed to compare; add more images$"
    with pytest.raises(UserError, match=told):
        contest(candidate, tmp_path / "champion", params())


def test_each_is_held_against_what_it_was_trained_on_itself(
    candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path / "champion", (100, 200), TEST)
    _, new, old = scored(candidate, tmp_path / "champion", monkeypatch)
    assert (new.train.images == digits(0, 200)[0]).all()
    assert (old.train.images == digits(100, 200)[0]).all()
    assert (old.train.features == new.train.features[100:]).all()


def test_no_more_images_are_compared_than_params_say(
    candidate: Path, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [len(each) for each in scored(candidate, champion, monkeypatch, evaluate_images=60)] == [60] * 3


def test_labels_of_the_champion_mean_the_classes_of_the_same_names(
    candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion calls the digits backwards, and knows a class that the candidate has not."""
    leave(tmp_path / "champion", (0, 200), TEST, classes=["gone", *reversed(CLASSES[:9])])
    _, _, old = scored(candidate, tmp_path / "champion", monkeypatch)
    train = digits(0, 200)[1]
    assert (old.train.labels == np.where(train == 0, -1, 9 - train)).all()
    assert set(old.labels) == {-1, *range(9)}
    shares = [(old.labels == label).sum() for label in range(9)]
    assert shares == pytest.approx([(train == 9 - label).sum() * 120 / 200 for label in range(9)], abs=1)


def test_a_champion_without_classes_has_labels_of_none(
    candidate: Path, champion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write_json(champion / "metrics/prepare.json", {"classes": [], "size": 8, "channels": 1})
    files.write_array(champion / "data/images/train/labels.npy", np.full(200, -1))
    vae(champion / "models/vae", seed=0, conditional=False)
    _, _, old = scored(candidate, champion, monkeypatch)
    assert set(old.labels) == {-1}


def test_what_is_fetched_of_a_revision_is_what_is_read(candidate: Path, champion: Path) -> None:
    for folder, paths in zip((candidate, champion), needed(["vae"]), strict=True):
        for file in [path for path in folder.rglob("*") if path.is_file()]:
            if not any(file.is_relative_to(folder / path) for path in paths):
                file.unlink()
    scores, _ = contest(candidate, champion, params())
    assert scores
