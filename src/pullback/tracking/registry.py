"""How does a model that the pipeline has trained get a name and a version, by which others ask for it?"""

from collections.abc import Mapping
from pathlib import Path

from pullback import files
from pullback.errors import UserError
from pullback.tracking._earlier import SKIPPED, known
from pullback.tracking.places import runs_path, store_uri
from pullback.tracking.store import connect, locked

WEIGHTS = "extra_files"  # MLflow's name of the folder of what is kept beside the exported program
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the latter is MLflow's word for a missing alias


def register(model: str, name: str, run_id: str | None = None, tags: Mapping[str, str] = {}) -> str:
    """Makes a trained model the next version of `name` in MLflow's registry; returns that version.

    Args:
        run_id: of an execution of the pipeline or of a training; None is the training whose weights are in models/.
        tags: of the version, from its first moment on.

    Raises:
        UserError: there is no such run, or it holds no such model.
    """
    with locked():
        import mlflow
        from mlflow.exceptions import MlflowException

        client = connect()
        mlflow.set_tracking_uri(client.tracking_uri)  # where the client looks for what `models:/` names
        wanted = run_id or _last_training(model)
        run = known(client, wanted)
        if run and f"{SKIPPED}train-{model}" in run.data.tags:
            run = known(client, run.data.tags[f"{SKIPPED}train-{model}"])
        if run is None:
            raise UserError(f"run {wanted} is not in {store_uri()}; copy its id from the MLflow UI")
        outputs = run.outputs.model_outputs if run.outputs else []
        models = [client.get_logged_model(output.model_id) for output in outputs]
        found = [each for each in models if each.name == model]
        if not found:
            others = f", but {' and '.join(sorted({each.name for each in models}))}" if models else ""
            raise UserError(
                f"run {wanted} holds no model {model!r}{others}; name the run of a pipeline that trained it"
            )
        last = max(found, key=lambda each: each.creation_timestamp)
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = client.create_model_version(
            name, f"models:/{last.model_id}", last.source_run_id, dict(tags), model_id=last.model_id
        )
    return str(version.version)


def _last_training(model: str) -> str:
    path = runs_path(f"train@{model}")
    trained = sorted(each.stem for each in path.parent.glob("*.json"))
    if trained and model not in trained:
        raise UserError(f"there is no training of a model {model!r} here; choose among {', '.join(trained)}")
    run_id: str = files.read_json(path)["run_id"]
    return run_id


def fetch(name: str, wanted: str, folder: Path) -> tuple[str, Path]:
    """Brings a version of `name`, an alias or a number, into `folder`; returns its number and where its weights lie.

    Raises:
        UserError: there is no such name, alias or version, or no weights were kept with it.
    """
    with locked():
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        client = connect()
        find = client.get_model_version if wanted.isdigit() else client.get_model_version_by_alias
        try:
            version = str(find(name, wanted).version)
        except MlflowException as error:
            if error.error_code not in UNKNOWN:
                raise
            raise UserError(
                f"{store_uri()} has no model {name!r} with the version or alias {wanted!r}; see its models in "
                "`pullback ui`, or run `pullback register`"
            ) from error
        source = client.get_model_version_download_uri(name, version)
        found = Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=store_uri())) / WEIGHTS
    if not found.is_dir():
        raise UserError(
            f"version {version} of {name!r} holds only an exported program, as it was trained before weights were kept "
            "with it; name another version, or train the model again"
        )
    return version, found
