"""How long did it take? Times differ between two runs of the same results."""

from markupsafe import Markup

from pullback.labels import label
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, definitions, paragraph, table
from pullback.report._shares import bar

RATE = "_images_per_second"


def section(results: Results) -> Section:
    seconds = {stage: speed["seconds"] for stage, speed in results.speeds.items()}
    rates = {stage: speed.get("images_per_second") for stage, speed in results.speeds.items()}
    rows = [
        [stage, bar(each / max(seconds.values())), f"{each:,.1f}", f"{rates[stage]:,.0f}" if rates[stage] else ""]
        for stage, each in seconds.items()
    ]
    total = ["total", "", f"{sum(seconds.values()):,.1f}", ""]
    note = paragraph("Of each stage in the run that made its outputs; this report comes on top.")
    costs = table(["", "", "seconds", "images per second"], [*rows, total], "costs")
    return Section("Cost", note + _machines(results) + costs + _methods(results))


def _machines(results: Results) -> Markup:
    """Which stages ran on each; all on one, unless some outputs came from a cache that several share."""
    stages: dict[str, list[str]] = {}
    for stage, speed in results.speeds.items():
        stages.setdefault(speed["machine"], []).append(stage)
    return definitions({machine: ", ".join(ran) for machine, ran in stages.items()})


def _methods(results: Results) -> Markup:
    """How fast each sampling method draws; what it learns before its first draw is not in it."""
    rows = [
        [label(f"{stage.removeprefix('sample@')} {key.removesuffix(RATE)}"), f"{value:,.0f}"]
        for stage, speed in results.speeds.items()
        for key, value in speed.items()
        if key.endswith(RATE)
    ]
    return table(["sampling method", "images per second"], rows) if rows else NOTHING
