import json

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import mannwhitneyu
from sklearn.cluster import KMeans

from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.memorization import (
    Params,
    authenticity,
    data_copying,
    findings,
    near_copies,
    nearest_training,
    scores,
)

GOOD = np.random.default_rng(0).normal(size=(60, 3))


def draws(seed, *sizes, d=16, scale=1.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) * scale for n in sizes]


def planted(seed, noise, d=16):
    """Training, held-out and fake images, 60 of the latter near-copies; `noise` in usual distances to the nearest."""
    train, heldout, fake, jitter = draws(seed, 1000, 500, 1000, 60, d=d)
    rows = np.sort(np.random.default_rng(seed + 1).choice(1000, 60, replace=False))
    spacing = np.median(nearest_training(train, heldout, 1).distances)
    fake[rows] = train[:60] + noise * spacing * jitter / np.sqrt(d)
    return train, heldout, fake, rows


def test_authenticity_agrees_with_the_definition():
    train, fake = draws(0, 80, 50, d=3)
    own = cdist(train, train) + np.diag(np.full(80, np.inf))
    distances = cdist(train, fake)
    nearest = distances.argmin(axis=0)
    expected = np.mean(distances.min(axis=0) > own.min(axis=1)[nearest])
    estimate = authenticity(train, fake)
    assert estimate.value == expected
    assert estimate.low < expected < estimate.high
    assert (estimate.n_real, estimate.n_fake) == (80, 50)


def test_authenticity_of_copies_and_of_far_images():
    (train,) = draws(0, 60)
    assert authenticity(train, train[::-1]).value == 0
    assert authenticity(np.repeat(train, 2, axis=0), train).value == 0
    assert authenticity(train, train + 1000).value == 1


def test_data_copying_agrees_with_the_paper():
    train, heldout, fake = draws(0, 300, 250, 200, d=2)
    result = data_copying(train, heldout, fake, 3, seed=5)
    kmeans = KMeans(3, random_state=5).fit(train)
    t, h, f = (kmeans.predict(rows) for rows in (train, heldout, fake))
    expected, weights = [], []
    for cell in range(3):
        to_fake, to_heldout = (
            cdist(rows, train[t == cell]).min(axis=1) for rows in (fake[f == cell], heldout[h == cell])
        )
        n, m = len(to_heldout), len(to_fake)
        u = mannwhitneyu(to_fake, to_heldout).statistic
        expected.append((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12))
        weights.append(n / 250)
    np.testing.assert_allclose(result.z_u, expected, rtol=1e-12)
    np.testing.assert_allclose(result.weights, weights, rtol=1e-12)
    assert result.c_t.value == pytest.approx(np.dot(weights, expected), rel=1e-12)
    assert (result.c_t.n_real, result.c_t.n_fake) == (250, 200)


def test_fresh_draws_are_no_copies():
    """C_T has mean 0, its interval holds 0 in 95 % of draws, and no image is named."""
    sets = [draws(seed, 400, 300, 300) for seed in range(100)]
    estimates = [data_copying(*each).c_t for each in sets]
    assert np.mean([estimate.value for estimate in estimates]) == pytest.approx(0, abs=0.12)
    assert 90 <= sum(estimate.low <= 0 <= estimate.high for estimate in estimates) <= 99
    assert sum(len(near_copies(*each)) > 0 for each in sets) <= 6


def test_copies_and_far_sets_have_opposite_signs():
    train, heldout, far = draws(0, 400, 300, 300)
    copies = train[:300] + 0.01 * far
    assert data_copying(train, heldout, copies).c_t.high < -5
    assert data_copying(train, heldout, 2 * far).c_t.low > 5
    assert data_copying(train, heldout, far + 100).c_t.low > 5


def test_copies_in_one_place_show_in_its_cell():
    train, heldout, fake = (np.concatenate(draws(seed, 200, 200) + np.array([[[0]], [[30]]])) for seed in range(3))
    fake[:200] = train[:200]
    z_u = data_copying(train, heldout, fake, 2).z_u
    assert z_u.min() < -10
    assert abs(z_u.max()) < 3


def test_sparse_cells_do_not_count():
    train, heldout, fake = (np.concatenate(draws(seed, 100, 100) + np.array([[[0]], [[30]]])) for seed in range(3))
    result = data_copying(train, heldout, fake[:119], 2)
    assert np.isnan(result.z_u).tolist() == (result.weights == 0).tolist()
    assert sorted(result.weights) == [0, 1]


