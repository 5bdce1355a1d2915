"""Does it help to sample along the learned manifold? Every sampling method of both models, beside draws of the prior.

Writes metrics/bench/sampling.json and prints it as the table of the README. The models are those of params.yaml on the
digits, and of params/mnist on MNIST, trained for their whole budget. Each method draws as many images as the test split
has, which are judged as the pipeline judges them; a verdict is that of the paired difference from the prior. Images per
second count the draws alone, not what a method learns first, which stands beside. MNIST comes from PULLBACK_TEST_MNIST.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import provenance
from training import SEED, THREADS, Space, preset, space, trained_whole

from pullback import config, files, plugins, protocol
from pullback.config import Config
from pullback.evaluation._set import Set
from pullback.features import classifier
from pullback.generation import batches
from pullback.models._model import Model, labels_like

OUT = Path("metrics/bench/sampling.json")
METHODS = {"gan": ["prior", "truncation", "rejection"], "vae": ["prior", "gmm", "manifold"]}
SHOWN = ["fid", "precision", "recall", "c_t"]

Found = dict[str, Any]


def drawn(model: Model, method: str, real: Space) -> tuple[Set, Found]:
    """The images of a method with their features, and what they cost."""
    plugin, cpu = plugins.load("sampling", method), torch.device("cpu")
    params = plugin.Params() if hasattr(plugin, "Params") else None
    labels = labels_like(real.labels, real.n, SEED, model.classes)
    start = time.perf_counter()
    sampler = plugin.sampler(model, real.train, real.labels, params, SEED)
    learning = time.perf_counter() - start
    list(batches(model, sampler, labels[:500], SEED, cpu))  # the first draws of a network take longer
    start = time.perf_counter()
    images = np.concatenate(list(batches(model, sampler, labels, SEED, cpu)))
    drawing = time.perf_counter() - start
    cost = {"learning_seconds": round(learning, 2), "images_per_second": round(len(images) / drawing)}
    return embedded(images, labels, real), cost


def embedded(images: np.ndarray, labels: np.ndarray, real: Space) -> Set:
    features, logits = real.feature_map(images)
    return Set(features, logits, images, labels=labels, fit=classifier.trainer(torch.device("cpu")))


def judged(settings: Config, scale: float) -> Found:
    """By model and method: every score, every verdict against the prior, and the cost."""
    real, metrics = space(settings, scale), settings.evaluate.metrics
    test_labels = files.read_array(Path(f"data/bench/{settings.data.name.upper()}/images/test/labels.npy"))
    test = embedded(real.test[: real.n], test_labels[: real.n], real)
    known = embedded(real.train, real.labels, real)
    floor = protocol.floor(metrics, test, known.subset(real.n, SEED), known, SEED)
    found: Found = {"images": real.n, "floor": {key: each["value"] for key, each in floor.items()}}
    for name, methods in METHODS.items():
        model = trained_whole(name, settings, real, scale).model
        sets = {method: drawn(model, method, real) for method in methods}
        prior = sets["prior"][0]
        for method, (fake, cost) in sets.items():
            fake = replace(fake, train=known)
            verdicts = protocol.verdicts(metrics, test, fake, prior, SEED) if method != "prior" else {}
            found[f"{name} {method}"] = cost | {
                "scores": protocol.scores(metrics, test, fake, SEED),
                "verdicts": {key: each["verdict"] for key, each in verdicts.items()},
            }
            print(
                name,
                method,
                cost,
                {key: found[f"{name} {method}"]["scores"][key]["value"] for key in SHOWN},
                flush=True,
            )
    return found


def table(result: Found) -> str:
    """The results as the table of the README."""
    head = [
        "data",
        "model and method",
        "FID",
        "precision",
        "recall",
        "C_T",
        "images/s",
        "better than the prior by",
        "worse by",
    ]
    lines = [head, ["---"] * len(head)]
    lines += [row for data, found in result["results"].items() for row in rows(data, found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows(data: str, found: Found) -> Iterator[list[str]]:
    floor = found["floor"]
    yield [data, f"floor ({found['images']:,} images)", *(f"{floor[key]:.3g}" for key in SHOWN), "", "", ""]
    for source, told in found.items():
        if source in ("images", "floor"):
            continue
        scores = [f"{told['scores'][key]['value']:.3g}" for key in SHOWN]
        verdicts = told["verdicts"]
        outcomes = (", ".join(key for key in verdicts if verdicts[key] == each) for each in ("better", "worse"))
        yield [data, source, *scores, f"{told['images_per_second']:,}", *outcomes]


def main(names: list[str], scale: float) -> None:
    torch.set_num_threads(THREADS)
    result: Found = provenance() | {"results": {}}
    for name in names:
        result["results"][name] = judged(config.read() if name == "digits" else preset(name), scale)
    if scale == 1:
        files.write_json(OUT, result)
    print(table(result))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["digits", "mnist"])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the budgets")
    given = parser.parse_args()
    main(given.names, given.scale)
