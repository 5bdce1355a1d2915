"""What does the page of an execution say? What came of it, what ran, and where the rest came from.

The stages say the first themselves: the note of a stage stands on the page of its own run and on that of the execution.
The UI shows 100 pixels of it until a reader asks for more, and opens the HTML among the artifacts in a frame from which
nothing can be saved; a page to work with is linked as a download.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pullback.tracking._earlier import SKIPPED, known, tagged

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as RecordedRun

NOTE = "mlflow.note.content"
LONGEST_NOTE = 8000  # characters of a tag: MLflow cuts what is longer, maybe within a link


def run_page(experiment_id: str, run_id: str) -> str:
    """The address of a run within the UI."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def artifact(run_id: str, name: str) -> str:
    """The address of an artifact's content, for a picture or a download, beside the page on which it is linked."""
    return f"get-artifact?run_uuid={run_id}&path={name}"


def overview(client: "MlflowClient", parent: "RecordedRun", stages: "Sequence[RecordedRun]") -> str:
    """Markdown; the notes of the last stages come first, as these know the most."""
    skipped = {stage: known(client, run_id) for stage, run_id in tagged(parent, SKIPPED).items()}
    earlier = _by_start([run for run in skipped.values() if run])
    sources = [
        _listed("Ran", map(_named, stages)),
        _listed("From earlier runs", map(_link, earlier)),
        _listed("From runs in another store", sorted(stage for stage, run in skipped.items() if run is None)),
    ]
    last_first = reversed(_by_start([*earlier, *stages]))
    notes = [*_floor_once(run.data.tags[NOTE] for run in last_first if NOTE in run.data.tags)]
    parts = [
        *(_trouble(run) for run in stages if run.info.status in ("FAILED", "KILLED")),
        *notes[:1],
        "\n\n".join(filter(None, sources)),  # before what may have to be cut
        *notes[1:],
    ]
    text = "\n\n---\n\n".join(parts)
    return text if len(text) <= LONGEST_NOTE else text[:LONGEST_NOTE].rpartition("\n")[0]


def _floor_once(notes: Iterable[str]) -> Iterator[str]:
    """Tables of scores share their second column, the floor: it is left out where another table has shown it."""
    shown = set()
    for note in notes:
        found = re.search(r"^\|[^|\n]*\|([^|\n]*)\|", note, re.MULTILINE)
        title = found and found[1]
        yield re.sub(r"(?m)^(\|[^|\n]*)\|[^|\n]*", r"\1", note) if title in shown else note
        shown.add(title)


def _by_start(runs: "Sequence[RecordedRun]") -> "list[RecordedRun]":
    return sorted(runs, key=lambda run: run.info.start_time)


def _trouble(run: "RecordedRun") -> str:
    error = run.data.tags.get("error")
    return f"**{run.data.tags['stage']}** " + (f"failed: {error}" if error else "was stopped.")


def _listed(title: str, told: Iterable[str]) -> str:
    text = ", ".join(told)
    return f"{title}: {text}." if text else ""


def _named(run: "RecordedRun") -> str:
    """Without a link, as the UI has one above the description."""
    tags, metrics = run.data.tags, run.data.metrics
    name: str = tags["stage"]
    if "seconds" in metrics:
        name += f" {metrics['seconds']:.0f} s"
    if "resumes" in tags:
        name += f" from where [another run]({run_page(run.info.experiment_id, tags['resumes'])}) stopped"
    return name


def _link(run: "RecordedRun") -> str:
    return f"[{run.data.tags['stage']}]({run_page(run.info.experiment_id, run.info.run_id)})"
