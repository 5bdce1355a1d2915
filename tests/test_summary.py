"""The table for the terminal holds every score of every model beside the floor."""

from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from pullback import files
from pullback.errors import UserError
from pullback.summary import score_table, scores_table

BESIDE = {
    "images": 9,
    "feature_map": "pixels",
    "feature_map_digest": "0a1b",
    "resize": "none",
    "parameters": {"fid": {}},
    "seed": 7,
}


def rows(table: Table) -> list[tuple[object, ...]]:
    return [*zip(*(column.cells for column in table.columns), strict=True)]


def test_scores_stand_beside_the_floor(tmp_path: Path) -> None:
    for model, fid in (("gan", 3.25), ("vae", 12.5)):
        scores = {"floor": {"fid": {"value": 0.125}}, "methods": {"prior": {"fid": {"value": fid}}}}
        files.write_json(tmp_path / f"{model}.json", BESIDE | scores)
    table = scores_table(tmp_path)
    assert [column.header for column in table.columns] == ["", "floor", "gan prior", "vae prior"]
    assert rows(table) == [("fid", "0.125", "3.25", "12.5")]
    assert table.caption == "features: pixels, digest 0a1b, resize none, seed 7"


def test_a_score_that_the_floor_lacks_is_left_blank_there(tmp_path: Path) -> None:
    scores = {"floor": {}, "methods": {"prior": {"augmentation_gain": {"value": 0.25}}}}
    files.write_json(tmp_path / "gan.json", BESIDE | scores)
    assert rows(scores_table(tmp_path)) == [("augmentation_gain", "", "0.25")]


def test_mean_and_spread_of_several_trainings_stand_below_the_value(tmp_path: Path) -> None:
    repeats = {"prior": {"fid": {"values": [3.25, 5.25], "mean": 4.25, "std": 1.41421}}}
    scores = {"floor": {}, "methods": {"prior": {"fid": {"value": 3.25}}}, "repeats": repeats}
    files.write_json(tmp_path / "gan.json", BESIDE | scores)
    table = scores_table(tmp_path)
    assert rows(table) == [("fid", "", "3.25\n4.25 ± 1.4 (2)")]
    assert str(table.caption).endswith("Below a value, mean ± std (number of trainings)")


def test_five_sets_of_samples_fit_80_columns_whole(tmp_path: Path) -> None:
    numbers = {"classification_accuracy": {"value": 0.9876}, "augmentation_gain": {"value": -0.00506}}
    for model, methods in {"gan": ["prior"], "vae": ["gmm", "manifold", "prior"]}.items():
        scores = {"floor": numbers, "methods": dict.fromkeys(methods, numbers)}
        files.write_json(tmp_path / f"{model}.json", BESIDE | scores)
    console = Console(width=80)
    with console.capture() as capture:
        console.print(scores_table(tmp_path))
    lines = [line.split() for line in capture.get().splitlines()]
    assert ["classification_accuracy", *["0.988"] * 5] in lines
    assert ["augmentation_gain", *["-0.00506"] * 5] in lines


def test_scores_are_told_in_the_words_of_the_report() -> None:
    fid = {"value": 0.2424, "low": -0.749, "high": -0.188, "n_real": 9, "n_fake": 9}
    floor = fid | {"value": -0.0001, "low": -0.775, "high": 0.0857}
    result = BESIDE | {"parameters": {"fid": {}, "inception_score": {}, "kid": {}}, "n_real": 9, "n_fake": 9}
    result |= {"fid": fid, "inception_score": fid, "kid": fid, "floor": {"fid": floor}}
    table = score_table(result)
    assert rows(table) == [
        ("FID \N{DOWNWARDS ARROW}", "0.242", "not above 0", "0.000", "9 + 9"),
        ("classifier score \N{UPWARDS ARROW}", "0.242", "-0.749 to -0.188", "", ""),
        ("KID \N{DOWNWARDS ARROW}", "0.242", "-0.749 to -0.188", "", ""),
    ]
    assert str(table.caption).endswith("The intervals of FID and JS divergence are those of unlimited images.")


def test_no_scores_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no scores; run `dvc repro`"):
        scores_table(tmp_path)
