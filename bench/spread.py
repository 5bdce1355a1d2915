"""Does the graph of the codes help, or only that draws along it lie wider than the codes?

Writes metrics/bench/spread.json and prints it as the table of the README. The VAE of params.yaml is trained on the
digits; its samplers draw three times, as they are and with each draw stretched away from the mean of its class, or
shrunk towards it. `spread` is the mean standard deviation of a number of a latent within its class; that of the codes
stands beside. Scores are the mean and the range of the three.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import provenance
from torch import Tensor
from training import SEED, THREADS, Space, space, trained_whole

from pullback import config, files, plugins
from pullback.generation import batches
from pullback.models._model import Model, labels_like
from pullback.sampling._codes import codes
from pullback.sampling._sampler import Sampler

OUT, DRAWS = Path("metrics/bench/spread.json"), 3
SCORES = ["fid", "precision", "recall"]
TRIES = {  # method, and how wide its draws are made
    "prior": ("prior", 1.0),
    "gmm": ("gmm", 1.0),
    "gmm, 1.2 times as wide": ("gmm", 1.2),
    "gmm, 1.4 times as wide": ("gmm", 1.4),
    "manifold": ("manifold", 1.0),
    "manifold, 1.4 times as narrow": ("manifold", 1 / 1.4),
}


def stretched(sampler: Sampler, means: Tensor, factor: float) -> Sampler:
    """The draws (n, d) of `sampler`, each `factor` times as far from the mean (classes, d) of its class."""

    def draw(labels: Tensor, generator: torch.Generator) -> Tensor:
        middle = means[labels]
        return middle + factor * (sampler(labels, generator) - middle)

    return draw


def judged(model: Model, real: Space, means: Tensor, method: str, factor: float) -> dict[str, Any]:
    plugin = plugins.load("sampling", method)
    params = plugin.Params() if hasattr(plugin, "Params") else None
    draw = stretched(plugin.sampler(model, real.train, real.labels, params, SEED), means, factor)
    labels = labels_like(real.labels, real.n, SEED, model.classes)
    kinds = torch.from_numpy(labels)
    within = draw(kinds, torch.Generator().manual_seed(SEED)) - means[kinds]
    some = [
        real.score(np.concatenate(list(batches(model, draw, labels, seed, torch.device("cpu")))))
        for seed in range(DRAWS)
    ]
    values = {score: [each[score] for each in some] for score in SCORES}
    return {"spread": round(float(within.square().mean().sqrt()), 3)} | {
        score: {"mean": round(float(np.mean(each)), 4), "low": min(each), "high": max(each)}
        for score, each in values.items()
    }


def table(result: dict[str, Any]) -> str:
    """The results as the table of the README."""
    lines = ["| digits, VAE, sampled by | spread | FID | precision | recall |", "|---|---|---|---|---|"]
    for name, found in result["results"].items():
        scores = (f"{found[key]['mean']:.2f} ({found[key]['low']:.2f} to {found[key]['high']:.2f})" for key in SCORES)
        lines.append(f"| {name} | {found['spread']:.2f} | {' | '.join(scores)} |")
    return "\n".join(lines)


def main() -> None:
    torch.set_num_threads(THREADS)
    settings = config.read()
    real = space(settings, 1.0)
    model = trained_whole("vae", settings, real, 1.0).model
    known = codes(model, real.train, real.labels, SEED)
    points, kinds = torch.from_numpy(known.latents), torch.from_numpy(known.kinds)
    means = torch.stack([points[kinds == kind].mean(dim=0) for kind in range(model.classes)]).float()
    own = (points - means[kinds]).square().mean().sqrt()
    score = partial(judged, model, real, means)
    result = provenance() | {
        "spread_of_the_codes": round(float(own), 3),
        "results": {name: score(*each) for name, each in TRIES.items()},
    }
    files.write_json(OUT, result)
    print(f"The spread of the codes: {own:.3f}\n{table(result)}")


if __name__ == "__main__":
    main()
