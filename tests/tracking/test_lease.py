"""One owner at a time holds a lease, over kills, expiry and races; the end of it never hides what the block did."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pullback.errors import UserError
from pullback.tracking.lease import NAME, SECONDS, TAG, Busy, check, lease

HOLDER = """
import sys, time
from pullback.tracking.lease import Busy, lease

try:
    with lease(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
except Busy as busy:
    print(busy, flush=True)
"""


@pytest.fixture
def client(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that stands still unless `now` is set."""
    clock = SimpleNamespace(now=1e9, ctime=time.ctime)
    clock.time = lambda: clock.now
    monkeypatch.setattr("pullback.tracking.lease.time", clock)
    return clock


def leases(client: MlflowClient) -> dict[str, float]:
    """By name, the time that each ends at."""
    return {each.name: json.loads(each.tags[TAG])["until"] for each in client.search_registered_models()}


def start(owner: str, folder: Path) -> subprocess.Popen[str]:
    """A machine of its own, in its own folder, on the same store."""
    folder.mkdir()
    return subprocess.Popen([sys.executable, "-c", HOLDER, owner], cwd=folder, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_a_second_owner_is_told_who_holds_it_until_the_end_of_the_block(client: MlflowClient) -> None:
    with lease("one"):
        check("one")
        with pytest.raises(Busy, match=r"^one is retraining, until \w+ .* at the latest$"), lease("two"):
            pass
    with lease("two"):
        check("two")


def test_who_is_not_heard_of_loses_it_and_neither_ends_nor_keeps_that_of_its_heir(
    client: MlflowClient, clock: SimpleNamespace
) -> None:
    with ExitStack() as heir:
        with lease("lost"):
            clock.now += SECONDS - 1
            with pytest.raises(Busy), lease("heir"):
                pass
            clock.now += 2
            heir.enter_context(lease("heir"))
            with pytest.raises(UserError, match=r"^heir has taken over the retraining, as this machine was not heard "):
                check("lost")
        check("heir")
        with pytest.raises(Busy, match="heir"), lease("lost"):
            pass


def test_it_is_extended_while_it_is_held(client: MlflowClient) -> None:
    with lease("one", seconds=0.4):
        ((name, until),) = leases(client).items()
        deadline = time.monotonic() + 20
        while leases(client)[name] == until:
            assert time.monotonic() < deadline, "it was not extended"
            time.sleep(0.05)
        assert list(leases(client)) == [name]


def test_only_the_last_one_and_the_one_before_it_are_kept(client: MlflowClient) -> None:
    for owner in ("one", "two", "one", "two"):
        with lease(owner):
            pass
    assert sorted(leases(client)) == [f"{NAME}-3", f"{NAME}-4"]


@pytest.mark.parametrize(
    ("meanwhile", "told"),
    [
        (1, "another machine has just begun to retrain"),
        (2, "another machine has just begun to retrain"),
        (3, "other machines have retrained while this one was looking"),  # the number that it wants is free again
    ],
)
def test_who_was_slower_to_take_the_next_number_has_it_not(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, meanwhile: int, told: str
) -> None:
    create = MlflowClient.create_registered_model

    def slow(*arguments: object) -> object:
        monkeypatch.setattr(MlflowClient, "create_registered_model", create)
        monkeypatch.setattr("pullback.tracking.lease.locked", ExitStack)  # the other machine has a lock of its own
        for _ in range(meanwhile):
            with lease("fast"):
                pass
        return create(*arguments)

    monkeypatch.setattr(MlflowClient, "create_registered_model", slow)
    with pytest.raises(Busy, match=f"^{told}$"), lease("slow"):
        pass
    check("fast")
    with lease("slow"):
        check("slow")


def test_of_two_processes_one_has_it_and_after_a_kill_its_owner_alone(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    machines = tmp_path_factory.mktemp("machines")
    processes = {owner: start(owner, machines / owner) for owner in ("one", "two")}
    said = {owner: line(process) for owner, process in processes.items()}
    for process in processes.values():
        process.kill()
        process.communicate()
    (holder,) = [owner for owner in said if said[owner] == "held\n"]
    (other,) = processes.keys() - {holder}
    assert holder in said[other] or "another machine has just begun" in said[other]
    with pytest.raises(Busy, match=f"^{holder} is retraining"), lease(other):
        pass
    with lease(holder):
        check(holder)


@pytest.mark.parametrize("fails", [False, True])
def test_a_store_that_goes_away_hides_nothing_of_the_block(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace, fails: bool
) -> None:
    def away(*_: object) -> None:
        raise MlflowException("nobody answers")

    done = []
    with monkeypatch.context() as broken, ExitStack() as stack:
        if fails:
            stack.enter_context(pytest.raises(KeyError, match="the block's own"))
        with lease("one"):
            broken.setattr(MlflowClient, "set_registered_model_tag", away)
            if fails:
                raise KeyError("the block's own")
        done.append("went on")
    assert done == ["went on"] * (not fails)
    with pytest.raises(Busy), lease("two"):
        pass
    clock.now += SECONDS + 1
    with lease("two"):
        pass
