"""Do the scores agree with the public packages, and where they do not, who is right?

Each score is held against at least two packages that were written independently, on the same planted sets, to stated
digits. Where a package itself loses digits, it is given what it can bear, or held at the digits that it has, and the
truth comes from 40 digits or from differences of single pairs.
"""

import pullback._torchvision  # noqa: F401  before the packages that import torchvision

# isort: split

import contextlib
import io
import warnings

import mpmath
import numpy as np
import prdc
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import binomtest, chi2, chi2_contingency, mannwhitneyu, norm
from sklearn.cluster import KMeans
from sklearn.metrics import accuracy_score, mutual_info_score, roc_auc_score
from sklearn.neighbors import NearestCentroid, NearestNeighbors
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.functional.classification import multiclass_accuracy
from torchmetrics.functional.nominal import cramers_v
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import poly_mmd

from pullback.evaluation._set import Set
from pullback.evaluation.classification import augmentation_gain, classification_accuracy_score
from pullback.evaluation.fid import Moments, frechet_distance, frechet_distance_from_moments
from pullback.evaluation.inception_score import inception_score, split_scores
from pullback.evaluation.kid import kernel_distance
from pullback.evaluation.memorization import authenticity, data_copying, nearest_training
from pullback.evaluation.modes import mode_shares
from pullback.evaluation.precision_recall import density_coverage, precision_recall, realism


def planted():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(8, 8))
    real, fake = rng.normal(size=(120, 8)) @ mix, rng.normal(size=(120, 8)) @ mix * 1.2 + 0.5
    few = rng.normal(size=(2, 7, 8)) + np.array([[[0]], [[0.5]]])
    grid = rng.integers(0, 4, size=(2, 120, 3))
    return {
        "plain": (real, fake),
        "offset 1000": ((real + 1000).astype(np.float32), (fake + 1000).astype(np.float32)),
        "offset 5000": ((real + 5000).astype(np.float32), (fake + 5000).astype(np.float32)),
        "fewer rows than columns": (few[0], few[1]),
        "fewer rows, offset 5000": ((few[0] + 5000).astype(np.float32), (few[1] + 5000).astype(np.float32)),
        "equal columns": (real[:, [0, 1, 2, 3, 0, 1, 2, 3]], fake[:, [0, 1, 2, 3, 0, 1, 2, 3]]),
        "ties": (grid[0], grid[1]),
    }


PLANTED = planted()
SINGULAR = ("fewer rows than columns", "fewer rows, offset 5000", "equal columns")
every_set = pytest.mark.parametrize("name", PLANTED)


# Frechet distance


def in_many_digits(x, y):
    """The Frechet distance by definition, with 40 digits."""
    with mpmath.workdps(40):

        def moments(rows):
            rows = mpmath.matrix(rows.astype(float).tolist())
            mean = mpmath.ones(1, rows.rows) * rows / rows.rows
            centred = rows - mpmath.ones(rows.rows, 1) * mean
            return mean, centred.T * centred / (rows.rows - 1)

        def trace(square):
            return sum(square[i, i] for i in range(square.rows))

        (m1, s1), (m2, s2) = moments(x), moments(y)
        values, vectors = mpmath.eigsy(s1)
        root = vectors * mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values]) * vectors.T
        products = mpmath.eigsy(root * s2 * root, eigvals_only=True)
        gap = sum(each**2 for each in m1 - m2)
        return float(gap + trace(s1) + trace(s2) - 2 * sum(mpmath.sqrt(max(value, 0)) for value in products))


def by_packages(x, y):
    """From means and covariances in float64."""
    moments = [(rows.mean(0), np.cov(rows, rowvar=False)) for rows in (x.astype(float), y.astype(float))]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytorch-fid calls scipy.linalg.sqrtm as older SciPy had it
        pytorch_fid = calculate_frechet_distance(*moments[0], *moments[1])
    named = ({"mu": mean, "sigma": covariance} for mean, covariance in moments)
    return {
        "pytorch-fid": pytorch_fid,
        "torch-fidelity": fid_statistics_to_metric(*named, verbose=False)["frechet_inception_distance"],
        "torchmetrics": float(_compute_fid(*(torch.tensor(part) for pair in moments for part in pair))),
    }


def of_moments(x, y):
    moments = Moments(), Moments()
    for each, rows in zip(moments, (x, y), strict=True):
        each.update(rows[:5])
        each.update(rows[5:])
    return frechet_distance_from_moments(*moments)


