"""What do people and schedulers type? `pullback` and a command.

Only what a command needs is imported, inside it, so that `pullback --help` answers at once.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pullback.errors import UserError

app = typer.Typer(
    help="Draw from, judge and retrain the models of the pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@contextmanager
def _sentences() -> Iterator[None]:
    """Mistakes that the person can mend end the command in one line."""
    try:
        yield
    except UserError as error:
        sys.exit(f"pullback: {error}")


@app.command()
def check() -> None:
    """Check params.yaml and run nothing."""
    from pullback import config

    with _sentences():
        config.read()
        print("params.yaml is valid")


@app.command()
def summary() -> None:
    """Print the scores of the last run of the pipeline, and where to look further."""
    from rich.console import Console

    from pullback.summary import scores_table

    with _sentences():
        console = Console()
        console.print(scores_table(Path("metrics/evaluate")))
        console.print("The report: [bold]report/index.html[/bold]. All runs, curves and models: [bold]make ui[/bold].")


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000) -> None:
    """Serve the MLflow UI on 127.0.0.1, or name the tracking server in use; print the link to the runs."""
    from pullback import config, tracking

    with _sentences():
        page = tracking.ui_path(config.read().tracking.experiment)
    store = tracking.store_uri()
    if store.startswith("http"):
        print(f"Runs and charts: {store.rstrip('/')}/{page}")
        return
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"pullback: port {port} is taken; choose another with `pullback ui --port`")
    print(f"Runs and charts: http://127.0.0.1:{port}/{page}\nCtrl-C ends it.", flush=True)
    # Without its job runners the server is two processes instead of ten.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    server = [
        "mlflow",
        "server",
        "--backend-store-uri",
        store,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    os.execv(Path(sys.executable).with_name("mlflow"), server)


@app.command()
def generate(
    out: Annotated[Path, typer.Argument(help="A .png becomes a grid, a .npy an array uint8 (n, c, h, w).")],
    model: Annotated[str, typer.Option(help="A model that the pipeline has trained.")] = "gan",
    method: Annotated[str, typer.Option(help="A sampling method listed for it in params.yaml.")] = "prior",
    n: Annotated[int, typer.Option(min=1, help="How many images.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
) -> None:
    """Draw new images from a trained model."""
    from pullback.generation import generate_to

    with _sentences():
        generate_to(out, model, method, n, seed)
        print(f"{n} images from {model} ({method}, seed {seed}) are in {out}")


@app.command()
def retrain() -> None:
    """Fetch the data again, rerun the pipeline, and keep the result only if the gate passes."""
    from pullback.retrain import retrain as run

    with _sentences():
        sys.exit(run())


if __name__ == "__main__":
    app()
