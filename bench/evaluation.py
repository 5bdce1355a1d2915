"""How fast are the scores, and in how little memory, beside the packages that people use?

Writes metrics/bench/evaluation.json and prints it as the table of the README. Times are the median of five runs, all in
this one process, ours and theirs in turn; what counts is their ratio. Peaks of memory are those of a process of its own
for each (`python bench/evaluation.py PEAK prdc 64`), less what it held when its data were ready. The weights of
Inception are random ones, which take as long as the published.
"""

import contextlib
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pullback._torchvision  # noqa: F401  first: the packages below import torchvision

# isort: split
import numpy as np
import torch
import torch_fidelity
from _measuring import MIB, alone, in_turn, peak, resident, rows, run, told
from PIL import Image
from prdc import compute_prdc
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_kid import kid_features_to_metric

from pullback import embedding
from pullback.evaluation._set import Set
from pullback.evaluation.fid import Moments, frechet_distance, frechet_distance_from_moments
from pullback.evaluation.inception_score import inception_score
from pullback.evaluation.kid import kernel_distance
from pullback.evaluation.precision_recall import Params, scores
from pullback.features import inception as inception_map
from pullback.sets import Images

OUT = Path("metrics/bench/evaluation.json")
RUNS = 5
IMAGES = 128


def normal(n: int, d: int, shift: float = 0.0) -> np.ndarray:
    """Features, float32 (n, d), whose variances fall off as those of networks do."""
    rng = np.random.default_rng(int(n + d + 10 * shift))
    return (rng.normal(size=(n, d)) / np.sqrt(1 + np.arange(d) / 10) + shift).astype(np.float32)


def beside(ours: Callable[[], Any], theirs: Callable[[], Any], rtol: float) -> dict[str, float]:
    """The medians of both, run in turn; `rtol` is how closely their answers must agree."""
    seconds, answers = in_turn({"ours": ours, "theirs": theirs}, RUNS)
    np.testing.assert_allclose(*answers.values(), rtol=rtol)
    return told(seconds)


# Frechet distance


def frechet_from_moments() -> dict[str, float]:
    a, b = Moments(), Moments()
    a.update(normal(10_000, 2048))
    b.update(normal(10_000, 2048, 0.1))
    return beside(
        lambda: frechet_distance_from_moments(a, b),
        lambda: calculate_frechet_distance(a.mean, a.covariance, b.mean, b.covariance),
        rtol=1e-9,
    )


def frechet_from_features() -> dict[str, float]:
    real, fake = normal(1000, 2048), normal(1000, 2048, 0.1)

    def theirs() -> float:
        (m1, s1), (m2, s2) = ((x.mean(axis=0), np.cov(x, rowvar=False)) for x in (real, fake))
        return calculate_frechet_distance(m1, s1, m2, s2)

    # Of singular covariances theirs takes another root: only the order of magnitude is the same.
    return beside(lambda: frechet_distance(real, fake), theirs, rtol=0.1)


# Neighbours


def four_scores(real: np.ndarray, fake: np.ndarray) -> list[float]:
    return [each.value for each in scores(Set(real), Set(fake), Params(k=5), seed=0).values()]


def four_scores_of_prdc(real: np.ndarray, fake: np.ndarray) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints
        return list(compute_prdc(real, fake, nearest_k=5).values())


def neighbours(d: int) -> dict[str, float]:
    real, fake = normal(10_000, d), normal(10_000, d, 0.1)
    found = beside(partial(four_scores, real, fake), partial(four_scores_of_prdc, real, fake), rtol=0)
    ours, theirs = (peak(__file__, each, str(d)) for each in ("ours", "prdc"))
    return found | {"ours_MiB": ours, "theirs_MiB": theirs, "of_their_memory": round(ours / theirs, 3)}