@every_set
def test_frechet_distance(name):
    """To 12 digits of the truth; the packages to 12 where the covariances are regular.

    Where these are singular all three take the square root of eigenvalues that are rounding errors of zeros, which
    leaves 7 digits; pytorch-fid would add 1e-6 to the diagonals if its root were
    not finite.
    """
    x, y = PLANTED[name]
    truth = in_many_digits(x, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the FID of 7 and 7 images")
        assert frechet_distance(x, y) == pytest.approx(truth, rel=1e-12)
        assert of_moments(x, y) == pytest.approx(truth, rel=1e-12)
    for package, value in by_packages(x, y).items():
        assert value == pytest.approx(truth, rel=1e-7 if name in SINGULAR else 1e-12), package


def with_a_singular_one():
    """A regular set and one whose columns depend on each other, though both have far more rows than columns."""
    rng = np.random.default_rng(1)
    regular, whole = rng.normal(size=(120, 8)) @ rng.normal(size=(8, 8)), rng.integers(-9, 10, size=(120, 8))
    return {
        "rank 4": (regular, rng.normal(size=(120, 4)) @ rng.normal(size=(4, 8))),
        "rank 7": (regular, rng.normal(size=(120, 7)) @ rng.normal(size=(7, 8))),
        "equal columns": (regular, regular[:, [0, 1, 2, 3, 0, 1, 2, 3]]),
        "integers at 1000": (whole + 1000, whole[::-1, :4] @ rng.integers(-3, 4, size=(4, 8)) + 1000),
    }


WITH_A_SINGULAR_ONE = with_a_singular_one()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", WITH_A_SINGULAR_ONE)
def test_frechet_distance_where_one_covariance_is_singular(name, swapped):
    """To 11 digits of the truth, whichever of the two sets it is; the packages to 7."""
    x, y = WITH_A_SINGULAR_ONE[name][:: -1 if swapped else 1]
    truth = in_many_digits(x, y)
    assert frechet_distance(x, y) == pytest.approx(truth, rel=1e-11)
    assert of_moments(x, y) == pytest.approx(truth, rel=1e-11)
    for package, value in by_packages(x, y).items():
        assert value == pytest.approx(truth, rel=1e-7), package


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("rank", [1, 4, 7])
def test_frechet_distance_of_nearly_identical_sets_of_low_rank(rank, offset):
    """What is left of two traces that cancel is right to 11 digits of these.

    Rows times 1 + e are exactly e^2 (|mean|^2 + trace) away, shifted rows the shift squared; noise makes one of the two
    sets regular.
    """
    rng = np.random.default_rng(2)
    x = (rng.integers(-8, 9, size=(120, rank)) @ rng.integers(-3, 4, size=(rank, 8)) + offset).astype(float)
    e, trace = 2.0**-20, x.var(axis=0, ddof=1).sum()
    of_each = {
        "reversed": (x[::-1], 0),
        "larger": (x * (1 + e), e**2 * (np.square(x.mean(axis=0)).sum() + trace)),
        "shifted": (x + e, 8 * e**2),
        "noisy": (noisy := x + 2.0**-6 * rng.integers(-8, 9, size=x.shape), in_many_digits(x, noisy)),
    }
    for change, (y, truth) in of_each.items():
        for value in (frechet_distance(x, y), frechet_distance(y, x), of_moments(x, y), of_moments(y, x)):
            assert value == pytest.approx(truth, abs=1e-11 * trace), change


@pytest.mark.parametrize(("name", "error"), [("offset 1000", 1e-5), ("offset 5000", 1e-4)])
def test_torch_fidelity_averages_features_in_their_own_float32(name, error):
    """So it has 4 digits left at an offset of 1000, and 3 at 5000."""
    x, y = PLANTED[name]
    statistics = (fid_features_to_statistics(torch.tensor(rows)) for rows in (x, y))
    theirs = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert abs(theirs / in_many_digits(x, y) - 1) > error
    assert theirs == pytest.approx(frechet_distance(x, y), rel=1e-3)


# Kernel distance


def kid_by_packages(x, y, dtype):
    a, b = (torch.tensor(rows.astype(dtype)) for rows in (x, y))
    fidelity = kid_features_to_metric(a, b, kid_subsets=1, kid_subset_size=len(x), verbose=False)
    return [fidelity["kernel_inception_distance_mean"], float(poly_mmd(a, b))]


@every_set
def test_kernel_distance(name):
    """To 13 digits of torch-fidelity and torchmetrics in float64; offsets enter the kernel to their sixth power, and
    cost both sides digits: 9 are left at 1000 and 8 at 5000."""
    x, y = PLANTED[name]
    tolerance = {"offset 1000": 1e-9, "offset 5000": 1e-8, "fewer rows, offset 5000": 2e-8}.get(name, 1e-13)
    wide = [rows.astype(np.longdouble) for rows in (x, y)]
    xx, yy, xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in (wide[:1] * 2, wide[1:] * 2, wide))
    n = len(x)
    truth = float(sum((each.sum() - each.trace()) / (n * (n - 1)) for each in (xx, yy)) - 2 * xy.mean())
    for value in (truth, *kid_by_packages(x, y, np.float64)):
        assert kernel_distance(x, y).value == pytest.approx(value, rel=tolerance)


