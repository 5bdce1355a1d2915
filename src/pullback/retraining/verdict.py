"""What came of the training: is the candidate to be the champion, or what went wrong?"""

from dataclasses import asdict

from pullback import config, gate, revisions
from pullback.retraining import journal
from pullback.retraining.contest import contest, needed
from pullback.retraining.journal import Journal, Outcome
from pullback.tracking.outcomes import ended

COSTS = ("device_hours", "energy_kwh")


def on(begun: Journal, params: config.Config) -> Outcome:
    """The gate's verdict on a candidate whose pipeline went through."""
    assert begun.revision
    assert begun.champion
    candidate, champion = (journal.folder() / name for name in ("candidate", "champion"))
    of_candidate, of_champion = needed(params.train.models)
    revisions.fetch(begun.revision, of_candidate, candidate)
    revisions.fetch(begun.champion, of_champion, champion)
    scores, images = contest(candidate, champion, params)
    verdict = gate.judge(scores, params.retrain.gate, config.directions(params))
    return Outcome(
        verdict="passed" if verdict.passed else "refused",
        reasons=[*verdict.reasons, f"on {images} test images that neither was trained on"],
        scores={name: asdict(score) for name, score in scores.items()},
        cost=ended(params.tracking.experiment, begun.key, COSTS).cost,
    )


def on_failure(begun: Journal, params: config.Config) -> Outcome:
    """What stopped the pipeline, as MLflow tells it."""
    found = ended(params.tracking.experiment, begun.key, COSTS)
    reason = found.error or "`dvc exp run` failed before a stage could say why; see its output"
    return Outcome(verdict="failed", reasons=[reason], cost=found.cost)