def kernel(dtype: type) -> dict[str, float]:
    """Theirs is the mean over 100 blocks of 1,000, in the precision of the features; ours always in float64."""
    real, fake = normal(10_000, 512).astype(dtype), normal(10_000, 512, 0.1).astype(dtype)
    tensors = torch.from_numpy(real), torch.from_numpy(fake)

    def theirs() -> float:
        found = kid_features_to_metric(*tensors, kid_subsets=100, kid_subset_size=1000, verbose=False)
        return found["kernel_inception_distance_mean"]

    return beside(lambda: kernel_distance(real, fake).value, theirs, rtol=0.2)


# Memory


def measure(task: str, *sizes: str) -> None:
    """The other side of `peak`."""
    if task == "moments":
        before = resident("VmRSS")
        moments, batch = Moments(), normal(1000, 2048)
        for _ in range(200):
            moments.update(batch)
        assert moments.count == 200_000
    else:
        n, d = 50_000 if task == "many" else 10_000, int(sizes[0])
        real, fake = normal(n, d), normal(n, d, 0.1)
        before = resident("VmRSS")
        (four_scores_of_prdc if task == "prdc" else four_scores)(real, fake)
    print((resident("VmHWM") - before) // MIB)


# Inception


def inception() -> dict[str, float]:
    """From PNG files to logits and a score, as `pullback score` does, beside what `fidelity --isc` does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = random_weights(folder / "weights.pth")
        (folder / "images").mkdir()
        for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (IMAGES, 32, 32, 3), np.uint8)):
            Image.fromarray(image).save(folder / "images" / f"{number:04}.png")
        settings = {"weights": str(weights), "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
        for bfloat16 in (False, True):
            params = inception_map.Params(**settings, bfloat16=bfloat16)
            inception_map.build(None, None, 0, params, 0, torch.device("cpu"), folder / str(bfloat16))

        def ours(bfloat16: bool = False) -> float:
            out, load = folder / "features", partial(inception_map.load, folder / str(bfloat16))
            embedding.embed_to(out, partial(Images, folder / "images", 3), load, title="", accelerator="cpu")
            return inception_score(embedding.read(out).logits).value

        def theirs() -> float:
            return torch_fidelity.calculate_metrics(
                input1=str(folder / "images"),
                isc=True,
                cuda=False,
                cache=False,
                verbose=False,
                feature_extractor_weights_path=str(weights),
            )["inception_score_mean"]

        # They shuffle otherwise, so the scores of the splits differ a little.
        found = beside(ours, theirs, rtol=0.1)
        start = time.perf_counter()
        ours(bfloat16=True)
        return found | {"ours_bfloat16_seconds": round(time.perf_counter() - start, 3)}


def random_weights(path: Path) -> Path:
    """A file of the published format whose activations neither vanish nor explode."""

    class Blank(torch_fidelity.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: Any) -> None:
            pass

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    torch.manual_seed(0)
    network = Blank("inception-v3-compat", ["2048"], empty)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)
    return path


TASKS: dict[str, Callable[[], dict[str, float]]] = {
    "Frechet distance from moments, d = 2048; pytorch-fid": frechet_from_moments,
    "Frechet distance from features, n = 1,000, d = 2048; pytorch-fid": frechet_from_features,
    "precision, recall, density, coverage, n = 10,000, d = 64; prdc": partial(neighbours, 64),
    "precision, recall, density, coverage, n = 10,000, d = 512; prdc": partial(neighbours, 512),
    "kernel distance of all pairs, n = 10,000, d = 512; torch-fidelity, 100 blocks, float32": partial(
        kernel, np.float32
    ),
    "the same; torch-fidelity, 100 blocks, float64": partial(kernel, np.float64),
    f"Inception features of {IMAGES} images in PNG files; torch-fidelity": inception,
    "moments of 200,000 features, d = 2048": partial(alone, __file__, "moments"),
    "precision, recall, density, coverage, n = 50,000, d = 64": partial(alone, __file__, "many", "64"),
}


def table(result: dict[str, Any]) -> str:
    """The results as the table of the README."""
    return "\n".join(rows(result["results"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["PEAK"]:
        measure(*sys.argv[2:])
    else:
        run(TASKS, table, OUT)
