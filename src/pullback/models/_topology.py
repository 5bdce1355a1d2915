"""Do codes hang together as their images do? The topological loss of Moor et al. 2020 (Topological Autoencoders).

With A^X and A^Z (n, n) the distances among the n images of a batch and among their codes, and pi^X and pi^Z the pairs
between which components merge when all points within a growing distance are joined (persistent homology in dimension 0;
they are the edges of the minimum spanning trees), the paper's loss is

    1/2 |A^X[pi^X] - s A^Z[pi^X]|^2 + 1/2 |A^X[pi^Z] - s A^Z[pi^Z]|^2

with a scale s that is learned. Here s is the best one, and what is left is divided by 1/2 |A^X|^2 over the same pairs:
with a = (A[pi^X], A[pi^Z]) that is

    L = 1 - cos^2(a^X, a^Z),    from 0 (all lengths in proportion) to 1.

So L depends neither on the size of images nor on the scale of codes, which the divergence from the prior sets. To
divide distances by their mean would not do: images that differ a little are soon as far apart as any, and no plane has
room for that.

Processes that share a batch compare each its own part of it. The trees are grown on the CPU, for which a GPU waits.
"""

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import cosine_similarity


def topological_loss(images: Tensor, codes: Tensor) -> Tensor:
    """L of images (n, …) and their codes (n, d), a scalar in [0, 1]; float32 under autocast too.

    1, without a gradient, where all images or all codes are equal.
    """
    points = images.flatten(1).float(), codes.float()
    i, j = torch.cat([_merging(each.detach()) for each in points], dim=1)
    of_images, of_codes = (vector_norm(each[i] - each[j], dim=1) for each in points)
    return 1 - cosine_similarity(of_images, of_codes, dim=0).square()


def _merging(points: Tensor) -> Tensor:
    """The edges (2, n - 1) of a minimum spanning tree of points (n, d)."""
    lengths = torch.cdist(points, points).double().cpu().numpy()
    # Duplicates are moved apart by a trifle: SciPy takes length 0, and in a dense matrix all below 1e-8, for no edge.
    weights = csr_array(np.triu(lengths.clip(min=np.finfo(np.float64).tiny), 1))
    return torch.from_numpy(np.stack(minimum_spanning_tree(weights).nonzero())).to(points.device)
