"""How long did it take? The only section that differs between two runs of the same results."""

from pullback.report._results import Results
from pullback.report._section import Section, definitions, paragraph, table
from pullback.report._shares import bar


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
    return Section("Cost", note + costs + definitions(results.recorded))
