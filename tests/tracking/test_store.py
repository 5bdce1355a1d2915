import pytest

from pullback.tracking.store import absence


@pytest.mark.parametrize(("status", "told"), [(404, None), (401, None), (500, "RetryError"), (503, "RetryError")])
def test_a_server_that_answers_is_away_only_if_it_says_that_it_is_broken(site, status, told):
    site.status = status
    assert absence(site.url) == told


def test_a_server_that_is_silent_is_away(site, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    site.hangs = True
    assert absence(site.url) == "ConnectionError"
    assert len(site.asked) == 1