def test_the_packages_lose_the_kernel_distance_in_float32():
    x, y = PLANTED["offset 5000"]
    for value in kid_by_packages(x, y, np.float32):
        assert abs(value / kernel_distance(x, y).value - 1) > 0.01


# Inception score


LOGITS = {
    "plain": np.random.default_rng(0).normal(size=(120, 6)) * 3,
    "offset 5000": (np.random.default_rng(0).normal(size=(120, 6)) * 3 + 5000).astype(np.float32),
    "sorted by class": 8 * np.eye(6)[np.arange(120) // 20] + np.random.default_rng(0).normal(size=(120, 6)),
    "ties": np.random.default_rng(0).integers(0, 4, size=(120, 6)).astype(float),
}


@pytest.mark.parametrize("name", LOGITS)
def test_inception_score(name):
    """To 13 digits of both packages on the same order of images."""
    logits = LOGITS[name]
    ordered = torch.tensor(logits[np.random.default_rng(7).permutation(120)])
    fidelity = isc_features_to_metric(ordered, splits=4, shuffle=False)
    with pytest.warns(UserWarning, match="buffer"):
        metric = InceptionScore(feature=torch.nn.Identity(), splits=4)
    shuffled = torch.empty_like(ordered)
    torch.manual_seed(0)
    shuffled[torch.randperm(120)] = ordered
    metric.update(shuffled.double())
    torch.manual_seed(0)
    parts = split_scores(logits, splits=4, seed=7)
    assert inception_score(logits, splits=4, seed=7).value == pytest.approx(parts.mean(), rel=1e-15)
    assert fidelity["inception_score_mean"] == pytest.approx(parts.mean(), rel=1e-13)
    assert fidelity["inception_score_std"] == pytest.approx(parts.std(), rel=1e-12)
    assert float(metric.compute()[0]) == pytest.approx(parts.mean(), rel=1e-13)


def test_the_packages_shuffle_too_but_only_by_default():
    logits = torch.tensor(LOGITS["sorted by class"])
    shuffled, unshuffled = (
        isc_features_to_metric(logits, splits=4, shuffle=each)["inception_score_mean"] for each in (True, False)
    )
    assert unshuffled < 0.5 * shuffled
    assert inception_score(logits, splits=4).value == pytest.approx(shuffled, rel=0.05)


# Precision, recall, density, coverage and realism


def nearest(rows, others, k):
    """Distances and indices by scikit-learn, from differences of single pairs."""
    return NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(others.astype(float)).kneighbors(rows.astype(float))


def radii(rows, k):
    return nearest(rows, rows, k + 1)[0][:, -1]


def by_scikit_learn(real, fake, k, density_k):
    def within(rows, centres, reach):
        found = NearestNeighbors(algorithm="kd_tree").fit(rows.astype(float))
        hits = np.zeros((len(centres), len(rows)), bool)
        for hit, centre, radius in zip(hits, centres.astype(float), reach, strict=True):
            hit[found.radius_neighbors(centre[None], radius, return_distance=False)[0]] = True
        return hits  # distance <= radius

    below = np.nextafter(radii(real, density_k), -1)  # distance < radius
    inside = within(fake, real, np.maximum(below, 0)) & (below >= 0)[:, None]
    return [
        within(fake, real, radii(real, k)).any(axis=0).mean(),
        within(real, fake, radii(fake, k)).any(axis=0).mean(),
        inside.sum(axis=0).mean() / density_k,
        inside.any(axis=1).mean(),
    ]


def four(real, fake, k, density_k):
    return [each.value for each in (*precision_recall(real, fake, k), *density_coverage(real, fake, density_k))]


@every_set
def test_precision_recall_density_coverage(name):
    """In every digit, ties included."""
    x, y = PLANTED[name]
    assert four(x, y, 3, 5) == pytest.approx(by_scikit_learn(x, y, 3, 5), abs=1e-14)


def by_prdc(real, fake, k):
    with contextlib.redirect_stdout(io.StringIO()):
        return prdc.compute_prdc(real, fake, k)


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "ties"])
def test_precision_recall_density_coverage_by_prdc(name):
    """In every digit. prdc takes precision and recall with <, which only ties can tell from <=."""
    theirs = by_prdc(*PLANTED[name], 4)
    expected = [theirs[each] for each in ("precision", "recall", "density", "coverage")]
    assert four(*PLANTED[name], 4, 4) == pytest.approx(expected, abs=1e-14)


