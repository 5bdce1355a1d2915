"""How does the outcome look in the description of a pull request? Its verdicts, images, scores and provenance."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from pullback.labels import LEAST, decimals, interval, label, number
from pullback.report._basis import basis_told
from pullback.report._estimates import ARROWS, best
from pullback.report._figures import file_name
from pullback.report._results import Results
from pullback.report._section import Section
from pullback.report._summary import conclusions, summary, title
from pullback.report.provenance import facts


def render_markdown(results: Results, sections: Mapping[str, Section]) -> str:
    """The text of report.md, which lies beside the page and its `figures`."""
    parts = [
        f"# {title(results)}",
        summary(results),
        "\n".join(f"- **{verdict.head}**: {verdict.scores}." for verdict in conclusions(results)),
        _images(results.sources) if "images" in sections else "",
        _scores(results) if results.better else "",
        "## Provenance",
        "\n".join(f"- {name}: {told}" for name, told in facts(results).items()),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _images(sources: Sequence[str]) -> str:
    pictures = [f"![Images: {label(source)}](figures/{file_name('images', source)}.png)" for source in sources]
    return _table([*map(label, sources)], [pictures])


def _scores(results: Results) -> str:
    """A row per score, as there are many, and a column per source; the best in bold."""
    rows = ([_name(results, score), *_row(results, score)] for score in results.better)
    head = ["", *map(label, results.scores), "real images (floor)"]
    metrics = next(iter(results.evaluations.values()))["parameters"]
    return f"## Scores\n\n{_table(head, rows)}\n\nIn brackets 95 % intervals. {basis_told(results, metrics)}"


def _name(results: Results, score: str) -> str:
    bounds = " (unbiased, 95 %)" if score in LEAST else ""
    return f"{label(score)} {ARROWS[results.better[score]]}{bounds}"


def _row(results: Results, score: str) -> Iterable[str]:
    models, floor = [scores.get(score) for scores in results.scores.values()], results.floor.get(score)
    places, leading = decimals(each["value"] for each in models if each), best(results, score)
    for each in (*models, floor):
        if not each:
            yield ""
            continue
        value = number(each["value"], places)
        bold = "**" if each is not floor and each["value"] == leading else ""
        yield f"{bold}{value}{bold} ({interval(each['low'], each['high'], places, LEAST.get(score, -inf))})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
