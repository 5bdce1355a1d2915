"""The pipeline as it is can be retrained: its own gate finds all that it asks for, of both models."""

import shutil
from pathlib import Path

import pytest
from clone import Clone
from nightly import Nightly


@pytest.mark.slow
def test_each_rule_of_the_gate_is_measured(clone: Clone, tmp_path: Path) -> None:
    shutil.copytree(clone.folder, tmp_path / "whole", symlinks=True)
    whole = Nightly(tmp_path / "whole", "own-images")
    with (whole.folder / ".gitignore").open("a") as ignored:
        ignored.write("/own-images/\n")
    whole.done("git", "rm", "-r", "-q", "--cached", "--ignore-unmatch", "own-images")
    whole.done("git", "add", "--all")
    whole.done("git", "commit", "-q", "-m", "champion")
    assert "the same as before" in whole.retrain(10)
    whole.put(1200)
    code, said = whole.run("pullback", "retrain")
    assert code in (0, 11), said
    assert not whole.done("git", "status", "--porcelain")
    (entry,) = whole.ledger()
    assert entry["scores"].keys() == {
        f"gan.prior.{score}" for score in ("fid", "recall", "authenticity", "classification_accuracy")
    }
    assert not [reason for reason in entry["reasons"] if "could not be measured" in reason]
    assert entry["versions"].keys() == {"gan", "vae"}
    assert entry["cost"]["device_hours"] > 0
    assert entry["cost"]["energy_kwh"] > 0