def by_torch_fidelity(real, fake, dtype, save_cpu_ram=False):
    a, b = (torch.tensor(rows.astype(dtype)) for rows in (fake, real))
    theirs = prc_features_to_metric(a, b, prc_neighborhood=3, save_cpu_ram=save_cpu_ram, verbose=False)
    return [theirs["precision"], theirs["recall"]]


@every_set
@pytest.mark.parametrize("save_cpu_ram", [False, True])
def test_precision_and_recall_by_torch_fidelity(name, save_cpu_ram):
    """In every digit of the float32 that it answers in, given features in float64."""
    expected = by_torch_fidelity(*PLANTED[name], np.float64, save_cpu_ram)
    assert [each.value for each in precision_recall(*PLANTED[name])] == pytest.approx(expected, rel=1e-7)


def test_torch_fidelity_loses_precision_at_an_offset_in_float32():
    precision, _ = by_torch_fidelity(*PLANTED["offset 5000"], np.float32)
    assert abs(precision - precision_recall(*PLANTED["offset 5000"]).precision.value) > 0.01


def test_prdc_differs_where_distances_tie():
    """A fake image on the rim of a real ball counts for us, as in the paper on precision and recall, and not there."""
    real, fake = PLANTED["ties"]
    theirs = by_prdc(real, fake, 3)
    assert precision_recall(real, fake).precision.value > theirs["precision"]
    assert density_coverage(real, fake, 3).density.value == pytest.approx(theirs["density"], abs=1e-14)


@every_set
def test_realism(name):
    """To 12 digits of scikit-learn and of the radii of prdc."""
    real, fake = (rows.astype(float) for rows in PLANTED[name])
    centre = real.mean(0).round()
    distances = cdist(real, fake)
    for reach in (radii(real, 3), prdc.prdc.compute_nearest_neighbour_distances(real - centre, 3)):
        kept = reach <= np.median(reach)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(distances == 0, np.inf, reach[:, None] / distances)
        expected = ratios[kept].max(axis=0)
        np.testing.assert_allclose(realism(*PLANTED[name]), expected, rtol=1e-12)


# Memorization: authenticity, C_T, nearest training images


