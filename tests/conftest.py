"""One thread per process: on tiny tensors two only wait for each other, on busy cores a hundred times as long.

Also a web server on the loopback address that can misbehave, and a clone in which the pipeline has run.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; child processes inherit it

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from clone import Clone, clone_repository

from pullback import download


class Site(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files: dict[str, bytes] = {}
        self.breaks = 0  # how many answers stop half-way
        self.ranges = True  # whether Range requests are honoured
        self.shift = 0  # bytes by which a resumed answer is wrong
        self.status = 200
        self.closing = threading.Event()
        self.hangs = False
        self.asked: list[tuple[str, str | None]] = []  # path and Range of each request


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        site, name, asked = self.server, self.path[1:], self.headers.get("Range")
        site.asked.append((name, asked))
        if site.hangs:
            site.closing.wait(10)
            return
        if name not in site.files or site.status != 200:
            self.send_error(site.status if site.status != 200 else 404)
            return
        content = site.files[name]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and site.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        start += site.shift if start else 0
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if site.breaks:
            site.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server that serves `site.files` at `site.url`; the client waits for tenths of seconds only."""
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    monkeypatch.setattr(download, "PAUSE_SECONDS", (0.01, 0.01))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone of the repository in which the pipeline has run once. A test that changes it changes it back."""
    clone = clone_repository(tmp_path_factory.mktemp("clone"))
    clone.done("dvc", "repro")
    return clone


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store, which takes seconds to make, to be copied."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}")
    return path
