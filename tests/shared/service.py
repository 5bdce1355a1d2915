"""Servers that tests start."""

import os
import signal
import socket
import subprocess
import time


class Service:
    """A server, in processes of its own, on a free port of the loopback address."""

    def __init__(self, command, folder, user=None, **environment):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.command = [part.format(port=self.port) for part in command]
        self.folder, self.user, self.environment = folder, user, environment
        self.start()

    def start(self):
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                user=self.user,
                env={name: value for name, value in os.environ.items() if "MLFLOW" not in name} | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its own processes end with it
            )
        deadline = time.monotonic() + 120
        while not self.answers():
            told = (self.folder / f"{self.port}.log").read_text()
            assert self.process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.1)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self, number=signal.SIGKILL):
        os.killpg(self.process.pid, number)
        self.process.wait()
