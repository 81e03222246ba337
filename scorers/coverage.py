"""Coverage: the order in which documents are taken so that every text has one like it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xxhash
from numpy.typing import NDArray

from .base import FloatArray, Scored
from .clusters.kmeans import on_grid
from .keyed import IntArray, distinct, positions
from .points import Keys, Points, Sample
from .seeds import check_seed, signed
from .vectors import Vectors, unit

EXACT_UP_TO = 50_000
"""Documents up to which every neighbour is found; beyond, those in the nearest `N_PROBE` lists."""
N_PROBE = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """Rank of each document in a greedy choice that covers a set of texts with few documents.

    A set S of documents covers the texts q to Σ_q max_{s ∈ S} max(0, cos(q, s)): facility
    location. Greedy adds the document that raises this most, of equal ones that of the smallest
    key; so the first k are within 1 - 1/e of the best k, for every k at once. The texts are the
    corpus itself, or a target set: the questions users ask, say, where a question that is asked
    twice is there twice.

    Each text counts only its ``n_neighbours`` most similar documents; all others cover it to 0.
    The guarantee holds for this graph. It is close to all pairs where many documents are taken,
    while fewer than about n / n_neighbours of them leave texts without any neighbour.

    Source: the lazy evaluation is Minoux 1978, the guarantee Nemhauser, Wolsey & Fisher 1978.
    "A minimal set that covers what users ask for" is Yao Fu's objective of fine-tuning data, in
    words; facility location as its form is our reading. Departures: the neighbour graph.

    Cost: d · q · n multiplications for q texts, up to 50,000 documents. Beyond, FAISS looks into
    the 32 nearest of 4 · √n lists, d · q · (4 · √n + 8 · √n) multiplications and the training of
    the lists, and may miss neighbours (2 % of them at 100,000 clustered documents). Then some
    evaluations of n_neighbours operations for each document taken, in one thread. On one core,
    100,000 documents of 384 dimensions: 38 s and 2 s. Memory about 12 · d bytes for each document
    and 80 · n_neighbours for each text.

    Attributes:
        n_neighbours: documents that can cover a text, >= 1; fewer where the corpus is smaller.
        limit: documents to rank, >= 1; the rest share the last rank. None: until nothing gains.
        target: texts to cover as vectors of any length, [q, d]; None: the corpus.
        seed: of the lists, in [0, 2^32).
    """

    name: ClassVar[str] = "coverage"

    n_neighbours: int = 32
    limit: int | None = None
    target: NDArray[Any] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for option in ("n_neighbours", "limit"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise ValueError(f"{option!r} of Coverage must be at least 1. Got {value}.")
        check_seed(self)
        if self.target is not None and (np.ndim(self.target) != 2 or not len(self.target)):
            raise ValueError(
                f"'target' of Coverage must be of shape [q, d] with q >= 1. "
                f"Got {list(np.shape(self.target))}."
            )

    @property
    def n_sample(self) -> int:
        """Nothing depends on a sample."""
        return 0

    def calibrate(self, sample: Sample) -> Coverage:  # noqa: ARG002 (nothing depends on it)
        """Itself."""
        return self

    def fit(self, batches: Iterable[Points]) -> list[Points]:
        """Collect a share of the corpus, as float16 vectors of length 1."""
        return [Points(batch.key, unit(batch.vector).astype(np.float16)) for batch in batches]

    def merge(self, states: Sequence[list[Points]]) -> FittedCoverage:
        """Rank all documents.

        Raises:
            ValueError: no documents, or of another dimension than the target.
        """
        parts = [part for state in states for part in state]
        if not sum(map(len, parts)):
            raise ValueError("Coverage needs at least 1 document. Got none.")
        points = Points.joined(parts)
        by_key = distinct(points)
        documents = unit(points.vector[by_key])
        texts = documents if self.target is None else unit(self.target)
        if texts.shape[1] != documents.shape[1]:
            raise ValueError(
                f"'target' of Coverage must have the {documents.shape[1]} dimensions of the "
                f"documents. Got {texts.shape[1]}. Embed both with one model."
            )
        found, cosine = nearest_documents(texts, documents, self.n_neighbours, self.seed)
        n = len(documents)
        order, gains = greedy(found, cosine, n, n if self.limit is None else self.limit)
        rank, gain = np.full(n, len(order), np.float64), np.zeros(n)
        rank[order], gain[order] = np.arange(len(order)), gains
        return FittedCoverage(spec=self, key=points.key[by_key], rank=rank, gain=gain)

    def config(self) -> dict[str, Any]:
        """Everything that decides a score, but for the corpus; a hash stands for the target."""
        target = None
        if self.target is not None:
            vectors = np.ascontiguousarray(self.target, np.float32)
            digest = xxhash.xxh3_64(repr(vectors.shape).encode())
            digest.update(vectors.tobytes())
            target = digest.hexdigest()
        return {
            "n_neighbours": self.n_neighbours,
            "limit": self.limit,
            "target": target,
            "seed": self.seed,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCoverage:
    """`Coverage` that has seen its corpus.

    Attributes:
        key: uint64[n], ascending.
        rank: float64[n], as stored.
        gain: float64[n], as stored.
    """

    name: ClassVar[str] = "coverage"
    column: ClassVar[str] = "coverage_rank"
    unit: ClassVar[str] = "rank"
    higher_is_better: ClassVar[bool | None] = False

    spec: Coverage
    key: Keys
    rank: FloatArray
    gain: FloatArray

    def score(self, points: Points) -> Scored:
        """Look the points up by key.

        Returns:
            value: float64[n], 0 for the document taken first; those that were not taken share
            the number of those that were. extra: ``gain`` (float64: what a document added to the
            sum of cosines when it was taken; 0 where it was not). Points of one key share both;
            they count as one document.

        Raises:
            ValueError: points that were not in the corpus.
        """
        at = positions(self.key, points.key, "Coverage")
        return Scored(self.rank[at], [None] * len(points), {"gain": self.gain[at]})

    def config(self) -> dict[str, Any]:
        """Everything that decides a score; the number of documents as found."""
        return {**self.spec.config(), "n_documents": len(self.key)}


def nearest_documents(
    texts: Vectors, documents: Vectors, n_neighbours: int, seed: int
) -> tuple[IntArray, FloatArray]:
    """The documents of greatest cosine to each text, by FAISS; a GPU where it was built for one.

    Args:
        texts: float32[q, d] of length 1.
        documents: float32[n, d] of length 1.
        n_neighbours: k, of which min(k, n) are looked for.
        seed: of the lists.

    Returns:
        int64[q, k] with -1 where none was found, and float64[q, k] as of `on_grid`.
    """
    import faiss

    n, dimension = documents.shape
    index: Any = faiss.IndexFlatIP(dimension)
    if n > EXACT_UP_TO:
        lists: Any = faiss.IndexIVFFlat(
            index, dimension, round(4 * math.sqrt(n)), faiss.METRIC_INNER_PRODUCT
        )
        lists.cp.seed, lists.cp.min_points_per_centroid = signed(seed), 1
        lists.nprobe = N_PROBE
        index = lists
    if faiss.get_num_gpus():
        index = faiss.index_cpu_to_all_gpus(index)
    if n > EXACT_UP_TO:
        index.train(documents)
    index.add(documents)
    cosine, found = index.search(texts, min(n_neighbours, n))
    return found, on_grid(np.where(found < 0, 0.0, cosine))


def greedy(
    found: IntArray, cosine: FloatArray, n_documents: int, limit: int
) -> tuple[IntArray, FloatArray]:
    """Documents by falling gain in facility location, evaluated only where they may be the next.

    The gain of a document never rises while others are taken, so that what it once was bounds it
    from above: a document is next where its gain, evaluated anew, still beats all bounds. Cosines
    are on a grid, so that their sums are exact and the order is that of the plain algorithm.

    Args:
        found: int64[q, k], documents that cover each text; -1 for none.
        cosine: float64[q, k], how well.
        n_documents: n.
        limit: most documents to take.

    Returns:
        int64[m], the documents taken, and float64[m], their gains, all above 0; of equal gains
        the lowest number first.
    """
    text, place = np.nonzero((found >= 0) & (cosine > 0))
    document, weight = found[text, place], cosine[text, place]
    bounds = np.bincount(document, weight, minlength=n_documents)
    ends = np.cumsum(np.bincount(document, minlength=n_documents)).tolist()
    by_document = np.argsort(document, kind="stable")
    text, weight = text[by_document], weight[by_document]

    heap = [(-bound, at) for at, bound in enumerate(bounds.tolist()) if bound > 0]
    heapq.heapify(heap)
    evaluated = [0] * n_documents  # how many were taken when it was evaluated last
    covered = np.zeros(len(found))
    order: list[int] = []
    gains: list[float] = []
    while heap and len(order) < limit:
        bound, at = heap[0]
        part = slice(ends[at - 1] if at else 0, ends[at])
        if evaluated[at] < len(order):
            gain = float(np.maximum(weight[part] - covered[text[part]], 0.0).sum())
            evaluated[at] = len(order)
            if gain > 0:
                heapq.heapreplace(heap, (-gain, at))
            else:
                heapq.heappop(heap)
            continue
        heapq.heappop(heap)
        covered[text[part]] = np.maximum(covered[text[part]], weight[part])
        order.append(at)
        gains.append(-bound)
    return np.array(order, np.int64), np.array(gains)
