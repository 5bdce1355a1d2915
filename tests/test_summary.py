"""The table for the terminal holds every score of every model beside the floor."""

from pathlib import Path

import pytest
from rich.console import Console

from pullback import files
from pullback.errors import UserError
from pullback.summary import scores_table

BESIDE = {
    "images": 9,
    "feature_map": "pixels",
    "feature_map_digest": "0a1b",
    "resize": "none",
    "parameters": {"fid": {}},
    "seed": 7,
}


def test_scores_stand_beside_the_floor(tmp_path: Path) -> None:
    for model, fid in (("gan", 3.25), ("vae", 12.5)):
        scores = {"floor": {"fid": {"value": 0.125}}, "methods": {"prior": {"fid": {"value": fid}}}}
        files.write_json(tmp_path / f"{model}.json", BESIDE | scores)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(scores_table(tmp_path))
    (row,) = (line for line in capture.get().splitlines() if "fid" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["fid", "0.125", "3.25", "12.5"]
    assert "features: pixels, digest 0a1b, resize none, seed 7" in " ".join(capture.get().split())


def test_a_score_that_the_floor_lacks_is_left_blank_there(tmp_path: Path) -> None:
    scores = {"floor": {}, "methods": {"prior": {"augmentation_gain": {"value": 0.25}}}}
    files.write_json(tmp_path / "gan.json", BESIDE | scores)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(scores_table(tmp_path))
    (row,) = (line for line in capture.get().splitlines() if "gain" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["augmentation_gain", "", "0.25"]


def test_mean_and_spread_of_several_trainings_stand_below_the_value(tmp_path: Path) -> None:
    repeats = {"prior": {"fid": {"values": [3.25, 5.25], "mean": 4.25, "std": 1.41421}}}
    scores = {"floor": {}, "methods": {"prior": {"fid": {"value": 3.25}}}, "repeats": repeats}
    files.write_json(tmp_path / "gan.json", BESIDE | scores)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(scores_table(tmp_path))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    assert lines == [["fid", "", "3.25"], ["", "", "4.25 ± 1.4 (2)"]]
    assert "mean ± std (number of trainings)" in " ".join(capture.get().split())


def test_no_scores_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no scores; run `dvc repro`"):
        scores_table(tmp_path)
