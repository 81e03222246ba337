"""Spherical k-means by FAISS, and the cosines between points and centroids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..points import Sample
from ..seeds import signed
from ..vectors import Vectors, unit

BLOCK = 1024
"""Points at a time that are compared with all centroids."""
POINTS_PER_CENTROID = 39
"""Fewest sampled points for a centroid, where their number is not given: the count below which
FAISS warns."""
N_ITERATIONS = 20
_STEPS = 2.0**20


def on_grid(cosine: NDArray[Any]) -> NDArray[np.float64]:
    """Cosines in [-1, 1] as multiples of 2^-20, about 1e-6.

    Finer than float16 vectors tell apart, coarser than the rounding of a product in float32: so
    that equal documents have equal cosines, and sums of cosines are exact in any order.
    """
    return np.asarray(np.rint(np.clip(cosine, -1.0, 1.0) * _STEPS) / _STEPS, np.float64)


def device() -> str:
    """Where products of matrices are computed."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def number_of_clusters(asked: int | None, sample: Sample) -> int:
    """The number asked for; None: √n for n documents, within what the sample can place.

    √n makes the two steps of SemDeDup cost alike: n · k products to assign the documents, n² / k
    within the clusters. Sachdeva et al. 2024 (arXiv 2402.09668v1) take 10,000 for 3.6e8 documents.

    Raises:
        ValueError: more clusters than sampled documents.
    """
    n_points = len(sample.points)
    if asked is None:
        most = max(1, n_points // POINTS_PER_CENTROID)
        return min(most, max(1, round(math.sqrt(sample.n_documents))))
    if asked > n_points:
        raise ValueError(
            f"'n_clusters' must be at most the number of sampled documents, {n_points}. Got "
            f"{asked}. Ask for fewer clusters or raise 'n_sample'."
        )
    return asked


def train(sample: Sample, n_clusters: int, seed: int) -> Vectors:
    """Centroids of length 1 that a sample of documents gathers around.

    Lloyd's iterations from a random start, with the mean of each cluster scaled to length 1. The
    same sample gives the same bytes on any number of threads: FAISS divides points among them in
    the assignment and centroids in the update, so that no sum is divided. A GPU is used where
    FAISS was built for one; its last bits differ from a CPU's.

    Cost: 20 · m · k · d multiplications for a sample of m; m · d floats of memory.

    Args:
        sample: m >= n_clusters documents.
        n_clusters: k.
        seed: of the first centroids.

    Returns:
        float32[k, d]; of length 1, or 0 where a cluster holds vectors of length 0 alone.
    """
    import faiss

    vector = np.ascontiguousarray(unit(sample.vector))
    if len(vector) < n_clusters or n_clusters < 1:
        raise ValueError(f"{n_clusters} clusters cannot be made of {len(vector)} documents.")
    found: Any = faiss.Kmeans(
        vector.shape[1],
        n_clusters,
        spherical=True,
        seed=signed(seed),
        niter=N_ITERATIONS,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vector),
        gpu=faiss.get_num_gpus() > 0,
    )
    found.train(vector)
    return unit(found.centroids)


def nearest(vector: NDArray[Any], centroids: Vectors) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """The centroid of greatest cosine to each point; of equal ones that of the lowest number.

    Points are taken in blocks of one size, the last filled up with zeros: a product of matrices
    rounds in a way that depends on their shape, and a point's cluster must not depend on what it
    is batched with.

    Cost: n · k · d multiplications; a GPU is used where there is one.

    Args:
        vector: [n, d], of any length.
        centroids: float32[k, d] of length 1.

    Returns:
        int32[n] and the cosines as of `on_grid`, float64[n].
    """
    import torch

    where = device()
    transposed = torch.from_numpy(np.array(centroids.T, order="C")).to(where)
    cluster = np.empty(len(vector), np.int32)
    cosine = np.empty(len(vector))
    numbers = torch.arange(len(centroids), device=where)
    for start in range(0, len(vector), BLOCK):
        part = unit(vector[start : start + BLOCK])
        block = torch.zeros(BLOCK, part.shape[1])
        block[: len(part)] = torch.from_numpy(part)
        products = (block.to(where) @ transposed)[: len(part)]
        highest = products.amax(1)
        lowest_number = torch.where(products == highest[:, None], numbers, len(centroids)).amin(1)
        cluster[start : start + BLOCK] = lowest_number.cpu().numpy()
        cosine[start : start + BLOCK] = on_grid(highest.cpu().numpy().astype(np.float64))
    return cluster, cosine
