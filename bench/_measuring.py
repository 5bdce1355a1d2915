"""What do all measurements share? Runs in turn, peaks of memory, and what stands beside their results."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from pullback import files
from pullback.tracking.provenance import revision

MIB = 2**20


def in_turn(tasks: dict[str, Callable[[], Any]], runs: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The median seconds of each task, run one after the other `runs` times, and the last answer of each."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    answers = {}
    for _ in range(runs):
        for name, task in tasks.items():
            start = time.perf_counter()
            answers[name] = task()
            times[name].append(time.perf_counter() - start)
    return {name: median(each) for name, each in times.items()}, answers


def told(seconds: dict[str, float]) -> dict[str, float]:
    """`ours_seconds`, `theirs_seconds` and their ratio `times_faster`."""
    return {f"{name}_seconds": round(each, 3) for name, each in seconds.items()} | {
        "times_faster": round(seconds["theirs"] / seconds["ours"], 2)
    }


def peak(script: str, *task: str) -> int:
    """MiB that a process of its own needs for a task beyond its data, at most; `script PEAK task` prints it."""
    command = [sys.executable, script, "PEAK", *task]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def alone(script: str, *task: str) -> dict[str, float]:
    """A task of ours that no package is held against; the seconds count its data too."""
    start = time.perf_counter()
    return {"ours_MiB": peak(script, *task), "ours_seconds": round(time.perf_counter() - start, 1)}


def resident(key: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    status = Path("/proc/self/status").read_text().split(f"{key}:")[1]
    return 1024 * int(status.split()[0])


def machine() -> str:
    """The processor, by its name where Linux tells."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def provenance() -> dict[str, Any]:
    """What stands beside all figures."""
    commit = revision().get("mlflow.source.git.commit", "")
    return {"date": date.today().isoformat(), "commit": commit, "machine": machine()}


def rows(results: dict[str, dict[str, float]]) -> list[str]:
    """Those of a table in the README, of results with `ours_seconds` and so on."""
    lines = ["| what; beside which package | ours | theirs | times faster | memory |", "|---|---|---|---|---|"]
    for name, found in results.items():
        seconds = [f"{found[key]:.3g} s" if key in found else "" for key in ("ours_seconds", "theirs_seconds")]
        faster = f"{found['times_faster']:.3g}" if "times_faster" in found else ""
        memory = f"{found['ours_MiB']} MiB" if "ours_MiB" in found else ""
        memory += f" of {found['theirs_MiB']} MiB" if "theirs_MiB" in found else ""
        lines.append(f"| {name} | {' | '.join(seconds)} | {faster} | {memory} |")
    return lines


def run(tasks: dict[str, Callable[[], dict[str, float]]], table: Callable[[dict[str, Any]], str], out: Path) -> None:
    """Does all tasks, writes their results to `out` and prints them as a table."""
    result: dict[str, Any] = provenance() | {"results": {}}
    for name, task in tasks.items():
        result["results"][name] = task()
        print(name, result["results"][name], flush=True)
    files.write_json(out, result)
    print(table(result))
