"""People's own command hears of the outcome; whatever it does, the outcome stands."""

import json
from pathlib import Path

import pytest

from pullback.retraining import notice

ENTRY = {"id": "1", "verdict": "passed", "reasons": ["kid 0.2 -> 0.1, 'better'\n"], "cost": {"device_hours": 0.5}}


def test_the_outcome_arrives_as_json_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notice.notify("cat > told | cat", ENTRY)  # a line for the shell
    assert json.loads((tmp_path / "told").read_text()) == ENTRY


def test_without_a_command_nothing_happens() -> None:
    notice.notify(None, ENTRY)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("exit 3", "returned non-zero exit status 3"),
        ("no-such-program", "returned non-zero exit status 127"),
        ("exec sleep 60", "timed out after 0"),
    ],
)
def test_a_command_that_fails_or_hangs_is_a_warning(command: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "SECONDS", 0.2 if "sleep" in command else 20)
    with pytest.warns(UserWarning, match=rf"^retrain\.notify: Command '{command}' {said}"):
        notice.notify(command, ENTRY)


def test_a_command_that_reads_nothing_is_fine() -> None:
    notice.notify("true", {"reasons": ["long" * 100_000]})
