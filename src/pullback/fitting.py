"""How does the pipeline train a model, so that everything is seen, nothing is lost, and the best weights are kept?

It ties the training loop to the rest: the data and the feature map on one side, MLflow, the terminal and the files on
the other. Trainings with several seeds differ in nothing else.
"""

import hashlib
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pullback import files, plugins, revisions
from pullback.config import Train
from pullback.errors import UserError, about
from pullback.models._model import ImagesFromLatents, Model, ModelParams, count_classes, judged
from pullback.pictures import enlarged, grid, thumbnails
from pullback.pipeline import SIGNATURE, Stage, path, rank
from pullback.progress import bar
from pullback.selection import Judge, mode_collapse
from pullback.tracking.run import Run, Silent
from pullback.training import checkpoint
from pullback.training.device import fabric
from pullback.training.loop import DivergedError, Listener, Trained, train

IMAGES, EXTRACTOR = Path("data/images"), Path("models/extractor")
NO_MATTER = {"models", "repeats", "grid_every", "data_on_device", "checkpoint_seconds"}  # to one training's results
RECENT = 100  # points of a curve in which illnesses are looked for
SHOWN, COLUMNS, PIXELS = 40, 20, 500  # samples in the note, and their least width; MLflow shows no third row at once


class Fitting:
    """The training of one model, as `run.params` describe it.

    Attributes:
        depends: JSON, all that the weights and curves of its repeats depend on.
    """

    def __init__(self, run: Stage, name: str) -> None:
        self.run, self.name = run, name
        self.note = Note(run.tracked, name)
        self.settings = run.params.train
        self.params = _within_budget(run.params.models[name], self.settings)  # type: ignore[arg-type] # its own class
        self.images, self.labels = _read("train")
        with about(f"models.{name}"):
            classes = count_classes(self.params.conditional, self.labels)
        settings = self.settings
        self.fabric = fabric(
            settings.accelerator, settings.precision, settings.devices, settings.nodes, settings.strategy
        )
        feature_map = plugins.load("features", run.params.features.name).load(EXTRACTOR, self.fabric.device)
        self.judge = Judge(
            feature_map, self.images, self.labels, images=settings.evaluate_images, seed=run.seed, fabric=self.fabric
        )
        self.description = {
            "name": name, "params": self.params.model_dump(), "shape": list(self.images.shape[1:]), "classes": classes,
        }  # fmt: skip
        self.depends = self.description | {
            "seed": run.seed,  # by which the weights of every repeat are judged, too
            "train": settings.model_dump(exclude=NO_MATTER),
            "data": files.read_json(Path("metrics/prepare.json"))["digest"],
            "features": feature_map.identity,
            "code": _code(),
            "torch": torch.__version__,
        }

    def sign(self, kept: Path) -> None:
        """Links this run to the one whose checkpoint in the folder `kept` it goes on from, and signs it."""
        signature = kept / SIGNATURE
        if rank() == 0:
            if signature.exists() and any(kept.glob("seed-*.safetensors")):
                earlier = signature.read_text()
                self.run.tracked.tag("resumes", earlier)
                self.note.resume(earlier)
            files.write_text(signature, str(self.run.tracked.id))

    def train(self, repeat: int, kept: Path, stop: Callable[[], bool]) -> Trained:
        """Trains with the seed `seed` + `repeat`, or goes on from the checkpoint in the folder `kept`.

        Raises:
            UserError: the training diverged; the last good weights are in `kept`.
            Stopped: `stop` said so.
        """
        seed = self.run.seed + repeat
        torch.manual_seed(seed)
        classes = self.description["classes"]
        model = plugins.load("models", self.name).build(self.params, self.images.shape[1:], classes)
        if self.settings.start:
            start_from(self.settings.start, self.name, model)
        saved = kept / f"seed-{seed}.safetensors"
        with bar(self.run.name, self.params.budget_images, shown=rank() == 0) as progress:
            watch = _Watch(self, repeat, model.diagnose, progress)
            start = watch.replay(saved)
            try:
                trained = train(
                    model,
                    self.params,
                    self.images,
                    self.labels,
                    fabric=self.fabric,
                    seed=seed,
                    log_every=self.settings.log_every,
                    grid_every=self.settings.grid_every,
                    evaluate_every=self.settings.evaluate_every,
                    select=self.judge.select,
                    listener=Listener(watch.log, watch.show, watch.score, stop),
                    compiled=self.settings.compile,
                    data_on_device=self.settings.data_on_device,
                    checkpoint=saved,
                    checkpoint_seconds=self.settings.checkpoint_seconds,
                    description=self.depends | {"repeat": repeat},
                )
            except DivergedError as error:
                watch.warn(error.seen_images, {"divergence": str(error)})
                if rank() == 0:
                    checkpoint.save(kept / "diverged", error.model, self.description)
                raise UserError(f"{error}; the last good weights are in {kept / 'diverged'}") from error
            except RuntimeError as error:
                if "gloo" not in str(error) and not isinstance(error, torch.distributed.DistError):
                    raise
                raise UserError(
                    "another process of this training was lost; run the same command again, and it goes on from the "
                    "last checkpoint"
                ) from error
        self.run.images += int(trained.curve[-1]["seen_images"]) - start
        return trained

    def save(self, repeat: int, trained: Trained, out: Path) -> None:
        """Writes the weights; of the first training also its curves, its scores, and the model in MLflow."""
        if rank() > 0:
            return
        checkpoint.save(out, trained.model, self.description)
        checkpoint.save(out / "last", trained.last, self.description)
        if repeat:
            return
        files.write_table(path("metrics", self.run.name, ".csv"), trained.curve)
        files.write_table(path("metrics", self.run.name, "-scores.csv"), trained.scores)
        chosen = next(point for point in trained.scores if point["seen_images"] == trained.seen_images)
        test_images, test_labels = _read("test")
        test = judged(trained.model, test_images, test_labels, self.run.seed)
        result = {"select": self.judge.select, "chosen": chosen, "last": trained.scores[-1], "test": test}
        found = trained.model.diagnose(trained.curve[-RECENT:]) | _collapse(trained.scores)
        files.write_json(path("metrics", self.run.name, ".json"), result | {"diagnosis": found})
        self.run.tracked.headline({f"{self.name}.{key}": value for key, value in test.items()})
        example = np.zeros((2, trained.model.latent_dim + bool(trained.model.classes)), np.float32)
        self.run.tracked.model(
            self.name,
            ImagesFromLatents(trained.model),
            example,
            step=trained.seen_images,
            weights=sorted(out.glob("*.safetensors")),
        )


