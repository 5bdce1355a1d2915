import pytest


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An empty store, which takes seconds to make, to be copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A root without a store, and an environment without the settings of the session that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "PIPELINE_RUN_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # and not deleted, so that it is restored when mlflow sets it
    return tmp_path
