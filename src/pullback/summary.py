"""How good are the models? Their scores beside the floor that real images reach, as a table for the terminal."""

from pathlib import Path

from rich.table import Table

from pullback import files
from pullback.errors import UserError


def scores_table(folder: Path) -> Table:
    """The table of `folder`/MODEL.json, which the `evaluate` stages write.

    Raises:
        UserError: there are none.
    """
    results = {path.stem: files.read_json(path) for path in sorted(folder.glob("*.json"))}
    if not results:
        raise UserError(f"{folder} holds no scores; run `dvc repro`")
    first = next(iter(results.values()))
    table = Table(title=f"{first['images']} images on each side, features: {first['feature_map']}")
    columns = {"floor": first["floor"]}
    for model, result in results.items():
        columns |= {f"{model} {method}": scores for method, scores in result["methods"].items()}
    for name in ("", *columns):
        table.add_column(name, justify="right" if name else "left")
    for metric in first["floor"]:
        values = (f"{scores[metric]['value']:.3g}" for scores in columns.values())
        table.add_row(metric.replace("_", " "), *values)
    return table
