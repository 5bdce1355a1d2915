"""What was decided about which data, when, why and by whom?

One line of JSON per retraining that came to a decision, and per rollback, in the order of time. The file lies outside
git, since refused data leave no commit; what was promoted stands in git and in MLflow's registry as well.
"""

import json
from pathlib import Path
from typing import Any

from pullback import files
from pullback.retraining.journal import Journal, folder


def path() -> Path:
    return folder() / "ledger.jsonl"


def entries() -> list[dict[str, Any]]:
    """All entries, the oldest first."""
    return [json.loads(line) for line in path().read_text().splitlines()] if path().exists() else []


def record(journal: Journal) -> dict[str, Any]:
    """The entry of a retraining with an outcome; it is added once, however often this is called."""
    assert journal.outcome is not None
    entry = {
        "id": journal.id,
        "date": journal.began,
        "who": journal.who,
        "snapshot": journal.manifest.get("snapshot"),
        "images": journal.manifest.get("images"),
        "settings": journal.settings,
        "versions": journal.versions,
        "commit": journal.made,
        **journal.outcome.model_dump(),
    }
    known = entries()
    if journal.id not in {each["id"] for each in known}:
        files.write_text(path(), "".join(f"{json.dumps(each)}\n" for each in [*known, entry]))
    return entry


def refused(settings: str) -> dict[str, dict[str, Any]]:
    """By snapshot, the last decision against data that are not tried again while the parameters are the same."""
    decided = {entry["snapshot"]: entry for entry in entries() if entry["verdict"] != "failed"}
    return {
        snapshot: entry
        for snapshot, entry in decided.items()
        if entry["verdict"] != "passed" and entry["settings"] == settings
    }


def told(entry: dict[str, Any]) -> str:
    """An entry in words: what was decided about which data, what it cost, who did it; then why, a line each."""
    data = f"{entry['images'] or ''} images of {entry['snapshot'][:8]}".strip()
    versions = ", ".join(f"{model} {version}" for model, version in entry["versions"].items())
    cost = "{device_hours:.3g} device hours, {energy_kwh:.2g} kWh".format(**entry["cost"]) if entry["cost"] else ""
    parts = [entry["date"][:16].replace("T", " "), entry["verdict"], data, versions, cost, entry["who"]]
    return "\n    ".join(["  ".join(filter(None, parts)), *entry["reasons"]])
