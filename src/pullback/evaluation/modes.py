"""Which kinds of real images does a generator leave out, and which does it make too often?

k-means finds bins among the real features; every image falls to the nearest centre. Per bin, with the shares p of the n
real images and q of the m fake ones and the share r of both together, the two-proportion test

    z = (p - q) / sqrt(r (1 - r) (1 / n + 1 / m))

    NDB  share of bins with |z| > 1.96 (Richardson and Weiss 2018, arXiv:1805.12462): 0.05 for fresh draws, not 0
    JSD  Jensen-Shannon divergence of p and q, in nats: 0 to ln 2

NDB is uncorrected, as published. Single bins are named by p-values that Holm's method corrects for their number. The
test is SciPy's chi-squared test of a 2 x 2 table; JSD agrees with SciPy and scikit-learn to 12 digits.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.special import entr, ndtr

from pullback import config
from pullback.evaluation._features import pair
from pullback.evaluation._kmeans import cell_of, centres
from pullback.evaluation._set import Set
from pullback.evaluation.intervals import Estimate, jackknife, normal, wilson

BETTER: dict[str, Literal["lower", "higher"]] = {"ndb": "lower", "js_divergence": "lower"}
_LEVEL = 0.05


class Params(config.Params):
    bins: Annotated[int, Field(ge=2)] = 20  # k-means clusters of the real images; the paper has 100


@dataclass(frozen=True)
class Departures:
    """Which of k bins hold too few or too many of a set's images.

    real_shares, fake_shares: float64 (k,), each sums to 1, less the images in no bin.
    p_values: float64 (k,), after Holm: naming all bins below 0.05 names one falsely in at most 5 % of draws.
    missing: int64, the bins whose fake share is below a third of the real one, significantly; the largest loss first.
    over_produced: int64, the bins whose fake share is above the real one, significantly; the largest gain first.
    """

    real_shares: NDArray[np.float64]
    fake_shares: NDArray[np.float64]
    p_values: NDArray[np.float64]
    missing: NDArray[np.int64]
    over_produced: NDArray[np.int64]

    def told(self, bin: int) -> dict[str, float]:
        return {
            "real_share": float(self.real_shares[bin]),
            "fake_share": float(self.fake_shares[bin]),
            "p_value": float(self.p_values[bin]),
        }


@dataclass(frozen=True)
class Modes(Departures):
    """What k bins hold of two sets.

    centres: float64 (k, d).
    real_bins, fake_bins: int64 (n,) and (m,), the bin of each image.
    """

    centres: NDArray[np.float64]
    real_bins: NDArray[np.int64]
    fake_bins: NDArray[np.int64]
    ndb: Estimate
    js_divergence: Estimate


def scores(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Estimate]:
    """`ndb` and `js_divergence`."""
    modes = mode_shares(real.features, fake.features, params.bins, seed)
    return {"ndb": modes.ndb, "js_divergence": modes.js_divergence}


def findings(real: Set, fake: Set, params: Params, seed: int) -> dict[str, Any]:
    """The `missing` and the `over_produced` bins, each with `real_share`, `fake_share`, `p_value`, and the numbers of
    up to 8 images nearest to its centre: `real_examples`, and `fake_examples`, of which a missing bin has few."""
    modes = mode_shares(real.features, fake.features, params.bins, seed)

    def told(index: int) -> dict[str, Any]:
        return modes.told(index) | {
            "real_examples": _examples(real, modes.real_bins == index, modes.centres[index]),
            "fake_examples": _examples(fake, modes.fake_bins == index, modes.centres[index]),
        }

    return {name: [told(index) for index in getattr(modes, name)] for name in ("missing", "over_produced")}


def _examples(images: Set, inside: NDArray[np.bool_], centre: NDArray[np.float64]) -> list[int]:
    rows = np.flatnonzero(inside)
    distances = np.square(images.features[rows] - centre).sum(axis=1)
    return images.numbered(rows[np.argsort(distances, kind="stable")[:8]])


def mode_shares(real: ArrayLike, fake: ArrayLike, bins: int, seed: int = 0) -> Modes:
    """The shares of real features (n, d) and of fake ones (m, d) in `bins` clusters of the real ones.

    The interval of the NDB is Wilson's for the bins. The value of the divergence is that of these images, about
    (bins - 1) (1 / n + 1 / m) / 8 too large; its interval is that of the value without this bias, the bins as given,
    and may end below the value, and below 0 for sets more alike than two draws.

    Raises:
        UserError: bins outside 1 ... number of distinct real images, fewer than 3 rows, or as `_features.pair` does.
    """
    real, fake = pair(real, fake)
    n, m = len(real), len(fake)
    middle = centres(real, bins, seed, "bins")
    labels = cell_of(real, middle), cell_of(fake, middle)
    departing = departures(*labels, bins)
    p, q = departing.real_shares, departing.fake_shares
    ndb = float((_p_values(p, q, n, m) < _LEVEL).mean())
    unbiased = jackknife(lambda a, b: _js_divergence(_shares(a, bins), _shares(b, bins)), *labels, seed)
    return Modes(
        **vars(departing),
        centres=middle,
        real_bins=labels[0],
        fake_bins=labels[1],
        ndb=Estimate(ndb, *wilson(ndb, bins), n, m),
        js_divergence=Estimate(_js_divergence(p, q), *normal(*unbiased), n, m),
    )


def departures(real_bins: NDArray[np.int64], fake_bins: NDArray[np.int64], bins: int) -> Departures:
    """The bins, from 0 to `bins` - 1, that hold too few or too many fake images; -1 is the bin of an image in none.

    Given are the bins int64 (n,) of the real images and (m,) of the fake ones.
    """
    p, q = (_shares(each, bins) for each in (real_bins, fake_bins))
    corrected = _holm(_p_values(p, q, len(real_bins), len(fake_bins)))
    order = np.argsort(q - p, kind="stable")
    named = order[corrected[order] < _LEVEL]
    return Departures(
        p, q, corrected, missing=named[3 * q[named] < p[named]], over_produced=named[q[named] > p[named]][::-1]
    )


def _shares(labels: NDArray[np.int64], bins: int) -> NDArray[np.float64]:
    return np.bincount(labels[labels >= 0], minlength=bins) / len(labels)


def _p_values(p: NDArray[np.float64], q: NDArray[np.float64], n: int, m: int) -> NDArray[np.float64]:
    pooled = (n * p + m * q) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return 2 * ndtr(-np.abs(p - q) / np.where(error > 0, error, 1))  # no error: a bin holds all or none


def _holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values that bound the chance of any false one (Holm 1979)."""
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    return np.minimum(1, steps[np.argsort(order)])


def _js_divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    return float(entr((p + q) / 2).sum() - (entr(p).sum() + entr(q).sum()) / 2)
