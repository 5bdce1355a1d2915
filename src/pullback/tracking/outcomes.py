"""How did an execution of the pipeline that somebody else started end, by the key that it was given?"""

from dataclasses import dataclass

from pullback.tracking._earlier import known
from pullback.tracking._execution import children, search
from pullback.tracking.store import connect, experiment_named, locked


@dataclass(frozen=True)
class Ended:
    """What MLflow knows of an execution.

    Attributes:
        run_id: None if no stage of it ran.
        error: of the stage that failed.
        cost: the sums over its stages, by name.
    """

    run_id: str | None
    error: str | None
    cost: dict[str, float]


def ended(experiment: str, key: str, measures: tuple[str, ...]) -> Ended:
    """The execution that was started with PIPELINE_RUN_KEY=`key`; `measures` are the metrics to sum."""
    with locked():
        client = connect()
        experiment_id = experiment_named(client, experiment).experiment_id
        found = search(client, experiment_id, f"tags.pipeline = '{key}'")
        if not found:
            return Ended(None, None, dict.fromkeys(measures, 0.0))  # all came from a cache
        stages = children(client, experiment_id, found[0].info.run_id)
        errors = [f"{run.data.tags['stage']}: {run.data.tags['error']}" for run in stages if "error" in run.data.tags]
        cost = {name: sum(run.data.metrics.get(name, 0.0) for run in stages) for name in measures}
        return Ended(found[0].info.run_id, errors[-1] if errors else None, cost)


def tag(run_id: str, tags: dict[str, str]) -> None:
    """Adds tags to a run that has ended."""
    with locked():
        client = connect()
        for name, value in tags.items():
            client.set_tag(run_id, name, value)


def is_known(run_id: str) -> bool:
    """Whether the store in use has that run."""
    with locked():
        return known(connect(), run_id) is not None
