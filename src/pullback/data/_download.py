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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pullback.errors import UserError, refused

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without a byte
SLOW_SECONDS, LEAST_BYTES_PER_SECOND = 60, 1000  # how long slower than that is borne
PAUSE_SECONDS = (1.0, 2.0, 4.0)  # between tries

REMEDY = "set data.source to a folder or web address that holds the original files"
Result = TypeVar("Result")


class Refused(UserError):
    """The place answers, but it has no such file."""


def address(source: str, name: str) -> str:
    """Where the file `name` of `source` lies; `source` is a folder, a web address of one, or the file itself."""
    return source if source.endswith(name) else f"{source.rstrip('/')}/{name}"


def in_turn(mirrors: Sequence[str], get: Callable[[str], Result]) -> Result:
    """What `get` returns for the first mirror that serves; the last one's error where none does."""
    for mirror in mirrors[:-1]:
        try:
            return get(mirror)
        except UserError:
            continue
    return get(mirrors[-1])


def fetch(url_or_path: str, target: Path, md5: str | None = None) -> None:
    """Copies the file at an http(s) address or a local path to `target`, and verifies it.

    Raises:
        Refused: the server answers with a status of 4xx (at once), or the local file does not exist.
        UserError: the transfer fails in every try, the digest is wrong, or the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if md5 is None:  # then nothing would tell what an earlier run left there
        part.unlink(missing_ok=True)
    try:
        if url_or_path.startswith(("http://", "https://")):
            _receive(url_or_path, part)
        else:
            _copy(url_or_path, part)
        verify(url_or_path, part, md5)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        source = error.filename not in (None, str(part), str(target))
        raise refused(error.filename if source else target, "read" if source else "written", error) from error


def verify(origin: str, path: Path, md5: str | None) -> None:
    """Deletes `path` and raises `UserError` if its digest is not `md5`."""
    if md5 is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "md5").hexdigest()
    if found != md5:
        path.unlink()
        raise UserError(f"{origin} has the md5 {found}, not {md5}; it is damaged or another version, so {REMEDY}")


def _copy(path: str, part: Path) -> None:
    if not Path(path).expanduser().is_file():
        raise Refused(f"{path} is no file; {REMEDY}")
    shutil.copyfile(Path(path).expanduser(), part)


def _receive(url: str, part: Path) -> None:
    import requests
    import urllib3

    pauses, most = [0, *PAUSE_SECONDS], 0
    while pauses:
        time.sleep(pauses.pop(0))
        try:
            _request(url, part)
            return
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failure = error
        have = part.stat().st_size if part.exists() else 0
        if have > most:  # each try that gets further earns all tries again
            pauses, most = list(PAUSE_SECONDS), have
    raise UserError(
        f"{url} failed in {len(PAUSE_SECONDS) + 1} tries ({failure}); check the network, or {REMEDY}"
    ) from failure


def _request(url: str, part: Path) -> None:
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
            raise Refused(f"{url} answered {status} {answer.reason}; {REMEDY}")
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
