"""Kernel density against a uniform reference sample of the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..base import Scored
from ..keyed import in_key_order, own_positions
from ..points import Points, Sample
from .base import FittedDensity, KernelDensity, check_sample, expanded, scored
from .kernels import KERNELS
from .sums import KernelSums


@dataclass(frozen=True, kw_only=True)
class ReferenceDensity(KernelDensity):
    """Log of the mean kernel between a document and all documents, from a uniform sample of them.

    density(x) = (1/N) (1 + (N - 1) · mean of k(x, y) over the sampled documents other than x): the
    document's own kernel is exact, the rest unbiased. With the standard error of the logarithm,
    ``log_density ± 1.96 · stderr`` is its 95 % confidence interval.

    Only a sample that holds some of the documents near x tells of them: where the sample missed a
    small cluster, its documents' densities are too small and so are their standard errors, which
    come from the same sample. `FaissDensity` counts the nearest documents exactly.

    Source: the quantity of Sachdeva et al. 2024 (arXiv 2402.09668v1), section 3.3. Departures: a
    sample of m documents in place of their sketch of hashes; a mean in place of a sum; the
    bandwidth rule is ours, the paper gives none. The standard error is that of a mean of a sample
    without replacement (Cochran, Sampling Techniques, 1977, equation 2.20), by the delta method.

    Cost: n · m · d multiplications, and no pass over the corpus beforehand.

    Attributes:
        n_reference: documents in the sample, m, at least 3; those of `KernelDensity` and
            `Bandwidth` besides.
    """

    name: ClassVar[str] = "density"

    n_reference: int = 10_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_reference < 3:
            raise ValueError(
                f"'n_reference' of ReferenceDensity must be at least 3. Got {self.n_reference}."
            )

    @property
    def n_sample(self) -> int:
        """Documents in the sample."""
        return self.n_reference

    def calibrate(self, sample: Sample) -> FittedReferenceDensity:
        """Take the sample as reference, and the bandwidth from it.

        Raises:
            ValueError: a sample of fewer than 3 documents that is not the whole corpus; an empty
                one; NaN or infinity in a vector.
        """
        check_sample(sample, 3)
        return FittedReferenceDensity(
            spec=self,
            h=self.bandwidth_of(sample),
            n_documents=sample.n_documents,
            reference=in_key_order(sample.points),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedReferenceDensity(FittedDensity):
    """A `ReferenceDensity` with its reference sample."""

    name: ClassVar[str] = "density"

    spec: ReferenceDensity
    h: float
    n_documents: int
    reference: Points

    def score(self, points: Points) -> Scored:
        """Log density of documents of the corpus.

        Returns:
            value: float64[n] in [-log N, 0]. extra: ``stderr`` (float64: standard error of the log
            density; 0 where the sample is the whole corpus).
        """
        own = own_positions(self.reference, points)
        row = np.flatnonzero(own >= 0)
        total, squares = self._sums(points.vector, (row, own[row]))
        sampled = len(self.reference) - (own >= 0).astype(np.int64)
        rest = np.full(len(points), self.n_documents - 1, np.int64)
        return scored(*expanded(total, squares, sampled, rest), self.n_documents)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; h and the number of documents stand for the corpus."""
        return {**self.spec.config(), "h": self.h, "n_documents": self.n_documents}

    @cached_property
    def _sums(self) -> KernelSums:
        kernel = KERNELS[self.spec.kernel]
        return KernelSums(self.reference.vector, kernel, self.h, self.spec.device)
