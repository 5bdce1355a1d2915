"""How is the MLflow store reached, and what is said when it cannot be?"""

import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock

from pullback.errors import UserError
from pullback.tracking.places import default_uri, offline_folder, offline_uri, root, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

MEANWHILE = "the runs are recorded in .pullback/offline, from where `pullback sync` brings them to the server"


@contextmanager
def locked() -> Iterator[None]:
    """One process at a time; what the store refuses becomes a sentence."""
    with FileLock(root() / "mlflow.db.lock"):
        _prepare_environment()
        try:
            yield
        except refusals() as error:
            raise refusal(error) from error


def refusals() -> tuple[type[Exception], ...]:
    """What a store raises that cannot record."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError


def is_away(client: "MlflowClient", error: BaseException) -> bool:
    """Whether the store is a server that gave no answer, or said that it is broken (5xx): it refused nothing."""
    from mlflow.exceptions import MlflowException

    server = client.tracking_uri.startswith("http")
    return server and isinstance(error, MlflowException) and error.get_http_status_code() >= 500


def refusal(error: BaseException) -> UserError:
    causes = [error, error.__cause__, error.__context__]
    if any("disk is full" in str(cause) for cause in causes):  # sqlite's words
        return UserError(f"the disk that holds {store_uri()} is full; make room there and run again")
    way_out = ", or unset MLFLOW_TRACKING_URI to record in mlflow.db" if store_uri() != default_uri() else ""
    return UserError(f"MLflow refuses to record at {store_uri()} ({sentence(error)}); mend that{way_out}")


def sentence(error: BaseException) -> str:
    if isinstance(error, UserError):
        return str(error)
    return traceback.format_exception_only(error)[-1].splitlines()[0]


def _prepare_environment() -> None:
    """Settings that mlflow reads when it is imported. By its own defaults a call to a dead server hangs for minutes."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    os.environ.update({name: value for name, value in settings.items() if name not in os.environ})


def connect(offline: bool | None = None) -> "MlflowClient":
    """The store in use; or that of the files, where it is a server that is away and `offline` allows them.

    Args:
        offline: the parameter tracking.offline, where there is something to record; None where files are of no use.

    Raises:
        UserError: the server is away.
    """
    from mlflow import MlflowClient

    uri = store_uri()
    if uri.startswith("http") and (reason := absence(uri)):
        told = f"MLFLOW_TRACKING_URI is {uri}, where no MLflow server answers ({reason})"
        if not offline:
            files = "set tracking.offline to true to record in files until it is back, " if offline is False else ""
            raise UserError(f"{told}; start it, {files}or unset MLFLOW_TRACKING_URI to use mlflow.db")
        warnings.warn(f"{told}; {MEANWHILE}", stacklevel=2)
        return connect_files()
    return MlflowClient(tracking_uri=uri)


def connect_files() -> "MlflowClient":
    """The store of what is recorded while the server is away."""
    from mlflow import MlflowClient

    offline_folder().mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=offline_uri())


def absence(uri: str) -> str | None:
    """Why no working server is there, if so: one call that reads its database, where mlflow itself would try thrice."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        address = "/api/2.0/mlflow/experiments/get"
        http_request(get_default_host_creds(uri), address, "GET", max_retries=0, params={"experiment_id": "0"})
    except MlflowException as error:
        return type(error.__context__).__name__
    return None


def experiment_named(client: "MlflowClient", name: str) -> "Experiment":
    """The experiment of that name, made if it is missing; what lies in the repository has its artifacts there, too."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return found
    own = {
        default_uri(): (root() / "mlartifacts").as_uri(),
        offline_uri(): (offline_folder() / "artifacts").as_uri(),
    }
    try:
        return client.get_experiment(client.create_experiment(name, own.get(client.tracking_uri)))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # as when a pipeline on another machine was faster
            raise
        return experiment_named(client, name)


def ui_path(experiment: str) -> str:
    """The part of the UI's address, from `#` on, that shows the experiment's runs and their charts.

    The UI by itself opens on a page about language models.
    """
    with locked():
        return f"#/experiments/{experiment_named(connect(), experiment).experiment_id}/runs?compareRunsMode=CHART"
