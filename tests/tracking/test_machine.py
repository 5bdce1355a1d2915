"""What is recorded of a machine with the graphics cards of a driver that is made up here."""

import logging
import os
import sys
from types import SimpleNamespace

import pytest
from mlflow.system_metrics.metrics import gpu_monitor

from pullback.tracking._machine import Machine, described


class NVMLError(Exception):
    pass


class Driver:
    """In the place of `pynvml`: card i works at 10 (i + 1) % with i + 1 of 4 GB, at 75 of 300 W."""

    NVMLError = NVMLError

    def __init__(self, cards: int, *failing: str) -> None:
        self.cards, self.failing = cards, {f"nvml{name}" for name in failing}

    def __getattribute__(self, name: str):
        if name.startswith("nvml") and name in self.failing:
            raise NVMLError(name)  # when it is asked for, which is when it is called
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetCount(self) -> int:
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, i: int) -> int:
        return i

    def nvmlDeviceGetName(self, i: int) -> str:
        return f"card {i // 2}"

    def nvmlDeviceGetMemoryInfo(self, i: int) -> SimpleNamespace:
        return SimpleNamespace(used=(i + 1) * 1_000_000_000, total=4_000_000_000)

    def nvmlDeviceGetUtilizationRates(self, i: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=10 * (i + 1))

    def nvmlDeviceGetPowerUsage(self, i: int) -> int:
        return 75_000

    def nvmlDeviceGetEnforcedPowerLimit(self, i: int) -> int:
        return 300_000


@pytest.fixture
def machine_with(monkeypatch):
    """A machine on which that driver is."""

    def build(driver: Driver) -> Machine:
        monkeypatch.setitem(sys.modules, "pynvml", driver)
        monkeypatch.setattr(gpu_monitor, "pynvml", driver)
        return Machine()

    return build


def of_cards(machine: Machine) -> dict[str, float]:
    load = machine.load()
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"} <= load.keys()
    return {key.removeprefix("system/"): value for key, value in load.items() if key.startswith("system/gpu_")}


def test_every_card_tells_its_load_memory_and_power_by_its_number(machine_with):
    machine = machine_with(Driver(2))
    told = {
        "gpu_0_utilization_percentage": 10,
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_memory_usage_megabytes": 1000.0,
        "gpu_0_power_usage_watts": 75.0,
        "gpu_0_power_usage_percentage": 25.0,
        "gpu_1_utilization_percentage": 20,
        "gpu_1_memory_usage_percentage": 50.0,
        "gpu_1_memory_usage_megabytes": 2000.0,
        "gpu_1_power_usage_watts": 75.0,
        "gpu_1_power_usage_percentage": 25.0,
    }
    assert of_cards(machine) == told
    assert of_cards(machine) == told  # and not a mean over all readings


def test_a_machine_is_described_by_its_processor_and_its_cards(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Driver(3))
    processor, cores, *cards = described().split(", ")
    assert processor
    assert cores == f"{os.cpu_count()} cores"
    assert cards == ["2 x card 0", "1 x card 1"]
    monkeypatch.setitem(sys.modules, "pynvml", Driver(1, "Init"))
    assert described() == f"{processor}, {cores}"


@pytest.mark.parametrize("failing", ["Init", "DeviceGetCount", "DeviceGetHandleByIndex"])
def test_a_driver_that_fails_is_as_none(machine_with, failing):
    assert of_cards(machine_with(Driver(1, failing))) == {}


def test_a_machine_without_a_card_tells_of_none(machine_with):
    assert of_cards(machine_with(Driver(0))) == {}


def test_what_a_card_does_not_tell_is_left_out_in_silence(machine_with, caplog):
    machine = machine_with(Driver(1, "DeviceGetUtilizationRates", "DeviceGetPowerUsage"))
    with caplog.at_level(logging.WARNING):
        assert of_cards(machine) == {"gpu_0_memory_usage_percentage": 25.0, "gpu_0_memory_usage_megabytes": 1000.0}
    assert caplog.messages == []


def test_a_driver_that_goes_away_takes_nothing_else_with_it(machine_with):
    driver = Driver(1)
    machine = machine_with(driver)
    driver.failing = {f"nvmlDeviceGet{name}" for name in ("MemoryInfo", "UtilizationRates", "PowerUsage")}
    assert of_cards(machine) == {}
