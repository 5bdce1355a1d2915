import pytest
from lightning_fabric import Fabric

from pullback.training.device import fabric


@pytest.fixture(scope="session")
def cpu() -> Fabric:
    return fabric("cpu", "32-true")
