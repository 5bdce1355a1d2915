"""What do people and schedulers type? `pullback` and a command.

Only what a command needs is imported, inside it, so that `pullback --help` answers at once.
"""

import math
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pullback.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(
    help="Draw from, judge and retrain the models of the pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@contextmanager
def _sentences() -> Iterator[None]:
    """Mistakes that the person can mend end the command in one line; a warning is one, too."""
    warnings.formatwarning = lambda message, *_, **__: f"pullback: {message}\n"
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
        _print_as_far_as_possible()
        console = Console()
        console.print(scores_table(Path("metrics/evaluate")))
        console.print("The report: [bold]report/index.html[/bold]. All runs, curves and models: [bold]make ui[/bold].")


@app.command()
def ui(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 5000) -> None:
    """Serve the MLflow UI on 127.0.0.1, or name the tracking server in use; print the link to the runs."""
    from pullback import config
    from pullback.tracking.places import store_uri
    from pullback.tracking.store import ui_path

    with _sentences():
        page = ui_path(config.read().tracking.experiment)
    store = store_uri()
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
def sync() -> None:
    """Bring what was recorded while the tracking server was away to that server."""
    from pullback.tracking.places import store_uri
    from pullback.tracking.sync import sync as bring

    with _sentences():
        runs = bring()
    print(
        f"{runs} runs are now at {store_uri()}" if runs else "nothing was recorded while the tracking server was away"
    )


Features = Annotated[
    str, typer.Option(help="classifier, inception or pixels, or `given` where the sets are arrays of features.")
]
Extractor = Annotated[Path, typer.Option(help="Folder of the trained map that `classifier` needs.")]
Weights = Annotated[str | None, typer.Option(help="File or address of the weights of `inception`.")]
Sha256 = Annotated[str | None, typer.Option(help="Of that file, if it is not the published one.")]
Resize = Annotated[Literal["tensorflow", "clean"], typer.Option(help="As the published FID does, or as clean-fid.")]
Accelerator = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where the feature map runs.")]
Devices = Annotated[int, typer.Option(min=0, help="GPUs, or processes on a CPU; 0 = all GPUs, or one process.")]
MOST = 2**32 - 1  # of seeds, as in params.yaml
Seed = Annotated[int, typer.Option(min=0, max=MOST, help="Of all random splits and groups.")]
Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, writable=True, help="A file for all of it.")]
SET = "A folder or zip of images, or an .npy or .npz of images or features."


