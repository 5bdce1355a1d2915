"""What the stage says of its scores in MLflow."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
stage = SimpleNamespace(**runpy.run_path(str(ROOT / "stages/evaluate.py"), run_name="stage"))


def estimate(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def test_the_note_tells_scores_in_the_words_of_the_report_and_the_metrics_are_as_they_were() -> None:
    told: dict[str, Any] = {}
    tracked = SimpleNamespace(headline=told.update, note=lambda text: told.update(note=text))
    metrics = dict.fromkeys(["fid", "inception_score", "classification"])
    run: Any = SimpleNamespace(tracked=tracked, params=SimpleNamespace(evaluate=SimpleNamespace(metrics=metrics)))
    result = {
        "images": 1593,
        "feature_map": "classifier",
        "floor": {"fid": estimate(0.25, -0.775, 0.0857), "inception_score": estimate(9.24, 9.03, 9.45)},
        "methods": {
            "gmm": {"fid": estimate(0.2424, -0.749, -0.188), "inception_score": estimate(8.77, 8.49, 9.04)},
            "prior": {"fid": estimate(1.1, 0.9, 1.3), "augmentation_gain": estimate(-0.0101, -0.021, 0.0008)},
        },
    }
    stage.track(run, "vae", result, {"real": "![real]()", "gmm": "![gmm]()", "prior": "![prior]()"})
    down, up = (f"\N{NO-BREAK SPACE}{arrow}" for arrow in "\N{DOWNWARDS ARROW}\N{UPWARDS ARROW}")
    minus = "\N{MINUS SIGN}"
    assert told["note"].splitlines() == [
        "**VAE**: 1,593 images on each side, features: classifier, intervals of 95 %; those of FID and JS divergence "
        "are of unlimited images.",
        "",
        "|  | real: the floor | VAE GMM | VAE prior |",
        "| --- | --- | --- | --- |",
        "|  | ![real]() | ![gmm]() | ![prior]() |",
        f"| FID{down} | 0.250 (0.000 to 0.086) | 0.242 (not above 0) | 1.100 (0.900 to 1.300) |",
        f"| classifier score{up} | 9.24 (9.03 to 9.45) | 8.77 (8.49 to 9.04) |  |",
        f"| augmentation gain{up} |  |  | {minus}0.0101 ({minus}0.0210 to 0.0008) |",
    ]
    assert told["scores/vae.gmm.fid"] == 0.2424
    assert told["uncertainty/vae.gmm.fid.low"] == -0.749
    assert told["scores/vae.gmm.inception_score"] == 8.77
