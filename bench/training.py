"""How good are the models after some minutes on two cores, how fast is a step, and in how little memory?

Writes metrics/bench/training.json and prints it as the table of the README. `python bench/training.py dcgan memory`
takes these two measurements, and keeps the others of the file if they are of the same commit and machine. `--scale
0.01` shortens all, to try them, and writes nothing.

Every FID is that of as many generated images as the test split has against that split, in the space of the project's
classifier; the floor has training images in their place. Clocks count training alone: scores, also those by which ours
selects its weights, stand still, and so does the training of 10 s in which ours measures its pace. The programs beside
are written anew from their published architecture and settings:

- dcgan.py of eriklindernoren/PyTorch-GAN (Radford et al. 2016), as it runs without arguments, less its pictures;
- the VAE of pytorch/examples (Kingma and Welling 2014), likewise;
- a plain loop: the networks and losses of ours, with what people write around them.

MNIST comes from PULLBACK_TEST_MNIST, a folder or address of its files, or else from the published address.
"""

import argparse
import copy
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

from pullback._torchvision import datasets  # first: the packages below import torchvision

# isort: split
import numpy as np
import torch
from _measuring import MIB, peak, provenance, resident
from numpy.typing import NDArray
from ruamel.yaml import YAML
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms

from pullback import config, files, plugins
from pullback.config import Config
from pullback.data._images import prepare, square
from pullback.evaluation.fid import frechet_distance
from pullback.evaluation.precision_recall import precision_recall
from pullback.features._map import FeatureMap
from pullback.generation import batches
from pullback.models._model import Batch, Model, ModelParams, count_classes, labels_like, to_pixels
from pullback.selection import Judge
from pullback.training.device import fabric, has_bfloat16
from pullback.training.loop import Listener, Stopped, Trained, train

OUT, DATA = Path("metrics/bench/training.json"), Path("data/bench")
SEED, THREADS, RUNS = 0, 2, 3
MOST = 10_000  # images on each side of a score
SELECT_EVERY, SELECT_IMAGES = 10_000, 2_000  # images between two looks at the averaged weights, and images drawn then
WARM_UP = 10.0  # seconds in which the pace of a training is measured

Found = dict[str, Any]


# Data and scores


@dataclass(frozen=True)
class Space:
    """Real images uint8 (n, c, h, w), the labels of the first, and the features in which generated ones are judged."""

    train: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    feature_map: FeatureMap
    n: int
    real: NDArray[np.float32]
    floor: float

    def score(self, images: NDArray[np.uint8]) -> Found:
        fake = self.feature_map(images)[0]
        fid, found = frechet_distance(self.real, fake), precision_recall(self.real, fake)
        return {
            "fid": float(f"{fid:.5g}"),
            "floor": float(f"{self.floor:.5g}"),
            "floor_ratio": round(fid / self.floor, 3),
            "precision": round(found.precision.value, 4),
            "recall": round(found.recall.value, 4),
            "images": len(images),
            "feature_map": self.feature_map.digest,
        }


def space(settings: Config, scale: float) -> Space:
    """The prepared set of `settings`, and its classifier, which is trained here."""
    folder = prepared(settings)
    arrays = {
        (split, kind): files.read_array(folder / split / f"{kind}.npy")
        for split in ("train", "test")
        for kind in ("images", "labels")
    }
    images, labels, test = arrays["train", "images"], arrays["train", "labels"], arrays["test", "images"]
    plugin, classes = plugins.load("features", "classifier"), int(labels.max()) + 1
    params = settings.features.maps["classifier"]
    params = params.model_copy(update={"budget_images": int(params.budget_images * scale)})
    on, n = torch.device("cpu"), min(len(test), max(500, int(MOST * scale)))
    with tempfile.TemporaryDirectory() as name:
        plugin.build(images, labels, classes, params, SEED, on, Path(name))
        feature_map = plugin.load(Path(name), on)
    some = np.random.default_rng(SEED).permutation(len(images))[:n]
    real, others = (feature_map(each)[0] for each in (test[:n], images[some]))
    return Space(images, labels, test, feature_map, n, real, frechet_distance(real, others))


