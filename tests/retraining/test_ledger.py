"""The ledger has each decision once, tells which data are not tried again, and puts it all in words."""

from pathlib import Path
from typing import Any

import pytest

from pullback.retraining import journal, ledger
from pullback.retraining.journal import Journal, Outcome


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def decided(verdict: str, snapshot: str = "a.dir", settings: str = "s", **more: Any) -> Journal:
    outcome = Outcome(verdict=verdict, reasons=["why"], **more)
    manifest = {"snapshot": snapshot, "images": 450}
    return journal.begin("0", "main", manifest=manifest, settings=settings, outcome=outcome)


def test_an_entry_is_recorded_once_and_the_oldest_comes_first() -> None:
    assert ledger.entries() == []
    first, second = decided("passed"), decided("refused")
    recorded = [ledger.record(each) for each in (first, second, second, first)]
    assert ledger.entries() == recorded[:2]
    assert [entry["id"] for entry in recorded] == [first.id, second.id, second.id, first.id]
    assert len(ledger.path().read_text().splitlines()) == 2


def test_an_entry_tells_data_decision_versions_and_who() -> None:
    found = decided("passed", cost={"device_hours": 1.0})
    found.versions, found.made = {"vae": "2"}, "0123"
    entry = ledger.record(found)
    assert entry.items() >= {
        "id": found.id, "date": found.began, "who": found.who, "snapshot": "a.dir", "images": 450, "settings": "s",
        "versions": {"vae": "2"}, "commit": "0123", "code": 0, "verdict": "passed", "reasons": ["why"],
        "cost": {"device_hours": 1.0},
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("verdicts", "again"),
    [
        (["refused"], False),
        (["drifted"], False),
        (["rolled back"], False),
        (["failed"], True),
        (["passed"], True),  # data that were trained on are known from dvc.lock
        (["refused", "failed"], False),
        (["passed", "rolled back"], False),
        (["refused", "passed"], True),
    ],
)
def test_the_last_decision_says_whether_data_are_tried_again(verdicts: list[str], again: bool) -> None:
    for verdict in verdicts:
        ledger.record(decided(verdict))
    assert ("a.dir" not in ledger.refused("s")) == again


def test_other_data_and_other_settings_are_tried() -> None:
    ledger.record(decided("refused"))
    assert set(ledger.refused("s")) == {"a.dir"}
    assert ledger.refused("other") == {}
    ledger.record(decided("drifted", "b.dir", "other"))
    assert set(ledger.refused("s")) == {"a.dir"}
    assert ledger.refused("other")["b.dir"]["verdict"] == "drifted"


def test_an_entry_in_words_has_its_cost_and_a_line_per_reason() -> None:
    found = decided("refused", "0123456789.dir", cost={"device_hours": 1.25, "energy_kwh": 0.125})
    found.began, found.who, found.versions = "2026-05-04T03:02:01+00:00", "me@here", {"gan": "3", "vae": "4"}
    assert ledger.told(ledger.record(found)).splitlines() == [
        "2026-05-04 03:02  refused  450 images of 01234567  gan 3, vae 4  1.25 device hours, 0.12 kWh  me@here",
        "    why",
    ]


def test_a_rollback_in_words_has_no_cost_and_no_count_of_images() -> None:
    found = decided("rolled back")
    found.began, found.who, found.manifest = "2026-05-04T03:02:01+00:00", "me@here", {"snapshot": "a.dir"}
    line = "2026-05-04 03:02  rolled back  me@here"
    assert ledger.told(ledger.record(found)).splitlines()[0] == line
