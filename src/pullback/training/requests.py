"""How is a training asked to stop? By SIGTERM or Ctrl-C, once: it then ends its step and writes a checkpoint."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Gives a function that tells whether a signal has come; a second signal acts as it would have done before."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    asked = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield lambda: asked
    finally:
        restore()
