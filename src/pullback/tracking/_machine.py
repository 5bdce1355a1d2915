"""Which machine is this, and how busy are its processors, its memory and its graphics cards?

The load is measured by mlflow's own monitors, which name and round the numbers as the UI's page of system metrics shows
them: in percent, in megabytes of a million bytes, and of cards also in watts, by the number that the driver of NVIDIA
gives a card. They are read here whenever the curves are sent, not by mlflow's thread, which would write beside us, and
give up for good when the store once refuses.
"""

import logging
import os
import platform
import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any


class Machine:
    def __init__(self) -> None:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

        self._monitors: list[Any] = [CPUMonitor(), *_cards()]
        self.load()  # the next answer is of the time since this one

    def load(self) -> dict[str, float]:
        """By the names under which the UI shows system metrics: of the processors since the last call, else of now."""
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{key}": value for key, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return found


def described() -> str:
    """ "AMD EPYC, 2 cores, 1 x NVIDIA H200": the processor by its name where Linux tells, else its kind."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    cards = (f"{count} x {name}" for name, count in Counter(_card_names()).items())
    return ", ".join([named[1] if named else platform.machine(), f"{os.cpu_count()} cores", *cards])


def _card_names() -> list[str]:
    import pynvml

    with suppress(pynvml.NVMLError):  # no driver
        pynvml.nvmlInit()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    return []


def _cards() -> list[Any]:
    """The monitor of all cards; none where there is no driver, or one that fails: a stage runs without it, too."""
    from mlflow.system_metrics.metrics import gpu_monitor
    from pynvml import NVMLError

    # It would repeat at every reading what a card does not tell, as one in parts (MIG) does not tell its load.
    logging.getLogger(gpu_monitor.__name__).setLevel(logging.ERROR)
    with suppress(RuntimeError, NVMLError):
        return [gpu_monitor.GPUMonitor()]
    return []
