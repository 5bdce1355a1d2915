"""Results of an imaginary run, small enough to render in a moment, and a browser to look at them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pullback.report._results import Results

CHROMIUM = Path("/usr/bin/chromium")


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value, "n_real": 60, "n_fake": 40}


def evaluation(fid: float) -> dict[str, Any]:
    return {
        "feature_map": "classifier",
        "feature_map_digest": "feedbeef00000000",
        "resize": "clean",
        "images": 40,
        "seed": 7,
        "parameters": {
            "fid": {},
            "precision_recall": {"k": 3, "density_k": 5},
            "memorization": {"cells": None},
            "classification": {},
        },
        "floor": {"fid": estimate(0.5), "precision": estimate(0.9)},
        "methods": {"prior": {"fid": estimate(fid), "precision": estimate(0.5)}},
        "findings": {"prior": findings()},
        "class_shares": {"real": [0.5, 0.5], "prior": [0.9, 0.1]},
    }


def training(seen_images: int, fid: float, **test: float) -> dict[str, Any]:
    chosen = {"seen_images": seen_images, "fid": fid, "kid": 0.1, "least_share": 0.7}
    return {"select": "fid", "chosen": chosen, "last": chosen, "test": test, "diagnosis": {}}


def verdicts() -> dict[str, Any]:
    return {
        "fid": {"a": 4.0, "b": 8.0, "difference": -4.1, "low": -5.2, "high": -3.0, "verdict": "better"},
        "precision": {
            "a": 0.5,
            "b": 0.5,
            "difference": 0.0,
            "low": -0.1,
            "high": 0.1,
            "verdict": "not distinguishable",
        },
    }


def findings() -> dict[str, Any]:
    return {
        "precision_recall": {
            "realism": {"median": 1.25, "most": [*range(8)], "least": [*range(39, 31, -1)]},
            "classes": {"precision": hits(19, 15), "recall": hits(20, 5)},
        },
        "memorization": {
            "near_copies": [[5, 50, 0.0], [6, 51, 0.125]],
            "nearest": [[5, 50, 0.0], [6, 51, 0.125], [7, 50, 0.5], [8, 52, 0.75]],
        },
        "modes": {
            "missing": [
                {
                    "real_share": 0.1,
                    "fake_share": 0.03,
                    "p_value": 1e-9,
                    "real_examples": [30, 31, 32],
                    "fake_examples": [2],
                }
            ],
            "over_produced": [
                {
                    "real_share": 0.1,
                    "fake_share": 0.25,
                    "p_value": 0.0123,
                    "real_examples": [33, 34, 35],
                    "fake_examples": [11, 12],
                }
            ],
        },
        "classification": {"labels": "by the feature map"},
    }


def hits(*counts: int) -> dict[str, list[int]]:
    return {"hits": [*counts], "images": [20, 20]}


MEASURED = {"trustworthiness": 0.98, "continuity": 0.97, "shepard": 0.9}


def clusters(sources: list[str]) -> dict[str, Any]:
    missed = {"cluster": 1, "real_share": 0.4, "fake_share": 0.1, "p_value": 1e-4}
    return {
        "clusters": 2,
        "shares": {"real": [0.5, 0.4], "gan prior": [0.6, 0.4], "vae prior": [0.9, 0.1]},
        "modes": {source: {"missing": [], "over_produced": []} for source in sources[1:]}
        | {"vae prior": {"missing": [missed], "over_produced": []}},
        "agreement": {"ari": 0.7, "nmi": 0.75, "silhouette": None},
    }


def way(length: float, realism: float) -> dict[str, float]:
    return {"pixel_length": 1.25, "feature_length": length, "realism": realism, "least_realism": realism / 2}


def neighbors(sources: np.ndarray, m: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2, m): the nearest real and generated points, and how far they are, in features made up for it."""
    features = np.random.default_rng(1).normal(size=(len(sources), 2))
    distances = np.linalg.norm(features[:, None] - features, axis=-1)
    np.fill_diagonal(distances, np.inf)
    groups = [np.where(kind, distances, np.inf) for kind in (sources == "real", sources != "real")]
    nearest = np.stack([group.argsort(axis=1)[:, :m] for group in groups], axis=1)
    return nearest, np.take_along_axis(distances[:, None], nearest, axis=-1)