@app.command()
def score(
    real: Annotated[Path, typer.Argument(help=f"{SET} Real images that the generator has not seen.")],
    fake: Annotated[Path, typer.Argument(help="The generated ones, as above.")],
    train: Annotated[Path | None, typer.Option(help="What the generator was trained on: looks for copies.")] = None,
    features: Features = "classifier",
    extractor: Extractor = Path("models/extractor"),
    weights: Weights = None,
    sha256: Sha256 = None,
    resize: Resize = "tensorflow",
    accelerator: Accelerator = "auto",
    devices: Devices = 0,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Score any set of generated images against real ones, with intervals and the floor."""
    from pullback.score import score as judge
    from pullback.space import Choice, Space
    from pullback.summary import score_table

    with _sentences():
        space = Space(Choice(features, extractor, weights, sha256, resize, accelerator, devices or "auto"))
        _tell(judge(space, real, fake, train, seed), score_table, json)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help=SET)],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    real: Annotated[Path, typer.Option(help="Real images that no generator has seen.")],
    features: Features = "classifier",
    extractor: Extractor = Path("models/extractor"),
    weights: Weights = None,
    sha256: Sha256 = None,
    resize: Resize = "tensorflow",
    accelerator: Accelerator = "auto",
    devices: Devices = 0,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Is the set A better than B? Paired differences with a verdict for each score."""
    from pullback.score import compare as judge
    from pullback.space import Choice, Space
    from pullback.summary import verdict_table

    with _sentences():
        space = Space(Choice(features, extractor, weights, sha256, resize, accelerator, devices or "auto"))
        _tell(judge(space, a, b, real, seed), verdict_table, json)


def _tell(result: dict[str, Any], table: Callable[[dict[str, Any]], "Table"], json: Path | None) -> None:
    from rich.console import Console

    from pullback import files

    _print_as_far_as_possible()
    Console().print(table(result))
    for note in result["notes"]:
        print(f"Note: {note}")
    if json:
        files.write_json(json, result)


def _print_as_far_as_possible() -> None:
    """Arrows, frames and signs become question marks where the terminal has none."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


Model = Annotated[str, typer.Option(help="One that the pipeline has trained, or a folder such as models/gan/last.")]
Alias = Annotated[
    str | None,
    typer.Option(help="Of pullback-MODEL in MLflow's registry, such as champion, or a version; if none, models/MODEL."),
]
Labels = Annotated[str | None, typer.Option(help="Classes for the images in turn, such as 3,5.")]
Out = Annotated[
    Path, typer.Option(help="A folder (a .png per image), an .npy (uint8), or a .png (all images in one picture).")
]
Pictures = Annotated[Path | None, typer.Argument(help="A picture, or an .npy of images uint8 (n, c, h, w).")]


@app.command()
def generate(
    model: Model = "gan",
    alias: Alias = None,
    method: Annotated[
        str | None, typer.Option(help="A sampling method listed for it in params.yaml, or prior; if none, the first.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="How many images.")] = 64,
    labels: Labels = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="The same seed gives the same images.")] = 0,
    out: Out = Path("generated.png"),
) -> None:
    """Draw new images from a trained model, of classes as in the training set unless --labels names some."""
    from pullback import output, weights
    from pullback.generation import generated

    with _sentences():
        output.check(out, n)
        loaded = weights.load(model, alias)
        drawn = generated(loaded.model, loaded.name, method, n, seed, _numbers("--labels", labels))
        numbered = zip(output.numbers(n), drawn.labels, strict=True)
        names = (f"{number}-class{label}" if label >= 0 else number for number, label in numbered)
        output.write(out, drawn.images, n, names)
        print(f"{n} images from {loaded.origin} ({drawn.method}, seed {seed}) are in {out}")


@app.command()
def interpolate(
    first: Pictures = None,
    last: Pictures = None,
    model: Model = "vae",
    alias: Alias = None,
    n: Annotated[int, typer.Option(min=1, help="How many paths between draws.")] = 8,
    steps: Annotated[int, typer.Option(min=2, help="Images on each path, both ends included.")] = 9,
    way: Annotated[Literal["straight", "geodesic"], typer.Option(help="Through the latent space.")] = "straight",
    labels: Labels = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="The same seed gives the same draws.")] = 0,
    out: Out = Path("interpolated.png"),
) -> None:
    """Show what lies between two images, or between draws from a model: one row per path."""
    from pullback import morphing, output, weights

    with _sentences():
        if first and not last:
            raise UserError(f"{first} is one end of a path; give the other one, too, or none for paths between draws")
        loaded, asked = weights.load(model, alias), _numbers("--labels", labels)
        if first and last:
            n, ends = morphing.between_images(loaded, first, last, asked)
        else:
            ends = morphing.between_draws(loaded, n, seed, asked)
        output.check(out, n * steps)
        names = (f"{path}-{step}" for path in output.numbers(n) for step in output.numbers(steps))
        output.write(out, morphing.paths(loaded.model, ends, steps, way), n * steps, names, columns=steps)
        print(f"{n} {way} paths of {steps} images, by {loaded.origin}, are in {out}")


@app.command()
def reconstruct(
    images: Annotated[Path, typer.Argument(help="A folder or zip of images of any size, or an .npy or .npz.")],
    model: Model = "vae",
    alias: Alias = None,
    labels: Labels = None,
    out: Out = Path("reconstructed.png"),
) -> None:
    """Show what is left of images after encoding and decoding; a .png has each image beside it."""
    from pullback import output, weights
    from pullback.reconstruction import reconstructed
    from pullback.sets import Images

    with _sentences():
        loaded = weights.load(model, alias)
        given = Images(images, channels=loaded.shape[0], size=loaded.shape[1], least=1)
        beside = out.suffix == ".png"
        count = (1 + beside) * len(given)
        output.check(out, count)
        pairs = reconstructed(loaded.model, loaded.name, given, _numbers("--labels", labels))
        names = (f"{number}-{Path(given.name(i)).stem}" for i, number in enumerate(output.numbers(len(given))))
        columns = 2 * math.ceil(math.sqrt(len(given) / 2))
        output.write(out, (pair if beside else pair[:, 1] for pair in pairs), count, names, columns)
        print(f"{len(given)} images of {images}, rebuilt by {loaded.origin}, are in {out}")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="An .onnx, or a .pt2 for torch.export.load.")],
    model: Model = "gan",
    alias: Alias = None,
) -> None:
    """Write a model as a program from latents to images that needs none of this project, and check it."""
    from pullback import weights
    from pullback.export import check, export

    with _sentences():
        check(out)
        loaded = weights.load(model, alias)
        off = export(loaded.model, out)
        print(f"{loaded.origin} is in {out}; its images differ from the model's by at most {off:.1g}")


def _numbers(option: str, labels: str | None) -> list[int]:
    if labels is None:
        return []
    try:
        return [int(label) for label in labels.split(",")]
    except ValueError:
        raise UserError(f"{option} {labels!r} must be numbers of classes, such as 3,5") from None


@app.command()
def translate(
    image: Annotated[Path, typer.Argument(help="A picture, or an .npy of images uint8 (n, c, h, w).")],
    out: Annotated[Path, typer.Argument(help="A .png: rows of image, reconstruction, translations; .npy: an array.")],
    source: Annotated[int, typer.Option("--from", help="The class of the image, or of all images.")],
    to: Annotated[str, typer.Option(help="The classes that it is translated to, such as 3,5.")],
    model: Annotated[str, typer.Option(help="A trained model that can encode images.")] = "vae",
) -> None:
    """Show what given images would be in other classes."""
    from pullback.translation import translate_to

    with _sentences():
        translate_to(image, out, model, source, _numbers("--to", to))
        print(f"{image}, its reconstruction, and what {model} makes of it in the classes {to} are in {out}")


@app.command()
def humans(
    answers: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Saved by report/turing.html, one per person.")
    ],
) -> None:
    """Count what people answered in the report's blind test: can they tell generated images from real ones?"""
    from rich.console import Console

    from pullback.humans import OUT, count
    from pullback.summary import humans_table
    from pullback.tracking.places import store_uri

    with _sentences():
        result = count(answers)
        _print_as_far_as_possible()
        Console().print(humans_table(result))
    if result["run_id"]:
        print(f"Recorded in {OUT}, and in MLflow in the run {result['run_id']}, which made the report.")
    else:
        print(
            f"Recorded in {OUT}, but not in MLflow: {store_uri()} has no run {result['made_by']}, which made the "
            "report. Set MLFLOW_TRACKING_URI to the store that has it, and call this again."
        )


@app.command()
def register(
    run_id: Annotated[
        str | None, typer.Argument(help="A run of the pipeline or of a training in MLflow; if none, the last one.")
    ] = None,
    model: Annotated[str, typer.Option(help="Which of the models that it trained.")] = "gan",
    name: Annotated[str | None, typer.Option(help="The name in the registry; if none, pullback-MODEL.")] = None,
) -> None:
    """Give a trained model a version in MLflow's model registry."""
    from pullback.tracking.places import store_uri
    from pullback.tracking.registry import register as add

    name = name or f"pullback-{model}"
    with _sentences():
        version = add(model, name, run_id)
    print(f"{name} has version {version}. To serve it:")
    print(f"MLFLOW_TRACKING_URI={store_uri()} mlflow models serve -m models:/{name}/{version} --env-manager local")


@app.command()
def retrain() -> None:
    """Look for new data, train on them, and keep the result only if the gate passes.

    Exit codes: 0 a better model is in use; 10 no new data; 11 the gate refused; 12 the data drifted, look at them;
    75 another retraining is running; 1 a failure. Where it is not 0, the model in use is the one that was, unless it is
    the push that failed, which the next call repeats.
    """
    from pullback.retrain import retrain as run

    with _sentences():
        _print_as_far_as_possible()
        sys.exit(run())


@app.command()
def rollback(
    to: Annotated[str | None, typer.Option(help="A version that was the champion; if none, the one before.")] = None,
    model: Annotated[str | None, typer.Option(help="Whose version that is; if none, the first in params.yaml.")] = None,
) -> None:
    """Bring back an earlier champion: its results in git, its outputs by DVC, its alias in the registry."""
    from pullback.retrain import rollback as run

    with _sentences():
        _print_as_far_as_possible()
        sys.exit(run(to, model))


@app.command()
def history() -> None:
    """Show what retraining has decided about which data, why, at what cost, and who called it."""
    from pullback import config
    from pullback.retraining import ledger

    with _sentences():
        _print_as_far_as_possible()
        try:
            entries = ledger.everywhere(config.read().tracking.experiment)
        except UserError as error:
            entries = ledger.entries()
            warnings.warn(f"only what this machine knows: {error}", stacklevel=2)
        print("\n".join(map(ledger.told, entries)) or "nothing was decided yet; `pullback retrain` looks for new data")


@app.command()
def reproduce(
    run_id: Annotated[str, typer.Argument(help="Of a run of the pipeline or of one of its stages, as in MLflow.")],
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Run every stage again, also where DVC has its outputs.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for code and outputs; if none, .worktrees/RUN_ID.")] = None,
) -> None:
    """Bring back code, parameters and outputs of a recorded run, and tell which are the same to the byte."""
    from rich.console import Console

    from pullback.reproduce import reproduce as bring_back
    from pullback.reproduce import table

    with _sentences():
        folder, outputs = bring_back(run_id, out, rerun=rerun)
        _print_as_far_as_possible()
        Console().print(table(outputs))
        print(f"Everything is in {folder}; `git worktree remove --force {folder}` removes it.")
        sys.exit(any(output.is_wrong for output in outputs))


if __name__ == "__main__":
    app()
