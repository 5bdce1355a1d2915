"""Which process started this one, does another still live, and how does this one end in order?"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

SHELLS = {"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "sh", "tcsh", "zsh"}


def starter() -> psutil.Process:
    """The process that started the stages: the first ancestor that is no shell, or else the outermost one."""
    line = [psutil.Process(), *psutil.Process().parents()]
    return next((process for process in line[1:] if process.name() not in SHELLS), line[-1])


def identity(process: psutil.Process) -> str:
    """Host, number and start of a process. The start counts from the boot: a corrected clock moves all other times."""
    return f"{socket.gethostname()}/{process.pid}/{process.create_time() - psutil.boot_time():.2f}"


def is_alive(told: str) -> bool:
    try:
        process = psutil.Process(int(told.split("/")[1]))
        return identity(process) == told and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Terminated(SystemExit):
    """SIGTERM came."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated(128 + number)  # the exit code by which a shell reports a process that a signal ended

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
