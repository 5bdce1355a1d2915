"""What was decided about which data, when, why and by whom?

One line of JSON per retraining that came to a decision, and per rollback, in the order of time. The file lies outside
git, since refused data leave no commit. Machines with one tracking store exchange their entries there.
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
        "replaced": journal.replaced,
        "commit": journal.made,
        "code": journal.outcome.code,
        **journal.outcome.model_dump(),
    }
    known = entries()
    if journal.id not in {each["id"] for each in known}:
        _write([*known, entry])
    return entry


def everywhere(experiment: str) -> list[dict[str, Any]]:
    """The entries of all machines that share the tracking store, the oldest first."""
    from pullback.tracking.decisions import published

    return _merged(published(experiment), entries())


def exchange(experiment: str) -> None:
    """Takes over what other machines have decided, and tells them what this one has."""
    from pullback.tracking.decisions import publish, published

    theirs, ours = published(experiment), entries()
    told = {entry["id"] for entry in theirs}
    for entry in ours:
        if entry["id"] not in told:
            publish(experiment, entry)
    _write(_merged(theirs, ours))


def _merged(*ledgers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {entry["id"]: entry for entries in ledgers for entry in entries}
    return sorted(known.values(), key=lambda entry: entry["date"])


def _write(known: list[dict[str, Any]]) -> None:
    files.write_text(path(), "".join(f"{json.dumps(entry)}\n" for entry in known))


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
    data = f"{entry['images']} images of {entry['snapshot'][:8]}" if entry["images"] else ""
    replaced = {model: f"{version} -> " for model, version in entry["replaced"].items() if entry["verdict"] == "passed"}
    versions = ", ".join(f"{model} {replaced.get(model, '')}{version}" for model, version in entry["versions"].items())
    cost = "{device_hours:.3g} device hours, {energy_kwh:.2g} kWh".format(**entry["cost"]) if entry["cost"] else ""
    parts = [entry["date"][:16].replace("T", " "), entry["verdict"], data, versions, cost, entry["who"]]
    return "\n    ".join(["  ".join(filter(None, parts)), *entry["reasons"]])
