"""Every score of every source has a row, and the headline a value."""

from pullback.scoreboard import headline, table


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 1, "high": value + 1, "n_real": 9, "n_fake": 9}


EVALUATIONS = {
    "gan": {
        "floor": {"fid": estimate(0.5), "recall": estimate(0.9)},
        "methods": {"prior": {"fid": estimate(3.0), "recall": estimate(0.75), "augmentation_gain": estimate(0.25)}},
    },
    "vae": {
        "floor": {"fid": estimate(0.5)},
        "methods": {"gmm": {"fid": estimate(4.0)}, "prior": {"fid": estimate(5.0)}},
    },
}
BETTER = {"recall": "higher", "fid": "lower", "augmentation_gain": "higher", "kid": "lower"}


def test_every_score_of_every_source_is_a_row_in_the_order_of_the_metrics() -> None:
    rows = table(EVALUATIONS, BETTER)
    assert [(row["score"], row["source"], row["value"]) for row in rows] == [
        ("recall", "gan prior", 0.75),
        ("fid", "gan prior", 3.0),
        ("fid", "vae gmm", 4.0),
        ("fid", "vae prior", 5.0),
        ("augmentation_gain", "gan prior", 0.25),
    ]


def test_a_row_holds_direction_interval_and_floor() -> None:
    row, *_ = table(EVALUATIONS, {"fid": "lower"})
    assert row == {
        "source": "gan prior", "score": "fid", "better": "lower", "value": 3.0, "low": 2.0, "high": 4.0, "floor": 0.5,
    }  # fmt: skip


def test_a_score_without_floor_leaves_it_empty() -> None:
    (row,) = table(EVALUATIONS, {"augmentation_gain": "higher"})
    assert row["floor"] is None


def test_the_headline_is_named_as_the_rules_of_the_gate_name_scores() -> None:
    assert headline(EVALUATIONS) == {
        "floor": {"fid": 0.5, "recall": 0.9},
        "gan": {"prior": {"fid": 3.0, "recall": 0.75}},
        "vae": {"gmm": {"fid": 4.0}, "prior": {"fid": 5.0}},
    }
