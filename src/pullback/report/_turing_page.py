"""Can people tell generated images from real ones? A page on which they try.

turing.html shows pairs of a held-out real image and a generated one, of the same class where there are classes, and
asks which is real. It opens from the disk, asks the network for nothing, and in the end saves the answers as a file,
which `pullback humans` counts. Nothing in what it shows tells the two apart; whoever reads its source can find the
truth, which is encoded there but not encrypted: the page itself must know it.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from markupsafe import Markup

from pullback.labels import label
from pullback.report._atlas import across, atlas
from pullback.report._page import HERE, filled, title
from pullback.report._results import Images, Results
from pullback.report._section import table

PAIRS = 25  # of each model: two models take three minutes, and an error rate of 50 % has an interval of ± 18 %
SIDES = ["left", "right"]


@dataclass(frozen=True)
class BlindTest:
    """Pair k is images 2k, shown on the left, and 2k + 1."""

    sources: list[str]
    """Of each pair, which model and sampling method made the generated image."""
    real: list[str]
    """Of each pair, the side of the real image."""
    images: Images
    """(2 * pairs, c, h, w)"""

    @property
    def digest(self) -> str:
        """16 hex digits that name the test: the same only for the same images with the same truth."""
        return hashlib.sha256(json.dumps([self.sources, self.real]).encode() + self.images.tobytes()).hexdigest()[:16]

    @property
    def key(self) -> dict[str, Any]:
        """What report/turing.json holds, by which answers are judged."""
        pairs = [{"source": source, "real": side} for source, side in zip(self.sources, self.real, strict=True)]
        return {"digest": self.digest, "pairs": pairs}


def blind_test(results: Results, seed: int) -> BlindTest:
    """Pairs for the first sampling method of each model, by which it delivers, in random order.

    As many for each model as for any other, unless classes run out, and half of them with the real image on the left.
    """
    rng = np.random.default_rng(seed)
    first: dict[str, str] = {}
    for source in results.samples:
        first.setdefault(source.split()[0], source)
    unseen = rng.permutation(len(results.real)).tolist()  # a real image that came twice would give itself away
    most = min(PAIRS, len(unseen) // len(first))
    pairs = []
    for source in first.values():
        matched = list(islice(_matched(results, source, unseen, rng), most))
        sides = rng.permutation(len(matched)) % 2
        pairs += [(source, side, *rows) for side, rows in zip(sides, matched, strict=True)]
    shuffled = [pairs[i] for i in rng.permutation(len(pairs))]
    images = []
    for source, side, real, fake in shuffled:
        both = [results.real[real], results.samples[source][fake]]
        images += both[::-1] if side else both
    return BlindTest([source for source, *_ in shuffled], [SIDES[side] for _, side, *_ in shuffled], np.stack(images))


def _matched(results: Results, source: str, unseen: list[int], rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Rows of a real and a generated image that are of the same class, if the latter has one; uses `unseen` up."""
    real, fake = results.labels["real"], results.labels[source]
    for row in rng.permutation(len(fake)):
        fitting = (each for each in unseen if fake[row] in (-1, real[each]))
        if (found := next(fitting, None)) is not None:
            unseen.remove(found)
            yield found, row


def render_turing(results: Results, test: BlindTest) -> str:
    """The page; the same test gives the same bytes."""
    sources = [each for each in results.samples if each in test.sources]
    truth = [
        2 * sources.index(source) + SIDES.index(side) for source, side in zip(test.sources, test.real, strict=True)
    ]
    data = {
        "digest": test.digest,
        "size": test.images.shape[-1],
        "columns": across(len(test.images)),
        "truth": b64encode(bytes(truth)).decode(),  # or a glance at the source would tell
    }
    return filled(
        "turing.html.j2",
        title=title(results),
        look=Markup((HERE / "turing.css").read_text()),
        script=Markup((HERE / "turing.js").read_text()),
        pairs=len(truth),
        size=test.images.shape[-1],
        rates=table(
            ["", "wrong", "error rate", "95 % interval", "verdict"],
            [[label(each), *[""] * 4] for each in sources],
            "rates",
        ),
        atlas=atlas(test.images, lossless=True),  # compression would leave its marks on both alike
        json=Markup(json.dumps(data, separators=(",", ":"))),
    )
