"""A journal is on the disk whole or not at all, and gone at the end."""

import re
from pathlib import Path

import pytest

from pullback.retraining import journal
from pullback.retraining.journal import Journal, Outcome


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def begun() -> Journal:
    return journal.begin("0123abc", "main", imports=["images.dvc"], settings="4567")


def test_a_journal_is_there_from_its_first_saving_to_its_end(root: Path) -> None:
    found = begun()
    assert journal.unfinished() is None
    found.save()
    assert journal.unfinished() == found
    assert (found.commit, found.branch, found.imports, found.settings) == ("0123abc", "main", ["images.dvc"], "4567")
    assert journal.path().is_relative_to(root / ".pullback")
    for _ in range(2):
        journal.end()
        assert journal.unfinished() is None


def test_all_that_was_found_and_decided_comes_back() -> None:
    found = begun()
    found.manifest = {"snapshot": "89ab.dir", "images": 450}
    found.revision, found.made, found.target = "r", "m", "t"
    found.versions, found.replaced = {"vae": "2"}, {"vae": None}
    scores = {"vae.prior.kid": {"candidate": 0.1, "champion": 0.2, "low": -0.2, "high": None}}
    found.outcome = Outcome(verdict="passed", reasons=["better"], scores=scores, cost={"device_hours": 1.5})
    found.save()
    assert journal.unfinished() == found


def test_a_kill_while_it_is_written_leaves_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    found = begun()
    found.save()
    found.revision = "new"

    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        found.save()
    left = journal.unfinished()
    assert left is not None
    assert left.revision is None


def test_each_has_a_key_of_its_own_that_names_an_experiment() -> None:
    keys = {begun().key for _ in range(5)}
    assert len(keys) == 5
    assert all(re.fullmatch(r"retrain-\d{8}-\d{6}-[0-9a-f]{4}", key) for key in keys)
