"""How good are the models? Their scores beside the floor that real images reach, as a table for the terminal."""

from collections.abc import Container
from math import inf
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from pullback import files, plugins
from pullback.errors import UserError
from pullback.labels import LEAST, decimals, interval, joined, label, number

ARROWS = {"lower": "\N{DOWNWARDS ARROW}", "higher": "\N{UPWARDS ARROW}"}


def scores_table(folder: Path) -> Table:
    """The table of `folder`/MODEL.json, which the `evaluate` stages write.

    Raises:
        UserError: there are none.
    """
    results = {path.stem: files.read_json(path) for path in sorted(folder.glob("*.json"))}
    if not results:
        raise UserError(f"{folder} holds no scores; run `dvc repro`")
    first = next(iter(results.values()))
    caption = _beside(first, first["floor"])
    if any("repeats" in result for result in results.values()):
        caption += ". Below a value, mean ± std (number of trainings)"
    table = _narrow(f"{first['images']} images on each side", caption)
    columns = {"floor": _cells(first["floor"], {})}
    for model, result in results.items():
        for method, scores in result["methods"].items():
            columns[f"{model} {method}"] = _cells(scores, result.get("repeats", {}).get(method, {}))
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for score in sorted({score for scores in columns.values() for score in scores}):
        table.add_row(score, *(texts.get(score, "") for texts in columns.values()))
    return table


def _cells(scores: dict[str, Any], repeats: dict[str, Any]) -> dict[str, str]:
    """The value of each score and, below it, what is known of it over several trainings."""
    cells = {score: _short(found["value"]) for score, found in scores.items()}
    for score, found in repeats.items():
        cells[score] += f"\n{_short(found['mean'])} ± {found['std']:.2g} ({len(found['values'])})"
    return cells


def score_table(result: dict[str, Any]) -> Table:
    """What `pullback score` has found."""
    table = Table(
        title=f"{result['n_fake']} images against {result['n_real']} real ones",
        caption=f"{_beside(result, result)}. The intervals of {joined(LEAST)} are those of unlimited images.",
    )
    for name in ("", "value", "95 % interval", "floor", "images of it"):
        table.add_column(name, justify="right" if name else "left")
    for score, direction in _directions(result).items():
        if score in result:
            found, best = result[score], result["floor"].get(score)
            places = decimals([found["value"]])
            table.add_row(
                f"{label(score)} {ARROWS[direction]}",
                _written(number(found["value"], places)),
                _written(interval(found["low"], found["high"], places, LEAST.get(score, -inf))),
                *((_written(number(best["value"], places)), _counts(best)) if best else ()),
            )
    if "near_copies" in result:
        table.add_row("near-copies", str(len(result["near_copies"])))
    return table


def verdict_table(result: dict[str, Any]) -> Table:
    """What `pullback compare` has found."""
    caption = _beside(result, result["verdicts"])
    if "fid" in result["verdicts"]:
        caption += f". A - B of {label('fid')} is without the bias of few images."
    table = _narrow(f"{result['n_fake']} images of A and of B against {result['n_real']} real ones", caption)
    for name in ("", "A", "B", "A - B", "95 % interval", "A is"):
        table.add_column(name, justify="left" if name in ("", "A is") else "right", no_wrap=name != "A is")
    for score, direction in _directions(result).items():
        if score in result["verdicts"]:
            found = result["verdicts"][score]
            values = (_short(found[key]) for key in ("a", "b", "difference"))
            row = (f"{label(score)} {ARROWS[direction]}", *values, _interval(found), found["verdict"])
            table.add_row(*row)
    return table


def _narrow(title: str, caption: str) -> Table:
    """A table that fits 80 columns with five of numbers."""
    return Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)


def humans_table(result: dict[str, Any]) -> Table:
    """What `pullback humans` has found."""
    people = f"{result['people']} {'person' if result['people'] == 1 else 'people'}"
    table = Table(title=f"Blind test {result['test']}, {people}", caption="Guessing gives an error rate of 50%.")
    for name in ("", "answers", "error rate", "95 % interval", "p of guessing"):
        table.add_column(name, justify="right" if name else "left")
    for source, found in result["sources"].items():
        interval = f"{found['low']:.0%} to {found['high']:.0%}"
        table.add_row(source, str(found["answers"]), f"{found['error_rate']:.0%}", interval, _short(found["p_value"]))
    return table


def _beside(result: dict[str, Any], scores: Container[str]) -> str:
    """The feature map and the parameters, without which the scores mean nothing."""
    parts = [f"features: {result['feature_map']}"]
    if result["feature_map_digest"]:
        parts += [f"digest {result['feature_map_digest']}", f"resize {result['resize']}"]
    for name, params in result["parameters"].items():
        if any(score in scores for score in plugins.load("evaluation", name).BETTER):
            parts += [f"{key} {value}" for key, value in params.items() if value is not None]
    return ", ".join([*parts, f"seed {result['seed']}"])


def _directions(result: dict[str, Any]) -> dict[str, str]:
    """Which direction of each score is better."""
    metrics = (plugins.load("evaluation", name) for name in result["parameters"])
    return {score: better for metric in metrics for score, better in metric.BETTER.items()}


def _counts(found: dict[str, Any]) -> str:
    """The images behind a score, of both sets where it looks at both."""
    return " + ".join(f"{found[key]}" for key in ("n_real", "n_fake") if found[key])


def _short(value: float) -> str:
    return f"{value:.3g}"


def _written(number: str) -> str:
    """With the minus sign that every terminal has, as others would show a question mark in its place."""
    return number.replace("\N{MINUS SIGN}", "-")


def _interval(found: dict[str, float]) -> str:
    return f"{_short(found['low'])} to {_short(found['high'])}"