@pytest.fixture(scope="session")
def parts() -> Any:
    """The arguments of `Results` for images of a size and number of channels; a test may change some."""

    def build(size: int = 8, channels: int = 1, **changes: Any) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        sources = ["real", "gan prior", "vae prior"]

        def images(n: int) -> np.ndarray:
            return rng.integers(0, 256, (n, channels, size, size), np.uint8)

        nearest, distances = neighbors(np.repeat(sources, 20))
        counts = {"train": {"cat": 30, "<dog>": 30}, "test": {"cat": 20, "<dog>": 20}}
        return {
            "params": {
                "seed": 7,
                "models": {
                    "gan": {"width": 32, "spectral_norm": True},
                    "vae": {"width": 16, "beta": 1.0, "latent_dim": 16},
                },
                "sample": {"methods": {"gan": {"prior": {}}, "vae": {"prior": {}}}},
                "manifold": {"neighbors": 10, "maps": {"tsne": {"perplexity": 30}}},
            },
            "prepared": {
                "name": "pets",
                "size": size,
                "channels": channels,
                "digest": "d1ge57",
                "classes": ["cat", "<dog>"],
                "images": {"train": 60, "test": 40},
                "per_class": counts,
                "dropped": {"broken": 1, "duplicates": 3, "leaked": 2},
            },
            "feature_map": {
                "name": "classifier",
                "digest": "feedbeef00000000",
                "resize": "clean",
                "test_accuracy": 0.975,
            },
            "train": images(60),
            "real": images(40),
            "samples": {source: images(40) for source in sources[1:]},
            "labels": {source: np.full(40, -1) for source in sources},
            "reconstructions": {"vae": images(32)},
            "paths": {
                "gan": {kind: images(27).reshape(3, 9, channels, size, size) for kind in ("geodesic", "straight")},
                "vae": {
                    kind: images(27).reshape(3, 9, channels, size, size) for kind in ("geodesic", "pixels", "straight")
                },
            },
            "traversals": {model: images(72).reshape(8, 9, channels, size, size) for model in ("gan", "vae")},
            "curves": {
                "gan": {"seen_images": np.array([64.0, 128.0]), "discriminator_accuracy": np.array([0.5, 0.75])},
                "vae": {"seen_images": np.array([64.0, 128.0]), "kl": np.array([3.0, 2.0])},
            },
            "training_scores": {
                "gan": {"seen_images": np.array([64.0, 128.0]), "fid": np.array([5.0, 6.0])},
                "vae": {"seen_images": np.array([128.0]), "fid": np.array([9.0])},
            },
            "trainings": {
                "gan": training(64, 5.0),
                "vae": training(128, 9.0, elbo_nats=-18.24, elbo_bits_per_dim=0.411, kl_nats=6.1, active_units=13.5),
            },
            "better": {"fid": "lower", "precision": "higher"},
            "evaluations": {"gan": evaluation(4), "vae": evaluation(8)},
            "comparisons": {"images": 40, "pairs": [{"a": "gan prior", "b": "vae prior", "verdicts": verdicts()}]},
            "manifold": {
                "points": dict.fromkeys(sources, 20),
                "components": 2,
                "dimension": {source: {"two_nn": estimate(5), "maximum_likelihood": estimate(6)} for source in sources},
                "kmeans": clusters(sources),
                "hdbscan": clusters(sources) | {"agreement": None},
                "features": {"prediction": {"knn": dict.fromkeys(sources, estimate(0.5))}},
                "maps": {
                    "tsne": {
                        "all": MEASURED,
                        "sources": dict.fromkeys(sources, MEASURED),
                        "prediction": {"logistic": {"real": estimate(0.4)}},
                        "embedded_share": 0.75,
                    }
                },
                "sweep": {
                    "neighbors": 5,
                    "reason": "the graph is in one piece",
                    "short_circuits": [],
                    "steps": [
                        {"k": 4, "components": 2, "agreement": 1.0, "detour": 1.0},
                        {"k": 5, "components": 1, "agreement": 0.99, "detour": 2.5},
                    ],
                },
                "topology": {
                    "points": 10,
                    "lengths": [0.0, 1.0, 2.0],
                    "homology": [
                        {
                            "distances": {"floor": 0.125, "gan prior": value, "vae prior": None},
                            "betti": {key: [10, 4, 1] for key in ["floor", *sources]},
                        }
                        for value in (0.25, 0.5)
                    ],
                },
                "shortest_paths": [{"euclidean": 3.0, "geodesic": 4.0, "correlation": -0.5, "path": [0, 7, 3]}],
                "paths": {
                    "gan": {"straight": way(1.6, 0.9), "geodesic": way(1.2, 0.7)},
                    "vae": {"pixels": way(1.5, 0.6), "straight": way(1.4, 1.1), "geodesic": way(1.1, 1.3)},
                },
            },
            "maps": {"tsne": np.where(np.arange(60)[:, None] < 15, np.nan, rng.normal(size=(60, 2)))},
            "map_sources": np.repeat(sources, 20),
            "examples": images(2),
            "map_images": images(60),
            "map_labels": np.resize([0, 1, 1, -1], 60),
            "map_clusters": np.resize([0, 1], 60),
            "map_neighbors": nearest,
            "map_distances": distances,
            "versions": {"Python": "3.11.2"},
            "revision": "abc123",
            "speeds": {
                "download": {"seconds": 0.5, "machine": "old, 4 cores"},
                "train@gan": {"seconds": 20.0, "machine": "new, 8 cores", "images_per_second": 1500.0},
                "evaluate@gan": {"seconds": 3.0, "machine": "new, 8 cores"},
            },
            "origins": {
                "download": {"outputs": {"data/raw": "ab12.dir"}, "run": {"experiment_id": "1", "run_id": "cafe"}},
                "train@gan": {"outputs": {}, "run": None},
            },
            "store": "sqlite:///mlflow.db",
            "recorded": {"Rendered": "2020-02-02 20:20"},
        } | changes

    return build


@pytest.fixture
def results(parts: Any) -> Results:
    return Results(**parts())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser: {CHROMIUM} is missing (Debian: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page from the disk; it may neither complain nor ask for anything else."""
    file = tmp_path / "page.html"
    said: list[str] = []
    requested: set[str] = set()

    def opened(html: str, address: str = "", **options: Any) -> Any:
        file.write_text(html)
        tab = browser.new_page(**{"reduced_motion": "reduce"} | options)  # scrolling smoothly it moves under the mouse
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: requested.add(request.url.split("#")[0]))
        tab.goto(file.as_uri() + address)
        return tab

    yield opened
    for context in browser.contexts:
        context.close()
    assert not said
    assert {url for url in requested if not url.startswith("data:")} == {file.as_uri()}


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where to look at pages afterwards: the folder named by PULLBACK_SCREENSHOTS, or that of the test, which pytest
    keeps for three runs."""
    folder = Path(os.environ.get("PULLBACK_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