class Note:
    """What the page of the run shows first: the last samples of each training. MLflow's slider begins without any."""

    def __init__(self, tracked: Run | Silent, name: str) -> None:
        self._tracked, self._head = tracked, f"**{name}**"
        self._shown: dict[int, str] = {}

    def resume(self, run_id: str) -> None:
        """Links the run that this one goes on from."""
        self._head += f", going on from [another run]({self._tracked.page(run_id)}) that has the earlier samples"
        self._write()

    def show(self, repeat: int, seen_images: int, samples: NDArray[np.uint8]) -> None:
        """Puts some samples of a training, uint8 (n, c, h, w), in the place of its last ones."""
        name = f"repeat{repeat}-samples" if repeat else "samples"
        picture = self._tracked.picture(name, enlarged(grid(thumbnails(samples[:SHOWN]), COLUMNS), PIXELS))
        training = f" of training {repeat + 1}" if repeat else ""
        self._shown[repeat] = f"samples{training} after {seen_images:,} images<br>{picture}"
        self._write()

    def _write(self) -> None:
        self._tracked.note(": ".join([self._head, *filter(None, ["<br>".join(self._shown.values())])]))


class _Watch:
    """What is done with the news of one training; the keys of its curves in MLflow begin with `prefix`."""

    def __init__(
        self,
        fitting: Fitting,
        repeat: int,
        diagnose: Callable[[list[dict[str, float]]], Mapping[str, str]],
        progress: Callable[[int, str], None],
    ) -> None:
        self.repeat, self.prefix = repeat, f"repeat{repeat}." if repeat else ""
        self.tracked, self.note, self.judge = fitting.run.tracked, fitting.note, fitting.judge
        self.diagnose, self.progress = diagnose, progress
        self.curve: list[dict[str, float]] = []
        self.scores: list[dict[str, float]] = []
        self.told: set[str] = set()
        self.mark = 0, time.monotonic()  # images seen until then

    def replay(self, saved: Path) -> int:
        """Tells once more of the curves in a checkpoint; returns how many images it had seen, 0 without one."""
        if not saved.exists():
            return 0
        numbers = files.read_header(saved)["numbers"]
        if rank() == 0:
            for point in numbers["curve"]:
                self._logged(int(point["seen_images"]), {key: point[key] for key in point if key != "seen_images"})
        for point in numbers["scores"]:
            self._scored(point)
        self.mark = int(numbers["seen_images"]), time.monotonic()
        return self.mark[0]

    def log(self, seen_images: int, scalars: dict[str, float]) -> None:
        before, self.mark = self.mark, (seen_images, time.monotonic())
        pace = (seen_images - before[0]) / (self.mark[1] - before[1])
        self.tracked.metrics({f"system/{self.prefix}images_per_second": pace}, step=seen_images)
        self._logged(seen_images, scalars)

    def _logged(self, seen_images: int, scalars: dict[str, float]) -> None:
        self.curve.append({"seen_images": seen_images, **scalars})
        self._track(seen_images, scalars)
        self.warn(seen_images, self.diagnose(self.curve[-RECENT:]))
        key, value = next(iter(scalars.items()))
        self.progress(seen_images, f"{key} {value:.3g}")

    def score(self, seen_images: int, model: Any) -> dict[str, float]:
        scores = self.judge(model)
        self._scored({"seen_images": seen_images, **scores})
        return scores

    def _scored(self, point: dict[str, float]) -> None:
        self.scores.append(point)
        seen_images = int(point["seen_images"])
        self._track(seen_images, {key: point[key] for key in point if key != "seen_images"})
        self.warn(seen_images, _collapse(self.scores))

    def show(self, seen_images: int, samples: NDArray[np.uint8]) -> None:
        self.tracked.image(f"{self.prefix}samples", enlarged(grid(samples), 256), step=seen_images)
        self.note.show(self.repeat, seen_images, samples)

    def _track(self, seen_images: int, values: Mapping[str, float]) -> None:
        self.tracked.metrics({self.prefix + key: value for key, value in values.items()}, step=seen_images)

    def warn(self, seen_images: int, found: Mapping[str, str]) -> None:
        for illness, sentence in found.items():
            self._track(seen_images, {f"diagnosis.{illness}": 1.0})
            if illness not in self.told and rank() == 0:
                self.told.add(illness)
                self.tracked.tag(f"{self.prefix}diagnosis.{illness}", sentence)
                warnings.warn(f"after {seen_images} images: {sentence}", stacklevel=2)


