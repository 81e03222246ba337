"""What share of the space of embeddings a selection still covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..embeddings import EmbeddingTables
from ..stages.selection import Selection

_MOST, _MOST_CELLS, _PER_CELL = 20_000, 256, 20


@dataclass(frozen=True)
class Covered:
    """Cells of a clustering, and which still hold a document.

    Attributes:
        n_cells: with at least one document of the sample.
        share: of the cells, that hold a kept document.
        by_chance: the same expected of a uniform draw of as many documents.
        lost_documents: share of the documents that lie in cells without a kept one.
        said: what it was computed on.
    """

    n_cells: int
    share: float
    by_chance: float
    lost_documents: float
    said: str


def covered(tables: EmbeddingTables, selection: Selection, seed: int = 0) -> Covered | None:
    """Cluster a sample of the embeddings, and look which clusters are empty of kept documents.

    Cells are those of spherical k-means, one for every twenty documents, at most 256: the fewer
    documents a cell has, the more are lost by chance, which is told beside it.

    Args:
        tables: embeddings of the documents that were selected from.
        selection: tells which were kept.
        seed: of the sample and of the clustering.

    Returns:
        None where there are too few documents for two cells.
    """
    from scorers.clusters.kmeans import nearest, train

    drawn = tables.sample(_MOST, seed)
    points = drawn.points
    n_cells = min(_MOST_CELLS, len(points) // _PER_CELL)
    if n_cells < 2:
        return None
    chosen = np.zeros(len(points), bool)
    for shard in selection.manifest["shards"]:
        for batch in selection.batches(shard, ["key"]):
            chosen |= np.isin(points.key, batch["key"].to_numpy())
    centroids = train(drawn, n_cells, seed)
    cell, _ = nearest(points.vector, centroids)
    size = np.bincount(cell, minlength=n_cells)
    holds = np.bincount(cell[chosen], minlength=n_cells) > 0
    there = size > 0
    return Covered(
        n_cells=int(there.sum()),
        share=float(holds[there].mean()),
        by_chance=float(_expected(size[there], int(chosen.sum())).mean()),
        lost_documents=float(size[~holds].sum() / max(1, size.sum())),
        said=f"From embeddings ({tables.store.name}) of {len(points):,} documents"
        + ("." if drawn.is_everything else f", drawn from {drawn.n_documents:,}."),
    )


def _expected(size: NDArray[np.int64], n_kept: int) -> NDArray[np.float64]:
    """Probability that a cell of each size holds one of ``n_kept`` documents drawn at random."""
    from scipy.special import gammaln

    n = int(size.sum())
    rest = n - size
    possible = rest >= n_kept
    left = np.where(possible, rest, n_kept)
    none = np.exp(
        gammaln(left + 1) - gammaln(left - n_kept + 1) - gammaln(n + 1) + gammaln(n - n_kept + 1)
    )
    return np.asarray(1.0 - np.where(possible, none, 0.0), np.float64)
