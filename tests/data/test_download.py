import pytest

from pullback.data import _download
from pullback.errors import UserError


def test_mirrors_are_tried_in_turn():
    def get(mirror: str) -> str:
        if mirror != "good":
            raise UserError(mirror)
        return mirror

    assert _download.in_turn(["bad", "good", "worse"], get) == "good"
    with pytest.raises(UserError, match="worse"):
        _download.in_turn(["bad", "worse"], get)


def test_source_is_a_folder_or_the_file_itself():
    assert _download.address("http://host/set", "a.gz") == "http://host/set/a.gz"
    assert _download.address("/home/me/set/", "a.gz") == "/home/me/set/a.gz"
    assert _download.address("http://host/set/a.gz", "a.gz") == "http://host/set/a.gz"


def test_what_to_do_is_told(tmp_path):
    with pytest.raises(UserError, match=r"none\.bin is no file; set data\.source to a folder or web address"):
        _download.fetch(str(tmp_path / "none.bin"), tmp_path / "a.bin")
