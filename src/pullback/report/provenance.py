"""Which code, data and runs made this, and how is it brought back? Runs and times differ between equal results."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from pullback.labels import label
from pullback.report._basis import feature_map
from pullback.report._results import Results
from pullback.report._section import NOTHING, Section, definitions, paragraph, table

EXECUTION = "MLflow run of the pipeline"


def section(results: Results) -> Section:
    note = paragraph(
        "The outputs of each stage by the digests of dvc.lock, and the run in MLflow that made them, which may belong "
        "to an earlier execution of the pipeline. The links work while make ui runs, or on your tracking server. What "
        "differs in every run, as times do, is left out."
    )
    return Section("Provenance", definitions(facts(results)) + note + _stages(results))


def facts(results: Results) -> dict[str, str]:
    """What a reader needs to find the same state again."""
    return {
        "Code": results.revision or "not under version control",
        "Versions": ", ".join(f"{program} {version}" for program, version in results.versions.items()),
        "Data": f"{label(results.prepared['name'])}, digest {results.prepared['digest']}",
        "Feature map": feature_map(results.feature_map),
        "Seed": str(results.params["seed"]),
        **{
            name: _execution(told, results.store) if name == EXECUTION else told
            for name, told in results.recorded.items()
        },
    }


def _execution(run_id: str, store: str) -> Markup:
    """A link where there is a server, which others reach too; else how to see it here. Markdown takes both as well."""
    if server := _server(store):
        return Markup('<a href="{}/#/runs/{}"><code>{}</code></a>').format(server, run_id, run_id)
    return Markup("<code>{}</code>, which <code>pullback ui</code> shows").format(run_id)


def _stages(results: Results) -> Markup:
    pages = _server(results.store) or "http://127.0.0.1:5000"  # where `pullback ui` shows them
    rows = ([stage, _outputs(found["outputs"]), _run(found["run"], pages)] for stage, found in results.origins.items())
    return table(["stage", "outputs", "run in MLflow"], rows, "origins")


def _outputs(digests: Mapping[str, str]) -> Markup:
    return Markup("<br>").join(Markup("{} <code>{}</code>").format(path, digest) for path, digest in digests.items())


def _server(store: str) -> str | None:
    """The address of the tracking server, without its password; None where the store is a database."""
    server = urlsplit(store)
    if server.scheme not in ("http", "https"):
        return None
    return server._replace(netloc=server.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _run(run: Mapping[str, Any] | None, pages: str) -> Markup:
    if run is None:
        return NOTHING
    address = f"{pages}/#/experiments/{run['experiment_id']}/runs/{run['run_id']}"
    return Markup('<a href="{}"><code>{}</code></a>').format(address, run["run_id"])
