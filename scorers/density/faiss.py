"""Kernel density from nearest neighbours and a sample of the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scored
from ..keyed import IntArray, collected, in_key_order, positions_of_all, united
from ..points import Points, Sample
from ..seeds import check_seed, signed
from .base import FittedDensity, KernelDensity, check_sample, expanded, prepared, scored
from .kernels import KERNELS, LOG2_E, Kernel
from .sums import KernelSums

_POINTS_PER_LIST = 64  # that k-means is trained on
_N_ITERATIONS = 10
_ROWS = 32  # queries come in multiples
_BLOCK = 8192  # vectors at a time that go to float32


@dataclass(frozen=True, kw_only=True)
class FaissDensity(KernelDensity):
    """Log of the mean kernel to all documents: the nearest counted, the rest sampled.

    density(x) = (1/N) (1 + Σ of k(x, y) over the neighbours found + (N - 1 - neighbours) · mean of
    k(x, y) over the sampled documents that are neither neighbours nor x). The document's own
    kernel and its neighbours' are exact. The rest is unbiased whatever the index finds, as long as
    that does not depend on the sample: a poor index costs variance alone. The neighbours' sum
    without the rest is no estimate: it misses most of the density where documents are dense.

    Source: DEANN, Karppa, Aumüller & Pagh 2022 (arXiv 2107.02736). Departures: one
    sample without replacement for all documents, in place of one for each, so that errors of
    documents near each other are alike; the document's own term is left out of both parts; the
    standard error is given.

    Cost: n · (probed points + n_reference) · d multiplications, of which the probed points are
    about n_probe / n_lists · n. Every worker builds the
    index and holds the vectors twice, d · 6 bytes each. FAISS's own GPU build is used where it is
    installed and finds a GPU.

    Attributes:
        n_neighbours: nearest documents counted, at least 1.
        n_reference: documents in the sample, more than ``n_neighbours`` + 2.
        n_lists: cells of the index, at least 1, which compares all; None: 2√N.
        n_probe: cells that are searched, at least 1.
        seed: of k-means, in [0, 2^32). The other attributes are those of `KernelDensity` and
            `Bandwidth`.
    """

    name: ClassVar[str] = "density-faiss"

    n_neighbours: int = 100
    n_reference: int = 10_000
    n_lists: int | None = None
    n_probe: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {
            "n_neighbours": 1,
            "n_reference": self.n_neighbours + 3,
            "n_lists": 1,
            "n_probe": 1,
        }
        for option, bound in least.items():
            value = getattr(self, option)
            if value is not None and value < bound:
                raise ValueError(
                    f"{option!r} of FaissDensity must be at least {bound}"
                    f"{' (n_neighbours + 3)' if option == 'n_reference' else ''}. Got {value}."
                )
        check_seed(self)

    @property
    def n_sample(self) -> int:
        """Documents in the sample."""
        return self.n_reference

    def calibrate(self, sample: Sample) -> CalibratedFaissDensity:
        """Take the sample of the rest, and the bandwidth from it.

        Raises:
            ValueError: a sample of fewer than ``n_neighbours`` + 3 documents that is not the whole
                corpus; an empty one; NaN or infinity in a vector.
        """
        check_sample(sample, self.n_neighbours + 3)
        reference = in_key_order(sample.points)
        return CalibratedFaissDensity(self, self.bandwidth_of(sample), reference)

    def lists_for(self, n_documents: int) -> int:
        """Cells of the index."""
        if self.n_lists is not None:
            return min(self.n_lists, n_documents)
        return min(round(2 * math.sqrt(n_documents)), n_documents)


@dataclass(frozen=True, eq=False)
class CalibratedFaissDensity:
    """A `FaissDensity` with its bandwidth h and sample, before it has seen all documents."""

    name: ClassVar[str] = "density-faiss"

    spec: FaissDensity
    h: float
    reference: Points

    def fit(self, batches: Iterable[Points]) -> list[Points]:
        """Keep one worker's share of the points."""
        return collected(batches)

    def merge(self, states: Sequence[list[Points]]) -> FittedFaissDensity:
        """Unite all shares and build the index.

        Raises:
            ValueError: no documents, or sampled ones that are not among them.
        """
        points = united(states)
        sampled = positions_of_all(points, self.reference, "FaissDensity")
        # Twins in key and vector are found at the first of them; each has a place of its own.
        sampled += np.arange(len(sampled)) - np.searchsorted(sampled, sampled)
        return FittedFaissDensity(
            spec=self.spec,
            h=self.h,
            reference=self.reference,
            sampled=sampled,
            points=points,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedFaissDensity(FittedDensity):
    """A `FaissDensity` that holds its corpus; the index is built where it is first used.

    Attributes:
        points: all documents, in key order.
        reference: the sampled ones, in key order.
        sampled: where these stand in ``points``.
    """

    name: ClassVar[str] = "density-faiss"

    spec: FaissDensity
    h: float
    points: Points
    reference: Points
    sampled: IntArray

    def score(self, points: Points) -> Scored:
        """Log density of documents of the corpus.

        Returns:
            value: float64[n] in [-log N, 0]. extra: ``stderr`` (float64: standard error of the log
            density, from the sampled rest).

        Raises:
            ValueError: documents that are not of the corpus.
        """
        own = positions_of_all(self.points, points, "FaissDensity")
        near, kernel = self._neighbours(points.vector, own)
        column = np.where(near >= 0, self._column[near], -1)
        own_column = self._column[own]
        row, at = np.nonzero(column >= 0)
        own_row = np.flatnonzero(own_column >= 0)
        without = np.r_[row, own_row], np.r_[column[row, at], own_column[own_row]]
        total, squares = self._sums(points.vector, without)
        sampled = len(self.reference) - np.bincount(without[0], minlength=len(own))
        rest = len(self.points) - 1 - (near >= 0).sum(1)
        others, stderr = expanded(total, squares, sampled, rest)
        return scored(kernel.sum(1) + others, stderr, len(self.points))

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; h and the number of documents stand for the corpus."""
        found = {"h": self.h, "n_documents": len(self.points)}
        return {**self.spec.config(), **found, "n_lists_found": self._n_lists}

    def _neighbours(self, vector: NDArray[Any], own: IntArray) -> tuple[IntArray, FloatArray]:
        """Positions of the nearest other documents, [n, k], -1 for none; and their kernels."""
        import torch

        kernel = KERNELS[self.spec.kernel]
        k = min(self.spec.n_neighbours + 1, len(self.points))
        # FAISS computes distances of few queries otherwise than those of many.
        padded = np.pad(prepared(vector, kernel), ((0, -len(vector) % _ROWS), (0, 0)))
        squared, near = (found[: len(vector)] for found in self._index.search(padded, k))
        itself = near == own[:, None]
        near[itself] = -1
        near[~itself.any(1), -1] = -1
        exponent = torch.from_numpy(squared.astype(np.float64) * (-0.5 * LOG2_E / self.h**2))
        value = np.where(near >= 0, kernel.log2(exponent).exp2_().numpy(), 0.0)
        return near, value

    @cached_property
    def _index(self) -> Any:
        return built(
            self.points.vector,
            KERNELS[self.spec.kernel],
            self._n_lists,
            self.spec.n_probe,
            self.spec.seed,
        )

    @property
    def _n_lists(self) -> int:
        return self.spec.lists_for(len(self.points))

    @cached_property
    def _column(self) -> IntArray:
        """Where each document stands in the sample; -1 for those that are not in it."""
        column = np.full(len(self.points), -1)
        column[self.sampled] = np.arange(len(self.sampled))
        return column

    @cached_property
    def _sums(self) -> KernelSums:
        kernel = KERNELS[self.spec.kernel]
        return KernelSums(self.reference.vector, kernel, self.h, self.spec.device)


def built(vector: NDArray[Any], kernel: Kernel, n_lists: int, n_probe: int, seed: int) -> Any:
    """An index of Euclidean distances between the vectors as the kernel sees them.

    Lists even where there is one: they compare vectors entry by entry, so that copies are at a
    distance of 0 whatever else is asked for. A flat index takes products of matrices, whose
    rounding decides which copies are found. The same vectors in the same order give the same
    index, on any number of threads.
    """
    import faiss

    n, d = vector.shape
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, n_lists)
    index.nprobe = n_probe
    index.cp.seed, index.cp.niter = signed(seed), _N_ITERATIONS
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _POINTS_PER_LIST
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0:
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    every = max(1, n // (_POINTS_PER_LIST * n_lists))
    index.train(prepared(vector[::every], kernel))
    for start in range(0, n, _BLOCK):
        index.add(prepared(vector[start : start + _BLOCK], kernel))
    return index
