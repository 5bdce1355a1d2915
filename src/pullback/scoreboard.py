"""How do all models score, side by side, and which few numbers stand for a whole run?

What the `evaluate` stages say of each model fills hundreds of lines. Experiments are compared by much less: a table of
every score, which `dvc plots` draws, and the headline, which `dvc metrics diff` and `dvc exp show` print.
"""

from collections.abc import Mapping
from typing import Any

HEADLINE = ["fid", "precision", "recall"]  # how far, how real, how varied


def table(evaluations: Mapping[str, Any], better: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row for each score of each source: `source`, `score`, `better`, `value`, `low`, `high`, `floor`.

    Args:
        evaluations: metrics/evaluate/MODEL.json by model.
        better: score -> "lower" or "higher"; its order is that of the rows.
    """
    return [
        {
            "source": f"{model} {method}",
            "score": score,
            "better": direction,
            **{key: scores[score][key] for key in ("value", "low", "high")},
            "floor": evaluation["floor"].get(score, {}).get("value"),
        }
        for score, direction in better.items()
        for model, evaluation in evaluations.items()
        for method, scores in evaluation["methods"].items()
        if score in scores
    ]


def headline(evaluations: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a few scores: MODEL -> METHOD -> score, and "floor" -> score."""

    def few(scores: Mapping[str, Any]) -> dict[str, float]:
        return {score: scores[score]["value"] for score in HEADLINE if score in scores}

    models = {
        model: {method: few(scores) for method, scores in evaluation["methods"].items()}
        for model, evaluation in evaluations.items()
    }
    return {"floor": few(next(iter(evaluations.values()))["floor"]), **models}
