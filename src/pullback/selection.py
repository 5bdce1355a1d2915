"""Which of the weights that training visits are the best?

The last ones need not be: adversarial training wanders, and may fall apart late. So every now and then the averaged
weights draw a few images, from the same latents each time, and these are compared with a few training images, the same
ones each time. The scores are those of `evaluation/fid.py` and `evaluation/kid.py`; at so few images they serve to
compare the weights of one training with each other, and nothing else.

The test split has no part in this. Weights chosen by it would score better there than on new images.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pullback.errors import UserError
from pullback.evaluation._kmeans import cell_of, centres, distinct
from pullback.evaluation.fid import frechet_distance
from pullback.evaluation.kid import kernel_distance
from pullback.features._map import Embedded, FeatureMap
from pullback.models._model import Model, draw, labels_like

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BATCH = 256  # images
CLUSTERS = 10  # kinds of images, where the feature map knows no classes
LEAST_SHARE, LEAST_IMAGES = 0.01, 10  # of the real sample; a rarer kind is missing by chance too often
COLLAPSED, WINDOW = 0.1, 3  # the least share below which images are missing, and points for which it must be there


class Judge:
    """Scores the weights of a model against a sample of the training images, with the same random numbers each time.

    Processes share the work, so all of them must call it; each is given the same scores, which are those of one process
    up to rounding. Torch's own random numbers are left as they are.

    Attributes:
        select: the score to minimise: "fid", or "kid" where the sample has fewer than 2 d images: the bias of an FID
            then hides what it measures.
    """

    def __init__(
        self,
        feature_map: FeatureMap,
        train_images: NDArray[np.uint8],
        train_labels: NDArray[np.int64],
        *,
        images: int,
        seed: int,
        fabric: "Fabric",
    ) -> None:
        """Embeds `images` of the training images uint8 (n, c, h, w), or all if there are fewer; labels int64 (n,).

        `images` is also how many a model draws for each score.

        Raises:
            UserError: fewer images than processes, or what the feature map raises.
        """
        if images < fabric.world_size:
            raise UserError(
                f"evaluate_images is {images}, but {fabric.world_size} processes share them; raise it to that at least"
            )
        self._map, self._labels, self._fabric = feature_map, train_labels, fabric
        self._images, self._seed = images, seed
        size = min(images, len(train_images))
        sample = np.sort(np.random.default_rng(seed).choice(len(train_images), size, replace=False))
        self._real, logits = self._embedded(size, lambda rows: train_images[sample[rows]])
        self.select = "fid" if size >= 2 * self._real.shape[1] else "kid"
        self._centres = None if logits is not None else self._clusters()
        self._real_kinds = self._kinds(self._real, logits)

    def __call__(self, model: Model) -> dict[str, float]:
        """`fid`, `kid` and `least_share` of a model on the device of the Fabric.

        Labels come in the shares of the training set. `least_share` tells how well the worst-covered kind of image is
        covered: its share among the drawn images over that among the real ones, from 1 = even to 0 = missing. Kinds are
        the classes that the feature map sees, else clusters of the real images; rare ones are left out.
        """
        features, logits = self._embedded(self._images, self._drawer(model))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # few images, or all alike, as early in training
            fid = frechet_distance(self._real, features)
            kid = kernel_distance(self._real, features).value
        return {"fid": fid, "kid": kid, "least_share": least_share(self._real_kinds, self._kinds(features, logits))}

    def _drawer(self, model: Model) -> Callable[[NDArray[np.int64]], NDArray[np.uint8]]:
        """The images of some rows of the latents."""
        generator = torch.Generator().manual_seed(self._seed)
        latents = torch.randn(self._images, model.latent_dim, generator=generator)
        labels = torch.from_numpy(labels_like(self._labels, self._images, self._seed, model.classes))
        on = self._fabric.device

        def drawn(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            return draw(model, latents[rows].to(on), labels[rows].to(on))

        return drawn

    def _embedded(self, n: int, images: Callable[[NDArray[np.int64]], NDArray[np.uint8]]) -> Embedded:
        """Features and logits of the n images that `images` gives by row; each process embeds its share of them."""
        rows = np.arange(self._fabric.global_rank, n, self._fabric.world_size)
        parts = [self._map(images(rows[start : start + BATCH])) for start in range(0, len(rows), BATCH)]
        features, logits = zip(*parts, strict=True)
        return self._joined(features, rows, n), None if logits[0] is None else self._joined(logits, rows, n)

    def _joined(self, parts: Sequence[NDArray[np.float32]], rows: NDArray[np.int64], n: int) -> NDArray[np.float32]:
        """What all processes hold of an array of n rows, each its own `rows` of it."""
        mine = torch.from_numpy(np.concatenate(parts))
        whole = torch.zeros(n, mine.shape[1])
        whole[rows] = mine
        joined = self._fabric.all_reduce(whole, reduce_op="sum")
        assert isinstance(joined, Tensor)
        return joined.cpu().numpy()

    def _clusters(self) -> NDArray[np.float64]:
        rows = self._real.astype(np.float64)
        return centres(rows, min(CLUSTERS, distinct(rows)), self._seed, "clusters")

    def _kinds(self, features: NDArray[np.float32], logits: NDArray[np.float32] | None) -> NDArray[np.int64]:
        if self._centres is not None:
            return cell_of(features.astype(np.float64), self._centres)
        assert logits is not None
        return logits.argmax(axis=1)


def least_share(real: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
    """The least share that a kind has among `drawn` over that among `real`, at most 1; both name kinds (n,) and (m,).

    Kinds of fewer than 1 % or 10 of the real images are left out; 1 where no others are.
    """
    kinds, counts = np.unique(real, return_counts=True)
    common = counts >= max(LEAST_SHARE * len(real), LEAST_IMAGES)
    shares = (drawn == kinds[common, None]).mean(axis=1) / (counts[common] / len(real))
    return float(shares.min(initial=1))


def mode_collapse(scores: Sequence[Mapping[str, float]]) -> str | None:
    """What to try where the last three scored points show that a kind of image is missing; else None."""
    recent = [point["least_share"] for point in scores[-WINDOW:]]
    if len(recent) < WINDOW or max(recent) >= COLLAPSED:
        return None
    return (
        f"a kind of image has {max(recent):.0%} or less of its share in the training set at the last {WINDOW} scored "
        "points, so the model leaves images out; try a smaller learning_rate or a larger batch_size, "
        "and for a GAN augment: [translation]"
    )
