"""How fast are the scores, beside the usual ways to compute them? Writes metrics/bench/evaluation.json.

Each figure is the median of five runs in this one process; what counts is the ratio, not the seconds.
"""

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
from scipy.linalg import sqrtm
from sklearn.neighbors import NearestNeighbors

from pullback import files, tracking
from pullback.evaluation.fid import frechet_distance
from pullback.neighbors import knn


def frechet_by_sqrtm(real: np.ndarray, fake: np.ndarray) -> float:
    s1, s2 = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    gap = real.mean(0) - fake.mean(0)
    return float(gap @ gap + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real))


def knn_by_sklearn(x: np.ndarray, k: int) -> np.ndarray:
    return NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x).kneighbors()[0]


def seconds(function: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times)


def compare(ours: Callable[[], object], theirs: Callable[[], object]) -> dict[str, float]:
    np.testing.assert_allclose(ours(), theirs(), rtol=1e-5)
    a, b = seconds(ours), seconds(theirs)
    return {"ours_seconds": round(a, 4), "theirs_seconds": round(b, 4), "times_faster": round(b / a, 2)}


def main() -> None:
    rng = np.random.default_rng(0)
    wide, other = rng.normal(size=(2, 1500, 1024)).astype(np.float32)
    tall = rng.normal(size=(10_000, 64)).astype(np.float32)
    result = {
        "date": date.today().isoformat(),
        "commit": tracking.revision().get("mlflow.source.git.commit", ""),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "frechet distance, n=1500 d=1024, beside scipy.linalg.sqrtm": compare(
            lambda: frechet_distance(wide, other), lambda: frechet_by_sqrtm(wide, other)
        ),
        "5 nearest neighbours, n=10000 d=64, beside scikit-learn's brute force": compare(
            lambda: knn(tall, 5)[0], lambda: knn_by_sklearn(tall, 5)
        ),
    }
    files.write_json(Path("metrics/bench/evaluation.json"), result)
    for name, figures in result.items():
        print(f"{name}: {figures}")


if __name__ == "__main__":
    main()