def test_the_space_is_one_cell_where_none_has_enough():
    train, heldout, fake = draws(0, 50, 15, 19)
    assert data_copying(train, heldout, fake, 4).z_u.shape == (1,)


def test_ties_and_identical_sets_are_even():
    (x,) = draws(0, 100)
    assert data_copying(x, x, x[::-1]).c_t.value == 0
    heldout, fake = draws(1, 100, 100)
    assert data_copying(x, heldout, heldout[::-1]).c_t.value == pytest.approx(0, abs=1e-12)
    swapped = data_copying(x, fake, heldout, 1).c_t.value
    assert data_copying(x, heldout, fake, 1).c_t.value == pytest.approx(-swapped, rel=1e-12)


def test_nearest_training_on_a_line():
    train, fake = np.array([[0.0], [1], [3], [7]]), np.array([[0.2], [3], [8]])
    result = nearest_training(train, fake, 2)
    assert result.indices.tolist() == [[0, 1], [2, 1], [3, 2]]
    np.testing.assert_allclose(result.distances, [[0.2, 0.8], [0, 2], [1, 5]])
    np.testing.assert_allclose(result.ratios, [0.2 / 3, 0, 1 / 6])


def test_beside_repeated_training_images_ratios_are_zero_or_infinite():
    train = np.array([[0.0], [0], [0], [9]])
    assert nearest_training(train, np.array([[0.0], [2]]), 2).ratios.tolist() == [0, np.inf]


@pytest.mark.parametrize("noise", [0, 0.05, 0.2])
@pytest.mark.parametrize("d", [16, 64])
def test_the_planted_near_copies_are_named_and_no_others(noise, d):
    train, heldout, fake, rows = planted(0, noise, d)
    named = near_copies(train, heldout, fake)
    assert sorted(named) == rows.tolist()
    ratios = nearest_training(train, fake).ratios[named]
    assert np.all(np.diff(ratios) >= 0)
    assert sorted(nearest_training(train, fake, 1).indices[named, 0]) == list(range(60))


def test_a_single_copy_is_named():
    train, heldout, fake = draws(0, 500, 300, 400)
    fake[123] = train[7]
    assert near_copies(train, heldout, fake).tolist() == [123]


def test_equal_distances_are_no_near_copies():
    grid = np.stack(np.meshgrid(np.arange(8.0), np.arange(8)), axis=-1).reshape(-1, 2)
    assert near_copies(grid, grid + 0.5, grid + 0.5).size == 0


def test_scores_need_the_training_images():
    train, heldout, fake = draws(0, 100, 90, 80)
    assert scores(Set(heldout), Set(fake), Params(), seed=2) == {}
    assert scores(Set(heldout), Set(fake, train=Set(train)), Params(cells=1), seed=2) == {
        "authenticity": authenticity(train, fake),
        "c_t": data_copying(train, heldout, fake, 1, seed=2).c_t,
    }


def test_findings_name_copies_by_their_numbers():
    train, heldout, fake, rows = planted(0, 0.05)
    named = findings(
        Set(heldout),
        Set(fake, train=Set(train, numbers=np.arange(1000) + 5000), numbers=np.arange(1000) + 7000),
        Params(),
        seed=0,
    )
    assert named["cells"] == len(data_copying(train, heldout, fake).z_u) == 10
    assert {fake for fake, _, _ in named["near_copies"]} == set(7000 + rows)
    assert {train for _, train, _ in named["near_copies"]} == set(range(5000, 5060))
    assert named["nearest"] == named["near_copies"][:8]
    ratios = [ratio for _, _, ratio in named["near_copies"]]
    assert ratios == sorted(ratios)
    assert json.loads(json.dumps(named)) == named


def test_findings_without_enough_heldout_images_say_so():
    train, heldout, fake = draws(0, 100, 15, 80)
    named = findings(Set(heldout), Set(fake, train=Set(train)), Params(cells=3), seed=0)
    assert named.keys() == {"cells", "nearest", "note"}
    assert named["cells"] == 3
    assert named["note"].startswith("15 held-out images differ")
    assert findings(Set(heldout), Set(fake), Params(), seed=0) == {}


def test_bad_heldout_features_and_numbers_are_refused():
    with pytest.raises(UserError, match="train features have 3 columns and heldout features 2"):
        data_copying(GOOD, GOOD[:, :2], GOOD)
    with pytest.raises(UserError, match="cells must be from 1 to 60, the number of distinct images, not 61"):
        data_copying(GOOD, GOOD, -GOOD, 61)
    with pytest.raises(UserError, match="0 held-out images differ from all training images, but at least 20"):
        near_copies(GOOD, GOOD, -GOOD)