def three(name):
    """Training, held-out and generated images."""
    x, y = PLANTED[name]
    return x, y[: len(y) // 2], y[len(y) // 2 :]


@every_set
def test_authenticity(name):
    """In every digit. The nearest of equally near images is the first, which scikit-learn does not promise."""
    train, _, fake = three(name)
    own = radii(train, 1)
    distances = cdist(train.astype(float), fake.astype(float))
    first = distances.argmin(axis=0)
    value = authenticity(train, fake).value
    assert value == np.mean(distances.min(axis=0) > own[first])
    if name != "ties":
        near, where = nearest(fake, train, 1)
        assert value == np.mean(near[:, 0] > own[where[:, 0]])


@every_set
def test_nearest_training(name):
    """Distances and ratios to 13 digits, indices exactly."""
    train, _, fake = three(name)
    result = nearest_training(train, fake, 3)
    by_sklearn, indices = nearest(fake, train, 3)
    by_scipy = cdist(fake.astype(float), train.astype(float))
    order = np.argsort(by_scipy, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(result.indices, order)
    np.testing.assert_allclose(result.distances, by_sklearn, rtol=1e-13)
    np.testing.assert_allclose(result.distances, np.take_along_axis(by_scipy, order, axis=1), rtol=1e-13)
    if name != "ties":
        np.testing.assert_array_equal(result.indices, indices)
        np.testing.assert_allclose(result.ratios, by_sklearn[:, 0] / radii(train, 3)[indices[:, 0]], rtol=1e-13)


@every_set
def test_c_t(name):
    """To 12 digits of Z by SciPy's U and by scikit-learn's AUC, which is U / (n m), and to 9 of the normal quantile of
    SciPy's p-value where no distances tie."""
    train, heldout, fake = three(name)
    to_heldout, to_fake = (nearest(rows, train, 1)[0][:, 0] for rows in (heldout, fake))
    if name != "ties":  # the two may round differently, which would part what ties
        np.testing.assert_allclose(to_fake, cdist(fake.astype(float), train.astype(float)).min(axis=1), rtol=1e-13)
    n, m = len(heldout), len(fake)
    auc = roc_auc_score(np.repeat([0, 1], [n, m]), np.concatenate([to_heldout, to_fake]))
    value = data_copying(train, heldout, fake, 1).c_t.value
    for u in (mannwhitneyu(to_fake, to_heldout).statistic, auc * n * m):
        assert value == pytest.approx((u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12), rel=1e-12)
    if name != "ties":
        test = mannwhitneyu(to_fake, to_heldout, alternative="less", use_continuity=False, method="asymptotic")
        assert value == pytest.approx(norm.ppf(test.pvalue), rel=1e-9)


# Modes


@every_set
def test_ndb_and_js_divergence(name):
    """In every digit, the divergence to 12, in scikit-learn's cells and by two routes each.

    The test of a bin is the chi-squared test of a 2 x 2 table, to 9 digits of SciPy's p-value and to 5
    of that from Cramer's V, of which V^2 N is chi^2, by torchmetrics in float32.
    """
    real, fake = PLANTED[name]
    bins = min(4, len(real) // 2)
    modes = mode_shares(real, fake, bins, seed=3)
    kmeans = KMeans(bins, random_state=3).fit(real.astype(float))
    p, q = (np.bincount(kmeans.predict(rows.astype(float)), minlength=bins) for rows in (real, fake))
    n, m = p.sum(), q.sum()
    pooled = (p + q) / (n + m)
    z = (p / n - q / m) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    by_tables = [chi2_contingency([[a, n - a], [b, m - b]], correction=False).pvalue for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(by_tables, 2 * norm.sf(np.abs(z)), rtol=1e-9)
    bin_of, set_of = np.repeat(np.tile(range(bins), 2), [*p, *q]), np.repeat([0, 1], [n, m])
    v = [float(cramers_v(torch.tensor(bin_of == each), torch.tensor(set_of), False)) for each in range(bins)]
    by_cramer = chi2.sf(np.square(v) * (n + m), 1)
    np.testing.assert_allclose(by_cramer, by_tables, rtol=1e-5)
    for p_values in (by_tables, by_cramer):
        assert modes.ndb.value == np.mean(np.array(p_values) < 0.05)
    assert modes.js_divergence.value == pytest.approx(jensenshannon(p, q) ** 2, rel=1e-12)
    # with as many images on both sides it is what the bin tells of the set
    assert modes.js_divergence.value == pytest.approx(mutual_info_score(set_of, bin_of), rel=1e-12)


# Classification


def test_classification_accuracy_and_gain():
    """In every digit by scikit-learn, to the 6 of its float32 by torchmetrics; the interval by SciPy to 12."""
    rng = np.random.default_rng(0)
    centres = rng.integers(60, 196, size=(3, 1, 2, 2))

    def drawn(n):
        labels = rng.integers(0, 3, n)
        images = (centres[labels] + 60 * rng.normal(size=(n, 1, 2, 2))).clip(0, 255).astype(np.uint8)
        return Set(np.zeros((n, 1)), images=images, labels=labels)

    def fit(images, labels, budget_images, seed):
        model = NearestCentroid().fit(images.reshape(len(images), -1), labels)
        return lambda others: model.predict(others.reshape(len(others), -1))

    train, fake, test = drawn(30), drawn(200), drawn(150)
    by_fake = fit(fake.images, fake.labels, 1, 0)(test.images)
    by_train = fit(train.images, train.labels, 1, 0)(test.images)
    both = np.concatenate([train.images, fake.images]), np.concatenate([train.labels, fake.labels])
    by_both = fit(*both, 1, 0)(test.images)
    found = classification_accuracy_score(fit, fake, test, budget_images=1, seed=0)
    gain = augmentation_gain(fit, train, fake, test, budget_images=1, seed=0)
    interval = binomtest(int((by_fake == test.labels).sum()), 150).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-12)

    def by_torchmetrics(predicted):
        return (
            multiclass_accuracy(torch.from_numpy(predicted), torch.from_numpy(test.labels), 3, "micro").double().item()
        )

    for accuracy, rtol in ((lambda predicted: accuracy_score(test.labels, predicted), 1e-15), (by_torchmetrics, 1e-6)):
        assert found.value == pytest.approx(accuracy(by_fake), rel=rtol)
        assert gain.value == pytest.approx(accuracy(by_both) - accuracy(by_train), rel=rtol, abs=rtol)
