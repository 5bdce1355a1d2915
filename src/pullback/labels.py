"""How are names and numbers of the pipeline written for a reader?"""

from collections.abc import Iterable
from math import floor, inf, log10

LABELS = {
    "c_t": "C_T",
    "elbo": "ELBO",
    "ema": "EMA",
    "fid": "FID",
    "gan": "GAN",
    "gmm": "GMM",
    "inception_score": "classifier score",
    "isomap": "Isomap",
    "iwae": "IWAE",
    "kid": "KID",
    "js_divergence": "JS divergence",
    "kl": "KL",
    "ndb": "NDB",
    "pca": "PCA",
    "precision_recall": "precision and recall",
    "tsne": "t-SNE",
    "umap": "UMAP",
    "vae": "VAE",
}

LEAST = {"fid": 0.0, "js_divergence": 0.0}
"""Distances whose interval is without the bias of few images, so that it may fall below what a distance can be."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def label(name: str) -> str:
    """ "vae prior" -> "VAE prior". Words that are not in `LABELS` stay as they are in params.yaml."""
    return LABELS.get(name) or " ".join(LABELS.get(word, word) for word in name.replace("_", " ").split())


def joined(names: Iterable[str]) -> str:
    """ "gan", "vae" -> "GAN and VAE"."""
    *most, last = map(label, names)
    return " and ".join(filter(None, [", ".join(most), last]))


def decimals(values: Iterable[float]) -> int:
    """How many decimals give the smallest of these values three significant digits; at most 4."""
    smallest = max(min(map(abs, values)), 1e-2)
    return max(0, 2 - floor(log10(smallest)))


def number(value: float, decimals: int) -> str:
    """With a true minus sign, and none before a zero."""
    return f"{value:z,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def interval(low: float, high: float, decimals: int, least: float = -inf) -> str:
    """Without what lies below the `least` that is possible."""
    if high <= least:
        return f"not above {least:g}"
    return f"{number(max(low, least), decimals)} to {number(high, decimals)}"


def p_value(p: float) -> str:
    """ "p = 0.012", and a power of ten below 0.001: "p = 2·10⁻⁹"."""
    if p >= 1e-3:
        return f"p = {p:.3f}"
    digit, exponent = f"{p or 1e-300:.0e}".split("e")  # 0: too small for a number
    return f"p {'=' if p else '<'} {digit}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"
