"""How is the MLflow store reached, and what is said when it cannot be?"""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock

from pullback.errors import UserError
from pullback.tracking.places import root, store_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


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


def refusal(error: BaseException) -> UserError:
    causes = [error, error.__cause__, error.__context__]
    if any("disk is full" in str(cause) for cause in causes):  # sqlite's words
        return UserError(f"the disk that holds {store_uri()} is full; make room there and run again")
    return UserError(
        f"MLflow refuses to record at {store_uri()} ({sentence(error)}); "
        "mend that, or unset MLFLOW_TRACKING_URI to record in mlflow.db"
    )


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


def connect() -> "MlflowClient":
    from mlflow import MlflowClient

    uri = store_uri()
    if uri.startswith(("http://", "https://")):
        _probe(uri)
    return MlflowClient(tracking_uri=uri)


def _probe(uri: str) -> None:
    """One call, where mlflow itself would try a dead server three times and longer."""
    import requests

    try:
        requests.get(f"{uri.rstrip('/')}/health", timeout=float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    except requests.RequestException as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI is {uri}, where no MLflow server answers ({type(error).__name__}); "
            "start it, or unset MLFLOW_TRACKING_URI to record in mlflow.db"
        ) from error


def experiment_named(client: "MlflowClient", name: str) -> "Experiment":
    """The experiment of that name, made if it is missing, with artifacts beside the default store."""
    if found := client.get_experiment_by_name(name):
        return found
    own = None if os.environ.get("MLFLOW_TRACKING_URI") else (root() / "mlartifacts").as_uri()
    return client.get_experiment(client.create_experiment(name, artifact_location=own))


def ui_path(experiment: str) -> str:
    """The part of the UI's address, from `#` on, that shows the experiment's runs and their charts.

    The UI by itself opens on a page about language models.
    """
    with locked():
        return f"#/experiments/{experiment_named(connect(), experiment).experiment_id}/runs?compareRunsMode=CHART"
