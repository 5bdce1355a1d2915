import os
import signal

import pytest

from pullback.training.requests import stop_requests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_request_and_the_second_acts(number):
    heard = []
    before = signal.signal(number, lambda *_: heard.append(number))
    try:
        with stop_requests() as stop:
            assert not stop()
            os.kill(os.getpid(), number)
            assert stop()
            assert not heard
            os.kill(os.getpid(), number)
            assert heard == [number]
        os.kill(os.getpid(), number)
        assert heard == [number, number]
    finally:
        signal.signal(number, before)
