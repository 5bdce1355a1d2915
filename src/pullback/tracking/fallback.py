"""What if the tracking server goes away while a stage records? The stage goes on, and so does the record, in files.

The files are an MLflow store of their own in `.pullback/offline/`, so that recording is the same there. In it the run
gets a twin, made as the run was and tagged with the id of the run on the server, and all that follows goes to the twin,
until the stage ends. `pullback sync` later adds to the run what the twin holds.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from pullback.tracking.store import MEANWHILE, is_away, refusals

if TYPE_CHECKING:
    from pullback.tracking.run import Run

P = ParamSpec("P")
T = TypeVar("T")


def lasting(method: "Callable[Concatenate[Run, P], T]") -> "Callable[Concatenate[Run, P], T]":
    """A method of a run that, where the server does not answer, makes the run's twin and is called again.

    It must bear that: what the server has taken before it went away it is sent twice.
    """

    @wraps(method)
    def call(run: "Run", *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(run, *args, **kwargs)
        except refusals() as error:
            if not is_away(run._client, error):
                raise
        warnings.warn(f"the MLflow server at {run._client.tracking_uri} no longer answers; {MEANWHILE}", stacklevel=2)
        run._go_on_as_twin()
        return method(run, *args, **kwargs)

    return call
