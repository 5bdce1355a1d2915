"""How fast are the maps and the neighbour search beside the packages that people use, and how good are the maps?

Writes metrics/bench/manifold.json and prints it as the table of the README. Times are the median of three runs in this
one process, ours and theirs in turn, with two threads each, but for t-SNE; what counts is their ratio. Peaks of memory
are those of a process of its own.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from _measuring import MIB, alone, in_turn, resident, rows, run, told
from sklearn.manifold import TSNE, Isomap
from threadpoolctl import threadpool_limits

from pullback.manifold import isomap, tsne
from pullback.manifold.quality import trustworthiness
from pullback.neighbors import knn

OUT = Path("metrics/bench/manifold.json")
RUNS, THREADS, K, JUDGED, LANDMARKS = 3, 2, 10, 10, 400


def sheet(n: int, d: int) -> np.ndarray:
    """A curved sheet of three dimensions in d, with noise: float32 (n, d)."""
    rng = np.random.default_rng(n + d)
    waves = np.sin(rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + rng.uniform(0, 2 * np.pi, d))
    return (waves + 0.05 * rng.normal(size=(n, d))).astype(np.float32)


def isomap_beside_sklearn() -> dict[str, float]:
    x = sheet(5000, 64)
    seconds, maps = in_turn(
        {
            "ours": lambda: isomap.fit(x, isomap.Params(neighbors=K, landmarks=LANDMARKS), 0).coordinates,
            "theirs": lambda: Isomap(n_neighbors=K, n_jobs=THREADS).fit_transform(x),
        },
        RUNS,
    )
    return told(seconds) | judged(x, maps)


def judged(x: np.ndarray, maps: dict[str, np.ndarray]) -> dict[str, float]:
    return {f"{name}_trustworthiness": round(trustworthiness(x, each, JUDGED), 4) for name, each in maps.items()}


def tsne_beside_sklearn() -> dict[str, float]:
    x = sheet(2000, 64)

    def theirs(threads: int) -> np.ndarray:
        with threadpool_limits(threads):
            return TSNE(random_state=0, n_jobs=threads).fit_transform(x)

    seconds, maps = in_turn(
        {"ours": lambda: tsne.fit(x, tsne.Params(), 0).coordinates, "theirs": lambda: theirs(1)}, RUNS
    )
    both = in_turn({"both": lambda: theirs(THREADS)}, RUNS)[0]["both"]
    return told(seconds) | judged(x, maps) | {"theirs_with_two_threads_seconds": round(both, 3)}


def knn_beside_faiss(n: int, d: int) -> dict[str, float]:
    x = sheet(n, d)
    faiss.omp_set_num_threads(THREADS)

    def theirs() -> np.ndarray:
        index = faiss.IndexFlatL2(d)
        index.add(x)
        return index.search(x, K + 1)[1][:, 1:]

    seconds, found = in_turn({"ours": lambda: knn(x, K)[1], "theirs": theirs}, RUNS)
    # theirs are rounded to float32, so that near ties come in another order
    return told(seconds) | {"same_neighbours": round(float((found["ours"] == found["theirs"]).mean()), 5)}


def measure(task: str) -> None:
    """The other side of `peak`."""
    assert task == "isomap"
    x, before = sheet(50_000, 64), resident("VmRSS")
    assert isomap.fit(x, isomap.Params(neighbors=K, landmarks=LANDMARKS), 0).embedded.all()
    print((resident("VmHWM") - before) // MIB)


TASKS: dict[str, Callable[[], dict[str, float]]] = {
    f"Isomap, {LANDMARKS} landmarks, n = 5,000, d = 64; scikit-learn": isomap_beside_sklearn,
    f"Isomap, {LANDMARKS} landmarks, n = 50,000, d = 64": partial(alone, __file__, "isomap"),
    "t-SNE, 750 iterations, n = 2,000, d = 64; scikit-learn, 1,000 iterations; one thread": tsne_beside_sklearn,
    "10 nearest neighbours, n = 20,000, d = 64; faiss IndexFlatL2": partial(knn_beside_faiss, 20_000, 64),
    "10 nearest neighbours, n = 10,000, d = 512; faiss IndexFlatL2": partial(knn_beside_faiss, 10_000, 512),
}


def table(result: dict[str, Any]) -> str:
    """The results as the table of the README."""
    head, line, *others = rows(result["results"])
    lines = [f"{head} trustworthiness |", f"{line}---|"]
    for row, found in zip(others, result["results"].values(), strict=True):
        trust = [
            f"{found[f'{name}_trustworthiness']:.3f}" for name in ("ours", "theirs") if "ours_trustworthiness" in found
        ]
        lines.append(f"{row} {' against '.join(trust)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["PEAK"]:
        measure(*sys.argv[2:])
    else:
        os.environ["OMP_NUM_THREADS"] = str(THREADS)  # ours read it as they start their threads
        run(TASKS, table, OUT)
