"""What has this retraining found and decided so far, so that a later call goes on where a killed one stopped?

One small file, replaced whole after each step whose result cannot be had again. A step whose result is there is not
done again; all others are made so that doing them twice is the same as doing them once.
"""

import getpass
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel

from pullback import files
from pullback.tracking.places import root

PASSED, FAILED, NOTHING_NEW, REFUSED, DRIFTED, BUSY = 0, 1, 10, 11, 12, 75
CODES = {"passed": PASSED, "rolled back": PASSED, "failed": FAILED, "refused": REFUSED, "drifted": DRIFTED}


class Outcome(BaseModel):
    """What came of it, and why.

    Attributes:
        scores: by name, what the gate has looked at, of candidate and champion.
        cost: device hours and an estimate of the energy, kWh, of all stages.
        report: a text for the person who must look, in markdown.
    """

    verdict: Literal["passed", "refused", "drifted", "failed", "rolled back"]
    reasons: list[str]
    scores: dict[str, dict[str, float | None]] = {}
    cost: dict[str, float] = {}
    report: str | None = None

    @property
    def code(self) -> int:
        """With which the command ends."""
        return CODES[self.verdict]


class Journal(BaseModel):
    """One retraining, or one rollback.

    Attributes:
        id: of the retraining; part of the name of its experiment.
        commit, branch: where the repository stood when it began.
        manifest: of the new data.
        imports: files under git, of data that `dvc import-url` tracks, which the look at the data may have changed.
        settings: digest of the parameters; what they refused is tried again when they are others.
        champion: the commit whose results are those of the versions in use.
        revision: the commit of the experiment that DVC has finished.
        target: of a rollback, the commit whose results come back.
        made: the commit that it ended in.
        versions: by model, the version in the registry of the candidate, or of the champion that comes back.
        replaced: by model, the version that is the champion until then; None if the registry has none.
    """

    id: str
    began: str
    who: str
    commit: str
    branch: str
    manifest: dict[str, Any] = {}
    imports: list[str] = []
    settings: str = ""
    champion: str | None = None
    revision: str | None = None
    target: str | None = None
    made: str | None = None
    outcome: Outcome | None = None
    versions: dict[str, str] = {}
    replaced: dict[str, str | None] = {}

    @property
    def key(self) -> str:
        """By which its processes and its run in MLflow are found."""
        return f"retrain-{self.id}"

    def save(self) -> None:
        files.write_json(path(), self.model_dump())


def folder() -> Path:
    """Where retraining keeps what git and DVC do not."""
    return root() / ".pullback" / "retrain"


def path() -> Path:
    return folder() / "journal.json"


def begin(commit: str, branch: str, **known: Any) -> Journal:
    """A new journal, not yet on the disk."""
    now = datetime.now(UTC)
    identity = f"{now:%Y%m%d-%H%M%S}-{uuid4().hex[:4]}"
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    return Journal(id=identity, began=now.isoformat(timespec="seconds"), who=who, commit=commit, branch=branch, **known)


def unfinished() -> Journal | None:
    """The retraining that an earlier call did not end."""
    return Journal.model_validate(files.read_json(path())) if path().exists() else None


def end() -> None:
    path().unlink(missing_ok=True)
