import socket

import pytest

from pullback.errors import UserError
from pullback.tracking.store import absence, connect


@pytest.mark.parametrize(("status", "told"), [(404, None), (401, None), (500, "RetryError"), (503, "RetryError")])
def test_a_server_that_answers_is_away_only_if_it_says_that_it_is_broken(site, status, told):
    site.status = status
    assert absence(site.url) == told


def test_a_server_that_is_silent_is_away(site, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    site.hangs = True
    assert absence(site.url) == "ConnectionError"
    assert len(site.asked) == 1


@pytest.mark.parametrize(("offline", "helps"), [(False, True), (None, False)])
def test_files_are_offered_only_where_there_is_something_to_record_in_them(monkeypatch, offline, helps):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
    with pytest.raises(
        UserError, match=r"no MLflow server answers .*; start it, .*or unset MLFLOW_TRACKING_URI"
    ) as told:
        connect(offline)
    assert ("tracking.offline" in str(told.value)) is helps