def prepared(settings: Config) -> Path:
    """The folder of the prepared set; its files lie where torchvision looks for them too."""
    data, folder = settings.data, DATA / settings.data.name.upper()
    if not (folder / "images/test/labels.npy").exists():  # the last file that `prepare` writes
        plugin = plugins.load("data", data.name)
        plugin.download(os.environ.get("PULLBACK_TEST_MNIST") if data.name == "mnist" else None, folder / "raw")
        channels, size = plugin.SHAPE
        share, broken = data.test_fraction, data.max_broken
        prepare(
            plugin.read(folder / "raw"), folder / "images", channels=channels, size=size, test_fraction=share,
            max_broken=broken, seed=SEED,
        )  # fmt: skip
    return folder / "images"


def preset(name: str) -> Config:
    """params.yaml as changed by params/NAME."""
    content = YAML(typ="safe").load(Path("params.yaml"))
    for line in (Path("params") / name).read_text().splitlines():
        key, value = line.removeprefix("-S ").split("=")
        *path, last = key.split(".")
        block = content
        for part in path:
            block = block[part]
        block[last] = YAML(typ="safe").load(value)
    return config.parse(content)


@cache
def mnist(scale: float) -> Space:
    return space(preset("mnist"), scale)


class Clock:
    """The seconds since its start, less those of its pauses."""

    def __init__(self) -> None:
        self.start, self.paused_seconds = time.perf_counter(), 0.0

    def seconds(self) -> float:
        return time.perf_counter() - self.start - self.paused_seconds

    @contextmanager
    def paused(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.paused_seconds += time.perf_counter() - start


# Ours


def untrained(name: str, params: ModelParams, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Model:
    torch.manual_seed(SEED)
    return plugins.load("models", name).build(params, images.shape[1:], count_classes(params.conditional, labels))


def precision(settings: Config) -> str:
    """That of `settings`, or float32 on a processor that would only emulate it."""
    return settings.train.precision if has_bfloat16("cpu") else "32-true"


def trained_for(seconds: float, name: str, real: Space, settings: Config) -> tuple[Model, Found]:
    """The best averaged weights of a training whose budget is what it can show in `seconds`."""
    params = settings.models[name]
    pace = images_per_second(min(WARM_UP, seconds), name, real, settings)
    params = params.model_copy(update={"budget_images": int(pace * seconds)})
    on = fabric("cpu", precision(settings))
    judge = Judge(real.feature_map, real.train, real.labels, images=min(SELECT_IMAGES, real.n), seed=SEED, fabric=on)
    model, clock, best = untrained(name, params, real.train, real.labels), Clock(), Found()

    def score(seen_images: int, averaged: Model) -> dict[str, float]:
        with clock.paused():
            scores = judge(averaged)
            if not best or scores[judge.select] < best["score"]:
                best.update(score=scores[judge.select], model=copy.deepcopy(averaged), at=seen_images)
            best["seen"] = seen_images
        return scores

    with suppress(Stopped):
        train(
            model, params, real.train, real.labels, fabric=on, seed=SEED, log_every=settings.train.log_every,
            evaluate_every=max(1, min(SELECT_EVERY, params.budget_images // 10)), select=judge.select,
            listener=Listener(score=score, stop=lambda: clock.seconds() >= seconds),
        )  # fmt: skip
    return best["model"], {
        "seconds": round(clock.seconds(), 1),
        "seconds_of_selection": round(clock.paused_seconds, 1),
        "budget_images": params.budget_images,
        "last_scored_at_images": best["seen"],
        "best_at_images": best["at"],
    }


def images_per_second(seconds: float, name: str, real: Space, settings: Config) -> float:
    params = settings.models[name].model_copy(update={"budget_images": 2**40})
    points: list[tuple[float, int]] = []
    listener = Listener(
        log=lambda seen_images, _: points.append((time.perf_counter(), seen_images)),
        stop=lambda: len(points) > 1 and points[-1][0] - points[0][0] >= seconds,
    )
    model, on = untrained(name, params, real.train, real.labels), fabric("cpu", precision(settings))
    with suppress(Stopped):
        train(model, params, real.train, real.labels, fabric=on, seed=SEED, log_every=10, listener=listener)
    (start, before), (end, after) = points[0], points[-1]
    return (after - before) / (end - start)


def drawn(model: Model, real: Space, method: str, params: Any) -> NDArray[np.uint8]:
    """As many images as a score takes."""
    sampler = plugins.load("sampling", method).sampler(model, real.train, real.labels, params, SEED)
    labels = labels_like(real.labels, real.n, SEED, model.classes)
    return np.concatenate(list(batches(model, sampler, labels, SEED, torch.device("cpu"))))


def gan_at(seconds: float, scale: float) -> Found:
    """A training of its own, since the fall of the learning rate needs to know when it ends."""
    real = mnist(scale)
    model, found = trained_for(seconds * scale, "gan", real, preset("mnist"))
    return found | real.score(drawn(model, real, "prior", None))


def trained_whole(name: str, settings: Config, real: Space, scale: float) -> Trained:
    """By the whole budget of `settings`, as the pipeline trains."""
    params, chosen = settings.models[name], settings.train
    params = params.model_copy(update={"budget_images": int(params.budget_images * scale)})
    on = fabric("cpu", precision(settings))
    judge = Judge(real.feature_map, real.train, real.labels, images=chosen.evaluate_images, seed=SEED, fabric=on)
    return train(
        untrained(name, params, real.train, real.labels), params, real.train, real.labels, fabric=on, seed=SEED,
        log_every=chosen.log_every, evaluate_every=chosen.evaluate_every, select=judge.select,
        listener=Listener(score=lambda seen_images, model: judge(model)),
    )  # fmt: skip


def digits(scale: float) -> Found:
    """The default parameters; the seconds count selection too, as those of the stage do."""
    settings = config.read()
    real, start = space(settings, scale), time.perf_counter()
    trained = trained_whole("gan", settings, real, scale)
    found = {"seconds": round(time.perf_counter() - start, 1), "best_at_images": trained.seen_images}
    return found | real.score(drawn(trained.model, real, "prior", None))


# PyTorch-GAN's dcgan.py


def dcgan_generator() -> nn.Sequential:
    """Latents (n, 100) -> images (n, 1, 32, 32) in [-1, 1]. The 0.8 of its normalisations is an epsilon."""

    def block(before: int, after: int) -> list[nn.Module]:
        convolution = nn.Conv2d(before, after, 3, padding=1)
        return [nn.Upsample(scale_factor=2), convolution, nn.BatchNorm2d(after, eps=0.8), nn.LeakyReLU(0.2)]

    first = [nn.Linear(100, 128 * 8 * 8), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128)]
    return nn.Sequential(*first, *block(128, 128), *block(128, 64), nn.Conv2d(64, 1, 3, padding=1), nn.Tanh())


def dcgan_discriminator() -> nn.Sequential:
    """Images (n, 1, 32, 32) -> probabilities (n, 1)."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise([1, 16, 32, 64, 128]):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(after, eps=0.8)] if before > 1 else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 1), nn.Sigmoid())


def dcgan_initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def endless(*steps: Callable[[Any], Any], batch_size: int, drop_last: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches of MNIST's training images, each image read and changed by itself."""
    prepared(preset("mnist"))
    data = datasets.MNIST(str(DATA), transform=transforms.Compose(list(steps)))
    loader = DataLoader(data, batch_size, shuffle=True, drop_last=drop_last)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def plainly() -> None:
    """The state in which the other programs run; ours has asked torch for deterministic kernels."""
    torch.use_deterministic_algorithms(False)
    torch.manual_seed(SEED)


def dcgan(scale: float) -> Found:
    real, seconds = mnist(scale), 600 * scale
    plainly()
    generator, discriminator = dcgan_generator().apply(dcgan_initialise), dcgan_discriminator().apply(dcgan_initialise)
    adams = [torch.optim.Adam(each.parameters(), lr=2e-4, betas=(0.5, 0.999)) for each in (generator, discriminator)]
    loss, seen = nn.BCELoss(), 0
    to_range = transforms.Normalize([0.5], [0.5])
    loader = endless(transforms.Resize(32), transforms.ToTensor(), to_range, batch_size=64)
    clock = Clock()
    for images, _ in loader:
        valid, fake = torch.ones(len(images), 1), torch.zeros(len(images), 1)
        adams[0].zero_grad()
        generated = generator(torch.randn(len(images), 100))
        generator_loss = loss(discriminator(generated), valid)
        generator_loss.backward()
        adams[0].step()
        adams[1].zero_grad()
        on_real, on_fake = loss(discriminator(images), valid), loss(discriminator(generated.detach()), fake)
        discriminator_loss = (on_real + on_fake) / 2
        discriminator_loss.backward()
        adams[1].step()
        _ = generator_loss.item(), discriminator_loss.item()  # it prints them
        seen += len(images)
        if clock.seconds() >= seconds:
            break
    found = {"seconds": round(clock.seconds(), 1), "seen_images": seen}
    with torch.no_grad():  # by the statistics of each batch, as it draws its own pictures
        parts = [to_pixels(generator(torch.randn(64, 100))).numpy() for _ in range(0, real.n, 64)]
    # What its size alone costs: training images enlarged and shrunk as its own are.
    some = real.train[np.random.default_rng(SEED).permutation(len(real.train))[: real.n]]
    found["fid_of_resized_real_images"] = real.score(square(square(some, 32), 28))["fid"]
    return found | real.score(square(np.concatenate(parts)[: real.n], 28))


# The VAE of pytorch/examples


class DenseVae(nn.Module):
    """784 - 400 - 20 - 400 - 784."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
        self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = torch.relu(self.hidden(images.flatten(1)))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        latents = mean + torch.randn_like(mean) * torch.exp(log_variance / 2)
        return self.decoder(latents), mean, log_variance


def dense_vae(scale: float) -> Found:
    """Theirs, then ours, for the same seconds; ours by each of its sampling methods."""
    real, settings, seconds = mnist(scale), preset("mnist"), 120 * scale
    plainly()
    vae, seen, loader = DenseVae(), 0, endless(transforms.ToTensor(), batch_size=128)
    adam, clock = torch.optim.Adam(vae.parameters(), lr=1e-3), Clock()
    for images, _ in loader:
        adam.zero_grad()
        decoded, mean, log_variance = vae(images)
        likelihood = nn.functional.binary_cross_entropy(decoded, images.flatten(1), reduction="sum")
        loss = likelihood - 0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        loss.backward()
        _ = loss.item()
        adam.step()
        seen += len(images)
        if clock.seconds() >= seconds:
            break
    theirs = {"seconds": round(clock.seconds(), 1), "seen_images": seen}
    with torch.no_grad():
        images = to_pixels(2 * vae.decoder(torch.randn(real.n, 20)).reshape(-1, 1, 28, 28) - 1).numpy()
    model, ours = trained_for(seconds, "vae", real, settings)
    methods = {}
    for method, params in settings.sample.methods["vae"].items():
        start = time.perf_counter()
        samples = drawn(model, real, method, params)
        methods[method] = {"seconds": round(time.perf_counter() - start, 1)} | real.score(samples)
    return {"theirs": theirs | real.score(images), "ours": ours, "methods": methods}


# Steps


def steps(name: str, scale: float) -> Found:
    """Steps per second: the median of each in turn."""
    settings, seconds = preset("mnist"), 20 * scale
    images, labels = (files.read_array(prepared(settings) / "train" / f"{kind}.npy") for kind in ("images", "labels"))
    tries = {
        "ours": partial(our_pace, name, settings, precision(settings), images, labels),
        "ours_float32": partial(our_pace, name, settings, "32-true", images, labels),
        "plain": partial(plain_pace, name, settings, images, labels),
    }
    paces: dict[str, list[float]] = {key: [] for key in tries}
    for _ in range(RUNS):
        for key, pace in tries.items():
            paces[key].append(pace(seconds))
    found = {key: round(median(each), 2) for key, each in paces.items()}
    ratios = {f"{key}_times_faster": round(found[key] / found["plain"], 2) for key in ("ours", "ours_float32")}
    return found | ratios | {"precision": precision(settings), "batch_size": settings.models[name].batch_size}


def our_pace(name: str, settings: Config, precision: str, images: Any, labels: Any, seconds: float) -> float:
    params, moments = settings.models[name].model_copy(update={"budget_images": 2**40}), list[float]()

    def stop() -> bool:
        moments.append(time.perf_counter())
        return len(moments) > 1 and moments[-1] - moments[0] >= seconds

    model, on = untrained(name, params, images, labels), fabric("cpu", precision)
    every = settings.train.log_every
    with suppress(Stopped):
        train(model, params, images, labels, fabric=on, seed=SEED, log_every=every, listener=Listener(stop=stop))
    return (len(moments) - 1) / (moments[-1] - moments[0])


def plain_pace(name: str, settings: Config, images: Any, labels: Any, seconds: float) -> float:
    plainly()
    params = settings.models[name]
    model = untrained(name, params, images, labels)
    weights = {
        key: [w for part in parts for w in model.parts[part].parameters()] for key, parts in model.updates.items()
    }
    betas = {key: model.optimizer(each).defaults["betas"] for key, each in weights.items()}
    adams = {key: torch.optim.Adam(each, params.learning_rate, betas[key]) for key, each in weights.items()}
    kept = weights_of(model, model.averaged)
    averages, random, moments = [w.detach().clone() for w in kept], torch.Generator().manual_seed(SEED), list[float]()
    to_range = transforms.Normalize([0.5], [0.5])
    loader = endless(transforms.ToTensor(), to_range, batch_size=params.batch_size, drop_last=True)
    for step, (pixels, classes) in enumerate(loader):
        for key in model.schedule:
            adams[key].zero_grad()
            loss, _ = model.loss(key, Batch(pixels, classes, step, 0.5, random))
            loss.backward()
            adams[key].step()
            loss.item()
        with torch.no_grad():
            for average, w in zip(averages, kept, strict=True):
                average.mul_(0.999).add_(w, alpha=0.001)
        moments.append(time.perf_counter())
        if len(moments) > 1 and moments[-1] - moments[0] >= seconds:
            break
    return (len(moments) - 1) / (moments[-1] - moments[0])


def weights_of(model: Model, parts: Sequence[str]) -> list[nn.Parameter]:
    return [weight for part in parts for weight in model.parts[part].parameters()]


# Memory


def memory(scale: float) -> Found:
    """MiB at the peak of 200 steps on random 32x32x3 images, beyond what the process held with its networks built."""
    found = {}
    for n in (20_000, 200_000):
        with tempfile.TemporaryDirectory() as name:
            path, rng = Path(name) / "images.npy", np.random.default_rng(SEED)
            with files.ArrayWriter(path, (3, 32, 32), np.uint8) as images:
                for _ in range(0, n, 1000):
                    images.append(rng.integers(0, 256, (1000, 3, 32, 32), np.uint8))
            for keep in ("off_device", "on_device"):
                found[f"{keep}_{n}_MiB"] = peak(__file__, str(path), keep, str(max(5, int(200 * scale))))
    return found


def measure(path: str, keep: str, count: str) -> None:
    """The other side of `memory`."""
    torch.set_num_threads(THREADS)
    images, settings = files.read_array(Path(path), mmap=True), preset("mnist")
    params = settings.models["gan"]
    params = params.model_copy(update={"budget_images": int(count) * params.batch_size, "conditional": False})
    labels, keeps = np.full(len(images), -1), keep == "on_device"
    model, on = untrained("gan", params, images, labels), fabric("cpu", "32-true")
    before = resident("VmRSS")
    train(model, params, images, labels, fabric=on, seed=SEED, log_every=50, data_on_device=keeps)
    print((resident("VmHWM") - before) // MIB)


TASKS: dict[str, Callable[[float], Found]] = {
    "dcgan": dcgan,
    "gan_2_minutes": partial(gan_at, 120),
    "gan_10_minutes": partial(gan_at, 600),
    "gan_25_minutes": partial(gan_at, 1500),
    "dense_vae": dense_vae,
    "steps_gan": partial(steps, "gan"),
    "steps_vae": partial(steps, "vae"),
    "digits": digits,
    "memory": memory,
}


def table(result: Found) -> str:
    """The results as the table of the README."""
    lines = ["| what; beside what | ours | beside | ratio |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows(result["results"])]
    return "\n".join(lines)


def rows(found: Found) -> Iterator[tuple[str, ...]]:
    for minutes in (2, 10, 25):
        if ours := found.get(f"gan_{minutes}_minutes"):
            what, fid = f"MNIST, GAN, {minutes} minutes: FID", with_shares(ours)
            yield f"{what}; the floor", fid, f"{ours['floor']:.3g}", f"{ours['floor_ratio']:.3g}"
            if theirs := found.get("dcgan"):
                ratio = f"{ours['fid'] / theirs['fid']:.3g}"
                yield f"{what}; PyTorch-GAN's dcgan.py, 10 minutes", fid, with_shares(theirs), ratio
    if vaes := found.get("dense_vae"):
        method, ours = min(vaes["methods"].items(), key=lambda item: item[1]["fid"])
        what = f"MNIST, VAE sampled by {method}, {vaes['theirs']['seconds']:.0f} s: FID; the VAE of pytorch/examples"
        yield what, with_shares(ours), with_shares(vaes["theirs"]), f"{ours['fid'] / vaes['theirs']['fid']:.3g}"
    for name in ("gan", "vae"):
        if pace := found.get(f"steps_{name}"):
            for key, told in (("ours", pace["precision"]), ("ours_float32", "32-true")):
                what = f"{name.upper()}, 28x28, {told}: steps per second; a plain loop with a DataLoader"
                yield what, f"{pace[key]:.3g}", f"{pace['plain']:.3g}", f"{pace[f'{key}_times_faster']:.3g}"
    if ours := found.get("digits"):
        what = f"digits, GAN, {ours['seconds']:.0f} s: FID; the floor"
        yield what, with_shares(ours), f"{ours['floor']:.3g}", f"{ours['floor_ratio']:.3g}"
    if peaks := found.get("memory"):
        for keep, told in (("off_device", "read from the disk"), ("on_device", "kept in memory")):
            small, large = peaks[f"{keep}_20000_MiB"], peaks[f"{keep}_200000_MiB"]
            what = f"memory of a training on 200,000 images, 32x32x3, {told}; on 20,000"
            yield what, f"{large} MiB", f"{small} MiB", f"{large / small:.3g}"


def with_shares(found: Found) -> str:
    return f"{found['fid']:.3g} (precision {found['precision']:.2f}, recall {found['recall']:.2f})"


def main(names: list[str], scale: float) -> None:
    torch.set_num_threads(THREADS)
    result: Found = provenance() | {"results": {}}
    old = files.read_json(OUT) if OUT.exists() else {}
    if scale == 1 and all(old.get(key) == result[key] for key in ("commit", "machine")):
        result["results"] = old["results"]
    for name in names:
        result["results"][name] = TASKS[name](scale)
        print(name, result["results"][name], flush=True)
        if scale == 1:
            files.write_json(OUT, result)
    print(table(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["PEAK"]:
        measure(*sys.argv[2:])
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("names", nargs="*", help=f"of {', '.join(TASKS)}; all if none is given")
        parser.add_argument("--scale", type=float, default=1.0, help="share of the times and budgets")
        given = parser.parse_args()
        if unknown := set(given.names) - set(TASKS):
            parser.error(f"no measurement {', '.join(sorted(unknown))}; choose from {', '.join(TASKS)}")
        main(given.names or list(TASKS), given.scale)
