"""Kernel density by the sum over all pairs of documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import Scored
from ..keyed import collected, positions_of_all, united
from ..points import Points, Sample
from .bandwidth import N_DOCUMENTS
from .base import FittedDensity, KernelDensity, scored
from .kernels import KERNELS
from .sums import KernelSums


@dataclass(frozen=True, kw_only=True)
class ExactDensity(KernelDensity):
    """Log of the mean kernel between a document and all documents of the corpus, itself included.

    density(x) = (1/N) Σ_y k(x, y) over all N documents, with k(x, x) = 1: at least 1/N. For up to
    a million documents, and to check the other densities against.

    Source: Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.3, without the sketch. Departures:
    a mean in place of a sum; the bandwidth rule is ours, the paper gives none.

    Cost: n² · d multiplications; every worker holds all vectors as they are stored, n · d · 2
    bytes in float16, and twice that while they are put in order.

    Attributes: those of `KernelDensity` and `Bandwidth`.
    """

    name: ClassVar[str] = "density-exact"

    @property
    def n_sample(self) -> int:
        """Documents that the bandwidth rule looks at."""
        return N_DOCUMENTS

    def calibrate(self, sample: Sample) -> CalibratedExactDensity:
        """Fix the bandwidth."""
        return CalibratedExactDensity(self, self.bandwidth_of(sample))


@dataclass(frozen=True)
class CalibratedExactDensity:
    """An `ExactDensity` with its bandwidth h, before it has seen all documents."""

    name: ClassVar[str] = "density-exact"

    spec: ExactDensity
    h: float

    def fit(self, batches: Iterable[Points]) -> list[Points]:
        """Keep one worker's share of the points."""
        return collected(batches)

    def merge(self, states: Sequence[list[Points]]) -> FittedExactDensity:
        """Unite all shares.

        Raises:
            ValueError: no documents, or NaN or infinity in a vector.
        """
        return FittedExactDensity(spec=self.spec, h=self.h, points=united(states))


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedExactDensity(FittedDensity):
    """An `ExactDensity` that holds its corpus, in key order."""

    name: ClassVar[str] = "density-exact"

    spec: ExactDensity
    h: float
    points: Points

    def score(self, points: Points) -> Scored:
        """Log density of documents of the corpus.

        Returns:
            value: float64[n] in [-log N, 0]. extra: ``stderr``, 0 throughout.

        Raises:
            ValueError: documents that are not of the corpus.
        """
        own = positions_of_all(self.points, points, "ExactDensity")
        others, _ = self._sums(points.vector, (np.arange(len(own)), own), squares=False)
        return scored(others, np.zeros(len(own)), len(self.points))

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; h and the number of documents stand for the corpus."""
        return {**self.spec.config(), "h": self.h, "n_documents": len(self.points)}

    @cached_property
    def _sums(self) -> KernelSums:
        kernel = KERNELS[self.spec.kernel]
        return KernelSums(self.points.vector, kernel, self.h, self.spec.device)
