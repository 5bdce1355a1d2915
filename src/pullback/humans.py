"""Can people tell the generated images from real ones? What `pullback humans` makes of the blind test's files.

An error is to take the generated image of a pair for the real one; guessing gives an error rate of a half. The answers
of all people are pooled. The interval (Wilson's) and the p-value (two-sided binomial, against a half) take the answers
as independent: they hold for these pairs, and are somewhat narrow for other images and other people.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from pullback import config, files
from pullback.errors import UserError, refused
from pullback.evaluation.intervals import wilson
from pullback.tracking.places import runs_path
from pullback.tracking.recorded import add

TEST = Path("report/turing.json")
OUT = Path("metrics/humans.json")


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    pair: NonNegativeInt
    side: Literal["left", "right"]
    """Where the person takes the real image to be."""
    milliseconds: NonNegativeInt


class Answers(BaseModel):
    """What report/turing.html saves: the answers of one person to all pairs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    format: Literal["pullback-humans 1"]
    test: str
    """The digest of the test."""
    person: str
    answers: list[Answer]


def count(paths: Sequence[Path]) -> dict[str, Any]:
    """Counts the answers in these files, and records the result in metrics/humans.json and in the report's MLflow run.

    Returns:
        `test` (its digest), `people`, for each of `sources` what `rates` says, and the id of the run that made the
        report, as its file tells it (`made_by`) and as it is in MLflow (`run_id`); the latter is None where that run is
        in another store, as it is after `dvc pull`.

    With `tracking.offline` it records in files where the tracking server is away, for `pullback sync`.

    Raises:
        UserError: there is no report, a file is not of its test, two hold the same answers, MLflow refuses, or its
            server is away.
    """
    test = files.read_json(TEST)
    made_by = files.read_json(runs_path("report"))["parent_run_id"]
    people = _different(paths, [read(path, test) for path in paths])
    result = {"test": test["digest"], "people": len(people), "sources": rates(people, test["pairs"])}
    metrics = {
        f"humans.{source.replace(' ', '.')}.{key}": value
        for source, found in result["sources"].items()
        for key, value in found.items()
    }
    everything = result | {"files": [person.model_dump() for person in people]}
    tracking = config.read().tracking
    recorded = add(made_by, metrics, "humans.json", everything, tracking.experiment, tracking.offline)
    files.write_json(OUT, result)
    return result | {"made_by": made_by, "run_id": recorded}


def read(path: Path, test: Mapping[str, Any]) -> Answers:
    """The answers in a file, to every pair of `test` (what report/turing.json holds).

    Raises:
        UserError: it cannot be read, or is something else.
    """
    try:
        found = Answers.model_validate_json(path.read_bytes())
    except OSError as error:
        raise refused(path, "read", error) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"{path} holds no answers of report/turing.html ({where}: {first['msg']}); give a file that this page saved"
        ) from error
    if found.test != test["digest"]:
        raise UserError(
            f"{path} is of the test {found.test}, and {TEST} is of the test {test['digest']}; "
            "bring back the report with which it was taken, or take this one's test"
        )
    if sorted(answer.pair for answer in found.answers) != [*range(len(test["pairs"]))]:
        raise UserError(f"{path} does not answer each of the {len(test['pairs'])} pairs once; save it again")
    return found


def _different(paths: Sequence[Path], people: Sequence[Answers]) -> Sequence[Answers]:
    """Refuses the same answers twice: nobody takes the same milliseconds again, whatever the name."""
    seen: dict[tuple[Answer, ...], Path] = {}
    for path, person in zip(paths, people, strict=True):
        if (answers := tuple(person.answers)) in seen:
            raise UserError(f"{path} holds the same answers as {seen[answers]}; give each person's answers once")
        seen[answers] = path
    return people


def rates(people: Sequence[Answers], pairs: Sequence[Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """By source, of the pairs that it has part in: answers, errors, error_rate, low, high, p_value.

    Args:
        pairs: of each the `source` of the generated image, and the side on which the `real` one was.
    """
    wrong: dict[str, list[bool]] = {pair["source"]: [] for pair in pairs}
    for answer in (answer for person in people for answer in person.answers):
        pair = pairs[answer.pair]
        wrong[pair["source"]].append(answer.side != pair["real"])
    return {source: _rate(sum(each), len(each)) for source, each in sorted(wrong.items())}


def _rate(errors: int, answers: int) -> dict[str, float]:
    from scipy.stats import binomtest

    low, high = wilson(errors / answers, answers)
    p_value = float(binomtest(errors, answers).pvalue)
    numbers = {"answers": answers, "errors": errors, "error_rate": errors / answers}
    return numbers | {"low": low, "high": high, "p_value": p_value}