def _within_budget(params: ModelParams, settings: Train) -> ModelParams:
    """A training from earlier weights gets a share of the budget."""
    if not settings.start:
        return params
    return params.model_copy(update={"budget_images": max(1, round(params.budget_images * settings.start_budget))})


def start_from(revision: str, name: str, model: Model) -> None:
    """Gives `model` the weights that models/NAME had at a git revision.

    Raises:
        UserError: there are none, or they are those of other networks.
    """
    with TemporaryDirectory() as folder:
        revisions.fetch(revision, [f"models/{name}"], Path(folder))
        earlier = checkpoint.load(Path(folder, "models", name))
    try:
        for part, network in model.parts.items():
            network.load_state_dict(earlier.parts[part].state_dict())
    except (KeyError, RuntimeError) as error:
        raise UserError(
            f"train.start: models.{name} has other networks than at revision {revision}; set train.start to null and "
            "retrain.from to scratch"
        ) from error


def _collapse(scores: list[dict[str, float]]) -> dict[str, str]:
    sentence = mode_collapse(scores)
    return {"mode_collapse": sentence} if sentence else {}


def _read(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return files.read_array(IMAGES / split / "images.npy", mmap=True), files.read_array(IMAGES / split / "labels.npy")


def _code() -> str:
    """A digest of the code that trains and chooses: after a change of it no checkpoint is gone on from."""
    folder = Path(__file__).parent
    folders = ("models", "training", "features", "evaluation")
    paths = sorted(path for each in folders for path in (folder / each).glob("*.py"))
    paths += [folder / "selection.py", folder / "neighbors.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]
