"""The registry's aliases end where they would have ended without a kill, in whatever order the calls were cut off."""

from collections.abc import Callable, Iterator

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from pullback.errors import UserError
from pullback.tracking import versions
from pullback.tracking.run import stage_run


@pytest.fixture
def run_id(root) -> str:
    """A training with a model, of which only the name counts here."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    with stage_run("train@vae", "pullback", {}) as run:
        model = client.create_logged_model(run.experiment_id, "vae", source_run_id=run.id)
        client.log_outputs(run.id, [LoggedModelOutput(model.model_id, 0)])
    return str(run.id)


def aliases() -> dict[str, str]:
    names = (versions.CHAMPION, versions.PREVIOUS, versions.CHALLENGER)
    return {name: found for name in names if (found := versions.alias("vae", name))}


def added(run_id: str, *values: str) -> list[str]:
    return [versions.add("vae", run_id, "retraining", value, {}) for value in values]


def killed_after(calls: Iterator[int], original: Callable[..., None]) -> Callable[..., None]:
    def call(*arguments: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        original(*arguments)

    return call


def test_a_version_is_made_once_by_its_tag_and_keeps_what_it_was_made_with(run_id: str) -> None:
    assert versions.tagged("vae", "retraining", "a") is None
    assert versions.add("vae", run_id, "retraining", "a", {"verdict": "passed"}) == "1"
    assert versions.add("vae", run_id, "retraining", "b", {}) == "2"
    assert versions.add("vae", run_id, "retraining", "a", {"verdict": "the first"}) == "1"
    assert versions.tags("vae", "1") == {"retraining": "a", "verdict": "passed"}
    assert versions.tags("vae", "2") == {"retraining": "b"}
    assert versions.tagged("vae", "retraining", "b") == "2"


def test_what_is_not_there_is_none_or_told_in_one_sentence(root) -> None:
    assert aliases() == {}
    assert versions.tagged("vae", "retraining", "a") is None
    with pytest.raises(UserError, match=r"^pullback-vae has no version 3 in the registry; `pullback ui` shows "):
        versions.tags("vae", "3")


def test_a_champion_is_not_the_one_before_too_when_the_alias_was_removed_by_hand(run_id: str, root) -> None:
    added(run_id, "a", "b")
    versions.appoint("vae", "2", "1")
    MlflowClient(f"sqlite:///{root / 'mlflow.db'}").delete_registered_model_alias("pullback-vae", versions.CHAMPION)
    versions.appoint("vae", "1", None)
    assert aliases() == {"champion": "1"}


def test_the_one_before_stays_right_however_often_a_champion_is_appointed(run_id: str) -> None:
    added(run_id, "a", "b", "c")
    for version, replaced in (("1", None), ("1", "1")):
        versions.appoint("vae", version, replaced)
        assert aliases() == {"champion": "1"}
    for version, replaced in (("2", "1"), ("3", "2"), ("1", "3")):  # the last as a rollback does
        for replaced_now in (replaced, replaced, version):
            versions.appoint("vae", version, replaced_now)
            assert aliases() == {"champion": version, "previous_champion": replaced}


@pytest.mark.parametrize("calls", range(3))
def test_an_appointment_that_was_cut_off_ends_as_a_whole_one(
    run_id: str, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    added(run_id, "a", "b")
    versions.appoint("vae", "1", None)
    versions.challenge("vae", "2")
    left = iter(range(calls))
    with monkeypatch.context() as patched:
        for name in ("set_registered_model_alias", "delete_registered_model_alias"):
            patched.setattr(MlflowClient, name, killed_after(left, getattr(MlflowClient, name)))
        with pytest.raises(KeyboardInterrupt):
            versions.appoint("vae", "2", "1")
    assert versions.alias("vae", "champion") in ("1", "2")
    versions.appoint("vae", "2", "1")
    assert aliases() == {"champion": "2", "previous_champion": "1"}


def test_a_challenger_changes_nothing_else_and_is_the_last_one_refused(run_id: str) -> None:
    added(run_id, "a", "b", "c")
    versions.appoint("vae", "1", None)
    for version in ("2", "2", "3"):
        versions.challenge("vae", version)
        assert aliases() == {"champion": "1", "challenger": version}
    versions.appoint("vae", "2", "1")
    assert aliases() == {"champion": "2", "previous_champion": "1", "challenger": "3"}
