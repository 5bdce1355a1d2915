"""Which machine may retrain now? The one that holds the lease in MLflow's registry.

The registry knows no transaction over two calls, but a name in it is given once only. So leases are numbered: the
highest one counts, and who wants it when it is over makes the next number, which only one can. It ends by being given
back, or by its time, which its holder extends as long as it works; a machine that is switched off loses it.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pullback.errors import UserError
from pullback.tracking.store import connect, locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "pullback-retrain-lease"
TAG, SECONDS = "lease", 600.0


class Busy(Exception):
    """Another machine holds the lease; the text tells which, and until when."""


@contextmanager
def lease(owner: str, seconds: float = SECONDS) -> Iterator[None]:
    """Holds the lease during the block and gives it back after it; `owner` has it back at once after a kill.

    Raises:
        Busy: another owner holds it.
        UserError: the tracking store cannot be reached when the block begins.
    """
    with locked():
        client = connect()
        number = _take(client, owner, seconds)
    stopped = threading.Event()
    held = f"{NAME}-{number}"
    extending = threading.Thread(target=_extend, args=(client, held, owner, seconds, stopped), daemon=True)
    extending.start()
    try:
        yield
    finally:
        stopped.set()
        extending.join()
        _tell(client, held, owner, 0)


def check(owner: str) -> None:
    """Raises `UserError` if the lease is no longer that of `owner`; before what cannot be undone."""
    with locked():
        held = max(_leases(connect()).items(), default=(0, {"owner": None}))[1]
    if held["owner"] != owner:
        raise UserError(
            f"{held['owner']} has taken over the retraining, as this machine was not heard of for {SECONDS:g} seconds; "
            "the next call looks whether this model may still take its place"
        )


def _take(client: "MlflowClient", owner: str, seconds: float) -> int:
    from mlflow.exceptions import MlflowException

    leases = _leases(client)
    number = max(leases, default=0)
    last: dict[str, Any] = leases.get(number, {"owner": None, "until": 0})
    if last["until"] > time.time() and last["owner"] != owner:
        raise Busy(f"{last['owner']} is retraining, until {time.ctime(last['until'])} at the latest")
    try:
        client.create_registered_model(f"{NAME}-{number + 1}", {TAG: _told(owner, seconds)})
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        raise Busy("another machine has just begun to retrain") from error
    if max(_leases(client)) > number + 1:
        raise Busy("other machines have retrained while this one was looking")
    for old in leases:
        if old < number:  # the last one stays, for those who have just looked
            client.delete_registered_model(f"{NAME}-{old}")
    return number + 1


def _leases(client: "MlflowClient") -> dict[int, dict[str, Any]]:
    found = client.search_registered_models(f"name LIKE '{NAME}-%'")
    return {int(each.name.rpartition("-")[2]): json.loads(each.tags[TAG]) for each in found}


def _told(owner: str, seconds: float) -> str:
    return json.dumps({"owner": owner, "until": time.time() + seconds})


def _extend(client: "MlflowClient", name: str, owner: str, seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(seconds / 4):
        _tell(client, name, owner, seconds)


def _tell(client: "MlflowClient", name: str, owner: str, seconds: float) -> None:
    with suppress(UserError), locked():  # the server may be away: then the lease lasts as long as was told last
        client.set_registered_model_tag(name, TAG, _told(owner, seconds))
