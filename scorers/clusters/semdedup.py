"""SemDeDup: how near a document is to one of its cluster that is kept before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray, Scored
from ..keyed import distinct, positions
from ..points import Keys, Points, Sample
from ..vectors import Vectors, unit
from .kmeans import device, nearest, number_of_clusters, on_grid, train
from .prototypes import check_clusters

_ROWS, _COLUMNS = 1024, 16_384


@dataclass(frozen=True, kw_only=True)
class SemDeDup:
    """Largest cosine between a document and those of its cluster that are preferred to it.

    Of two documents of a cluster the one farther from the centroid is preferred, of equally far
    ones that of the smaller key. A document is a duplicate where the largest cosine to a preferred
    one is above the threshold: where documents of a cluster are all near to each other, exactly
    one, the most preferred, is none. A chain may keep several, each far from the others. What
    k-means puts into two clusters is not compared.

    Source: Abbas et al. 2023 (arXiv 2303.09540), who keep the one of each group that is farthest
    from the centroid. Departures: spherical k-means, on a sample; √n clusters where no number is
    given. Sachdeva et al. 2024 (arXiv 2402.09668v1) rank by the largest cosine to *all* others of
    the cluster, which drops both of a pair together; that is not offered.

    The threshold is 1 - ε of the paper, which sets ε by the share of documents to keep. At .9
    planted near-duplicates part from other texts: of 298 pairs, 100 % lie above it with hashed
    n-grams and 99 % with all-MiniLM-L6-v2; of the other texts 1 % have a neighbour above it, most
    of them true copies.

    Cost: k-means on the sample (see `scorers.clusters.kmeans.train`), n · k · d multiplications
    to assign the documents, Σ n_c² · d / 2 within clusters of n_c documents, d · n² / 2k where
    they are of one size. Memory 2 · d + 20 bytes for each document, twice while shares are united.
    A GPU is used where there is one.

    Attributes:
        n_clusters: k >= 1; None: √n, but at most one for 39 sampled documents.
        threshold: cosine above which a document is marked as duplicate, in [-1, 1]. What it
            should be depends on the embedder.
        n_sample: documents that k-means sees, >= 1.
        seed: of the first centroids, in [0, 2^32).
    """

    name: ClassVar[str] = "semdedup"

    n_clusters: int | None = None
    threshold: float = 0.9
    n_sample: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_clusters(self)
        if not -1.0 <= self.threshold <= 1.0:
            raise ValueError(
                f"'threshold' of SemDeDup is a cosine, in [-1, 1]. Got {self.threshold}."
            )

    def calibrate(self, sample: Sample) -> CalibratedSemDeDup:
        """Cluster a sample.

        Raises:
            ValueError: an empty sample, or one of fewer documents than clusters.
        """
        n_clusters = number_of_clusters(self.n_clusters, sample)
        return CalibratedSemDeDup(spec=self, centroids=train(sample, n_clusters, self.seed))

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, but for the corpus."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Assigned:
    """Documents and the clusters they are in: a share of the corpus.

    Attributes:
        points: vectors of length 1 as float16[n, d].
        cluster: int32[n].
        cosine: float64[n], to the centroid.
    """

    points: Points
    cluster: NDArray[np.int32]
    cosine: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibratedSemDeDup:
    """`SemDeDup` with the centroids of a corpus, float32[k, d]."""

    name: ClassVar[str] = "semdedup"

    spec: SemDeDup
    centroids: Vectors

    def fit(self, batches: Iterable[Points]) -> list[Assigned]:
        """Assign a share of the corpus to the centroids."""
        state = []
        for batch in batches:
            kept = Points(batch.key, unit(batch.vector).astype(np.float16))
            state.append(Assigned(kept, *nearest(kept.vector, self.centroids)))
        return state

    def merge(self, states: Sequence[list[Assigned]]) -> FittedSemDeDup:
        """Compare the documents of each cluster, once all are known.

        Raises:
            ValueError: no documents.
        """
        parts = [part for state in states for part in state]
        if not sum(len(part.points) for part in parts):
            raise ValueError("SemDeDup needs at least 1 document. Got none.")
        points = Points.joined([part.points for part in parts])
        cluster = np.concatenate([part.cluster for part in parts])
        cosine = np.concatenate([part.cosine for part in parts])
        by_key = distinct(points)
        preferred = np.lexsort((cosine[by_key], cluster[by_key]))  # stable: ties are by key
        order = by_key[preferred]
        value = np.empty(len(by_key))
        ends = np.flatnonzero(np.diff(cluster[order])) + 1
        for members in np.split(np.arange(len(order)), ends):
            vector = points.vector[order[members]]
            value[preferred[members]] = largest_cosine_before(vector)
        return FittedSemDeDup(
            spec=self.spec,
            n_clusters=len(self.centroids),
            key=points.key[by_key],
            value=value,
            cluster=cluster[by_key],
        )


def largest_cosine_before(vector: NDArray[Any]) -> FloatArray:
    """The largest cosine of each vector to those before it; -1 for the first.

    Args:
        vector: [n, d], of any length.

    Returns:
        float64[n], as of `on_grid`.
    """
    import torch

    vectors = torch.from_numpy(unit(vector)).to(device())
    found = torch.full((len(vectors),), -1.0, device=vectors.device)
    for top in range(0, len(vectors), _ROWS):
        rows = vectors[top : top + _ROWS]
        for left in range(0, top + len(rows), _COLUMNS):
            products = rows @ vectors[left : min(left + _COLUMNS, top + len(rows))].T
            if left + _COLUMNS > top:
                not_before = torch.ones_like(products, dtype=torch.bool).triu_(top - left)
                products.masked_fill_(not_before, -1.0)
            found[top : top + _ROWS].clamp_(min=products.amax(1))
    return on_grid(found.cpu().numpy().astype(np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedSemDeDup:
    """`SemDeDup` that has seen its corpus.

    Attributes:
        key: uint64[n], ascending.
        value: float64[n], as stored.
        cluster: int32[n].
    """

    name: ClassVar[str] = "semdedup"
    column: ClassVar[str] = "max_cosine"
    unit: ClassVar[str] = "cosine"
    higher_is_better: ClassVar[bool | None] = False

    spec: SemDeDup
    n_clusters: int
    key: Keys
    value: FloatArray
    cluster: NDArray[np.int32]

    def score(self, points: Points) -> Scored:
        """Look the points up by key.

        Returns:
            value: float64[n] in [-1, 1], in steps of 2^-20; -1 for the most preferred of a
            cluster. extra: ``duplicate`` (bool), ``cluster`` (int32). Points of one key have one
            score; they count as one document.

        Raises:
            ValueError: points that were not in the corpus.
        """
        at = positions(self.key, points.key, "SemDeDup")
        value = self.value[at]
        extra = {"duplicate": value > self.spec.threshold, "cluster": self.cluster[at]}
        return Scored(value, [None] * len(points), extra)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; the numbers of documents and clusters as found."""
        return {**self.spec.config(), "n_documents": len(self.key), "k": self.n_clusters}
