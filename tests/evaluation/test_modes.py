import json

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm

from pullback.errors import UserError
from pullback.evaluation._set import Set
from pullback.evaluation.modes import Params, findings, mode_shares, scores

CORNERS = 20 * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def kinds(counts, seed):
    """As many points at each corner of a square as `counts` says."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(n, 2)) + corner for n, corner in zip(counts, CORNERS, strict=True)])


def corner_of(modes, index):
    return int(np.square(modes.centres[index] - CORNERS).sum(axis=1).argmin())


def test_a_removed_and_a_frequent_mode_are_named():
    real, fake = kinds([100, 100, 100, 100], 0), kinds([100, 0, 100, 200], 1)
    modes = mode_shares(real, fake, 4)
    assert [corner_of(modes, index) for index in modes.missing] == [1]
    assert [corner_of(modes, index) for index in modes.over_produced] == [3]
    assert modes.fake_shares[modes.missing[0]] == 0
    assert modes.p_values[modes.missing[0]] < 1e-20
    assert modes.ndb.value == 0.5
    assert (modes.ndb.n_real, modes.ndb.n_fake) == (400, 400)
    np.testing.assert_allclose(modes.real_shares, 0.25)


def test_a_rarer_mode_is_not_a_missing_one():
    modes = mode_shares(kinds([100, 100, 100, 100], 0), kinds([150, 50, 100, 100], 1), 4)
    assert modes.missing.size == 0
    assert (modes.p_values < 0.05).sum() == 2


def test_the_largest_loss_and_gain_come_first():
    real = kinds([100, 200, 50, 50], 0)
    modes = mode_shares(real, kinds([0, 0, 150, 250], 1), 4)
    assert [corner_of(modes, index) for index in (*modes.missing, *modes.over_produced)] == [1, 0, 3, 2]


def test_equal_populations_have_no_missing_modes():
    """No bin is named in 95 % of draws, and the NDB of the paper is its level."""
    rng = np.random.default_rng(0)
    results = [mode_shares(*rng.normal(size=(2, 400, 4)), 10, seed) for seed in range(100)]
    assert sum((modes.p_values < 0.05).any() for modes in results) <= 9
    assert np.mean([modes.ndb.value for modes in results]) == pytest.approx(0.05, abs=0.025)
    assert sum(modes.js_divergence.low <= 0 <= modes.js_divergence.high for modes in results) >= 90


def test_identical_sets_do_not_differ():
    x = np.random.default_rng(0).normal(size=(100, 3))
    modes = mode_shares(x, x[::-1], 7)
    assert (modes.ndb.value, modes.js_divergence.value) == (0, pytest.approx(0, abs=1e-15))
    assert modes.p_values.tolist() == [1] * 7
    assert mode_shares(x, x[::-1], 1).p_values == [1]


def test_numbers_agree_with_their_definitions():
    modes = mode_shares(kinds([100, 100, 100, 100], 0), kinds([60, 50, 40, 50], 1), 4)
    p, q = modes.real_shares, modes.fake_shares
    pooled = (400 * p + 200 * q) / 600
    z = (p - q) / np.sqrt(pooled * (1 - pooled) * (1 / 400 + 1 / 200))
    raw = 2 * norm.sf(np.abs(z))
    order = np.argsort(raw)
    holm = [max(raw[order[i]] * (4 - i) for i in range(j + 1)) for j in range(4)]
    np.testing.assert_allclose(modes.p_values[order], np.minimum(holm, 1), rtol=1e-9)
    assert modes.ndb.value == np.mean(raw < 0.05)
    assert modes.js_divergence.value == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-9)


def test_the_divergence_of_a_removed_half():
    """Shares (1/2, 1/2) against (0, 1), about their mean (1/4, 3/4)."""
    modes = mode_shares(kinds([100, 0, 0, 100], 0), kinds([0, 0, 0, 80], 1), 2)
    expected = 0.25 * np.log(2) + 0.25 * np.log(2 / 3) + 0.5 * np.log(4 / 3)
    assert modes.js_divergence.value == pytest.approx(expected, rel=1e-12)


def test_scores_are_those_of_the_bins():
    real, fake = kinds([30, 30, 30, 30], 0), kinds([60, 0, 20, 20], 1)
    modes = mode_shares(real, fake, 5, 3)
    result = scores(Set(real), Set(fake), Params(bins=5), seed=3)
    assert result == {"ndb": modes.ndb, "js_divergence": modes.js_divergence}


def test_findings_show_the_bins_by_their_images():
    real, fake = kinds([100, 100, 100, 100], 0), kinds([100, 0, 100, 200], 1)
    named = findings(Set(real), Set(fake, numbers=np.arange(400) + 1000), Params(bins=4), seed=0)
    (missing,), (frequent,) = named["missing"], named["over_produced"]
    assert missing["fake_share"] == 0 < missing["p_value"] < 1e-20
    assert missing["fake_examples"] == []
    assert set(missing["real_examples"]) <= set(range(100, 200))
    assert (frequent["real_share"], frequent["fake_share"]) == (0.25, 0.5)
    assert set(frequent["real_examples"]) <= set(range(300, 400))
    assert set(frequent["fake_examples"]) <= set(range(1200, 1400))
    nearest = np.square(real[300:] - real[300:].mean(axis=0)).sum(axis=1).argsort()[:8] + 300
    assert frequent["real_examples"] == nearest.tolist()
    assert json.loads(json.dumps(named)) == named


@pytest.mark.parametrize(
    ("real", "fake", "bins", "message"),
    [
        (np.eye(2), -np.eye(2), 3, "bins must be from 1 to 2, the number of distinct images, not 3"),
        (np.eye(5), -np.eye(5), 0, "bins must be from 1 to 5"),
        (np.eye(5), np.eye(2, 5), 2, "at least 3 images on both sides, not 2"),
    ],
)
def test_bad_input(real, fake, bins, message):
    with pytest.raises(UserError, match=message):
        mode_shares(real, fake, bins)
