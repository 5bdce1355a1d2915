"""How does a candidate become the champion, and how does an earlier champion come back? In git, DVC and the registry.

The commit comes first, as only that can be refused; what follows it can be done again until it is done.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pullback import config, files, revisions
from pullback.errors import UserError
from pullback.retraining import workspace
from pullback.retraining.journal import Journal, Outcome
from pullback.tracking import versions
from pullback.tracking.lease import check
from pullback.tracking.outcomes import ended, is_known, tag
from pullback.tracking.run import stage_run

ID = "retraining"  # the tag of a version by which it is found again


def champions(begun: Journal, params: config.Config) -> tuple[dict[str, str | None], str]:
    """By model, the version in use, and the commit that holds their results; the first time, what stands in git.

    Raises:
        UserError: a champion was promoted in a commit that this branch has not, or was not promoted by retraining, or
            the models have champions of different commits.
    """
    found: dict[str, str | None] = {model: _champion(model, begun, params) for model in params.train.models}
    commits = {versions.tags(model, str(version))["commit"] for model, version in found.items()}
    if len(commits) > 1:
        raise UserError(
            f"the champions of {', '.join(found)} are of different commits, so they have no common test images; remove "
            "their aliases champion in `pullback ui`, and the models that stand in git become the first champions"
        )
    return found, commits.pop()


def check_unreplaced(begun: Journal) -> None:
    """Raises `UserError` if another machine has named another champion since this retraining began."""
    for model, replaced in begun.replaced.items():
        if (now := versions.alias(model, versions.CHAMPION)) not in (replaced, begun.versions.get(model)):
            raise UserError(
                f"version {now} of pullback-{model} has become the champion in the place of {replaced} meanwhile; "
                "the next call trains on the new state"
            )


def crown(begun: Journal, params: config.Config, owner: str) -> None:
    """Registers the candidate, commits its results, and gives it the alias of the champion."""
    assert begun.outcome
    begun.versions = _registered(begun, params)
    begun.save()
    check(owner)
    assert begun.revision
    begun.made = workspace.take_over(begun, begun.revision, _message("Retrain on new data", begun.outcome))
    _appoint(begun, params)


def bring_back(begun: Journal, params: config.Config) -> None:
    """Commits the results of an earlier champion once more, and gives it the alias again."""
    assert begun.outcome
    assert begun.target
    begun.made = workspace.take_over(begun, begun.target, _message("Roll back", begun.outcome))
    begun.settings = workspace.settings()  # with which the data that are left behind shall not be tried again
    _appoint(begun, params)


def _message(subject: str, outcome: Outcome) -> str:
    return "\n\n".join([subject, "\n".join(outcome.reasons)])


def _appoint(begun: Journal, params: config.Config) -> None:
    assert begun.made
    if params.retrain.push:  # first, or others would have a champion that they cannot get
        workspace.push()
    for model, version in begun.versions.items():
        if not begun.target:
            versions.tag(model, version, {"commit": begun.made})
        versions.appoint(model, version, begun.replaced.get(model))


def turn_down(begun: Journal, params: config.Config) -> None:
    """Registers the candidate as the challenger; nothing else changes."""
    begun.versions = _registered(begun, params)
    begun.save()
    for model, version in begun.versions.items():
        versions.challenge(model, version)


def _registered(begun: Journal, params: config.Config) -> dict[str, str]:
    """The versions of the candidate's models, with what the gate said of them."""
    assert begun.revision
    assert begun.outcome
    told = {"verdict": begun.outcome.verdict, "snapshot": begun.manifest["snapshot"]}
    told |= {f"reason.{i}": reason for i, reason in enumerate(begun.outcome.reasons)}
    found = ended(params.tracking.experiment, begun.key, ())
    if found.run_id:
        tag(found.run_id, told)
    return {
        model: versions.add(model, _run_of(model, begun.revision, begun.key, params), ID, begun.id, told)
        for model in params.train.models
    }


def _champion(model: str, begun: Journal, params: config.Config) -> str:
    version = versions.alias(model, versions.CHAMPION)
    if version is None:
        run_id = _run_of(model, begun.commit, begun.key, params)
        version = versions.add(model, run_id, "commit", begun.commit, {"verdict": "the first"})
        versions.appoint(model, version, None)
    made = versions.tags(model, version).get("commit")
    if not made:
        raise UserError(
            f"version {version} of pullback-{model} has the alias champion, but no retraining gave it; "
            "give it back to a version that `pullback history` names as passed, or remove the alias"
        )
    if not workspace.knows(made):
        raise UserError(
            f"the champion of pullback-{model}, version {version}, was promoted elsewhere in commit {made[:8]}; "
            "get it with `git pull` and `dvc pull`"
        )
    return version


def _run_of(model: str, revision: str, key: str, params: config.Config) -> str:
    """The run in MLflow that trained the model of a revision.

    Where DVC has it from a cache that others fill, another store may have that run; then the model is logged here.
    """
    with TemporaryDirectory() as name:
        folder, told = Path(name), f"runs/train/{model}.json"
        revisions.fetch(revision, [told, f"models/{model}"], folder)
        run_id = str(files.read_json(folder / told)["run_id"])
        return run_id if is_known(run_id) else _logged(model, folder / "models" / model, key, params)


def _logged(model: str, folder: Path, key: str, params: config.Config) -> str:
    from pullback.models._model import ImagesFromLatents
    from pullback.training import checkpoint

    loaded = checkpoint.load(folder)
    example = np.zeros((2, loaded.latent_dim + bool(loaded.classes)), np.float32)
    os.environ["PIPELINE_RUN_KEY"] = key
    with stage_run(f"register@{model}", params.tracking.experiment, {}) as run:
        weights = sorted(folder.glob("*.safetensors"))
        run.model(model, ImagesFromLatents(loaded), example, step=0, weights=weights)
    return run.id
