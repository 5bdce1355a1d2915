import json
import sys
from typing import Any

import numpy as np
import pytest

from pullback.errors import UserError
from pullback.manifold.topology import betti_curve, compare, diagrams, distance

EMPTY = np.empty((0, 2))


@pytest.fixture
def gudhi() -> Any:
    return pytest.importorskip("gudhi", reason="persistent homology needs the optional package gudhi")


needs_gudhi = pytest.mark.usefixtures("gudhi")


def circle(n: int, share: float = 1.0, seed: int = 0) -> np.ndarray:
    """Points (n, 3) near the first `share` of a unit circle, without wide gaps."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * share * (np.arange(n) + rng.random(n)) / n
    return np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], axis=1) + 0.02 * rng.normal(size=(n, 3))


def sphere(n: int) -> np.ndarray:
    """Points (n, 3) that cover the unit sphere evenly, on a spiral."""
    height, angle = np.linspace(-1, 1, n), np.pi * (1 + 5**0.5) * np.arange(n)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def lifetimes(diagram: np.ndarray) -> list[float]:
    """The two longest."""
    return [*np.sort(diagram[:, 1] - diagram[:, 0])[::-1], 0.0, 0.0][:2]


@needs_gudhi
def test_a_square_by_hand():
    """Its sides join the corners and close the loop, its diagonals fill it; a doubled corner changes nothing."""
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    components, loops, voids = diagrams(1e6 + corners)
    assert sorted(components.tolist()) == [[0, 1], [0, 1], [0, 1], [0, np.inf]]
    assert loops.tolist() == [[1, pytest.approx(2**0.5)]]
    assert voids.shape == (0, 2)


@needs_gudhi
def test_a_circle_has_one_loop():
    first, second = lifetimes(diagrams(circle(100), 1)[1])
    assert first > 1 > 5 * second


@needs_gudhi
def test_a_sphere_has_one_void_and_no_loop():
    _, loops, voids = diagrams(sphere(80))
    first, second = lifetimes(voids)
    assert first > 0.7 > 5 * second
    assert lifetimes(loops)[0] < 0.3


@needs_gudhi
def test_three_islands_are_three_components(islands: tuple[np.ndarray, np.ndarray]):
    components = diagrams(islands[0], 0)[0]
    assert betti_curve(components, [20, 100, 250]).tolist() == [3, 3, 1]


def test_a_betti_curve_counts_from_birth_to_before_death():
    diagram = np.array([[0.0, np.inf], [0.0, 1.0], [1.0, 3.0]])
    assert betti_curve(diagram, [-1, 0, 1, 2.9, 3, 99]).tolist() == [0, 2, 2, 2, 1, 1]
    assert betti_curve(EMPTY, [0, 1]).tolist() == [0, 0]


def test_distances_by_hand():
    a, b = np.array([[0.0, np.inf], [0.0, 1.0], [2.0, 2.4]]), np.array([[0.0, np.inf], [0.0, 1.3]])
    assert distance(a, a) == distance(EMPTY, EMPTY) == distance(a[:1], EMPTY) == 0
    assert distance(a, b) == distance(b, a) == pytest.approx(0.3 + 0.4 / 2)
    assert distance(a, EMPTY) == pytest.approx(1 / 2 + 0.4 / 2)


def test_the_distance_is_that_of_hera(gudhi: Any):
    from gudhi.hera import wasserstein_distance

    rng = np.random.default_rng(0)
    a, b = (np.cumsum(rng.random((m, 2)), axis=1) for m in (20, 30))
    assert distance(a, b) == pytest.approx(wasserstein_distance(a, b, order=1, delta=1e-3), rel=1e-3)


@needs_gudhi
def test_a_source_that_lost_an_arc_is_farther_than_the_floor():
    compared = compare(circle(200), {"whole": circle(150, seed=1), "broken": circle(150, 0.7, seed=2)}, 90, 0)
    assert compared["points"] == 90
    loops = compared["homology"][1]
    assert loops["distances"]["broken"] > 3 * loops["distances"]["floor"]
    assert loops["distances"]["whole"] < 2 * loops["distances"]["floor"]
    at = np.searchsorted(compared["lengths"], 0.8)
    assert {name: curve[at] for name, curve in loops["betti"].items()} == {
        "real": 1,
        "whole": 1,
        "floor": 1,
        "broken": 0,
    }


@needs_gudhi
def test_distances_are_in_units_of_losing_everything():
    x = circle(100)
    components, loops, _ = compare(x, {"collapsed": np.zeros((50, 3))}, 50, 0)["homology"]
    assert components["distances"]["collapsed"] == pytest.approx(1)
    assert loops["distances"]["collapsed"] == pytest.approx(1)
    moved = compare(x + 7, {"moved": 3 * x}, 50, 0)
    scaled = compare(5 * x, {"moved": 15 * x + 2}, 50, 0)
    assert moved["homology"][0]["distances"] == pytest.approx(scaled["homology"][0]["distances"])


@needs_gudhi
def test_the_smallest_source_sets_how_many_points_are_compared():
    compared = compare(circle(30), {"few": circle(8)}, 20, 0)
    assert compared["points"] == 8
    assert compare(circle(30), {}, 20, 0)["points"] == 15
    assert compared["homology"][0]["betti"]["few"][0] == 8


@needs_gudhi
def test_a_comparison_is_json_and_follows_its_seed():
    line = np.linspace(0, 1, 20)[:, None]
    compared = compare(line, {"line": line}, 10, 0)
    assert json.loads(json.dumps(compared, allow_nan=False)) == compared == compare(line, {"line": line}, 10, 0)
    assert compared["homology"][0]["distances"]["line"] == 0
    assert compared["homology"][2]["distances"] == {"line": None, "floor": None}
    assert compare(line, {"line": line}, 10, 1) != compared


def test_bad_input_is_refused():
    x = circle(20)
    hole = np.where(np.arange(20)[:, None] == 4, np.nan, x)
    for work, message in (
        (lambda: diagrams(x[:2]), "at least 3; give more"),
        (lambda: diagrams(hole), "x holds 3 NaN"),
        (lambda: compare(x, {"gan": hole}, 10, 0), "gan holds 3 NaN"),
        (lambda: compare(x, {"gan": x[:, :2]}, 10, 0), "gan has 2 columns, but the other points have 3"),
        (lambda: compare(x, {}, -5, 0), "points is -5, but homology needs at least 3"),
    ):
        with pytest.raises(UserError, match=message):
            work()


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gudhi.sklearn.rips_persistence", None)
    with pytest.raises(UserError, match=r"pip install gudhi"):
        diagrams(circle(10))
