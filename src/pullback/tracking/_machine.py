"""How busy are the processors, the memory and the graphics cards of this machine?

Measured by mlflow's own monitors, which need `nvidia-ml-py` for graphics cards. They are read here whenever the curves
are sent, not by mlflow's thread, which would write beside us, and give up for good when the store once refuses.
"""

from contextlib import suppress
from typing import Any


class Machine:
    def __init__(self) -> None:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

        self._monitors: list[Any] = [CPUMonitor()]
        with suppress(ImportError, RuntimeError):  # no library, or no card of NVIDIA
            self._monitors.append(GPUMonitor())
        self.load()  # the next answer is of the time since this one

    def load(self) -> dict[str, float]:
        """By the names under which the UI shows system metrics: of the processors since the last call, else of now."""
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{key}": value for key, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return found
