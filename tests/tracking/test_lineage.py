"""What a stage reads and writes is what dvc.yaml says of it."""

from pathlib import Path

import pytest

from pullback.digests import md5
from pullback.tracking.lineage import data_of, digests

ROOT = Path(__file__).parents[2]


def test_the_data_of_a_stage_are_its_outputs_and_those_of_others(monkeypatch):
    monkeypatch.chdir(ROOT)
    reads, writes = data_of("train@gan")
    assert reads == ["data/images", "metrics/prepare.json", "models/extractor"]
    metrics = ["metrics/train/gan.csv", "metrics/train/gan-scores.csv", "metrics/train/gan.json"]
    assert writes == ["models/gan", *metrics]
    reads, writes = data_of("compare")
    assert reads == ["data/features", "metrics/extractor.json", "metrics/evaluate"]
    assert writes == ["metrics/headline.json", "metrics/scores.csv", "metrics/compare.json"]


@pytest.mark.parametrize("content", [None, "stages:\n  other:\n    cmd: 'true'\n"])
def test_a_stage_that_stands_nowhere_has_none(monkeypatch, tmp_path, content):
    monkeypatch.chdir(tmp_path)
    if content:
        Path("dvc.yaml").write_text(content)
    assert data_of("train@gan") == ([], [])


def test_what_is_known_is_not_read_again_and_what_is_not_there_has_no_digest(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        Path(name).touch()
    assert digests(["a", "b", "c"], {"a": "known", "d": "other"}) == {"a": "known", "b": md5(Path("b"))}
