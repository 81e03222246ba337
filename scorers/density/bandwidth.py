"""The bandwidth of a kernel: a number, or a fraction of the distances between documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vectors import check_finite

_SAME = 1e-2  # of the typical length: distances below are rounding, of documents that embed alike
N_DOCUMENTS = 2000  # of a sample whose pairs are looked at: 2 million pairs


@dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """A rule for the bandwidth h of a kernel, in units of distance; a base of density's options.

    h is a number, or else a fraction of a quantile of the distances between sampled documents.
    Distances between documents crowd together (around √2 on unit vectors), so that a quantile of
    them, however low, is a bandwidth at which all densities are alike; hence the fraction.

    The default fraction is where inverse-density weights spread most on a corpus of 7,627
    documents with 360 planted near-duplicates, for two embedders (hashed n-grams and
    all-MiniLM-L6-v2): 2.3-fold and 51-fold between the 1st and 99th percentile, against 1.7 and 5.5
    at .3. Near-duplicates are denser there than other documents of their domain with an AUC of .92
    and .81; at .3, where copies drown among their topic, with .62 and .53. A document's own kernel
    is one of N: ten times as many documents want a somewhat smaller fraction.

    Attributes:
        bandwidth: h > 0; None: ``bandwidth_ratio`` times the quantile.
        bandwidth_quantile: of the distances between pairs that differ, in (0, 1].
        bandwidth_ratio: fraction of that quantile, > 0.
    """

    bandwidth: float | None = None
    bandwidth_quantile: float = 0.5
    bandwidth_ratio: float = 0.22

    def __post_init__(self) -> None:
        for name in ("bandwidth", "bandwidth_ratio"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise ValueError(
                    f"{name!r} of {type(self).__name__} must be above 0 and finite. Got {value}."
                )
        if not 0 < self.bandwidth_quantile <= 1:
            raise ValueError(
                f"'bandwidth_quantile' of {type(self).__name__} must be in (0, 1]. "
                f"Got {self.bandwidth_quantile}."
            )

    def resolve(self, vectors: NDArray[Any]) -> float:
        """The bandwidth h for a sample of documents, [n, d]; read only where the rule needs it."""
        if self.bandwidth is not None:
            return float(self.bandwidth)
        return self.bandwidth_ratio * distance_quantile(vectors, self.bandwidth_quantile)


def distance_quantile(vectors: NDArray[Any], quantile: float) -> float:
    """A quantile of the Euclidean distances between pairs of documents that differ.

    Pairs nearer than 1 % of the typical length of a vector count as the same document: in a corpus
    made from one template the bandwidth must not shrink to the rounding of a product.

    Cost: the first 2,000 documents are looked at, 2 million pairs in float64.

    Args:
        vectors: [n, d], a uniform sample in an order that does not depend on the vectors.
        quantile: in [0, 1].

    Returns:
        A distance > 0; the typical length (root mean square) where no two documents differ.

    Raises:
        ValueError: a vector with NaN or infinity.
    """
    some = np.asarray(vectors[:N_DOCUMENTS], np.float64)
    squared_length = np.einsum("nd,nd->n", some, some)
    check_finite(int((~np.isfinite(squared_length)).sum()), len(some))
    length = float(np.sqrt(squared_length.mean())) if len(some) else 0.0
    squared = squared_length[:, None] + squared_length - 2.0 * (some @ some.T)
    distance = np.sqrt(np.maximum(squared[np.triu_indices(len(some), 1)], 0.0))
    differing = distance[distance > _SAME * length]
    return float(np.quantile(differing, quantile)) if len(differing) else length or 1.0
