import numpy as np
import pytest

from pullback import config, plugins
from pullback.errors import UserError
from pullback.evaluation import fid, inception_score, kid, memorization, precision_recall
from pullback.evaluation._paired import compare_scores
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import LeftOut, compare

COMPARED = [fid, kid, inception_score, precision_recall]


def drawn(rng, scale=1.0, n=100, shift=0.0):
    return Set(scale * rng.normal(size=(n, 4)) + shift, scale * rng.normal(size=(n, 4)))


def comparisons(real, a, b, seed=0):
    params = [getattr(metric, "Params", config.Params)() for metric in COMPARED]
    return {
        name: result
        for metric, each in zip(COMPARED, params, strict=True)
        for name, result in compare_scores(real, a, b, metric, each, seed).items()
    }


def test_the_metrics_that_compare():
    able = {name for name in plugins.names("evaluation") if hasattr(plugins.load("evaluation", name), "left_out")}
    assert able == {metric.__name__.split(".")[-1] for metric in COMPARED}
    rng = np.random.default_rng(0)
    assert compare_scores(*(drawn(rng) for _ in range(3)), memorization, memorization.Params(), 0) == {}


@pytest.mark.slow
def test_equal_populations_are_told_apart_in_few_draws():
    """At most 10 % by each score, where the verdict rests on a shared real set that differs from both."""
    rng = np.random.default_rng(0)
    false = dict.fromkeys([name for metric in COMPARED for name in metric.BETTER], 0)
    for seed in range(60):
        for name, result in comparisons(drawn(rng), drawn(rng, 0.8), drawn(rng, 0.8), seed).items():
            false[name] += result.verdict != "not distinguishable"
    assert max(false.values()) <= 6, false


def test_the_fid_of_fewer_than_twice_as_many_images_as_features_gives_no_verdict():
    """Its bias hangs on the covariance: here that of the real population would be called the worse one."""
    rng = np.random.default_rng(0)
    real, same, narrow = (Set(scale * rng.normal(size=(60, 40))) for scale in (1, 1, 0.8))
    assert fid.frechet_distance(real.features, same.features) > fid.frechet_distance(real.features, narrow.features)
    with pytest.warns(UserWarning, match="60 images in 40 dimensions cannot be taken off.*; give 80 images or more"):
        assert compare_scores(real, same, narrow, fid, config.Params(), 0) == {}


def test_planted_differences_are_found_in_the_right_direction():
    rng = np.random.default_rng(0)
    real, near, narrow = drawn(rng, n=300), drawn(rng, n=300), drawn(rng, 0.5, n=300)
    verdicts = {name: result.verdict for name, result in comparisons(real, near, narrow).items()}
    assert verdicts == {
        "fid": "better",
        "kid": "better",
        "inception_score": "better",
        "precision": "worse",  # all images of a narrow set look real
        "recall": "better",
        "density": "worse",
        "coverage": "better",
    }
    far = comparisons(real, near, drawn(rng, n=300, shift=1))
    assert {far[name].verdict for name in ("precision", "density", "coverage")} == {"better"}
    back = comparisons(real, narrow, near)
    assert all(
        back[name].difference == pytest.approx(-comparisons(real, near, narrow)[name].difference) for name in back
    )


@pytest.mark.parametrize(("metric", "tolerance"), [(fid, 1e-12), (kid, 0.3)])
def test_what_is_left_out_is_that_of_the_plain_statistic(metric, tolerance):
    rng = np.random.default_rng(0)
    real, a, b = (drawn(rng, scale) for scale in (1, 0.9, 0.5))
    (result,) = compare_scores(real, a, b, metric, config.Params(), 3).values()

    def value(x, y):
        return metric.scores(Set(x), Set(y), config.Params(), 0)[next(iter(metric.BETTER))].value

    expected = compare(value, real.features, a.features, b.features, better="lower", seed=3)
    assert result.high - result.low == pytest.approx(expected.high - expected.low, rel=tolerance)
    assert result.difference == pytest.approx(expected.difference, rel=tolerance)


def test_precision_and_its_kin_have_the_spread_of_random_halves():
    rng = np.random.default_rng(0)
    real, fake = drawn(rng, n=60), drawn(rng, 0.8, n=50)
    params = precision_recall.Params()
    result = precision_recall.left_out(real, fake, params, 5)
    expected = precision_recall.scores(real, fake, params, 0)
    assert [part.value for part in result.values()] == [each.value for each in expected.values()]

    draws = np.random.default_rng(5)
    halves = [np.sort(draws.permutation(60)[:30]) for _ in range(20)]
    of_real = [
        [each.value for each in precision_recall.scores(real[half], fake, params, 0).values()] for half in halves
    ]
    draws = np.random.default_rng(5)
    halves = [np.sort(draws.permutation(50)[:25]) for _ in range(20)]
    of_fake = [
        [each.value for each in precision_recall.scores(real, fake[half], params, 0).values()] for half in halves
    ]
    variances = [[19 * part.of_real.var(), 19 * part.of_fake.var()] for part in result.values()]
    np.testing.assert_allclose(variances, np.transpose([np.var(of_real, 0, ddof=1), np.var(of_fake, 0, ddof=1)]))


def test_the_larger_set_gives_as_many_images():
    """Else its recall would be higher for its number alone."""
    rng = np.random.default_rng(0)
    real, few, many = drawn(rng), drawn(rng, n=60), drawn(rng, n=900)
    recall = comparisons(real, few, many)["recall"]
    assert recall.low < 0 < recall.high


def test_a_set_does_not_differ_from_itself():
    rng = np.random.default_rng(0)
    real, x = drawn(rng), drawn(rng)
    assert {result.difference for result in comparisons(real, x, x).values()} == {0}


@pytest.mark.filterwarnings("ignore:the bias of the FID")
def test_three_images_are_needed():
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="at least 3 images on both sides, not 2"):
        comparisons(drawn(rng), drawn(rng), drawn(rng, n=2))
    assert isinstance(kid.left_out(drawn(rng), drawn(rng), config.Params(), 0)["kid"], LeftOut)


def test_halves_must_hold_more_than_k_images():
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="k is 5, but halves of 5 images must hold more; give 12 or more"):
        compare_scores(*(drawn(rng, n=10) for _ in range(3)), precision_recall, precision_recall.Params(), 0)
