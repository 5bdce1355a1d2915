"""Which versions of the models are in use, and which were tried? MLflow's registry, by aliases.

`champion` is in use, `previous_champion` was before it, `challenger` is the last one that the gate refused. A version
carries the tags that tell where it came from and why it was taken or refused.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pullback.errors import UserError
from pullback.tracking.registry import UNKNOWN, register
from pullback.tracking.store import connect, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

CHAMPION, PREVIOUS, CHALLENGER = "champion", "previous_champion", "challenger"


def add(model: str, run_id: str, key: str, value: str, tags: Mapping[str, str]) -> str:
    """The version of pullback-MODEL whose tag `key` is `value`; made of the model of a run if there is none."""
    return tagged(model, key, value) or register(model, f"pullback-{model}", run_id, {key: value, **tags})


def tagged(model: str, key: str, value: str) -> str | None:
    """The version of pullback-MODEL whose tag `key` is `value`."""
    with locked():
        found = [each for each in _all(connect(), f"pullback-{model}") if each.tags.get(key) == value]
        return str(found[0].version) if found else None


def tag(model: str, version: str, tags: Mapping[str, str]) -> None:
    """Adds tags to a version of pullback-MODEL."""
    with locked():
        client = connect()
        for key, value in tags.items():
            client.set_model_version_tag(f"pullback-{model}", version, key, value)


def alias(model: str, name: str) -> str | None:
    """The version of pullback-MODEL that has an alias."""
    with locked():
        found = _at(connect(), f"pullback-{model}", name)
        return str(found.version) if found else None


def tags(model: str, version: str) -> dict[str, str]:
    """Those of a version of pullback-MODEL.

    Raises:
        UserError: there is no such version.
    """
    with locked():
        for each in _all(connect(), f"pullback-{model}"):
            if str(each.version) == version:
                return dict(each.tags)
    raise UserError(f"pullback-{model} has no version {version} in the registry; `pullback ui` shows those it has")


def appoint(model: str, version: str, replaced: str | None) -> None:
    """Makes a version the champion, and `replaced` the previous one."""
    name = f"pullback-{model}"
    with locked():
        client = connect()
        if replaced and replaced != version:
            client.set_registered_model_alias(name, PREVIOUS, replaced)
        client.set_registered_model_alias(name, CHAMPION, version)
        for other in (PREVIOUS, CHALLENGER):
            held = _at(client, name, other)
            if held and str(held.version) == version:
                client.delete_registered_model_alias(name, other)


def challenge(model: str, version: str) -> None:
    """Names a version that was refused."""
    with locked():
        connect().set_registered_model_alias(f"pullback-{model}", CHALLENGER, version)


def _all(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    return list(client.search_model_versions(f"name = '{name}'"))


def _at(client: "MlflowClient", name: str, alias: str) -> "ModelVersion | None":
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in UNKNOWN:
            raise
        return None
