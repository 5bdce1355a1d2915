"""Transfers that succeed, hang, break off, or bring the wrong bytes."""

import errno
import hashlib
import shutil
from functools import partial

import numpy as np
import pytest

from pullback import download
from pullback.errors import UserError

CONTENT = np.random.default_rng(0).bytes(400_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
fetch = partial(download.fetch, remedy="do this")


def test_file_arrives_whole_from_the_web_and_from_a_path(site, tmp_path):
    site.files["a.bin"] = CONTENT
    (tmp_path / "a.bin").write_bytes(CONTENT)
    for origin, digest in ((f"{site.url}/a.bin", MD5), (str(tmp_path / "a.bin"), SHA256)):
        fetch(origin, tmp_path / "raw" / "a.bin", digest)
        assert (tmp_path / "raw" / "a.bin").read_bytes() == CONTENT
        assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("status", [404, 403])
def test_refusal_is_told_at_once_with_address_and_remedy(site, tmp_path, status):
    site.status = status
    with pytest.raises(download.Refused, match=rf"{site.url}/a.bin answered {status}.*do this"):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert len(site.asked) == 1
    assert not list(tmp_path.iterdir())


def test_missing_local_file_is_told(tmp_path):
    with pytest.raises(download.Refused, match=r"none\.bin is no file; do this"):
        fetch(str(tmp_path / "none.bin"), tmp_path / "a.bin")


@pytest.mark.parametrize("fault", ["hangs", "unavailable", "nobody"])
def test_failing_server_is_tried_three_times_then_told(site, tmp_path, fault):
    site.hangs, site.status = fault == "hangs", 503
    url = "http://127.0.0.1:9" if fault == "nobody" else site.url
    with pytest.raises(UserError, match=rf"{url}/a.bin failed in 3 tries .*do this"):
        fetch(f"{url}/a.bin", tmp_path / "a.bin")
    assert len(site.asked) == (0 if fault == "nobody" else 3)
    assert not list(tmp_path.iterdir())


def test_broken_transfer_goes_on_where_it_stopped(site, tmp_path):
    site.files["a.bin"], site.breaks = CONTENT, 1
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert site.asked == [("a.bin", None), ("a.bin", f"bytes={len(CONTENT) // 2}-")]


@pytest.mark.parametrize("fault", ["no ranges", "wrong byte"])
def test_broken_transfer_starts_anew_where_the_server_cannot_resume(site, tmp_path, fault):
    site.files["a.bin"], site.breaks = CONTENT, 1
    site.ranges, site.shift = fault != "no ranges", 7
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_complete_part_of_an_earlier_run_is_no_obstacle(site, tmp_path):
    site.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin", MD5)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_unverifiable_part_of_an_earlier_run_is_not_used(site, tmp_path):
    site.files["a.bin"] = CONTENT
    (tmp_path / "a.bin.part").write_bytes(b"of another version")
    fetch(f"{site.url}/a.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(("algorithm", "digest"), [("md5", MD5), ("sha256", SHA256)])
def test_wrong_digest_leaves_nothing(site, tmp_path, algorithm, digest):
    site.files["a.bin"] = b"<html>please log in</html>"
    with pytest.raises(UserError, match=rf"a\.bin has the {algorithm} \w+, not {digest}; .*do this"):
        fetch(f"{site.url}/a.bin", tmp_path / "a.bin", digest)
    assert not list(tmp_path.iterdir())


def test_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def copy(_, part):
        part.write_bytes(b"ha")
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.bin").write_bytes(CONTENT)
    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(UserError, match=r"b\.bin could not be written: No space left on device; make room"):
        fetch(str(tmp_path / "a.bin"), tmp_path / "raw" / "b.bin")
    assert not list((tmp_path / "raw").iterdir())
