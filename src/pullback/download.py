"""How does a published file get here whole, over a network that may hang or break off?

A file arrives as NAME.part beside its target and takes its name only when it is complete and its digest is right. A
transfer that hangs or breaks off is tried again with growing pauses, and goes on where it stopped if the server honours
a Range request (RFC 9110, section 14).
"""

import hashlib
import re
import shutil
import sys
import time
from pathlib import Path

from pullback.errors import UserError, refused

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without a byte
SLOW_SECONDS, LEAST_BYTES_PER_SECOND = 60, 1000  # how long slower than that is borne
PAUSE_SECONDS = (1.0, 2.0, 4.0)  # between tries
ALGORITHMS = {32: "md5", 64: "sha256"}  # hex digits of a digest -> what it is


class Refused(UserError):
    """The place answers, but it has no such file."""


def fetch(url_or_path: str, target: Path, digest: str | None = None, *, remedy: str) -> None:
    """Copies the file at an http(s) address or a local path to `target`, and verifies it.

    Args:
        digest: md5 or sha256 in hex digits.
        remedy: what the person can do if there is no such file, or another one; it ends the sentence of every error.

    Raises:
        Refused: the server answers with a status of 4xx (at once), or the local file does not exist.
        UserError: the transfer fails in every try, the digest is wrong, or the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if digest is None:  # then nothing would tell what an earlier run left there
        part.unlink(missing_ok=True)
    try:
        if url_or_path.startswith(("http://", "https://")):
            _receive(url_or_path, part, remedy)
        else:
            _copy(url_or_path, part, remedy)
        verify(url_or_path, part, digest, remedy=remedy)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        source = error.filename not in (None, str(part), str(target))
        raise refused(error.filename if source else target, "read" if source else "written", error) from error


def verify(origin: str, path: Path, digest: str | None, *, remedy: str) -> None:
    """Deletes `path` and raises `UserError` if its md5 or sha256 is not `digest`."""
    if digest is None:
        return
    algorithm = ALGORITHMS[len(digest)]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found != digest:
        path.unlink()
        raise UserError(
            f"{origin} has the {algorithm} {found}, not {digest}; it is damaged or another version, so {remedy}"
        )


def _copy(path: str, part: Path, remedy: str) -> None:
    if not Path(path).expanduser().is_file():
        raise Refused(f"{path} is no file; {remedy}")
    shutil.copyfile(Path(path).expanduser(), part)


def _receive(url: str, part: Path, remedy: str) -> None:
    import requests
    import urllib3

    pauses, most = [0, *PAUSE_SECONDS], 0
    while pauses:
        time.sleep(pauses.pop(0))
        try:
            _request(url, part, remedy)
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = error
        have = part.stat().st_size if part.exists() else 0
        if have > most:  # each try that gets further earns all tries again
            pauses, most = list(PAUSE_SECONDS), have
    raise UserError(
        f"{url} failed in {len(PAUSE_SECONDS) + 1} tries ({failure}); check the network, or {remedy}"
    ) from failure


def _request(url: str, part: Path, remedy: str) -> None:
    """One try: appends to `part` if the server resumes, else starts it anew."""
    import requests
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # or requests would unpack what is to be verified
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
        status = answer.status_code
        resumed = re.fullmatch(rf"bytes {have}-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if status == 416 or (status == 206 and not resumed):
            part.unlink()
            raise requests.ConnectionError("the server resumed at another byte than asked")
        if 400 <= status < 500 and status not in (408, 429):
            raise Refused(f"{url} answered {status} {answer.reason}; {remedy}")
        answer.raise_for_status()
        if status == 206 and resumed:
            total = int(resumed[1])
        else:
            have, total = 0, int(answer.headers.get("Content-Length", 0))
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        quiet = not sys.stderr.isatty()
        with (
            Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress,
            part.open("ab" if have else "wb") as file,
        ):
            task = progress.add_task(url.rsplit("/", 1)[-1], total=total or None, completed=have)
            start, came = time.monotonic(), 0
            while block := answer.raw.read1(2**16):  # what has come so far; a larger unit would be lost in a break
                came += file.write(block)
                progress.advance(task, len(block))
                if time.monotonic() - start > SLOW_SECONDS and came < SLOW_SECONDS * LEAST_BYTES_PER_SECOND:
                    raise requests.Timeout(f"only {came} bytes came in {SLOW_SECONDS} seconds")
    if total and part.stat().st_size != total:
        raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes came")
