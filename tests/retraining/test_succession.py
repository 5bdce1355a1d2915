"""Which run do the versions of models come from, also where another MLflow store has the one that trained them?"""

import shutil
from pathlib import Path

import pytest
from contestants import params, vae
from mlflow import MlflowClient
from revision import committed, git

from pullback import files
from pullback.errors import UserError
from pullback.retraining import journal
from pullback.retraining.journal import Journal
from pullback.retraining.succession import ID, champions, check_unreplaced, turn_down
from pullback.tracking import registry, versions

ELSEWHERE = "0" * 32


@pytest.fixture
def begun(tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A retraining on a commit whose model was trained on another machine, with another store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("PIPELINE_RUN_KEY", "")  # so that it is taken back
    vae(tmp_path / "models/vae", seed=3)
    files.write_json(tmp_path / "runs/train/vae.json", {"run_id": ELSEWHERE})
    commit = committed(tmp_path, "models/vae", "runs/train/vae.json")
    for output in ("models", "runs"):
        shutil.rmtree(tmp_path / output)
    shutil.copy(database, tmp_path / "mlflow.db")
    return journal.begin(commit, "main", manifest={"snapshot": "a.dir"})


@pytest.fixture
def client(begun: Journal) -> MlflowClient:
    return MlflowClient(f"sqlite:///{Path('mlflow.db').absolute()}")


def test_a_model_from_elsewhere_is_logged_here_with_its_weights_and_is_the_first_champion(
    begun: Journal, client: MlflowClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for _ in range(2):
        assert champions(begun, params()) == ({"vae": "1"}, begun.commit)
    assert versions.alias("vae", versions.CHAMPION) == "1"
    assert versions.tags("vae", "1") == {"commit": begun.commit, "verdict": "the first"}
    run = client.get_run(client.get_model_version("pullback-vae", "1").run_id)
    assert run.data.tags["stage"] == "register@vae"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert (parent.data.tags["pipeline"], parent.info.status) == (begun.key, "FINISHED")
    _, fetched = registry.fetch("pullback-vae", "champion", tmp_path_factory.mktemp("fetched"))
    vae(Path("again"), seed=3)
    expected = {path.name: path.read_bytes() for path in Path("again").iterdir()}
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == expected


def test_a_champion_promoted_where_this_branch_has_not_been_is_told_in_one_sentence(
    begun: Journal, client: MlflowClient
) -> None:
    champions(begun, params())
    versions.tag("vae", "1", {"commit": git(Path(), "commit-tree", "HEAD^{tree}", "-m", "elsewhere")})
    told = r"^the champion of pullback-vae, version 1, was promoted elsewhere in commit \w{8}; get it with `git pull` "
    with pytest.raises(UserError, match=told):
        champions(begun, params())


def test_a_champion_named_by_another_machine_meanwhile_is_told_and_ones_own_is_not(
    begun: Journal, client: MlflowClient
) -> None:
    check_unreplaced(begun)
    begun.replaced, _ = champions(begun, params())
    check_unreplaced(begun)
    run_id = client.get_model_version("pullback-vae", "1").run_id
    versions.appoint("vae", versions.add("vae", run_id, ID, "other", {}), "1")
    told = r"^version 2 of pullback-vae has become the champion in the place of 1 meanwhile; the next call trains on "
    with pytest.raises(UserError, match=told):
        check_unreplaced(begun)
    begun.versions = {"vae": "2"}  # as when a killed call had appointed it
    check_unreplaced(begun)


def test_a_candidate_that_was_turned_down_is_one_version_with_the_reasons_however_often(
    begun: Journal, client: MlflowClient
) -> None:
    champions(begun, params())
    begun.revision = begun.commit
    begun.outcome = journal.Outcome(verdict="refused", reasons=["kid is worse", "recall is worse"])
    for _ in range(2):
        turn_down(begun, params())
    assert begun.versions == {"vae": "2"}
    assert versions.alias("vae", versions.CHAMPION) == "1"
    assert versions.alias("vae", versions.CHALLENGER) == "2"
    told = {"verdict": "refused", "snapshot": "a.dir", "reason.0": "kid is worse", "reason.1": "recall is worse"}
    assert versions.tags("vae", "2") == {ID: begun.id} | told
    assert len(client.search_model_versions("name = 'pullback-vae'")) == 2
    (parent,) = client.search_runs(["1"], f"tags.pipeline = '{begun.key}'")
    assert parent.data.tags.items() >= told.items()
