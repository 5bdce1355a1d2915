"""Repositories in which a retraining is quick, since DVC has its results in the cache."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from nightly import Nightly


@pytest.fixture(scope="session")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Nightly:
    """A repository with a model of 300 images, in whose cache are the results of 450 images too."""
    base = Nightly(tmp_path_factory.mktemp("nightly") / "base").make(300)
    base.put(450)
    base.retrain_killed("before", "pullback.retraining.verdict on")
    base.give_lease_back()
    shutil.rmtree(base.folder / ".pullback")
    base.done("dvc", "exp", "remove", "--all-commits", "--quiet")
    base.put(300)
    return base


@pytest.fixture
def workspace(champion: Nightly, tmp_path: Path) -> Nightly:
    return champion.copy(tmp_path / "workspace")


@pytest.fixture
def copies(champion: Nightly, tmp_path: Path) -> Callable[[str], Nightly]:
    return lambda name: champion.copy(tmp_path / name)
