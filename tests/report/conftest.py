"""Results of an imaginary run, small enough to render in a moment."""

from typing import Any

import numpy as np
import pytest

from pullback.report._results import Results

SECTIONS = ["what_ran", "images", "reconstructions", "curves", "scores", "maps", "cost"]


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": 0.9 * value, "high": 1.1 * value}


def evaluation(fid: float) -> dict[str, Any]:
    return {
        "images": 40,
        "floor": {"fid": estimate(0.5), "precision": estimate(0.9)},
        "methods": {"prior": {"fid": estimate(fid), "precision": estimate(0.5)}},
        "class_shares": {"real": [0.5, 0.5], "prior": [0.9, 0.1]},
    }


@pytest.fixture
def parts() -> Any:
    """The arguments of `Results` for images of a size and number of channels; a test may change some."""

    def build(size: int = 8, channels: int = 1, **changes: Any) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        sources = ["real", "gan prior", "vae prior"]

        def images(n: int) -> np.ndarray:
            return rng.integers(0, 256, (n, channels, size, size), np.uint8)

        counts = {"train": {"cat": 30, "<dog>": 30}, "test": {"cat": 20, "<dog>": 20}}
        return {
            "params": {
                "seed": 7,
                "models": {"gan": {"width": 32, "spectral_norm": True}, "vae": {"width": 16, "beta": 1.0}},
                "sample": {"methods": {"gan": {"prior": {}}, "vae": {"prior": {}}}},
                "manifold": {"neighbors": 10},
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
            "feature_map": {"name": "classifier", "test_accuracy": 0.975},
            "real": images(40),
            "samples": {source: images(40) for source in sources[1:]},
            "reconstructions": {"vae": images(32)},
            "curves": {
                "gan": {"seen_images": np.array([64.0, 128.0]), "discriminator_accuracy": np.array([0.5, 0.75])},
                "vae": {"seen_images": np.array([64.0, 128.0]), "kl": np.array([3.0, 2.0])},
            },
            "better": {"fid": "lower", "precision": "higher"},
            "evaluations": {"gan": evaluation(4), "vae": evaluation(8)},
            "manifold": {
                "points": dict.fromkeys(sources, 20),
                "components": 2,
                "dimension": {source: estimate(5) for source in sources},
                "cluster_shares": {"real": [0.5, 0.5], "gan prior": [0.6, 0.4], "vae prior": [0.9, 0.1]},
                "missed_clusters": {"gan prior": [], "vae prior": [1]},
                "maps": {"tsne": {"trustworthiness": 0.98, "continuity": 0.97, "embedded_share": 0.75}},
            },
            "maps": {"tsne": np.where(np.arange(60)[:, None] < 15, np.nan, rng.normal(size=(60, 2)))},
            "map_sources": np.repeat(sources, 20),
            "examples": images(2),
            "versions": {"Python": "3.11.2"},
            "revision": "abc123",
            "speeds": {"download": {"seconds": 0.5}, "train@gan": {"seconds": 20.0, "images_per_second": 1500.0}},
            "recorded": {"Rendered": "2020-02-02 20:20"},
        } | changes

    return build


@pytest.fixture
def results(parts: Any) -> Results:
    return Results(**parts())
